//! What the server refuses in an object that has changed: in which order it looks at what, for each kind, and what may not
//! change. The checks of the content stand with the kinds.
//!
//! Source: `ValidateUpdate` of the kinds' strategies in `k8s.io/kubernetes/pkg/registry`, and what they call in
//! `…/pkg/apis/*/validation`.

use serde_json::{Value, json};

use self::Part::{Change, Content, Fixed, Metadata, Selector};
use super::{custom, validate, validate_metadata, validate_pod, validate_quota, validate_service, validate_workload};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;

/// One thing that a kind's strategy looks at.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The metadata, as that of an object that has changed.
    Change,
    /// The metadata, as that of a new object.
    Metadata,
    /// What may not change.
    Fixed,
    /// All the rest, as that of a new object.
    Content,
    /// The selector of a Job, which the server was to make.
    Selector,
}

/// What a kind's strategy looks at, in order. What it finds twice, it says twice.
fn parts(resource: &Resource) -> &'static [Part] {
    if resource.custom.is_some() {
        return &[Change, Content];
    }
    match resource.kind.as_str() {
        "DaemonSet" | "Service" => &[Change, Fixed, Content],
        "ConfigMap" | "IngressClass" | "Secret" => &[Change, Fixed, Metadata, Content],
        "Endpoints" | "Ingress" | "ServiceAccount" | "PersistentVolumeClaim" | "Pod" => {
            &[Change, Metadata, Content, Fixed]
        }
        "Job" => &[Metadata, Selector, Content, Change, Content, Fixed],
        "Namespace" | "Node" | "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "StorageClass"
        | "RuntimeClass" => &[Metadata, Content, Change, Fixed],
        "LimitRange" | "EndpointSlice" => &[Metadata, Content, Fixed],
        "PersistentVolume" => &[Metadata, Content, Metadata, Content, Fixed],
        "PodDisruptionBudget" => &[Content],
        "PriorityClass" => &[Change, Fixed],
        _ => &[Change, Content, Fixed],
    }
}

/// A changed object. `causes` holds what was found in the metadata as in that of any kind.
pub(super) fn on_update(
    resource: &Resource,
    old: &Value,
    new: &Value,
    warnings: &mut Vec<String>,
    causes: &mut Vec<Cause>,
) {
    let said = warnings.len();
    for part in parts(resource) {
        match part {
            Change => validate_metadata::on_update(resource, old, new, causes),
            Metadata => validate_metadata::on_create(resource, new, causes),
            Fixed => unchanged(resource, old, new, causes),
            Content => validate::content(resource, new, warnings, causes),
            Selector => validate_workload::own_selector(new, causes),
        }
    }
    if !warns_again(resource, old, new) {
        warnings.truncate(said);
    }
    if resource.custom.is_some() {
        warnings.extend(custom::finalizer_warnings(Some(old), new));
    }
}

/// Is what a new object is warned of worth saying again? Of a workload only when it has changed.
fn warns_again(resource: &Resource, old: &Value, new: &Value) -> bool {
    let changed = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    match resource.kind.as_str() {
        _ if resource.custom.is_some() => true,
        "Pod" => false,
        "DaemonSet" => changed("/spec/template"),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "Job" | "CronJob" => changed("/metadata/generation"),
        "ServiceAccount" => object::annotation(old, validate::MOUNTABLE_SECRETS).is_none(),
        _ => true,
    }
}

/// What may not change.
fn unchanged(resource: &Resource, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let changed = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    let immutable: &[&str] = match resource.kind.as_str() {
        "Deployment" | "DaemonSet" | "ReplicaSet" => &["spec.selector"],
        "Job" => &["spec.completions", "spec.selector", "spec.template", "spec.completionMode"],
        "StorageClass" => &["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
        "RuntimeClass" => &["handler"],
        "IngressClass" => &["spec.controller"],
        "EndpointSlice" => &["addressType"],
        _ => &[],
    };
    for field in immutable {
        let pointer = format!("/{}", field.replace('.', "/"));
        if changed(&pointer) {
            let value = new.pointer(&pointer).cloned().unwrap_or_default();
            causes.push(match *field {
                "spec.selector" if !value.is_null() => {
                    Cause::invalid_as(*field, &validate_workload::selector_as_go(&value), "field is immutable")
                }
                // A text that is not there is an empty one.
                "spec.controller" | "addressType" => {
                    Cause::invalid(*field, &json!(object::text(new, &pointer)), "field is immutable")
                }
                field => Cause::invalid(field, &value, "field is immutable"),
            });
        }
    }
    match resource.kind.as_str() {
        "Pod" => validate_pod::unchanged(old, new, causes),
        "StatefulSet" => validate_workload::stateful_set_unchanged(old, new, causes),
        "ResourceQuota" => validate_quota::quota_unchanged(old, new, causes),
        "Service" => validate_service::unchanged(old, new, causes),
        "RoleBinding" | "ClusterRoleBinding" if changed("/roleRef") => {
            let text = |field: &str| object::text(new, &format!("/roleRef/{field}")).to_owned();
            // The server prints its own form of the reference.
            let shown = format!(
                "{{\"APIGroup\":{:?},\"Kind\":{:?},\"Name\":{:?}}}",
                text("apiGroup"),
                text("kind"),
                text("name")
            );
            causes.push(Cause::invalid_as("roleRef", &shown, "cannot change roleRef"));
        }
        "PriorityClass" => {
            if changed("/value") {
                causes.push(Cause::forbidden("value", "may not be changed in an update."));
            }
            if changed("/preemptionPolicy") {
                let value = new.get("preemptionPolicy").cloned().unwrap_or_default();
                causes.push(Cause::invalid("preemptionPolicy", &value, "field is immutable"));
            }
        }
        "CustomResourceDefinition" => custom::definition_unchanged(old, new, causes),
        "ConfigMap" | "Secret" => kept_data(resource, old, new, causes),
        "PersistentVolumeClaim" => claim_unchanged(old, new, causes),
        _ => {}
    }
}

/// What a claim asks for stays, but for the size of one that is bound and the volume of one that has none.
fn claim_unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let bound = object::text(new, "/status/phase") == "Bound";
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        if bound {
            object::remove(&mut spec, "/resources/requests/storage");
            object::remove(&mut spec, "/volumeAttributesClassName");
        }
        if object::text(old, "/spec/volumeName").is_empty() {
            object::remove(&mut spec, "/volumeName");
        }
        if old.pointer("/spec/storageClassName").is_none() {
            object::remove(&mut spec, "/storageClassName");
        }
        spec
    };
    if fixed(old) != fixed(new) {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        causes.push(Cause::forbidden("spec", why));
    }
    let mode = new.pointer("/spec/volumeMode").cloned().unwrap_or_default();
    if old.pointer("/spec/volumeMode") != Some(&mode) {
        causes.push(Cause::invalid("volumeMode", &mode, "field is immutable"));
    }
}

/// The type of a Secret, and data that was said to be immutable.
fn kept_data(resource: &Resource, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if resource.kind == "Secret" && old.get("type") != new.get("type") {
        causes.push(Cause::invalid("type", &json!(object::text(new, "/type")), "field is immutable"));
    }
    if !object::truth(old, "/immutable") {
        return;
    }
    let why = "field is immutable when `immutable` is set";
    if !object::truth(new, "/immutable") {
        causes.push(Cause::forbidden("immutable", why));
    }
    for field in ["data", "binaryData"] {
        if old.get(field) != new.get(field) {
            causes.push(Cause::forbidden(field, why));
        }
    }
}
