//! What the server refuses with 422 in an object's content, of the kinds that are not workloads. Wording
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

/// Everything but the metadata of an object, whether it is new or has changed.
pub(super) fn content(resource: &Resource, value: &Value, warnings: &mut Vec<String>, causes: &mut Vec<Cause>) {
    if resource.custom.is_some() {
        causes.extend(custom::check(resource, value));
        return;
    }
    match resource.kind.as_str() {
        "Pod" => {
            validate_pod::pod(value, causes);
            warnings.extend(pod_warnings::of(value, ""));
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => {
            validate_workload::workload(resource, value, causes, warnings);
        }
        "Service" => {
            validate_service::service(value, causes);
            warnings.extend(validate_service::warnings(value));
        }
        "ConfigMap" => validate_secret::config_map(value, causes),
        "Secret" => {
            validate_secret::secret(value, causes);
            warnings.extend(validate_secret::secret_warning(value));
        }
        "HorizontalPodAutoscaler" => validate_autoscaler::autoscaler(value, causes),
        "PodDisruptionBudget" => budget(value, causes),
        "Ingress" => validate_network::ingress(value, causes),
        "IngressClass" => validate_network::ingress_class(value, causes),
        "NetworkPolicy" => validate_network::network_policy(value, causes),
        "Namespace" => namespace(value, causes),
        "StorageClass" => storage_class(value, causes),
        "EndpointSlice" => endpoint_slice(value, causes),
        "PriorityClass" => priority_class(value, causes),
        "RoleBinding" | "ClusterRoleBinding" => role_reference(resource, value, causes),
        "Role" | "ClusterRole" => role(resource, value, causes),
        "PersistentVolumeClaim" => claim(value, causes),
        "ResourceQuota" => validate_quota::quota(value, causes),
        "LimitRange" => validate_quota::limits(value, causes),
        "Lease" => lease(value, causes),
        "CustomResourceDefinition" => causes.extend(custom::check_definition(value)),
        "ServiceAccount" => deprecated(value, warnings),
        _ => {}
    }
}

/// Who holds a namespace.
fn namespace(value: &Value, causes: &mut Vec<Cause>) {
    for finalizer in object::items(value, "/spec/finalizers").iter().filter_map(Value::as_str) {
        for fault in naming::qualified_name(finalizer) {
            causes.push(Cause::invalid("spec.finalizers", &json!(finalizer), &fault));
        }
        if !naming::is_standard_finalizer(finalizer) && !finalizer.contains('/') {
            causes.push(Cause::invalid("spec.finalizers", &json!(finalizer), naming::UNQUALIFIED_FINALIZER));
        }
    }
}

/// A slice of endpoints: what its addresses are, and that there are some.
fn endpoint_slice(value: &Value, causes: &mut Vec<Cause>) {
    match object::text(value, "/addressType") {
        "" => causes.push(Cause::required("addressType", "")),
        "FQDN" | "IPv4" | "IPv6" => {}
        other => causes.push(Cause::unsupported("addressType", &json!(other), &["FQDN", "IPv4", "IPv6"])),
    }
    for (at, endpoint) in object::items(value, "/endpoints").iter().enumerate() {
        if object::items(endpoint, "/addresses").is_empty() {
            causes.push(Cause::required(format!("endpoints[{at}].addresses"), "must contain at least 1 address"));
        }
    }
}

fn storage_class(value: &Value, causes: &mut Vec<Cause>) {
    let provisioner = object::text(value, "/provisioner");
    if provisioner.is_empty() {
        causes.push(Cause::required("provisioner", ""));
    } else {
        for fault in naming::qualified_name(&provisioner.to_lowercase()) {
            causes.push(Cause::invalid("provisioner", &json!(provisioner.to_lowercase()), &fault));
        }
    }
    validate_pod_parts::one_of(value, "reclaimPolicy", "", &["Delete", "Retain"], causes);
    validate_pod_parts::one_of(value, "volumeBindingMode", "", &["Immediate", "WaitForFirstConsumer"], causes);
}

/// The annotation of accounts that bounds which Secrets its pods mount.
pub(super) const MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";

/// An annotation of accounts that is on its way out.
fn deprecated(account: &Value, warnings: &mut Vec<String>) {
    if object::annotation(account, MOUNTABLE_SECRETS).is_some() {
        warnings.push(format!(
            "metadata.annotations[{MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        ));
    }
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

fn role_reference(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    let group = object::text(value, "/roleRef/apiGroup");
    if group != GROUP {
        causes.push(Cause::unsupported("roleRef.apiGroup", &json!(group), &[GROUP]));
    }
    let kind = object::text(value, "/roleRef/kind");
    if !matches!(kind, "Role" | "ClusterRole") {
        causes.push(Cause::unsupported("roleRef.kind", &json!(kind), &["Role", "ClusterRole"]));
    }
    let name = object::text(value, "/roleRef/name");
    if name.is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for fault in naming::path_segment(name) {
        causes.push(Cause::invalid("roleRef.name", &json!(name), &fault));
    }
    subjects(resource, value, causes);
}

/// The group of roles, of users and of their groups.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The subjects of a binding.
fn subjects(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    for (at, subject) in object::items(value, "/subjects").iter().enumerate() {
        let place = format!("subjects[{at}]");
        let text = |field: &str| object::text(subject, &format!("/{field}"));
        let (kind, name, group) = (text("kind"), text("name"), text("apiGroup"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        }
        match kind {
            "ServiceAccount" => {
                for fault in if name.is_empty() { Vec::new() } else { naming::subdomain(name) } {
                    causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
                }
                if !group.is_empty() {
                    causes.push(Cause::unsupported(format!("{place}.apiGroup"), &json!(group), &[""]));
                }
                if !resource.namespaced && text("namespace").is_empty() {
                    causes.push(Cause::required(format!("{place}.namespace"), ""));
                }
            }
            "User" | "Group" => {
                if group != GROUP {
                    causes.push(Cause::unsupported(format!("{place}.apiGroup"), &json!(group), &[GROUP]));
                }
            }
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
            }
            let field = format!("{place}.nonResourceURLs");
            if !none("apiGroups") || !none("resources") || !none("resourceNames") {
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
