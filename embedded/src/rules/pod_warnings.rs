//! What the server warns of in a pod, or in the template of one: what it takes although it is hardly meant. Checks nothing.
//!
//! Source: `k8s.io/kubernetes/pkg/api/pod/warnings.go`, and `WarningsOnCreate` of the kinds' strategies for names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use structured_merge::quantity::Quantity;

use super::naming;
use crate::object;
use crate::registry::Resource;

/// Of the name of a new object that its pods are named after, or of a pod's own.
pub(super) fn of_name(resource: &Resource, value: &Value) -> Option<String> {
    let used = match resource.kind.as_str() {
        _ if resource.custom.is_some() => return None,
        "Pod" => "the Pod's hostname",
        "Deployment" | "ReplicaSet" | "Job" | "CronJob" => "Pod names and hostnames",
        _ => return None,
    };
    let faults = naming::label(object::name(value));
    (!faults.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            faults.join(" ")
        )
    })
}

/// Of a pod (`place` is empty) or a template (`place` ends with a dot).
pub(super) fn of(pod: &Value, place: &str) -> Vec<String> {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let place = format!("{place}spec");
    let mut warnings = Vec::new();
    for (at, constraint) in object::items(spec, "/topologySpreadConstraints").iter().enumerate() {
        if constraint.get("labelSelector").is_none() {
            let field = format!("{place}.topologySpreadConstraints[{at}].labelSelector");
            warnings.push(format!("{field}: a null labelSelector results in matching no pod"));
        }
    }
    for (list, name) in [("hostAliases", "ip"), ("imagePullSecrets", "name")] {
        let mut seen = BTreeSet::new();
        for (at, item) in object::items(spec, &format!("/{list}")).iter().enumerate() {
            let text = object::text(item, &format!("/{name}"));
            if !seen.insert(text) {
                warnings.push(format!("{place}.{list}[{at}].{name}: duplicate {name} {text:?}"));
            }
        }
    }
    for (at, secret) in object::items(spec, "/imagePullSecrets").iter().enumerate() {
        if object::name_of(secret).is_empty() {
            warnings.push(format!("{place}.imagePullSecrets[{at}].name: invalid empty name \"\""));
        }
    }
    fractions(spec, "/overhead", &format!("{place}.overhead"), &mut warnings);
    let containers = containers(spec, &place);
    for (field, container) in &containers {
        for list in ["limits", "requests"] {
            fractions(container, &format!("/resources/{list}"), &format!("{field}.resources.{list}"), &mut warnings);
        }
        hidden(container, field, &mut warnings);
    }
    ports(&containers, &mut warnings);
    if object::number(spec, "/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        warnings.push(format!(
            "{place}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    warnings
}

/// Every container with the field that it stands in; those that come first are looked at first.
fn containers<'a>(spec: &'a Value, place: &str) -> Vec<(String, &'a Value)> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|list| {
            let all = object::items(spec, &format!("/{list}")).iter().enumerate();
            all.map(move |(at, container)| (format!("{place}.{list}[{at}]"), container))
        })
        .collect()
}

/// Bytes cannot be split.
fn fractions(value: &Value, pointer: &str, field: &str, warnings: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        let amount = object::text(value, &format!("{pointer}/{name}"));
        if Quantity::parse(amount).is_ok_and(|amount| !amount.is_whole()) {
            warnings.push(format!("{field}[{name}]: fractional byte value {amount:?} is invalid, must be an integer"));
        }
    }
}

/// Variables that hide one of the same name, unless they build on it.
fn hidden(container: &Value, field: &str, warnings: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (at, variable) in object::items(container, "/env").iter().enumerate() {
        let (name, value) = (object::name_of(variable), object::text(variable, "/value"));
        if seen.insert(name) {
            continue;
        }
        let before = format!("$({name})");
        if variable.get("valueFrom").is_some() || value == before || !value.contains(&before) {
            warnings.push(format!(
                "{field}.env[{at}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

/// Ports that are given twice, in one container or in several.
fn ports(containers: &[(String, &Value)], warnings: &mut Vec<String>) {
    let all = || {
        containers.iter().flat_map(|(field, container)| {
            let ports = object::items(container, "/ports").iter().enumerate();
            ports.map(move |(at, port)| (format!("{field}.ports[{at}]"), port))
        })
    };
    let mut seen: BTreeMap<(i64, &str), Vec<(String, &Value)>> = BTreeMap::new();
    for (field, port) in all() {
        let key = (object::number(port, "/containerPort").unwrap_or(0), object::text(port, "/protocol"));
        let others = seen.entry(key).or_default();
        for (other_field, other) in others.iter() {
            let host = |port: &Value| object::number(port, "/hostPort").unwrap_or(0);
            let (one, two) = (object::text(port, "/hostIP"), object::text(other, "/hostIP"));
            let how = if one == two && host(port) == host(other) {
                "duplicate"
            } else if host(port) == 0 || host(other) == 0 {
                "overlapping"
            } else if host(port) == host(other) && one.is_empty() != two.is_empty() {
                "dangerously ambiguous"
            } else {
                continue;
            };
            warnings.push(format!("{field}: {how} port definition with {other_field}"));
        }
        others.push((field, port));
    }
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    for (field, port) in all() {
        let name = object::name_of(port);
        if name.is_empty() {
            continue;
        }
        match named.get(name) {
            Some(other) => warnings.push(format!(
                "{field}: duplicate port name {name:?} with {other}, services and probes that select ports by name will use {other}"
            )),
            None => {
                named.insert(name, field);
            }
        }
    }
}
