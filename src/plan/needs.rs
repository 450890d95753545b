//! What each phase waits for outside the stack: the needs of the services that it changes something of. A service that
//! is as it should be waits for nothing, and neither does what is deleted.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_components::desired::{Desired, ResourceId};
use strata_components::needs::Need;

use super::types::{Action, Order, PlanPhase};

/// Something outside the stack that services wait for before anything of them is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedNeed {
    /// The object by which it is told; nodes are told by their label.
    pub id: ResourceId,
    /// What is waited for, and how long.
    #[serde(flatten)]
    pub need: Need,
    /// The services that wait for it, sorted.
    pub services: Vec<String>,
}

/// Writes into each phase that applies what its services wait for.
pub(super) fn note(desired: &Desired, phases: &mut [PlanPhase]) {
    for phase in phases.iter_mut().filter(|phase| phase.order == Order::Apply) {
        let writes = |action: Action| !matches!(action, Action::Unchanged | Action::Blocked);
        let changed = phase.steps.iter().filter(|step| writes(step.action));
        let services: BTreeSet<&str> = changed.filter_map(|step| step.service.as_deref()).collect();
        let mut waiting: BTreeMap<&Need, Vec<String>> = BTreeMap::new();
        for service in services {
            for need in desired.needs.get(service).into_iter().flatten() {
                waiting.entry(need).or_default().push(service.to_owned());
            }
        }
        let target = phase.steps.first().map(|step| step.id.target.clone()).unwrap_or_default();
        let planned = |(need, services): (&Need, Vec<String>)| PlannedNeed {
            id: need.needed.id(&target),
            need: need.clone(),
            services,
        };
        phase.needs = waiting.into_iter().map(planned).collect();
    }
}
