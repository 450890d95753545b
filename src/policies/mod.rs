//! Rules of the user's own, in files of policies/: expressions of the Common Expression Language over what is desired
//! and what is planned, in the words of Kubernetes' ValidatingAdmissionPolicy.
//!
//! Pure: what is asked about comes in as values, and objections go out. [`crate::load`] reads the files, and
//! [`crate::check`] makes findings of objections.

pub mod file;
mod judge;
mod language;
mod library;
mod matching;
mod paths;
mod values;

#[cfg(test)]
mod tests;

use std::panic::resume_unwind;
use std::thread;

use strata_components::desired::Desired;

pub use self::file::{AdmissionPolicy, PolicyFile};
use self::judge::{Court, Judge};
pub use self::judge::{Objection, Unusable};
pub use self::language::Fault;
use self::language::Language;
use crate::plan::Plan;

/// What in a file cannot be used. A file without such expressions can be asked.
#[must_use]
pub fn unusable(file: &PolicyFile) -> Vec<Unusable> {
    with_room(|| match court(&[file]) {
        Ok(_) => Vec::new(),
        Err(unusable) => unusable,
    })
}

/// Whether a policy is asked only when there is a plan.
#[must_use]
pub fn waits_for_plan(id: &str, policy: &AdmissionPolicy) -> bool {
    with_room(|| {
        let language = Language::new();
        language.is_ok_and(|language| Judge::of(&language, id, policy).is_ok_and(|judge| judge.waits_for_plan))
    })
}

/// What the policies of these files have against what is desired, as far as it needs no plan: policies that speak of
/// `oldObject`, `request` or `plan` are asked by [`of_plan`]. Files with expressions that cannot be used say nothing.
#[must_use]
pub fn of_desired(files: &[&PolicyFile], desired: &Desired) -> Vec<Objection> {
    with_room(|| court(files).map(|court| court.of_desired(desired)).unwrap_or_default())
}

/// What the policies of these files have against a plan, as far as [`of_desired`] has not asked them.
#[must_use]
pub fn of_plan(files: &[&PolicyFile], desired: &Desired, plan: &Plan) -> Vec<Objection> {
    with_room(|| court(files).map(|court| court.of_plan(desired, plan)).unwrap_or_default())
}

/// How much room for its calls a thread gets that reads expressions, in bytes: enough for the longest one, nested as deep
/// as it may be.
const ROOM: usize = 128 << 20;

/// Does something on a thread of its own, because expressions are read and evaluated by functions that call themselves
/// as deep as those are nested.
fn with_room<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| match thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, &work) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        // Where there is no thread to be had, the one that asks has to do.
        Err(_) => work(),
    })
}

/// The policies of these files, their expressions read.
fn court<'a>(files: &[&'a PolicyFile]) -> Result<Court<'a>, Vec<Unusable>> {
    let language =
        Language::new().map_err(|fault| vec![Unusable { path: "policies".to_owned(), text: String::new(), fault }])?;
    let (mut judges, mut unusable) = (Vec::new(), Vec::new());
    for (id, policy) in files.iter().flat_map(|file| &file.policies) {
        match Judge::of(&language, id.as_str(), policy) {
            Ok(judge) => judges.push(judge),
            Err(faults) => unusable.extend(faults),
        }
    }
    if unusable.is_empty() { Ok(Court { language, judges }) } else { Err(unusable) }
}
