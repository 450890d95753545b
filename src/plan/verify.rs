//! The checker: what must hold of a finished plan, derived once more from what the plan was made of.
//!
//! It never calls the planner and shares no decision with it, so that a mistake there is not repeated here. It changes
//! nothing and mends nothing; it names everything that is wrong. `up` carries out no plan that it finds fault with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use strata_components::desired::{Desired, Resource, ResourceId};
use strata_components::model::Ownership;

use super::planner::{digest, field_manager};
use super::policy::{Policy, named};
use super::types::{Action, Cause, Order, PLAN_FORMAT, Plan, PlanPhase, Step, Summary};
use crate::observe::{FieldChange, FieldConflict, LiveObject, Owner, Preview, Previewed, Snapshot};

/// What must hold of every plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// It says what it was made of: instance, cluster, inputs, policy, what could not be listed.
    Header,
    /// Every desired resource has exactly one step, every object that left has one or is kept, and nothing else has any.
    Complete,
    /// Nothing is touched that belongs to another instance, or to nobody unless that was asked for.
    Inside,
    /// Every step but an unchanged one has causes, and they fit what it does and what was observed.
    Explained,
    /// Phases and stages follow each other as they must: applies upwards, then deletes downwards.
    Ordered,
    /// What a step waits for comes no later than the step.
    Dependencies,
    /// A step holds the UID and the revision of the object it was made against.
    Bound,
    /// What is deleted only when named was named.
    Guarded,
    /// Nothing is deleted while a kind could not be listed.
    Listed,
    /// What is applied is what is desired, with its digest, and nothing is forced without a conflict.
    Manifest,
    /// The counts are those of the steps.
    Counted,
    /// The plan's digest is that of the plan.
    Sealed,
}

/// One thing that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// Of which object; absent where it is the plan as a whole.
    pub id: Option<ResourceId>,
    /// In which way, as a fragment of a sentence.
    pub detail: String,
}

impl fmt::Display for Violation {
    /// `Deployment ns/web: is deleted and still desired`, or the detail alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{id}: {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

/// Everything that is wrong with a plan towards `desired`, given what was observed and allowed; sorted, and empty for
/// every plan that the planner makes.
#[must_use]
pub fn verify(desired: &Desired, snapshot: &Snapshot, policy: &Policy, plan: &Plan) -> Vec<Violation> {
    let mut checker = Checker {
        resources: desired.resources.iter().map(|resource| (&resource.id, resource)).collect(),
        live: snapshot.objects.iter().map(|object| (&object.id, object)).collect(),
        previews: snapshot.previews.iter().map(|preview| (&preview.id, preview)).collect(),
        phases: phases_of_services(desired),
        ownership: &desired.ownership,
        snapshot,
        policy,
        plan,
        found: Vec::new(),
    };
    checker.header(desired);
    checker.complete();
    checker.ordered();
    for phase in &plan.phases {
        for step in &phase.steps {
            match phase.order {
                Order::Apply => checker.applied(phase, step),
                Order::Delete => checker.deleted(phase, step),
            }
            checker.bound(step);
            checker.explained(step);
        }
    }
    checker.counted();
    let mut found = checker.found;
    found.sort();
    found.dedup();
    found
}

/// The phase of each service: that of its last resource.
fn phases_of_services(desired: &Desired) -> BTreeMap<&str, u32> {
    let mut phases = BTreeMap::new();
    for resource in &desired.resources {
        if let Some(service) = &resource.service {
            let phase = phases.entry(service.as_str()).or_insert(resource.phase);
            *phase = resource.phase.max(*phase);
        }
    }
    phases
}

struct Checker<'a> {
    resources: BTreeMap<&'a ResourceId, &'a Resource>,
    live: BTreeMap<&'a ResourceId, &'a LiveObject>,
    previews: BTreeMap<&'a ResourceId, &'a Preview>,
    phases: BTreeMap<&'a str, u32>,
    ownership: &'a Ownership,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    plan: &'a Plan,
    found: Vec<Violation>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, invariant: Invariant, id: &ResourceId, detail: impl Into<String>) {
        self.found.push(Violation { invariant, id: Some(id.clone()), detail: detail.into() });
    }

    fn expect(&mut self, holds: bool, invariant: Invariant, id: &ResourceId, detail: &str) {
        if !holds {
            self.report(invariant, id, detail);
        }
    }

    fn of_all(&mut self, holds: bool, invariant: Invariant, detail: &str) {
        if !holds {
            self.found.push(Violation { invariant, id: None, detail: detail.to_owned() });
        }
    }

    fn live(&self, id: &ResourceId) -> Option<&'a LiveObject> {
        self.live.get(id).copied()
    }

    fn preview(&self, id: &ResourceId) -> Option<&'a Preview> {
        self.previews.get(id).copied()
    }

    fn header(&mut self, desired: &Desired) {
        let (plan, snapshot) = (self.plan, self.snapshot);
        let mut same = |holds, what: &str| self.of_all(holds, Invariant::Header, what);
        same(plan.format == PLAN_FORMAT, "its format is another");
        same(plan.instance == desired.instance, "it is of another instance than what is desired");
        same(snapshot.instance == desired.instance, "the snapshot was taken for another instance");
        same(plan.target == snapshot.target, "it is for another cluster than was observed");
        same(plan.field_manager == field_manager(&desired.instance.stack), "fields would be owned under another name");
        same(plan.inputs == digest(desired), "the digest of its inputs is not that of what is desired");
        same(plan.unlisted == snapshot.unlisted, "what could not be listed is not what was observed");
        same(plan.namespaces == desired.namespaces, "its namespaces are not those of what is desired");
        let policy = plan.policy == *self.policy;
        self.of_all(policy, Invariant::Header, "it holds another policy than it was made with");
    }

    /// Each desired resource and each object that left is there once, and nothing else is.
    fn complete(&mut self) {
        let mut seen: BTreeMap<&ResourceId, usize> = BTreeMap::new();
        for step in self.plan.steps() {
            *seen.entry(&step.id).or_default() += 1;
        }
        let kept: BTreeSet<&ResourceId> = self.plan.kept.iter().map(|kept| &kept.id).collect();
        for (id, _) in seen.iter().filter(|(_, times)| **times > 1) {
            self.report(Invariant::Complete, id, "has more than one step");
        }
        let desired: Vec<&ResourceId> = self.resources.keys().copied().collect();
        for id in desired {
            self.expect(seen.contains_key(id), Invariant::Complete, id, "is desired and has no step");
            self.expect(!kept.contains(id), Invariant::Complete, id, "is desired and told as left and kept");
        }
        for live in self.snapshot.objects.iter().filter(|live| live.owner == Owner::This) {
            let (left, told) = (!self.resources.contains_key(&live.id), seen.contains_key(&live.id));
            let is_kept = kept.contains(&live.id);
            self.expect(!left || told || is_kept, Invariant::Complete, &live.id, "left the stack and is not told");
            self.expect(!(told && is_kept), Invariant::Complete, &live.id, "is kept and has a step");
        }
        for id in kept {
            let guarded = self.live(id).is_some_and(|live| live.owner == Owner::This && live.guarded.is_some());
            self.expect(guarded, Invariant::Complete, id, "is told as kept and is nothing that would be");
            self.expect(!self.named(id), Invariant::Guarded, id, "is kept although it was named");
        }
    }

    fn named(&self, id: &ResourceId) -> bool {
        self.policy.delete.contains(&named(id))
    }

    fn ordered(&mut self) {
        let rank = |phase: &PlanPhase| match phase.order {
            Order::Apply => (0, i64::from(phase.number)),
            Order::Delete => (1, -i64::from(phase.number)),
        };
        let ranks: Vec<_> = self.plan.phases.iter().map(rank).collect();
        let ascending = ranks.windows(2).all(|two| two[0] < two[1]);
        self.of_all(ascending, Invariant::Ordered, "its phases do not apply upwards and then delete downwards");
        for phase in &self.plan.phases {
            let place = |step: &'a Step| (step.stage, &step.address, &step.id);
            let sorted = phase.steps.windows(2).all(|two| place(&two[0]) < place(&two[1]));
            let detail = format!("the steps of phase {} are not in their order", phase.number);
            self.of_all(sorted, Invariant::Ordered, &detail);
            let detail = format!("phase {} is empty", phase.number);
            self.of_all(!phase.steps.is_empty(), Invariant::Ordered, &detail);
        }
    }

    /// A step of a phase that applies.
    fn applied(&mut self, phase: &PlanPhase, step: &Step) {
        let id = &step.id;
        self.expect(step.action != Action::Delete, Invariant::Ordered, id, "is deleted among what is applied");
        let Some(resource) = self.resources.get(id).copied() else {
            return self.report(Invariant::Complete, id, "is to be applied and not desired");
        };
        self.expect(
            resource.phase == phase.number,
            Invariant::Ordered,
            id,
            "stands in another phase than it belongs to",
        );
        let same = step.address == resource.address && step.service == resource.service && step.tier == resource.tier;
        self.expect(same, Invariant::Complete, id, "has another address, service or tier than what is desired");
        self.expect(step.waits_for == resource.depends_on, Invariant::Dependencies, id, "waits for something else");
        for service in &step.waits_for {
            let in_time = self.phases.get(service.as_str()).is_some_and(|needed| *needed <= phase.number);
            let detail = format!("waits for {service}, which comes later or not at all");
            self.expect(in_time, Invariant::Dependencies, id, &detail);
        }
        let Some(preview) = self.preview(id) else {
            let idle = step.action == Action::Blocked && step.manifest.is_none() && !step.force;
            return self.expect(idle, Invariant::Explained, id, "was never previewed");
        };
        let placed = step.stage == preview.stage && step.readiness.as_ref() == Some(&preview.readiness);
        self.expect(placed, Invariant::Ordered, id, "has another stage or readiness than was observed");
        self.manifest(step, resource, preview);
        self.fits_outcome(step, preview);
    }

    fn manifest(&mut self, step: &Step, resource: &Resource, preview: &Preview) {
        let id = &step.id;
        let digest = digest(&resource.manifest);
        let right = step.manifest_digest.as_ref() == Some(&digest) && preview.digest == digest;
        self.expect(right, Invariant::Manifest, id, "its digest is not that of the manifest");
        let applied = preview.applied_as.as_ref().unwrap_or(&resource.manifest);
        let expect = writes(step.action).then_some(applied);
        self.expect(
            step.manifest.as_ref() == expect,
            Invariant::Manifest,
            id,
            "what is applied is not what is desired",
        );
        let taken = |conflict: &FieldConflict| conflict.take || self.policy.force_conflicts;
        let conflicting = matches!(&preview.outcome, Previewed::Change { conflicts, .. }
            if !conflicts.is_empty() && conflicts.iter().all(taken));
        let forced = writes(step.action) && conflicting;
        self.expect(
            step.force == forced,
            Invariant::Manifest,
            id,
            "fields are taken by force, or not, as was not asked",
        );
        let gives = if writes(step.action) { preview.hands_over.as_slice() } else { &[] };
        let handed = step.hands_over == gives && (gives.is_empty() || step.action == Action::Adopt);
        self.expect(handed, Invariant::Manifest, id, "fields are handed over by others than was observed");
    }

    /// What was previewed leads to what is done.
    fn fits_outcome(&mut self, step: &Step, preview: &Preview) {
        let (confirmed, fits) = match &preview.outcome {
            Previewed::Unchanged(confirmation) => {
                (Some(confirmation), matches!(step.action, Action::Unchanged | Action::Adopt))
            }
            Previewed::Create(confirmation) => (Some(confirmation), step.action == Action::Create),
            Previewed::Change { confirmation, .. } => {
                (Some(confirmation), matches!(step.action, Action::Update | Action::Adopt))
            }
            Previewed::Replace { confirmation, .. } => (Some(confirmation), step.action == Action::Replace),
            Previewed::Refused { .. } | Previewed::Unserved { .. } => (None, false),
        };
        let blocked = step.action == Action::Blocked;
        self.expect(fits || blocked, Invariant::Explained, &step.id, "does something else than was previewed");
        let confirmation = confirmed.filter(|_| !blocked);
        let sure = step.confirmation.as_ref() == confirmation;
        self.expect(sure, Invariant::Explained, &step.id, "is as sure as its preview was not");
    }

    /// A step of a phase that deletes.
    fn deleted(&mut self, phase: &PlanPhase, step: &Step) {
        let id = &step.id;
        let deletes = matches!(step.action, Action::Delete | Action::Forget | Action::Blocked);
        self.expect(deletes, Invariant::Ordered, id, "is applied among what is deleted");
        self.expect(!self.resources.contains_key(id), Invariant::Complete, id, "is deleted and desired");
        let listed = step.action != Action::Delete || self.snapshot.unlisted.is_empty();
        self.expect(listed, Invariant::Listed, id, "is deleted while a kind could not be listed");
        let bare = step.manifest.is_none() && step.manifest_digest.is_none() && !step.force;
        self.expect(bare, Invariant::Manifest, id, "is deleted and would be applied");
        let Some(live) = self.live(id) else {
            return self.report(Invariant::Complete, id, "is deleted and was not observed");
        };
        self.expect(live.owner == Owner::This, Invariant::Inside, id, "is deleted and does not belong to the instance");
        let asked = live.guarded.is_none() || self.named(id);
        self.expect(asked, Invariant::Guarded, id, "is deleted only when named, and was not");
        let in_phase = live.phase.unwrap_or(0) == phase.number;
        self.expect(in_phase, Invariant::Ordered, id, "is deleted in another phase than it was applied in");
    }

    /// The object that a step is about, as it was observed.
    fn bound(&mut self, step: &Step) {
        let id = &step.id;
        let live = self.live(id);
        let uid = step.uid.as_deref() == live.map(|live| live.uid.as_str());
        self.expect(uid, Invariant::Bound, id, "has another UID than was observed");
        let revision = step.resource_version.as_deref() == live.map(|live| live.resource_version.as_str());
        self.expect(revision, Invariant::Bound, id, "has another resourceVersion than was observed");
        let held = step.action != Action::Delete || step.uid.as_ref().is_some_and(|uid| !uid.is_empty());
        self.expect(held, Invariant::Bound, id, "is deleted without a UID");
        if matches!(step.action, Action::Blocked) {
            return;
        }
        let ours = match live.map(|live| &live.owner) {
            None => true,
            Some(Owner::This) => step.action != Action::Adopt,
            Some(Owner::Nobody) => step.action == Action::Adopt && self.adopts(id),
            Some(Owner::Other(_)) => false,
        };
        self.expect(ours, Invariant::Inside, id, "is touched and does not belong to the instance");
        let there = (step.action == Action::Create) != live.is_some();
        self.expect(there, Invariant::Explained, id, "is created although it is there, or changed although it is not");
    }

    /// The causes of a step: there are some, each is true, and each fits what is done.
    fn explained(&mut self, step: &Step) {
        let id = &step.id;
        let causes = &step.causes;
        let has_some = causes.is_empty() == (step.action == Action::Unchanged);
        self.expect(has_some, Invariant::Explained, id, "has no cause, or one for doing nothing");
        let blocks = causes.iter().any(|cause| self.blocks(id, cause));
        let detail = "is blocked without a cause that blocks, or goes on in spite of one";
        self.expect(blocks == (step.action == Action::Blocked), Invariant::Explained, id, detail);
        for (at, cause) in causes.iter().enumerate() {
            let twice = causes[..at].contains(cause);
            self.expect(!twice, Invariant::Explained, id, &format!("its cause {} is told twice", name(cause)));
            let fits = self.fits(step, cause);
            self.expect(fits, Invariant::Explained, id, &format!("{} is no cause for it", name(cause)));
            let holds = self.holds(step, cause);
            self.expect(holds, Invariant::Explained, id, &format!("its cause {} does not hold", name(cause)));
        }
        let adopted = step.action != Action::Adopt || causes.contains(&Cause::NotOurs);
        self.expect(adopted, Invariant::Explained, id, "is adopted without being told as nobody's");
        if matches!(step.action, Action::Update | Action::Adopt | Action::Replace)
            && let Some(changes) = self.preview(id).and_then(changes)
        {
            let told: BTreeSet<&str> = causes.iter().filter_map(field).map(|(path, ..)| path).collect();
            let all = changes.iter().all(|change| told.contains(change.path.as_str()));
            self.expect(all, Invariant::Explained, id, "a field that changes is not told");
        }
    }

    /// Whether the object may become the instance's where it is nobody's.
    fn adopts(&self, id: &ResourceId) -> bool {
        self.policy.adopt || self.ownership.adoption(&id.kind.kind, &id.name).is_some()
    }

    /// Whether a step with this cause must not be carried out.
    fn blocks(&self, id: &ResourceId, cause: &Cause) -> bool {
        match cause {
            Cause::Conflict { .. }
            | Cause::BelongsTo { .. }
            | Cause::Terminating
            | Cause::Unserved { .. }
            | Cause::Refused { .. }
            | Cause::Unlisted => true,
            Cause::NotOurs => !self.adopts(id),
            Cause::Immutable { .. } => !self.policy.allow_replace,
            Cause::Guarded { .. } => true,
            Cause::Absent
            | Cause::Stack { .. }
            | Cause::Drift { .. }
            | Cause::MovedFrom { .. }
            | Cause::MovedTo { .. }
            | Cause::Overlap { .. }
            | Cause::LeftBy { .. }
            | Cause::Left { .. }
            | Cause::HandedOver { .. }
            | Cause::Ownership
            | Cause::LeftStack
            | Cause::Destroy => false,
        }
    }

    /// Whether a cause can be one of this action.
    fn fits(&self, step: &Step, cause: &Cause) -> bool {
        let changes = matches!(cause, Cause::Stack { .. } | Cause::Drift { .. } | Cause::Ownership);
        let left = if self.policy.destroy { Cause::Destroy } else { Cause::LeftStack };
        let leaves = *cause == left || matches!(cause, Cause::MovedTo { .. } | Cause::LeftBy { .. });
        match step.action {
            Action::Create => *cause == Cause::Absent,
            Action::Update => changes || matches!(cause, Cause::Overlap { .. } | Cause::Left { .. }),
            Action::Replace => changes || matches!(cause, Cause::Immutable { .. }),
            Action::Adopt => changes || matches!(cause, Cause::NotOurs | Cause::Left { .. } | Cause::HandedOver { .. }),
            Action::Move => matches!(cause, Cause::MovedFrom { .. }),
            Action::Delete => leaves,
            Action::Forget => *cause == Cause::LeftStack,
            Action::Unchanged => false,
            Action::Blocked => changes || leaves || self.blocks(&step.id, cause) || *cause == Cause::NotOurs,
        }
    }

    /// Whether what a cause says was observed.
    fn holds(&self, step: &Step, cause: &Cause) -> bool {
        let live = self.live(&step.id);
        let preview = self.preview(&step.id);
        let outcome = preview.map(|preview| &preview.outcome);
        let drifted = || {
            let applied = live.and_then(|live| live.applied.as_ref());
            applied.is_some() && applied == preview.map(|preview| &preview.digest)
        };
        match cause {
            Cause::Absent => live.is_none(),
            Cause::Stack { .. } => self.changes(step, cause) && !drifted(),
            Cause::Drift { .. } => self.changes(step, cause) && drifted(),
            Cause::Ownership => matches!(outcome, Some(Previewed::Change { changes, .. }) if changes.is_empty()),
            Cause::Conflict { path, manager } => {
                !self.policy.force_conflicts
                    && matches!(outcome, Some(Previewed::Change { conflicts, .. })
                        if conflicts.iter().any(|one| one.path == *path && one.manager == *manager && !one.take))
            }
            Cause::Left { path, manager } => preview
                .is_some_and(|preview| preview.left.iter().any(|one| one.path == *path && one.manager == *manager)),
            Cause::HandedOver { manager } => step.hands_over.contains(manager),
            Cause::NotOurs => live.is_some_and(|live| live.owner == Owner::Nobody),
            Cause::BelongsTo { instance } => live.is_some_and(|live| live.owner == Owner::Other(instance.clone())),
            Cause::Terminating => live.is_some_and(|live| live.terminating),
            Cause::Unserved { remedy } => {
                matches!(outcome, Some(Previewed::Unserved { remedy: told }) if told == remedy)
            }
            Cause::Immutable { reason, paths } => {
                matches!(outcome, Some(Previewed::Replace { reason: told, paths: named, .. })
                    if told == reason && named == paths)
            }
            Cause::MovedFrom { id } => step.from.as_ref() == Some(id) && !self.resources.contains_key(id),
            Cause::MovedTo { id } => self.resources.contains_key(id) && !self.resources.contains_key(&step.id),
            Cause::Overlap { .. } => self.resources.contains_key(&step.id),
            Cause::LeftBy { .. } => live.is_some_and(|live| live.left_by.is_some()),
            Cause::Guarded { reason } => !reason.is_empty(),
            Cause::Refused { reason } => match outcome {
                Some(Previewed::Refused { reason: told } | Previewed::Replace { reason: told, .. }) => told == reason,
                other => other.is_none(),
            },
            Cause::LeftStack | Cause::Destroy => !self.resources.contains_key(&step.id),
            Cause::Unlisted => !self.snapshot.unlisted.is_empty(),
        }
    }

    /// Whether a cause tells a field as the preview has it.
    fn changes(&self, step: &Step, cause: &Cause) -> bool {
        let Some(changes) = self.preview(&step.id).and_then(changes) else { return false };
        field(cause).is_some_and(|(path, before, after)| {
            changes.iter().any(|one| one.path == path && one.before.as_ref() == before && one.after.as_ref() == after)
        })
    }

    fn counted(&mut self) {
        let count = |action| self.plan.steps().filter(|step| step.action == action).count();
        let counts = Summary {
            create: count(Action::Create),
            update: count(Action::Update),
            replace: count(Action::Replace),
            adopt: count(Action::Adopt),
            moved: count(Action::Move),
            delete: count(Action::Delete),
            forget: count(Action::Forget),
            unchanged: count(Action::Unchanged),
            blocked: count(Action::Blocked),
        };
        self.of_all(self.plan.summary == counts, Invariant::Counted, "its counts are not those of its steps");
        let bare = Plan { digest: String::new(), ..self.plan.clone() };
        self.of_all(digest(&bare) == self.plan.digest, Invariant::Sealed, "its digest is not its own");
    }
}

/// Whether a step of this action applies a manifest.
fn writes(action: Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Replace | Action::Adopt | Action::Move)
}

/// The fields that a preview found to change.
fn changes(preview: &Preview) -> Option<&[FieldChange]> {
    match &preview.outcome {
        Previewed::Change { changes, .. } | Previewed::Replace { changes, .. } => Some(changes),
        Previewed::Unchanged(_) | Previewed::Create(_) | Previewed::Refused { .. } | Previewed::Unserved { .. } => None,
    }
}

/// The field that a cause is about, before and after.
fn field(cause: &Cause) -> Option<(&str, Option<&serde_json::Value>, Option<&serde_json::Value>)> {
    match cause {
        Cause::Stack { path, before, after, .. } | Cause::Drift { path, before, after, .. } => {
            Some((path, before.as_ref(), after.as_ref()))
        }
        _ => None,
    }
}

/// What a cause is called in a plan's JSON.
fn name(cause: &Cause) -> String {
    let value = serde_json::to_value(cause).unwrap_or_default();
    value["cause"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
