//! What a stack is in an environment, in a few figures: how much of it there is, and what its start waits for.

use serde::Serialize;
use strata_components::desired::Desired;

use super::order::CriticalPath;
use crate::load::Loaded;

/// A stack in an environment, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The stack.
    pub stack: String,
    /// The environment.
    pub environment: String,
    /// How large it is; nothing where the stack cannot be composed.
    #[serde(flatten)]
    pub fleet: Option<Fleet>,
}

/// How large a fleet is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// How many services it has.
    pub services: u64,
    /// In how many phases they start.
    pub phases: u64,
    /// How many pods there are at the fewest.
    pub pods: u64,
    /// How many GPUs these ask for.
    pub gpus: u64,
    /// What decides how long the start may take; nothing where there are no services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_path: Option<CriticalPath>,
}

impl Summary {
    /// The figures of a stack, and of what it composes to where it does.
    #[must_use]
    pub fn of(loaded: &Loaded, desired: Option<&Desired>) -> Self {
        Self {
            stack: loaded.stack.stack.to_string(),
            environment: loaded.environment.environment.to_string(),
            fleet: desired.map(|desired| Fleet::of(loaded, desired)),
        }
    }
}

impl Fleet {
    fn of(loaded: &Loaded, desired: &Desired) -> Self {
        let compute = &desired.claims.compute;
        Self {
            services: loaded.stack.services.len() as u64,
            phases: desired.phases.iter().filter(|phase| !phase.services.is_empty()).count() as u64,
            pods: compute.iter().map(|claim| u64::from(claim.replicas)).sum(),
            gpus: compute.iter().map(|claim| u64::from(claim.replicas) * u64::from(claim.gpus)).sum(),
            critical_path: CriticalPath::of(desired, loaded),
        }
    }
}
