//! What the server refuses in Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs. Source of the
//! wording: `k8s.io/kubernetes/pkg/apis/apps/validation` and `…/batch/validation`.

use serde_json::{Value, json};

use super::{validate, validate_pod};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;
use crate::selector::LabelSelector;

/// A workload.
pub(super) fn workload(resource: &Resource, value: &Value, causes: &mut Vec<Cause>, warnings: &mut Vec<String>) {
    let kind = resource.kind.as_str();
    let template = if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
    let place = template.trim_start_matches('/').replace('/', ".");
    for field in [
        "replicas",
        "minReadySeconds",
        "revisionHistoryLimit",
        "progressDeadlineSeconds",
        "parallelism",
        "completions",
        "backoffLimit",
    ] {
        validate::not_negative(value, &format!("/spec/{field}"), causes);
    }
    let labels = value.pointer(&format!("{template}/metadata/labels"));
    if matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") {
        match LabelSelector::of(value.pointer("/spec/selector")) {
            None => causes.push(Cause::required("spec.selector", "")),
            Some(selector) => {
                validate::selector(value, "/spec/selector", causes);
                if selector.is_empty() {
                    let shown = value.pointer("/spec/selector").cloned().unwrap_or_default();
                    let name = kind_words(kind);
                    causes.push(Cause::invalid(
                        "spec.selector",
                        &shown,
                        &format!("empty selector is invalid for {name}"),
                    ));
                } else if !selector.matches_labels(labels) {
                    let shown = labels.cloned().unwrap_or_default();
                    causes.push(Cause::invalid(
                        format!("{place}.metadata.labels"),
                        &shown,
                        "`selector` does not match template `labels`",
                    ));
                }
            }
        }
    }
    validate::labels(value, &format!("{template}/metadata/labels"), &format!("{place}.metadata.labels"), causes);
    let spec = value.pointer(&format!("{template}/spec")).unwrap_or(&Value::Null);
    validate_pod::spec(spec, &format!("{place}.spec"), causes);
    let policy = object::text(spec, "/restartPolicy");
    if matches!(kind, "Job" | "CronJob") {
        if policy == "Always" {
            let field = format!("{place}.spec.restartPolicy");
            causes.push(Cause::unsupported(field, &json!(policy), &["OnFailure", "Never"]));
        }
    } else if !matches!(policy, "Always" | "") {
        causes.push(Cause::unsupported(format!("{place}.spec.restartPolicy"), &json!(policy), &["Always"]));
    }
    if kind == "Deployment" {
        deployment(value, causes);
    }
    if kind == "CronJob"
        && object::text(value, "/spec/schedule").split_whitespace().count() != 5
        && !object::text(value, "/spec/schedule").starts_with('@')
    {
        let schedule = object::text(value, "/spec/schedule");
        if schedule.is_empty() {
            causes.push(Cause::required("spec.schedule", ""));
        } else {
            let why = format!("expected exactly 5 fields, found {}: [{schedule}]", schedule.split_whitespace().count());
            causes.push(Cause::invalid("spec.schedule", &json!(schedule), &why));
        }
    }
    for (at, container) in object::items(spec, "/containers").iter().enumerate() {
        let ports = object::items(container, "/ports");
        for (port_at, port) in ports.iter().enumerate() {
            let same = |other: &Value| {
                other.get("containerPort") == port.get("containerPort") && other.get("protocol") == port.get("protocol")
            };
            if ports.iter().take(port_at).any(same) {
                warnings.push(format!(
                    "{place}.spec.containers[{at}].ports[{port_at}]: duplicate port definition with {place}.spec.containers[{at}].ports[{}]",
                    ports.iter().position(same).unwrap_or(0)
                ));
            }
        }
    }
}

fn kind_words(kind: &str) -> &'static str {
    match kind {
        "StatefulSet" => "statefulset",
        "DaemonSet" => "daemonset",
        _ => "deployment",
    }
}

fn deployment(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/spec/strategy/type");
    match kind {
        "Recreate" if value.pointer("/spec/strategy/rollingUpdate").is_some() => causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        )),
        "Recreate" => {}
        "RollingUpdate" => {
            let none = |pointer: &str| matches!(value.pointer(pointer), Some(amount) if *amount == json!(0) || *amount == json!("0%"));
            if none("/spec/strategy/rollingUpdate/maxSurge") && none("/spec/strategy/rollingUpdate/maxUnavailable") {
                causes.push(Cause::invalid(
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    &value.pointer("/spec/strategy/rollingUpdate/maxUnavailable").cloned().unwrap_or_default(),
                    "may not be 0 when `maxSurge` is 0",
                ));
            }
        }
        other => {
            causes.push(Cause::unsupported("spec.strategy.type", &json!(other), &["Recreate", "RollingUpdate"]));
        }
    }
    let deadline = object::number(value, "/spec/progressDeadlineSeconds").unwrap_or(600);
    if deadline <= object::number(value, "/spec/minReadySeconds").unwrap_or(0) {
        causes.push(Cause::invalid(
            "spec.progressDeadlineSeconds",
            &json!(deadline),
            "must be greater than minReadySeconds",
        ));
    }
}

/// A StatefulSet's spec may hardly change.
pub(super) fn stateful_set_unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            object::remove(&mut spec, &format!("/{field}"));
        }
        spec
    };
    if fixed(old) != fixed(new) {
        causes.push(Cause::forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ));
    }
}
