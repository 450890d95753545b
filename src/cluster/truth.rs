//! Whether the server has made of an apply what the plan says: its answer held against what was applied, and against the
//! fields that the plan shows as changing. Asks nothing and changes nothing.
//!
//! What a server only writes in another form, or fills in where nothing was said, is no difference. What it is known from
//! the plan to make otherwise, because a dry run has shown it, is none either.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use strata_components::desired::Kind;
use structured_merge::owners::owners;
use structured_merge::predict::predict;
use structured_merge::schema::{Schema, TypeRef};
use structured_merge::{Change, FieldPath, diff};

use super::fields;
use crate::observe::{Confirmation, FieldChange, HIDDEN};
use crate::plan::{Action, Cause, Step};
use crate::provider::Otherwise;

/// The fields in which the answer to applying `object` is not what `step` says, sorted by path. Without the type of the
/// object nothing is said of lists, because which items are one and the same is not known.
pub(super) fn otherwise(
    step: &Step,
    ty: Option<&TypeRef>,
    object: &Value,
    answer: &Value,
    manager: &str,
) -> Vec<Otherwise> {
    let kind = &step.id.kind;
    let mut found: BTreeMap<String, Otherwise> = BTreeMap::new();
    for change in lacking(ty, object, answer, manager) {
        let path = change.path.to_string();
        let same = |one: &FieldChange| one.after == change.before || one.after.as_ref().is_some_and(is_open);
        let known = step.altered.iter().any(|one| one.path == path && same(one));
        if !known {
            found.insert(path.clone(), Otherwise { path, planned: change.after, answered: change.before });
        }
    }
    let leaves = leaves(&ty.cloned().unwrap_or_else(Schema::deduced), answer);
    let owners = owners(answer);
    let asked = step.confirmation == Some(Confirmation::DryRun);
    // An object that is made anew is not what the live one would become, and one that lets two names through for a while
    // is not yet what it is going to be: only what was applied counts.
    let is_change = step.action != Action::Replace && !step.causes.contains(&Cause::Overlap { over: false });
    for (path, before, after) in step.causes.iter().filter_map(shown).filter(|_| is_change) {
        let answered = leaves.get(path).map(|(_, value)| value);
        // Where the server was not asked, what was predicted to go can come back as a default, which nobody then owns,
        // but not stay as it was.
        let is_owned = || leaves.get(path).is_some_and(|(at, _)| owners.iter().any(|(_, fields)| fields.contains(at)));
        let differs = if asked {
            answered != after
        } else {
            after.is_none() && answered.is_some() && answered == before && is_owned()
        };
        if differs && !after.is_some_and(is_open) && !before.is_some_and(is_open) {
            let (planned, answered) = (after.cloned(), answered.cloned());
            found.entry(path.to_owned()).or_insert(Otherwise { path: path.to_owned(), planned, answered });
        }
    }
    let mut found: Vec<Otherwise> = found.into_values().collect();
    for one in &mut found {
        let shown = |value: Value| fields::hidden(kind, &one.path, value);
        (one.planned, one.answered) = (one.planned.take().map(shown), one.answered.take().map(shown));
    }
    found
}

/// What the server makes of a manifest otherwise than it was told, as a dry run answers: each field with what was
/// applied and what becomes of it.
pub(super) fn altered(
    kind: &Kind,
    ty: Option<&TypeRef>,
    object: &Value,
    answer: &Value,
    manager: &str,
) -> Vec<FieldChange> {
    let hide = |path: &str, value: Value| fields::hidden(kind, path, value);
    lacking(ty, object, answer, manager)
        .into_iter()
        .map(|change| {
            let path = change.path.to_string();
            let before = change.after.map(|value| hide(&path, value));
            let after = change.before.map(|value| hide(&path, value));
            FieldChange { path, before, after, owner: None }
        })
        .collect()
}

/// Whether a value, or a part of it, was not known when it was planned.
fn is_open(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(HIDDEN),
        Value::Array(items) => items.iter().any(is_open),
        Value::Object(fields) => fields.values().any(is_open),
        _ => false,
    }
}

/// What of an applied object is not in an answer, or is there with another value: what applying it once more to that
/// would change for certain.
fn lacking(ty: Option<&TypeRef>, object: &Value, answer: &Value, manager: &str) -> Vec<Change> {
    let deduced = Schema::deduced();
    let (sure, _) =
        predict(ty.unwrap_or(&deduced), answer, object, manager).stored_changes(ty.unwrap_or(&deduced), answer);
    // Which items of a list are one and the same only a type tells; and what is written there only stands elsewhere.
    let is_list = |value: &Option<Value>| value.as_ref().is_some_and(Value::is_array);
    let tellable = |change: &Change| ty.is_some() || !(is_list(&change.before) || is_list(&change.after));
    let written_only = |change: &Change| change.path.to_string().starts_with(".stringData");
    sure.into_iter().filter(|change| tellable(change) && !written_only(change)).collect()
}

/// The field that a cause shows as changing, before and after.
fn shown(cause: &Cause) -> Option<(&str, Option<&Value>, Option<&Value>)> {
    match cause {
        Cause::Stack { path, before, after, .. } | Cause::Drift { path, before, after, .. } => {
            Some((path, before.as_ref(), after.as_ref()))
        }
        _ => None,
    }
}

/// Every field of an object by its path, as text and as such.
fn leaves(ty: &TypeRef, object: &Value) -> BTreeMap<String, (FieldPath, Value)> {
    let all = diff::diff(ty, &json!({}), &fields::stripped(object));
    all.into_iter().filter_map(|change| Some((change.path.to_string(), (change.path, change.after?)))).collect()
}

#[cfg(test)]
mod tests;
