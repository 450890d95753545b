//! Jobs: pods that end, until enough of them have ended well; or too many badly, or too late.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/job` and `ttlafterfinished`. Success and failure policies, and limits for
//! each index, are not looked at.

mod indexes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::{set_condition, without_zeros};
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::{DeleteOptions, Propagation};
use crate::store::Object;

/// Keeps a pod until the Job has counted it.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const COMPONENT: &str = "job-controller";
/// The wait after the first failure; it doubles with each that follows. Source: `DefaultJobPodFailureBackOff`.
const BACK_OFF: u64 = 10;
const LONGEST_BACK_OFF: u64 = 600;

/// Looks at one Job.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("batch/v1", "Job", namespace, name) else { return Ok(None) };
    let all = pods::owned(context, object::uid(&live.value));
    let status = live.value.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut job = Work { status, all, again: None, told: Vec::new(), live };
    if job.is_over() {
        job.release_all(context)?;
        return job.expire(context);
    }
    if object::is_deleting(&job.live.value) {
        job.release_all(context)?;
        return Ok(None);
    }
    job.count(context)?;
    job.go_on(context)?;
    job.report(context)
}

struct Work {
    live: Arc<Object>,
    status: Value,
    /// The Job's pods, ended ones included.
    all: Vec<Arc<Object>>,
    again: Again,
    /// Events to be told with the status: kind, reason, message.
    told: Vec<(&'static str, &'static str, String)>,
}

impl Work {
    fn spec(&self, field: &str) -> Option<i64> {
        object::number(&self.live.value, &format!("/spec/{field}"))
    }

    fn is_indexed(&self) -> bool {
        object::text(&self.live.value, "/spec/completionMode") == "Indexed"
    }

    fn has(&self, condition: &str) -> bool {
        object::items(&self.status, "/conditions")
            .iter()
            .any(|c| object::text(c, "/type") == condition && object::text(c, "/status") == "True")
    }

    fn is_over(&self) -> bool {
        self.has("Complete") || self.has("Failed")
    }

    fn number(&self, field: &str) -> i64 {
        object::number(&self.status, &format!("/{field}")).unwrap_or(0)
    }

    fn active(&self) -> Vec<Arc<Object>> {
        self.all.iter().filter(|pod| pods::is_active(&pod.value)).cloned().collect()
    }

    fn at(&mut self, at: Timestamp) {
        self.again = Some(self.again.map_or(at, |known| at.min(known)));
    }

    /// Counts the pods that have ended and were not counted yet, and lets them go.
    fn count(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let mut done = indexes::read(object::text(&self.status, "/completedIndexes"));
        let (mut succeeded, mut failed) = (self.number("succeeded"), self.number("failed"));
        for pod in self.all.clone() {
            if !object::finalizers(&pod.value).contains(&TRACKING) {
                continue;
            }
            let phase = object::text(&pod.value, "/status/phase");
            if phase == "Succeeded" {
                match indexes::of(&pod.value).filter(|_| self.is_indexed()) {
                    Some(index) => succeeded += i64::from(done.insert(index)),
                    None => succeeded += 1,
                }
            } else if phase == "Failed" || object::is_deleting(&pod.value) {
                failed += 1;
            } else {
                continue;
            }
            release(context, &pod)?;
        }
        self.all = pods::owned(context, object::uid(&self.live.value));
        object::set(&mut self.status, "/succeeded", json!(succeeded));
        object::set(&mut self.status, "/failed", json!(failed));
        if self.is_indexed() && !done.is_empty() {
            object::set(&mut self.status, "/completedIndexes", json!(indexes::write(&done)));
        }
        Ok(())
    }

    fn release_all(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        for pod in &self.all {
            release(context, pod)?;
        }
        Ok(())
    }

    /// Has enough ended well?
    fn is_done(&self, active: usize) -> bool {
        let succeeded = self.number("succeeded");
        match self.spec("completions") {
            Some(completions) => succeeded >= completions,
            None => succeeded > 0 && active == 0,
        }
    }

    /// Why the Job has failed, where it has: reason and message.
    fn verdict(&mut self, now: Timestamp) -> Option<(&'static str, &'static str)> {
        let limit = self.spec("backoffLimit").unwrap_or(6);
        let restarts: i64 = self
            .all
            .iter()
            .filter(|pod| {
                object::text(&pod.value, "/spec/restartPolicy") == "OnFailure" && !pods::has_ended(&pod.value)
            })
            .flat_map(|pod| object::items(&pod.value, "/status/containerStatuses"))
            .filter_map(|status| object::number(status, "/restartCount"))
            .sum();
        if self.number("failed") > limit || (restarts > 0 && restarts >= limit) {
            return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
        }
        let started = object::time(&self.status, "/startTime")?;
        let deadline = started + Duration::from_secs(self.spec("activeDeadlineSeconds")?.unsigned_abs());
        if deadline <= now {
            return Some(("DeadlineExceeded", "Job was active longer than specified deadline"));
        }
        self.at(deadline);
        None
    }

    fn go_on(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let now = context.now();
        let suspended = object::truth(&self.live.value, "/spec/suspend");
        if !suspended && object::time(&self.status, "/startTime").is_none() {
            object::set(&mut self.status, "/startTime", json!(object::rfc3339(now)));
        }
        let active = self.active();
        if self.is_done(active.len()) && !self.has("FailureTarget") {
            let message = "Reached expected number of succeeded pods";
            self.say(now, ("SuccessCriteriaMet", "True"), "CompletionsReached", message);
            self.discard(context, &active)?;
            return self.finish(context, "Complete", "CompletionsReached", message);
        }
        let known = self.target().map(|(reason, message)| (reason.to_owned(), message.to_owned()));
        let verdict = match known {
            Some(known) => Some(known),
            None => self.verdict(now).map(|(reason, message)| (reason.to_owned(), message.to_owned())),
        };
        if let Some((reason, message)) = verdict {
            self.say(now, ("FailureTarget", "True"), &reason, &message);
            for pod in &active {
                pods::remove(context, &self.live.value, pod)?;
            }
            self.all = pods::owned(context, object::uid(&self.live.value));
            self.count(context)?;
            return self.finish(context, "Failed", &reason, &message);
        }
        if suspended {
            if !self.has("Suspended") {
                self.say(now, ("Suspended", "True"), "JobSuspended", "Job suspended");
                self.told.push(("Normal", "Suspended", "Job suspended".to_owned()));
            }
            object::remove(&mut self.status, "/startTime");
            return self.discard(context, &active);
        }
        if self.has("Suspended") {
            self.say(now, ("Suspended", "False"), "JobResumed", "Job resumed");
            self.told.push(("Normal", "Resumed", "Job resumed".to_owned()));
            object::set(&mut self.status, "/startTime", json!(object::rfc3339(now)));
        }
        self.staff(context, active)
    }

    /// Why the Job is about to fail.
    fn target(&self) -> Option<(&str, &str)> {
        let conditions = object::items(&self.status, "/conditions").iter();
        let known = conditions.into_iter().find(|c| object::text(c, "/type") == "FailureTarget")?;
        Some((object::text(known, "/reason"), object::text(known, "/message")))
    }

    /// As many pods as may run at a time and are still needed.
    fn staff(&mut self, context: &mut Context<'_, '_>, mut active: Vec<Arc<Object>>) -> Result<(), Failure> {
        let parallel = self.spec("parallelism").unwrap_or(1);
        let succeeded = self.number("succeeded");
        let needed = match self.spec("completions") {
            Some(completions) => (completions - succeeded).min(parallel),
            None if succeeded > 0 => i64::try_from(active.len()).unwrap_or(0).min(parallel),
            None => parallel,
        };
        let needed = usize::try_from(needed).unwrap_or(0);
        if active.len() > needed {
            active.sort_by_key(|pod| (pods::is_ready(&pod.value), object::name(&pod.value).to_owned()));
            let surplus: Vec<Arc<Object>> = active.iter().take(active.len() - needed).cloned().collect();
            return self.discard(context, &surplus);
        }
        let mut missing = needed - active.len();
        if object::text(&self.live.value, "/spec/podReplacementPolicy") == "Failed" {
            let going = self.all.iter().filter(|pod| object::is_deleting(&pod.value) && !pods::has_ended(&pod.value));
            missing = missing.saturating_sub(going.count());
        }
        if missing == 0 {
            return Ok(());
        }
        if let Some(until) = self.back_off().filter(|until| *until > context.now()) {
            self.at(until);
            return Ok(());
        }
        let free = self.is_indexed().then(|| self.free_indexes(&active));
        for at in 0..missing {
            let index = match &free {
                None => None,
                Some(free) => match free.get(at) {
                    Some(index) => Some(*index),
                    None => break,
                },
            };
            self.make(context, index)?;
        }
        self.all = pods::owned(context, object::uid(&self.live.value));
        Ok(())
    }

    fn free_indexes(&self, active: &[Arc<Object>]) -> Vec<i64> {
        let done = indexes::read(object::text(&self.status, "/completedIndexes"));
        let taken: BTreeSet<i64> = active.iter().filter_map(|pod| indexes::of(&pod.value)).collect();
        let all = 0..self.spec("completions").unwrap_or(0);
        all.filter(|index| !done.contains(index) && !taken.contains(index)).collect()
    }

    /// Until when no pod is made after one has failed.
    fn back_off(&self) -> Again {
        let failed = self.all.iter().filter(|pod| object::text(&pod.value, "/status/phase") == "Failed");
        let ended = failed.filter_map(|pod| {
            let statuses = object::items(&pod.value, "/status/containerStatuses").iter();
            statuses.filter_map(|status| object::time(status, "/state/terminated/finishedAt")).max()
        });
        let last = ended.max()?;
        let doublings = u32::try_from(self.number("failed") - 1).unwrap_or(0).min(16);
        Some(last + Duration::from_secs((BACK_OFF << doublings).min(LONGEST_BACK_OFF)))
    }

    fn make(&self, context: &mut Context<'_, '_>, index: Option<i64>) -> Result<(), Failure> {
        let job = &self.live.value;
        pods::make(context, job, None, |pod| {
            let mut finalizers: Vec<&str> = object::finalizers(pod);
            finalizers.push(TRACKING);
            let finalizers = json!(finalizers);
            object::set(pod, "/metadata/finalizers", finalizers);
            if let Some(index) = index {
                indexes::give(pod, object::name(job), index);
            }
        })?;
        Ok(())
    }

    /// Deletes pods that are no longer wanted, without counting them.
    fn discard(&mut self, context: &mut Context<'_, '_>, unwanted: &[Arc<Object>]) -> Result<(), Failure> {
        for pod in unwanted {
            let pod = release(context, pod)?;
            pods::remove(context, &self.live.value, &pod)?;
        }
        self.all = pods::owned(context, object::uid(&self.live.value));
        Ok(())
    }

    /// Ends the Job, once the last of its pods has ended.
    fn finish(
        &mut self,
        context: &Context<'_, '_>,
        kind: &'static str,
        reason: &str,
        message: &str,
    ) -> Result<(), Failure> {
        if self.all.iter().any(|pod| !pods::has_ended(&pod.value)) {
            return Ok(());
        }
        let now = context.now();
        self.say(now, (kind, "True"), reason, message);
        if kind == "Complete" {
            object::set(&mut self.status, "/completionTime", json!(object::rfc3339(now)));
            self.told.push(("Normal", "Completed", "Job completed".to_owned()));
        } else {
            let reason = if reason == "DeadlineExceeded" { "DeadlineExceeded" } else { "BackoffLimitExceeded" };
            self.told.push(("Warning", reason, message.to_owned()));
        }
        if let Some(seconds) = self.spec("ttlSecondsAfterFinished") {
            self.at(now + Duration::from_secs(seconds.unsigned_abs()));
        }
        Ok(())
    }

    fn say(&mut self, now: Timestamp, (kind, status): (&str, &str), reason: &str, message: &str) {
        let now = object::rfc3339(now);
        let mut conditions: Vec<Value> = object::items(&self.status, "/conditions").to_vec();
        let known = conditions.iter().find(|c| object::text(c, "/type") == kind);
        if known.is_some_and(|c| object::text(c, "/status") == status && object::text(c, "/reason") == reason) {
            return;
        }
        let condition =
            json!({"type": kind, "status": status, "reason": reason, "message": message, "lastProbeTime": now});
        set_condition(&mut conditions, condition, &now, false);
        object::set(&mut self.status, "/conditions", json!(conditions));
    }

    fn report(mut self, context: &mut Context<'_, '_>) -> Result<Again, Failure> {
        let active = self.active();
        let ready = active.iter().filter(|pod| pods::is_ready(&pod.value)).count();
        let going =
            self.all.iter().filter(|pod| object::is_deleting(&pod.value) && !pods::has_ended(&pod.value)).count();
        for (field, value) in [("active", active.len()), ("ready", ready), ("terminating", going)] {
            object::set(&mut self.status, &format!("/{field}"), json!(value));
        }
        object::set(&mut self.status, "/uncountedTerminatedPods", json!({}));
        let status = without_zeros(self.status, &["active", "succeeded", "failed"]);
        let (namespace, name) = (object::namespace(&self.live.value), object::name(&self.live.value));
        for (kind, reason, message) in &self.told {
            let told = Event { kind, reason, message, component: COMPONENT };
            event::tell(context, &self.live.value, &told);
        }
        if let Some(live) = context.get("batch/v1", "Job", namespace, name) {
            context.set_status(&live, status)?;
        }
        Ok(self.again)
    }

    /// A Job that is over goes when its time is up.
    fn expire(&self, context: &mut Context<'_, '_>) -> Result<Again, Failure> {
        let Some(seconds) = self.spec("ttlSecondsAfterFinished") else { return Ok(None) };
        let over = object::items(&self.status, "/conditions").iter().filter(|c| {
            matches!(object::text(c, "/type"), "Complete" | "Failed") && object::text(c, "/status") == "True"
        });
        let Some(ended) = over.filter_map(|c| object::time(c, "/lastTransitionTime")).max() else { return Ok(None) };
        let until = ended + Duration::from_secs(seconds.unsigned_abs());
        if until > context.now() || object::is_deleting(&self.live.value) {
            return Ok(Some(until).filter(|_| !object::is_deleting(&self.live.value)));
        }
        let options = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
        context.delete(&self.live, &options)?;
        Ok(None)
    }
}

/// Takes the Job's hold off a pod.
fn release(context: &mut Context<'_, '_>, pod: &Arc<Object>) -> Result<Arc<Object>, Failure> {
    if object::finalizers(&pod.value).contains(&TRACKING) {
        context.update(pod, object::without_finalizer(&pod.value, TRACKING))
    } else {
        Ok(Arc::clone(pod))
    }
}
