//! The scheduler: takes the waiting pods in the order of their priority, puts each on the node that suits it best, makes
//! room for one of higher priority, and says why when no node will do.

mod facts;
mod filter;
mod picture;
mod preemption;
mod score;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use self::facts::PodFacts;
pub(super) use self::facts::{PodKey, tolerates};
use self::filter::{Counts, Verdict};
pub(super) use self::picture::{Machine, Picture, REQUIRED_TERMS};
use super::event::{self, Event};
use super::writing::set_condition;
use super::{Again, Context, pods, volumes};
use crate::failure::Failure;
use crate::object;
use crate::rules::DeleteOptions;
use crate::store::{Key, Object, Txn};

const COMPONENT: &str = "default-scheduler";

/// When a pod's turn comes: the most important first, then the one that has waited longest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    priority: Reverse<i64>,
    since: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Turn {
    /// A waiting pod's turn.
    pub(super) fn of(pod: &Value) -> Turn {
        Turn {
            priority: Reverse(object::number(pod, "/spec/priority").unwrap_or(0)),
            since: object::text(pod, "/metadata/creationTimestamp").to_owned(),
            namespace: object::namespace(pod).to_owned(),
            name: object::name(pod).to_owned(),
        }
    }
}

/// Would a pod like this be let onto the node, by its selectors and the taints of these effects? What it asks for is not
/// looked at.
pub(super) fn lets_in(machine: &Machine, pod: &Value, effects: &[&str]) -> bool {
    let borne = |taint: &&Value| object::items(pod, "/spec/tolerations").iter().any(|t| tolerates(t, taint));
    let mut taints =
        object::items(machine.value(), "/spec/taints").iter().filter(|t| effects.contains(&object::text(t, "/effect")));
    machine.selected_by(pod) && taints.all(|taint| borne(&taint))
}

/// Looks at one pod that has no node.
pub(super) fn reconcile(context: &mut Context<'_, '_>, turn: &Turn) -> Result<Again, Failure> {
    let Some(pod) = context.get("v1", "Pod", &turn.namespace, &turn.name) else { return Ok(None) };
    let placed = !object::text(&pod.value, "/spec/nodeName").is_empty();
    let foreign = object::text(&pod.value, "/spec/schedulerName") != COMPONENT;
    if placed || foreign || object::is_deleting(&pod.value) || pods::has_ended(&pod.value) {
        return Ok(None);
    }
    if !object::items(&pod.value, "/spec/schedulingGates").is_empty() {
        return gated(context, &pod);
    }
    let volumes = match volumes::wanted(context, &pod.value) {
        Ok(volumes) => volumes,
        Err(why) => {
            let nodes = context.index.picture.machines().count();
            set_aside(context, turn, &pod.value);
            return refuse(context, &pod, &format!("0/{nodes} nodes are available: {why}. not found"), None);
        }
    };
    let facts = PodFacts::of(Arc::clone(&pod));
    let budgets = || context.txn.list("policy/poddisruptionbudgets", "");
    match place(&context.index.picture, &facts, &volumes.suits, budgets) {
        Placing::On(node) => {
            volumes::provide(context, &pod.value, &volumes.waiting, &node)?;
            assign(context, &pod, &node)
        }
        Placing::AfterGoing { node, victims, message } => {
            for victim in victims {
                preempt(context, &facts, &victim, &node)?;
            }
            outdo(context, &facts, &node)?;
            set_aside(context, turn, &pod.value);
            refuse(context, &pod, &message, Some(&node))
        }
        Placing::Nowhere { message, keeps_hope } => {
            set_aside(context, turn, &pod.value);
            let hoped = object::text(&pod.value, "/status/nominatedNodeName").to_owned();
            refuse(context, &pod, &message, Some(hoped.as_str()).filter(|hoped| keeps_hope && !hoped.is_empty()))
        }
    }
}

/// The pod waits until something changes; one that looks at other pods also when those are placed.
fn set_aside(context: &mut Context<'_, '_>, turn: &Turn, pod: &Value) {
    let looks = pod.pointer("/spec/affinity/podAffinity").is_some()
        || pod.pointer("/spec/affinity/podAntiAffinity").is_some()
        || !object::items(pod, "/spec/topologySpreadConstraints").is_empty();
    context.queue.unplaced(turn.clone(), looks);
}

/// Where a pod can go.
enum Placing {
    On(String),
    /// To this node, once these pods are gone.
    AfterGoing {
        node: String,
        victims: Vec<Arc<PodFacts>>,
        message: String,
    },
    Nowhere {
        message: String,
        keeps_hope: bool,
    },
}

fn place(picture: &Picture, pod: &PodFacts, volumes: &[Value], budgets: impl FnOnce() -> Vec<Arc<Object>>) -> Placing {
    let nodes = picture.machines().count();
    if nodes == 0 {
        return Placing::Nowhere { message: "no nodes available to schedule pods".to_owned(), keeps_hope: false };
    }
    let mut counts = Counts::of(pod, picture);
    counts.mount(volumes);
    let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
    let mut fit: Vec<&Machine> = Vec::new();
    let named = filter::named_nodes(pod.value());
    for machine in picture.machines() {
        let verdict = if named.as_ref().is_some_and(|named| !named.contains(&machine.name)) {
            Verdict::Unsuited("node(s) didn't satisfy plugin(s) [NodeAffinity]".to_owned())
        } else {
            passes(pod, picture, &counts, machine)
        };
        if verdict == Verdict::Fits {
            fit.push(machine);
        }
        verdicts.insert(machine.name.clone(), verdict);
    }
    // The node that room was made on is taken as soon as it will do.
    let hoped = object::text(pod.value(), "/status/nominatedNodeName");
    if let Some(machine) = fit.iter().find(|machine| machine.name == hoped) {
        return Placing::On(machine.name.clone());
    }
    if let Some(machine) = score::best(pod, picture, &fit) {
        return Placing::On(machine.name.clone());
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for reason in verdicts.values().flat_map(Verdict::reasons) {
        *reasons.entry(reason.clone()).or_default() += 1;
    }
    let message = format!("0/{nodes} nodes are available:{}", histogram(&reasons));
    match preemption::find(pod, picture, &counts, &verdicts, &budgets()) {
        Ok(found) => Placing::AfterGoing { node: found.node, victims: found.victims, message },
        Err(why) => {
            let keeps_hope = why.starts_with("not eligible");
            Placing::Nowhere {
                message: format!("{message} no new claims to deallocate, preemption: {why}"),
                keeps_hope,
            }
        }
    }
}

/// Can the node take the pod, with and without the pods that are to come there and go before it?
fn passes(pod: &PodFacts, picture: &Picture, counts: &Counts<'_>, machine: &Machine) -> Verdict {
    if picture.has_nominated() && picture.nominated_before(&machine.name, pod).next().is_some() {
        let (mut counts, mut with) = (counts.clone(), machine.clone());
        for other in picture.nominated_before(&machine.name, pod) {
            with.add(other);
            counts.imagine(other, machine, 1);
        }
        let verdict = counts.judge(&with);
        if verdict != Verdict::Fits {
            return verdict;
        }
    }
    counts.judge(machine)
}

/// ` 1 reason, 2 reason.`, sorted as texts; empty where there are none.
fn histogram(reasons: &BTreeMap<String, usize>) -> String {
    let texts: BTreeSet<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let texts: Vec<String> = texts.into_iter().collect();
    if texts.is_empty() { String::new() } else { format!(" {}.", texts.join(", ")) }
}

/// Marks a pod as one that has to go, tells it, and deletes it with the grace it asks for.
fn preempt(context: &mut Context<'_, '_>, pod: &PodFacts, victim: &PodFacts, node: &str) -> Result<(), Failure> {
    let Some(live) = context.get("v1", "Pod", &victim.key.0, &victim.key.1) else { return Ok(()) };
    if object::is_deleting(&live.value) {
        return Ok(());
    }
    let message = format!("{COMPONENT}: preempting to accommodate a higher priority pod");
    let live = pods::target(context, &live, "PreemptionByScheduler", &message, COMPONENT)?;
    let uid = object::uid(pod.value());
    let message = format!("Preempted by pod {uid} on node {node}");
    let told = Event { kind: "Normal", reason: "Preempted", message: &message, component: COMPONENT };
    event::announce(context, &live.value, &told, "Preempting");
    context.delete(&live, &DeleteOptions::default())
}

/// Pods of lower priority no longer hope for the node.
fn outdo(context: &mut Context<'_, '_>, pod: &PodFacts, node: &str) -> Result<(), Failure> {
    let lower = context.index.picture.nominated_on(node).filter(|other| other.priority < pod.priority);
    let lower: Vec<PodKey> = lower.map(|other| other.key.clone()).collect();
    for (namespace, name) in lower {
        if let Some(live) = context.get("v1", "Pod", &namespace, &name) {
            let mut new = live.value.clone();
            object::remove(&mut new, "/status/nominatedNodeName");
            context.update_as(&live, new, "kube-scheduler", "status")?;
        }
    }
    Ok(())
}

fn assign(context: &mut Context<'_, '_>, pod: &Arc<Object>, node: &str) -> Result<Again, Failure> {
    let message =
        format!("Successfully assigned {}/{} to {node}", object::namespace(&pod.value), object::name(&pod.value));
    bind(context.txn, &pod.value, node);
    let told = Event { kind: "Normal", reason: "Scheduled", message: &message, component: COMPONENT };
    event::announce(context, &pod.value, &told, "Binding");
    Ok(None)
}

fn refuse(
    context: &mut Context<'_, '_>,
    pod: &Arc<Object>,
    message: &str,
    hope: Option<&str>,
) -> Result<Again, Failure> {
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
    match hope {
        Some(node) => object::set(&mut new, "/status/nominatedNodeName", json!(node)),
        None => {
            object::remove(&mut new, "/status/nominatedNodeName");
        }
    }
    if new == pod.value {
        return Ok(None);
    }
    context.update_as(pod, new, "kube-scheduler", "status")?;
    let told = Event { kind: "Warning", reason: "FailedScheduling", message, component: COMPONENT };
    event::announce(context, &pod.value, &told, "Scheduling");
    Ok(None)
}

/// A pod whose gates are closed is not looked at.
fn gated(context: &mut Context<'_, '_>, pod: &Arc<Object>) -> Result<Again, Failure> {
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(&pod.value, "/status/conditions").to_vec();
    let condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": null,
    });
    set_condition(&mut conditions, condition, &now, false);
    let mut new = pod.value.clone();
    object::set(&mut new, "/status/conditions", json!(conditions));
    context.update_as(pod, new, "kube-apiserver", "status")?;
    Ok(None)
}

/// Assigns a pod to a node, as the `binding` subresource does.
pub(crate) fn bind(txn: &mut Txn<'_>, pod: &Value, node: &str) {
    let now = object::rfc3339(txn.now());
    let mut new = pod.clone();
    object::set(&mut new, "/spec/nodeName", json!(node));
    object::remove(&mut new, "/status/nominatedNodeName");
    let mut conditions: Vec<Value> = object::items(&new, "/status/conditions").to_vec();
    let condition = json!({
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": null,
    });
    set_condition(&mut conditions, condition, &now, false);
    object::set(&mut new, "/status/conditions", json!(conditions));
    txn.put(Key::new("pods", object::namespace(pod), object::name(pod)), new);
}
