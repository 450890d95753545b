//! CronJobs: a Job at each moment of a schedule, and the old ones cleared away.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/cronjob`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cron::Schedule;
use super::event::{self, Event};
use super::queue::Work;
use super::writing::controller_reference;
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::rules::{DeleteOptions, Propagation};
use crate::store::Object;

const COMPONENT: &str = "cronjob-controller";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// Looks at one CronJob.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("batch/v1", "CronJob", namespace, name) else { return Ok(None) };
    let owned = context.txn.owned_by(object::uid(&live.value)).into_iter();
    let jobs: Vec<Arc<Object>> = owned.filter(|(key, _)| &*key.resource == "batch/jobs").map(|(_, job)| job).collect();
    let status = live.value.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut cron = Cron { live, jobs, status };
    cron.take_stock(context);
    cron.clear(context)?;
    if !object::is_deleting(&cron.live.value) {
        cron.run_due(context)?;
    }
    let Cron { live, status, .. } = cron;
    context.set_status(&live, status)?;
    Ok(None)
}

struct Cron {
    live: Arc<Object>,
    jobs: Vec<Arc<Object>>,
    status: Value,
}

/// How a Job has ended, where it has: the condition that says so.
fn ending(job: &Value) -> Option<&Value> {
    ["Complete", "Failed"]
        .into_iter()
        .filter_map(|kind| object::condition(job, kind))
        .find(|c| object::text(c, "/status") == "True")
}

impl Cron {
    fn active(&self) -> Vec<Value> {
        object::items(&self.status, "/active").to_vec()
    }

    fn set_active(&mut self, active: Vec<Value>) {
        if active.is_empty() {
            object::remove(&mut self.status, "/active");
        } else {
            object::set(&mut self.status, "/active", json!(active));
        }
    }

    fn tell(&self, context: &mut Context<'_, '_>, kind: &str, reason: &str, message: &str) {
        event::tell(context, &self.live.value, &Event { kind, reason, message, component: COMPONENT });
    }

    /// Which of the Jobs still run.
    fn take_stock(&mut self, context: &mut Context<'_, '_>) {
        let mut active = self.active();
        let uid_of = |reference: &Value| object::text(reference, "/uid").to_owned();
        for job in self.jobs.clone() {
            let at = active.iter().position(|reference| uid_of(reference) == object::uid(&job.value));
            let Some(ended) = ending(&job.value) else { continue };
            if at.map(|at| active.remove(at)).is_none() {
                continue;
            }
            let how = object::text(ended, "/type");
            let message = format!("Saw completed job: {}, condition: {how}", object::name(&job.value));
            self.tell(context, "Normal", "SawCompletedJob", &message);
            if how == "Complete" {
                let when = object::text(&job.value, "/status/completionTime");
                if object::text(&self.status, "/lastSuccessfulTime") < when {
                    object::set(&mut self.status, "/lastSuccessfulTime", json!(when));
                }
            }
        }
        let there: Vec<String> = self.jobs.iter().map(|job| object::uid(&job.value).to_owned()).collect();
        let (kept, gone): (Vec<Value>, Vec<Value>) =
            active.into_iter().partition(|reference| there.contains(&uid_of(reference)));
        for reference in gone {
            let message = format!("Active job went missing: {}", object::text(&reference, "/name"));
            self.tell(context, "Normal", "MissingJob", &message);
        }
        self.set_active(kept);
    }

    /// Deletes the oldest of the Jobs that have ended, beyond the history limits.
    fn clear(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        for (kind, field, usual) in
            [("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)]
        {
            let limit = object::number(&self.live.value, &format!("/spec/{field}")).unwrap_or(usual);
            let mut ended: Vec<Arc<Object>> = self
                .jobs
                .iter()
                .filter(|job| ending(&job.value).is_some_and(|c| object::text(c, "/type") == kind))
                .filter(|job| !object::is_deleting(&job.value))
                .cloned()
                .collect();
            ended.sort_by_key(|job| {
                (object::text(&job.value, "/status/startTime").to_owned(), object::name(&job.value).to_owned())
            });
            let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            for job in ended.iter().take(surplus) {
                self.delete(context, job)?;
            }
        }
        Ok(())
    }

    fn delete(&self, context: &mut Context<'_, '_>, job: &Arc<Object>) -> Result<(), Failure> {
        let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        context.delete(job, &options)?;
        self.tell(context, "Normal", "SuccessfulDelete", &format!("Deleted job {}", object::name(&job.value)));
        Ok(())
    }

    /// Starts the Job whose time has come, and notes when the next one's does.
    fn run_due(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let cron = self.live.value.clone();
        let text = |field: &str| object::text(&cron, &format!("/spec/{field}")).to_owned();
        let zone = Some(text("timeZone")).filter(|zone| !zone.is_empty());
        let Some(schedule) = Schedule::parse(&text("schedule"), zone.as_deref()) else {
            let (reason, message) = match zone {
                Some(zone) if Schedule::parse(&text("schedule"), None).is_some() => {
                    ("UnknownTimeZone", format!("invalid timeZone: {zone:?}: unknown time zone {zone}"))
                }
                _ => ("UnparseableSchedule", format!("unparseable schedule: {:?}", text("schedule"))),
            };
            self.tell(context, "Warning", reason, &message);
            return Ok(());
        };
        let now = context.now();
        if let Some(next) = schedule.next(now) {
            let name = object::name(&cron).to_owned();
            context.queue.chore(next, Work::CronJob(object::namespace(&cron).to_owned(), name));
        }
        if object::truth(&cron, "/spec/suspend") {
            return Ok(());
        }
        let deadline =
            object::number(&cron, "/spec/startingDeadlineSeconds").map(|s| Duration::from_secs(s.unsigned_abs()));
        let Some(due) = self.due(&schedule, now, deadline) else { return Ok(()) };
        if deadline.is_some_and(|deadline| due + deadline < now) {
            let message = format!("Missed scheduled time to start a job: {}", object::rfc3339(due));
            self.tell(context, "Warning", "MissSchedule", &message);
            return Ok(());
        }
        let job = format!("{}-{}", object::name(&cron), due.as_second() / 60);
        if context.get("batch/v1", "Job", object::namespace(&cron), &job).is_some() {
            return Ok(());
        }
        let active = self.active();
        match text("concurrencyPolicy").as_str() {
            "Forbid" if !active.is_empty() => {
                self.tell(
                    context,
                    "Normal",
                    "JobAlreadyActive",
                    "Not starting job because prior execution is running and concurrency policy is Forbid",
                );
                return Ok(());
            }
            "Replace" => {
                for reference in &active {
                    let named =
                        context.get("batch/v1", "Job", object::namespace(&cron), object::text(reference, "/name"));
                    if let Some(old) = named {
                        self.delete(context, &old)?;
                    }
                }
                self.set_active(Vec::new());
            }
            _ => {}
        }
        self.start(context, &job, due)
    }

    /// The last moment that has come since the last start.
    fn due(&self, schedule: &Schedule, now: Timestamp, deadline: Option<Duration>) -> Again {
        let since = object::time(&self.status, "/lastScheduleTime")
            .or_else(|| object::time(&self.live.value, "/metadata/creationTimestamp"))?;
        let since = deadline.map_or(since, |deadline| since.max(now - deadline));
        let mut due = None;
        let mut at = since;
        // More than so many were missed only while the cluster was closed: then it is the last that counts.
        for _ in 0..100_000 {
            match schedule.next(at) {
                Some(next) if next <= now => (due, at) = (Some(next), next),
                _ => break,
            }
        }
        due
    }

    fn start(&mut self, context: &mut Context<'_, '_>, name: &str, due: Timestamp) -> Result<(), Failure> {
        let cron = &self.live.value;
        let template = cron.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
        let mut metadata = json!({
            "name": name,
            "namespace": object::namespace(cron),
            "ownerReferences": [controller_reference(cron)],
        });
        if let Some(labels) = template.pointer("/metadata/labels") {
            object::set(&mut metadata, "/labels", labels.clone());
        }
        let mut annotations = template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({}));
        object::as_map(&mut annotations).insert(SCHEDULED.to_owned(), json!(object::rfc3339(due)));
        object::set(&mut metadata, "/annotations", annotations);
        let made = context.create(json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": template.get("spec").cloned().unwrap_or_default(),
        }));
        let made = match made {
            Ok(made) => made,
            Err(failure) => {
                self.tell(context, "Warning", "FailedCreate", &format!("Error creating job: {}", failure.message));
                return Ok(());
            }
        };
        self.tell(context, "Normal", "SuccessfulCreate", &format!("Created job {name}"));
        let mut active = self.active();
        active.push(json!({
            "kind": "Job",
            "namespace": object::namespace(&made.value),
            "name": name,
            "uid": object::uid(&made.value),
            "apiVersion": "batch/v1",
            "resourceVersion": object::text(&made.value, "/metadata/resourceVersion"),
        }));
        self.set_active(active);
        object::set(&mut self.status, "/lastScheduleTime", json!(object::rfc3339(due)));
        Ok(())
    }
}
