//! Nodes: their heartbeat, what becomes of those that are not ready, the taints that say so, and the pods that taints or
//! a node's going drive away.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{self, Event};
use super::queue::Work;
use super::scheduler::tolerates;
use super::writing::{MANAGER, set_condition};
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::DeleteOptions;
use crate::simulation::NodeFault;
use crate::store::Object;

/// How often a kubelet reports a node that has not changed.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// How long a node may be silent. Source: `--node-monitor-grace-period` of kube-controller-manager 1.36.
const SILENCE: Duration = Duration::from_secs(50);
/// How long pods of a node that is gone are left. Source: `pkg/controller/podgc`.
const QUARANTINE: Duration = Duration::from_secs(40);
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const CORDONED: &str = "node.kubernetes.io/unschedulable";
/// The conditions that mean a taint when they are true.
const PRESSURES: [(&str, &str); 3] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
];

/// Looks at one node.
pub(super) fn reconcile(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let Some(node) = context.get("v1", "Node", "", name) else { return gone(context, name) };
    context.index.gone.remove(name);
    let (node, again) = report(context, &node)?;
    let node = taint(context, &node)?;
    let evicted = evict(context, &node)?;
    Ok([again, evicted].into_iter().flatten().min())
}

/// What the node's kubelet says of it, or that it says nothing.
fn report(context: &mut Context<'_, '_>, node: &Arc<Object>) -> Result<(Arc<Object>, Again), Failure> {
    let name = object::name(&node.value).to_owned();
    let now = context.now();
    let fault = context.simulation.node(&name);
    if let Some((NodeFault::Unreachable, since)) = fault
        && now < since + SILENCE
    {
        return Ok((Arc::clone(node), Some(since + SILENCE)));
    }
    let silent = matches!(fault, Some((NodeFault::Unreachable, _)));
    let was_ready = object::condition_is_true(&node.value, "Ready");
    let kept = object::items(&node.value, "/status/conditions");
    let described = object::annotation(&node.value, crate::bootstrap::DESCRIBED).is_some();
    if !described && fault.is_none() {
        // A node that a client made reports for itself.
        return Ok((Arc::clone(node), None));
    }
    let mut conditions: Vec<Value> = kept.to_vec();
    let healthy = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "simulated node: no kubelet runs"),
    ];
    for (kind, status, reason, message) in healthy {
        let known = object::condition(&node.value, kind);
        let heard = known.and_then(|c| object::time(c, "/lastHeartbeatTime")).unwrap_or(now);
        let (status, reason, message) = match fault {
            Some((NodeFault::Unreachable, _)) => {
                ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
            }
            Some((NodeFault::NotReady, _)) if kind == "Ready" => {
                ("False", "KubeletNotReady", "container runtime is down (simulated)")
            }
            _ if kind != "Ready" && known.is_some_and(|c| object::text(c, "/status") == "True") => continue,
            _ => (status, reason, message),
        };
        let changed = known.is_none_or(|c| object::text(c, "/status") != status);
        let heard = if !silent && (changed || heard + HEARTBEAT <= now) { now } else { heard };
        let mut condition = json!({"type": kind, "status": status, "reason": reason, "message": message});
        object::set(&mut condition, "/lastHeartbeatTime", json!(object::rfc3339(heard)));
        set_condition(&mut conditions, condition, &object::rfc3339(now), false);
    }
    let mut new = node.value.clone();
    object::set(&mut new, "/status/conditions", json!(conditions));
    let manager = if silent { MANAGER } else { "kubelet" };
    let node = context.update_as(node, new, manager, "status")?;
    let is_ready = object::condition_is_true(&node.value, "Ready");
    if was_ready != is_ready {
        turn(context, &node, is_ready)?;
    }
    if !silent {
        let heard = object::condition(&node.value, "Ready").and_then(|c| object::time(c, "/lastHeartbeatTime"));
        context.queue.chore(heard.unwrap_or(now) + HEARTBEAT, Work::Node(name));
    }
    Ok((node, None))
}

/// The node has become ready, or ceased to be: its pods follow.
fn turn(context: &mut Context<'_, '_>, node: &Arc<Object>, ready: bool) -> Result<(), Failure> {
    let name = object::name(&node.value).to_owned();
    let (reason, component) = if ready { ("NodeReady", "kubelet") } else { ("NodeNotReady", "node-controller") };
    let message = format!("Node {name} status is now: {reason}");
    event::tell(context, &node.value, &Event { kind: "Normal", reason, message: &message, component });
    for (namespace, pod) in pods_on(context, &name) {
        if ready {
            context.queue.soon(Work::Kubelet(namespace, pod));
            continue;
        }
        let Some(live) = context.get("v1", "Pod", &namespace, &pod) else { continue };
        if !pods::is_ready(&live.value) {
            continue;
        }
        let now = object::rfc3339(context.now());
        let mut conditions: Vec<Value> = object::items(&live.value, "/status/conditions").to_vec();
        let condition = json!({
            "type": "Ready",
            "status": "False",
            "lastProbeTime": null,
            "observedGeneration": object::number(&live.value, "/metadata/generation").unwrap_or(1),
        });
        set_condition(&mut conditions, condition, &now, false);
        let mut new = live.value.clone();
        object::set(&mut new, "/status/conditions", json!(conditions));
        let live = context.update_as(&live, new, MANAGER, "status")?;
        let told = Event {
            kind: "Warning",
            reason: "NodeNotReady",
            message: "Node is not ready",
            component: "node-controller",
        };
        event::tell(context, &live.value, &told);
    }
    Ok(())
}

fn pods_on(context: &Context<'_, '_>, node: &str) -> Vec<(String, String)> {
    context.index.picture.machine(node).map(|machine| machine.pods.keys().cloned().collect()).unwrap_or_default()
}

/// The taints that follow from the node's conditions and from its being cordoned.
fn taint(context: &mut Context<'_, '_>, node: &Arc<Object>) -> Result<Arc<Object>, Failure> {
    let status =
        |kind: &str| object::condition(&node.value, kind).map(|c| object::text(c, "/status")).unwrap_or_default();
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    if object::truth(&node.value, "/spec/unschedulable") {
        wanted.push((CORDONED, "NoSchedule"));
    }
    match status("Ready") {
        "False" => wanted.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        "Unknown" => wanted.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        _ => {}
    }
    for (kind, key) in PRESSURES {
        if status(kind) == "True" {
            wanted.push((key, "NoSchedule"));
        }
    }
    let own = |key: &str| [CORDONED, NOT_READY, UNREACHABLE].contains(&key) || PRESSURES.iter().any(|(_, k)| *k == key);
    let same = |taint: &Value, (key, effect): (&str, &str)| {
        object::text(taint, "/key") == key && object::text(taint, "/effect") == effect
    };
    let mut taints: Vec<Value> = object::items(&node.value, "/spec/taints").to_vec();
    taints.retain(|taint| !own(object::text(taint, "/key")) || wanted.iter().any(|w| same(taint, *w)));
    let now = object::rfc3339(context.now());
    for (key, effect) in wanted {
        if !taints.iter().any(|taint| same(taint, (key, effect))) {
            taints.push(json!({"key": key, "effect": effect, "timeAdded": now}));
        }
    }
    let mut new = node.value.clone();
    if taints.is_empty() {
        object::remove(&mut new, "/spec/taints");
    } else {
        object::set(&mut new, "/spec/taints", json!(taints));
    }
    context.update(node, new)
}

/// Drives away the pods that do not tolerate the node's `NoExecute` taints, or no longer; says when the next one goes.
fn evict(context: &mut Context<'_, '_>, node: &Arc<Object>) -> Result<Again, Failure> {
    let name = object::name(&node.value);
    let taints: Vec<&Value> = object::items(&node.value, "/spec/taints")
        .iter()
        .filter(|t| object::text(t, "/effect") == "NoExecute")
        .collect();
    if taints.is_empty() {
        context.index.tainted.remove(name);
        return Ok(None);
    }
    let now = context.now();
    let first_seen = *context.index.tainted.entry(name.to_owned()).or_insert(now);
    let mut next: Again = None;
    for (namespace, pod) in pods_on(context, name) {
        let Some(live) = context.get("v1", "Pod", &namespace, &pod) else { continue };
        if object::is_deleting(&live.value) {
            continue;
        }
        let Some(until) = tolerated_until(&live.value, &taints, first_seen) else { continue };
        if until > now {
            next = Some(next.map_or(until, |next| until.min(next)));
            continue;
        }
        let message = "Taint manager: deleting due to NoExecute taint";
        let live = pods::target(context, &live, "DeletionByTaintManager", message, MANAGER)?;
        let told = format!("Marking for deletion Pod {namespace}/{pod}");
        event::tell(
            context,
            &live.value,
            &Event {
                kind: "Normal",
                reason: "TaintManagerEviction",
                message: &told,
                component: "taint-eviction-controller",
            },
        );
        context.delete(&live, &DeleteOptions::default())?;
    }
    Ok(next)
}

/// Until when a pod may stay; none where it may stay for ever.
fn tolerated_until(pod: &Value, taints: &[&Value], first_seen: Timestamp) -> Again {
    let tolerations = object::items(pod, "/spec/tolerations");
    let placed = object::condition(pod, "PodScheduled").and_then(|c| object::time(c, "/lastTransitionTime"));
    let came = placed.or_else(|| object::time(pod, "/metadata/creationTimestamp")).unwrap_or(first_seen);
    let mut until: Again = None;
    for taint in taints {
        // From when both are there.
        let since = object::time(taint, "/timeAdded").unwrap_or(first_seen).max(came);
        let mut covering = tolerations.iter().filter(|toleration| tolerates(toleration, taint)).peekable();
        if covering.peek().is_none() {
            return Some(since);
        }
        let seconds = covering.filter_map(|toleration| object::number(toleration, "/tolerationSeconds")).min();
        if let Some(seconds) = seconds {
            let end = since + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            until = Some(until.map_or(end, |until| end.min(until)));
        }
    }
    until
}

/// The pods of a node that is not there go too, after a while.
fn gone(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let pods = pods_on(context, name);
    if pods.is_empty() {
        context.index.gone.remove(name);
        return Ok(None);
    }
    let now = context.now();
    let until = *context.index.gone.entry(name.to_owned()).or_insert(now) + QUARANTINE;
    if until > now {
        return Ok(Some(until));
    }
    for (namespace, pod) in pods {
        let Some(live) = context.get("v1", "Pod", &namespace, &pod) else { continue };
        let live = pods::target(context, &live, "DeletionByPodGC", "PodGC: node no longer exists", MANAGER)?;
        let mut new = live.value.clone();
        object::set(&mut new, "/status/phase", json!("Failed"));
        let live = context.update_as(&live, new, MANAGER, "status")?;
        context.delete(&live, &DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() })?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(tolerations: Value, expected: Option<i64>) {
        let first: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let taint = json!({"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"});
        let pod = json!({"spec": {"tolerations": tolerations}});
        let until = tolerated_until(&pod, &[&taint], first);
        assert_eq!(until.map(|until| until.duration_since(first).as_secs()), expected, "{tolerations}");
    }

    #[test]
    fn a_taint_is_borne_as_long_as_the_shortest_toleration() {
        check(json!([]), Some(0));
        check(json!([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}]), None);
        check(json!([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}]), Some(300));
        check(
            json!([
                {"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300},
                {"operator": "Exists", "tolerationSeconds": 20},
            ]),
            Some(20),
        );
        check(json!([{"key": NOT_READY, "operator": "Exists"}]), Some(0));
        check(json!([{"operator": "Exists", "tolerationSeconds": -5}]), Some(0));
    }
}
