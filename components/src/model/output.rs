//! What a stack tells other stacks, and people: its outputs, each a name with a typed value. Secrets are never among
//! them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::name::{ServiceName, StackName};
use super::text::{text_type, words};

fn identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

text_type! {
    /// The name of an output of a stack, such as `cache_url`.
    OutputName, what: "output name",
    expected: "lower-case letters, digits and `_`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9_]*$", max: 63, valid: identifier
}

text_type! {
    /// A reference to an output: `cache_url` of the same stack, `platform.cache_url` of another.
    ///
    /// ```
    /// use strata_components::model::OutputRef;
    /// let reference = OutputRef::new("platform.cache_url")?;
    /// assert_eq!((reference.stack(), reference.output()), (Some("platform"), "cache_url"));
    /// # Ok::<(), strata_components::model::TextError>(())
    /// ```
    OutputRef, what: "reference to an output",
    expected: "the name of an output, after the name of its stack and `.` where it is another stack's",
    pattern: r"^([a-z][a-z0-9]*(-[a-z0-9]+)*\.)?[a-z][a-z0-9_]*$", max: 127,
    valid: |text| match text.split_once('.') {
        Some((stack, output)) => stack.len() <= StackName::MAX_LENGTH && words(stack, '-') && OutputName::new(output).is_ok(),
        None => OutputName::new(text).is_ok(),
    }
}

impl OutputRef {
    /// The stack it names, where it names one.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        self.as_str().split_once('.').map(|(stack, _)| stack)
    }

    /// The output it names.
    #[must_use]
    pub fn output(&self) -> &str {
        self.as_str().split_once('.').map_or(self.as_str(), |(_, output)| output)
    }
}

/// What of a service an output tells, as it is in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceValue {
    /// Where clients connect: `http://cache-mcp.shop.svc:9200`, with the scheme of what the service is.
    Url,
    /// Host and port, joined by a colon.
    Address,
    /// Its name in the cluster's domain name system, or its own of what lies outside.
    Host,
    /// The port it answers on.
    Port,
    /// The name of its Service.
    Name,
    /// The namespace of that.
    Namespace,
}

impl ServiceValue {
    /// The word for it in a file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Address => "address",
            Self::Host => "host",
            Self::Port => "port",
            Self::Name => "name",
            Self::Namespace => "namespace",
        }
    }

    /// Whether it is for connecting to the service.
    #[must_use]
    pub const fn leads_there(self) -> bool {
        matches!(self, Self::Url | Self::Address | Self::Host)
    }
}

/// An output: a text that is the same everywhere, or something of a service.
///
/// In a file `{literal: eu-central}` or `{service: cache, value: url}`, either with a `description`.
///
/// ```
/// use strata_components::model::{Output, OutputValue};
/// let output: Output = serde_json::from_value(serde_json::json!({"literal": "eu-central"}))?;
/// assert_eq!(output.value, OutputValue::Literal("eu-central".to_owned()));
/// assert!(serde_json::from_value::<Output>(serde_json::json!({"service": "cache"})).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OutputFields", into = "OutputFields")]
pub struct Output {
    /// What it is, in a sentence for people.
    pub description: Option<String>,
    /// Its value.
    pub value: OutputValue,
}

/// The value of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputValue {
    /// A text.
    Literal(String),
    /// Something of a service of the stack.
    OfService {
        /// The service.
        service: ServiceName,
        /// What of it.
        value: ServiceValue,
    },
}

/// An output as a file has it.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Output")]
#[schemars(extend("oneOf" = [{"required": ["literal"]}, {"required": ["service", "value"]}]))]
struct OutputFields {
    /// What it is, in a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// A text that is the same in every environment. No secret: whoever reads the file can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    literal: Option<String>,
    /// The service of the stack that it tells something of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<ServiceName>,
    /// What of the service it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<ServiceValue>,
}

/// An output without a value, or with two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an output is either a `literal`, or a `value` of a `service`")]
pub struct OutputError;

impl TryFrom<OutputFields> for Output {
    type Error = OutputError;

    fn try_from(fields: OutputFields) -> Result<Self, Self::Error> {
        let OutputFields { description, literal, service, value } = fields;
        let value = match (literal, service, value) {
            (Some(text), None, None) => OutputValue::Literal(text),
            (None, Some(service), Some(value)) => OutputValue::OfService { service, value },
            _ => return Err(OutputError),
        };
        Ok(Self { description, value })
    }
}

impl From<Output> for OutputFields {
    fn from(Output { description, value }: Output) -> Self {
        match value {
            OutputValue::Literal(text) => Self { description, literal: Some(text), ..Self::default() },
            OutputValue::OfService { service, value } => {
                Self { description, service: Some(service), value: Some(value), ..Self::default() }
            }
        }
    }
}

impl JsonSchema for Output {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Output".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        OutputFields::json_schema(generator)
    }
}
