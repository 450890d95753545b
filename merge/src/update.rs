//! Keeping track of who owns what when an object is written by anything but server-side apply.

use serde_json::Value;

use crate::managed::{Managed, ManagedEntry, Manager, Operation, without_managed_fields};
use crate::object::{self, NEVER_OWNED};
use crate::ownership::{self, Unconverted, Writable};
use crate::pattern::FieldPattern;
use crate::schema::TypeRef;
use crate::set::FieldSet;
use crate::typed::{self, Duplicates, ValidationErrors};
use crate::versions::{Versions, View};

/// Who writes, when, and through what.
///
/// ```
/// use structured_merge::UpdateOptions;
/// let options = UpdateOptions { subresource: "status", ..UpdateOptions::new("kubelet", "2026-01-01T00:00:00Z") };
/// assert_eq!(options.manager, "kubelet");
/// ```
#[derive(Clone, Copy)]
pub struct UpdateOptions<'a> {
    /// The field manager's name.
    pub manager: &'a str,
    /// The time of the request, in RFC 3339 with seconds and in UTC.
    pub now: &'a str,
    /// The subresource that is written, such as `status`; empty for the object itself.
    pub subresource: &'a str,
    /// Fields that a request of this sort cannot set, such as `.status` of the object itself; nobody comes to own them.
    pub ignored: Option<&'a FieldSet>,
    /// The only fields that a request of this sort can set, such as the resources of containers for `pods/resize`;
    /// without it all can be. Nobody comes to own, or loses, any other.
    pub only: Option<&'a [FieldPattern]>,
    /// How to see the object in other versions; without it all versions are taken to have the same fields.
    pub versions: Option<&'a dyn Versions>,
}

impl<'a> UpdateOptions<'a> {
    /// A plain write of the object itself.
    #[must_use]
    pub fn new(manager: &'a str, now: &'a str) -> Self {
        Self { manager, now, subresource: "", ignored: None, only: None, versions: None }
    }
}

/// Why ownership could not be worked out. The server then stores the object without `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// What is to be written does not fit its type.
    #[error("failed to convert new object ({object}) to smd typed: {errors}")]
    New {
        /// The object, as the server's messages name it.
        object: String,
        /// What does not fit.
        errors: ValidationErrors,
    },
    /// What is there does not fit its type.
    #[error("failed to convert live object ({object}) to smd typed: {errors}")]
    Live {
        /// The object, as the server's messages name it.
        object: String,
        /// What does not fit.
        errors: ValidationErrors,
    },
    /// The object, converted to the version of some manager's fields, does not fit its type there.
    #[error("failed to update ManagedFields ({object}): {message}")]
    Versions {
        /// The object, as the server's messages name it.
        object: String,
        /// What was converted, and what does not fit.
        message: String,
    },
}

/// No more managers than this may own by update; the oldest are put together beyond it.
const MOST_UPDATE_MANAGERS: usize = 10;
/// The manager under which the oldest are put together.
const OLDEST_MANAGER: &str = "ancient-changes";

/// The new object with its `metadata.managedFields` brought up to date, for a create (`live` is none), an update or a
/// patch.
///
/// The manager comes to own every field that it sets or changes, and everyone loses the fields that are gone. An object
/// whose `managedFields` were cleared stays untracked until it is next applied. `new` may carry `managedFields` of its
/// own, which then count in place of the live ones; an empty list clears them.
///
/// # Errors
/// When one of the objects does not fit its type.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{UpdateOptions, schema::Schema, update};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let new = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
/// let written = update(&ty, None, &new, &UpdateOptions::new("kubectl-create", "2026-01-01T00:00:00Z"))?;
/// assert_eq!(written["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:data": {".": {}, "f:k": {}}}));
/// # Ok::<(), structured_merge::UpdateError>(())
/// ```
pub fn update(
    ty: &TypeRef,
    live: Option<&Value>,
    new: &Value,
    options: &UpdateOptions<'_>,
) -> Result<Value, UpdateError> {
    let managed = managed_of(live, new, options);
    let mut written = without_managed_fields(new);
    if managed.iter().next().is_none() && live.is_some() {
        return Ok(written);
    }
    let old = live.map_or_else(|| object::before_creation(ty, new), without_managed_fields);
    let invalid = |errors| UpdateError::New { object: object::shown(new), errors };
    typed::validate(ty, &written, Duplicates::Allow).map_err(invalid)?;
    let invalid = |errors| UpdateError::Live { object: object::shown(&old), errors };
    typed::validate(ty, &old, Duplicates::Allow).map_err(invalid)?;
    let managed = track(ty, &old, &written, managed, options)
        .map_err(|error| UpdateError::Versions { object: object::shown(new), message: error.to_string() })?;
    managed.write_into(&mut written);
    Ok(written)
}

/// The managers to start from: those the request brings, unless it brings none or cannot change them.
fn managed_of(live: Option<&Value>, new: &Value, options: &UpdateOptions<'_>) -> Managed {
    let of_live = || live.and_then(|live| Managed::of_object(live).ok()).unwrap_or_default();
    if !options.subresource.is_empty() {
        return of_live();
    }
    let brought = new.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice);
    let clears = match brought {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    };
    if clears {
        return Managed::default();
    }
    match Managed::of_object(new) {
        Ok(managed) if managed.iter().next().is_some() => managed,
        _ => of_live(),
    }
}

/// Who owns what of an object that came to be untracked, as if it were created just now.
pub(crate) fn first_owners(ty: &TypeRef, object: &Value, options: &UpdateOptions<'_>) -> Result<Managed, UpdateError> {
    let object = without_managed_fields(object);
    let invalid = |errors| UpdateError::New { object: object::shown(&object), errors };
    typed::validate(ty, &object, Duplicates::Allow).map_err(invalid)?;
    let tracked = track(ty, &object::before_creation(ty, &object), &object, Managed::default(), options);
    tracked.map_err(|error| UpdateError::Versions { object: object::shown(&object), message: error.to_string() })
}

/// What the managers own after the object went from `old` to `new`.
pub(crate) fn track(
    ty: &TypeRef,
    old: &Value,
    new: &Value,
    mut managed: Managed,
    options: &UpdateOptions<'_>,
) -> Result<Managed, Unconverted> {
    let api_version = object::api_version(new);
    let view = View { ty, api_version, versions: options.versions };
    ownership::settle(view, old, &mut managed)?;
    let writable = Writable { ignored: options.ignored, only: options.only };
    let change = ownership::change(view, old, new, &managed, None, writable)?;
    let mut managed = change.managed;
    let gained = change.comparison.modified.union(&change.comparison.added).difference(&NEVER_OWNED);
    if !gained.is_empty() {
        let me = Manager {
            name: manager_name(options.manager),
            operation: Operation::Update,
            api_version: api_version.to_owned(),
            subresource: options.subresource.to_owned(),
            time: None,
        }
        .at(options.now);
        let fields = managed.get(&me).map_or_else(|| gained.clone(), |mine| gained.union(&mine.fields));
        managed.set(me, fields);
    }
    cap(&mut managed);
    Ok(managed)
}

/// The name under which a manager is noted; one without a name is unknown.
pub(crate) fn manager_name(name: &str) -> String {
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

/// Puts the oldest updaters of each version together until there are few enough.
fn cap(managed: &mut Managed) {
    let mut updaters: Vec<Manager> = managed
        .iter()
        .filter(|entry| entry.manager.operation == Operation::Update)
        .map(|entry| entry.manager.clone())
        .collect();
    let mut count = updaters.len();
    updaters.sort_by_key(|manager| (manager.time.clone().unwrap_or_default(), manager.sort_text()));
    let mut first_of_version: Vec<Manager> = Vec::new();
    for manager in updaters {
        if count <= MOST_UPDATE_MANAGERS {
            return;
        }
        let Some(first) = first_of_version.iter().find(|first| first.api_version == manager.api_version) else {
            first_of_version.push(manager);
            continue;
        };
        let bucket = Manager {
            name: OLDEST_MANAGER.to_owned(),
            operation: Operation::Update,
            api_version: manager.api_version.clone(),
            subresource: String::new(),
            time: manager.time.clone(),
        };
        let together = managed.remove(&bucket).or_else(|| managed.remove(first));
        let merged = managed.remove(&manager);
        let fields = [together, merged]
            .into_iter()
            .flatten()
            .fold(FieldSet::new(), |all, ManagedEntry { fields, .. }| all.union(&fields));
        managed.set(bucket, fields);
        count -= 1;
    }
}
