//! Whether a saved plan still fits: it is held against a plan that was made just now, in the same way, of what there is
//! now.
//!
//! Compared is everything that would be done and everything that a difference rests on. Not compared is what moves
//! without a meaning for the plan: revisions, the times at which others wrote, how sure a preview was, the server's
//! version. What the saved plan had to do and is done, exactly as it said, is no difference either: so a run that was
//! interrupted goes on.

mod progress;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use strata_components::desired::ResourceId;

use super::types::{Action, Cause, Order, Plan, Step};
use crate::observe::{FieldOwner, HIDDEN, Snapshot};
use progress::Progress;

/// One thing that is not as it was when the plan was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Of which object; absent where it is the plan as a whole.
    pub id: Option<ResourceId>,
    /// What has moved.
    pub part: Part,
    /// As it was when the plan was made; absent where there was nothing, or it is not to be shown.
    pub planned: Option<Value>,
    /// As it is now; absent where there is nothing, or it is not to be shown.
    pub now: Option<Value>,
}

/// What can move.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// What is desired as a whole: the stack, the environment, or the program that makes objects of them.
    Inputs,
    /// What is desired of an object, by its digest.
    Manifest,
    /// The object's UID: it came, went, or was replaced.
    Uid,
    /// The live value of a field that a difference rests on.
    Field(String),
    /// The value that a field would get.
    Outcome(String),
    /// Who set a field.
    Owner(String),
    /// What would be done.
    Action,
    /// What stands in the way now.
    Obstacle(Box<Cause>),
    /// Some other part of the plan or of a step, as its JSON calls it.
    Member(String),
}

/// What of a saved plan is to be done still, and what is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rest {
    /// Steps of the saved plan that are done already, exactly as it said.
    pub done: usize,
    /// Steps that are to be done still.
    pub left: usize,
}

/// Compares a saved plan with one that was made just now of `snapshot`, by the same policy, for the same instance and
/// cluster.
///
/// Where nothing has moved, the fresh plan is what is left of the saved one, and may be carried out in its place.
///
/// # Errors
///
/// Everything that has moved: first what concerns the plan as a whole, then objects in the order of their ids.
pub fn compare(saved: &Plan, fresh: &Plan, snapshot: &Snapshot) -> Result<Rest, Vec<Moved>> {
    let mut moved = of_the_whole(saved, fresh);
    let mut rest = Rest::default();
    let (then, now) = (steps(saved), steps(fresh));
    let progress = Progress { then: &then, now: &now, snapshot };
    let places: BTreeSet<&Place<'_>> = then.keys().chain(now.keys()).collect();
    for place in places {
        match (then.get(place), now.get(place)) {
            (Some(step), Some(live)) if is_same(step, live) => rest.left += usize::from(is_change(step)),
            (Some(step), live) => match progress.of(place, step) {
                Some(true) => rest.done += usize::from(is_change(step)),
                Some(false) => rest.left += 1,
                None => match live {
                    Some(live) => moved.extend(of_step(step, live)),
                    None => moved.push(of_action(step, action(step), None)),
                },
            },
            (None, Some(live)) => moved.push(of_action(live, None, action(live))),
            (None, None) => {}
        }
    }
    if moved.is_empty() { Ok(rest) } else { Err(moved) }
}

/// Where a step stands. An object has one of each order at the most: while a service moves, what lets both names through
/// is applied and closed, and what a moved object was called goes.
type Place<'a> = (&'a ResourceId, Order);

fn steps(plan: &Plan) -> BTreeMap<Place<'_>, &Step> {
    let steps = plan.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)));
    steps.map(|(phase, step)| ((&step.id, phase.order), step)).collect()
}

fn is_change(step: &Step) -> bool {
    !matches!(step.action, Action::Unchanged | Action::Blocked)
}

/// What moved of the plan as a whole.
fn of_the_whole(saved: &Plan, fresh: &Plan) -> Vec<Moved> {
    // What is compared step by step, what was made sure of before, and what may move.
    const ELSEWHERE: [&str; 10] = [
        "phases",
        "instance",
        "target",
        "inputs",
        "summary",
        "previews",
        "overview",
        "findings",
        "digest",
        "suspicious",
    ];
    let mut moved = Vec::new();
    if saved.inputs != fresh.inputs {
        moved.push(Moved { id: None, part: Part::Inputs, planned: None, now: None });
    }
    for (member, planned, now) in differing(saved, fresh) {
        if !ELSEWHERE.contains(&member.as_str()) {
            moved.push(Moved { id: None, part: Part::Member(member), planned, now });
        }
    }
    moved
}

/// The members of two serialised values that differ, in the order of their names.
fn differing<T: serde::Serialize>(left: &T, right: &T) -> Vec<(String, Option<Value>, Option<Value>)> {
    // Plain data with string keys: serialising it cannot fail.
    let members = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (left, right) = (members(left), members(right));
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| (name.clone(), left.get(name).cloned(), right.get(name).cloned()))
        .collect()
}

/// The step without what may move.
fn settled(step: &Step) -> Step {
    let mut step = Step { resource_version: None, confirmation: None, ..step.clone() };
    for cause in &mut step.causes {
        if let Cause::Stack { owner: Some(owner), .. } | Cause::Drift { owner: Some(owner), .. } = cause {
            owner.time = None;
        }
    }
    step
}

/// Whether nothing that matters has moved between two forms of a step.
fn is_same(planned: &Step, now: &Step) -> bool {
    settled(planned) == settled(now) && !hidden_moved(planned, now)
}

/// Where a value is hidden only the revision tells that it is another.
fn hidden_moved(planned: &Step, now: &Step) -> bool {
    let hides = |value: Option<&Value>| value.is_some_and(|value| value == HIDDEN);
    let hidden = planned.causes.iter().filter_map(Field::of).any(|field| hides(field.before) || hides(field.after));
    hidden && planned.resource_version != now.resource_version
}

/// A field that a step changes.
struct Field<'a> {
    path: &'a str,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    owner: Option<&'a FieldOwner>,
}

impl<'a> Field<'a> {
    fn of(cause: &'a Cause) -> Option<Self> {
        match cause {
            Cause::Stack { path, before, after, owner } | Cause::Drift { path, before, after, owner } => {
                let (before, after, owner) = (before.as_ref(), after.as_ref(), owner.as_ref());
                Some(Self { path, before, after, owner })
            }
            _ => None,
        }
    }

    fn all(step: &'a Step) -> BTreeMap<&'a str, Self> {
        step.causes.iter().filter_map(Self::of).map(|field| (field.path, field)).collect()
    }
}

/// What moved between two forms of a step that differ; at least one thing.
fn of_step(planned: &Step, now: &Step) -> Vec<Moved> {
    let id = || Some(planned.id.clone());
    let one = |part, planned, now| Moved { id: id(), part, planned, now };
    let mut moved = Vec::new();
    if planned.uid != now.uid {
        let text = |uid: &Option<String>| uid.clone().map(Value::String);
        return vec![one(Part::Uid, text(&planned.uid), text(&now.uid))];
    }
    if planned.manifest_digest != now.manifest_digest {
        return vec![one(Part::Manifest, None, None)];
    }
    let (then, fields) = (Field::all(planned), Field::all(now));
    let paths: BTreeSet<&str> = then.keys().chain(fields.keys()).copied().collect();
    for path in paths {
        // A field that one of the plans is silent about has the value that the other would give it.
        let (before, live) = match (then.get(path), fields.get(path)) {
            (Some(then), Some(live)) => (then.before, live.before),
            (Some(then), None) => (then.before, then.after),
            (None, Some(live)) => (live.after, live.before),
            (None, None) => continue,
        };
        if before != live {
            moved.push(one(Part::Field(path.to_owned()), before.cloned(), live.cloned()));
            continue;
        }
        let (Some(then), Some(live)) = (then.get(path), fields.get(path)) else { continue };
        if then.after != live.after {
            moved.push(one(Part::Outcome(path.to_owned()), then.after.cloned(), live.after.cloned()));
        }
        let manager = |field: &Field<'_>| field.owner.map(|owner| Value::from(owner.manager.as_str()));
        if manager(then) != manager(live) {
            moved.push(one(Part::Owner(path.to_owned()), manager(then), manager(live)));
        }
    }
    if hidden_moved(planned, now) {
        let version = |step: &Step| step.resource_version.clone().map(Value::String);
        moved.push(one(Part::Member("resource_version".to_owned()), version(planned), version(now)));
    }
    let known: Vec<&Cause> = planned.causes.iter().collect();
    let obstacles = now.causes.iter().filter(|cause| Field::of(cause).is_none() && !known.contains(cause));
    if now.action == Action::Blocked {
        moved.extend(obstacles.map(|cause| one(Part::Obstacle(Box::new(cause.clone())), None, None)));
    }
    if moved.is_empty() && planned.action != now.action {
        moved.push(of_action(now, action(planned), action(now)));
    }
    if moved.is_empty() {
        // What a manifest or a cause holds is long, or told above.
        let shown = |member: &str| !matches!(member, "manifest" | "causes");
        moved.extend(differing(&settled(planned), &settled(now)).into_iter().map(|(member, planned, now)| {
            let shown = shown(&member);
            one(Part::Member(member), planned.filter(|_| shown), now.filter(|_| shown))
        }));
    }
    moved
}

fn of_action(step: &Step, planned: Option<Value>, now: Option<Value>) -> Moved {
    Moved { id: Some(step.id.clone()), part: Part::Action, planned, now }
}

/// What a step does, as its JSON calls it.
fn action(step: &Step) -> Option<Value> {
    serde_json::to_value(step.action).ok()
}

#[cfg(test)]
mod tests;
