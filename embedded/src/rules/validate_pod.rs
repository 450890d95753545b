//! What the server refuses in a pod or a pod template. Source of the wording:
//! `k8s.io/kubernetes/pkg/apis/core/validation/validation.go`.

use std::collections::HashSet;

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::resource_names;
use super::{naming, validate, validate_pod_parts as parts};
use crate::failure::Cause;
use crate::object;

/// A pod.
pub(super) fn pod(value: &Value, causes: &mut Vec<Cause>) {
    spec(value.get("spec").unwrap_or(&Value::Null), "spec", causes);
    images(value, causes);
}

/// A pod spec at a place such as `spec.template.spec`.
pub(super) fn spec(spec: &Value, place: &str, causes: &mut Vec<Cause>) {
    let mut volumes = HashSet::new();
    for (at, volume) in object::items(spec, "/volumes").iter().enumerate() {
        let name = object::text(volume, "/name");
        let field = format!("{place}.volumes[{at}].name");
        if name.is_empty() {
            causes.push(Cause::required(field, ""));
        } else {
            for fault in naming::label(name) {
                causes.push(Cause::invalid(field.clone(), &json!(name), &fault));
            }
            if !volumes.insert(name) {
                causes.push(Cause::duplicate(field, &json!(name)));
            }
        }
        parts::volume(volume, &format!("{place}.volumes[{at}]"), causes);
    }
    let containers = object::items(spec, "/containers");
    if containers.is_empty() {
        causes.push(Cause::required(format!("{place}.containers"), ""));
    }
    let mut names = HashSet::new();
    for list in ["containers", "initContainers"] {
        for (at, item) in object::items(spec, &format!("/{list}")).iter().enumerate() {
            let place = format!("{place}.{list}[{at}]");
            let name = object::text(item, "/name");
            if !name.is_empty() && !names.insert(name) {
                causes.push(Cause::duplicate(format!("{place}.name"), &json!(name)));
            }
            container(item, &place, &volumes, causes);
        }
        host_ports(spec, list, place, causes);
    }
    parts::one_of(spec, "restartPolicy", place, &["Always", "OnFailure", "Never"], causes);
    parts::names_service(spec, place, causes);
    validate::labels(spec, "/nodeSelector", &format!("{place}.nodeSelector"), causes);
    parts::security(spec.get("securityContext"), &format!("{place}.securityContext"), causes);
    parts::affinity(spec, place, causes);
    parts::names_config(spec, place, causes);
    for (at, constraint) in object::items(spec, "/topologySpreadConstraints").iter().enumerate() {
        let place = format!("{place}.topologySpreadConstraints[{at}]");
        if object::number(constraint, "/maxSkew").unwrap_or(0) < 1 {
            let skew = constraint.get("maxSkew").cloned().unwrap_or(json!(0));
            causes.push(Cause::invalid(format!("{place}.maxSkew"), &skew, "must be greater than zero"));
        }
        if object::text(constraint, "/topologyKey").is_empty() {
            causes.push(Cause::required(format!("{place}.topologyKey"), "can not be empty"));
        }
        let when = object::text(constraint, "/whenUnsatisfiable");
        if !matches!(when, "DoNotSchedule" | "ScheduleAnyway") {
            let field = format!("{place}.whenUnsatisfiable");
            causes.push(Cause::unsupported(field, &json!(when), &["DoNotSchedule", "ScheduleAnyway"]));
        }
    }
    parts::names(spec, place, causes);
}

/// Two containers cannot have the same port of the node.
fn host_ports(spec: &Value, list: &str, place: &str, causes: &mut Vec<Cause>) {
    let mut taken = HashSet::new();
    for (at, container) in object::items(spec, &format!("/{list}")).iter().enumerate() {
        for (number, port) in object::items(container, "/ports").iter().enumerate() {
            let host = object::number(port, "/hostPort").unwrap_or(0);
            let shown = format!("{}/{}/{host}", object::text(port, "/protocol"), object::text(port, "/hostIP"));
            if host != 0 && !taken.insert(shown.clone()) {
                let field = format!("{place}.{list}[{at}].ports[{number}].hostPort");
                causes.push(Cause::duplicate(field, &json!(shown)));
            }
        }
    }
}

fn container(container: &Value, place: &str, volumes: &HashSet<&str>, causes: &mut Vec<Cause>) {
    let name = object::text(container, "/name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{place}.name"), ""));
    } else {
        for fault in naming::label(name) {
            causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
        }
    }
    let image = object::text(container, "/image");
    if image.is_empty() {
        causes.push(Cause::required(format!("{place}.image"), ""));
    }
    let policies = ["File", "FallbackToLogsOnError"];
    parts::one_of(container, "terminationMessagePolicy", place, &policies, causes);
    let mut port_names = HashSet::new();
    for (at, port) in object::items(container, "/ports").iter().enumerate() {
        let place = format!("{place}.ports[{at}]");
        let name = object::text(port, "/name");
        if !name.is_empty() {
            for fault in naming::port_name(name) {
                causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
            }
            if !port_names.insert(name) {
                causes.push(Cause::duplicate(format!("{place}.name"), &json!(name)));
            }
        }
        validate::port(port.get("containerPort"), &format!("{place}.containerPort"), causes);
        if port.get("hostPort").is_some_and(|host| *host != json!(0)) {
            validate::port(port.get("hostPort"), &format!("{place}.hostPort"), causes);
        }
        let protocol = object::text(port, "/protocol");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(protocol), &["SCTP", "TCP", "UDP"]));
        }
    }
    for (at, variable) in object::items(container, "/env").iter().enumerate() {
        self::variable(variable, &format!("{place}.env[{at}]"), causes);
    }
    let container_place = place;
    let mut mounted = HashSet::new();
    for (at, mount) in object::items(container, "/volumeMounts").iter().enumerate() {
        let place = format!("{place}.volumeMounts[{at}]");
        let name = object::text(mount, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        }
        if !volumes.contains(name) && !name.starts_with("kube-api-access-") {
            causes.push(Cause::not_found(format!("{place}.name"), &json!(name)));
        }
        let path = object::text(mount, "/mountPath");
        if path.is_empty() {
            causes.push(Cause::required(format!("{place}.mountPath"), ""));
        }
        if !mounted.insert(path) {
            causes.push(Cause::invalid(format!("{place}.mountPath"), &json!(path), "must be unique"));
        }
        let below = object::text(mount, "/subPath");
        let field = format!("{container_place}.volumeMounts.subPath");
        if below.starts_with('/') {
            causes.push(Cause::invalid(field, &json!(below), "must be a relative path"));
        } else if below.split('/').any(|part| part == "..") {
            causes.push(Cause::invalid(field, &json!(below), "must not contain '..'"));
        }
    }
    parts::one_of(container, "imagePullPolicy", place, &["Always", "IfNotPresent", "Never"], causes);
    resources(container, place, causes);
    parts::security(container.get("securityContext"), &format!("{place}.securityContext"), causes);
    for hook in ["postStart", "preStop"] {
        if let Some(found) = container.pointer(&format!("/lifecycle/{hook}")) {
            handler(found, &format!("{place}.lifecycle.{hook}"), causes);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get(probe) {
            self::probe(found, &format!("{place}.{probe}"), probe != "readinessProbe", causes);
        }
    }
}

/// A variable of a container's environment.
fn variable(variable: &Value, place: &str, causes: &mut Vec<Cause>) {
    const FIELDS: &[&str] = &[
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    ];
    let name = object::text(variable, "/name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{place}.name"), ""));
    } else if name.bytes().any(|byte| !(0x20..0x7f).contains(&byte) || byte == b'=') {
        let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        causes.push(Cause::invalid(format!("{place}.name"), &json!(name), why));
    }
    let Some(source) = variable.get("valueFrom") else { return };
    let place = format!("{place}.valueFrom");
    let path = object::text(source, "/fieldRef/fieldPath");
    if source.get("fieldRef").is_some() {
        let field = format!("{place}.fieldRef.fieldPath");
        if path.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if !path.contains('[') && !FIELDS.contains(&path) {
            let why = format!("error converting fieldPath: field label not supported: {path}");
            causes.push(Cause::invalid(field, &json!(path), &why));
        }
    }
    for reference in ["configMapKeyRef", "secretKeyRef"] {
        if source.get(reference).is_some_and(|found| object::text(found, "/key").is_empty()) {
            causes.push(Cause::required(format!("{place}.{reference}.key"), ""));
        }
    }
    let sources = source.as_object().map_or(0, serde_json::Map::len);
    let why = match sources {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if !object::text(variable, "/value").is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    causes.push(Cause::invalid(place, &json!(""), why));
}

/// What a probe or a hook does.
fn handler(handler: &Value, place: &str, causes: &mut Vec<Cause>) {
    let known = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let mut found = known.into_iter().filter(|known| handler.get(known).is_some());
    let Some(first) = found.next() else {
        causes.push(Cause::required(place, "must specify a handler type"));
        return;
    };
    let inner = handler.get(first).unwrap_or(&Value::Null);
    match first {
        "exec" if object::items(inner, "/command").is_empty() => {
            causes.push(Cause::required(format!("{place}.exec.command"), ""));
        }
        "httpGet" => {
            let port = inner.get("port").unwrap_or(&Value::Null);
            validate::port_or_name(port, &format!("{place}.httpGet.port"), causes);
            parts::one_of(inner, "scheme", &format!("{place}.httpGet"), &["HTTP", "HTTPS"], causes);
        }
        "tcpSocket" => {
            let port = inner.get("port").unwrap_or(&Value::Null);
            validate::port_or_name(port, &format!("{place}.tcpSocket.port"), causes);
        }
        _ => {}
    }
    for extra in found {
        causes.push(Cause::forbidden(format!("{place}.{extra}"), "may not specify more than 1 handler type"));
    }
}

fn probe(probe: &Value, place: &str, succeeds_once: bool, causes: &mut Vec<Cause>) {
    handler(probe, place, causes);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if let Some(number) = object::number(probe, &format!("/{field}")).filter(|n| *n < 0) {
            let field = format!("{place}.{field}");
            causes.push(Cause::invalid(field, &json!(number), "must be greater than or equal to 0"));
        }
    }
    if let Some(seconds) = object::number(probe, "/terminationGracePeriodSeconds") {
        let field = format!("{place}.terminationGracePeriodSeconds");
        if seconds <= 0 {
            causes.push(Cause::invalid(field.clone(), &json!(seconds), "must be greater than 0"));
        }
        if !succeeds_once {
            causes.push(Cause::invalid(field, &json!(seconds), "must not be set for readinessProbes"));
        }
    }
    let successes = object::number(probe, "/successThreshold").unwrap_or(1);
    if succeeds_once && successes != 1 {
        causes.push(Cause::invalid(format!("{place}.successThreshold"), &json!(successes), "must be 1"));
    }
}

fn resources(container: &Value, place: &str, causes: &mut Vec<Cause>) {
    let amount = |value: &Value| match value {
        Value::String(text) => Quantity::parse(text).ok(),
        other => Quantity::parse(&other.to_string()).ok(),
    };
    let limits = container.pointer("/resources/limits");
    for list in ["limits", "requests"] {
        for (name, value) in object::entries(container, &format!("/resources/{list}")) {
            let field = format!("{place}.resources.{list}[{name}]");
            let strict = !resource_names::can_be_overcommitted(name);
            resource_names::check_of_a_container(name, &field, causes);
            let Some(parsed) = amount(value) else { continue };
            if parsed.nano() < 0 {
                causes.push(Cause::invalid(field.clone(), value, "must be greater than or equal to 0"));
            }
            if resource_names::is_whole(name) && !parsed.is_whole() {
                causes.push(Cause::invalid(field, value, "must be an integer"));
            }
            if list == "limits" {
                continue;
            }
            let field = format!("{place}.resources.requests");
            match limits.and_then(|limits| limits.get(name)) {
                None if strict => causes.push(Cause::required(
                    format!("{place}.resources.limits"),
                    "Limit must be set for non overcommitable resources",
                )),
                None => {}
                Some(limit) => {
                    let Some(most) = amount(limit) else { continue };
                    if strict && parsed.nano() != most.nano() {
                        let why = format!("must be equal to {name} limit of {most}");
                        causes.push(Cause::invalid(field, value, &why));
                    } else if parsed.nano() > most.nano() {
                        let why = format!("must be less than or equal to {name} limit of {most}");
                        causes.push(Cause::invalid(field, value, &why));
                    }
                }
            }
        }
    }
}

/// What a pod alone is checked for, beside its spec: a template may hold an image with spaces around it.
pub(super) fn images(value: &Value, causes: &mut Vec<Cause>) {
    for list in ["containers", "initContainers"] {
        for (at, container) in object::items(value, &format!("/spec/{list}")).iter().enumerate() {
            let image = object::text(container, "/image");
            if image.trim() != image {
                let why = "must not have leading or trailing whitespace";
                causes.push(Cause::invalid(format!("spec.{list}[{at}].image"), &json!(image), why));
            }
        }
    }
}

/// A pod's spec may hardly change.
pub(super) fn unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/{list}");
        if object::items(old, &pointer).len() != object::items(new, &pointer).len() {
            let why = "pod updates may not add or remove containers";
            causes.push(Cause::forbidden(format!("spec.{list}"), why));
            return;
        }
    }
    // The images once more.
    for (at, container) in object::items(new, "/spec/containers").iter().enumerate() {
        if object::text(container, "/image").is_empty() {
            causes.push(Cause::required(format!("spec.containers[{at}].image"), ""));
        }
    }
    images(new, causes);
    let deadline = |pod| object::number(pod, "/spec/activeDeadlineSeconds");
    match (deadline(old), deadline(new)) {
        (Some(before), Some(after)) if after > before => causes.push(Cause::invalid(
            "spec.activeDeadlineSeconds",
            &json!(after),
            "must be less than or equal to previous value",
        )),
        (Some(_), None) => {
            let why = "must not update from a positive integer to nil value";
            causes.push(Cause::invalid("spec.activeDeadlineSeconds", &Value::Null, why));
        }
        _ => {}
    }
    let grace = |pod| object::number(pod, "/spec/terminationGracePeriodSeconds");
    let mended = grace(old).is_some_and(|seconds| seconds < 0) && grace(new) == Some(1);
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                object::remove(container, "/image");
            }
        }
        for field in ["/activeDeadlineSeconds", "/tolerations", "/schedulingGates"] {
            object::remove(&mut spec, field);
        }
        if mended {
            object::remove(&mut spec, "/terminationGracePeriodSeconds");
        }
        spec
    };
    if fixed(old) != fixed(new) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}
