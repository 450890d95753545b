//! A tier: services that belong together, with a range of ports of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{NamespaceName, PhaseName, RangeName, TierName};
use super::port::PortRange;
use super::priority::Priority;
use super::reference::ServiceRef;
use super::resources::Resources;

/// A group of services with a range of ports, and what holds for all of them unless a service says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The ports of this tier, both ends inclusive, such as `9000-9019`. No two tiers overlap; what no service has
    /// taken stays reserved.
    pub ports: PortRange,
    /// What the tier is, in a few words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the range is called in the port registry, before `_range`; the tier's own name unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_name: Option<RangeName>,
    /// The namespace of this tier's services; the stack's own unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
    /// The priority of services that name none.
    #[serde(default)]
    pub priority: Priority,
    /// Whether the services are critical: environments may ask for more than one pod of such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// The phase that services of this tier start in, by name, unless they name one themselves; no earlier than their
    /// dependencies allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseName>,
    /// The services that every service of this tier waits for, in addition to its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ServiceRef>,
    /// The tiers whose services may depend on services of this one, its own included; any tier, when none is named. It
    /// opens no connection: it bounds which dependencies may be declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<TierName>,
    /// CPU and memory of services that name none and use no GPU; the stack's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

impl Tier {
    /// A tier with these ports, and nothing else said.
    #[must_use]
    pub const fn new(ports: PortRange) -> Self {
        Self {
            ports,
            title: None,
            range_name: None,
            namespace: None,
            priority: Priority::Low,
            critical: false,
            phase: None,
            depends_on: Vec::new(),
            accepts: Vec::new(),
            resources: None,
        }
    }
}
