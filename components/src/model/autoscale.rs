//! How far a service grows by itself, and on what; and whether its pods learn what to ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::number_type;
use super::replicas::Replicas;

number_type! {
    /// A share of what a pod requests, in percent. It can pass 100: a pod may use more than it requests.
    Percent: u32, what: "percentage", min: 1, max: 1000
}

/// A range of replicas, and the use of CPU or memory that an autoscaler steers towards.
///
/// Where an autoscaler works, it owns the number of pods. A service that also has `replicas` starts no lower than
/// the higher of `replicas` and `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["cpu"]}, {"required": ["memory"]}]))]
pub struct Autoscale {
    /// The fewest pods.
    pub min: Replicas,
    /// The most pods.
    pub max: Replicas,
    /// The average use of CPU to steer towards, in percent of what a pod requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Percent>,
    /// The average use of memory to steer towards, in percent of what a pod requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Percent>,
}

/// What is done with what use teaches about how much a pod should ask for, by a VerticalPodAutoscaler for each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerticalAutoscaling {
    /// It is said, and changes nothing.
    Recommend,
    /// A pod starts with it, but never with more than the stack asks for. What an autoscaler of the number of pods
    /// steers by is left alone.
    Initial,
}

/// What an environment changes about a service's autoscaler; what is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoscaleOverride {
    /// The fewest pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Replicas>,
    /// The most pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Replicas>,
    /// The average use of CPU to steer towards, in percent of what a pod requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Percent>,
    /// The average use of memory to steer towards, in percent of what a pod requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Percent>,
}

impl AutoscaleOverride {
    /// `stack`'s autoscaler with what this changes about it.
    #[must_use]
    pub fn over(&self, stack: Autoscale) -> Autoscale {
        let Self { min, max, cpu, memory } = *self;
        Autoscale {
            min: min.unwrap_or(stack.min),
            max: max.unwrap_or(stack.max),
            cpu: cpu.or(stack.cpu),
            memory: memory.or(stack.memory),
        }
    }
}
