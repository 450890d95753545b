//! `PodSecurity`: the labels of a namespace say how far its pods may reach into their machine. Pods beyond the enforced
//! level are refused; pods and workloads beyond the level of warnings are told of. What would only be audited is not
//! looked at: there is no audit log.
//!
//! Source: `k8s.io/pod-security-admission/admission` and `…/api`.

mod baseline;
mod level;
mod restricted;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::level::{Grade, Level, Policy};
use super::Write;
use crate::failure::{Cause, Failure};
use crate::object;
use crate::store::{Key, Txn};

/// One thing that a pod does beyond its level: in a few words, and in full.
pub(super) struct Finding {
    reason: String,
    detail: String,
}

impl Finding {
    fn new(reason: &str, detail: String) -> Option<Finding> {
        Some(Finding { reason: reason.to_owned(), detail })
    }
}

/// A pod, or the template of one.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// What holds its metadata.
    pod: &'a Value,
    spec: &'a Value,
}

impl<'a> Subject<'a> {
    fn of(pod: &'a Value) -> Subject<'a> {
        Subject { pod, spec: pod.get("spec").unwrap_or(&Value::Null) }
    }

    /// Every container, in the order in which they are started.
    fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let list = |name: &str| object::items(self.spec, name).iter();
        list("/initContainers").chain(list("/containers")).chain(list("/ephemeralContainers"))
    }

    /// The names of the containers that `bad` finds.
    fn those(&self, mut bad: impl FnMut(&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| bad(container)).map(object::name_of).collect()
    }

    fn is_for_windows(&self) -> bool {
        object::text(self.spec, "/os/name") == "windows"
    }

    /// Does it run as other users than it thinks?
    fn has_own_users(&self) -> bool {
        self.spec.get("hostUsers") == Some(&Value::Bool(false))
    }
}

/// `"a", "b"`.
fn quoted<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| format!("\"{}\"", text.as_ref())).collect();
    texts.join(", ")
}

/// `container "a"`, or `containers "a", "b"`.
fn named(word: &str, names: &[&str]) -> String {
    format!("{} {}", several(word, names.len()), quoted(names))
}

fn several(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// Who sets something: the pod itself, some of its containers, or both.
fn setters(pod: bool, containers: &[&str]) -> Option<String> {
    let mut who = Vec::new();
    if pod {
        who.push("pod".to_owned());
    }
    if !containers.is_empty() {
        who.push(named("container", containers));
    }
    (!who.is_empty()).then(|| who.join(" and "))
}

/// What the pod does beyond a level: baseline first, then what restricted adds.
fn findings(grade: Grade, subject: Subject<'_>) -> Vec<Finding> {
    match grade.level {
        Level::Privileged => Vec::new(),
        Level::Baseline => baseline::findings(subject, grade.minor(), false),
        Level::Restricted => {
            let mut found = baseline::findings(subject, grade.minor(), true);
            found.extend(restricted::findings(subject, grade.minor()));
            found
        }
    }
}

fn told(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings.iter().map(|f| format!("{} ({})", f.reason, f.detail)).collect();
    texts.join(", ")
}

/// Refuses a pod that goes too far; warns of pods and workloads that do; reads the labels of a namespace.
pub(super) fn check(txn: &Txn<'_>, write: Write<'_>, new: &Value, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let resource = write.resource;
    if !write.subresource.is_empty() || resource.custom.is_some() {
        return Ok(());
    }
    let template = match resource.kind.as_str() {
        "Namespace" => return namespace(txn, write, new, warnings),
        "Pod" => Some(new),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => new.pointer("/spec/template"),
        "CronJob" => new.pointer("/spec/jobTemplate/spec/template"),
        _ => None,
    };
    let Some(template) = template else { return Ok(()) };
    let Some(namespace) = txn.get(&Key::new("namespaces", "", object::namespace(new))) else { return Ok(()) };
    let (policy, _) = Policy::of(&namespace.value);
    let subject = Subject::of(template);
    if resource.kind == "Pod" {
        if write.old.is_some_and(|old| !is_significant(old, new)) {
            return Ok(());
        }
        let found = findings(policy.enforce, subject);
        if !found.is_empty() {
            let why = format!("violates PodSecurity \"{}\": {}", policy.enforce, told(&found));
            return Err(write.forbidden(new, &why));
        }
    }
    let found = findings(policy.warn, subject);
    if !found.is_empty() {
        warnings.push(format!("would violate PodSecurity \"{}\": {}", policy.warn, told(&found)));
    }
    Ok(())
}

/// Is another image or container what has changed? Nothing else of a pod's containers can.
fn is_significant(old: &Value, new: &Value) -> bool {
    let images = |pod: &Value| -> Vec<(String, String)> {
        let text = |container: &Value, pointer: &str| object::text(container, pointer).to_owned();
        Subject::of(pod).containers().map(|c| (text(c, "/name"), text(c, "/image"))).collect()
    };
    images(old) != images(new)
}

/// A namespace whose labels are made or changed: they must make sense, and pods that are there already and go beyond
/// the new level are told of.
fn namespace(txn: &Txn<'_>, write: Write<'_>, new: &Value, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let (policy, faults) = Policy::of(new);
    let known = write.old.map(Policy::of);
    if !faults.is_empty() && known.as_ref().is_none_or(|(_, before)| *before != faults) {
        let causes = faults.iter().map(|fault| {
            let field = format!("metadata.labels[{}]", fault.label);
            Cause::invalid(field, &Value::from(fault.value.as_str()), fault.why)
        });
        return Err(Failure::invalid("", "Namespace", object::name(new), causes.collect()));
    }
    let Some((before, _)) = known else { return Ok(()) };
    let (wanted, had) = (policy.enforce, before.enforce);
    let eased = wanted.version == had.version && wanted.level <= had.level;
    if wanted != had && wanted.level != Level::Privileged && !eased {
        warnings.extend(existing(txn, object::name(new), wanted));
    }
    Ok(())
}

/// What is to be said of pods that are there already.
fn existing(txn: &Txn<'_>, namespace: &str, wanted: Grade) -> Vec<String> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in txn.list("pods", namespace) {
        let reasons: Vec<String> =
            findings(wanted, Subject::of(&pod.value)).into_iter().map(|finding| finding.reason).collect();
        if !reasons.is_empty() {
            found.entry(reasons.join(", ")).or_default().insert(object::name(&pod.value).to_owned());
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = found
        .iter()
        .map(|(reason, pods)| {
            let first = pods.first().map(String::as_str).unwrap_or_default();
            match pods.len() {
                1 => format!("{first}: {reason}"),
                2 => format!("{first} (and 1 other pod): {reason}"),
                many => format!("{first} (and {} other pods): {reason}", many - 1),
            }
        })
        .collect();
    lines.sort();
    let head =
        format!("existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{wanted}\"");
    lines.insert(0, head);
    lines
}
