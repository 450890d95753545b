//! How ownership moves when an object changes, and what leaves an object when its owner leaves it out.
//!
//! The two steps that [`crate::apply`] and [`crate::update`] share, over one object and its managers. Neither reads
//! nor writes `metadata.managedFields`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::conflict::Conflict;
use crate::managed::{Managed, ManagedEntry, Manager};
use crate::object::NEVER_OWNED;
use crate::schema::TypeRef;
use crate::set::FieldSet;
use crate::typed::{self, Comparison};
use crate::versions::View;

/// Reads every entry as the schema of today has it, and forgets those of versions that are not served.
pub(crate) fn settle(view: View<'_>, live: &Value, managed: &mut Managed) {
    for entry in managed.entries_mut() {
        let ty = if view.versions.is_none() || entry.manager.api_version == view.api_version {
            Some(view.ty.clone())
        } else {
            view.of(live, &entry.manager.api_version).map(|(_, ty)| ty)
        };
        match ty {
            Some(ty) => {
                if let Some(settled) = typed::settled(&ty, &entry.fields) {
                    entry.fields = settled;
                }
            }
            None => entry.fields = FieldSet::new(),
        }
    }
    managed.retain(|entry| !entry.fields.is_empty());
}

/// What other managers lose when the object goes from `old` to `new`.
pub(crate) struct Change {
    /// How the object changes, in the version of the request.
    pub(crate) comparison: Comparison,
    /// Every field that another manager owns and that gets another value.
    pub(crate) conflicts: Vec<Conflict>,
    /// Entries after the change; those with nothing left are gone.
    pub(crate) managed: Managed,
}

/// Compares, and takes from every manager but `me` what the change overwrites or removes.
pub(crate) fn change(
    view: View<'_>,
    old: &Value,
    new: &Value,
    managed: &Managed,
    me: Option<&Manager>,
    ignored: Option<&FieldSet>,
) -> Change {
    let compare = |ty: &TypeRef, old: &Value, new: &Value| {
        let comparison = typed::compare(ty, old, new);
        match ignored {
            Some(ignored) => comparison.without(ignored),
            None => comparison,
        }
    };
    let mut by_version: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
    by_version.insert(view.api_version.to_owned(), Some(compare(view.ty, old, new)));
    let mut left = Managed::default();
    let mut conflicts: Vec<(String, Vec<Conflict>)> = Vec::new();
    for ManagedEntry { manager, fields } in managed.iter() {
        if me.is_some_and(|me| me.is_same(manager)) {
            left.set(manager.clone(), fields.clone());
            continue;
        }
        let comparison = by_version.entry(manager.api_version.clone()).or_insert_with(|| {
            let (old, ty) = view.of(old, &manager.api_version)?;
            let (new, _) = view.of(new, &manager.api_version)?;
            Some(compare(&ty, &old, &new))
        });
        let Some(comparison) = comparison else { continue };
        let lost = fields.intersection(&comparison.modified.union(&comparison.added));
        if !lost.is_empty() {
            conflicts.push((manager.sort_text(), lost.iter().map(|path| Conflict::new(manager, path)).collect()));
        }
        let kept = fields.difference(&lost).difference(&comparison.removed);
        if !kept.is_empty() {
            left.set(manager.clone(), kept);
        }
    }
    conflicts.sort_by(|l, r| l.0.cmp(&r.0));
    let comparison = by_version.remove(view.api_version).flatten().unwrap_or_default();
    Change {
        comparison,
        conflicts: conflicts.into_iter().flat_map(|(_, conflicts)| conflicts).collect(),
        managed: left,
    }
}

/// Takes out of a merged object what its applier applied before, does not apply now, and nobody else owns.
///
/// `managed` holds the applier's new fields already; `last` is its entry from before.
pub(crate) fn prune(view: View<'_>, merged: Value, managed: &Managed, last: &ManagedEntry) -> Value {
    let last_version = last.manager.api_version.as_str();
    let Some((merged_then, ty)) = view.of(&merged, last_version) else { return merged };
    let last_fields = typed::with_named_fields(&ty, &last.fields);
    let pruned = typed::remove(&ty, &merged_then, &last_fields);
    let pruned = add_back_owned(view, &merged, pruned, last_version, managed);
    let pruned_fields = typed::with_named_fields(&ty, &typed::fields(&ty, &pruned));
    let merged_fields = typed::with_named_fields(&ty, &typed::fields(&ty, &merged_then));
    // What went along with an item, but was not the applier's to take, comes back.
    let gone = merged_fields.difference(&pruned_fields).intersection(&last_fields);
    let result = typed::remove(&ty, &merged_then, &gone);
    view.back(result, last_version).unwrap_or(merged)
}

/// Puts back what was taken out although some manager owns it. The result is in `version`.
fn add_back_owned(view: View<'_>, merged: &Value, pruned: Value, version: &str, managed: &Managed) -> Value {
    let mut owned: BTreeMap<&str, FieldSet> = BTreeMap::new();
    for entry in managed.iter() {
        let fields = owned.entry(entry.manager.api_version.as_str()).or_default();
        *fields = fields.union(&entry.fields);
    }
    // The version the object was pruned in comes first.
    let first = owned.remove_entry(version);
    let mut pruned = pruned;
    let mut pruned_in = version.to_owned();
    for (version, fields) in first.into_iter().chain(owned) {
        let Some((merged, ty)) = view.of(merged, version) else { continue };
        let in_request = view.back(pruned.clone(), &pruned_in);
        let Some(now) = in_request.and_then(|object| view.of(&object, version).map(|(now, _)| now.into_owned())) else {
            continue;
        };
        let everything = typed::with_named_fields(&ty, &typed::fields(&ty, &merged));
        let kept = typed::with_named_fields(&ty, &typed::fields(&ty, &now));
        let owned = typed::with_named_fields(&ty, &fields);
        pruned = typed::remove(&ty, &merged, &everything.difference(&kept.union(&owned)));
        pruned_in = version.to_owned();
    }
    let back =
        view.back(pruned.clone(), &pruned_in).and_then(|object| view.of(&object, version).map(|(o, _)| o.into_owned()));
    back.unwrap_or(pruned)
}

/// Takes out of a manager's fields those that nobody owns; the entry goes when nothing is left.
pub(crate) fn strip(managed: &mut Managed, manager: &Manager) {
    if let Some(entry) = managed.remove(manager) {
        let fields = entry.fields.difference(&NEVER_OWNED);
        if !fields.is_empty() {
            managed.set(entry.manager, fields);
        }
    }
}
