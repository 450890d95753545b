//! The scheduler: puts a pod on the node that suits it best, makes room for one of higher priority, and says why when no
//! node will do.

use std::sync::Arc;

use serde_json::{Value, json};

use super::event::{self, Event};
use super::placement::{self, Node};
use super::queue::Queue;
use super::writing::set_condition;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::store::{Key, Object, Txn};

const COMPONENT: &str = "default-scheduler";

/// Looks at one pod that has no node.
pub(super) fn reconcile(
    context: &mut Context<'_, '_>,
    queue: &mut Queue,
    namespace: &str,
    name: &str,
) -> Result<Again, Failure> {
    let Some(pod) = context.get("v1", "Pod", namespace, name) else { return Ok(None) };
    let placed = !object::text(&pod.value, "/spec/nodeName").is_empty();
    let foreign = object::text(&pod.value, "/spec/schedulerName") != COMPONENT;
    if placed || foreign || object::is_deleting(&pod.value) || pods::has_ended(&pod.value) {
        return Ok(None);
    }
    let all = context.txn.list("pods", "");
    let nodes: Vec<Node> = context.txn.list("nodes", "").into_iter().map(|node| Node::new(node, &all)).collect();
    match placement::choose(&pod.value, &nodes, &all) {
        Ok(node) => assign(context, &pod, &node),
        Err(refusal) => {
            if let Some(victims) = placement::victims(&pod.value, &nodes, &all) {
                return preempt(context, queue, &pod, victims);
            }
            queue.unplaced(namespace, name);
            refuse(context, &pod, &refusal)
        }
    }
}

fn preempt(
    context: &mut Context<'_, '_>,
    queue: &mut Queue,
    pod: &Arc<Object>,
    victims: Vec<Arc<Object>>,
) -> Result<Again, Failure> {
    for victim in victims {
        let message = format!(
            "Preempted by pod {} on node {}",
            object::uid(&pod.value),
            object::text(&victim.value, "/spec/nodeName")
        );
        event::tell(
            context,
            &victim.value,
            &Event { kind: "Normal", reason: "Preempted", message: &message, component: COMPONENT },
        );
        let options = crate::rules::DeleteOptions { grace_seconds: Some(0), ..Default::default() };
        context.delete(&victim, &options)?;
    }
    // The room goes to this pod at once: what is made again in place of a victim must not take it first.
    let all = context.txn.list("pods", "");
    let nodes: Vec<Node> = context.txn.list("nodes", "").into_iter().map(|node| Node::new(node, &all)).collect();
    match placement::choose(&pod.value, &nodes, &all) {
        Ok(node) => assign(context, pod, &node),
        Err(refusal) => {
            queue.unplaced(object::namespace(&pod.value), object::name(&pod.value));
            refuse(context, pod, &refusal)
        }
    }
}

fn assign(context: &mut Context<'_, '_>, pod: &Arc<Object>, node: &str) -> Result<Again, Failure> {
    let message =
        format!("Successfully assigned {}/{} to {node}", object::namespace(&pod.value), object::name(&pod.value));
    bind(context.txn, &pod.value, node);
    let told = Event { kind: "Normal", reason: "Scheduled", message: &message, component: COMPONENT };
    event::tell(context, &pod.value, &told);
    Ok(None)
}

fn refuse(context: &mut Context<'_, '_>, pod: &Arc<Object>, message: &str) -> Result<Again, Failure> {
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(&pod.value, "/status/conditions").to_vec();
    let condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": null,
        "observedGeneration": object::number(&pod.value, "/metadata/generation").unwrap_or(1),
    });
    set_condition(&mut conditions, condition, &now, false);
    let mut new = pod.value.clone();
    object::set(&mut new, "/status/conditions", json!(conditions));
    if new == pod.value {
        return Ok(None);
    }
    context.update_as(pod, new, "kube-scheduler", "status")?;
    let told = Event { kind: "Warning", reason: "FailedScheduling", message, component: COMPONENT };
    event::tell(context, &pod.value, &told);
    Ok(None)
}

/// Assigns a pod to a node, as the `binding` subresource does.
pub(crate) fn bind(txn: &mut Txn<'_>, pod: &Value, node: &str) {
    let now = object::rfc3339(txn.now());
    let mut new = pod.clone();
    object::set(&mut new, "/spec/nodeName", json!(node));
    let mut conditions: Vec<Value> = object::items(&new, "/status/conditions").to_vec();
    let condition = json!({
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": null,
        "observedGeneration": object::number(pod, "/metadata/generation").unwrap_or(1),
    });
    set_condition(&mut conditions, condition, &now, false);
    object::set(&mut new, "/status/conditions", json!(conditions));
    txn.put(Key::new("pods", object::namespace(pod), object::name(pod)), new);
}
