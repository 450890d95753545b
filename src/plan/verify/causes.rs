//! The checker's part that is about why: each cause of a step fits what the step does and what was observed, and none is
//! missing.

use std::collections::BTreeSet;

use strata_components::desired::ResourceId;

use super::super::types::{Action, Cause, Step};
use super::{Checker, Invariant, releases};
use crate::observe::{FieldChange, Owner, Preview, Previewed};

impl Checker<'_> {
    /// The causes of a step: there are some, each is true, and each fits what is done.
    pub(super) fn explained(&mut self, step: &Step) {
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
        let leaves = |cause: &&Cause| {
            let other = matches!(cause, Cause::OtherColour { .. });
            other || matches!(cause, Cause::LeftStack | Cause::Destroy | Cause::MovedTo { .. } | Cause::LeftBy { .. })
        };
        let once = causes.iter().filter(leaves).count() <= 1;
        self.expect(once, Invariant::Explained, id, "leaves for more than one reason");
        let adopted = step.action != Action::Adopt || causes.contains(&Cause::NotOurs);
        self.expect(adopted, Invariant::Explained, id, "is adopted without being told as nobody's");
        if matches!(step.action, Action::Update | Action::Adopt | Action::Replace)
            && !causes.contains(&Cause::Overlap { over: true })
            && !releases(step)
            && let Some(changes) = self.preview(id).and_then(changes)
        {
            let told: BTreeSet<&str> = causes.iter().filter_map(field).map(|(path, ..)| path).collect();
            let all = changes.iter().all(|change| told.contains(change.path.as_str()));
            self.expect(all, Invariant::Explained, id, "a field that changes is not told");
        }
    }

    /// Whether the object may become the instance's where it is nobody's.
    pub(super) fn adopts(&self, id: &ResourceId) -> bool {
        self.policy.adopt || self.ownership.adoption(&id.kind.kind, &id.name).is_some()
    }

    /// Whether a step with this cause must not be carried out.
    fn blocks(&self, id: &ResourceId, cause: &Cause) -> bool {
        match cause {
            Cause::Conflict { .. }
            | Cause::BelongsTo { .. }
            | Cause::Terminating
            | Cause::Unreadable { .. }
            | Cause::Unserved { .. }
            | Cause::Refused { .. }
            | Cause::Unlisted => true,
            Cause::NotOurs => !self.adopts(id),
            Cause::Immutable { .. } => !self.policy.allow_replace,
            Cause::Guarded { .. } => true,
            Cause::Absent
            | Cause::Stack { .. }
            | Cause::Drift { .. }
            | Cause::Failed { .. }
            | Cause::Rerun { .. }
            | Cause::MovedFrom { .. }
            | Cause::MovedTo { .. }
            | Cause::Overlap { .. }
            | Cause::Turn { .. }
            | Cause::OtherColour { .. }
            | Cause::Released { .. }
            | Cause::LeftBy { .. }
            | Cause::Left { .. }
            | Cause::HandedOver { .. }
            | Cause::Ownership
            | Cause::Unknown { .. }
            | Cause::LeftStack
            | Cause::Destroy => false,
        }
    }

    /// Whether a cause can be one of this action.
    fn fits(&self, step: &Step, cause: &Cause) -> bool {
        let changes =
            matches!(cause, Cause::Stack { .. } | Cause::Drift { .. } | Cause::Ownership | Cause::Unknown { .. });
        let left = if self.policy.destroy { Cause::Destroy } else { Cause::LeftStack };
        let leaves =
            *cause == left || matches!(cause, Cause::MovedTo { .. } | Cause::LeftBy { .. } | Cause::OtherColour { .. });
        let turns = matches!(cause, Cause::Turn { .. });
        let brings = matches!(cause, Cause::Stack { .. }) && self.outdated(step).is_some();
        let left_alone = matches!(cause, Cause::Left { .. });
        let opens = *cause == Cause::Overlap { over: false };
        match step.action {
            Action::Create => *cause == Cause::Absent || opens || turns || brings,
            Action::Hold | Action::Return => turns,
            Action::Update => {
                changes || turns || left_alone || matches!(cause, Cause::Overlap { .. } | Cause::Released { .. })
            }
            Action::Replace => {
                changes
                    || opens
                    || turns
                    || left_alone
                    || matches!(
                        cause,
                        Cause::Immutable { .. } | Cause::NotOurs | Cause::Failed { .. } | Cause::Rerun { .. }
                    )
            }
            Action::Adopt => {
                changes || opens || turns || left_alone || matches!(cause, Cause::NotOurs | Cause::HandedOver { .. })
            }
            Action::Move => matches!(cause, Cause::MovedFrom { .. }) || opens,
            Action::Delete | Action::Forget => leaves,
            Action::Unchanged => false,
            Action::Blocked => {
                let told = matches!(
                    cause,
                    Cause::Immutable { .. }
                        | Cause::MovedFrom { .. }
                        | Cause::NotOurs
                        | Cause::Failed { .. }
                        | Cause::Rerun { .. }
                );
                changes || leaves || told || *cause == Cause::Absent || self.blocks(&step.id, cause)
            }
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
            Cause::Stack { .. } if releases(step) => self.changes(step, cause),
            Cause::Stack { .. } if self.outdated(step).is_some() => self.changes(step, cause),
            Cause::Stack { .. } => self.changes(step, cause) && !drifted(),
            Cause::Turn { .. } | Cause::OtherColour { .. } => self.is_turn(step, cause),
            Cause::Drift { .. } => self.changes(step, cause) && drifted(),
            Cause::Ownership => preview.and_then(changes).is_some_and(<[FieldChange]>::is_empty),
            Cause::Conflict { path, manager } => {
                !self.policy.force_conflicts
                    && matches!(outcome, Some(Previewed::Change { conflicts, .. } | Previewed::Replace { conflicts, .. })
                        if conflicts.iter().any(|one| one.path == *path && one.manager == *manager && !one.take))
            }
            Cause::Left { path, manager } => preview
                .is_some_and(|preview| preview.left.iter().any(|one| one.path == *path && one.manager == *manager)),
            Cause::HandedOver { manager } => step.hands_over.contains(manager),
            Cause::NotOurs => live.is_some_and(|live| live.owner == Owner::Nobody),
            Cause::BelongsTo { instance } => live.is_some_and(|live| live.owner == Owner::Other(instance.clone())),
            Cause::Terminating => live.is_some_and(|live| live.terminating),
            Cause::Unknown { reason } => {
                matches!(outcome, Some(Previewed::Unknown { reason: told }) if told == reason)
            }
            Cause::Unreadable { reason } => {
                matches!(outcome, Some(Previewed::Unreadable { reason: told }) if told == reason)
            }
            Cause::Unserved { remedy } => {
                matches!(outcome, Some(Previewed::Unserved { remedy: told }) if told == remedy)
            }
            Cause::Immutable { reason, paths } => {
                matches!(outcome, Some(Previewed::Replace { reason: told, paths: named, .. })
                    if told == reason && named == paths)
            }
            Cause::Failed { reason } => {
                matches!(outcome, Some(Previewed::Again { reason: told, .. }) if told == reason)
            }
            Cause::Rerun { paths } => {
                matches!(outcome, Some(Previewed::Again { changed, .. }) if changed == paths)
            }
            Cause::MovedFrom { id } => {
                let from = self.live(id).filter(|_| step.from.as_ref() == Some(id));
                from.is_some_and(|from| self.renamed(from).iter().any(|one| one.id == step.id))
            }
            Cause::MovedTo { id } => live.is_some_and(|live| self.renamed(live).iter().any(|one| one.id == *id)),
            Cause::Overlap { .. } => self.resources.get(&step.id).is_some_and(|resource| resource.meanwhile.is_some()),
            Cause::Released { by } => {
                preview.and_then(|preview| preview.autoscaled.as_ref()).is_some_and(|one| one.by == *by)
                    && self.live(by).is_some_and(|live| live.owner == Owner::This)
            }
            Cause::LeftBy { what } => {
                let earlier = live.is_some_and(|live| live.left_by.as_ref() == Some(what));
                earlier || self.leftover(&step.id).is_some_and(|(by, _)| by.id.to_string() == *what)
            }
            Cause::Guarded { .. } => {
                let replaced = matches!(outcome, Some(Previewed::Replace { .. }));
                let doubted = self.live(&step.id).is_some() && !self.policy.allow_prune;
                let by = preview.and_then(|preview| preview.autoscaled.as_ref()).map(|autoscaled| &autoscaled.by);
                replaced
                    || doubted
                    || by.is_some_and(|by| self.forgotten(by))
                    || self.services.is_some()
                    || self.forgotten(&step.id)
            }
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
        let preview = self.preview(&step.id);
        let released = preview.filter(|_| releases(step)).and_then(|preview| preview.autoscaled.as_ref());
        let released = released.map(|autoscaled| autoscaled.changes.as_slice());
        let brought = self.outdated(step);
        let Some(changes) = brought.or(released).or_else(|| preview.and_then(changes)) else { return false };
        field(cause).is_some_and(|(path, before, after)| {
            changes.iter().any(|one| one.path == path && one.before.as_ref() == before && one.after.as_ref() == after)
        })
    }
}

/// The fields that a preview found to change.
fn changes(preview: &Preview) -> Option<&[FieldChange]> {
    match &preview.outcome {
        Previewed::Change { changes, .. } | Previewed::Replace { changes, .. } => Some(changes),
        Previewed::Unchanged(_)
        | Previewed::Create(_)
        | Previewed::Again { .. }
        | Previewed::Unknown { .. }
        | Previewed::Unreadable { .. }
        | Previewed::Refused { .. }
        | Previewed::Unserved { .. } => None,
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
