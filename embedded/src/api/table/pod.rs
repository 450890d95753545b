//! The cells of a Pod: what its containers' states come to in one word.
//!
//! Source: `printPod` of `k8s.io/kubernetes/pkg/printers/internalversion/printers.go`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::{duration, since};
use super::cells::or;
use crate::object;

/// Restarts, and the last time one was needed.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += object::number(status, "/restartCount").unwrap_or(0);
        self.last = self.last.max(object::time(status, "/lastState/terminated/finishedAt"));
    }
}

pub(super) fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let first: Vec<&Value> = object::items(pod, "/spec/initContainers").iter().collect();
    let stays = |name: &str| {
        first.iter().any(|c| object::text(c, "/name") == name && object::text(c, "/restartPolicy") == "Always")
    };
    let sidecars = first.iter().filter(|c| object::text(c, "/restartPolicy") == "Always").count();
    let total = object::items(pod, "/spec/containers").len() + sidecars;
    let phase = object::text(pod, "/status/phase");
    let mut reason = or(object::text(pod, "/status/reason"), phase).to_owned();
    if object::condition(pod, "PodScheduled").is_some_and(|c| object::text(c, "/reason") == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    let mut ready = 0;
    let (mut restarts, mut of_sidecars) = (Restarts::default(), Restarts::default());
    let mut waits = None;
    for (at, status) in object::items(pod, "/status/initContainerStatuses").iter().enumerate() {
        restarts.add(status);
        let sidecar = stays(object::text(status, "/name"));
        if sidecar {
            of_sidecars.add(status);
        }
        if status.pointer("/state/terminated").is_some_and(|t| object::number(t, "/exitCode").unwrap_or(0) == 0) {
            continue;
        }
        if sidecar && object::truth(status, "/started") {
            ready += usize::from(object::truth(status, "/ready"));
            continue;
        }
        waits = Some(beginning(status, at, first.len()));
        break;
    }
    let initialized = object::condition_is_true(pod, "Initialized");
    if waits.is_none() || initialized {
        restarts = of_sidecars;
        let (mut running, mut failed) = (false, None);
        for status in object::items(pod, "/status/containerStatuses").iter().rev() {
            restarts.add(status);
            let waiting = object::text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                reason = waiting.to_owned();
            } else if let Some(terminated) = status.pointer("/state/terminated") {
                reason = ending(terminated, "");
                if object::number(terminated, "/exitCode").unwrap_or(0) != 0 {
                    failed = Some(reason.clone());
                }
            } else if object::truth(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" {
            reason = match failed {
                _ if running && object::condition_is_true(pod, "Ready") => "Running".to_owned(),
                Some(failed) => failed,
                None if running => "NotReady".to_owned(),
                None => reason,
            };
        }
    } else if let Some(waits) = waits {
        reason = waits;
    }
    if object::is_deleting(pod) {
        if object::text(pod, "/status/reason") == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            reason = "Terminating".to_owned();
        }
    }
    let restarted = match restarts.last {
        Some(last) if restarts.count != 0 => format!("{} ({} ago)", restarts.count, duration(last, now)),
        _ => restarts.count.to_string(),
    };
    let address = object::items(pod, "/status/podIPs").first().map(|ip| object::text(ip, "/ip")).unwrap_or_default();
    vec![
        json!(object::name(pod)),
        json!(format!("{ready}/{total}")),
        json!(reason),
        json!(restarted),
        json!(since(pod, "/metadata/creationTimestamp", now)),
        json!(or(address, "<none>")),
        json!(or(object::text(pod, "/spec/nodeName"), "<none>")),
        json!(or(object::text(pod, "/status/nominatedNodeName"), "<none>")),
        json!(gates(pod)),
    ]
}

/// What an init container that is not done says of the pod.
fn beginning(status: &Value, at: usize, of: usize) -> String {
    if let Some(terminated) = status.pointer("/state/terminated") {
        return ending(terminated, "Init:");
    }
    match object::text(status, "/state/waiting/reason") {
        "" | "PodInitializing" => format!("Init:{at}/{of}"),
        waiting => format!("Init:{waiting}"),
    }
}

fn ending(terminated: &Value, before: &str) -> String {
    let number = |field: &str| object::number(terminated, field).unwrap_or(0);
    match (object::text(terminated, "/reason"), number("/signal")) {
        ("", 0) => format!("{before}ExitCode:{}", number("/exitCode")),
        ("", signal) => format!("{before}Signal:{signal}"),
        (reason, _) => format!("{before}{reason}"),
    }
}

fn gates(pod: &Value) -> String {
    let all = object::items(pod, "/spec/readinessGates");
    if all.is_empty() {
        return "<none>".to_owned();
    }
    let open = all.iter().filter(|gate| object::condition_is_true(pod, object::text(gate, "/conditionType"))).count();
    format!("{open}/{}", all.len())
}

/// The conditions of a row whose pod has ended.
pub(super) fn conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match object::text(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}
