//! Services that go from one colour to the other: which colour is brought up, when the traffic follows, how long the new
//! one is held, and what is the way back.
//!
//! What is live decides. As long as the colour that has the traffic would get no other pods, it stays and is changed in
//! place. Otherwise what is desired becomes the other colour, beside it. So a run that was killed goes on by itself: the
//! next plan finds the new colour there, or the traffic with it already, and has the less to do.

use strata_components::blue_green::{Colour, Colours, follows, painted, turned, workload};
use strata_components::desired::{Desired, Resource, ResourceId};
use strata_components::kinds::LAST_STAGE;
use strata_components::model::BlueGreen;

use super::planner::{digest, phase_of};
use super::policy::Policy;
use super::targets::Scope;
use super::types::{Action, Cause, Condition, Order, PlanPhase, Step};
use crate::observe::{FieldChange, LiveColours, LiveObject, Owner, Readiness, Snapshot};

/// The colour that each service is to have: the one that has the traffic, or the other where that would get other pods;
/// blue where none has it by itself.
///
/// ```
/// use strata::components::blue_green::Colour;
/// use strata::observe::LiveColours;
/// use strata::plan::chosen;
/// let live = LiveColours { service: "cart".to_owned(), points_at: Some(Colour::Green), outdated: Vec::new() };
/// assert_eq!(chosen(&[live])["cart"], Colour::Green);
/// ```
#[must_use]
pub fn chosen(live: &[LiveColours]) -> Colours {
    let next = |one: &LiveColours| match one.points_at {
        Some(colour) if one.outdated.is_empty() => colour,
        Some(colour) => colour.other(),
        None => Colour::Blue,
    };
    live.iter().map(|one| (one.service.clone(), next(one))).collect()
}

/// What is desired in the colours that are chosen by what was observed: what a plan is made of, and what the live objects
/// are to be compared with.
#[must_use]
pub fn in_colour(desired: &Desired, snapshot: &Snapshot) -> Desired {
    painted(desired, &chosen(&snapshot.colours))
}

/// What is desired in the colours that are live: how far what runs is has to be judged by what has the traffic, whatever is to
/// come.
#[must_use]
pub fn in_live_colour(desired: &Desired, snapshot: &Snapshot) -> Desired {
    let live = |colours: &LiveColours| {
        let plain = workload(desired, &colours.service)?;
        // Where nothing is, it begins with a colour.
        let begins = snapshot.object(&plain.id).is_none().then_some(Colour::Blue);
        Some((colours.service.clone(), colours.points_at.or(begins)?))
    };
    painted(desired, &snapshot.colours.iter().filter_map(live).collect())
}

/// The services that go from one colour to the other, or have gone and are not done with it.
pub(super) struct Turns<'a>(Vec<Turn<'a>>);

/// One of them.
struct Turn<'a> {
    service: &'a str,
    how: &'a BlueGreen,
    /// The workload in the colour that it is to have.
    to: &'a Resource,
    /// The same as it is live.
    live: Option<&'a LiveObject>,
    /// What differs between the workload that has the traffic and this one.
    outdated: &'a [FieldChange],
    /// Whether the traffic has still to follow.
    switches: bool,
    /// The workload that has the traffic, or had it before: the way back.
    before: Option<&'a LiveObject>,
    /// All live workloads of the service that are of another colour, or of none.
    others: Vec<&'a LiveObject>,
}

impl<'a> Turns<'a> {
    /// Finds them; `desired` has its colours.
    pub(super) fn of(desired: &'a Desired, snapshot: &'a Snapshot, policy: &Policy, scope: &Scope<'_>) -> Self {
        let turn = |(service, how): (&'a String, &'a BlueGreen)| {
            let to = workload(desired, service).filter(|to| scope.holds(to))?;
            let of_service = |live: &&LiveObject| {
                live.owner == Owner::This
                    && !live.controlled
                    && live.id != to.id
                    && live.id.kind == to.id.kind
                    && live.address.as_ref() == Some(&to.address)
                    && !policy.forgets(&live.id)
            };
            let others: Vec<&LiveObject> = snapshot.objects.iter().filter(of_service).collect();
            let live = snapshot.object(&to.id);
            let colours = snapshot.colours_of(service);
            let points_at = colours.and_then(|colours| colours.points_at);
            let traffic = desired
                .resources
                .iter()
                .find(|one| one.service.as_ref() == Some(service) && follows(one) && one.id.kind.kind == "Service")?;
            let there = snapshot.object(&traffic.id).is_some();
            let switches = there && points_at.is_none_or(|colour| Some(colour) != Colour::of_name(&to.id.name));
            let before = if switches {
                // Without a colour of its own, the Service reaches all of them: the one that has none was there first.
                let first = |live: &&&LiveObject| Colour::of_name(&live.id.name) == points_at;
                others.iter().find(first).or(others.first().filter(|_| points_at.is_none()))
            } else {
                let created = live.and_then(|live| live.created.as_ref());
                let older =
                    |other: &&&LiveObject| there && other.created.as_ref().is_some_and(|at| Some(at) <= created);
                others.iter().find(older)
            };
            let before = before.copied().filter(|before| !before.terminating);
            let outdated = colours.map_or(&[][..], |colours| &colours.outdated);
            Some(Turn { service, how, to, live, outdated, switches, before, others })
        };
        Self(desired.blue_green.iter().filter_map(turn).collect())
    }

    /// Why a live object goes, where it is a workload of a colour that is not desired, and on what condition.
    pub(super) fn outgoing(&self, id: &ResourceId) -> Option<(Cause, Option<Condition>)> {
        let turn = self.0.iter().find(|turn| turn.others.iter().any(|other| other.id == *id))?;
        let held = turn.before.is_some_and(|before| before.id == *id);
        Some((Cause::OtherColour { of: turn.to.id.clone() }, held.then_some(Condition::Held)))
    }

    /// Makes the traffic follow when the new colour is ready, in the steps that apply.
    pub(super) fn follow(&self, phases: &mut [PlanPhase]) {
        for turn in self.0.iter().filter(|turn| turn.switches) {
            let own = |step: &&mut Step| step.service.as_deref() == Some(turn.service);
            for step in phases.iter_mut().flat_map(|phase| &mut phase.steps).filter(own) {
                if step.id == turn.to.id {
                    step.gate = true;
                    if step.action == Action::Create {
                        step.causes.push(turn.cause());
                        step.causes.extend(turn.outdated.iter().cloned().map(field));
                    }
                } else if turn.follows(step) && !matches!(step.action, Action::Unchanged | Action::Blocked) {
                    step.stage = LAST_STAGE + 1;
                    step.condition = Some(Condition::Ready);
                    step.causes.push(turn.cause());
                }
            }
        }
        for phase in phases {
            phase.steps.sort_by(|a, b| (a.stage, &a.address, &a.id).cmp(&(b.stage, &b.address, &b.id)));
        }
    }

    /// The hold of each new colour, and the way back from it, as phases after those that apply.
    pub(super) fn holds(&self, desired: &Desired, snapshot: &Snapshot, applied: &[PlanPhase]) -> Vec<PlanPhase> {
        let number = desired.phases.last().map_or(0, |phase| phase.number) + 1;
        let step_of = |id: &ResourceId| applied.iter().flat_map(|phase| &phase.steps).find(|step| step.id == *id);
        let (mut holds, mut returns) = (Vec::new(), Vec::new());
        for turn in &self.0 {
            let (Some(before), Some(step)) = (turn.before, step_of(&turn.to.id)) else { continue };
            holds.push(turn.hold(step));
            let own = |one: &&Resource| one.service.as_deref() == Some(turn.service) && follows(one);
            for resource in desired.resources.iter().filter(own) {
                let Some(step) = step_of(&resource.id).filter(|step| step.action != Action::Create) else { continue };
                let applied_as = snapshot.preview(&resource.id).and_then(|preview| preview.applied_as.as_ref());
                returns.push(turn.way_back(step, (before, resource), applied_as.unwrap_or(&resource.manifest)));
            }
        }
        let hold = phase_of(Order::Hold, number, "hold".to_owned(), holds);
        hold.into_iter().chain(phase_of(Order::Return, number, "way back".to_owned(), returns)).collect()
    }
}

impl Turn<'_> {
    fn cause(&self) -> Cause {
        Cause::Turn { from: self.before.map(|before| before.id.clone()), to: self.to.id.clone() }
    }

    /// Whether a step is about an object that goes with the traffic.
    fn follows(&self, step: &Step) -> bool {
        follows(&Resource { id: step.id.clone(), address: step.address.clone(), ..self.to.clone() })
    }

    /// The step that holds the new colour; `step` is the one that brings it up.
    fn hold(&self, step: &Step) -> Step {
        let known = self.live.filter(|_| step.action != Action::Replace);
        Step {
            action: Action::Hold,
            hold: Some(self.how.hold),
            patience: Some(self.how.patience),
            uid: known.map(|live| live.uid.clone()),
            resource_version: known.map(|live| live.resource_version.clone()),
            stage: 0,
            gate: false,
            condition: Some(Condition::Ready),
            causes: vec![self.cause()],
            readiness: Some(step.readiness.clone().unwrap_or(Readiness::RolledOut)),
            ..bare(step)
        }
    }

    /// The step that takes an object back to the old colour; `step` is the one that takes it to the new.
    fn way_back(&self, step: &Step, (before, resource): (&LiveObject, &Resource), applied: &serde_json::Value) -> Step {
        let (from, to) = (&self.to.id.name, &before.id.name);
        let back = |manifest| turned(manifest, from, to, Colour::of_name(&before.id.name));
        let known = step.action != Action::Replace;
        Step {
            action: Action::Return,
            from: Some(before.id.clone()),
            uid: step.uid.clone().filter(|_| known),
            resource_version: step.resource_version.clone().filter(|_| known),
            // First the traffic, then what decides how many pods there are for it.
            stage: u32::from(resource.id.kind.kind != "Service"),
            gate: false,
            condition: Some(Condition::Broken),
            causes: vec![Cause::Turn { from: Some(self.to.id.clone()), to: before.id.clone() }],
            readiness: Some(Readiness::Exists),
            confirmation: Some(crate::observe::Confirmation::Predicted),
            manifest_digest: Some(digest(&back(&resource.manifest))),
            manifest: Some(back(applied)),
            ..bare(step)
        }
    }
}

/// A step of the same object that does nothing yet.
fn bare(step: &Step) -> Step {
    Step {
        replace: None,
        leaves: Vec::new(),
        from: None,
        hands_over: Vec::new(),
        altered: Vec::new(),
        causes: Vec::new(),
        waits_for: Vec::new(),
        force: false,
        confirmation: None,
        manifest_digest: None,
        manifest: None,
        ..step.clone()
    }
}

fn field(FieldChange { path, before, after, owner }: FieldChange) -> Cause {
    Cause::Stack { path, before, after, owner }
}
