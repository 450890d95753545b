//! What the level `restricted` asks beyond `baseline`: the practices of hardened pods.
//!
//! Source: the checks of that level in `k8s.io/pod-security-admission/policy`, in the order of their names.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline::{bad_seccomp, proc_mount, seccomp};
use super::{Finding, Subject, named, quoted, setters, several};
use crate::object;

/// Volumes that hold nothing of the machine's.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What the subject does beyond the level, `baseline` left out.
pub(super) fn findings(subject: Subject<'_>, minor: u32) -> Vec<Finding> {
    let elsewhere = minor >= 25 && subject.is_for_windows();
    let own_users = minor >= 35 && subject.has_own_users();
    let found = [
        if minor >= 8 && !elsewhere { escalation(subject) } else { None },
        if minor >= 22 && !elsewhere { capabilities(subject) } else { None },
        if minor >= 35 { proc_mount(subject) } else { None },
        volumes(subject),
        if own_users { None } else { non_root(subject) },
        if minor >= 23 && !own_users { user(subject) } else { None },
        if minor >= 19 && !elsewhere { seccomp_everywhere(subject) } else { None },
    ];
    found.into_iter().flatten().collect()
}

fn escalation(subject: Subject<'_>) -> Option<Finding> {
    let field = "/securityContext/allowPrivilegeEscalation";
    let containers = subject.those(|container| container.pointer(field) != Some(&Value::Bool(false)));
    if containers.is_empty() {
        return None;
    }
    let who = named("container", &containers);
    let detail = format!("{who} must set securityContext.allowPrivilegeEscalation=false");
    Finding::new("allowPrivilegeEscalation != false", detail)
}

fn capabilities(subject: Subject<'_>) -> Option<Finding> {
    let list = |container: &Value, list: &str| -> Vec<String> {
        let pointer = format!("/securityContext/capabilities/{list}");
        object::items(container, &pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let keeping = subject.those(|container| !list(container, "drop").iter().any(|name| name == "ALL"));
    let mut added = BTreeSet::new();
    let adding = subject.those(|container| {
        let mut add = list(container, "add");
        add.retain(|name| name != "NET_BIND_SERVICE");
        let any = !add.is_empty();
        added.extend(add);
        any
    });
    let mut what = Vec::new();
    if !keeping.is_empty() {
        let who = named("container", &keeping);
        what.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if !adding.is_empty() {
        let (who, added) = (named("container", &adding), quoted(added));
        what.push(format!("{who} must not include {added} in securityContext.capabilities.add"));
    }
    if what.is_empty() { None } else { Finding::new("unrestricted capabilities", what.join("; ")) }
}

fn volumes(subject: Subject<'_>) -> Option<Finding> {
    let (mut names, mut kinds) = (Vec::new(), BTreeSet::new());
    for volume in object::items(subject.spec, "/volumes") {
        if VOLUMES.iter().any(|kind| volume.get(kind).is_some()) {
            continue;
        }
        names.push(object::name_of(volume));
        let kind = object::entries(volume, "").map(|(field, _)| field.as_str()).find(|field| *field != "name");
        kinds.insert(kind.unwrap_or("unknown"));
    }
    if names.is_empty() {
        return None;
    }
    let uses = if names.len() == 1 { "uses" } else { "use" };
    let word = several("restricted volume type", kinds.len());
    let detail = format!("{} {uses} {word} {}", named("volume", &names), quoted(kinds));
    Finding::new("restricted volume types", detail)
}

fn non_root(subject: Subject<'_>) -> Option<Finding> {
    let said = |value: &Value| value.pointer("/securityContext/runAsNonRoot").and_then(Value::as_bool);
    let pod = said(subject.spec);
    let against = subject.those(|container| said(container) == Some(false));
    let reason = "runAsNonRoot != true";
    if let Some(who) = setters(pod == Some(false), &against) {
        return Finding::new(reason, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = subject.those(|container| said(container).is_none() && pod != Some(true));
    if silent.is_empty() {
        return None;
    }
    let who = named("container", &silent);
    Finding::new(reason, format!("pod or {who} must set securityContext.runAsNonRoot=true"))
}

fn user(subject: Subject<'_>) -> Option<Finding> {
    let root = |value: &Value| object::number(value, "/securityContext/runAsUser") == Some(0);
    let containers = subject.those(root);
    let who = setters(root(subject.spec), &containers)?;
    Finding::new("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

fn seccomp_everywhere(subject: Subject<'_>) -> Option<Finding> {
    if let Some(finding) = seccomp(subject) {
        return Some(finding);
    }
    let set = |value: &Value| value.pointer("/securityContext/seccompProfile").is_some();
    if set(subject.spec) && bad_seccomp(subject.spec).is_none() {
        return None;
    }
    let silent = subject.those(|container| !set(container));
    if silent.is_empty() {
        return None;
    }
    let who = named("container", &silent);
    let detail =
        format!("pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
    Finding::new("seccompProfile", detail)
}
