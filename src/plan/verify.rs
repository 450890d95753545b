//! The checker: what must hold of a finished plan, derived once more from what the plan was made of.
//!
//! It never calls the planner and shares no decision with it, so that a mistake there is not repeated here. It changes
//! nothing and mends nothing; it names everything that is wrong. `up` carries out no plan that it finds fault with.

mod blue_green;
mod causes;
mod leaving;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use strata_components::blue_green::painted;
use strata_components::desired::{Desired, Resource, ResourceId};
use strata_components::model::Ownership;
use strata_components::needs::Need;

use super::planner::{digest, field_manager};
use super::policy::{Policy, named};
use super::types::{Action, Cause, Condition, Order, PLAN_FORMAT, Plan, PlanPhase, Step, Summary};
use crate::observe::{FieldConflict, LiveObject, Owner, Preview, Previewed, Readiness, ReplaceOrder, Snapshot};

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
    /// What a phase waits for outside the stack is what the services need that it changes something of.
    Needs,
    /// A step holds the UID and the revision of the object it was made against.
    Bound,
    /// What is done only when allowed was allowed: named, a replacement, a delete of much at once.
    Guarded,
    /// What is left out is what the targets leave out.
    Targets,
    /// What is renamed comes before its old name goes, and is open to both until then.
    Moved,
    /// Traffic goes from one colour to the other only when that is ready, with a way back until it was held.
    Coloured,
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
    let (composed, painted) = (desired, painted(desired, &blue_green::colours(snapshot)));
    let desired = &painted;
    let services = leaving::services_within(desired, policy);
    let reached = |resource: &Resource| leaving::is_within(services.as_ref(), resource);
    let mut checker = Checker {
        coloured: blue_green::coloured(desired, snapshot, policy, reached),
        desired,
        resources: desired.resources.iter().map(|resource| (&resource.id, resource)).collect(),
        live: snapshot.objects.iter().map(|object| (&object.id, object)).collect(),
        previews: snapshot.previews.iter().map(|preview| (&preview.id, preview)).collect(),
        phases: phases_of_services(desired),
        ownership: &desired.ownership,
        services,
        snapshot,
        policy,
        plan,
        found: Vec::new(),
    };
    checker.header(composed);
    checker.complete();
    checker.targets();
    checker.moves();
    checker.colours();
    checker.pruned();
    checker.sizes();
    checker.ordered();
    checker.needs(desired);
    for phase in &plan.phases {
        for step in &phase.steps {
            match phase.order {
                Order::Apply => checker.applied(phase, step),
                Order::Hold => checker.held(step),
                Order::Return => checker.returned(step),
                Order::Delete => checker.deleted(phase, step),
                Order::Close => checker.closed(step),
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
    /// What is desired, in its colours.
    desired: &'a Desired,
    coloured: BTreeMap<&'a str, blue_green::Coloured<'a>>,
    services: Option<BTreeSet<&'a str>>,
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
        let mut seen: BTreeMap<(Order, &ResourceId), usize> = BTreeMap::new();
        for phase in &self.plan.phases {
            for step in &phase.steps {
                *seen.entry((phase.order, &step.id)).or_default() += 1;
            }
        }
        let kept: BTreeSet<&ResourceId> = self.plan.kept.iter().map(|kept| &kept.id).collect();
        for ((_, id), _) in seen.iter().filter(|(_, times)| **times > 1) {
            self.report(Invariant::Complete, id, "has more than one step");
        }
        let within = self.resources.values().copied().filter(|resource| self.within(resource));
        let within: Vec<&Resource> = within.collect();
        for Resource { id, .. } in within {
            self.expect(seen.contains_key(&(Order::Apply, id)), Invariant::Complete, id, "is desired and has no step");
            self.expect(!kept.contains(id), Invariant::Complete, id, "is desired and told as left and kept");
        }
        for live in self.snapshot.objects.iter().filter(|live| live.owner == Owner::This) {
            let left = !self.resources.contains_key(&live.id);
            let told = seen.contains_key(&(Order::Delete, &live.id));
            let is_kept = kept.contains(&live.id);
            let idle = live.controlled && live.left_by.is_none() && !self.forgotten(&live.id);
            let is_left_out = self.plan.left_out.iter().any(|out| out.id == live.id);
            let accounted = !left || told || is_kept || is_left_out || idle;
            self.expect(accounted, Invariant::Complete, &live.id, "left the stack and is not told");
            self.expect(!(told && is_kept), Invariant::Complete, &live.id, "is kept and has a step");
            self.expect(!(told && is_left_out), Invariant::Complete, &live.id, "is left out and has a step");
        }
        let leftovers: Vec<_> = self.leftovers().collect();
        for (_, left) in leftovers {
            let goes = seen.contains_key(&(Order::Delete, &left.id));
            self.expect(goes, Invariant::Complete, &left.id, "is left behind and not told");
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
            Order::Hold => (1, i64::from(phase.number)),
            Order::Return => (2, i64::from(phase.number)),
            Order::Delete => (3, -i64::from(phase.number)),
            Order::Close => (4, i64::from(phase.number)),
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

    /// Each need of a service that is changed is told in its phase, with all who have it, and no other is.
    fn needs(&mut self, desired: &Desired) {
        for phase in &self.plan.phases {
            let changes = |service: &str| {
                let mut own = phase.steps.iter().filter(|step| step.service.as_deref() == Some(service));
                phase.order == Order::Apply && own.any(|step| writes(step.action))
            };
            let due: BTreeSet<(&Need, &str)> = desired
                .needs
                .iter()
                .filter(|(service, _)| changes(service))
                .flat_map(|(service, needs)| needs.iter().map(move |need| (need, service.as_str())))
                .collect();
            let told =
                phase.needs.iter().flat_map(|one| one.services.iter().map(|service| (&one.need, service.as_str())));
            let detail = format!("phase {} does not wait for what its services need", phase.number);
            self.of_all(told.eq(due), Invariant::Needs, &detail);
            let target = phase.steps.first().map_or("", |step| step.id.target.as_str());
            let named = phase.needs.iter().all(|one| one.id == one.need.needed.id(target) && !one.services.is_empty());
            self.of_all(named, Invariant::Needs, &format!("phase {} waits for something else", phase.number));
        }
    }

    /// A step of a phase that applies.
    fn applied(&mut self, phase: &PlanPhase, step: &Step) {
        let id = &step.id;
        let leaves = matches!(step.action, Action::Delete | Action::Forget);
        self.expect(!leaves, Invariant::Ordered, id, "is deleted among what is applied");
        let Some(resource) = self.resources.get(id).copied() else {
            return self.report(Invariant::Complete, id, "is to be applied and not desired");
        };
        self.expect(
            resource.phase == phase.number,
            Invariant::Ordered,
            id,
            "stands in another phase than it belongs to",
        );
        self.expect(self.within(resource), Invariant::Targets, id, "is no target and has a step");
        self.addressed(step, resource);
        self.expect(step.waits_for == resource.depends_on, Invariant::Dependencies, id, "waits for something else");
        for service in &step.waits_for {
            let in_time = match service.split_once('/') {
                Some((stack, _)) => self.is_awaited(step.service.as_deref(), stack, service),
                None => self.phases.get(service.as_str()).is_some_and(|needed| *needed <= phase.number),
            };
            let detail = format!("waits for {service}, which comes later or not at all");
            self.expect(in_time, Invariant::Dependencies, id, &detail);
        }
        let Some(preview) = self.preview(id) else {
            let idle = step.action == Action::Blocked && step.manifest.is_none() && step.manifest_digest.is_none();
            let unknown = step.stage == 0 && step.readiness.is_none() && step.confirmation.is_none();
            self.expect(idle && unknown && is_plain(step), Invariant::Explained, id, "was never previewed");
            let unasked = !step.force && !step.gate && step.condition.is_none();
            return self.expect(unasked, Invariant::Explained, id, "asks for something although it is blocked");
        };
        self.placed(step, preview, &preview.readiness);
        let wide = step.causes.contains(&Cause::Overlap { over: false });
        self.manifest(step, resource, preview, wide);
        self.fits_outcome(step, preview);
        let order = match (&preview.outcome, step.action) {
            (Previewed::Replace { order, leaves, .. }, Action::Replace) => {
                (Some(*order), leaves.iter().map(|left| &left.id).collect::<Vec<_>>())
            }
            (Previewed::Again { .. }, Action::Replace) => (Some(ReplaceOrder::DeleteFirst), Vec::new()),
            _ => (None, Vec::new()),
        };
        let told = (step.replace, step.leaves.iter().collect::<Vec<_>>());
        self.expect(told == order, Invariant::Explained, id, "is replaced in another order than was observed");
        let left = step.replace != Some(ReplaceOrder::DeleteFirst) || step.leaves.is_empty();
        self.expect(left, Invariant::Explained, id, "leaves something behind although it goes with all it owns");
        let (_, _, condition) = self.place_of(step, preview);
        let right = step.condition == condition && step.hold.is_none();
        self.expect(right, Invariant::Explained, id, "is applied on another condition than it should be");
    }

    /// Whether what a service waits for in another stack is a need of it. What lies outside of the cluster is no edge, and
    /// is not waited for.
    fn is_awaited(&self, own: Option<&str>, stack: &str, service: &str) -> bool {
        let own = own.unwrap_or_default();
        let needs = self.desired.needs.get(own).into_iter().flatten();
        let runs = self.desired.claims.edges.iter().any(|edge| edge.from == own && edge.to == service);
        !runs || needs.into_iter().any(|need| need.stack.as_deref() == Some(stack))
    }

    /// A step says where what it is about belongs, as what is desired does.
    pub(super) fn addressed(&mut self, step: &Step, resource: &Resource) {
        let same = step.address == resource.address
            && step.service == resource.service
            && step.tier == resource.tier
            && step.ready_within == resource.ready_within;
        let detail = "has another address, service, tier or limit than what is desired";
        self.expect(same, Invariant::Complete, &step.id, detail);
    }

    /// A step comes within its phase where it was observed to belong, and is waited for as that says.
    pub(super) fn placed(&mut self, step: &Step, preview: &Preview, readiness: &Readiness) {
        let (stage, gate, _) = self.place_of(step, preview);
        let placed = step.stage == stage && step.gate == gate && step.readiness.as_ref() == Some(readiness);
        self.expect(placed, Invariant::Ordered, &step.id, "has another stage or readiness than was observed");
    }

    fn manifest(&mut self, step: &Step, resource: &Resource, preview: &Preview, wide: bool) {
        let id = &step.id;
        let meanwhile = resource.meanwhile.as_ref().filter(|_| wide);
        // Until its autoscaler is gone, a workload is applied without a size.
        let sizeless = preview.autoscaled.as_ref().map(|_| without_size(&resource.manifest));
        let manifest = sizeless.as_ref().unwrap_or(&resource.manifest);
        let right =
            step.manifest_digest == Some(digest(meanwhile.unwrap_or(manifest))) && preview.digest == digest(manifest);
        self.expect(right, Invariant::Manifest, id, "its digest is not that of the manifest");
        let applied = match meanwhile {
            Some(meanwhile) => preview.meanwhile_as.as_ref().unwrap_or(meanwhile),
            None => preview.applied_as.as_ref().unwrap_or(manifest),
        };
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
        let forced = matches!(step.action, Action::Update | Action::Adopt) && conflicting;
        self.expect(
            step.force == forced,
            Invariant::Manifest,
            id,
            "fields are taken by force, or not, as was not asked",
        );
        let hands = writes(step.action) && step.action != Action::Replace;
        let gives = if hands { preview.hands_over.as_slice() } else { &[] };
        let handed = step.hands_over == gives && (gives.is_empty() || step.action == Action::Adopt);
        self.expect(handed, Invariant::Manifest, id, "fields are handed over by others than was observed");
        let altered = if writes(step.action) { preview.altered.as_slice() } else { &[] };
        let told = step.altered == altered;
        self.expect(told, Invariant::Manifest, id, "what the server makes otherwise is not what was observed");
    }

    /// What was previewed leads to what is done.
    fn fits_outcome(&mut self, step: &Step, preview: &Preview) {
        let unknown = preview.outcome.confirmation();
        let (confirmed, fits) = match &preview.outcome {
            Previewed::Unchanged(confirmation) => {
                (Some(confirmation), matches!(step.action, Action::Unchanged | Action::Adopt))
            }
            Previewed::Create(confirmation) => {
                (Some(confirmation), matches!(step.action, Action::Create | Action::Move))
            }
            Previewed::Change { confirmation, .. } => {
                (Some(confirmation), matches!(step.action, Action::Update | Action::Adopt))
            }
            Previewed::Replace { confirmation, .. } => {
                let asked = self.live(&step.id).is_none_or(|live| live.guarded.is_none() || self.named(&step.id));
                let allowed = step.action != Action::Replace || (self.policy.allow_replace && asked);
                self.expect(allowed, Invariant::Guarded, &step.id, "is replaced, which was not allowed");
                (Some(confirmation), step.action == Action::Replace)
            }
            Previewed::Again { confirmation, .. } => (Some(confirmation), step.action == Action::Replace),
            Previewed::Unknown { .. } => (unknown.as_ref(), matches!(step.action, Action::Update | Action::Adopt)),
            Previewed::Unreadable { .. } | Previewed::Refused { .. } | Previewed::Unserved { .. } => (None, false),
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
        self.expect(bare && is_plain(step), Invariant::Manifest, id, "is deleted and would be applied");
        let unsure = step.confirmation.is_none() && step.readiness.is_none() && step.ready_within.is_none();
        let unasked = unsure && !step.gate && step.waits_for.is_empty();
        self.expect(unasked, Invariant::Ordered, id, "is deleted and waited for as if it were applied");
        let (address, stage) = match (self.leftover(id), self.live(id)) {
            (Some((by, _)), _) => (by.address.clone(), 0),
            (None, Some(live)) => {
                (live.address.clone().unwrap_or_else(|| id.to_string()), u32::from(live.guarded.is_some()))
            }
            (None, None) => (step.address.clone(), step.stage),
        };
        self.expect(step.stage == stage, Invariant::Ordered, id, "goes earlier or later than it should");
        self.expect(step.address == address, Invariant::Complete, id, "has another address than was observed");
        let left_by = self.live(id).is_some_and(|live| live.left_by.is_some()) || self.leftover(id).is_some();
        let other = self.other_colour(id);
        let held = other.and_then(|way_back| way_back.then_some(Condition::Held));
        let condition = if left_by { Some(Condition::Unowned) } else { held }.filter(|_| step.action != Action::Forget);
        let right = step.condition == condition;
        self.expect(right, Invariant::Explained, id, "is deleted on another condition than it should be");
        let is_forgotten = step.action == Action::Forget;
        let taken = self.live(id).is_some_and(|live| live.left_by.is_some() && live.controlled);
        // Whether what is left behind now will have been taken is seen when it is about to go.
        let forget = (self.forgotten(id) || taken) && self.leftover(id).is_none();
        let asked = is_forgotten == forget || step.action == Action::Blocked;
        self.expect(asked, Invariant::Guarded, id, "is forgotten and was not to be, or the other way round");
        let Some(live) = self.live(id) else {
            let known = self.leftover(id).is_some();
            return self.expect(known, Invariant::Complete, id, "is deleted and was not observed");
        };
        self.expect(live.owner == Owner::This, Invariant::Inside, id, "is deleted and does not belong to the instance");
        let only_targets = self.services.is_none() || left_by || is_forgotten || other.is_some();
        self.expect(only_targets, Invariant::Targets, id, "is deleted although only some services are meant");
        let asked = live.guarded.is_none() || self.named(id) || is_forgotten || left_by;
        self.expect(asked, Invariant::Guarded, id, "is deleted only when named, and was not");
        let of_replaced = self.leftover(id).and_then(|(by, _)| self.resources.get(&by.id)).map(|by| by.phase);
        let in_phase = of_replaced.or(live.phase).unwrap_or(0) == phase.number;
        self.expect(in_phase, Invariant::Ordered, id, "is deleted in another phase than it was applied in");
    }

    /// The object that a step is about, as it was observed.
    fn bound(&mut self, step: &Step) {
        let id = &step.id;
        let live = self.live(id);
        let leftover = self.leftover(id).map(|(_, left)| left);
        let again = matches!(step.action, Action::Hold | Action::Return)
            || step.causes.contains(&Cause::Overlap { over: true })
            || releases(step);
        let replaced = again && self.plan.steps().any(|one| one.id == *id && one.action == Action::Replace);
        // What is left behind was looked at last.
        let seen = leftover.map(|left| (left.uid.as_str(), left.resource_version.as_str()));
        let seen = seen.or(live.map(|live| (live.uid.as_str(), live.resource_version.as_str())));
        // Who comes after a replacement does not know it yet.
        let seen = seen.filter(|_| !replaced);
        self.expect(
            step.uid.as_deref() == seen.map(|(uid, _)| uid),
            Invariant::Bound,
            id,
            "has another UID than was observed",
        );
        let revision = step.resource_version.as_deref() == seen.map(|(_, revision)| revision);
        self.expect(revision, Invariant::Bound, id, "has another resourceVersion than was observed");
        let held = step.action != Action::Delete || step.uid.as_ref().is_some_and(|uid| !uid.is_empty());
        self.expect(held, Invariant::Bound, id, "is deleted without a UID");
        if matches!(step.action, Action::Blocked) {
            return;
        }
        let ours = match live.map(|live| &live.owner) {
            None => true,
            Some(Owner::This) => step.action != Action::Adopt,
            Some(Owner::Nobody) => {
                let taking = matches!(step.action, Action::Adopt | Action::Replace) || again;
                taking && self.adopts(id)
            }
            Some(Owner::Other(_)) => false,
        };
        self.expect(ours, Invariant::Inside, id, "is touched and does not belong to the instance");
        let new = matches!(step.action, Action::Create | Action::Move);
        let there = new != seen.is_some() || again;
        self.expect(there, Invariant::Explained, id, "is created although it is there, or changed although it is not");
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
            hold: count(Action::Hold),
            back: count(Action::Return),
            unchanged: count(Action::Unchanged),
            blocked: count(Action::Blocked),
        };
        self.of_all(self.plan.summary == counts, Invariant::Counted, "its counts are not those of its steps");
        let bare = Plan { digest: String::new(), ..self.plan.clone() };
        self.of_all(digest(&bare) == self.plan.digest, Invariant::Sealed, "its digest is not its own");
    }
}

/// Whether a step replaces nothing, moves nothing, takes nothing over and expects nothing else of the server.
fn is_plain(step: &Step) -> bool {
    let Step { replace, leaves, from, hands_over, altered, .. } = step;
    replace.is_none() && leaves.is_empty() && from.is_none() && hands_over.is_empty() && altered.is_empty()
}

/// Whether a step of this action applies a manifest.
fn writes(action: Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Replace | Action::Adopt | Action::Move)
}

/// A manifest that says nothing of how many pods there are.
fn without_size(manifest: &serde_json::Value) -> serde_json::Value {
    let mut manifest = manifest.clone();
    if let Some(spec) = manifest.get_mut("spec").and_then(serde_json::Value::as_object_mut) {
        spec.remove("replicas");
    }
    manifest
}

/// Whether a step gives a workload its size back.
fn releases(step: &Step) -> bool {
    step.causes.iter().any(|cause| matches!(cause, Cause::Released { .. }))
}

#[cfg(test)]
mod tests;
