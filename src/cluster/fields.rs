//! Objects compared field by field, in the words of the merge: what would change, and who set what is there now.

use serde_json::Value;
use strata_components::desired::Kind;
use structured_merge::path::FieldPath;
use structured_merge::schema::{Schema, TypeRef};
use structured_merge::set::FieldSet;
use structured_merge::{Change, Conflict, Prediction, diff, owners};

use super::identity::APPLIED_ANNOTATION;
use crate::observe::{FieldChange, FieldConflict, FieldOwner, HIDDEN};
use crate::secrets::is_withheld;

/// The type of a built-in kind, as the server's version has it.
pub(super) fn built_in(types: &Schema, kind: &Kind) -> Option<TypeRef> {
    types.kind(&kind.group, &kind.version, &kind.kind)
}

/// Whether we would own the same fields after an apply as before.
pub(super) fn same_books(live: &Value, after: &Value, manager: &str) -> bool {
    applied_fields(live, manager) == applied_fields(after, manager)
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

/// The fields in which a dry run's answer differs from what is live, as far as they are anybody's: with who set the live
/// value. What a Secret holds is seen to change, and not shown.
///
/// What nobody has set is the server's own affair: a default of something new, or one that follows another field.
pub(super) fn changes(kind: &Kind, schema: &TypeRef, live: &Value, after: &Value, manager: &str) -> Vec<FieldChange> {
    told(kind, live, after, manager, diff::diff(schema, &stripped(live), &stripped(after)))
}

/// The changes that a prediction makes, and the paths of which only the server can say what becomes of them.
pub(super) fn predicted(
    kind: &Kind,
    schema: &TypeRef,
    live: &Value,
    after: &Value,
    manager: &str,
) -> (Vec<FieldChange>, Vec<String>) {
    let bare = Prediction::Changed { after: stripped(after), conflicts: Vec::new() };
    let (sure, open) = bare.stored_changes(schema, &stripped(live));
    let paths = open.iter().map(|change| change.path.to_string()).collect();
    // A null where nothing is stays nothing: the types of Kubernetes itself store none, and only custom ones may.
    let own = !kind.group.contains('.') || kind.group.ends_with(".k8s.io");
    let nothing = |change: &Change| own && change.before.is_none() && change.after == Some(Value::Null);
    let mut all: Vec<Change> = sure.into_iter().chain(open).filter(|change| !nothing(change)).collect();
    all.sort_by(|one, other| one.path.cmp(&other.path));
    (told(kind, live, after, manager, all), paths)
}

fn told(kind: &Kind, live: &Value, after: &Value, manager: &str, changes: Vec<Change>) -> Vec<FieldChange> {
    let hide = |path: &str, value: Value| hidden(kind, path, value);
    let owners: Vec<(FieldOwner, FieldSet)> = owners::owners(live)
        .into_iter()
        .map(|(owner, fields)| {
            let this = owner.name == manager;
            (FieldOwner { manager: owner.name, time: owner.time, this }, fields)
        })
        .collect();
    let ours: Vec<FieldSet> =
        owners::owners(after).into_iter().filter(|(owner, _)| owner.name == manager).map(|(_, set)| set).collect();
    let somebodys = |path: &FieldPath| {
        ours.iter().any(|fields| fields.contains(path)) || owners.iter().any(|(_, fields)| fields.contains(path))
    };
    changes
        .into_iter()
        .filter(|change| somebodys(&change.path))
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

/// The value of a field as it is shown: one that a Secret holds only where a digest stands for it.
pub(super) fn hidden(kind: &Kind, path: &str, value: Value) -> Value {
    let holds = kind.kind == "Secret" && (path.starts_with(".data") || path.starts_with(".stringData"));
    if holds && !is_withheld(&value) { HIDDEN.into() } else { value }
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

/// The conflicts that the merge finds, sorted.
pub(super) fn predicted_conflicts(conflicts: &[Conflict]) -> Vec<FieldConflict> {
    let mut conflicts: Vec<FieldConflict> = conflicts
        .iter()
        .map(|conflict| FieldConflict {
            path: conflict.path.to_string(),
            manager: conflict.manager.clone(),
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
pub(super) fn stripped(object: &Value) -> Value {
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
        assert_eq!(stripped(&live), stripped(&after));
        assert!(same_books(&live, &after, "strata-a"));
        after["metadata"]["managedFields"] = entry(json!({}));
        assert!(!same_books(&live, &after, "strata-a"));
    }

    #[test]
    fn what_nobody_set_is_not_told() {
        let config = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
            "spec": {"ports": [{"name": "web", "port": 80, "protocol": "TCP"}]}});
        let schema = Schema::kubernetes().kind("", "v1", "Service").expect("a built-in kind");
        let options = structured_merge::ApplyOptions::new("strata-a", "");
        let mut live = structured_merge::apply(&schema, None, &config, &options).expect("it fits");
        live["spec"]["clusterIP"] = "10.0.0.1".into();
        let mut more = config.clone();
        more["spec"]["ports"][0]["appProtocol"] = "http".into();
        let mut after = structured_merge::apply(&schema, Some(&live), &more, &options).expect("it fits");
        after["spec"]["ports"][0]["targetPort"] = 80.into();
        after["spec"].as_object_mut().expect("an object").remove("clusterIP");
        let kind = Kind { group: String::new(), version: "v1".to_owned(), kind: "Service".to_owned() };
        let told = changes(&kind, &schema, &live, &after, "strata-a");
        let paths: Vec<&str> = told.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, [".spec.ports[port=80,protocol=\"TCP\"].appProtocol"]);
    }
}
