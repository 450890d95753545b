//! How many pods a service has, and what an environment makes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::number_type;

number_type! {
    /// How many pods of a service run at once.
    Replicas: u32, what: "replica count", min: 1, max: 1000
}

impl Default for Replicas {
    fn default() -> Self {
        Self::ONE
    }
}

impl Replicas {
    /// One pod.
    pub const ONE: Self = Self(1);
}

/// What an environment does to the replica counts of the stack file.
///
/// The cap is applied last: it also holds for services raised by `critical_min`, and for both ends of an
/// autoscaler's range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicaPolicy {
    /// The fewest pods a service marked `critical` has here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_min: Option<Replicas>,
    /// The most pods any service has here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Replicas>,
}
