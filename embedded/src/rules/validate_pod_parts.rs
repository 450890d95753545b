//! What the server refuses in the parts of a pod that are not its containers: volumes, tolerations, affinity, security
//! contexts, names and policies. Source of the wording: `k8s.io/kubernetes/pkg/apis/core/validation/validation.go`.

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::{naming, validate};
use crate::failure::Cause;
use crate::object;

/// The largest number of a user or group.
const MOST_USER: i64 = 2_147_483_647;

/// A text outside a fixed list.
pub(super) fn one_of(value: &Value, field: &str, place: &str, known: &[&str], causes: &mut Vec<Cause>) {
    let text = object::text(value, &format!("/{field}"));
    if value.get(field).is_some() && !known.contains(&text) {
        let field = if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") };
        causes.push(Cause::unsupported(field, &json!(text), known));
    }
}

/// The sources of a volume; one at most.
pub(super) fn volume(volume: &Value, place: &str, causes: &mut Vec<Cause>) {
    const SOURCES: [&str; 6] = ["emptyDir", "hostPath", "secret", "persistentVolumeClaim", "downwardAPI", "configMap"];
    let mut first = None;
    for source in SOURCES {
        let Some(found) = volume.get(source) else { continue };
        let place = format!("{place}.{source}");
        if first.is_some() {
            causes.push(Cause::forbidden(place, "may not specify more than 1 volume type"));
            continue;
        }
        first = Some(source);
        match source {
            "emptyDir" => {
                let limit = object::text(found, "/sizeLimit");
                if Quantity::parse(limit).is_ok_and(|limit| limit.nano() < 0) {
                    let why = "SizeLimit field must be a valid resource quantity";
                    causes.push(Cause::forbidden(format!("{place}.sizeLimit"), why));
                }
            }
            "hostPath" => host_path(found, &place, causes),
            "secret" => {
                needed(found, "secretName", &place, causes);
                mode(found, &place, causes);
            }
            "persistentVolumeClaim" => needed(found, "claimName", &place, causes),
            "configMap" => {
                needed(found, "name", &place, causes);
                mode(found, &place, causes);
            }
            _ => mode(found, &place, causes),
        }
    }
}

fn needed(value: &Value, field: &str, place: &str, causes: &mut Vec<Cause>) {
    if object::text(value, &format!("/{field}")).is_empty() {
        causes.push(Cause::required(format!("{place}.{field}"), ""));
    }
}

fn mode(value: &Value, place: &str, causes: &mut Vec<Cause>) {
    if let Some(mode) = object::number(value, "/defaultMode").filter(|mode| !(0..=0o777).contains(mode)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        causes.push(Cause::invalid(format!("{place}.defaultMode"), &json!(mode), why));
    }
}

fn host_path(value: &Value, place: &str, causes: &mut Vec<Cause>) {
    let path = object::text(value, "/path");
    if path.is_empty() {
        causes.push(Cause::required(format!("{place}.path"), ""));
        return;
    }
    if path.split('/').any(|part| part == "..") {
        causes.push(Cause::invalid(format!("{place}.path"), &json!(path), "must not contain '..'"));
    }
    let known = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    one_of(value, "type", place, &known, causes);
}

/// Who the processes of a pod or a container run as.
pub(super) fn security(context: Option<&Value>, place: &str, causes: &mut Vec<Cause>) {
    let Some(context) = context else { return };
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        if let Some(id) = object::number(context, &format!("/{field}")).filter(|id| !(0..=MOST_USER).contains(id)) {
            let why = format!("must be between 0 and {MOST_USER}, inclusive");
            causes.push(Cause::invalid(format!("{place}.{field}"), &json!(id), &why));
        }
    }
    if let Some(profile) = context.get("seccompProfile") {
        let known = ["Localhost", "RuntimeDefault", "Unconfined"];
        one_of(profile, "type", &format!("{place}.seccompProfile"), &known, causes);
    }
}

/// Tolerations.
pub(super) fn tolerations(spec: &Value, place: &str, causes: &mut Vec<Cause>) {
    for (at, toleration) in object::items(spec, "/tolerations").iter().enumerate() {
        let place = format!("{place}.tolerations[{at}]");
        let text = |field: &str| object::text(toleration, &format!("/{field}"));
        let (key, operator, value, effect) = (text("key"), text("operator"), text("value"), text("effect"));
        if !key.is_empty() {
            for fault in naming::qualified_name(key) {
                causes.push(Cause::invalid(format!("{place}.key"), &json!(key), &fault));
            }
        } else if operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(Cause::invalid(format!("{place}.operator"), &json!(operator), why));
        }
        if toleration.get("tolerationSeconds").is_some() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(Cause::invalid(format!("{place}.effect"), &json!(effect), why));
        }
        let field = format!("{place}.operator");
        match operator {
            "" | "Equal" => {
                let faults = naming::label_value(value);
                if !faults.is_empty() {
                    causes.push(Cause::invalid(field, &json!(value), &faults.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                causes.push(Cause::invalid(field, &json!(value), "value must be empty when `operator` is 'Exists'"));
            }
            "Exists" => {}
            other => causes.push(Cause::unsupported(field, &json!(other), &["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            one_of(toleration, "effect", &place, &["NoSchedule", "PreferNoSchedule", "NoExecute"], causes);
        }
    }
}

/// Which nodes, and which pods beside it, a pod wants.
pub(super) fn affinity(spec: &Value, place: &str, causes: &mut Vec<Cause>) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(required) = spec.pointer(&format!("/affinity/nodeAffinity/{REQUIRED}")) {
        let place = format!("{place}.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms");
        let terms = object::items(required, "/nodeSelectorTerms");
        if terms.is_empty() {
            causes.push(Cause::required(place.clone(), "must have at least one node selector term"));
        }
        for (at, term) in terms.iter().enumerate() {
            for (number, expression) in object::items(term, "/matchExpressions").iter().enumerate() {
                let place = format!("{place}[{at}].matchExpressions[{number}]");
                let operator = object::text(expression, "/operator");
                if matches!(operator, "In" | "NotIn") && object::items(expression, "/values").is_empty() {
                    let why = "must be specified when `operator` is 'In' or 'NotIn'";
                    causes.push(Cause::required(format!("{place}.values"), why));
                }
            }
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (at, term) in object::items(spec, &format!("/affinity/{kind}/{REQUIRED}")).iter().enumerate() {
            pod_term(term, &format!("{place}.affinity.{kind}.{REQUIRED}[{at}]"), causes);
        }
        for (at, weighted) in object::items(spec, &format!("/affinity/{kind}/{PREFERRED}")).iter().enumerate() {
            let place = format!("{place}.affinity.{kind}.{PREFERRED}[{at}]");
            let weight = object::number(weighted, "/weight").unwrap_or(0);
            if !(1..=100).contains(&weight) {
                let why = "must be in the range 1-100";
                causes.push(Cause::invalid(format!("{place}.weight"), &json!(weight), why));
            }
            if let Some(term) = weighted.get("podAffinityTerm") {
                pod_term(term, &format!("{place}.podAffinityTerm"), causes);
            }
        }
    }
}

fn pod_term(term: &Value, place: &str, causes: &mut Vec<Cause>) {
    let key = object::text(term, "/topologyKey");
    let field = format!("{place}.topologyKey");
    if key.is_empty() {
        causes.push(Cause::required(field.clone(), "can not be empty"));
    }
    for fault in naming::qualified_name(key) {
        causes.push(Cause::invalid(field.clone(), &json!(key), &fault));
    }
}

/// The plain fields of a pod's spec, in the order in which the server looks at them.
pub(super) fn names(spec: &Value, place: &str, causes: &mut Vec<Cause>) {
    let named = |field: &str, faults: fn(&str) -> Vec<String>, causes: &mut Vec<Cause>| {
        let text = object::text(spec, &format!("/{field}"));
        for fault in if text.is_empty() { Vec::new() } else { faults(text) } {
            causes.push(Cause::invalid(format!("{place}.{field}"), &json!(text), &fault));
        }
    };
    named("serviceAccountName", naming::subdomain, causes);
    named("nodeName", naming::subdomain, causes);
    if let Some(seconds) =
        object::number(spec, "/activeDeadlineSeconds").filter(|seconds| !(1..=MOST_USER).contains(seconds))
    {
        let why = format!("must be between 1 and {MOST_USER}, inclusive");
        causes.push(Cause::invalid(format!("{place}.activeDeadlineSeconds"), &json!(seconds), &why));
    }
    named("hostname", naming::label, causes);
    named("subdomain", naming::label, causes);
    tolerations(spec, place, causes);
    for (at, alias) in object::items(spec, "/hostAliases").iter().enumerate() {
        validate::address(object::text(alias, "/ip"), &format!("{place}.hostAliases[{at}].ip"), causes);
    }
}

/// How a pod's names are looked up.
pub(super) fn names_service(spec: &Value, place: &str, causes: &mut Vec<Cause>) {
    let known = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(spec, "dnsPolicy", place, &known, causes);
}

/// What `dnsPolicy: None` needs.
pub(super) fn names_config(spec: &Value, place: &str, causes: &mut Vec<Cause>) {
    if object::text(spec, "/dnsPolicy") != "None" {
        return;
    }
    match spec.get("dnsConfig") {
        None => {
            let why = "must provide `dnsConfig` when `dnsPolicy` is None";
            causes.push(Cause::required(format!("{place}.dnsConfig"), why));
        }
        Some(config) if object::items(config, "/nameservers").is_empty() => {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            causes.push(Cause::required(format!("{place}.dnsConfig.nameservers"), why));
        }
        Some(_) => {}
    }
}
