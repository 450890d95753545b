//! The network monitor: how often it asks the services that it depends on for their health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;

/// A monitor that asks the services that it depends on for their health, and tells people and Prometheus what they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkMonitor {
    /// How often each is asked.
    #[serde(default = "NetworkMonitor::usual_interval")]
    pub interval: Duration,
    /// How long it may take to answer.
    #[serde(default = "NetworkMonitor::usual_timeout")]
    pub timeout: Duration,
}

impl NetworkMonitor {
    /// The path on its port that tells whether it is well itself.
    pub(crate) const HEALTH: &'static str = "/health";

    /// Fifteen seconds.
    fn usual_interval() -> Duration {
        Duration::from_secs(15)
    }

    /// Two seconds.
    fn usual_timeout() -> Duration {
        Duration::from_secs(2)
    }
}
