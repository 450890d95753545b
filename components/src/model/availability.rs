//! How much of the time a service has to answer.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::text::TextError;

/// The share of time in which a service answers, from 99% to 99.999%, as it is written: `99.9%`.
///
/// ```
/// use strata_components::model::Availability;
/// let target: Availability = "99.9%".parse()?;
/// assert_eq!(target.missing_millionths(), 1000);
/// assert_eq!("99.950%".parse::<Availability>()?.to_string(), "99.95%");
/// assert!("100%".parse::<Availability>().is_err());
/// # Ok::<(), strata_components::model::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Availability {
    /// In millionths.
    millionths: u32,
}

const WHOLE: u32 = 1_000_000;
/// A thousandth of a percent.
const STEP: u32 = 10;

impl Availability {
    /// The regular expression of its written form, as its JSON Schema has it.
    pub const PATTERN: &'static str = r"^99(\.[0-9]{1,3})?%$";

    /// The share of time in which the service may be away, in millionths.
    #[must_use]
    pub const fn missing_millionths(self) -> u32 {
        WHOLE - self.millionths
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = self.millionths / STEP % 1000;
        let digits = format!("{thousandths:03}");
        let digits = digits.trim_end_matches('0');
        write!(f, "{}{}{digits}%", self.millionths / STEP / 1000, if digits.is_empty() { "" } else { "." })
    }
}

impl FromStr for Availability {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let thousandths = |digits: &str| {
            let known = !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
            known.then(|| format!("{digits:0<3}").parse::<u32>().ok()).flatten()
        };
        let rest = text.strip_prefix("99").and_then(|rest| rest.strip_suffix('%'));
        let beyond = rest.and_then(|rest| match rest.strip_prefix('.') {
            Some(digits) => thousandths(digits),
            None => rest.is_empty().then_some(0),
        });
        beyond.map(|beyond| Self { millionths: 990_000 + beyond * STEP }).ok_or_else(|| TextError {
            found: text.to_owned(),
            what: "availability",
            expected: "a share of time from 99% to 99.999%, such as `99.9%`",
        })
    }
}

impl TryFrom<String> for Availability {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Availability> for String {
    fn from(availability: Availability) -> Self {
        availability.to_string()
    }
}

impl JsonSchema for Availability {
    fn schema_name() -> Cow<'static, str> {
        "Availability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "title": "availability",
            "description": "A share of time from `99%` to `99.999%`, such as `99.9%`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(&str, u32)>) {
        let found = text.parse::<Availability>().ok();
        let found = found.map(|target| (target.to_string(), target.missing_millionths()));
        assert_eq!(found, expect.map(|(text, missing)| (text.to_owned(), missing)), "{text}");
    }

    #[test]
    fn shares_of_time() {
        check("99%", Some(("99%", 10_000)));
        check("99.0%", Some(("99%", 10_000)));
        check("99.9%", Some(("99.9%", 1000)));
        check("99.05%", Some(("99.05%", 9500)));
        check("99.999%", Some(("99.999%", 10)));
        for wrong in ["", "%", "99", "99.9", "99.%", "100%", "98.9%", "99.9999%", "99.-1%", "99,9%", " 99%", "0.999"] {
            check(wrong, None);
        }
    }
}
