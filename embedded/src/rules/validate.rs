//! What the server refuses with 422, for the metadata of every object and for the kinds that are not workloads. Wording
//! as in `k8s.io/kubernetes/pkg/apis/*/validation`. Finds everything at once; changes nothing.

use serde_json::{Value, json};

use super::quantity::Quantity;
use super::{custom, naming, validate_pod, validate_workload};
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
        return custom::check(resource, value);
    }
    let mut causes = Vec::new();
    match resource.kind.as_str() {
        "Pod" => validate_pod::pod(value, &mut causes),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => {
            validate_workload::workload(resource, value, &mut causes, warnings);
        }
        "Service" => service(value, &mut causes),
        "ConfigMap" | "Secret" => data(value, &mut causes),
        "HorizontalPodAutoscaler" => autoscaler(value, &mut causes),
        "PodDisruptionBudget" => budget(value, &mut causes),
        "Ingress" => ingress(value, &mut causes),
        "NetworkPolicy" => network_policy(value, &mut causes),
        "PriorityClass" => priority_class(value, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" => role_reference(value, &mut causes),
        "PersistentVolumeClaim" => claim(value, &mut causes),
        "ResourceQuota" => quota(value, &mut causes),
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
    let mut causes = on_create(resource, new, warnings);
    if resource.custom.is_some() {
        return causes;
    }
    let changed = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    let immutable: &[&str] = match resource.kind.as_str() {
        "Deployment" | "DaemonSet" | "ReplicaSet" => &["spec.selector"],
        "Job" => &["spec.selector", "spec.template", "spec.completionMode"],
        "RoleBinding" | "ClusterRoleBinding" => &["roleRef"],
        "StorageClass" => &["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
        "RuntimeClass" => &["handler"],
        _ => &[],
    };
    for field in immutable {
        let pointer = format!("/{}", field.replace('.', "/"));
        if changed(&pointer) {
            let value = new.pointer(&pointer).cloned().unwrap_or_default();
            causes.push(Cause::invalid(*field, &value, "field is immutable"));
        }
    }
    match resource.kind.as_str() {
        "StatefulSet" => validate_workload::stateful_set_unchanged(old, new, &mut causes),
        "Service" => {
            let kept = object::text(old, "/spec/clusterIP");
            let external = [old, new].iter().any(|v| object::text(v, "/spec/type") == "ExternalName");
            if !external && !kept.is_empty() && changed("/spec/clusterIP") {
                let value = json!([new.pointer("/spec/clusterIP")]);
                causes.push(Cause::invalid("spec.clusterIPs[0]", &value, "may not change once set"));
            }
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

fn service(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/spec/type");
    let headless = object::text(value, "/spec/clusterIP") == "None";
    let ports = object::items(value, "/spec/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    if kind == "ExternalName" && object::text(value, "/spec/externalName").is_empty() {
        causes.push(Cause::required("spec.externalName", ""));
    }
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        causes.push(Cause::unsupported("spec.type", &json!(kind), &known));
    }
    let mut names = Vec::new();
    let mut numbers = Vec::new();
    for (at, entry) in ports.iter().enumerate() {
        let place = format!("spec.ports[{at}]");
        let name = object::text(entry, "/name");
        if name.is_empty() {
            if ports.len() > 1 {
                causes.push(Cause::required(format!("{place}.name"), ""));
            }
        } else {
            for fault in naming::label(name) {
                causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
            }
            if names.contains(&name) {
                causes.push(Cause::duplicate(format!("{place}.name"), &json!(name)));
            }
            names.push(name);
        }
        match object::number(entry, "/port") {
            Some(1..=65_535) => {}
            other => causes.push(Cause::invalid(
                format!("{place}.port"),
                &json!(other.unwrap_or(0)),
                "must be between 1 and 65535, inclusive",
            )),
        }
        if let Some(target) = entry.get("targetPort") {
            port_or_name(target, &format!("{place}.targetPort"), causes);
        }
        let protocol = object::text(entry, "/protocol");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(protocol), &["SCTP", "TCP", "UDP"]));
        }
        let number = (entry.get("port"), entry.get("protocol"));
        if numbers.contains(&number) {
            let shown = json!({"protocol": protocol, "port": entry.get("port")});
            causes.push(Cause::duplicate(place, &shown));
        }
        numbers.push(number);
    }
    labels(value, "/spec/selector", "spec.selector", causes);
}

fn data(value: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for map in ["data", "binaryData"] {
        for (key, text) in object::entries(value, &format!("/{map}")) {
            size += text.as_str().unwrap_or_default().len();
            let shaped = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !shaped {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(format!("{map}[{key}]"), &json!(key), why));
            }
        }
    }
    if size > 1024 * 1024 {
        causes.push(Cause::too_long("", 1024 * 1024));
    }
}

fn autoscaler(value: &Value, causes: &mut Vec<Cause>) {
    let least = object::number(value, "/spec/minReplicas").unwrap_or(1);
    let most = object::number(value, "/spec/maxReplicas").unwrap_or(0);
    if least < 1 {
        causes.push(Cause::invalid("spec.minReplicas", &json!(least), "must be greater than or equal to 1"));
    }
    if most < 1 {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than 0"));
    }
    if most < least {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`"));
    }
    for field in ["kind", "name"] {
        if object::text(value, &format!("/spec/scaleTargetRef/{field}")).is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
    let target = object::text(value, "/spec/scaleTargetRef/apiVersion");
    let core = ["Pod", "ReplicationController"].contains(&object::text(value, "/spec/scaleTargetRef/kind"));
    if !core && !target.contains('/') {
        let why = "apiVersion must specify API group";
        causes.push(Cause::invalid("spec.scaleTargetRef.apiVersion", &json!(target), why));
    }
    for (at, metric) in object::items(value, "/spec/metrics").iter().enumerate() {
        let kind = object::text(metric, "/type");
        let known = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        if !known.contains(&kind) {
            causes.push(Cause::unsupported(format!("spec.metrics[{at}].type"), &json!(kind), &known));
        }
        if kind == "Resource" && metric.get("resource").is_none() {
            causes.push(Cause::required(
                format!("spec.metrics[{at}].resource"),
                "must populate information for the given metric source",
            ));
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
                if percent.is_none() {
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
}

fn ingress(value: &Value, causes: &mut Vec<Cause>) {
    let rules = object::items(value, "/spec/rules");
    if rules.is_empty() && value.pointer("/spec/defaultBackend").is_none() {
        let spec = value.get("spec").cloned().unwrap_or_else(|| json!({}));
        causes.push(Cause::invalid("spec", &spec, "either `defaultBackend` or `rules` must be specified"));
    }
    for (at, rule) in rules.iter().enumerate() {
        let host = object::text(rule, "/host");
        let plain = host.strip_prefix("*.").unwrap_or(host);
        for fault in if host.is_empty() { Vec::new() } else { naming::subdomain(plain) } {
            causes.push(Cause::invalid(format!("spec.rules[{at}].host"), &json!(host), &fault));
        }
        for (path_at, path) in object::items(rule, "/http/paths").iter().enumerate() {
            let place = format!("spec.rules[{at}].http.paths[{path_at}]");
            let kind = object::text(path, "/pathType");
            if kind.is_empty() {
                causes.push(Cause::required(format!("{place}.pathType"), "pathType must be specified"));
            } else if !matches!(kind, "Exact" | "Prefix" | "ImplementationSpecific") {
                let known = ["Exact", "ImplementationSpecific", "Prefix"];
                causes.push(Cause::unsupported(format!("{place}.pathType"), &json!(kind), &known));
            }
            let text = object::text(path, "/path");
            if matches!(kind, "Exact" | "Prefix") && !text.starts_with('/') {
                causes.push(Cause::invalid(format!("{place}.path"), &json!(text), "must be an absolute path"));
            }
            if let Some(service) = path.pointer("/backend/service") {
                if object::text(service, "/name").is_empty() {
                    causes.push(Cause::required(format!("{place}.backend.service.name"), ""));
                }
                let named = !object::text(service, "/port/name").is_empty();
                if !named && object::number(service, "/port/number").unwrap_or(0) == 0 {
                    causes.push(Cause::required(format!("{place}.backend"), "port name or number is required"));
                }
            }
        }
    }
}

fn network_policy(value: &Value, causes: &mut Vec<Cause>) {
    selector(value, "/spec/podSelector", causes);
    for direction in ["ingress", "egress"] {
        for (at, rule) in object::items(value, &format!("/spec/{direction}")).iter().enumerate() {
            for (port_at, entry) in object::items(rule, "/ports").iter().enumerate() {
                let place = format!("spec.{direction}[{at}].ports[{port_at}]");
                if let Some(port) = entry.get("port") {
                    port_or_name(port, &format!("{place}.port"), causes);
                }
                let protocol = object::text(entry, "/protocol");
                if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
                    let known = ["SCTP", "TCP", "UDP"];
                    causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(protocol), &known));
                }
            }
        }
    }
    for (at, kind) in object::items(value, "/spec/policyTypes").iter().enumerate() {
        if !matches!(kind.as_str(), Some("Ingress" | "Egress")) {
            causes.push(Cause::unsupported(format!("spec.policyTypes[{at}]"), kind, &["Egress", "Ingress"]));
        }
    }
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
}

fn role_reference(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/roleRef/kind");
    if !matches!(kind, "Role" | "ClusterRole") {
        causes.push(Cause::unsupported("roleRef.kind", &json!(kind), &["ClusterRole", "Role"]));
    }
    if object::text(value, "/roleRef/name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
}

fn claim(value: &Value, causes: &mut Vec<Cause>) {
    if object::items(value, "/spec/accessModes").is_empty() {
        causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    if value.pointer("/spec/resources/requests/storage").is_none() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    }
}

fn quota(value: &Value, causes: &mut Vec<Cause>) {
    for (name, amount) in object::entries(value, "/spec/hard") {
        let amount = amount.as_str().map(str::to_owned).unwrap_or_else(|| amount.to_string());
        if Quantity::parse(&amount).is_ok_and(|q| q.nano() < 0) {
            causes.push(Cause::invalid(
                format!("spec.hard[{name}]"),
                &json!(amount),
                "must be greater than or equal to 0",
            ));
        }
    }
}
