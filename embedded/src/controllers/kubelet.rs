//! The kubelet, simulated: a placed pod starts, becomes ready after a while, ends when it is a job's, and goes when it is
//! deleted. Annotations on the pod ask for faults. No container runs.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::set_condition;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::DeleteOptions;

/// The fault a pod is to show: `crash-loop`, `image-pull`, `never-ready`.
const FAULT: &str = "kube-embedded/fault";
/// The same for those who can choose an image but no annotation: a tag such as `fault-crash-loop`.
const FAULT_TAG: &str = ":fault-";
/// How long this pod takes to become ready, in seconds (`2.5s` or `2.5`), in place of the cluster's own delay.
const READY_AFTER: &str = "kube-embedded/ready-after";
const KUBELET: &str = "kubelet";
/// The longest wait between two starts of a container that crashes.
const LONGEST_BACK_OFF: i64 = 300;

/// Looks at one placed pod.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(pod) = context.get("v1", "Pod", namespace, name) else { return Ok(None) };
    if object::text(&pod.value, "/spec/nodeName").is_empty() {
        return Ok(None);
    }
    if object::is_deleting(&pod.value) {
        // Containers that do not run end at once.
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        context.delete(&pod, &options)?;
        return Ok(None);
    }
    if pods::has_ended(&pod.value) {
        return Ok(None);
    }
    let started = object::time(&pod.value, "/status/startTime").unwrap_or_else(|| context.now());
    let fault = fault(&pod.value);
    let life = Life { pod: &pod.value, started, now: context.now(), delay: delay(context, &pod.value) };
    let (state, again) = match fault.as_str() {
        "crash-loop" => life.crashing(),
        "image-pull" => (State::waiting("ImagePullBackOff", life.image_message()), None),
        "never-ready" => (State::running(started, false), None),
        _ => life.healthy(),
    };
    let status = life.status(context, &state);
    let was = pod.value.clone();
    let changed = context.update_as(
        &pod,
        {
            let mut new = pod.value.clone();
            object::set(&mut new, "/status", status);
            new
        },
        KUBELET,
        "status",
    )?;
    tell(context, &was, &changed.value, &state, &fault);
    Ok(again)
}

fn delay(context: &Context<'_, '_>, pod: &Value) -> Duration {
    let text = object::annotation(pod, READY_AFTER).map(|text| text.trim_end_matches('s'));
    let seconds = text.and_then(|text| text.parse::<f64>().ok()).filter(|s| s.is_finite() && *s >= 0.0);
    seconds.map_or(context.rules.settings.ready_after, Duration::from_secs_f64)
}

/// How the containers are, all alike.
struct State {
    phase: &'static str,
    ready: bool,
    started: bool,
    restarts: i64,
    state: Value,
    last: Value,
}

impl State {
    fn running(since: Timestamp, ready: bool) -> State {
        State {
            phase: "Running",
            ready,
            started: ready,
            restarts: 0,
            state: json!({"running": {"startedAt": object::rfc3339(since)}}),
            last: json!({}),
        }
    }

    fn waiting(reason: &str, message: String) -> State {
        State {
            phase: "Pending",
            ready: false,
            started: false,
            restarts: 0,
            state: json!({"waiting": {"reason": reason, "message": message}}),
            last: json!({}),
        }
    }
}

struct Life<'a> {
    pod: &'a Value,
    started: Timestamp,
    now: Timestamp,
    delay: Duration,
}

impl Life<'_> {
    /// Runs at once, is ready after the delay; a pod that need not run for ever ends after it.
    fn healthy(&self) -> (State, Again) {
        let due = self.started + self.delay;
        if self.now < due {
            return (State::running(self.started, false), Some(due));
        }
        if object::text(self.pod, "/spec/restartPolicy") == "Always" {
            return (State::running(self.started, true), None);
        }
        let ended = json!({"terminated": {
            "exitCode": 0,
            "reason": "Completed",
            "startedAt": object::rfc3339(self.started),
            "finishedAt": object::rfc3339(due),
        }});
        let state = State { phase: "Succeeded", state: ended, ..State::running(self.started, false) };
        (State { started: false, ..state }, None)
    }

    /// Starts and ends again and again, the waits between doubling from 10 seconds; without restarts it fails once.
    fn crashing(&self) -> (State, Again) {
        let ended = |at: Timestamp| {
            json!({"terminated": {
                "exitCode": 1,
                "reason": "Error",
                "startedAt": object::rfc3339(at),
                "finishedAt": object::rfc3339(at),
            }})
        };
        if object::text(self.pod, "/spec/restartPolicy") == "Never" {
            let state = State { phase: "Failed", state: ended(self.started), ..State::running(self.started, false) };
            return (state, None);
        }
        let (mut at, mut wait, mut restarts) = (self.started, 10, 0);
        loop {
            let next = at + Duration::from_secs(u64::try_from(wait).unwrap_or(10));
            if next > self.now {
                break;
            }
            (at, wait, restarts) = (next, (wait * 2).min(LONGEST_BACK_OFF), restarts + 1);
        }
        let container = object::items(self.pod, "/spec/containers").first().map(object_name).unwrap_or_default();
        let message = format!(
            "back-off {} restarting failed container={container} pod={}_{}({})",
            go_duration(wait),
            object::name(self.pod),
            object::namespace(self.pod),
            object::uid(self.pod)
        );
        let state =
            State { phase: "Running", restarts, last: ended(at), ..State::waiting("CrashLoopBackOff", message) };
        (state, Some(at + Duration::from_secs(u64::try_from(wait).unwrap_or(10))))
    }

    fn image(&self) -> String {
        let first = object::items(self.pod, "/spec/containers").first();
        first.map(|c| object::text(c, "/image").to_owned()).unwrap_or_default()
    }

    fn image_message(&self) -> String {
        let image = self.image();
        format!(
            "Back-off pulling image \"{image}\": ErrImagePull: rpc error: code = NotFound desc = simulated: {image}: not found"
        )
    }

    /// The whole status.
    fn status(&self, context: &Context<'_, '_>, state: &State) -> Value {
        let mut status = self.pod.get("status").cloned().unwrap_or_else(|| json!({}));
        let now = object::rfc3339(self.now);
        let generation = object::number(self.pod, "/metadata/generation").unwrap_or(1);
        let names: Vec<&str> = object::items(self.pod, "/spec/containers").iter().map(object_name).collect();
        let unready = format!("containers with unready status: [{}]", names.join(" "));
        let mut conditions: Vec<Value> = object::items(&status, "/conditions").to_vec();
        let completed = state.phase == "Succeeded";
        let started = state.phase != "Pending" || state.state.get("waiting").is_some();
        for (kind, truth) in [
            ("PodReadyToStartContainers", started && !completed),
            ("Initialized", true),
            ("Ready", state.ready),
            ("ContainersReady", state.ready),
            ("PodScheduled", true),
        ] {
            let mut condition = json!({
                "type": kind,
                "status": if truth { "True" } else { "False" },
                "lastProbeTime": null,
                "observedGeneration": generation,
            });
            if matches!(kind, "Ready" | "ContainersReady") && !truth {
                let (reason, message) =
                    if completed { ("PodCompleted", None) } else { ("ContainersNotReady", Some(&unready)) };
                object::set(&mut condition, "/reason", json!(reason));
                if let Some(message) = message {
                    object::set(&mut condition, "/message", json!(message));
                }
            } else if kind == "Initialized" && completed {
                object::set(&mut condition, "/reason", json!("PodCompleted"));
            }
            set_condition(&mut conditions, condition, &now, false);
        }
        let containers: Vec<Value> =
            object::items(self.pod, "/spec/containers").iter().map(|c| self.container(c, state)).collect();
        let node = context.get("v1", "Node", "", object::text(self.pod, "/spec/nodeName"));
        let host = node
            .as_ref()
            .and_then(|node| object::items(&node.value, "/status/addresses").first())
            .map(|address| object::text(address, "/address").to_owned())
            .unwrap_or_default();
        let address = address(object::uid(self.pod));
        let set = |status: &mut Value, field: &str, value: Value| object::set(status, &format!("/{field}"), value);
        set(&mut status, "phase", json!(state.phase));
        set(&mut status, "conditions", json!(conditions));
        set(&mut status, "containerStatuses", json!(containers));
        set(&mut status, "startTime", json!(object::rfc3339(self.started)));
        set(&mut status, "observedGeneration", json!(generation));
        set(&mut status, "hostIP", json!(host));
        set(&mut status, "hostIPs", json!([{"ip": host}]));
        set(&mut status, "podIP", json!(address));
        set(&mut status, "podIPs", json!([{"ip": address}]));
        set(&mut status, "qosClass", json!(quality(self.pod)));
        status
    }

    fn container(&self, container: &Value, state: &State) -> Value {
        let image = object::text(container, "/image");
        let runs = state.state.get("waiting").is_none() || state.restarts > 0;
        let id = format!("simulated://{}/{}/{}", object::uid(self.pod), object_name(container), state.restarts);
        json!({
            "name": object_name(container),
            "image": image,
            "imageID": if runs { format!("simulated://{image}") } else { String::new() },
            "containerID": if runs { id } else { String::new() },
            "ready": state.ready,
            "started": state.started,
            "restartCount": state.restarts,
            "state": state.state,
            "lastState": state.last,
        })
    }
}

fn object_name(container: &Value) -> &str {
    object::text(container, "/name")
}

/// Seconds as Go prints a duration.
fn go_duration(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

/// An address of the pod network, from the pod's uid.
fn address(uid: &str) -> String {
    let digits: String = uid.chars().filter(char::is_ascii_hexdigit).take(5).collect();
    let number = u32::from_str_radix(&digits, 16).unwrap_or(0);
    format!("10.{}.{}.{}", 84 + number / 65_536 % 16, number / 256 % 256, number % 254 + 1)
}

/// `Guaranteed`, `Burstable` or `BestEffort`. Source: `k8s.io/kubernetes/pkg/apis/core/v1/helper/qos`.
fn quality(pod: &Value) -> &'static str {
    let containers = object::items(pod, "/spec/containers").iter().chain(object::items(pod, "/spec/initContainers"));
    let (mut any, mut all) = (false, true);
    for container in containers {
        for name in ["cpu", "memory"] {
            let request = container.pointer("/resources/requests").and_then(|r| r.get(name));
            let limit = container.pointer("/resources/limits").and_then(|l| l.get(name));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
        (false, _) => "BestEffort",
    }
}

/// The fault that a pod's annotation asks for, or else the tag of its first container's image.
fn fault(pod: &Value) -> String {
    let annotated = object::annotation(pod, FAULT);
    let tagged = || {
        let first = object::items(pod, "/spec/containers").first()?;
        Some(object::text(first, "/image").rsplit_once(FAULT_TAG)?.1)
    };
    annotated.or_else(tagged).unwrap_or_default().to_owned()
}

/// The events that a kubelet writes when a pod's state changes.
fn tell(context: &mut Context<'_, '_>, before: &Value, after: &Value, state: &State, fault: &str) {
    let image = object::items(after, "/spec/containers").first().map(|c| object::text(c, "/image")).unwrap_or_default();
    let mut say = |kind: &str, reason: &str, message: String| {
        event::tell(context, after, &Event { kind, reason, message: &message, component: KUBELET });
    };
    let begins = before.pointer("/status/startTime").is_none();
    let restarts = |pod: &Value| object::number(pod, "/status/containerStatuses/0/restartCount");
    match fault {
        "image-pull" if begins => {
            say("Normal", "Pulling", format!("Pulling image \"{image}\""));
            say(
                "Warning",
                "Failed",
                format!(
                    "Failed to pull image \"{image}\": rpc error: code = NotFound desc = simulated: {image}: not found"
                ),
            );
            say("Warning", "Failed", "Error: ErrImagePull".to_owned());
            say("Normal", "BackOff", format!("Back-off pulling image \"{image}\""));
            say("Warning", "Failed", "Error: ImagePullBackOff".to_owned());
        }
        "crash-loop" if begins || restarts(before) != restarts(after) => {
            say("Normal", "Created", "Container created (simulated)".to_owned());
            say("Normal", "Started", "Container started (simulated)".to_owned());
            let message = object::text(&state.state, "/waiting/message").to_owned();
            say(
                "Warning",
                "BackOff",
                message.split_once(" pod=").map_or(message.clone(), |(_, pod)| {
                    let container =
                        object::items(after, "/spec/containers").first().map(object_name).unwrap_or_default();
                    format!("Back-off restarting failed container {container} in pod {pod}")
                }),
            );
        }
        _ if begins => {
            say("Normal", "Pulled", format!("Container image \"{image}\" already present on machine (simulated)"));
            say("Normal", "Created", "Container created (simulated)".to_owned());
            say("Normal", "Started", "Container started (simulated)".to_owned());
        }
        _ => {}
    }
}

/// What a container of the pod would have written.
pub(crate) fn log(pod: &Value, container: &str, previous: bool) -> Result<String, Failure> {
    let names: Vec<&str> = object::items(pod, "/spec/containers").iter().map(object_name).collect();
    let name = object::name(pod);
    let container = match (container, names.as_slice()) {
        ("", [only]) => *only,
        ("", _) => {
            let list = names.join(" ");
            let text = format!("a container name must be specified for pod {name}, choose one of: [{list}]");
            return Err(Failure::bad_request(text));
        }
        (named, _) if names.contains(&named) => named,
        (named, _) => {
            return Err(Failure::bad_request(format!("container {named} is not valid for pod {name}")));
        }
    };
    let status = object::items(pod, "/status/containerStatuses").iter().find(|s| object_name(s) == container);
    let restarts = status.and_then(|s| object::number(s, "/restartCount")).unwrap_or(0);
    let waits = status.map(|s| object::text(s, "/state/waiting/reason")).unwrap_or("ContainerCreating");
    if previous && restarts == 0 {
        let text = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(Failure::bad_request(text));
    }
    if waits == "CrashLoopBackOff" || previous {
        return Ok("simulated: the container was asked to fail and exited with code 1\n".to_owned());
    }
    if !waits.is_empty() {
        let text = format!("container \"{container}\" in pod \"{name}\" is waiting to start: {}", waits_words(waits));
        return Err(Failure::bad_request(text));
    }
    Ok(format!("simulated: container {container} of pod {name} runs in no machine and writes nothing\n"))
}

fn waits_words(reason: &str) -> &str {
    match reason {
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    }
}
