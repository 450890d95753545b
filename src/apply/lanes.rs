//! Which steps of a phase wait for something outside the stack, and which go on meanwhile.

use std::collections::BTreeMap;

use super::executor::is_change;
use crate::plan::{PlanPhase, Step};

/// The steps of a phase, by what they wait for. Whatever was planned in stages stays so: nothing that comes after a gate
/// is begun before that is ready.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Lanes<'a> {
    /// What waits for nothing outside the stack.
    pub(super) free: Vec<&'a Step>,
    /// What waits, with the needs that it waits for as positions among those of the phase. It begins when these are met,
    /// and all stages of what is free are through.
    pub(super) held: Vec<(Vec<usize>, Vec<&'a Step>)>,
}

impl<'a> Lanes<'a> {
    /// The lanes of a phase.
    pub(super) fn of(phase: &'a PlanPhase) -> Self {
        let mut lanes: BTreeMap<Vec<usize>, Vec<&Step>> = BTreeMap::new();
        for step in &phase.steps {
            let waits = |at: &usize| {
                let mut services = phase.needs.get(*at).into_iter().flat_map(|need| &need.services);
                step.service.as_ref().is_some_and(|own| services.any(|service| service == own))
            };
            lanes.entry((0..phase.needs.len()).filter(waits).collect()).or_default().push(step);
        }
        let free = lanes.remove([].as_slice()).unwrap_or_default();
        let held: Vec<(Vec<usize>, Vec<&Step>)> = lanes.into_iter().collect();
        let gates = held.iter().flat_map(|(_, steps)| steps).filter(|step| step.gate && is_change(step));
        match gates.map(|step| step.stage).min() {
            None => Self { free, held },
            // What comes later in the phase cannot be before the gate, whoever it belongs to.
            Some(gate) => {
                let (free, later) = free.into_iter().partition(|step| step.stage <= gate);
                let steps = held.into_iter().flat_map(|(_, steps)| steps).chain::<Vec<_>>(later).collect();
                Self { free, held: vec![((0..phase.needs.len()).collect(), steps)] }
            }
        }
    }
}
