//! Objects compared field by field, in the words of the merge: what would change, and who set what is there now.

use serde_json::Value;
use strata_components::desired::Kind;
use structured_merge::path::FieldPath;
use structured_merge::schema::{Schema, TypeRef};
use structured_merge::set::FieldSet;
use structured_merge::{diff, owners};

use super::identity::APPLIED_ANNOTATION;
use crate::observe::{FieldChange, FieldConflict, FieldOwner, HIDDEN};

/// The type of a built-in kind, as the server's version has it.
pub(super) fn built_in(types: &Schema, kind: &Kind) -> Option<TypeRef> {
    types.kind(&kind.group, &kind.version, &kind.kind)
}

/// Whether a dry run would leave the object as it is, books of ownership included. What a controller writes
/// meanwhile, such as the status, does not count.
pub(super) fn same(live: &Value, after: &Value, manager: &str) -> bool {
    stripped(live) == stripped(after) && applied_fields(live, manager) == applied_fields(after, manager)
}

/// The manifest with the live number of replicas, where it names none because an autoscaler decides, and we are still
/// the one who set what is live. Leaving the field out would take it away, and the workload would fall to one pod
/// until the autoscaler looks; kept, it is the autoscaler's as soon as that sets another number.
pub(super) fn with_held_replicas(manifest: &Value, live: &Value, manager: &str) -> Option<Value> {
    let replicas = live.pointer("/spec/replicas")?;
    let path = FieldPath::of_fields(["spec", "replicas"]);
    let ours = owners::owners_of(live, &path).iter().any(|owner| owner.name == manager);
    if !ours || manifest.pointer("/spec/replicas").is_some() {
        return None;
    }
    let mut held = manifest.clone();
    held.get_mut("spec")?.as_object_mut()?.insert("replicas".to_owned(), replicas.clone());
    Some(held)
}

/// The fields that differ, with who set the live value. What a Secret holds is seen to change, and not shown.
pub(super) fn changes(kind: &Kind, schema: &TypeRef, live: &Value, after: &Value, manager: &str) -> Vec<FieldChange> {
    let hide = |path: &str, value: Value| {
        let held = kind.kind == "Secret" && (path.starts_with(".data") || path.starts_with(".stringData"));
        if held { HIDDEN.into() } else { value }
    };
    let owners: Vec<(FieldOwner, FieldSet)> = owners::owners(live)
        .into_iter()
        .map(|(owner, fields)| {
            let this = owner.name == manager;
            (FieldOwner { manager: owner.name, time: owner.time, this }, fields)
        })
        .collect();
    diff::diff(schema, &stripped(live), &stripped(after))
        .into_iter()
        .map(|change| {
            let path = change.path.to_string();
            FieldChange {
                owner: change.before.as_ref().and_then(|_| owner_of(&owners, &change.path)),
                before: change.before.map(|value| hide(&path, value)),
                after: change.after.map(|value| hide(&path, value)),
                path,
            }
        })
        .collect()
}

/// Who set the field: the last one to do so who is not us, or else us.
fn owner_of(owners: &[(FieldOwner, FieldSet)], path: &FieldPath) -> Option<FieldOwner> {
    owners
        .iter()
        .filter(|(_, fields)| fields.contains(path))
        .map(|(owner, _)| owner)
        .max_by(|a, b| (!a.this, &a.time).cmp(&(!b.this, &b.time)))
        .cloned()
}

/// The conflicts that a 409 names, sorted; none where the conflict is about something else.
pub(super) fn conflicts(status: &Value) -> Vec<FieldConflict> {
    let causes = status.pointer("/details/causes").and_then(Value::as_array);
    let mut conflicts: Vec<FieldConflict> = causes
        .into_iter()
        .flatten()
        .filter(|cause| cause["reason"] == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            path: cause["field"].as_str().unwrap_or_default().to_owned(),
            manager: manager_in(cause["message"].as_str().unwrap_or_default()),
            take: false,
        })
        .collect();
    conflicts.sort();
    conflicts
}

/// The manager in `conflict with "NAME" using apps/v1`; the whole message where it is not of that form.
fn manager_in(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

/// The fields that a manager applied, as the object's books have them.
fn applied_fields<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    object
        .pointer("/metadata/managedFields")?
        .as_array()?
        .iter()
        .find(|entry| {
            entry["manager"] == manager && entry["operation"] == "Apply" && entry.get("subresource").is_none()
        })?
        .get("fieldsV1")
}

/// The object without what a server or a controller writes by itself, and without our own books.
fn stripped(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(APPLIED_ANNOTATION);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conflicts_are_read_from_a_status() {
        let status = json!({"reason": "Conflict", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl-edit\" using apps/v1", "field": ".spec.replicas"},
            {"reason": "FieldManagerConflict", "message": "conflict with \"a\"", "field": ".data.x"},
        ]}});
        let expect = [(".data.x", "a"), (".spec.replicas", "kubectl-edit")].map(|(path, manager)| FieldConflict {
            path: path.into(),
            manager: manager.into(),
            take: false,
        });
        assert_eq!(conflicts(&status), expect);
        assert_eq!(conflicts(&json!({"reason": "Conflict", "message": "modified"})), []);
    }

    #[test]
    fn our_books_and_the_status_are_no_difference() {
        let entry = |fields: Value| json!([{"manager": "strata-a", "operation": "Apply", "fieldsV1": fields}]);
        let live = json!({"metadata": {"resourceVersion": "1", "annotations": {APPLIED_ANNOTATION: "x"},
            "managedFields": entry(json!({"f:data": {}}))}, "status": {"a": 1}});
        let mut after = live.clone();
        after["metadata"]["resourceVersion"] = "2".into();
        after["metadata"]["annotations"][APPLIED_ANNOTATION] = "y".into();
        after["status"] = Value::Null;
        assert!(same(&live, &after, "strata-a"));
        after["metadata"]["managedFields"] = entry(json!({}));
        assert!(!same(&live, &after, "strata-a"));
    }
}
