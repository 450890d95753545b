//! Where the cluster meets `structured_merge`: what an apply makes of an object, and who owns its fields after a plain
//! write. Decides nothing about kinds.

use jiff::Timestamp;
use serde_json::Value;
use structured_merge::{ApplyError, ApplyOptions, FieldPath, FieldSet, UpdateOptions, Versions};

use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::rules::{Author, kept_with_status};

/// Leaves of a configuration only what this endpoint can set: everything but the status, or the status alone.
pub(crate) fn restrict(resource: &Resource, config: &mut Value, subresource: &str) {
    let Some(map) = config.as_object_mut() else { return };
    match subresource {
        "status" => {
            map.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                match kept_with_status(resource) {
                    Some(kept) => metadata.retain(|key, _| !kept.contains(&key.as_str())),
                    None => metadata
                        .retain(|key, _| matches!(key.as_str(), "name" | "namespace" | "uid" | "resourceVersion")),
                }
            }
        }
        _ if resource.has("status") => {
            map.remove("status");
        }
        _ => {}
    }
}

/// How to see an object in the other versions it is served in, where there are any.
fn versions(resource: &Resource) -> Option<&dyn Versions> {
    (!resource.versions.is_empty()).then_some(resource as &dyn Versions)
}

/// A server-side apply. Both objects are in the resource's version.
pub(crate) fn apply(
    resource: &Resource,
    live: Option<&Value>,
    config: &Value,
    author: Author<'_>,
    force: bool,
    now: Timestamp,
) -> Result<Value, Failure> {
    let now = object::rfc3339(now);
    let mut ignored = FieldSet::default();
    if author.subresource.is_empty() && resource.has("status") {
        ignored.insert(&FieldPath::of_fields(["status"]));
    }
    let options = ApplyOptions {
        force,
        subresource: author.subresource,
        ignored: Some(&ignored),
        versions: versions(resource),
        ..ApplyOptions::new(author.manager, &now)
    };
    structured_merge::apply(&resource.schema, live, config, &options).map_err(|error| match &error {
        ApplyError::Conflicts(conflicts) => {
            let causes =
                conflicts.iter().map(|c| (c.path.to_string(), format!("conflict with {}", c.owner()))).collect();
            Failure::apply_conflict(error.to_string(), causes)
        }
        ApplyError::ManagedFieldsGiven => Failure::bad_request(error.to_string()),
        ApplyError::Invalid { .. }
        | ApplyError::InvalidLive { .. }
        | ApplyError::BeforeFirstApply(_)
        | ApplyError::Versions(_)
        | ApplyError::LiveManagedFields(_) => Failure::unnamed(error.to_string()),
    })
}

/// Brings field ownership up to date after a plain write, both objects in the resource's version. An object that does not fit its schema goes untracked, as on
/// the server.
pub(crate) fn track(
    resource: &Resource,
    live: Option<&Value>,
    new: &Value,
    author: Author<'_>,
    now: Timestamp,
) -> Result<Value, Failure> {
    let now = object::rfc3339(now);
    let options = UpdateOptions {
        subresource: author.subresource,
        versions: versions(resource),
        ..UpdateOptions::new(author.manager, &now)
    };
    match structured_merge::update(&resource.schema, live, new, &options) {
        Ok(tracked) => Ok(tracked),
        Err(error) => {
            tracing::warn!(%error, kind = resource.kind, name = object::name(new), "field ownership is not tracked");
            let mut untracked = new.clone();
            object::metadata(&mut untracked).remove("managedFields");
            Ok(untracked)
        }
    }
}
