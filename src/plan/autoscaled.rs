//! An autoscaler that leaves the stack: it goes first, and only then the workload gets the size that the stack says.
//!
//! Until then the workload is applied without a size, so nothing that runs is lost, and the autoscaler is not fought for
//! a figure that is still its own.

use std::collections::BTreeMap;

use strata_components::desired::{Desired, Resource, ResourceId};

use super::planner::digest;
use super::types::{Action, Cause, PlanPhase, Step};
use crate::observe::{Autoscaled, Confirmation, FieldChange, Snapshot};

/// The steps that give workloads their size when their autoscalers are gone, for those that `deletes` deletes. A workload
/// whose autoscaler is forgotten is blocked: that would go on deciding. One whose autoscaler is left out is left to it.
pub(super) fn release(
    desired: &Desired,
    snapshot: &Snapshot,
    phases: &mut [PlanPhase],
    deletes: &[PlanPhase],
) -> Vec<Step> {
    let manifests: BTreeMap<&ResourceId, &Resource> = desired.resources.iter().map(|one| (&one.id, one)).collect();
    let leaving: BTreeMap<&ResourceId, Action> =
        deletes.iter().flat_map(|phase| &phase.steps).map(|step| (&step.id, step.action)).collect();
    let mut released = Vec::new();
    for step in phases.iter_mut().flat_map(|phase| &mut phase.steps) {
        let autoscaled = snapshot.preview(&step.id).and_then(|preview| preview.autoscaled.as_ref());
        let (Some(autoscaled), Some(resource)) = (autoscaled, manifests.get(&step.id)) else { continue };
        match leaving.get(&autoscaled.by) {
            Some(Action::Forget) => refuse(step, &autoscaled.by),
            Some(Action::Delete) if step.action != Action::Blocked => released.push(freed(step, resource, autoscaled)),
            _ => {}
        }
    }
    released
}

/// Blocks the step of a workload whose autoscaler would stay as nobody's.
fn refuse(step: &mut Step, by: &ResourceId) {
    let reason =
        format!("{by} would go on deciding its size: let that be deleted, or leave .spec.replicas to it in the stack");
    step.causes.retain(|cause| !matches!(cause, Cause::Left { .. } | Cause::HandedOver { .. }));
    (step.manifest, step.force, step.replace) = (None, false, None);
    step.hands_over.clear();
    step.altered.clear();
    step.leaves.clear();
    step.block(Cause::Guarded { reason });
}

/// The step that gives a workload its size.
fn freed(step: &Step, resource: &Resource, autoscaled: &Autoscaled) -> Step {
    let Autoscaled { by, manifest, changes, readiness } = autoscaled.clone();
    let field = |FieldChange { path, before, after, owner }| Cause::Stack { path, before, after, owner };
    // Who comes after a replacement does not know it yet.
    let known = step.action != Action::Replace;
    Step {
        action: Action::Update,
        replace: None,
        leaves: Vec::new(),
        uid: step.uid.clone().filter(|_| known),
        resource_version: step.resource_version.clone().filter(|_| known),
        causes: std::iter::once(Cause::Released { by }).chain(changes.into_iter().map(field)).collect(),
        hands_over: Vec::new(),
        altered: Vec::new(),
        waits_for: Vec::new(),
        readiness: Some(readiness),
        // Who held the size is gone.
        force: true,
        confirmation: Some(Confirmation::Predicted),
        manifest_digest: Some(digest(&resource.manifest)),
        manifest: Some(manifest),
        ..step.clone()
    }
}
