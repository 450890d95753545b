//! Kubernetes label keys and values, as nodes and selectors carry them.
//!
//! Their form is that of the Kubernetes documentation, "Labels and Selectors: Syntax and character set".

use super::text::{enclosed, text_type};

fn name_part(text: &str) -> bool {
    text.len() <= 63 && enclosed(text, |c| c.is_ascii_alphanumeric(), |c| matches!(c, '-' | '_' | '.'))
}

fn domain_part(text: &str) -> bool {
    enclosed(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| matches!(c, '-' | '.'))
}

text_type! {
    /// A label key, with or without a domain: `gpu`, `kubernetes.io/arch`. Extended resources such as
    /// `nvidia.com/gpu` have the same form.
    LabelKey, what: "label key",
    expected: "letters, digits, `-`, `_` and `.` (at most 63), after a domain and `/` where it has one",
    pattern: "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$", max: 317,
    valid: |text| match text.split_once('/') {
        Some((domain, name)) => domain_part(domain) && name_part(name),
        None => name_part(text),
    }
}

text_type! {
    /// A label value; it may be empty.
    LabelValue, what: "label value",
    expected: "letters, digits, `-`, `_` and `.`, a letter or digit first and last, at most 63 characters",
    pattern: "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$", max: 63,
    valid: |text| text.is_empty() || name_part(text)
}
