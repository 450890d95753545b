//! The checker's part that is about colours: traffic follows only to what is ready, the new colour is held as long as the
//! old one is there to go back to, and that goes last.

use std::collections::BTreeMap;

use strata_components::blue_green::{COLOUR_LABEL, Colour, Colours, follows, turned, workload};
use strata_components::desired::{Desired, Resource, ResourceId};
use strata_components::kinds::LAST_STAGE;
use strata_components::model::BlueGreen;

use super::super::planner::digest;
use super::super::policy::named;
use super::super::types::{Action, Cause, Condition, Order, Step};
use super::{Checker, Invariant, is_plain, writes};
use crate::observe::{Confirmation, FieldChange, LiveObject, Owner, Preview, Readiness, Snapshot};
use crate::plan::Policy;

/// A service that goes from one colour to the other, or could.
pub(super) struct Coloured<'a> {
    how: &'a BlueGreen,
    /// Its workload, as it is desired.
    workload: &'a Resource,
    /// What goes with the traffic.
    following: Vec<&'a Resource>,
    outdated: &'a [FieldChange],
    /// Whether the traffic goes somewhere else than it is to go.
    astray: bool,
    /// Live workloads of it that are not desired.
    others: Vec<&'a LiveObject>,
    /// The one of them that is the way back.
    old: Option<&'a LiveObject>,
}

/// The colour that each service has to have by what was observed.
pub(super) fn colours(snapshot: &Snapshot) -> Colours {
    let mut colours = Colours::new();
    for live in &snapshot.colours {
        let colour = live.points_at.map_or(Colour::Blue, |now| match live.outdated.is_empty() {
            true => now,
            false => now.other(),
        });
        colours.insert(live.service.clone(), colour);
    }
    colours
}

/// Everything about services with colours that the targets reach.
pub(super) fn coloured<'a>(
    desired: &'a Desired,
    snapshot: &'a Snapshot,
    policy: &Policy,
    within: impl Fn(&Resource) -> bool,
) -> BTreeMap<&'a str, Coloured<'a>> {
    let mut all = BTreeMap::new();
    for (service, how) in &desired.blue_green {
        let Some(workload) = workload(desired, service).filter(|workload| within(workload)) else { continue };
        let own = |one: &&Resource| one.service.as_ref() == Some(service) && follows(one);
        let following: Vec<&Resource> = desired.resources.iter().filter(own).collect();
        let traffic = following.iter().find(|one| one.id.kind.kind == "Service");
        let is_live = traffic.is_some_and(|traffic| snapshot.object(&traffic.id).is_some());
        let wanted = Colour::of(&workload.manifest["metadata"]["labels"]);
        let observed = snapshot.colours.iter().find(|one| one.service == *service);
        let points_at = observed.and_then(|observed| observed.points_at);
        let astray = is_live && (points_at.is_none() || points_at != wanted);
        let other = |live: &&LiveObject| {
            let same = live.id.kind == workload.id.kind && live.address.as_deref() == Some(workload.address.as_str());
            let ours = live.owner == Owner::This && !live.controlled && !policy.forget.contains(&named(&live.id));
            same && ours && live.id != workload.id
        };
        let others: Vec<&LiveObject> = snapshot.objects.iter().filter(other).collect();
        let old = match (is_live, astray) {
            (false, _) => None,
            (true, true) => {
                let bears = others.iter().find(|one| of_name(&one.id.name) == points_at);
                // Everything is reached by a Service that names no colour.
                bears.or(others.first().filter(|_| points_at.is_none()))
            }
            (true, false) => {
                let since = snapshot.object(&workload.id).and_then(|live| live.created.as_deref());
                others.iter().find(|one| one.created.as_deref().is_some_and(|at| Some(at) <= since))
            }
        };
        let old = old.copied().filter(|old| !old.terminating);
        let outdated = observed.map_or(&[][..], |observed| &observed.outdated);
        let of_service = Coloured { how, workload, following, outdated, astray, others, old };
        all.insert(service.as_str(), of_service);
    }
    all
}

fn of_name(name: &str) -> Option<Colour> {
    let end = name.rsplit_once('-')?.1;
    Colour::of(&serde_json::json!({COLOUR_LABEL: end}))
}

impl<'a> Checker<'a> {
    /// The service with colours that a step is of.
    pub(super) fn coloured_of(&self, step: &Step) -> Option<&Coloured<'a>> {
        self.coloured.get(step.service.as_deref()?)
    }

    /// Whether a step takes the traffic to another colour.
    fn turns(&self, step: &Step) -> bool {
        let follows = |of: &&Coloured<'_>| of.astray && of.following.iter().any(|one| one.id == step.id);
        writes(step.action) && self.coloured_of(step).filter(follows).is_some()
    }

    /// The stage of a step that applies, whether others wait for it, and its condition.
    pub(super) fn place_of(&self, step: &Step, preview: &Preview) -> (u32, bool, Option<Condition>) {
        let new = self.coloured_of(step).is_some_and(|of| of.astray && of.workload.id == step.id);
        match self.turns(step) {
            true => (LAST_STAGE + 1, preview.gate, Some(Condition::Ready)),
            false => (preview.stage, preview.gate || new, None),
        }
    }

    /// The service of which a live object is a workload that is not desired, with whether it is the way back.
    pub(super) fn other_colour(&self, id: &ResourceId) -> Option<bool> {
        let of = self.coloured.values().find(|of| of.others.iter().any(|other| other.id == *id))?;
        Some(of.old.is_some_and(|old| old.id == *id))
    }

    /// Whether a resource is the workload of a service with colours: under what names it is live means nothing more.
    pub(super) fn has_colours(&self, resource: &Resource, address: &str) -> bool {
        let service = resource.service.as_deref().unwrap_or_default();
        let workload = resource.id.kind.kind == "Deployment" && resource.address == address;
        workload && self.desired.blue_green.contains_key(service)
    }

    /// Whether a cause tells why a service goes from one colour to the other.
    pub(super) fn is_turn(&self, step: &Step, cause: &Cause) -> bool {
        let Some(of) = self.coloured_of(step) else { return false };
        let (old, new) = (of.old.map(|old| &old.id), &of.workload.id);
        match (cause, step.action) {
            (Cause::Turn { from, to }, Action::Return) => from.as_ref() == Some(new) && Some(to) == old,
            (Cause::Turn { from, to }, Action::Hold) => from.as_ref() == old && to == new && old.is_some(),
            (Cause::Turn { from, to }, _) => from.as_ref() == old && to == new && of.astray,
            (Cause::OtherColour { of: wanted }, _) => {
                wanted == new && of.others.iter().any(|other| other.id == step.id)
            }
            _ => false,
        }
    }

    /// What differs from the colour that has the traffic, where a step brings up the other.
    pub(super) fn outdated(&self, step: &Step) -> Option<&'a [FieldChange]> {
        let of = self.coloured_of(step).filter(|of| of.astray && of.workload.id == step.id)?;
        (step.action == Action::Create).then_some(of.outdated)
    }

    /// Every new colour that has an old one beside it is held, with a way back for all that goes with the traffic, and
    /// nothing else is. What is applied tells that it is a turn.
    pub(super) fn colours(&mut self) {
        let steps = |order: Order| {
            let phases = self.plan.phases.iter().filter(move |phase| phase.order == order);
            phases.flat_map(|phase| &phase.steps).map(|step| &step.id).collect::<Vec<&ResourceId>>()
        };
        let (held, back) = (steps(Order::Hold), steps(Order::Return));
        let (mut hold, mut returns) = (Vec::new(), Vec::new());
        let mut wrong = Vec::new();
        let applied = |id: &ResourceId| {
            let phases = self.plan.phases.iter().filter(|phase| phase.order == Order::Apply);
            phases.flat_map(|phase| &phase.steps).find(|step| step.id == *id)
        };
        for of in self.coloured.values() {
            if of.old.is_some() {
                hold.push(&of.workload.id);
                let there = |one: &&&Resource| applied(&one.id).is_some_and(|step| step.action != Action::Create);
                returns.extend(of.following.iter().filter(there).map(|one| &one.id));
            }
            for one in of.following.iter().chain([&of.workload]) {
                let Some(step) = applied(&one.id) else { continue };
                let tells = step.causes.iter().any(|cause| matches!(cause, Cause::Turn { .. }));
                let brings = step.action == Action::Create && one.id == of.workload.id && of.astray;
                if tells != (brings || self.turns(step)) {
                    wrong.push(&one.id);
                }
            }
        }
        let same = |told: &[&ResourceId], expect: &[&ResourceId]| {
            told.len() == expect.len() && expect.iter().all(|id| told.contains(id))
        };
        let (holds, goes_back) = (same(&held, &hold), same(&back, &returns));
        self.of_all(holds, Invariant::Coloured, "what is held is not what takes traffic from another colour");
        self.of_all(goes_back, Invariant::Coloured, "the way back is not that of what is held");
        for id in wrong {
            self.report(Invariant::Coloured, id, "goes to another colour and does not tell, or the other way round");
        }
    }

    /// A step that holds a new colour.
    pub(super) fn held(&mut self, step: &Step) {
        let id = &step.id;
        let due = self.coloured_of(step).filter(|of| of.workload.id == *id).map(|of| of.how);
        let asked = due.is_some_and(|due| (step.hold, step.patience) == (Some(due.hold), Some(due.patience)));
        self.expect(
            step.action == Action::Hold && asked,
            Invariant::Coloured,
            id,
            "is held otherwise than the stack says",
        );
        let readiness = self.preview(id).map_or(Readiness::RolledOut, |preview| preview.readiness.clone());
        let judged = step.condition == Some(Condition::Ready) && step.readiness == Some(readiness);
        self.expect(judged, Invariant::Coloured, id, "is held on another condition than it became ready by");
        let bare = step.manifest.is_none() && step.manifest_digest.is_none() && !step.force && is_plain(step);
        let idle = bare && step.waits_for.is_empty() && step.confirmation.is_none() && step.stage == 0 && !step.gate;
        self.expect(idle, Invariant::Manifest, id, "is held and would be changed");
        if let Some(resource) = self.resources.get(id).copied() {
            self.addressed(step, resource);
        }
    }

    /// A step that takes something back to the old colour.
    pub(super) fn returned(&mut self, step: &Step) {
        let id = &step.id;
        let Some((from, old)) = self.coloured_of(step).and_then(|of| Some((&of.workload.id.name, of.old?))) else {
            return self.report(Invariant::Coloured, id, "goes back to nothing");
        };
        let right = step.action == Action::Return
            && step.condition == Some(Condition::Broken)
            && step.from.as_ref() == Some(&old.id)
            && step.hold.is_none();
        self.expect(right, Invariant::Coloured, id, "goes back to another colour, or without need");
        let Some(resource) = self.resources.get(id).copied() else {
            return self.report(Invariant::Complete, id, "is to be changed back and not desired");
        };
        self.addressed(step, resource);
        let back = |manifest: &serde_json::Value| turned(manifest, from, &old.id.name, of_name(&old.id.name));
        let applied = self.preview(id).and_then(|preview| preview.applied_as.as_ref()).unwrap_or(&resource.manifest);
        let manifest = step.manifest == Some(back(applied))
            && step.manifest_digest == Some(digest(&back(&resource.manifest)))
            && !step.force;
        self.expect(manifest, Invariant::Manifest, id, "what is changed back is not what had the traffic");
        let plain = is_plain(&Step { from: None, ..step.clone() })
            && step.confirmation == Some(Confirmation::Predicted)
            && step.readiness == Some(Readiness::Exists)
            && step.stage == u32::from(id.kind.kind != "Service")
            && step.waits_for.is_empty()
            && !step.gate;
        self.expect(plain, Invariant::Coloured, id, "does something else than to go back");
    }
}
