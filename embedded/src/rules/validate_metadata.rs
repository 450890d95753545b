//! What the server refuses in `metadata`, for every kind. Wording as in `k8s.io/apimachinery/pkg/api/validation`.

use serde_json::{Value, json};

use super::validate::labels;
use super::{FOREGROUND, ORPHAN};
use super::{custom, naming};
use crate::decoding::quote;
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;

/// All annotations together, in bytes.
const MOST_ANNOTATION_BYTES: usize = 256 * 1024;

/// Of a new object.
pub(super) fn on_create(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    name(value, |name| name_faults(resource, name), causes);
    if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        causes.extend(custom::definition_name(value));
    }
    always(resource, value, causes);
    finalizer_names(resource, value, causes);
}

/// Of a new object, as any kind's is looked at once its own checks have found nothing.
pub(super) fn of_anything_new(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    name(value, naming::path_segment, causes);
    always(resource, value, causes);
}

/// Of a changed object, as any kind's is looked at before its own checks, which look at most of it again.
pub(super) fn of_anything_changed(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    always(resource, new, &mut causes);
    of_change(old, new, &mut causes);
    causes
}

/// Of a changed object.
pub(super) fn on_update(resource: &Resource, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    of_change(old, new, causes);
    finalizer_names(resource, new, causes);
}

fn name(value: &Value, faults: impl Fn(&str) -> Vec<String>, causes: &mut Vec<Cause>) {
    let beginning = object::text(value, "/metadata/generateName");
    if !beginning.is_empty() {
        // What follows a dash is made up, and fits.
        let masked = beginning.strip_suffix('-').map(|start| format!("{start}a"));
        for fault in faults(masked.as_deref().unwrap_or(beginning)) {
            causes.push(Cause::invalid("metadata.generateName", &json!(beginning), &fault));
        }
    }
    let name = object::name(value);
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        for fault in faults(name) {
            causes.push(Cause::invalid("metadata.name", &json!(name), &fault));
        }
    }
}

/// Finalizers of the built-in kinds say whose they are, but for the server's own.
fn finalizer_names(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    // These are checked by the library that knows no kinds.
    let plain = ["CustomResourceDefinition", "Lease", "RuntimeClass"].contains(&resource.kind.as_str());
    if plain || resource.custom.is_some() {
        return;
    }
    for (at, finalizer) in object::finalizers(value).into_iter().enumerate() {
        if !naming::is_standard_finalizer(finalizer) && !finalizer.contains('/') {
            let field = format!("metadata.finalizers[{at}]");
            causes.push(Cause::invalid(field, &json!(finalizer), naming::UNQUALIFIED_FINALIZER));
        }
    }
}

fn always(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    let namespace = object::namespace(value);
    if resource.namespaced {
        for fault in naming::label(namespace) {
            causes.push(Cause::invalid("metadata.namespace", &json!(namespace), &fault));
        }
    }
    labels(value, "/metadata/labels", "metadata.labels", causes);
    annotations(value, "/metadata/annotations", "metadata.annotations", causes);
    owners(value, causes);
    for finalizer in object::finalizers(value) {
        for fault in naming::qualified_name(finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", &json!(finalizer), &fault));
        }
    }
    let finalizers = object::finalizers(value);
    if finalizers.contains(&FOREGROUND) && finalizers.contains(&ORPHAN) {
        let why = format!("finalizer {ORPHAN} and {FOREGROUND} cannot be both set");
        causes.push(Cause::invalid("metadata.finalizers", &json!(finalizers), &why));
    }
    managers(value, causes);
}

fn of_change(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if object::is_deleting(old) {
        let known = object::finalizers(old);
        let mut added: Vec<&str> = object::finalizers(new).into_iter().filter(|name| !known.contains(name)).collect();
        added.sort_unstable();
        added.dedup();
        if !added.is_empty() {
            let shown: Vec<String> = added.into_iter().map(quote).collect();
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                shown.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let pointer = format!("/metadata/{field}");
        let value = new.pointer(&pointer);
        if old.pointer(&pointer) != value {
            let shown = value.cloned().unwrap_or_default();
            causes.push(Cause::invalid(format!("metadata.{field}"), &shown, "field is immutable"));
        }
    }
    labels(new, "/metadata/labels", "metadata.labels", causes);
    annotations(new, "/metadata/annotations", "metadata.annotations", causes);
    owners(new, causes);
    managers(new, causes);
}

/// A map of annotations.
pub(super) fn annotations(value: &Value, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, text) in object::entries(value, pointer) {
        size += key.len() + text.as_str().unwrap_or_default().len();
        for fault in naming::qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid(field, &json!(key), &fault));
        }
    }
    if size > MOST_ANNOTATION_BYTES {
        causes.push(Cause::too_long(field, MOST_ANNOTATION_BYTES));
    }
}

fn owners(value: &Value, causes: &mut Vec<Cause>) {
    let mut controller: Option<String> = None;
    let references = value.pointer("/metadata/ownerReferences");
    for owner in object::items(value, "/metadata/ownerReferences") {
        let place = "metadata.ownerReferences";
        let version = object::text(owner, "/apiVersion");
        if version.rsplit('/').next().unwrap_or_default().is_empty() {
            causes.push(Cause::invalid(format!("{place}.apiVersion"), &json!(version), "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if object::text(owner, &format!("/{field}")).is_empty() {
                causes.push(Cause::invalid(format!("{place}.{field}"), &json!(""), "must not be empty"));
            }
        }
        if (version, object::text(owner, "/kind")) == ("v1", "Event") {
            causes.push(Cause::invalid(place, owner, "/v1, Kind=Event is disallowed from being an owner"));
        }
        if object::truth(owner, "/controller") {
            let this = format!("{}/{}", object::text(owner, "/kind"), object::text(owner, "/name"));
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    causes.push(Cause::invalid(place, references.unwrap_or(&Value::Null), &why));
                }
            }
        }
    }
}

fn managers(value: &Value, causes: &mut Vec<Cause>) {
    for (at, entry) in object::items(value, "/metadata/managedFields").iter().enumerate() {
        let place = format!("metadata.managedFields[{at}]");
        let operation = object::text(entry, "/operation");
        if !matches!(operation, "Apply" | "Update") {
            let why = "must be `Apply` or `Update`";
            causes.push(Cause::invalid(format!("{place}.operation"), &json!(operation), why));
        }
        let kind = object::text(entry, "/fieldsType");
        if !matches!(kind, "" | "FieldsV1") {
            causes.push(Cause::invalid(format!("{place}.fieldsType"), &json!(kind), "must be `FieldsV1`"));
        }
    }
}

/// Which rule a kind's name follows.
///
/// Source: `ValidateObjectMeta` calls in `k8s.io/kubernetes/pkg/apis/*/validation`.
fn name_faults(resource: &Resource, name: &str) -> Vec<String> {
    if resource.custom.is_none() {
        match resource.kind.as_str() {
            "Namespace" => return naming::label(name),
            "Service" => return naming::label(name),
            _ if resource.group == "rbac.authorization.k8s.io" => return naming::path_segment(name),
            _ => {}
        }
    }
    naming::subdomain(name)
}
