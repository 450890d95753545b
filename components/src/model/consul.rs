//! Consul: where it keeps its data, what its datacenter is called, and what it tells of the services that it registers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::component::Storage;
use super::duration::Duration;
use super::name::ServiceName;
use super::text::{enclosed, text_type};

text_type! {
    /// The name of a datacenter of Consul, such as `dc1`
    /// (<https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/general#datacenter>).
    Datacenter, what: "datacenter",
    expected: "lower-case letters, digits, `-` and `_`, a letter or digit at both ends, at most 63 characters",
    pattern: "^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$", max: 63,
    valid: |text| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        enclosed(text, edge, |c| matches!(c, '-' | '_'))
    }
}

impl Default for Datacenter {
    /// `dc1`, as Consul itself has it.
    fn default() -> Self {
        Self("dc1".to_owned())
    }
}

text_type! {
    /// A tag by which a service is looked for in Consul: one that can stand in a name of its DNS.
    ServiceTag, what: "tag of a service",
    expected: "letters, digits and `-`, a letter or digit at both ends, at most 63 characters",
    pattern: "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", max: 63,
    valid: |text| enclosed(text, |c| c.is_ascii_alphanumeric(), |c| c == '-')
}

text_type! {
    /// The key of what is told of a service: at most 128 characters, as Consul takes them
    /// (<https://developer.hashicorp.com/consul/docs/reference/service#meta>).
    MetadataKey, what: "key of metadata",
    expected: "letters, digits, `-` and `_`, at most 128 characters",
    pattern: "^[A-Za-z0-9_-]+$", max: 128,
    valid: |text| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

text_type! {
    /// What is told of a service under a key: at most 512 characters of ASCII, without control characters.
    MetadataValue, what: "value of metadata",
    expected: "printable ASCII, at most 512 characters",
    pattern: "^[ -~]*$", max: 512,
    valid: |text| text.chars().all(|c| matches!(c, ' '..='~'))
}

/// What Consul tells of one of the services that it registers, beside what the stack says of it anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The tags by which it is looked for, beside its tier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<ServiceTag>,
    /// What is told of it, by key: what it can do, for example.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<MetadataKey, MetadataValue>,
}

/// A Consul of one server, in which the services that it depends on are registered, with checks of their health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consul {
    /// The volume for its data.
    pub storage: Storage,
    /// What its datacenter is called.
    #[serde(default)]
    pub datacenter: Datacenter,
    /// What it tells of single services, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ServiceName, Registration>,
    /// How often each of them is asked for its health.
    #[serde(default = "Consul::usual_interval")]
    pub interval: Duration,
}

impl Consul {
    /// The path on its port that tells whether it answers: what is asked for there is known to a leader alone, which a
    /// single server is once it has read its data.
    pub(crate) const HEALTH: &'static str = "/v1/catalog/nodes";

    /// Ten seconds.
    fn usual_interval() -> Duration {
        Duration::from_secs(10)
    }
}
