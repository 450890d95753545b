//! The configuration of a server: a document of typed values, some of which the stack itself tells.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};
use thiserror::Error;

use super::name::ServiceName;
use super::output::{OutputRef, ServiceValue};
use super::text::text_type;

text_type! {
    /// A key in the configuration of a server, such as `batch_size`.
    ConfigKey, what: "configuration key",
    expected: "letters, digits, `_`, `.` and `-`, a letter or `_` first, at most 128 characters",
    pattern: "^[A-Za-z_][A-Za-z0-9_.-]*$", max: 128,
    valid: |text| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(inner)
    }
}

/// A value in the configuration of a server.
///
/// In a file a value is itself. `{service: cache, value: port}` is something of a service of the stack, and
/// `{output: platform.region}` an output; a mapping with other keys is a document in the document.
///
/// ```
/// use strata_components::model::ConfigValue;
/// let read = |value| serde_json::from_value::<ConfigValue>(value);
/// assert!(matches!(read(serde_json::json!({"service": "cache", "value": "port"}))?, ConfigValue::OfService { .. }));
/// assert!(matches!(read(serde_json::json!({"size": 100}))?, ConfigValue::Document(_)));
/// assert!(read(serde_json::json!([1, "two"])).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum ConfigValue {
    /// True or false.
    Truth(bool),
    /// A number.
    Number(Number),
    /// A text. No secret: whoever reads the file can read it.
    Text(String),
    /// Several values of one type.
    List(Vec<ConfigValue>),
    /// Values by key.
    Document(BTreeMap<ConfigKey, ConfigValue>),
    /// Something of a service of the stack, as it is in the environment: a number where it is a port, a text otherwise.
    OfService {
        /// The service.
        service: ServiceName,
        /// What of it.
        value: ServiceValue,
    },
    /// An output of this stack or of another, which is a text.
    OfOutput(OutputRef),
}

impl ConfigValue {
    /// The type of what it comes to, in a word for people.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Truth(_) => "true or false",
            Self::Number(_) | Self::OfService { value: ServiceValue::Port, .. } => "numbers",
            Self::Text(_) | Self::OfService { .. } | Self::OfOutput(_) => "texts",
            Self::List(_) => "lists",
            Self::Document(_) => "documents",
        }
    }

    /// The same with the type of a list's values: `lists of numbers`.
    #[must_use]
    pub fn whole_type_name(&self) -> String {
        match self {
            Self::List(items) => items.first().map(|first| format!("lists of {}", first.whole_type_name())),
            _ => None,
        }
        .unwrap_or_else(|| self.type_name().to_owned())
    }

    /// Whether a server that expects this value can read the other one in its place: both are of one type, and so are
    /// the values of lists.
    ///
    /// ```
    /// use strata_components::model::ConfigValue;
    /// let fits = |one, other| Ok::<_, serde_json::Error>(
    ///     serde_json::from_value::<ConfigValue>(one)?.is_like(&serde_json::from_value(other)?),
    /// );
    /// assert!(fits(serde_json::json!(9000), serde_json::json!({"service": "cache", "value": "port"}))?);
    /// assert!(fits(serde_json::json!([]), serde_json::json!(["a"]))?);
    /// assert!(!fits(serde_json::json!([1]), serde_json::json!(["a"]))?);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(own), Self::List(others)) => {
                own.first().zip(others.first()).is_none_or(|(own, other)| own.is_like(other))
            }
            _ => self.type_name() == other.type_name(),
        }
    }
}

/// A value that no configuration holds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Nothing at all.
    #[error("a configuration holds no empty values: leave the key out")]
    Nothing,
    /// Values of several types in one list.
    #[error("a list holds values of one type, and this one holds {first} and {second}")]
    Mixed {
        /// The type of the first value.
        first: &'static str,
        /// Another type.
        second: &'static str,
    },
    /// A key, a service or an output that is none.
    #[error("{0}")]
    Form(String),
}

impl TryFrom<Value> for ConfigValue {
    type Error = ConfigError;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let form = |error: &dyn std::fmt::Display| ConfigError::Form(error.to_string());
        Ok(match value {
            Value::Null => return Err(ConfigError::Nothing),
            Value::Bool(truth) => Self::Truth(truth),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => {
                let items: Vec<Self> = items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?;
                let first = items.first().map_or("", Self::type_name);
                if let Some(other) = items.iter().find(|item| item.type_name() != first) {
                    return Err(ConfigError::Mixed { first, second: other.type_name() });
                }
                Self::List(items)
            }
            Value::Object(fields) => {
                let read = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
                match keys.as_slice() {
                    ["service", "value"] => Self::OfService {
                        service: ServiceName::new(read("service")).map_err(|error| form(&error))?,
                        value: serde_json::from_value(read("value").into()).map_err(|error| form(&error))?,
                    },
                    ["output"] => Self::OfOutput(OutputRef::new(read("output")).map_err(|error| form(&error))?),
                    _ => {
                        let entry = |(key, value): (String, Value)| {
                            Ok((ConfigKey::new(key).map_err(|error| form(&error))?, Self::try_from(value)?))
                        };
                        Self::Document(fields.into_iter().map(entry).collect::<Result<_, ConfigError>>()?)
                    }
                }
            }
        })
    }
}

impl From<ConfigValue> for Value {
    fn from(value: ConfigValue) -> Self {
        match value {
            ConfigValue::Truth(truth) => truth.into(),
            ConfigValue::Number(number) => number.into(),
            ConfigValue::Text(text) => text.into(),
            ConfigValue::List(items) => items.into_iter().map(Self::from).collect(),
            ConfigValue::Document(fields) => {
                let fields: Map<String, Self> =
                    fields.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
                fields.into()
            }
            ConfigValue::OfService { service, value } => json!({"service": service, "value": value}),
            ConfigValue::OfOutput(output) => json!({"output": output}),
        }
    }
}

impl JsonSchema for ConfigValue {
    fn schema_name() -> Cow<'static, str> {
        "ConfigValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Self>();
        let mut patterns = Map::new();
        patterns.insert(ConfigKey::PATTERN.to_owned(), value.clone().to_value());
        json_schema!({
            "title": "configuration value",
            "description": "A value of a configuration: true or false, a number, a text, a list of values of one type, or \
                values by key. `{service: cache, value: port}` is something of a service of the stack, and \
                `{output: region}` an output.",
            "anyOf": [
                {"type": "boolean"},
                {"type": "number"},
                {"type": "string"},
                {"type": "array", "items": value},
                {"type": "object", "patternProperties": patterns, "additionalProperties": false},
            ],
        })
    }
}
