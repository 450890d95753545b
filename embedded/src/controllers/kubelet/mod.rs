//! The kubelet, simulated: a placed pod starts, becomes ready after a while, ends when it is a job's, and goes when it is
//! deleted. Annotations on the pod, or a test, ask for faults. No container runs.

mod life;
mod log;
mod status;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::life::Life;
pub(crate) use self::log::log;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::DeleteOptions;
use crate::simulation::PodFault;
use crate::store::Object;

/// The fault a pod is to show: `crash-loop`, `image-pull`, `never-ready`, `held`.
const FAULT: &str = "kube-embedded/fault";
/// The same for those who can choose an image but no annotation: a tag such as `fault-crash-loop`.
const FAULT_TAG: &str = ":fault-";
/// How long this pod takes to become ready, in seconds (`2.5s` or `2.5`), in place of the cluster's own delay.
const READY_AFTER: &str = "kube-embedded/ready-after";
/// How long a pod that ends runs before it does, in place of the cluster's own delay.
const RUNS_FOR: &str = "kube-embedded/runs-for";
/// How long this pod takes to end when it is told to; it ends at once without.
const STOPS_AFTER: &str = "kube-embedded/stops-after";
/// The finalizer of a pod with the fault `held`.
const HELD: &str = "kube-embedded/held";
const KUBELET: &str = "kubelet";

/// Looks at one placed pod.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(pod) = context.get("v1", "Pod", namespace, name) else { return Ok(None) };
    let node = object::text(&pod.value, "/spec/nodeName");
    if node.is_empty() || context.get("v1", "Node", "", node).is_none() || context.simulation.node(node).is_some() {
        // Nobody is there who could start or end it.
        return Ok(None);
    }
    let wishes = Wishes::of(context, &pod.value);
    let pod = hold(context, &pod, wishes.held)?;
    if object::is_deleting(&pod.value) {
        return end(context, &pod, &wishes);
    }
    if pods::has_ended(&pod.value) {
        return Ok(None);
    }
    let started = object::time(&pod.value, "/status/startTime").unwrap_or_else(|| context.now());
    let life = Life { pod: &pod.value, started, now: context.now(), wishes: &wishes };
    let (state, again) = life.state();
    let address = match object::text(&pod.value, "/status/podIP") {
        "" if object::truth(&pod.value, "/spec/hostNetwork") => host(context, node),
        "" => context.index.free_address(),
        known => known.to_owned(),
    };
    let status = status::status(&life, &state, &host(context, node), &address);
    let mut new = pod.value.clone();
    object::set(&mut new, "/status", status);
    let changed = context.update_as(&pod, new, KUBELET, "status")?;
    tell::tell(context, &pod.value, &changed.value, &state, wishes.fault);
    Ok(again)
}

/// The finalizer of a held pod is there as long as the fault is.
fn hold(context: &mut Context<'_, '_>, pod: &Arc<Object>, held: bool) -> Result<Arc<Object>, Failure> {
    let mut finalizers = object::finalizers(&pod.value);
    if finalizers.contains(&HELD) == held || (held && object::is_deleting(&pod.value)) {
        return Ok(Arc::clone(pod));
    }
    let mut new = object::without_finalizer(&pod.value, HELD);
    if held {
        finalizers.push(HELD);
        object::set(&mut new, "/metadata/finalizers", json!(finalizers));
    }
    context.update_as(pod, new, KUBELET, "")
}

/// A pod that was told to go: its containers end in their time, at most in the grace it was given; then it is gone.
fn end(context: &mut Context<'_, '_>, pod: &Arc<Object>, wishes: &Wishes) -> Result<Again, Failure> {
    let number = |pointer: &str| object::number(&pod.value, pointer).unwrap_or(0);
    let grace = Duration::from_secs(number("/metadata/deletionGracePeriodSeconds").unsigned_abs());
    if let Some(until) = object::time(&pod.value, "/metadata/deletionTimestamp") {
        let ends = until - grace + wishes.stops_after.min(grace);
        if ends > context.now() {
            return Ok(Some(ends));
        }
    }
    let mut pod = Arc::clone(pod);
    if !object::finalizers(&pod.value).is_empty() && !pods::has_ended(&pod.value) {
        // Who holds it wants to know that it has ended.
        let mut new = pod.value.clone();
        object::set(&mut new, "/status/phase", json!("Failed"));
        pod = context.update_as(&pod, new, KUBELET, "status")?;
    }
    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    context.delete(&pod, &options)?;
    Ok(None)
}

fn host(context: &Context<'_, '_>, node: &str) -> String {
    let node = context.get("v1", "Node", "", node);
    let address = node.as_ref().and_then(|node| object::items(&node.value, "/status/addresses").first());
    address.map(|address| object::text(address, "/address").to_owned()).unwrap_or_default()
}

/// What a pod is to do: as its annotations say, or else a test, or else the cluster's options.
struct Wishes {
    fault: Option<PodFault>,
    ready_after: Duration,
    runs_for: Duration,
    stops_after: Duration,
    held: bool,
}

impl Wishes {
    fn of(context: &Context<'_, '_>, pod: &Value) -> Wishes {
        let mut wishes = Wishes {
            fault: None,
            ready_after: context.rules.settings.ready_after,
            runs_for: context.rules.settings.ready_after,
            stops_after: Duration::ZERO,
            held: false,
        };
        for fault in context.simulation.faults_of(pod).into_iter().rev() {
            wishes.take(fault);
        }
        if let Some(fault) = asked(pod) {
            wishes.take(fault);
        }
        if let Some(delay) = seconds(pod, READY_AFTER) {
            (wishes.ready_after, wishes.runs_for) = (delay, delay);
        }
        wishes.runs_for = seconds(pod, RUNS_FOR).unwrap_or(wishes.runs_for);
        wishes.stops_after = seconds(pod, STOPS_AFTER).unwrap_or(wishes.stops_after);
        wishes
    }

    fn take(&mut self, fault: PodFault) {
        match fault {
            PodFault::SlowStart(delay) => self.ready_after = delay,
            PodFault::SlowStop(delay) => self.stops_after = delay,
            PodFault::Held => self.held = true,
            PodFault::CrashLoop | PodFault::ImagePull | PodFault::NeverReady => self.fault = Some(fault),
        }
    }
}

fn seconds(pod: &Value, annotation: &str) -> Option<Duration> {
    let text = object::annotation(pod, annotation)?.trim_end_matches('s');
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0)?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The fault that a pod's annotation asks for, or else the tag of its first container's image.
fn asked(pod: &Value) -> Option<PodFault> {
    let tagged = || {
        let first = object::items(pod, "/spec/containers").first()?;
        Some(object::text(first, "/image").rsplit_once(FAULT_TAG)?.1)
    };
    match object::annotation(pod, FAULT).or_else(tagged)? {
        "crash-loop" => Some(PodFault::CrashLoop),
        "image-pull" => Some(PodFault::ImagePull),
        "never-ready" => Some(PodFault::NeverReady),
        "held" => Some(PodFault::Held),
        _ => None,
    }
}

fn object_name(container: &Value) -> &str {
    object::text(container, "/name")
}

/// Is it an init container that stays beside the others?
fn is_sidecar(container: &Value) -> bool {
    object::text(container, "/restartPolicy") == "Always"
}

/// Seconds as Go prints a duration.
fn go_duration(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

/// A moment so many seconds later.
fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at + Duration::from_secs(seconds.unsigned_abs())
}
