//! What the server refuses in a pod or a pod template. Source of the wording:
//! `k8s.io/kubernetes/pkg/apis/core/validation/validation.go`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::quantity::Quantity;
use super::{naming, validate};
use crate::failure::Cause;
use crate::object;

/// A pod.
pub(super) fn pod(value: &Value, causes: &mut Vec<Cause>) {
    spec(value.get("spec").unwrap_or(&Value::Null), "spec", causes);
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
    }
    let policy = object::text(spec, "/restartPolicy");
    if !matches!(policy, "Always" | "OnFailure" | "Never") {
        let field = format!("{place}.restartPolicy");
        causes.push(Cause::unsupported(field, &json!(policy), &["Always", "Never", "OnFailure"]));
    }
    if let Some(seconds) = object::number(spec, "/terminationGracePeriodSeconds").filter(|s| *s < 0) {
        let field = format!("{place}.terminationGracePeriodSeconds");
        causes.push(Cause::invalid(field, &json!(seconds), "must be greater than or equal to 0"));
    }
    let account = object::text(spec, "/serviceAccountName");
    for fault in if account.is_empty() { Vec::new() } else { naming::subdomain(account) } {
        causes.push(Cause::invalid(format!("{place}.serviceAccountName"), &json!(account), &fault));
    }
    validate::labels(spec, "/nodeSelector", &format!("{place}.nodeSelector"), causes);
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
    if object::text(container, "/image").is_empty() {
        causes.push(Cause::required(format!("{place}.image"), ""));
    }
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
        let protocol = object::text(port, "/protocol");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(protocol), &["SCTP", "TCP", "UDP"]));
        }
    }
    for (at, variable) in object::items(container, "/env").iter().enumerate() {
        if object::text(variable, "/name").is_empty() {
            causes.push(Cause::required(format!("{place}.env[{at}].name"), ""));
        }
        let given = variable.get("value").and_then(Value::as_str).is_some_and(|v| !v.is_empty());
        if given && variable.get("valueFrom").is_some() {
            causes.push(Cause::invalid(
                format!("{place}.env[{at}].valueFrom"),
                &json!(""),
                "may not be specified when `value` is not empty",
            ));
        }
    }
    let mut mounted = HashSet::new();
    for (at, mount) in object::items(container, "/volumeMounts").iter().enumerate() {
        let place = format!("{place}.volumeMounts[{at}]");
        let name = object::text(mount, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        } else if !volumes.contains(name) && !name.starts_with("kube-api-access-") {
            causes.push(Cause::not_found(format!("{place}.name"), &json!(name)));
        }
        let path = object::text(mount, "/mountPath");
        if path.is_empty() {
            causes.push(Cause::required(format!("{place}.mountPath"), ""));
        } else if !mounted.insert(path) {
            causes.push(Cause::invalid(format!("{place}.mountPath"), &json!(path), "must be unique"));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get(probe) {
            self::probe(found, &format!("{place}.{probe}"), probe != "readinessProbe", causes);
        }
    }
    resources(container, place, causes);
}

fn probe(probe: &Value, place: &str, succeeds_once: bool, causes: &mut Vec<Cause>) {
    let handlers: Vec<&str> =
        ["exec", "httpGet", "tcpSocket", "grpc"].into_iter().filter(|h| probe.get(h).is_some()).collect();
    if handlers.is_empty() {
        causes.push(Cause::required(place, "must specify a handler type"));
    }
    for extra in handlers.iter().skip(1) {
        causes.push(Cause::forbidden(format!("{place}.{extra}"), "may not specify more than 1 handler type"));
    }
    for handler in ["httpGet", "tcpSocket"] {
        if let Some(port) = probe.get(handler).map(|h| h.get("port").unwrap_or(&Value::Null)) {
            validate::port_or_name(port, &format!("{place}.{handler}.port"), causes);
        }
    }
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if let Some(number) = object::number(probe, &format!("/{field}")).filter(|n| *n < 0) {
            let field = format!("{place}.{field}");
            causes.push(Cause::invalid(field, &json!(number), "must be greater than or equal to 0"));
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
    for (name, request) in object::entries(container, "/resources/requests") {
        let (Some(request_amount), limit) = (amount(request), limits.and_then(|l| l.get(name))) else { continue };
        let field = format!("{place}.resources.requests");
        let extended = name.contains('/') && !name.starts_with("kubernetes.io/");
        match limit {
            None if extended => {
                causes.push(Cause::required(
                    format!("{place}.resources.limits[{name}]"),
                    "Limit must be set for non overcommitable resources",
                ));
            }
            Some(limit) => {
                let Some(limit_amount) = amount(limit) else { continue };
                let shown = request.as_str().map_or_else(|| request.to_string(), str::to_owned);
                if extended && request_amount.nano() != limit_amount.nano() {
                    let why = format!("must be equal to {name} limit of {limit_amount}");
                    causes.push(Cause::invalid(field, &json!(shown), &why));
                } else if request_amount.nano() > limit_amount.nano() {
                    let why = format!("must be less than or equal to {name} limit of {limit_amount}");
                    causes.push(Cause::invalid(field, &json!(shown), &why));
                }
            }
            None => {}
        }
    }
    for list in ["requests", "limits"] {
        for (name, value) in object::entries(container, &format!("/resources/{list}")) {
            let field = format!("{place}.resources.{list}[{name}]");
            let Some(parsed) = amount(value) else { continue };
            if parsed.nano() < 0 {
                causes.push(Cause::invalid(field, value, "must be greater than or equal to 0"));
            } else if name.contains('/') && parsed.nano() % 1_000_000_000 != 0 {
                causes.push(Cause::invalid(field, value, "must be an integer"));
            }
        }
    }
}

/// A pod's spec may hardly change.
pub(super) fn unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                object::remove(container, "/image");
            }
        }
        for field in ["/activeDeadlineSeconds", "/tolerations", "/terminationGracePeriodSeconds", "/schedulingGates"] {
            object::remove(&mut spec, field);
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
