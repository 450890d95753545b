//! Where a server answers health probes and gives its metrics: on a port a fixed distance above its own, on its
//! own port, or on a port of its own choice.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::port::{Port, PortOffset};
use super::text::TextError;

/// The rule that gives a service's health port.
///
/// Written `"+100"` (in quotes: YAML reads a bare `+100` as the number 100), `same`, or a port from 1024 on.
///
/// ```
/// use strata_components::model::{HealthPort, Port, PortOffset};
/// let rule: HealthPort = "+100".parse()?;
/// assert_eq!(rule.of(Port::new(9000)?, PortOffset::new(0)?), Some(Port::new(9100)?));
/// assert_eq!(HealthPort::Same.of(Port::new(9000)?, PortOffset::new(200)?), Some(Port::new(9200)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthPort {
    /// This many ports above the service's own.
    Above(PortOffset),
    /// The service's own port.
    #[default]
    Same,
    /// This port; the environment's offset is added to it as to every port of the stack file.
    Fixed(Port),
}

impl HealthPort {
    /// The regular expression of the rule's text form, as its JSON Schema has it.
    pub const PATTERN: &'static str = r"^(same|\+[1-9][0-9]{0,4})$";
    /// The lowest port that can be named: a server that runs without root cannot bind lower ones everywhere.
    pub const LOWEST: u16 = 1024;

    /// The health port of a service on `port`, in an environment with `offset`; both are added. Nothing when it
    /// would pass 65535.
    #[must_use]
    pub fn of(self, port: Port, offset: PortOffset) -> Option<Port> {
        match self {
            Self::Above(distance) => port.plus(offset)?.plus(distance),
            Self::Same => port.plus(offset),
            Self::Fixed(fixed) => fixed.plus(offset),
        }
    }

    fn fixed(number: i64) -> Result<Self, TextError> {
        match Port::new(number) {
            Ok(port) if port.get() >= Self::LOWEST => Ok(Self::Fixed(port)),
            _ => Err(error(&number.to_string())),
        }
    }
}

fn error(found: &str) -> TextError {
    TextError {
        found: found.to_owned(),
        what: "health port",
        expected: "`same`, a distance in quotes such as \"+100\", or a port from 1024 to 65535",
    }
}

impl fmt::Display for HealthPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(distance) => write!(f, "+{distance}"),
            Self::Same => f.write_str("same"),
            Self::Fixed(port) => write!(f, "{port}"),
        }
    }
}

impl std::str::FromStr for HealthPort {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "same" {
            return Ok(Self::Same);
        }
        let digits = text.strip_prefix('+').ok_or_else(|| error(text))?;
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error(text));
        }
        let distance = digits.parse::<i64>().ok().and_then(|number| PortOffset::new(number).ok());
        distance.map(Self::Above).ok_or_else(|| error(text))
    }
}

impl Serialize for HealthPort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(port) => port.serialize(serializer),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for HealthPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rule;

        impl Visitor<'_> for Rule {
            type Value = HealthPort;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`same`, a distance such as \"+100\", or a port")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<HealthPort, E> {
                HealthPort::fixed(number).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<HealthPort, E> {
                HealthPort::fixed(i64::try_from(number).unwrap_or(i64::MAX)).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HealthPort, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Rule)
    }
}

impl JsonSchema for HealthPort {
    fn schema_name() -> Cow<'static, str> {
        "HealthPort".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": Self::PATTERN,
            "minimum": Self::LOWEST,
            "maximum": Port::MAX,
            "title": "health port",
            "x-expected": "`same`, a distance in quotes such as \"+100\", or a port from 1024 to 65535",
            "description": "Where health and metrics are served: `\"+100\"` (in quotes) for a port that much above \
                the service's own, `same` for the service's own port, or a port from 1024 on.",
        })
    }
}
