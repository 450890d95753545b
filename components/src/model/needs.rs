//! What a service waits for that its stack does not bring: Services, definitions of kinds, nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::NodeCount;
use super::duration::Duration;
use super::label::{LabelKey, LabelValue};
use super::text::{enclosed, text_type};

fn dns_label(text: &str) -> bool {
    text.len() <= 63 && enclosed(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-')
}

text_type! {
    /// The name of a namespace, or of an object in one, that a stack does not bring: a label of the domain name system.
    OutsideName, what: "name of something outside the stack",
    expected: "lower-case letters, digits and `-`, a letter or digit first and last, at most 63 characters",
    pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max: 63, valid: dns_label
}

text_type! {
    /// The name of a CustomResourceDefinition, such as `certificates.cert-manager.io`.
    DefinitionName, what: "name of a CustomResourceDefinition",
    expected: "the plural of its kind and its group, joined by a dot, such as `certificates.cert-manager.io`",
    pattern: r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", max: 253,
    valid: |text| {
        let label = |label: &str| enclosed(label, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-');
        text.contains('.') && text.split('.').all(label)
    }
}

text_type! {
    /// A label that nodes carry: `key=value`, or `key` alone for any value.
    NodeLabel, what: "node label",
    expected: "`key` or `key=value`, such as `nvidia.com/gpu.present=true`",
    pattern: "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?(=([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?)?$",
    max: 381,
    valid: |text| match text.split_once('=') {
        Some((key, value)) => LabelKey::new(key).is_ok() && LabelValue::new(value).is_ok(),
        None => LabelKey::new(text).is_ok(),
    }
}

/// What a service waits for that its stack does not bring, before anything of it is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Services, each with at least one endpoint that is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<NeededService>,
    /// CustomResourceDefinitions, each established.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<NeededDefinition>,
    /// Nodes of a label that are ready and take pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NeededNodes>,
}

/// A Service that is waited for until one of its endpoints is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeededService {
    /// Its namespace.
    pub namespace: OutsideName,
    /// Its name.
    pub name: OutsideName,
    /// How long it is waited for; as long as for any object (`--timeout`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// A CustomResourceDefinition that is waited for until it is established.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeededDefinition {
    /// Its name.
    pub name: DefinitionName,
    /// How long it is waited for; as long as for any object (`--timeout`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// Nodes that are waited for until enough of them are ready and take pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeededNodes {
    /// The label that they carry.
    pub label: NodeLabel,
    /// How many.
    #[serde(default)]
    pub count: NodeCount,
    /// How long they are waited for; as long as for any object (`--timeout`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}
