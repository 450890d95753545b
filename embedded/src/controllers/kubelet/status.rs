//! A pod's status as its kubelet reports it: conditions, containers, addresses, quality of service.

use serde_json::{Value, json};

use super::life::{Life, State};
use super::{is_sidecar, object_name};
use crate::controllers::writing::set_condition;
use crate::object;
use crate::rules::quality;

/// The whole status.
pub(super) fn status(life: &Life<'_>, state: &State, host: &str, address: &str) -> Value {
    let pod = life.pod;
    let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut new = vec![
        ("phase", json!(state.phase)),
        ("conditions", json!(conditions(life, state))),
        ("containerStatuses", json!(containers(pod, state))),
        ("startTime", json!(object::rfc3339(life.started))),
        ("observedGeneration", json!(generation(pod))),
        ("hostIP", json!(host)),
        ("hostIPs", json!([{"ip": host}])),
        ("podIP", json!(address)),
        ("podIPs", json!([{"ip": address}])),
        ("qosClass", json!(quality::of(pod))),
    ];
    let first = inits(life, state);
    if !first.is_empty() {
        new.push(("initContainerStatuses", json!(first)));
    }
    if let Some((reason, message)) = state.why {
        new.extend([("reason", json!(reason)), ("message", json!(message))]);
    }
    for (field, value) in new {
        object::set(&mut status, &format!("/{field}"), value);
    }
    status
}

fn generation(pod: &Value) -> i64 {
    object::number(pod, "/metadata/generation").unwrap_or(1)
}

fn conditions(life: &Life<'_>, state: &State) -> Vec<Value> {
    let (pod, now) = (life.pod, object::rfc3339(life.now));
    let names: Vec<&str> = object::items(pod, "/spec/containers").iter().map(object_name).collect();
    let unready = format!("containers with unready status: [{}]", names.join(" "));
    let mut conditions: Vec<Value> = object::items(pod, "/status/conditions").to_vec();
    let (completed, failed) = (state.phase == "Succeeded", state.phase == "Failed");
    let gate = gate(pod);
    for (kind, truth) in [
        ("PodReadyToStartContainers", !completed && !failed),
        ("Initialized", true),
        ("Ready", state.ready && gate.is_none()),
        ("ContainersReady", state.ready),
        ("PodScheduled", true),
    ] {
        let mut condition = json!({
            "type": kind,
            "status": if truth { "True" } else { "False" },
            "lastProbeTime": null,
            "observedGeneration": generation(pod),
        });
        let because = match kind {
            "Initialized" if completed => Some(("PodCompleted", None)),
            "Ready" | "ContainersReady" if truth => None,
            "Ready" | "ContainersReady" if completed => Some(("PodCompleted", None)),
            "Ready" | "ContainersReady" if failed => Some(("PodFailed", None)),
            "Ready" if state.ready => gate.clone().map(|message| ("ReadinessGatesNotReady", Some(message))),
            "Ready" | "ContainersReady" => Some(("ContainersNotReady", Some(unready.clone()))),
            _ => None,
        };
        if let Some((reason, message)) = because {
            object::set(&mut condition, "/reason", json!(reason));
            if let Some(message) = message {
                object::set(&mut condition, "/message", json!(message));
            }
        }
        set_condition(&mut conditions, condition, &now, false);
    }
    conditions
}

/// The first readiness gate that is not open, in the kubelet's words.
fn gate(pod: &Value) -> Option<String> {
    let gates = object::items(pod, "/spec/readinessGates").iter().map(|gate| object::text(gate, "/conditionType"));
    let closed = gates.filter_map(|kind| match object::condition(pod, kind) {
        None => Some(format!("corresponding condition of pod readiness gate \"{kind}\" does not exist.")),
        Some(condition) if object::text(condition, "/status") != "True" => Some(format!(
            "the status of pod readiness gate \"{kind}\" is not \"True\", but {}",
            object::text(condition, "/status")
        )),
        Some(_) => None,
    });
    let texts: Vec<String> = closed.collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn containers(pod: &Value, state: &State) -> Vec<Value> {
    object::items(pod, "/spec/containers").iter().map(|container| shown(pod, container, state)).collect()
}

/// Init containers end at once and well, one after the other; sidecars run as long as the pod.
fn inits(life: &Life<'_>, state: &State) -> Vec<Value> {
    let ends = matches!(state.phase, "Succeeded" | "Failed");
    let at = object::rfc3339(life.started);
    let all = object::items(life.pod, "/spec/initContainers").iter().map(|container| {
        let image = object::text(container, "/image");
        let id = identity(life.pod, container, 0);
        let runs = is_sidecar(container) && !ends;
        let shown = if runs {
            json!({"running": {"startedAt": at}})
        } else {
            json!({"terminated": {
                "containerID": id, "exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}})
        };
        json!({
            "name": object_name(container),
            "image": image,
            "imageID": format!("simulated://{image}"),
            "containerID": id,
            "ready": true,
            "started": runs,
            "restartCount": 0,
            "state": shown,
            "lastState": {},
        })
    });
    all.collect()
}

fn identity(pod: &Value, container: &Value, restarts: i64) -> String {
    format!("simulated://{}/{}/{restarts}", object::uid(pod), object_name(container))
}

fn shown(pod: &Value, container: &Value, state: &State) -> Value {
    let image = object::text(container, "/image");
    let runs = state.state.get("waiting").is_none() || state.restarts > 0;
    let id = identity(pod, container, state.restarts);
    let mut now = state.state.clone();
    if let Some(ended) = now.get_mut("terminated") {
        object::set(ended, "/containerID", json!(id));
    }
    json!({
        "name": object_name(container),
        "image": image,
        "imageID": if runs { format!("simulated://{image}") } else { String::new() },
        "containerID": if runs { id } else { String::new() },
        "ready": state.ready,
        "started": state.started,
        "restartCount": state.restarts,
        "state": now,
        "lastState": state.last,
    })
}
