//! Validated whole numbers: what every newtype over a bounded number shares. What each number means stands with
//! its own type.

use thiserror::Error;

/// A number outside the bounds of its type.
///
/// ```
/// use strata_components::model::Port;
/// assert_eq!(Port::new(0).unwrap_err().to_string(), "0 is no port: expected a whole number from 1 to 65535");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found} is no {what}: expected a whole number from {min} to {max}")]
pub struct NumberError {
    /// What was given.
    pub found: i64,
    /// What it should have been, such as `port`.
    pub what: &'static str,
    /// The smallest that is accepted.
    pub min: i64,
    /// The largest that is accepted.
    pub max: i64,
}

/// Declares a newtype over a whole number with bounds, both inclusive.
macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident: $repr:ty, what: $what:literal, min: $min:literal, max: $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name($repr);

        impl $name {
            /// The smallest that is accepted.
            pub const MIN: $repr = $min;
            /// The largest that is accepted.
            pub const MAX: $repr = $max;

            /// Takes a number.
            ///
            /// # Errors
            /// When it is out of bounds.
            pub fn new(number: impl Into<i64>) -> Result<Self, $crate::model::NumberError> {
                let number = number.into();
                match <$repr>::try_from(number) {
                    Ok(value) if (Self::MIN..=Self::MAX).contains(&value) => Ok(Self(value)),
                    _ => Err($crate::model::NumberError { found: number, what: $what, min: $min, max: $max }),
                }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = $crate::model::NumberError;
            fn try_from(number: i64) -> Result<Self, Self::Error> {
                Self::new(number)
            }
        }

        impl From<$name> for i64 {
            fn from(number: $name) -> i64 {
                number.0.into()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "integer",
                    "minimum": $min,
                    "maximum": $max,
                    "title": $what,
                    "description": format!(
                        "{} {}: a whole number from {} to {}.",
                        $crate::model::text::article($what), $what, $min, $max
                    ),
                })
            }
        }
    };
}

pub(crate) use number_type;
