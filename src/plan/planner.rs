//! The planner: what is desired and what was observed, put side by side.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use strata_components::desired::{Desired, Resource};

use super::policy::{Policy, named};
use super::types::{Action, Cause, Kept, Order, PLAN_FORMAT, Plan, PlanPhase, Step, Summary};
use crate::observe::{Confirmation, FieldChange, FieldConflict, LiveObject, Owner, Preview, Previewed, Snapshot};

/// Decides what to do. Pure: the same three arguments give the same plan, to the byte.
///
/// `snapshot` must have been taken for `desired`; a resource without a preview is planned as blocked.
#[must_use]
pub fn plan(desired: &Desired, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let mut phases = apply_phases(desired, snapshot, policy);
    let (deletes, kept) = delete_phases(desired, snapshot, policy);
    phases.extend(deletes);
    let mut plan = Plan {
        format: PLAN_FORMAT.to_owned(),
        instance: desired.instance.clone(),
        target: snapshot.target.clone(),
        field_manager: field_manager(&desired.instance.stack),
        inputs: digest(desired),
        policy: policy.clone(),
        summary: Summary::of(&phases),
        phases,
        kept,
        left_out: Vec::new(),
        unlisted: snapshot.unlisted.clone(),
        namespaces: desired.namespaces.clone(),
        digest: String::new(),
    };
    plan.digest = digest(&plan);
    plan
}

/// The name under which a stack owns fields.
#[must_use]
pub(crate) fn field_manager(stack: &str) -> String {
    format!("strata-{stack}")
}

fn apply_phases(desired: &Desired, snapshot: &Snapshot, policy: &Policy) -> Vec<PlanPhase> {
    let mut by_phase: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
    for resource in &desired.resources {
        let asked = desired.ownership.adoption(&resource.id.kind.kind, &resource.id.name).is_some();
        let step = step(resource, snapshot, policy, policy.adopt || asked);
        by_phase.entry(resource.phase).or_default().push(step);
    }
    by_phase
        .into_iter()
        .map(|(number, mut steps)| {
            steps.sort_by(|a, b| (a.stage, &a.address, &a.id).cmp(&(b.stage, &b.address, &b.id)));
            PlanPhase { order: Order::Apply, number, name: phase_name(desired, number), steps }
        })
        .collect()
}

fn phase_name(desired: &Desired, number: u32) -> String {
    desired
        .phases
        .iter()
        .find(|phase| phase.number == number)
        .map_or_else(|| format!("phase {number}"), |phase| phase.name.clone())
}

fn step(resource: &Resource, snapshot: &Snapshot, policy: &Policy, adopt: bool) -> Step {
    let live = snapshot.object(&resource.id);
    let mut step = Step {
        id: resource.id.clone(),
        address: resource.address.clone(),
        service: resource.service.clone(),
        tier: resource.tier.clone(),
        action: Action::Blocked,
        replace: None,
        from: None,
        hands_over: Vec::new(),
        condition: None,
        causes: Vec::new(),
        uid: live.map(|live| live.uid.clone()),
        resource_version: live.map(|live| live.resource_version.clone()),
        stage: 0,
        waits_for: resource.depends_on.clone(),
        readiness: None,
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
    step.readiness = Some(preview.readiness.clone());
    step.manifest_digest = Some(preview.digest.clone());

    let (action, mut causes, confirmation) = decide(live, preview, policy, adopt);
    if matches!(action, Action::Create | Action::Update | Action::Adopt) {
        step.manifest = Some(preview.applied_as.as_ref().unwrap_or(&resource.manifest).clone());
        step.hands_over = preview.hands_over.clone();
        let left = |FieldConflict { path, manager, .. }: &FieldConflict| Cause::Left {
            path: path.clone(),
            manager: manager.clone(),
        };
        causes.extend(preview.left.iter().map(left));
        causes.extend(preview.hands_over.iter().map(|manager| Cause::HandedOver { manager: manager.clone() }));
    }
    step.force = matches!(action, Action::Update | Action::Adopt) && has_conflicts(&preview.outcome);
    (step.action, step.causes, step.confirmation) = (action, causes, confirmation);
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
        Previewed::Refused { reason } => blocked(Cause::Refused { reason: reason.clone() }),
        Previewed::Create(confirmation) => (Action::Create, vec![Cause::Absent], Some(confirmation.clone())),
        Previewed::Unchanged(confirmation) => {
            let (action, causes) =
                if adopting { (Action::Adopt, vec![Cause::NotOurs]) } else { (Action::Unchanged, Vec::new()) };
            (action, causes, Some(confirmation.clone()))
        }
        Previewed::Replace { reason, .. } => blocked(Cause::Refused { reason: reason.clone() }),
        Previewed::Change { changes, conflicts, confirmation } => {
            let drifted = live.and_then(|live| live.applied.as_ref()).is_some_and(|digest| *digest == preview.digest);
            let mut causes = field_causes(changes, drifted);
            if adopting {
                causes.insert(0, Cause::NotOurs);
            }
            let in_the_way = |conflict: &&FieldConflict| !conflict.take && !policy.force_conflicts;
            if conflicts.iter().any(|conflict| in_the_way(&conflict)) {
                causes.extend(conflicts.iter().filter(in_the_way).map(|FieldConflict { path, manager, .. }| {
                    Cause::Conflict { path: path.clone(), manager: manager.clone() }
                }));
                return (Action::Blocked, causes, None);
            }
            let action = if adopting { Action::Adopt } else { Action::Update };
            (action, causes, Some(confirmation.clone()))
        }
    }
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

fn delete_phases(desired: &Desired, snapshot: &Snapshot, policy: &Policy) -> (Vec<PlanPhase>, Vec<Kept>) {
    let wanted: std::collections::BTreeSet<_> = desired.resources.iter().map(|resource| &resource.id).collect();
    let mut kept = Vec::new();
    let mut by_phase: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
    for live in &snapshot.objects {
        if live.owner != Owner::This || wanted.contains(&live.id) {
            continue;
        }
        if let Some(reason) = live.guarded.as_ref().filter(|_| !policy.deletes(&live.id)) {
            let name = named(&live.id);
            kept.push(Kept { id: live.id.clone(), reason: format!("{reason}; delete it with --delete {name}") });
            continue;
        }
        // Kinds that others stand in or refer to were applied in phase 0, so they are deleted last.
        by_phase.entry(live.phase.unwrap_or(0)).or_default().push(delete_step(live, snapshot, policy));
    }
    let phases = by_phase
        .into_iter()
        .rev()
        .map(|(number, mut steps)| {
            steps.sort_by(|a, b| (a.stage, &a.address, &a.id).cmp(&(b.stage, &b.address, &b.id)));
            PlanPhase { order: Order::Delete, number, name: phase_name(desired, number), steps }
        })
        .collect();
    (phases, kept)
}

fn delete_step(live: &LiveObject, snapshot: &Snapshot, policy: &Policy) -> Step {
    let cause = if policy.destroy { Cause::Destroy } else { Cause::LeftStack };
    let address = live.address.clone().unwrap_or_else(|| live.id.to_string());
    let (action, causes) = if snapshot.unlisted.is_empty() {
        (Action::Delete, vec![cause])
    } else {
        (Action::Blocked, vec![cause, Cause::Unlisted])
    };
    Step {
        id: live.id.clone(),
        service: service_of(&address),
        address,
        tier: live.tier.clone(),
        action,
        replace: None,
        from: None,
        hands_over: Vec::new(),
        condition: None,
        causes,
        uid: Some(live.uid.clone()),
        resource_version: Some(live.resource_version.clone()),
        // What is guarded holds or feeds the rest: it goes last.
        stage: u32::from(live.guarded.is_some()),
        waits_for: Vec::new(),
        readiness: None,
        force: false,
        confirmation: None,
        manifest_digest: None,
        manifest: None,
    }
}

/// The service in an address `stack/service/component`; an address of two parts belongs to none.
fn service_of(address: &str) -> Option<String> {
    match address.split('/').collect::<Vec<_>>()[..] {
        [_, service, _] => Some(service.to_owned()),
        _ => None,
    }
}

/// `sha256:` and the hexadecimal digest of a value's JSON.
pub(crate) fn digest(value: &impl Serialize) -> String {
    // Plain data with string keys: serialising it cannot fail.
    sha256(&serde_json::to_vec(value).unwrap_or_default())
}

/// `sha256:` and the hexadecimal digest of bytes.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
