//! Ports, ranges of ports, and the offset of an environment. Whether two services share a port is proven by
//! `check`, over every stack of a root.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::number::number_type;
use super::text::TextError;

number_type! {
    /// A TCP port.
    Port: u16, what: "port", min: 1, max: 65535
}

impl Port {
    /// A port that is known to be one when the program is built; at least 1.
    pub(crate) const fn known(port: u16) -> Self {
        Self(port)
    }

    /// The port `offset` higher, or nothing when there is none.
    ///
    /// ```
    /// use strata_components::model::{Port, PortOffset};
    /// assert_eq!(Port::new(9000)?.plus(PortOffset::new(200)?), Some(Port::new(9200)?));
    /// assert_eq!(Port::new(65000)?.plus(PortOffset::new(600)?), None);
    /// # Ok::<(), strata_components::model::NumberError>(())
    /// ```
    #[must_use]
    pub fn plus(self, offset: PortOffset) -> Option<Self> {
        self.0.checked_add(offset.get()).map(Self)
    }
}

number_type! {
    /// How far an environment's ports lie above those of the stack file: 0 in production, 100 in staging.
    #[derive(Default)]
    PortOffset: u16, what: "port offset", min: 0, max: 60000
}

/// A range of ports, both ends inclusive, written `9000-9019`.
///
/// ```
/// use strata_components::model::{Port, PortRange};
/// let core: PortRange = "9000-9019".parse()?;
/// assert!(core.contains(Port::new(9019)?));
/// assert!(core.overlaps(&"9019-9030".parse()?));
/// assert_eq!(core.to_string(), "9000-9019");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: Port,
    last: Port,
}

impl PortRange {
    /// The regular expression of a range, as its JSON Schema has it; it does not say that the first port is not
    /// above the last.
    pub const PATTERN: &'static str = "^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$";

    /// The range from `first` to `last`, or nothing when `first` is above `last`.
    #[must_use]
    pub fn new(first: Port, last: Port) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The lowest port.
    #[must_use]
    pub fn first(&self) -> Port {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub fn last(&self) -> Port {
        self.last
    }

    /// Whether `port` lies inside.
    #[must_use]
    pub fn contains(&self, port: Port) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether a port lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The range `offset` higher, or nothing when it would pass the highest port.
    #[must_use]
    pub fn plus(&self, offset: PortOffset) -> Option<Self> {
        Some(Self { first: self.first.plus(offset)?, last: self.last.plus(offset)? })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || TextError {
            found: text.to_owned(),
            what: "port range",
            expected: "two ports joined by `-`, the lower first, such as `9000-9019`",
        };
        let port = |digits: &str| {
            let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<i64>().ok().and_then(|number| Port::new(number).ok())).flatten()
        };
        let (first, last) = text.split_once('-').ok_or_else(error)?;
        let (first, last) = (port(first).ok_or_else(error)?, port(last).ok_or_else(error)?);
        Self::new(first, last).ok_or_else(error)
    }
}

impl TryFrom<String> for PortRange {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        range.to_string()
    }
}

impl JsonSchema for PortRange {
    fn schema_name() -> Cow<'static, str> {
        "PortRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "title": "port range",
            "description": "A range of ports, both ends inclusive, the lower first, such as `9000-9019`.",
        })
    }
}
