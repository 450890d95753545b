//! Validated text: what every newtype over a string shares, so that parsing, decoding, printing and JSON Schema
//! of one come from one declaration. What each text means stands with its own type.

use thiserror::Error;

/// A text that does not have the form its type asks for.
///
/// ```
/// use strata_components::model::ServiceName;
/// let error = ServiceName::new("AI-Memory").unwrap_err();
/// assert_eq!(error.to_string(), "`AI-Memory` is no service name: expected lower-case letters and digits, \
///     words joined by `_`, a letter first, at most 59 characters");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
#[error("`{found}` is no {what}: expected {expected}")]
pub struct TextError {
    /// What was given.
    pub found: String,
    /// What it should have been, such as `service name`.
    pub what: &'static str,
    /// The form that is asked for, in words.
    pub expected: &'static str,
}

/// Whether `text` is words of lower-case letters and digits joined by single `separator`s, a letter first.
pub(crate) fn words(text: &str, separator: char) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split(separator).all(|word| {
            !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        })
}

/// Whether `text` begins and ends with what `edge` admits and holds nothing but what `edge` or `inner` admit.
pub(crate) fn enclosed(text: &str, edge: fn(char) -> bool, inner: fn(char) -> bool) -> bool {
    text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|letter| edge(letter) || inner(letter))
}

/// The article that stands before a noun at the beginning of a sentence. Those that begin with a `u` here are spoken as
/// in `user`.
pub(crate) fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) { "An" } else { "A" }
}

/// Declares a newtype over a validated string. `valid` must accept exactly what `pattern` matches; the length is
/// checked apart from it, because the pattern cannot say it.
macro_rules! text_type {
    (
        $(#[$doc:meta])*
        $name:ident, what: $what:literal, expected: $expected:literal, pattern: $pattern:literal, max: $max:literal, valid: $valid:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The regular expression that the text matches, as its JSON Schema has it.
            pub const PATTERN: &'static str = $pattern;
            /// The most characters it may have.
            pub const MAX_LENGTH: usize = $max;

            /// Takes a text.
            ///
            /// # Errors
            /// When it does not have the form this type asks for.
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::model::TextError> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if text.len() <= Self::MAX_LENGTH && valid(&text) {
                    Ok(Self(text))
                } else {
                    Err($crate::model::TextError { found: text, what: $what, expected: $expected })
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::model::TextError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::model::TextError;
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::TextError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": Self::PATTERN,
                    "maxLength": Self::MAX_LENGTH,
                    "title": $what,
                    "description": format!("{} {}: {}.", $crate::model::text::article($what), $what, $expected),
                })
            }
        }
    };
}

pub(crate) use text_type;
