//! What an environment changes about one service. What a field does not name stays as the stack has it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscale::AutoscaleOverride;
use super::config::{ConfigKey, ConfigValue};
use super::egress::Egress;
use super::env_var::EnvName;
use super::gpu::GpuCount;
use super::image::ImageReference;
use super::needs::Needs;
use super::replicas::Replicas;
use super::resources::Resources;
use super::rollout::Rollout;

/// What an environment changes about one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceOverride {
    /// How many pods run; the environment's replica policy still applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// How many GPUs each pod needs; the environment's GPU policy still applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuCount>,
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// CPU and memory of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Changes to its autoscaler; a service without one in the stack has none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<AutoscaleOverride>,
    /// How its pods are exchanged for those of a new template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What it waits for that the stack does not bring, in place of what the stack says; nothing with `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// What it connects to outside the fleet, in place of what the stack says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<Egress>>,
    /// Environment variables that are added, or that take the place of those of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, String>,
    /// Values of its configuration that are added, or that take the place of those under the same key and have their type;
    /// documents are merged key by key, down to the last one. No secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<ConfigKey, ConfigValue>,
}
