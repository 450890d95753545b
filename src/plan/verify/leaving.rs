//! The checker's part that is about names and numbers: what targets leave out, what moves, what a replaced object leaves
//! behind, and how much is deleted at once.

use std::collections::BTreeSet;

use strata_components::desired::{Desired, Resource, ResourceId};

use super::super::planner::digest;
use super::super::policy::{Policy, named};
use super::super::types::{Action, Cause, Order, Step};
use super::{Checker, Invariant, is_plain, releases, writes};
use crate::observe::{Confirmation, Leftover, LiveObject, Owner, Previewed};

/// The services that the targets reach, found by going on until nothing new is; `None` where all are meant.
pub(super) fn services_within<'a>(desired: &'a Desired, policy: &'a Policy) -> Option<BTreeSet<&'a str>> {
    let mut within: BTreeSet<&str> = policy.targets.iter().map(String::as_str).collect();
    if within.is_empty() {
        return None;
    }
    loop {
        let reached = |one: &&Resource| one.service.as_deref().is_some_and(|service| within.contains(service));
        let needed = desired.resources.iter().filter(reached).flat_map(|one| one.depends_on.iter().map(String::as_str));
        let all: BTreeSet<&str> = needed.chain(within.iter().copied()).collect();
        if all.len() == within.len() {
            return Some(within);
        }
        within = all;
    }
}

/// Whether targets that reach these services reach a resource.
pub(super) fn is_within(services: Option<&BTreeSet<&str>>, resource: &Resource) -> bool {
    match (services, &resource.service) {
        (Some(services), Some(service)) => services.contains(service.as_str()),
        _ => true,
    }
}

impl<'a> Checker<'a> {
    /// Whether the targets reach a resource.
    pub(super) fn within(&self, resource: &Resource) -> bool {
        is_within(self.services.as_ref(), resource)
    }

    /// What is left out is what the targets do not reach, and all that left the stack.
    pub(super) fn targets(&mut self) {
        let told: BTreeSet<(&ResourceId, bool)> =
            self.plan.left_out.iter().map(|out| (&out.id, out.left_stack)).collect();
        let mut expect: BTreeSet<(&ResourceId, bool)> = BTreeSet::new();
        if self.services.is_some() {
            let out = self.resources.values().filter(|resource| !self.within(resource));
            expect.extend(out.map(|resource| (&resource.id, false)));
            let left = self.snapshot.objects.iter().filter(|live| {
                live.owner == Owner::This
                    && !self.resources.contains_key(&live.id)
                    && !live.controlled
                    && live.left_by.is_none()
                    && !self.forgotten(&live.id)
                    && self.other_colour(&live.id).is_none()
            });
            expect.extend(left.map(|live| (&live.id, true)));
        }
        self.of_all(told == expect, Invariant::Targets, "what is left out is not what the targets leave out");
        let known = self.services.as_ref().is_none_or(|_| self.plan.kept.is_empty());
        self.of_all(known, Invariant::Targets, "something is told as kept although nothing is deleted");
    }

    /// The resources that a live object is called now.
    pub(super) fn renamed(&self, live: &LiveObject) -> Vec<&'a Resource> {
        let gone = live.owner == Owner::This && !live.controlled && !self.resources.contains_key(&live.id);
        let same = |one: &&&Resource| {
            let kind = one.id.kind.group == live.id.kind.group && one.id.kind.kind == live.id.kind.kind;
            let at = live.address.as_deref().unwrap_or_default();
            let same = at == one.address || one.was.as_deref() == Some(at);
            kind && same && !at.is_empty() && !self.has_colours(one, at)
        };
        if gone { self.resources.values().filter(same).copied().collect() } else { Vec::new() }
    }

    /// What lets an old name and a new one through does so from its phase on, and no longer than to the end.
    pub(super) fn moves(&mut self) {
        let overlap = self.snapshot.objects.iter().any(|live| !self.renamed(live).is_empty());
        let of = |order: Order| {
            let phases = self.plan.phases.iter().filter(move |phase| phase.order == order);
            phases.flat_map(|phase| &phase.steps).collect::<Vec<&'a Step>>()
        };
        let (applied, closed) = (of(Order::Apply), of(Order::Close));
        for step in applied {
            let Some(resource) = self.resources.get(&step.id).copied() else { continue };
            let wide = overlap && resource.meanwhile.is_some() && writes(step.action);
            let told = step.causes.contains(&Cause::Overlap { over: false });
            self.expect(told == wide, Invariant::Moved, &step.id, "is open to two names, or not, as nothing asks for");
            let ends = closed.iter().any(|one| one.id == step.id && !releases(one));
            self.expect(
                ends == told,
                Invariant::Moved,
                &step.id,
                "is open to two names for ever, or closed from the start",
            );
            let partial = wide && self.services.is_some();
            self.expect(!partial, Invariant::Moved, &step.id, "moves while something is left out");
            let from = step.from.as_ref().and_then(|from| self.live(from));
            let right = match step.action {
                Action::Move => from.is_some_and(|from| self.renamed(from).iter().any(|one| one.id == step.id)),
                // A move that is blocked still says what it was about.
                Action::Blocked => {
                    step.from.is_none()
                        || step
                            .from
                            .as_ref()
                            .is_some_and(|from| step.causes.contains(&Cause::MovedFrom { id: from.clone() }))
                }
                _ => step.from.is_none(),
            };
            self.expect(right, Invariant::Moved, &step.id, "moves from something that it never was");
        }
    }

    /// Nothing that left the stack is deleted where there is reason to doubt that it was meant.
    pub(super) fn pruned(&mut self) {
        let left = |step: &&Step| {
            step.action == Action::Delete
                && step.causes.iter().any(|cause| matches!(cause, Cause::LeftStack | Cause::Destroy))
        };
        let pruned = self.plan.steps().filter(left).filter(|step| !self.named(&step.id)).count();
        let own = |live: &&LiveObject| live.owner == Owner::This && !live.controlled && live.left_by.is_none();
        let all = self.snapshot.objects.iter().filter(own).count();
        let much = pruned > 10 && 3 * pruned > all && !self.policy.destroy;
        let doubtful = pruned > 0 && !self.snapshot.suspicious.is_empty();
        let allowed = self.policy.allow_prune || !(much || doubtful);
        self.of_all(allowed, Invariant::Guarded, "more is deleted than may be without --allow-prune");
    }

    pub(super) fn forgotten(&self, id: &ResourceId) -> bool {
        self.policy.forget.contains(&named(id))
    }

    /// What replaced objects leave behind, each with the step that replaces.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = (&'a Step, &'a Leftover)> {
        let replaced = self.plan.steps().filter(|step| step.action == Action::Replace);
        replaced.flat_map(|step| match self.preview(&step.id).map(|preview| &preview.outcome) {
            Some(Previewed::Replace { leaves, .. }) => leaves.iter().map(|left| (step, left)).collect::<Vec<_>>(),
            _ => Vec::new(),
        })
    }

    pub(super) fn leftover(&self, id: &ResourceId) -> Option<(&'a Step, &'a Leftover)> {
        self.leftovers().find(|(_, left)| left.id == *id)
    }

    /// A step of the phase that waits until something is gone.
    pub(super) fn closed(&mut self, step: &Step) {
        let id = &step.id;
        let Some(resource) = self.resources.get(id).copied() else {
            return self.report(Invariant::Complete, id, "is to be applied and not desired");
        };
        self.addressed(step, resource);
        let bare = is_plain(step) && step.condition.is_none();
        self.expect(bare, Invariant::Explained, id, "does something else than to close");
        if releases(step) {
            return self.released(step, resource);
        }
        let opened = self.plan.phases.iter().filter(|phase| phase.order == Order::Apply).flat_map(|phase| &phase.steps);
        let opened = opened.clone().any(|one| one.id == *id && one.causes.contains(&Cause::Overlap { over: false }));
        self.expect(opened, Invariant::Moved, id, "is closed and was never open");
        let is_update = step.action == Action::Update && step.causes == [Cause::Overlap { over: true }];
        self.expect(is_update, Invariant::Moved, id, "is something else than closed at the end");
        let renamed = self.snapshot.objects.iter().flat_map(|live| self.renamed(live));
        let renamed: BTreeSet<&String> = renamed.filter_map(|resource| resource.service.as_ref()).collect();
        let waits = step.waits_for.iter().eq(renamed);
        self.expect(waits, Invariant::Dependencies, id, "waits for something else than what moves");
        if let Some(preview) = self.preview(id) {
            self.placed(step, preview, &preview.readiness);
            let sure = step.confirmation.as_ref() == preview.outcome.confirmation().as_ref();
            self.expect(sure, Invariant::Explained, id, "is as sure as its preview was not");
            self.expect(!step.force, Invariant::Manifest, id, "fields are taken by force at the end");
            let applied = preview.applied_as.as_ref().unwrap_or(&resource.manifest);
            let right = step.manifest.as_ref() == Some(applied)
                && step.manifest_digest.as_deref() == Some(digest(&resource.manifest).as_str());
            self.expect(right, Invariant::Manifest, id, "what is applied at the end is not what is desired");
        }
    }

    /// Every workload whose autoscaler is deleted gets its size afterwards, and no other.
    pub(super) fn sizes(&mut self) {
        let deletes = |id: &ResourceId| self.plan.steps().any(|step| step.id == *id && step.action == Action::Delete);
        let steps = |order: Order| {
            let phases = self.plan.phases.iter().filter(move |phase| phase.order == order);
            phases.flat_map(|phase| &phase.steps)
        };
        let mut wrong = Vec::new();
        for preview in &self.snapshot.previews {
            let applied = steps(Order::Apply).any(|step| step.id == preview.id && step.action != Action::Blocked);
            let due = preview.autoscaled.as_ref().is_some_and(|autoscaled| applied && deletes(&autoscaled.by));
            let told = steps(Order::Close).any(|step| step.id == preview.id && releases(step));
            if due != told {
                wrong.push(&preview.id);
            }
        }
        for id in wrong {
            self.report(Invariant::Explained, id, "gets its size from nobody, or while an autoscaler decides it");
        }
    }

    /// A step that gives a workload its size when its autoscaler is gone.
    fn released(&mut self, step: &Step, resource: &Resource) {
        let id = &step.id;
        let is_update = step.action == Action::Update && step.force && step.waits_for.is_empty();
        self.expect(is_update, Invariant::Explained, id, "does something else than get its size");
        let sure = step.confirmation == Some(Confirmation::Predicted);
        self.expect(sure, Invariant::Explained, id, "is as sure as nobody can be");
        let Some(preview) = self.preview(id) else { return };
        let Some(autoscaled) = &preview.autoscaled else { return };
        self.placed(step, preview, &autoscaled.readiness);
        let right = step.manifest.as_ref() == Some(&autoscaled.manifest)
            && step.manifest_digest.as_deref() == Some(digest(&resource.manifest).as_str());
        self.expect(right, Invariant::Manifest, id, "what is applied at the end is not what is desired");
    }
}
