//! Lengths of time as people write them: `500ms`, `30s`, `5m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::text::TextError;

/// A length of time, at most a day, exact to the millisecond.
///
/// ```
/// use strata_components::model::Duration;
/// let limit: Duration = "90s".parse()?;
/// assert_eq!(limit.as_std(), std::time::Duration::from_secs(90));
/// assert_eq!("5m".parse::<Duration>()?.to_string(), "5m");
/// # Ok::<(), strata_components::model::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    milliseconds: u64,
}

const DAY: u64 = 24 * 60 * 60 * 1000;
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

impl Duration {
    /// The regular expression of its written form, as its JSON Schema has it; the limit of a day is not in it.
    pub const PATTERN: &'static str = "^[0-9]{1,8}(ms|s|m|h)$";

    /// That many seconds; more than a day becomes a day.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        let milliseconds = seconds as u64 * 1000;
        Self { milliseconds: if milliseconds > DAY { DAY } else { milliseconds } }
    }

    /// Whole seconds, a begun one counted as one.
    #[must_use]
    pub const fn seconds_rounded_up(self) -> u64 {
        self.milliseconds.div_ceil(1000)
    }

    /// The same in the standard library's type.
    #[must_use]
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.milliseconds)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact =
            UNITS.iter().rev().find(|(_, size)| self.milliseconds > 0 && self.milliseconds.is_multiple_of(*size));
        let (unit, size) = exact.unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", self.milliseconds / size)
    }
}

impl FromStr for Duration {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let size = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
        let milliseconds = size.zip(number.parse::<u32>().ok()).map(|(size, number)| size * u64::from(number));
        match milliseconds {
            Some(milliseconds) if milliseconds <= DAY && digits <= 8 => Ok(Self { milliseconds }),
            _ => Err(TextError {
                found: text.to_owned(),
                what: "duration",
                expected: "a whole number and ms, s, m or h, such as `30s`, at most a day",
            }),
        }
    }
}

impl TryFrom<String> for Duration {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "title": "duration",
            "description": "A length of time: a whole number and `ms`, `s`, `m` or `h`, such as `30s`; at most a day.",
        })
    }
}
