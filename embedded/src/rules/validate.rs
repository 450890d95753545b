//! What the server refuses with 422, for the metadata of every object and for the kinds that are not workloads. Wording
//! as in `k8s.io/kubernetes/pkg/apis/*/validation`. Finds everything at once; changes nothing.

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::{
    custom, naming, pod_warnings, validate_autoscaler, validate_network, validate_pod, validate_pod_parts,
    validate_quota, validate_secret, validate_service, validate_workload,
};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;

/// A map of labels.
pub(super) fn labels(value: &Value, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    for (key, text) in object::entries(value, pointer) {
        for fault in naming::qualified_name(key) {
            causes.push(Cause::invalid(field, &json!(key), &fault));
        }
        for fault in naming::label_value(text.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(field, text, &fault));
        }
    }
}

/// A new object.
pub(super) fn on_create(resource: &Resource, value: &Value, warnings: &mut Vec<String>) -> Vec<Cause> {
    if resource.custom.is_some() {
        warnings.extend(custom::finalizer_warnings(None, value));
        return custom::check(resource, value);
    }
    let mut causes = Vec::new();
    match resource.kind.as_str() {
        "Pod" => {
            validate_pod::pod(value, &mut causes);
            warnings.extend(pod_warnings::of(value, ""));
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => {
            validate_workload::workload(resource, value, &mut causes, warnings);
        }
        "Service" => {
            validate_service::service(value, &mut causes);
            warnings.extend(validate_service::warnings(value));
        }
        "ConfigMap" => validate_secret::config_map(value, &mut causes),
        "Secret" => {
            validate_secret::secret(value, &mut causes);
            warnings.extend(validate_secret::secret_warning(value));
        }
        "HorizontalPodAutoscaler" => validate_autoscaler::autoscaler(value, &mut causes),
        "PodDisruptionBudget" => budget(value, &mut causes),
        "Ingress" => validate_network::ingress(value, &mut causes),
        "NetworkPolicy" => validate_network::network_policy(value, &mut causes),
        "PriorityClass" => priority_class(value, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" => role_reference(value, &mut causes),
        "Role" | "ClusterRole" => role(resource, value, &mut causes),
        "PersistentVolumeClaim" => claim(value, &mut causes),
        "ResourceQuota" => validate_quota::quota(value, &mut causes),
        "LimitRange" => validate_quota::limits(value, &mut causes),
        "Lease" => lease(value, &mut causes),
        "CustomResourceDefinition" => causes.extend(custom::check_definition(value)),
        "ServiceAccount" => deprecated(value, warnings),
        _ => {}
    }
    causes
}

/// An annotation of accounts that is on its way out.
fn deprecated(account: &Value, warnings: &mut Vec<String>) {
    const ENFORCED: &str = "kubernetes.io/enforce-mountable-secrets";
    if object::annotation(account, ENFORCED).is_some() {
        warnings.push(format!(
            "metadata.annotations[{ENFORCED}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        ));
    }
}

/// A changed object: as for a new one, and what may not change has not.
pub(super) fn on_update(resource: &Resource, old: &Value, new: &Value, warnings: &mut Vec<String>) -> Vec<Cause> {
    if resource.is("", "Pod") {
        let mut causes = Vec::new();
        validate_pod::unchanged(old, new, &mut causes);
        return causes;
    }
    if resource.custom.is_some() {
        warnings.extend(custom::finalizer_warnings(Some(old), new));
        return custom::check(resource, new);
    }
    let changed = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    let mut told = Vec::new();
    let mut causes = on_create(resource, new, &mut told);
    // Of a template that stays as it is nothing is said again.
    if changed("/spec") || !matches!(resource.group.as_str(), "apps" | "batch") {
        warnings.append(&mut told);
    }
    let immutable: &[&str] = match resource.kind.as_str() {
        "Deployment" | "DaemonSet" | "ReplicaSet" => &["spec.selector"],
        "Job" => &["spec.completions", "spec.selector", "spec.template", "spec.completionMode"],
        "StorageClass" => &["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
        "RuntimeClass" => &["handler"],
        _ => &[],
    };
    for field in immutable {
        let pointer = format!("/{}", field.replace('.', "/"));
        if changed(&pointer) {
            let value = new.pointer(&pointer).cloned().unwrap_or_default();
            let cause = Cause::invalid(*field, &value, "field is immutable");
            // A DaemonSet is asked for what has changed first.
            if resource.is("apps", "DaemonSet") {
                causes.insert(0, cause);
            } else {
                causes.push(cause);
            }
        }
    }
    match resource.kind.as_str() {
        "StatefulSet" => validate_workload::stateful_set_unchanged(old, new, &mut causes),
        "ResourceQuota" => validate_quota::quota_unchanged(old, new, &mut causes),
        "Service" => {
            let kept = object::text(old, "/spec/clusterIP");
            let external = [old, new].iter().any(|v| object::text(v, "/spec/type") == "ExternalName");
            if !external && !kept.is_empty() && changed("/spec/clusterIP") {
                let value = json!([new.pointer("/spec/clusterIP")]);
                causes.push(Cause::invalid("spec.clusterIPs[0]", &value, "may not change once set"));
            }
        }
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
        "ConfigMap" | "Secret" if object::truth(old, "/immutable") => {
            if !object::truth(new, "/immutable") {
                causes.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
            }
            for field in ["data", "binaryData", "stringData"] {
                if changed(&format!("/{field}")) {
                    causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
                }
            }
        }
        "Secret" if changed("/type") => {
            let value = new.get("type").cloned().unwrap_or_default();
            causes.push(Cause::invalid("type", &value, "field is immutable"));
        }
        "PersistentVolumeClaim" => {
            for field in ["accessModes", "selector", "storageClassName", "volumeMode", "dataSource"] {
                if changed(&format!("/spec/{field}")) {
                    causes.push(Cause::forbidden(
                        "spec",
                        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
                    ));
                    break;
                }
            }
        }
        _ => {}
    }
    causes
}

/// A port number, 1 to 65535.
pub(super) fn port(value: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    match value.and_then(Value::as_i64) {
        None | Some(0) => causes.push(Cause::required(field, "")),
        Some(1..=65_535) => {}
        Some(other) => {
            causes.push(Cause::invalid(field, &json!(other), "must be between 1 and 65535, inclusive"));
        }
    }
}

/// An IP address, of either family.
pub(super) fn address(text: &str, field: &str, causes: &mut Vec<Cause>) {
    if text.parse::<std::net::IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        causes.push(Cause::invalid(field, &json!(text), why));
    }
}

/// A port by number or name.
pub(super) fn port_or_name(value: &Value, field: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::String(name) => {
            for fault in naming::port_name(name) {
                causes.push(Cause::invalid(field, value, &fault));
            }
        }
        other => {
            if !other.as_i64().is_some_and(|n| (1..=65_535).contains(&n)) {
                causes.push(Cause::invalid(field, other, "must be between 1 and 65535, inclusive"));
            }
        }
    }
}

/// A number that may not be below zero.
pub(super) fn not_negative(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    if let Some(number) = object::number(value, pointer).filter(|n| *n < 0) {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        causes.push(Cause::invalid(field, &json!(number), "must be greater than or equal to 0"));
    }
}

/// `metav1.LabelSelector`.
pub(super) fn selector(value: &Value, pointer: &str, causes: &mut Vec<Cause>) {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    labels(value, &format!("{pointer}/matchLabels"), &format!("{field}.matchLabels"), causes);
    for (at, expression) in object::items(value, &format!("{pointer}/matchExpressions")).iter().enumerate() {
        let place = format!("{field}.matchExpressions[{at}]");
        let values = object::items(expression, "/values").len();
        match object::text(expression, "/operator") {
            "In" | "NotIn" if values == 0 => causes.push(Cause::required(
                format!("{place}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if values > 0 => causes.push(Cause::forbidden(
                format!("{place}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                causes.push(Cause::invalid(format!("{place}.operator"), &json!(other), "not a valid selector operator"))
            }
        }
    }
}

fn budget(value: &Value, causes: &mut Vec<Cause>) {
    let (least, most) = (value.pointer("/spec/minAvailable"), value.pointer("/spec/maxUnavailable"));
    if least.is_some() && most.is_some() {
        let spec = value.get("spec").cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec", &spec, "minAvailable and maxUnavailable cannot be both set"));
    }
    for (field, amount) in [("spec.minAvailable", least), ("spec.maxUnavailable", most)] {
        match amount {
            Some(Value::String(text)) => {
                let percent = text.strip_suffix('%').and_then(|n| n.parse::<u32>().ok());
                if percent.is_some_and(|percent| percent > 100) {
                    causes.push(Cause::invalid(field, &json!(text), "must not be greater than 100%"));
                } else if percent.is_none() {
                    let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                    causes.push(Cause::invalid(field, &json!(text), why));
                }
            }
            Some(other) if other.as_i64().is_some_and(|n| n < 0) => {
                causes.push(Cause::invalid(field, other, "must be greater than or equal to 0"));
            }
            _ => {}
        }
    }
    selector(value, "/spec/selector", causes);
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let known = ["AlwaysAllow", "IfHealthyBudget"];
    validate_pod_parts::one_of(spec, "unhealthyPodEvictionPolicy", "spec", &known, causes);
}

fn priority_class(value: &Value, causes: &mut Vec<Cause>) {
    let name = object::name(value);
    let amount = object::number(value, "/value").unwrap_or(0);
    let system = ["system-node-critical", "system-cluster-critical"].contains(&name);
    if name.starts_with("system-") && !system {
        let why = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class"
        );
        causes.push(Cause::forbidden("metadata.name", &why));
    }
    if !system && amount > 1_000_000_000 {
        let why = "maximum allowed value of a user defined priority is 1000000000";
        causes.push(Cause::forbidden("value", why));
    }
    validate_pod_parts::one_of(value, "preemptionPolicy", "", &["PreemptLowerPriority", "Never"], causes);
}

fn role_reference(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/roleRef/kind");
    if !matches!(kind, "Role" | "ClusterRole") {
        causes.push(Cause::unsupported("roleRef.kind", &json!(kind), &["Role", "ClusterRole"]));
    }
    if object::text(value, "/roleRef/name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    subjects(value, causes);
}

/// The subjects of a binding.
fn subjects(value: &Value, causes: &mut Vec<Cause>) {
    for (at, subject) in object::items(value, "/subjects").iter().enumerate() {
        let place = format!("subjects[{at}]");
        let (kind, name) = (object::text(subject, "/kind"), object::text(subject, "/name"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        }
        match kind {
            "ServiceAccount" => {
                for fault in if name.is_empty() { Vec::new() } else { naming::subdomain(name) } {
                    causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
                }
            }
            "User" | "Group" => {}
            other => {
                let known = ["ServiceAccount", "User", "Group"];
                causes.push(Cause::unsupported(format!("{place}.kind"), &json!(other), &known));
            }
        }
    }
}

/// The rules of a role.
fn role(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    for (at, rule) in object::items(value, "/rules").iter().enumerate() {
        let place = format!("rules[{at}]");
        let none = |field: &str| object::items(rule, &format!("/{field}")).is_empty();
        if none("verbs") {
            causes.push(Cause::required(format!("{place}.verbs"), "verbs must contain at least one value"));
        }
        if !none("nonResourceURLs") {
            let field = format!("{place}.nonResourceURLs");
            let shown = rule.get("nonResourceURLs").unwrap_or(&Value::Null);
            if resource.namespaced {
                causes.push(Cause::invalid(field, shown, "namespaced rules cannot apply to non-resource URLs"));
            } else if !none("apiGroups") || !none("resources") || !none("resourceNames") {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                causes.push(Cause::invalid(field, shown, why));
            }
            continue;
        }
        if none("apiGroups") {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{place}.apiGroups"), why));
        }
        if none("resources") {
            let why = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("{place}.resources"), why));
        }
    }
}

fn claim(value: &Value, causes: &mut Vec<Cause>) {
    let modes = object::items(value, "/spec/accessModes");
    if modes.is_empty() {
        causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    let known = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in modes.iter().filter(|mode| !mode.as_str().is_some_and(|mode| known.contains(&mode))) {
        causes.push(Cause::unsupported("spec.accessModes", mode, &known));
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        let why = "may not use ReadWriteOncePod with other access modes";
        causes.push(Cause::forbidden("spec.accessModes", why));
    }
    match value.pointer("/spec/resources/requests/storage").and_then(Value::as_str) {
        None => causes.push(Cause::required("spec.resources[storage]", "")),
        Some(amount) if Quantity::parse(amount).is_ok_and(|amount| amount.nano() <= 0) => {
            causes.push(Cause::invalid("spec.resources[storage]", &json!(amount), "must be greater than zero"));
        }
        Some(_) => {}
    }
    let class = object::text(value, "/spec/storageClassName");
    for fault in if class.is_empty() { Vec::new() } else { naming::subdomain(class) } {
        causes.push(Cause::invalid("spec.storageClassName", &json!(class), &fault));
    }
    let spec = value.get("spec").unwrap_or(&Value::Null);
    validate_pod_parts::one_of(spec, "volumeMode", "spec", &["Block", "Filesystem"], causes);
}

fn lease(value: &Value, causes: &mut Vec<Cause>) {
    if let Some(seconds) = object::number(value, "/spec/leaseDurationSeconds").filter(|seconds| *seconds < 1) {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", &json!(seconds), "must be greater than 0"));
    }
    not_negative(value, "/spec/leaseTransitions", causes);
}
