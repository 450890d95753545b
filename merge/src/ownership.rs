//! How ownership moves when an object changes, and what leaves an object when its owner leaves it out.
//!
//! The two steps that [`crate::apply`] and [`crate::update`] share, over one object and its managers. Neither reads
//! nor writes `metadata.managedFields`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::conflict::Conflict;
use crate::managed::{Managed, ManagedEntry, Manager};
use crate::object::NEVER_OWNED;
use crate::pattern::FieldPattern;
use crate::schema::TypeRef;
use crate::set::FieldSet;
use crate::typed::{self, Comparison, ValidationErrors};
use crate::versions::View;

/// An object could not be seen in the version that some manager's fields are named in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}{errors}")]
pub(crate) struct Unconverted {
    /// What the server says it was about to do, up to the errors themselves.
    step: &'static str,
    /// How the converted object does not fit its type.
    errors: ValidationErrors,
}

impl Unconverted {
    fn at(step: &'static str) -> impl Fn(ValidationErrors) -> Self {
        move |errors| Self { step, errors }
    }
}

/// Which fields a request of some sort can set.
#[derive(Clone, Copy)]
pub(crate) struct Writable<'a> {
    /// Not these, nor what lies below them.
    pub(crate) ignored: Option<&'a FieldSet>,
    /// These alone.
    pub(crate) only: Option<&'a [FieldPattern]>,
}

impl Writable<'_> {
    /// The fields among these that can be set.
    pub(crate) fn among(self, fields: FieldSet) -> FieldSet {
        let fields = match self.ignored {
            Some(ignored) => fields.difference_with_below(ignored),
            None => fields,
        };
        match self.only {
            Some(only) => fields.matching(only),
            None => fields,
        }
    }
}

/// Reads every entry as the schema of today has it, and forgets those of versions that are not served.
pub(crate) fn settle(view: View<'_>, live: &Value, managed: &mut Managed) -> Result<(), Unconverted> {
    let mut types: BTreeMap<String, Option<TypeRef>> = BTreeMap::new();
    for entry in managed.entries_mut() {
        let version = &entry.manager.api_version;
        let ty = match types.get(version) {
            Some(ty) => ty.clone(),
            None => {
                let ty = view.of(live, version).map_err(Unconverted::at(""))?.map(|(_, ty)| ty);
                types.insert(version.clone(), ty.clone());
                ty
            }
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
    Ok(())
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
    writable: Writable<'_>,
) -> Result<Change, Unconverted> {
    let compare = |ty: &TypeRef, old: &Value, new: &Value| {
        let comparison = typed::compare(ty, old, new);
        Comparison {
            added: writable.among(comparison.added),
            modified: writable.among(comparison.modified),
            removed: writable.among(comparison.removed),
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
        let version = &manager.api_version;
        if !by_version.contains_key(version) {
            let old = view.of(old, version).map_err(Unconverted::at("failed to convert old object: "))?;
            let new = view.of(new, version).map_err(Unconverted::at("failed to convert new object: "))?;
            let comparison = old.zip(new).map(|((old, ty), (new, _))| compare(&ty, &old, &new));
            by_version.insert(version.clone(), comparison);
        }
        let Some(Some(comparison)) = by_version.get(version) else { continue };
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
    Ok(Change {
        comparison,
        conflicts: conflicts.into_iter().flat_map(|(_, conflicts)| conflicts).collect(),
        managed: left,
    })
}

/// Takes out of a merged object what its applier applied before, does not apply now, and nobody else owns.
///
/// `managed` holds the applier's new fields already; `last` is its entry from before.
pub(crate) fn prune(
    view: View<'_>,
    merged: Value,
    managed: &Managed,
    last: &ManagedEntry,
) -> Result<Value, Unconverted> {
    let last_version = last.manager.api_version.as_str();
    let doing = "failed to prune fields: failed to convert merged object to last applied version: ";
    let Some((merged_then, ty)) = view.of(&merged, last_version).map_err(Unconverted::at(doing))? else {
        return Ok(merged);
    };
    let last_fields = typed::with_named_fields(&ty, &last.fields);
    let pruned = typed::remove(&ty, &merged_then, &last_fields);
    let pruned = add_back_owned(view, &merged, pruned, last_version, managed)?;
    let pruned_fields = typed::with_named_fields(&ty, &typed::fields(&ty, &pruned));
    let merged_fields = typed::with_named_fields(&ty, &typed::fields(&ty, &merged_then));
    // What went along with an item, but was not the applier's to take, comes back.
    let gone = merged_fields.difference(&pruned_fields).intersection(&last_fields);
    let result = typed::remove(&ty, &merged_then, &gone);
    Ok(view.back(result, last_version).unwrap_or(merged))
}

/// Puts back what was taken out although some manager owns it. The result is in `version`.
fn add_back_owned(
    view: View<'_>,
    merged: &Value,
    pruned: Value,
    version: &str,
    managed: &Managed,
) -> Result<Value, Unconverted> {
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
        let doing = "failed to prune fields: failed add back owned items: failed to convert merged object: ";
        let Some((merged, ty)) = view.of(merged, version).map_err(Unconverted::at(doing))? else { continue };
        let Some(now) = in_version(view, &pruned, &pruned_in, version)? else { continue };
        let everything = typed::with_named_fields(&ty, &typed::fields(&ty, &merged));
        let kept = typed::with_named_fields(&ty, &typed::fields(&ty, &now));
        let owned = typed::with_named_fields(&ty, &fields);
        pruned = typed::remove(&ty, &merged, &everything.difference(&kept.union(&owned)));
        pruned_in = version.to_owned();
    }
    Ok(in_version(view, &pruned, &pruned_in, version)?.unwrap_or(pruned))
}

/// A pruned object of one version in another.
fn in_version(view: View<'_>, object: &Value, from: &str, to: &str) -> Result<Option<Value>, Unconverted> {
    if from == to {
        return Ok(Some(object.clone()));
    }
    let Some(object) = view.back(object.clone(), from) else { return Ok(None) };
    let doing = "failed to prune fields: failed add back owned items: failed to convert pruned object: ";
    Ok(view.of(&object, to).map_err(Unconverted::at(doing))?.map(|(object, _)| object.into_owned()))
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
