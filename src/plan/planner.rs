//! The planner: what is desired and what was observed, put side by side.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use strata_components::desired::{Desired, Resource};

use super::autoscaled;
use super::blue_green::{Turns, in_colour};
use super::leaving::{Leave, Leaving};
use super::moves::Moves;
use super::needs;
use super::policy::{Policy, named};
use super::previews::Previews;
use super::targets::Scope;
use super::types::{Action, Cause, LeftOut, Order, PLAN_FORMAT, Plan, PlanPhase, Step, Summary};
use crate::observe::{
    Confirmation, FieldChange, FieldConflict, LiveObject, Owner, Preview, Previewed, ReplaceOrder, Snapshot,
};

/// Decides what to do. Pure: the same three arguments give the same plan, to the byte.
///
/// `snapshot` must have been taken for `desired`; a resource without a preview is planned as blocked.
#[must_use]
pub fn plan(desired: &Desired, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let inputs = digest(desired);
    let desired = &in_colour(desired, snapshot);
    let (scope, moves) = (Scope::of(desired, policy), Moves::of(desired, snapshot));
    let turns = Turns::of(desired, snapshot, policy, &scope);
    let within: Vec<&Resource> = desired.resources.iter().filter(|resource| scope.holds(resource)).collect();
    let mut phases = apply_phases(&within, &Look { desired, snapshot, policy, moves: &moves, scope: &scope });
    turns.follow(&mut phases);
    let leave = Leave { desired, snapshot, policy, scope: &scope, moves: &moves, turns: &turns, applied: &phases };
    let Leaving { phases: deletes, kept, mut left_out } = leave.decide();
    let released = autoscaled::release(desired, snapshot, &mut phases, &deletes);
    let narrowed = moves.widen(desired, snapshot, &mut phases);
    needs::note(desired, &mut phases);
    let holds = turns.holds(desired, snapshot, &phases);
    phases.extend(holds);
    phases.extend(deletes);
    phases.extend(closing(desired, narrowed, released));
    left_out.extend(desired.resources.iter().filter(|resource| !scope.holds(resource)).map(|resource| LeftOut {
        service: resource.service.clone(),
        id: resource.id.clone(),
        left_stack: false,
    }));
    left_out.sort();
    let mut plan = Plan {
        format: PLAN_FORMAT.to_owned(),
        instance: desired.instance.clone(),
        target: snapshot.target.clone(),
        field_manager: field_manager(&desired.instance.stack),
        inputs,
        policy: policy.clone(),
        summary: Summary::of(&phases),
        phases,
        kept,
        left_out,
        unlisted: snapshot.unlisted.clone(),
        namespaces: desired.namespaces.clone(),
        previews: Previews::of(snapshot),
        overview: None,
        findings: Vec::new(),
        digest: String::new(),
    };
    plan.digest = digest(&plan);
    plan
}

/// The last phase: what had to wait until something is gone.
fn closing(desired: &Desired, narrowed: Vec<Step>, released: Vec<Step>) -> Option<PlanPhase> {
    let number = desired.phases.last().map_or(0, |phase| phase.number) + 1;
    let name = if narrowed.is_empty() { "after the autoscaler" } else { "after the move" };
    phase_of(Order::Close, number, name.to_owned(), narrowed.into_iter().chain(released).collect())
}

/// The name under which a stack owns fields.
#[must_use]
pub(crate) fn field_manager(stack: &str) -> String {
    format!("strata-{stack}")
}

/// What decides over a resource, beside itself.
struct Look<'a> {
    desired: &'a Desired,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    moves: &'a Moves<'a>,
    scope: &'a Scope<'a>,
}

fn apply_phases(within: &[&Resource], look: &Look<'_>) -> Vec<PlanPhase> {
    let mut by_phase: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
    for resource in within {
        by_phase.entry(resource.phase).or_default().push(step(resource, look));
    }
    by_phase
        .into_iter()
        .filter_map(|(number, steps)| phase_of(Order::Apply, number, phase_name(look.desired, number), steps))
        .collect()
}

/// A phase of these steps, in their order; none without steps.
pub(super) fn phase_of(order: Order, number: u32, name: String, mut steps: Vec<Step>) -> Option<PlanPhase> {
    steps.sort_by(|a, b| (a.stage, &a.address, &a.id).cmp(&(b.stage, &b.address, &b.id)));
    (!steps.is_empty()).then_some(PlanPhase { order, number, name, needs: Vec::new(), steps })
}

pub(super) fn phase_name(desired: &Desired, number: u32) -> String {
    desired
        .phases
        .iter()
        .find(|phase| phase.number == number)
        .map_or_else(|| format!("phase {number}"), |phase| phase.name.clone())
}

fn step(resource: &Resource, look: &Look<'_>) -> Step {
    let Look { snapshot, policy, moves, scope, .. } = *look;
    let live = snapshot.object(&resource.id);
    let mut step = Step {
        id: resource.id.clone(),
        address: resource.address.clone(),
        service: resource.service.clone(),
        tier: resource.tier.clone(),
        action: Action::Blocked,
        replace: None,
        leaves: Vec::new(),
        from: None,
        hands_over: Vec::new(),
        altered: Vec::new(),
        hold: None,
        patience: None,
        condition: None,
        causes: Vec::new(),
        uid: live.map(|live| live.uid.clone()),
        resource_version: live.map(|live| live.resource_version.clone()),
        stage: 0,
        gate: false,
        waits_for: resource.depends_on.clone(),
        readiness: None,
        ready_within: resource.ready_within,
        force: false,
        confirmation: None,
        manifest_digest: None,
        manifest: None,
    };
    let Some(preview) = snapshot.preview(&resource.id) else {
        step.causes.push(Cause::Refused { reason: "the snapshot holds no preview of it".to_owned() });
        return step;
    };
    step.stage = preview.stage;
    step.gate = preview.gate;
    step.readiness = Some(preview.readiness.clone());
    step.manifest_digest = Some(preview.digest.clone());

    let asked = look.desired.ownership.adoption(&step.id.kind.kind, &step.id.name).is_some();
    (step.action, step.causes, step.confirmation) = decide(live, preview, policy, policy.adopt || asked);
    if policy.forgets(&step.id) {
        let reason = "it is in the stack: take it out first to have it forgotten".to_owned();
        step.block(Cause::Guarded { reason });
    }
    let before = moves.from(&step.id);
    if step.action == Action::Create
        && let Some(before) = before
    {
        (step.action, step.from) = (Action::Move, Some(before.id.clone()));
        step.causes = vec![Cause::MovedFrom { id: before.id.clone() }];
    }
    let moving = step.action == Action::Move || (moves.overlap(resource) && step.action != Action::Unchanged);
    if moving && !scope.is_everything() {
        let reason = "a service moves, and what is left out goes on calling it by its old name: go without --target";
        step.block(Cause::Guarded { reason: reason.to_owned() });
    }
    if let (Action::Replace, Previewed::Replace { order, leaves, .. }) = (step.action, &preview.outcome) {
        step.replace = Some(*order);
        step.leaves = leaves.iter().map(|leftover| leftover.id.clone()).collect();
    }
    if matches!((step.action, &preview.outcome), (Action::Replace, Previewed::Again { .. })) {
        step.replace = Some(ReplaceOrder::DeleteFirst);
    }
    if !matches!(step.action, Action::Unchanged | Action::Blocked) {
        step.manifest = Some(preview.applied_as.as_ref().unwrap_or(&resource.manifest).clone());
        // What is deleted hands nothing over.
        let hands_over = preview.hands_over.iter().filter(|_| step.action != Action::Replace);
        step.hands_over = hands_over.cloned().collect();
        step.altered = preview.altered.clone();
        let left = |FieldConflict { path, manager, .. }: &FieldConflict| Cause::Left {
            path: path.clone(),
            manager: manager.clone(),
        };
        step.causes.extend(preview.left.iter().map(left));
        let handed = step.hands_over.iter().map(|manager| Cause::HandedOver { manager: manager.clone() });
        step.causes.extend(handed.collect::<Vec<_>>());
    }
    step.force = matches!(step.action, Action::Update | Action::Adopt) && has_conflicts(&preview.outcome);
    step
}

fn has_conflicts(outcome: &Previewed) -> bool {
    matches!(outcome, Previewed::Change { conflicts, .. } if !conflicts.is_empty())
}

type Decision = (Action, Vec<Cause>, Option<Confirmation>);

fn decide(live: Option<&LiveObject>, preview: &Preview, policy: &Policy, adopt: bool) -> Decision {
    let blocked = |cause| (Action::Blocked, vec![cause], None);
    if let Some(live) = live {
        match &live.owner {
            Owner::Other(instance) => return blocked(Cause::BelongsTo { instance: instance.clone() }),
            Owner::Nobody if !adopt => return blocked(Cause::NotOurs),
            Owner::Nobody | Owner::This => {}
        }
        if live.terminating {
            return blocked(Cause::Terminating);
        }
    }
    let adopting = live.is_some_and(|live| live.owner == Owner::Nobody);
    match &preview.outcome {
        Previewed::Unserved { remedy } => blocked(Cause::Unserved { remedy: remedy.clone() }),
        Previewed::Unreadable { reason } => blocked(Cause::Unreadable { reason: reason.clone() }),
        Previewed::Unknown { reason } => {
            let mut causes = vec![Cause::Unknown { reason: reason.clone() }];
            if adopting {
                causes.insert(0, Cause::NotOurs);
            }
            let action = if adopting { Action::Adopt } else { Action::Update };
            (action, causes, preview.outcome.confirmation())
        }
        Previewed::Refused { reason } => blocked(Cause::Refused { reason: reason.clone() }),
        Previewed::Create(confirmation) => (Action::Create, vec![Cause::Absent], Some(confirmation.clone())),
        Previewed::Unchanged(confirmation) => {
            let (action, causes) =
                if adopting { (Action::Adopt, vec![Cause::NotOurs]) } else { (Action::Unchanged, Vec::new()) };
            (action, causes, Some(confirmation.clone()))
        }
        Previewed::Replace { reason, paths, changes, conflicts, confirmation, .. } => {
            let mut causes = changed(live, preview, changes);
            causes.push(Cause::Immutable { reason: reason.clone(), paths: paths.clone() });
            let held = held(conflicts, policy);
            let refused = refused(live, policy);
            if held.is_empty() && refused.is_none() {
                return (Action::Replace, causes, Some(confirmation.clone()));
            }
            causes.extend(held.into_iter().chain(refused));
            (Action::Blocked, causes, None)
        }
        Previewed::Again { reason, changed, confirmation } => {
            let failed = (!reason.is_empty()).then(|| Cause::Failed { reason: reason.clone() });
            let other = (!changed.is_empty()).then(|| Cause::Rerun { paths: changed.clone() });
            (Action::Replace, failed.into_iter().chain(other).collect(), Some(confirmation.clone()))
        }
        Previewed::Change { changes, conflicts, confirmation } => {
            let mut causes = changed(live, preview, changes);
            let held = held(conflicts, policy);
            if !held.is_empty() {
                causes.extend(held);
                return (Action::Blocked, causes, None);
            }
            let action = if adopting { Action::Adopt } else { Action::Update };
            (action, causes, Some(confirmation.clone()))
        }
    }
}

/// Why the fields change.
fn changed(live: Option<&LiveObject>, preview: &Preview, changes: &[FieldChange]) -> Vec<Cause> {
    let drifted = live.and_then(|live| live.applied.as_ref()).is_some_and(|digest| *digest == preview.digest);
    let adopting = live.is_some_and(|live| live.owner == Owner::Nobody);
    let mut causes = field_causes(changes, drifted);
    if adopting {
        causes.insert(0, Cause::NotOurs);
    }
    causes
}

/// The fields that another manager holds and keeps.
fn held(conflicts: &[FieldConflict], policy: &Policy) -> Vec<Cause> {
    let kept = conflicts.iter().filter(|conflict| !conflict.take && !policy.force_conflicts);
    kept.map(|FieldConflict { path, manager, .. }| Cause::Conflict { path: path.clone(), manager: manager.clone() })
        .collect()
}

/// Why an object that could only be replaced is not.
fn refused(live: Option<&LiveObject>, policy: &Policy) -> Option<Cause> {
    let guarded = live.and_then(|live| Some((&live.id, live.guarded.as_ref()?)));
    let reason = match guarded.filter(|(id, _)| !policy.deletes(id)) {
        Some((id, reason)) => format!("{reason}; allow it with --allow-replace --delete {}", named(id)),
        None if policy.allow_replace => return None,
        None => "it would be deleted and created anew; allow that with --allow-replace".to_owned(),
    };
    Some(Cause::Guarded { reason })
}

fn field_causes(changes: &[FieldChange], drifted: bool) -> Vec<Cause> {
    if changes.is_empty() {
        return vec![Cause::Ownership];
    }
    changes
        .iter()
        .map(|FieldChange { path, before, after, owner }| {
            let (path, before, after, owner) = (path.clone(), before.clone(), after.clone(), owner.clone());
            if drifted {
                Cause::Drift { path, before, after, owner }
            } else {
                Cause::Stack { path, before, after, owner }
            }
        })
        .collect()
}

/// `sha256:` and the hexadecimal digest of a value's JSON.
pub(crate) fn digest(value: &impl Serialize) -> String {
    // Plain data with string keys: serialising it cannot fail.
    sha256(&serde_json::to_vec(value).unwrap_or_default())
}

/// `sha256:` and the hexadecimal digest of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
