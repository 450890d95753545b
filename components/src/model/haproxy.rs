//! HAProxy in front of services: how requests to each of them are spread over pods, and who answers when all fail.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::name::ServiceName;
use super::number::number_type;

number_type! {
    /// The share of requests that a service gets of those that are spread by weight, beside the shares of the others.
    Weight: u16, what: "weight", min: 1, max: 256
}

/// How requests to a service are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// To one pod after the other.
    #[default]
    RoundRobin,
    /// To the pod with the fewest connections.
    LeastConnections,
    /// To several services, each with its share of them.
    Weighted,
}

impl Balance {
    /// The word for it in a configuration of HAProxy
    /// (<https://docs.haproxy.org/3.2/configuration.html#4.2-balance>): its round robin follows the weights of servers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin | Self::Weighted => "roundrobin",
            Self::LeastConnections => "leastconn",
        }
    }
}

/// How HAProxy treats one of the services that it stands in front of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// How its requests are spread.
    #[serde(default)]
    pub balance: Balance,
    /// The services that answer its requests, each with its share; with `balance: weighted`, and only then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<ServiceName, Weight>,
    /// The service that answers when none of its pods does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<ServiceName>,
}

impl Front {
    /// The services that it names beside the one that it is for.
    pub fn named(&self) -> impl Iterator<Item = &ServiceName> {
        self.weights.keys().chain(&self.backup)
    }
}

/// An HAProxy with a front for each service of its stack that it depends on, on that service's port; its own port has
/// its statistics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Haproxy {
    /// How it treats single services, where that is not one pod after the other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ServiceName, Front>,
    /// How long a connection may be silent before it is closed.
    #[serde(default = "Haproxy::usual_silence")]
    pub idle: Duration,
}

impl Haproxy {
    /// The path on its own port that tells whether it is well itself.
    pub(crate) const HEALTH: &'static str = "/health";

    /// Ten minutes: answers of MCP servers come as streams, with long pauses.
    fn usual_silence() -> Duration {
        Duration::from_secs(600)
    }
}
