//! What the workload controllers share: the pods they own, making one from a template, and counting them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::{controller_reference, set_condition};
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::store::Object;

/// The pods that an owner controls, ended ones included, by name.
pub(super) fn owned(context: &Context<'_, '_>, uid: &str) -> Vec<Arc<Object>> {
    let dependents = context.txn.owned_by(uid).into_iter().filter(|(key, _)| &*key.resource == "pods");
    dependents
        .map(|(_, pod)| pod)
        .filter(|pod| object::controller(&pod.value).is_some_and(|owner| object::text(owner, "/uid") == uid))
        .collect()
}

/// Has the pod ended, well or badly?
pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Is the pod there, and to stay?
pub(super) fn is_active(pod: &Value) -> bool {
    !has_ended(pod) && !object::is_deleting(pod)
}

/// Is the pod ready?
pub(super) fn is_ready(pod: &Value) -> bool {
    object::condition_is_true(pod, "Ready")
}

/// Since when the pod counts as available: it has been ready for `min_ready` seconds. None while it is not ready.
pub(super) fn available_from(pod: &Value, min_ready: i64) -> Option<Timestamp> {
    let ready = object::condition(pod, "Ready").filter(|c| object::text(c, "/status") == "True")?;
    let since = object::time(ready, "/lastTransitionTime")?;
    Some(since + std::time::Duration::from_secs(min_ready.unsigned_abs()))
}

/// How many pods are how far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Count {
    pub(super) active: i64,
    pub(super) ready: i64,
    pub(super) available: i64,
    pub(super) terminating: i64,
    /// When the next one becomes available.
    pub(super) next: Again,
}

/// Counts pods.
pub(super) fn count<'a>(pods: impl Iterator<Item = &'a Value>, min_ready: i64, now: Timestamp) -> Count {
    let mut count = Count::default();
    for pod in pods {
        if object::is_deleting(pod) {
            count.terminating += i64::from(!has_ended(pod));
            continue;
        }
        if has_ended(pod) {
            continue;
        }
        count.active += 1;
        if !is_ready(pod) {
            continue;
        }
        count.ready += 1;
        match available_from(pod, min_ready) {
            Some(at) if at > now => count.next = Some(count.next.map_or(at, |next| at.min(next))),
            _ => count.available += 1,
        }
    }
    count
}

/// A number of pods, or a percentage of `of`, rounded up or down.
pub(super) fn scaled(value: Option<&Value>, of: i64, up: bool) -> i64 {
    match value {
        Some(Value::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let product = percent.saturating_mul(of);
            if up { product.saturating_add(99).div_euclid(100) } else { product.div_euclid(100) }
        }
        Some(number) => number.as_i64().unwrap_or(0),
        None => 0,
    }
}

/// Makes a pod from a workload's template, and tells the workload. `name` is the whole name, or none for a generated
/// one.
pub(super) fn make(
    context: &mut Context<'_, '_>,
    owner: &Value,
    name: Option<String>,
    change: impl FnOnce(&mut Value),
) -> Result<Arc<Object>, Failure> {
    let made = make_quietly(context, owner, name, change);
    let (kind, reason, message) = match &made {
        Ok(pod) => ("Normal", "SuccessfulCreate", format!("Created pod: {}", object::name(&pod.value))),
        Err(failure) => ("Warning", "FailedCreate", format!("Error creating: {}", failure.message)),
    };
    event::tell(context, owner, &Event { kind, reason, message: &message, component: component(owner) });
    made
}

/// The same without telling.
pub(super) fn make_quietly(
    context: &mut Context<'_, '_>,
    owner: &Value,
    name: Option<String>,
    change: impl FnOnce(&mut Value),
) -> Result<Arc<Object>, Failure> {
    let template = owner.pointer("/spec/template").cloned().unwrap_or_default();
    let mut metadata = json!({
        "namespace": object::namespace(owner),
        "ownerReferences": [controller_reference(owner)],
    });
    match name {
        Some(name) => object::set(&mut metadata, "/name", json!(name)),
        None => object::set(&mut metadata, "/generateName", json!(format!("{}-", object::name(owner)))),
    }
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{field}")) {
            object::set(&mut metadata, &format!("/{field}"), value.clone());
        }
    }
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or_default(),
    });
    change(&mut pod);
    context.create(pod)
}

/// Who tells things about a workload of this kind.
fn component(owner: &Value) -> &'static str {
    match object::text(owner, "/kind") {
        "ReplicaSet" => "replicaset-controller",
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        _ => "job-controller",
    }
}

/// Deletes a pod and tells its owner.
pub(super) fn remove(context: &mut Context<'_, '_>, owner: &Value, pod: &Arc<Object>) -> Result<(), Failure> {
    context.delete(pod, &Default::default())?;
    let message = format!("Deleted pod: {}", object::name(&pod.value));
    let component = component(owner);
    event::tell(context, owner, &Event { kind: "Normal", reason: "SuccessfulDelete", message: &message, component });
    Ok(())
}

/// Notes on a pod why it has to go: the condition `DisruptionTarget`.
pub(super) fn target(
    context: &mut Context<'_, '_>,
    pod: &Arc<Object>,
    reason: &str,
    message: &str,
    manager: &str,
) -> Result<Arc<Object>, Failure> {
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(&pod.value, "/status/conditions").to_vec();
    let condition = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": null,
        "observedGeneration": object::number(&pod.value, "/metadata/generation").unwrap_or(1),
    });
    set_condition(&mut conditions, condition, &now, false);
    let mut new = pod.value.clone();
    object::set(&mut new, "/status/conditions", json!(conditions));
    context.update_as(pod, new, manager, "status")
}
