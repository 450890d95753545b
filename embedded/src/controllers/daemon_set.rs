//! DaemonSets: one pod on each node that takes it.

use serde_json::{Value, json};

use super::writing::without_zeros;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::template_hash;

const HASH: &str = "controller-revision-hash";

/// Looks at one DaemonSet.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "DaemonSet", namespace, name) else { return Ok(None) };
    let set = &live.value;
    let hash = template_hash(set.pointer("/spec/template").unwrap_or(&Value::Null));
    let nodes: Vec<String> = context
        .txn
        .list("nodes", "")
        .iter()
        .filter(|node| suits(set, &node.value))
        .map(|node| object::name(&node.value).to_owned())
        .collect();
    let mut all = pods::owned(context, object::uid(set));
    all.retain(|pod| pods::is_active(&pod.value));
    if !object::is_deleting(set) {
        for node in &nodes {
            if !all.iter().any(|pod| target(&pod.value) == *node) {
                pods::make(context, set, None, |pod| aim(pod, node, &hash))?;
            }
        }
        let mut unavailable = all.iter().filter(|pod| !pods::is_ready(&pod.value)).count();
        for pod in &all {
            let stale = object::label(&pod.value, HASH) != Some(hash.as_str());
            if !nodes.iter().any(|node| *node == target(&pod.value)) {
                pods::remove(context, set, pod)?;
            } else if stale && (unavailable == 0 || !pods::is_ready(&pod.value)) {
                pods::remove(context, set, pod)?;
                unavailable += 1;
            }
        }
    }
    let mut all = pods::owned(context, object::uid(set));
    all.retain(|pod| pods::is_active(&pod.value));
    let min_ready = object::number(set, "/spec/minReadySeconds").unwrap_or(0);
    let count = pods::count(all.iter().map(|pod| &pod.value), min_ready, context.now());
    let desired = i64::try_from(nodes.len()).unwrap_or(0);
    let updated = all.iter().filter(|pod| object::label(&pod.value, HASH) == Some(hash.as_str())).count();
    let status = without_zeros(
        json!({
            "currentNumberScheduled": count.active,
            "desiredNumberScheduled": desired,
            "numberMisscheduled": 0,
            "numberReady": count.ready,
            "numberAvailable": count.available,
            "numberUnavailable": (desired - count.available).max(0),
            "updatedNumberScheduled": updated,
            "observedGeneration": object::number(set, "/metadata/generation").unwrap_or(1),
        }),
        &["numberAvailable", "numberUnavailable", "updatedNumberScheduled"],
    );
    context.set_status(&live, status)?;
    Ok(count.next)
}

/// Does a pod of the template belong on the node? By selector and taints; resources are the scheduler's business.
fn suits(set: &Value, node: &Value) -> bool {
    let spec = set.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    let selected =
        object::entries(spec, "/nodeSelector").all(|(key, value)| object::label(node, key) == value.as_str());
    let tolerated = object::items(node, "/spec/taints").iter().all(|taint| {
        object::text(taint, "/effect") == "PreferNoSchedule"
            || object::items(spec, "/tolerations").iter().any(|t| {
                let key = object::text(t, "/key");
                (key.is_empty() && object::text(t, "/operator") == "Exists") || key == object::text(taint, "/key")
            })
    });
    selected && tolerated
}

const FIELDS: &str = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

fn aim(pod: &mut Value, node: &str, hash: &str) {
    object::set(pod, &format!("/metadata/labels/{HASH}"), json!(hash));
    let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
    object::set(pod, FIELDS, json!([{"matchFields": [field]}]));
}

fn target(pod: &Value) -> String {
    let text = object::text(pod, &format!("{FIELDS}/0/matchFields/0/values/0"));
    if text.is_empty() { object::text(pod, "/spec/nodeName") } else { text }.to_owned()
}
