//! What is live and belongs to the instance, and stands in the stack no more: deleted, forgotten, kept, or refused to
//! be deleted where there is reason to doubt that it was meant.

use std::collections::{BTreeMap, BTreeSet};

use strata_components::desired::{Desired, ResourceId};

use super::blue_green::Turns;
use super::moves::Moves;
use super::planner::{phase_name, phase_of};
use super::policy::{Policy, named};
use super::targets::Scope;
use super::types::{Action, Cause, Condition, Kept, LeftOut, Order, PlanPhase, Step};
use crate::observe::{Leftover, LiveObject, Owner, Previewed, Snapshot};

/// As many objects may leave a stack at once without a question, whatever share of it they are.
const FEW: usize = 10;
/// Of more than [`FEW`], at most one in so many.
const SHARE: usize = 3;

/// What leaves, and what stays although it left the stack.
#[derive(Default)]
pub(super) struct Leaving {
    pub(super) phases: Vec<PlanPhase>,
    pub(super) kept: Vec<Kept>,
    pub(super) left_out: Vec<LeftOut>,
}

/// Everything the decisions look at.
pub(super) struct Leave<'a> {
    pub(super) desired: &'a Desired,
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) scope: &'a Scope<'a>,
    pub(super) moves: &'a Moves<'a>,
    pub(super) turns: &'a Turns<'a>,
    /// The steps that apply, as they were decided.
    pub(super) applied: &'a [PlanPhase],
}

impl Leave<'_> {
    /// Decides what becomes of all that left.
    pub(super) fn decide(&self) -> Leaving {
        let wanted: BTreeSet<&ResourceId> = self.desired.resources.iter().map(|resource| &resource.id).collect();
        // What a killed run has marked already, and is left behind once more, is spoken of once.
        let again: BTreeSet<&ResourceId> =
            self.replaced().flat_map(|step| self.leaves(&step.id)).map(|leftover| &leftover.id).collect();
        let left =
            |live: &&LiveObject| live.owner == Owner::This && !wanted.contains(&live.id) && !again.contains(&live.id);
        let left: Vec<&LiveObject> = self.snapshot.objects.iter().filter(left).collect();
        let doubt = self.doubt(&left);
        let mut leaving = Leaving::default();
        let mut steps: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
        // Kinds that others stand in or refer to were applied in phase 0, so they are deleted last.
        let mut add = |phase: Option<u32>, step| steps.entry(phase.unwrap_or(0)).or_default().push(step);
        for live in left {
            let goes =
                live.left_by.is_some() || self.policy.forgets(&live.id) || self.turns.outgoing(&live.id).is_some();
            if goes {
                add(live.phase, self.step(live, None));
            } else if live.controlled {
                // It comes and goes with what has it.
            } else if !self.scope.is_everything() {
                let service = live.address.as_deref().and_then(service_of);
                leaving.left_out.push(LeftOut { service, id: live.id.clone(), left_stack: true });
            } else if let Some(reason) = live.guarded.as_ref().filter(|_| !self.policy.deletes(&live.id)) {
                let reason = format!("{reason}; delete it with --delete {}", named(&live.id));
                leaving.kept.push(Kept { id: live.id.clone(), reason });
            } else {
                add(live.phase, self.step(live, doubt.as_ref()));
            }
        }
        for step in self.replaced() {
            let phase = self.desired.resources.iter().find(|resource| resource.id == step.id).map(|one| one.phase);
            for leftover in self.leaves(&step.id) {
                add(phase, self.leftover(step, leftover));
            }
        }
        let phases = steps.into_iter().rev();
        leaving.phases = phases
            .filter_map(|(number, steps)| phase_of(Order::Delete, number, phase_name(self.desired, number), steps))
            .collect();
        leaving
    }

    /// Why nothing that left the stack is deleted unless that is allowed.
    fn doubt(&self, left: &[&LiveObject]) -> Option<Cause> {
        if self.policy.allow_prune {
            return None;
        }
        let guarded =
            |reason: String| Some(Cause::Guarded { reason: format!("{reason}; allow it with --allow-prune") });
        if let Some(suspicious) = self.snapshot.suspicious.first() {
            return guarded(format!("the list of {} may be wrong: {}", suspicious.kind.kind, suspicious.reason));
        }
        if self.policy.destroy || !self.scope.is_everything() {
            return None;
        }
        let own = |live: &&LiveObject| live.owner == Owner::This && !live.controlled && live.left_by.is_none();
        let all = self.snapshot.objects.iter().filter(own).count();
        let stays = |live: &LiveObject| {
            self.policy.forgets(&live.id)
                || self.moves.to(&live.id).is_some()
                || self.turns.outgoing(&live.id).is_some()
        };
        let kept = |live: &LiveObject| live.guarded.is_some() && !self.policy.deletes(&live.id);
        let going = left.iter().copied().filter(|live| own(live) && !stays(live) && !kept(live)).count();
        if going > FEW && going * SHARE > all {
            return guarded(format!("{going} of the {all} objects of the instance would be deleted"));
        }
        None
    }

    /// The step that deletes or forgets a live object.
    fn step(&self, live: &LiveObject, doubt: Option<&Cause>) -> Step {
        let address = live.address.clone().unwrap_or_else(|| live.id.to_string());
        let (mut action, mut condition) = (Action::Delete, None);
        let mut causes = Vec::new();
        if let Some(what) = &live.left_by {
            causes.push(Cause::LeftBy { what: what.clone() });
            condition = Some(Condition::Unowned);
        } else if let Some((cause, held)) = self.turns.outgoing(&live.id) {
            causes.push(cause);
            condition = held;
        } else if let Some(resource) = self.moves.to(&live.id) {
            causes.push(Cause::MovedTo { id: resource.id.clone() });
        } else {
            causes.push(if self.policy.destroy { Cause::Destroy } else { Cause::LeftStack });
            // Who names an object leaves no doubt.
            causes.extend(doubt.filter(|_| !self.policy.deletes(&live.id)).cloned());
        }
        if self.policy.forgets(&live.id) || (live.left_by.is_some() && live.controlled) {
            (action, condition) = (Action::Forget, None);
            causes.retain(|cause| !matches!(cause, Cause::Guarded { .. }));
        } else {
            if !self.snapshot.unlisted.is_empty() {
                causes.push(Cause::Unlisted);
            }
            if causes.iter().any(|cause| matches!(cause, Cause::Guarded { .. } | Cause::Unlisted)) {
                action = Action::Blocked;
            }
        }
        Step {
            id: live.id.clone(),
            service: service_of(&address),
            address,
            tier: live.tier.clone(),
            action,
            replace: None,
            leaves: Vec::new(),
            from: None,
            hands_over: Vec::new(),
            altered: Vec::new(),
            hold: None,
            patience: None,
            condition,
            causes,
            uid: Some(live.uid.clone()),
            resource_version: Some(live.resource_version.clone()),
            // What is guarded holds or feeds the rest: it goes last.
            stage: u32::from(live.guarded.is_some()),
            gate: false,
            waits_for: Vec::new(),
            readiness: None,
            ready_within: None,
            force: false,
            confirmation: None,
            manifest_digest: None,
            manifest: None,
        }
    }

    /// The steps that replace something.
    fn replaced(&self) -> impl Iterator<Item = &Step> {
        self.applied.iter().flat_map(|phase| &phase.steps).filter(|step| step.action == Action::Replace)
    }

    /// What the object that this step replaces leaves behind.
    fn leaves(&self, id: &ResourceId) -> &[Leftover] {
        match self.snapshot.preview(id).map(|preview| &preview.outcome) {
            Some(Previewed::Replace { leaves, .. }) => leaves,
            _ => &[],
        }
    }

    fn leftover(&self, step: &Step, leftover: &Leftover) -> Step {
        let cause = Cause::LeftBy { what: step.id.to_string() };
        let causes = if self.snapshot.unlisted.is_empty() { vec![cause] } else { vec![cause, Cause::Unlisted] };
        Step {
            id: leftover.id.clone(),
            action: if self.snapshot.unlisted.is_empty() { Action::Delete } else { Action::Blocked },
            replace: None,
            leaves: Vec::new(),
            from: None,
            gate: false,
            hands_over: Vec::new(),
            altered: Vec::new(),
            hold: None,
            patience: None,
            condition: Some(Condition::Unowned),
            causes,
            uid: Some(leftover.uid.clone()),
            resource_version: Some(leftover.resource_version.clone()),
            stage: 0,
            waits_for: Vec::new(),
            readiness: None,
            ready_within: None,
            force: false,
            confirmation: None,
            manifest_digest: None,
            manifest: None,
            ..step.clone()
        }
    }
}

/// The service in an address `stack/service/component`; an address of two parts belongs to none.
fn service_of(address: &str) -> Option<String> {
    match address.split('/').collect::<Vec<_>>()[..] {
        [_, service, _] => Some(service.to_owned()),
        _ => None,
    }
}
