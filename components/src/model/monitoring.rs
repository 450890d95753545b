//! How an environment watches a fleet: who scrapes it, and what makes the Prometheus operator and Grafana take up the
//! monitors, alerts and dashboards.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::label::{LabelKey, LabelValue};
use super::network::Peer;

/// How an environment watches a fleet, with the Prometheus operator and Grafana. Without it nothing is watched, and no
/// policy lets a scrape in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitoring {
    /// The pods that scrape, and are let through to the health ports.
    #[serde(default = "prometheus")]
    pub prometheus: Peer,
    /// Labels by which the operator selects monitors and rules, such as `release: prometheus`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// Labels by which Grafana finds the ConfigMaps of dashboards.
    #[serde(default = "grafana")]
    pub dashboard_labels: BTreeMap<LabelKey, LabelValue>,
    /// How often a server is scraped.
    #[serde(default = "half_a_minute")]
    pub interval: Duration,
}

fn prometheus() -> Peer {
    Peer::known("monitoring", ("app.kubernetes.io/name", "prometheus"))
}

fn grafana() -> BTreeMap<LabelKey, LabelValue> {
    LabelKey::new("grafana_dashboard").ok().zip(LabelValue::new("1").ok()).into_iter().collect()
}

const fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            prometheus: prometheus(),
            labels: BTreeMap::new(),
            dashboard_labels: grafana(),
            interval: half_a_minute(),
        }
    }
}
