//! Amounts of CPU and memory, written as Kubernetes writes them and kept exactly.
//!
//! They are printed in the canonical form of the Kubernetes `Quantity`
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>): the largest suffix that
//! leaves a whole number, so that a server has nothing to rewrite. CPU and memory are types of their own, because
//! the suffixes that make sense differ: `512m` of memory, half a byte, is a mistake that Kubernetes accepts.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::text::TextError;

const DECIMAL: [(&str, u64); 6] = [
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

const BINARY: [(&str, u64); 6] =
    [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("Pi", 1 << 50), ("Ei", 1 << 60)];

/// An amount of CPU, exact to a thousandth of a core.
///
/// ```
/// use strata_components::model::Cpu;
/// assert_eq!("0.5".parse::<Cpu>()?.to_string(), "500m");
/// assert_eq!("1000m".parse::<Cpu>()?.to_string(), "1");
/// assert_eq!("1.5".parse::<Cpu>()?.millis(), 1500);
/// # Ok::<(), strata_components::model::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu {
    millis: u64,
}

impl Cpu {
    /// The regular expression of its text form, as its JSON Schema has it.
    pub const PATTERN: &'static str = r"^([0-9]{1,3}(\.[0-9]{1,3})?|[0-9]{1,6}m)$";
    /// The largest amount, in thousandths of a core: just below a thousand cores.
    pub const MAX_MILLIS: u32 = 999_999;

    /// That many thousandths of a core, at most [`MAX_MILLIS`](Self::MAX_MILLIS).
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self { millis: if millis > Self::MAX_MILLIS { Self::MAX_MILLIS } else { millis } as u64 }
    }

    /// In thousandths of a core.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.millis
    }
}

/// Splits `1.25` into 1 and 250 thousandths. At most `longest` digits stand before the point, and three after it.
fn decimal(text: &str, longest: usize) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str, longest| (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole, longest) && digits(fraction, 3) {
        Some((whole.parse().ok()?, format!("{fraction:0<3}").parse().ok()?))
    } else {
        None
    }
}

/// `number`, shortened by the largest suffix that divides it.
fn shortest(number: u64, suffixes: &[(&'static str, u64)]) -> String {
    match suffixes.iter().rev().find(|(_, size)| number > 0 && number.is_multiple_of(*size)) {
        Some((suffix, size)) => format!("{}{suffix}", number / size),
        None => number.to_string(),
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis.is_multiple_of(1000) {
            write!(f, "{}", self.millis / 1000)
        } else {
            write!(f, "{}m", self.millis)
        }
    }
}

impl FromStr for Cpu {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = match text.strip_suffix('m') {
            Some(digits) => decimal(digits, 6).filter(|_| !digits.contains('.')).map(|(whole, _)| whole),
            None => decimal(text, 3).map(|(whole, thousandths)| whole * 1000 + thousandths),
        };
        millis.map(|millis| Self { millis }).ok_or_else(|| TextError {
            found: text.to_owned(),
            what: "amount of CPU",
            expected: "cores, such as `2` or `0.5`, or thousandths of a core, such as `500m`, below a thousand cores",
        })
    }
}

/// An amount of memory in bytes, whole kibibytes or kilobytes of them, and whether it is counted in powers of 1024 or of 1000.
///
/// ```
/// use strata_components::model::Memory;
/// assert_eq!("1024Mi".parse::<Memory>()?.to_string(), "1Gi");
/// assert_eq!("0.5Gi".parse::<Memory>()?.to_string(), "512Mi");
/// assert_eq!("1500M".parse::<Memory>()?.bytes(), 1_500_000_000);
/// # Ok::<(), strata_components::model::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory {
    bytes: u64,
    binary: bool,
}

impl Memory {
    /// The regular expression of its form, as its JSON Schema has it.
    pub const PATTERN: &'static str = r"^[0-9]{1,10}(\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)$";

    /// That many mebibytes (1,048,576 bytes each).
    #[must_use]
    pub const fn from_mebibytes(mebibytes: u32) -> Self {
        Self { bytes: (mebibytes as u64) << 20, binary: true }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffixes: &[_] = if self.binary { &BINARY } else { &DECIMAL };
        f.write_str(&shortest(self.bytes, suffixes))
    }
}

impl FromStr for Memory {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || TextError {
            found: text.to_owned(),
            what: "amount of memory",
            expected: "a number and a unit, Ki, Mi, Gi, Ti, Pi (powers of 1024) or k, M, G, T, P (powers of 1000), that \
                is some whole Ki or k",
        };
        let unit = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(error)?;
        let (number, unit) = text.split_at(unit);
        let (size, binary) = [(&BINARY, true), (&DECIMAL, false)]
            .into_iter()
            .find_map(|(units, binary)| {
                units
                    .iter()
                    .filter(|(name, _)| !name.starts_with('E'))
                    .find(|(name, _)| *name == unit)
                    .map(|(_, size)| (*size, binary))
            })
            .ok_or_else(error)?;
        let (whole, thousandths) = decimal(number, 10).ok_or_else(error)?;
        let bytes = (u128::from(whole) * 1000 + u128::from(thousandths)) * u128::from(size);
        // Whole numbers of the smallest unit have a written form of their own; parts of it would have none.
        let smallest = if binary { 1024 } else { 1000 };
        let bytes = (bytes > 0 && bytes.is_multiple_of(1000 * smallest)).then_some(bytes / 1000).ok_or_else(error)?;
        let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes <= i64::MAX.unsigned_abs()).ok_or_else(error)?;
        Ok(Self { bytes, binary })
    }
}

impl Serialize for Cpu {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;

        impl Visitor<'_> for Amount {
            type Value = Cpu;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of CPU, such as 2, 0.5 or 500m")
            }

            fn visit_i64<E: de::Error>(self, cores: i64) -> Result<Cpu, E> {
                self.visit_str(&cores.to_string())
            }

            fn visit_u64<E: de::Error>(self, cores: u64) -> Result<Cpu, E> {
                self.visit_str(&cores.to_string())
            }

            fn visit_f64<E: de::Error>(self, cores: f64) -> Result<Cpu, E> {
                self.visit_str(&cores.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cpu, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Amount)
    }
}

impl JsonSchema for Cpu {
    fn schema_name() -> Cow<'static, str> {
        "Cpu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": Self::PATTERN,
            "minimum": 0,
            "maximum": 999.999,
            "title": "amount of CPU",
            "description": "CPU in cores, such as `2` or `0.5`, or in thousandths of a core, such as `500m`.",
        })
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Memory {
    fn schema_name() -> Cow<'static, str> {
        "Memory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "title": "amount of memory",
            "description": "Memory with its unit: `Ki`, `Mi`, `Gi`, `Ti`, `Pi` (powers of 1024) or `k`, `M`, `G`, \
                `T`, `P` (powers of 1000), such as `512Mi`.",
        })
    }
}
