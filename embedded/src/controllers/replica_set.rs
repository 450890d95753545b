//! ReplicaSets: as many pods as asked for.

use serde_json::{Value, json};

use super::writing::{set_condition, without_zeros};
use super::{Again, Context, RETRY, pods};
use crate::failure::Failure;
use crate::object;

/// Looks at one ReplicaSet.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "ReplicaSet", namespace, name) else { return Ok(None) };
    let set = &live.value;
    let wanted = object::number(set, "/spec/replicas").unwrap_or(1);
    let mut active = pods::owned(context, object::uid(set));
    active.retain(|pod| pods::is_active(&pod.value));
    let mut failed = None;
    if !object::is_deleting(set) {
        let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
        for _ in have..wanted {
            if let Err(failure) = pods::make(context, set, None, |_| ()) {
                failed = Some(failure.message);
                break;
            }
        }
        let surplus = usize::try_from(have - wanted).unwrap_or(0);
        pods::by_worth(&mut active);
        for pod in active.iter().take(surplus) {
            pods::remove(context, set, pod)?;
        }
    }
    let all = pods::owned(context, object::uid(set));
    let min_ready = object::number(set, "/spec/minReadySeconds").unwrap_or(0);
    let count = pods::count(all.iter().map(|pod| &pod.value), min_ready, context.now());
    let mut conditions: Vec<Value> = object::items(set, "/status/conditions").to_vec();
    let now = object::rfc3339(context.now());
    match &failed {
        Some(message) => {
            let condition = json!({
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message});
            set_condition(&mut conditions, condition, &now, false);
        }
        None => conditions.retain(|c| object::text(c, "/type") != "ReplicaFailure"),
    }
    let mut status = without_zeros(
        json!({
            "replicas": count.active,
            "fullyLabeledReplicas": count.active,
            "readyReplicas": count.ready,
            "availableReplicas": count.available,
            "terminatingReplicas": count.terminating,
            "observedGeneration": object::number(set, "/metadata/generation").unwrap_or(0),
        }),
        &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    );
    if !conditions.is_empty() {
        object::set(&mut status, "/conditions", json!(conditions));
    }
    if let Some(live) = context.get("apps/v1", "ReplicaSet", namespace, name) {
        context.set_status(&live, status)?;
    }
    Ok(if failed.is_some() { Some(context.now() + RETRY) } else { count.next })
}
