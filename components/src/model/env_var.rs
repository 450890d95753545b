//! Names of environment variables that a container is given.

use super::text::text_type;

text_type! {
    /// The name of an environment variable, such as `LOG_LEVEL`. Names beginning with `MCP_` are accepted here; the
    /// ones that the platform itself sets are refused when the stack is composed.
    EnvName, what: "environment variable name",
    expected: "letters, digits and `_`, no digit first, at most 128 characters",
    pattern: "^[A-Za-z_][A-Za-z0-9_]*$", max: 128,
    valid: |text| {
        !text.is_empty()
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    }
}
