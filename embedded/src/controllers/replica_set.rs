//! ReplicaSets: as many pods as asked for.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::writing::{append_condition, without_zeros};
use super::{Again, Context, RETRY, adoption, pods};
use crate::failure::Failure;
use crate::object;
use crate::store::Object;

/// Pods whose deletion is made cheaper, or dearer, by this annotation go earlier, or later.
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// At most so many pods are made or deleted at a time. Source: `BurstReplicas` in `pkg/controller/replicaset`.
const BURST: usize = 500;

/// Looks at one ReplicaSet.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "ReplicaSet", namespace, name) else { return Ok(None) };
    let set = &live.value;
    let wanted = object::number(set, "/spec/replicas").unwrap_or(1);
    let mut active: Vec<Arc<Object>> = adoption::claim(context, set, "pods")?.into_values().collect();
    active.retain(|pod| pods::is_active(&pod.value));
    let mut failed = None;
    let mut unfinished = false;
    if !object::is_deleting(set) {
        let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
        let missing = usize::try_from(wanted - have).unwrap_or(0);
        for _ in 0..missing.min(BURST) {
            if let Err(failure) = pods::make(context, set, None, |_| ()) {
                failed = Some(failure.message);
                break;
            }
        }
        let surplus = usize::try_from(have - wanted).unwrap_or(0);
        if surplus > 0 {
            by_worth(context, &mut active);
            for pod in active.iter().take(surplus.min(BURST)) {
                pods::remove(context, set, pod)?;
            }
        }
        unfinished = missing > BURST || surplus > BURST;
    }
    let all = pods::owned(context, object::uid(set));
    let min_ready = object::number(set, "/spec/minReadySeconds").unwrap_or(0);
    let count = pods::count(all.iter().map(|pod| &pod.value), min_ready, context.now());
    let labels = set.pointer("/spec/template/metadata/labels");
    let labelled = all.iter().filter(|pod| {
        let carries = |(key, value): (&String, &Value)| object::label(&pod.value, key) == value.as_str();
        pods::is_active(&pod.value) && labels.and_then(Value::as_object).into_iter().flatten().all(carries)
    });
    let mut conditions: Vec<Value> = object::items(set, "/status/conditions").to_vec();
    // The message names the pod of the first attempt; that of each later one has another name.
    let told = object::condition_is_true(set, "ReplicaFailure");
    match &failed {
        Some(_) if told => {}
        Some(message) => {
            let condition = json!({
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message});
            append_condition(&mut conditions, condition, &object::rfc3339(context.now()), false);
        }
        None => conditions.retain(|c| object::text(c, "/type") != "ReplicaFailure"),
    }
    let mut status = without_zeros(
        json!({
            "replicas": count.active,
            "fullyLabeledReplicas": labelled.count(),
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
    if unfinished {
        return Ok(Some(context.now()));
    }
    Ok(if failed.is_some() { Some(context.now() + RETRY) } else { count.next })
}

/// The pods in the order in which they are given up: unplaced first, then pending ones, those that are not ready, the
/// cheaper by their annotation, those that share a node with more of the others, those ready for less long, those
/// started more often, and the newer.
///
/// Source: `ActivePodsWithRanks` in `k8s.io/kubernetes/pkg/controller/controller_utils.go`; times are compared by the
/// power of two of their age there, and as they are here.
fn by_worth(context: &Context<'_, '_>, pods: &mut [Arc<Object>]) {
    let mut on: HashMap<String, usize> = HashMap::new();
    for pod in pods.iter() {
        *on.entry(object::text(&pod.value, "/spec/nodeName").to_owned()).or_default() += 1;
    }
    let now = object::rfc3339(context.now());
    pods.sort_by_cached_key(|pod| {
        let pod = &pod.value;
        let node = object::text(pod, "/spec/nodeName");
        let phase = match object::text(pod, "/status/phase") {
            "Pending" => 0,
            "Unknown" | "" => 1,
            _ => 2,
        };
        let cost: i64 = object::annotation(pod, COST).and_then(|text| text.parse().ok()).unwrap_or(0);
        let ready = object::condition(pod, "Ready").filter(|c| object::text(c, "/status") == "True");
        let since = ready.map_or(now.clone(), |c| object::text(c, "/lastTransitionTime").to_owned());
        let statuses = object::items(pod, "/status/containerStatuses").iter();
        let restarts = statuses.filter_map(|s| object::number(s, "/restartCount")).max().unwrap_or(0);
        let made = object::text(pod, "/metadata/creationTimestamp").to_owned();
        let crowd = on.get(node).copied().unwrap_or(0);
        (
            (!node.is_empty(), phase, ready.is_some(), cost),
            (Reverse(crowd), Reverse(since), Reverse(restarts), Reverse(made)),
        )
    });
}
