//! How far a run of a saved plan came before it stopped: what a step was to do and is done already, by whomever, and what
//! is left of a step in another form than it was planned in.

use std::collections::BTreeMap;

use super::{Field, Place, settled};
use crate::observe::Snapshot;
use crate::plan::types::{Action, Cause, Order, Step};

/// The steps of a saved plan and of a fresh one, and what the fresh one was made of.
pub(super) struct Progress<'a> {
    pub(super) then: &'a BTreeMap<Place<'a>, &'a Step>,
    pub(super) now: &'a BTreeMap<Place<'a>, &'a Step>,
    pub(super) snapshot: &'a Snapshot,
}

impl Progress<'_> {
    /// Whether a step of the saved plan, which the fresh one does not have as it was, is done; none where neither that
    /// is so nor what is left of it stands in the fresh plan.
    pub(super) fn of(&self, (id, order): &Place<'_>, planned: &Step) -> Option<bool> {
        let (id, order) = (*id, *order);
        let now = self.now.get(&(id, order)).copied();
        match order {
            Order::Delete => match now {
                None => matches!(planned.action, Action::Delete | Action::Forget).then_some(true),
                Some(now) => is_left_behind(planned, now).then_some(false),
            },
            // What was held or came back is told only as long as the old colour is there.
            Order::Hold | Order::Return => match now {
                None => Some(true),
                Some(now) => continues(planned, now).then_some(false),
            },
            Order::Apply => {
                let (now, closing) = (now?, self.then.get(&(id, Order::Close)));
                let done = match closing {
                    Some(closing) if releases(closing) => {
                        is_done(planned, now, &planned.manifest_digest) || is_sized(planned, closing, now)
                    }
                    Some(closing) => self.is_open(planned, now) || is_done(planned, now, &closing.manifest_digest),
                    None => is_done(planned, now, &planned.manifest_digest),
                };
                done.then_some(true)
            }
            Order::Close => {
                let opened = self.then.get(&(id, Order::Apply))?;
                let applied = self.now.get(&(id, Order::Apply))?;
                match now {
                    Some(now) if releases(planned) => releases_the_same(opened, planned, now).then_some(false),
                    None if releases(planned) => {
                        is_sized(opened, planned, applied).then_some(applied.action == Action::Unchanged)
                    }
                    Some(now) => closes_the_same(opened, planned, now).then_some(false),
                    // With the old name gone, what closes it is an ordinary change.
                    None if self.is_open(opened, applied) => Some(false),
                    None => is_done(opened, applied, &planned.manifest_digest).then_some(true),
                }
            }
        }
    }

    /// Whether what lets an old name and a new one through is applied, nobody has set another value since, and what is
    /// still to be done of it is to close the old one.
    fn is_open(&self, opened: &Step, now: &Step) -> bool {
        let live = self.snapshot.object(&opened.id);
        let applied = live.is_some_and(|live| live.applied.is_some() && live.applied == opened.manifest_digest);
        let ours = now.causes.iter().filter_map(Field::of).all(|field| field.owner.is_some_and(|owner| owner.this));
        applied && ours && now.action == Action::Update && !now.force && is_same_object(opened, now)
    }
}

/// Whether the object is as a step was to leave it, with a manifest of this digest.
fn is_done(planned: &Step, now: &Step, manifest: &Option<String>) -> bool {
    // The old object of a replace can be gone, and the new one be missing still.
    let half = planned.action == Action::Replace && now.action == Action::Create && now.manifest == planned.manifest;
    let whole = now.action == Action::Unchanged && now.manifest_digest == *manifest;
    (whole || half) && is_same_object(planned, now)
}

/// Whether a step is about the object that the planned one was about, or would have made, in the same place.
fn is_same_object(planned: &Step, now: &Step) -> bool {
    let same = match planned.action {
        Action::Create | Action::Move => planned.uid.is_none(),
        Action::Update | Action::Adopt | Action::Unchanged => planned.uid == now.uid,
        Action::Replace => planned.uid != now.uid,
        Action::Delete | Action::Forget | Action::Hold | Action::Return | Action::Blocked => false,
    };
    // What is named here is about what is done, and not about what comes of it.
    let now = settled(now);
    let with_its_end = Step {
        action: now.action,
        replace: now.replace,
        leaves: now.leaves.clone(),
        from: now.from.clone(),
        hands_over: now.hands_over.clone(),
        altered: now.altered.clone(),
        causes: now.causes.clone(),
        uid: now.uid.clone(),
        force: now.force,
        stage: now.stage,
        gate: now.gate,
        condition: now.condition,
        manifest_digest: now.manifest_digest.clone(),
        manifest: now.manifest.clone(),
        ..settled(planned)
    };
    same && with_its_end == now
}

/// Whether a step closes what the planned one was to close: an object that was made meanwhile has a UID by now, and of
/// the services that move some may have moved.
fn closes_the_same(opened: &Step, planned: &Step, now: &Step) -> bool {
    let made = planned.uid.is_none() && is_made(opened);
    let uid = if made { now.uid.clone() } else { planned.uid.clone() };
    let waits_for = now.waits_for.iter().filter(|service| planned.waits_for.contains(service)).cloned().collect();
    Step { uid, waits_for, ..settled(planned) } == settled(now)
}

/// Whether a step holds what the planned one was to hold, or goes back as that was to: what was made meanwhile has a UID
/// by now.
fn continues(planned: &Step, now: &Step) -> bool {
    let uid = if planned.uid.is_none() { now.uid.clone() } else { planned.uid.clone() };
    Step { uid, ..settled(planned) } == settled(now)
}

/// Whether a step gives a workload its size when its autoscaler is gone.
fn releases(step: &Step) -> bool {
    step.causes.iter().any(|cause| matches!(cause, Cause::Released { .. }))
}

/// Whether a workload has the size that it was to get when its autoscaler is gone, or gets nothing else any more. What it
/// had until then was the autoscaler's.
fn is_sized(opened: &Step, closing: &Step, now: &Step) -> bool {
    let same = if is_made(opened) { now.uid.is_some() } else { opened.uid == now.uid };
    let does =
        matches!(now.action, Action::Unchanged | Action::Update) && now.manifest_digest == closing.manifest_digest;
    same && does && is_within(now, closing)
}

/// Whether all fields that a step sets get the values that another gives them.
fn is_within(step: &Step, other: &Step) -> bool {
    let given = Field::all(other);
    Field::all(step).iter().all(|(path, field)| given.get(path).is_some_and(|one| one.after == field.after))
}

/// Whether a step gives a workload the size that the planned one was to give it, whatever it has by now.
fn releases_the_same(opened: &Step, planned: &Step, now: &Step) -> bool {
    let uid = if planned.uid.is_none() && is_made(opened) { now.uid.clone() } else { planned.uid.clone() };
    let now = settled(now);
    let same = is_within(planned, &now) && is_within(&now, planned);
    same && Step { uid, causes: now.causes.clone(), ..settled(planned) } == now
}

fn is_made(step: &Step) -> bool {
    matches!(step.action, Action::Create | Action::Move | Action::Replace)
}

/// Whether a step removes what a replaced object has left, as the planned one was to: once it is marked it is known by
/// itself, and where a controller has taken it, only its marks go.
fn is_left_behind(planned: &Step, now: &Step) -> bool {
    let by = |step: &Step| {
        step.causes.iter().find_map(|cause| match cause {
            Cause::LeftBy { what } => Some(what.clone()),
            _ => None,
        })
    };
    let goes = |step: &Step| matches!(step.action, Action::Delete | Action::Forget);
    goes(planned) && goes(now) && planned.uid == now.uid && by(planned).is_some() && by(planned) == by(now)
}
