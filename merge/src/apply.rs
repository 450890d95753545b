//! Server-side apply of one object.

use serde_json::Value;

use crate::conflict::{self, Conflict};
use crate::last_applied;
use crate::managed::{Managed, ManagedFieldsError, Manager, Operation, without_managed_fields};
use crate::object;
use crate::ownership::{self, Unconverted, Writable};
use crate::pattern::FieldPattern;
use crate::proof;
use crate::schema::TypeRef;
use crate::set::FieldSet;
use crate::typed::{self, Duplicates, ValidationErrors};
use crate::update::{UpdateError, UpdateOptions, first_owners, manager_name};
use crate::value;
use crate::versions::{Versions, View};

/// Who applies, when, and how.
///
/// ```
/// use structured_merge::ApplyOptions;
/// let options = ApplyOptions { force: true, ..ApplyOptions::new("strata-sophia", "2026-01-01T00:00:00Z") };
/// assert_eq!(options.subresource, "");
/// ```
#[derive(Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// The field manager's name.
    pub manager: &'a str,
    /// Whether to take fields that others own with another value.
    pub force: bool,
    /// The time of the request, in RFC 3339 with seconds and in UTC.
    pub now: &'a str,
    /// The subresource that is applied to, such as `status`; empty for the object itself.
    pub subresource: &'a str,
    /// Fields that a request of this sort cannot set, such as `.status` of the object itself; nobody comes to own them.
    pub ignored: Option<&'a FieldSet>,
    /// The only fields that a request of this sort can set, such as the resources of containers for `pods/resize`;
    /// without it all can be. Nobody comes to own, or loses, any other.
    pub only: Option<&'a [FieldPattern]>,
    /// How to see the object in other versions; without it all versions are taken to have the same fields.
    pub versions: Option<&'a dyn Versions>,
}

impl<'a> ApplyOptions<'a> {
    /// An apply to the object itself, without force.
    #[must_use]
    pub fn new(manager: &'a str, now: &'a str) -> Self {
        Self { manager, force: false, now, subresource: "", ignored: None, only: None, versions: None }
    }
}

/// Why an apply fails. The messages are the server's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields with another value, and force was not asked for. Sorted by manager, then by field.
    #[error("{}", conflict::failure_message(.0))]
    Conflicts(Vec<Conflict>),
    /// The configuration does not fit its type.
    #[error("failed to create typed patch object ({object}): {errors}")]
    Invalid {
        /// The object, as the server's messages name it.
        object: String,
        /// What does not fit.
        errors: ValidationErrors,
    },
    /// What is there does not fit its type.
    #[error("failed to create typed live object ({object}): {errors}")]
    InvalidLive {
        /// The object, as the server's messages name it.
        object: String,
        /// What does not fit.
        errors: ValidationErrors,
    },
    /// Nobody owns anything of what is there yet, and it does not fit its type.
    #[error("failed to create manager for existing fields: {0}")]
    BeforeFirstApply(UpdateError),
    /// The object, converted to the version of some manager's fields, does not fit its type there.
    #[error("{0}")]
    Versions(String),
    /// The configuration brings `metadata.managedFields`.
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsGiven,
    /// The live object's `metadata.managedFields` cannot be read.
    #[error("failed to decode managed fields")]
    LiveManagedFields(#[from] ManagedFieldsError),
}

/// The manager that owns what was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Applies a configuration to a live object, or creates it.
///
/// The result is the whole object with its `metadata.managedFields` brought up to date: what the configuration sets,
/// over what is live, without what this manager applied before and now leaves out and nobody else owns. What an API
/// server does besides (defaults, normal forms, `resourceVersion`) is left to the caller. When nothing changes, the
/// result is the live object as it was.
///
/// # Errors
/// When others own what would change and `force` is not set, or an object does not fit its type.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{ApplyOptions, apply, schema::Schema};
/// let ty = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap();
/// let config = |replicas: u32| json!({
///     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas}});
/// let mine = ApplyOptions::new("mine", "2026-01-01T00:00:00Z");
/// let live = apply(&ty, None, &config(1), &mine)?;
///
/// let theirs = ApplyOptions::new("theirs", "2026-01-01T00:00:01Z");
/// let refused = apply(&ty, Some(&live), &config(2), &theirs).unwrap_err();
/// assert_eq!(refused.to_string(), r#"Apply failed with 1 conflict: conflict with "mine": .spec.replicas"#);
///
/// let taken = apply(&ty, Some(&live), &config(2), &ApplyOptions { force: true, ..theirs })?;
/// assert_eq!(taken["spec"]["replicas"], 2);
/// # Ok::<(), structured_merge::ApplyError>(())
/// ```
pub fn apply(
    ty: &TypeRef,
    live: Option<&Value>,
    config: &Value,
    options: &ApplyOptions<'_>,
) -> Result<Value, ApplyError> {
    if let Err(fault) = check_config(ty, config) {
        // The server looks at what is there first.
        return Err(live.and_then(|live| owners_before(ty, live, options).err()).unwrap_or(fault));
    }
    let Some(live) = live else {
        let mut created = without_managed_fields(config);
        let mut managed = Managed::default();
        let me = applier(config, options).at(options.now);
        managed.set(me.clone(), own_fields(ty, config, options));
        ownership::strip(&mut managed, &me);
        managed.write_into(&mut created);
        return Ok(created);
    };
    let outcome = outcome(ty, live, config, options)?;
    let outcome = if options.force || outcome.conflicts.is_empty() {
        outcome
    } else {
        let open = last_applied::open_conflicts(ty, live, config, options.manager, outcome.conflicts.clone());
        if !open.is_empty() {
            return Err(ApplyError::Conflicts(open));
        }
        outcome
    };
    let mut object = outcome.object;
    last_applied::refresh(&mut object, config, options.manager);
    Ok(object)
}

/// Whether a configuration is one that can be applied.
fn check_config(ty: &TypeRef, config: &Value) -> Result<(), ApplyError> {
    if config.pointer("/metadata/managedFields").is_some_and(|given| !given.is_null()) {
        return Err(ApplyError::ManagedFieldsGiven);
    }
    let invalid = |errors| ApplyError::Invalid { object: object::shown(config), errors };
    typed::validate(ty, config, Duplicates::Refuse).map_err(invalid)
}

/// Who owns what before the apply, and whether that is so because nobody owned anything until now.
fn owners_before(ty: &TypeRef, live: &Value, options: &ApplyOptions<'_>) -> Result<(Managed, bool), ApplyError> {
    let managed = Managed::of_object(live)?;
    if managed.iter().next().is_some() {
        return Ok((managed, false));
    }
    let update = UpdateOptions {
        manager: BEFORE_FIRST_APPLY,
        now: options.now,
        subresource: options.subresource,
        ignored: options.ignored,
        only: options.only,
        versions: options.versions,
    };
    let managed = first_owners(ty, live, &update).map_err(ApplyError::BeforeFirstApply)?;
    Ok((managed, true))
}

/// What an apply leads to if nothing stands in its way.
pub(crate) struct Outcome {
    /// The object as if forced.
    pub(crate) object: Value,
    /// What others would lose.
    pub(crate) conflicts: Vec<Conflict>,
}

/// Applies as if forced, to an object that is live. The configuration is known to fit its type.
pub(crate) fn outcome(
    ty: &TypeRef,
    live: &Value,
    config: &Value,
    options: &ApplyOptions<'_>,
) -> Result<Outcome, ApplyError> {
    if proof::is_unchanged(ty, live, config, options) {
        return Ok(Outcome { object: live.clone(), conflicts: Vec::new() });
    }
    decide(ty, live, config, options)
}

/// The whole algorithm, without the short way.
pub(crate) fn decide(
    ty: &TypeRef,
    live: &Value,
    config: &Value,
    options: &ApplyOptions<'_>,
) -> Result<Outcome, ApplyError> {
    let (mut managed, first) = owners_before(ty, live, options)?;
    let before = if first { Managed::default() } else { managed.clone() };
    let old = without_managed_fields(live);
    let invalid = |errors| ApplyError::InvalidLive { object: object::shown(live), errors };
    typed::validate(ty, &old, Duplicates::Allow).map_err(invalid)?;
    let view = View { ty, api_version: object::api_version(config), versions: options.versions };
    let unconverted = |error: Unconverted| ApplyError::Versions(error.to_string());
    ownership::settle(view, &old, &mut managed).map_err(unconverted)?;

    let me = applier(config, options);
    let last = managed.get(&me).cloned();
    let fields = own_fields(ty, config, options);
    let time = last.as_ref().and_then(|last| last.manager.time.clone());
    managed.set(Manager { time: time.clone(), ..me.clone() }, fields.clone());

    let mut new = typed::merge(ty, &old, config);
    // What the manager still applies is not pruned, so without anything it left out there is nothing to do.
    if let Some(last) = last.filter(|last| !last.fields.is_subset(&fields)) {
        new = ownership::prune(view, new, &managed, &last).map_err(unconverted)?;
    }
    let writable = Writable { ignored: options.ignored, only: options.only };
    let change = ownership::change(view, &old, &new, &managed, Some(&me), writable).map_err(unconverted)?;
    let mut managed = change.managed;
    ownership::strip(&mut managed, &me);
    let changed = !value::equal(&old, &new);
    if changed && let Some(mine) = managed.remove(&me) {
        managed.set(mine.manager.at(options.now), mine.fields);
    }
    let mut object = if changed { new } else { old };
    if !changed && same_owners(&managed, &before) {
        object = live.clone();
    } else {
        managed.write_into(&mut object);
    }
    Ok(Outcome { object, conflicts: change.conflicts })
}

/// Whether two sets of managers say the same, whatever their order.
fn same_owners(left: &Managed, right: &Managed) -> bool {
    left.iter().count() == right.iter().count() && left.iter().all(|entry| right.get(&entry.manager) == Some(entry))
}

fn applier(config: &Value, options: &ApplyOptions<'_>) -> Manager {
    Manager {
        name: manager_name(options.manager),
        operation: Operation::Apply,
        api_version: object::api_version(config).to_owned(),
        subresource: options.subresource.to_owned(),
        time: None,
    }
}

/// What the manager comes to own by a configuration.
fn own_fields(ty: &TypeRef, config: &Value, options: &ApplyOptions<'_>) -> FieldSet {
    Writable { ignored: options.ignored, only: options.only }.among(typed::fields(ty, config))
}
