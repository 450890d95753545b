//! What the workload controllers share: the pods they own, making one from a template, counting them, and binding the
//! claims that pods mount.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::controller_reference;
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

/// Makes a pod from a workload's template. `name` is the whole name, or none for a generated one.
pub(super) fn make(
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
    let component = match object::text(owner, "/kind") {
        "ReplicaSet" => "replicaset-controller",
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        _ => "job-controller",
    };
    match context.create(pod) {
        Ok(pod) => {
            let message = format!("Created pod: {}", object::name(&pod.value));
            let made = Event { kind: "Normal", reason: "SuccessfulCreate", message: &message, component };
            event::tell(context, owner, &made);
            Ok(pod)
        }
        Err(failure) => {
            let message = format!("Error creating: {}", failure.message);
            let failed = Event { kind: "Warning", reason: "FailedCreate", message: &message, component };
            event::tell(context, owner, &failed);
            Err(failure)
        }
    }
}

/// Deletes a pod and tells its owner.
pub(super) fn remove(context: &mut Context<'_, '_>, owner: &Value, pod: &Arc<Object>) -> Result<(), Failure> {
    context.delete(pod, &Default::default())?;
    let message = format!("Deleted pod: {}", object::name(&pod.value));
    let component = match object::text(owner, "/kind") {
        "ReplicaSet" => "replicaset-controller",
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        _ => "job-controller",
    };
    event::tell(context, owner, &Event { kind: "Normal", reason: "SuccessfulDelete", message: &message, component });
    Ok(())
}

/// The pods in the order in which they are given up: unplaced first, then those that are not ready, then the newest.
pub(super) fn by_worth(pods: &mut [Arc<Object>]) {
    pods.sort_by_key(|pod| {
        let placed = !object::text(&pod.value, "/spec/nodeName").is_empty();
        let made = object::text(&pod.value, "/metadata/creationTimestamp").to_owned();
        (placed, is_ready(&pod.value), std::cmp::Reverse(made))
    });
}

/// A claim is given a volume at once, as if its class provided one.
pub(super) fn bind_claim(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(claim) = context.get("v1", "PersistentVolumeClaim", namespace, name) else { return Ok(None) };
    if object::text(&claim.value, "/status/phase") == "Bound" || object::is_deleting(&claim.value) {
        return Ok(None);
    }
    let volume = format!("pvc-{}", object::uid(&claim.value));
    let storage = claim.value.pointer("/spec/resources/requests/storage").cloned().unwrap_or_default();
    let modes = claim.value.pointer("/spec/accessModes").cloned().unwrap_or_default();
    if context.get("v1", "PersistentVolume", "", &volume).is_none() {
        let made = context.create(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": "simulated"}},
            "spec": {
                "capacity": {"storage": storage},
                "accessModes": modes,
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": claim.value.pointer("/spec/storageClassName"),
                "hostPath": {"path": format!("/simulated/{volume}"), "type": ""},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": namespace,
                    "name": name,
                    "uid": object::uid(&claim.value),
                },
            },
        }))?;
        context.set_status(&made, json!({"phase": "Bound"}))?;
    }
    let mut new = claim.value.clone();
    object::set(&mut new, "/spec/volumeName", json!(volume));
    let claim = context.update(&claim, new)?;
    context.set_status(&claim, json!({"phase": "Bound", "accessModes": modes, "capacity": {"storage": storage}}))?;
    Ok(None)
}
