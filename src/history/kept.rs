//! Which records are let go of.

use std::collections::BTreeSet;

use super::record::{Command, Entry, State};

/// The revisions to be let go of so that no more than `keep` stay, sorted: the oldest. The newest `up` or `rollback` that
/// was done stays however old it is, because it is what there is to go back to; so one more than `keep` may stay.
#[must_use]
pub fn let_go(entries: &[Entry], keep: usize) -> BTreeSet<u64> {
    let mut newest: Vec<&Entry> = entries.iter().collect();
    newest.sort_by_key(|entry| std::cmp::Reverse(entry.revision()));
    let done = |entry: &&&Entry| {
        entry.head().is_some_and(|head| head.state == State::Done && head.command != Command::Destroy)
    };
    let stays = newest.iter().find(done).map(|entry| entry.revision());
    newest.iter().skip(keep.max(1)).map(|entry| entry.revision()).filter(|one| Some(*one) != stays).collect()
}
