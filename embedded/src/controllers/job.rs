//! Jobs: pods that end, until enough of them have ended well.

use serde_json::{Value, json};

use super::writing::{set_condition, without_zeros};
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;

/// Looks at one Job.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("batch/v1", "Job", namespace, name) else { return Ok(None) };
    let job = &live.value;
    let over = |kind: &str| object::condition_is_true(job, kind);
    if object::is_deleting(job) || over("Complete") || over("Failed") {
        return Ok(None);
    }
    let number = |pointer: &str, default: i64| object::number(job, pointer).unwrap_or(default);
    let (completions, parallel) = (number("/spec/completions", 1), number("/spec/parallelism", 1));
    let phase = |wanted: &str| {
        let all = pods::owned(context, object::uid(job));
        i64::try_from(all.iter().filter(|p| object::text(&p.value, "/status/phase") == wanted).count()).unwrap_or(0)
    };
    let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
    let mut active: Vec<_> = pods::owned(context, object::uid(job));
    active.retain(|pod| pods::is_active(&pod.value));
    let gave_up = failed > number("/spec/backoffLimit", 6);
    let suspended = object::truth(job, "/spec/suspend");
    let wanted = if gave_up || suspended { 0 } else { parallel.min(completions - succeeded).max(0) };
    let have = i64::try_from(active.len()).unwrap_or(0);
    for _ in have..wanted {
        pods::make(context, job, None, |_| ())?;
    }
    for pod in active.iter().take(usize::try_from(have - wanted).unwrap_or(0)) {
        pods::remove(context, job, pod)?;
    }
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(job, "/status/conditions").to_vec();
    let mut status = job.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut say = |kind: &str, reason: &str, message: &str| {
        let condition = json!({
            "type": kind, "status": "True", "reason": reason, "message": message, "lastProbeTime": now});
        set_condition(&mut conditions, condition, &now, false);
    };
    if succeeded >= completions {
        let message = "Reached expected number of succeeded pods";
        say("SuccessCriteriaMet", "CompletionsReached", message);
        say("Complete", "CompletionsReached", message);
        object::set(&mut status, "/completionTime", json!(now));
    } else if gave_up {
        let message = "Job has reached the specified backoff limit";
        say("FailureTarget", "BackoffLimitExceeded", message);
        say("Failed", "BackoffLimitExceeded", message);
    }
    if !conditions.is_empty() {
        object::set(&mut status, "/conditions", json!(conditions));
    }
    if !suspended && status.get("startTime").is_none() {
        object::set(&mut status, "/startTime", json!(now));
    }
    for (field, count) in [("active", wanted), ("succeeded", succeeded), ("failed", failed)] {
        object::set(&mut status, &format!("/{field}"), json!(count));
    }
    let status = without_zeros(status, &["active", "succeeded", "failed"]);
    if let Some(live) = context.get("batch/v1", "Job", namespace, name) {
        context.set_status(&live, status)?;
    }
    Ok(None)
}
