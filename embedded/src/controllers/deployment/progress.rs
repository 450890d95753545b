//! What a Deployment says of itself: its numbers, whether it is available, and whether its rollout gets on.

use std::time::Duration;

use serde_json::{Value, json};

use super::Rollout;
use crate::controllers::writing::{MANAGER, append_condition, without_zeros};
use crate::controllers::{Again, Context};
use crate::failure::Failure;
use crate::object;

/// Does the Deployment keep a deadline for its progress?
pub(super) fn has_deadline(deployment: &Value) -> bool {
    object::number(deployment, "/spec/progressDeadlineSeconds").is_some_and(|seconds| seconds != i64::from(i32::MAX))
}

impl Rollout {
    /// A pause is no lack of progress: the deadline does not run meanwhile.
    pub(super) fn note_pause(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let deployment = &self.live.value;
        let known =
            object::condition(deployment, "Progressing").map(|c| object::text(c, "/reason")).unwrap_or_default();
        if !has_deadline(deployment) || known == "ProgressDeadlineExceeded" {
            return Ok(());
        }
        let paused = object::truth(deployment, "/spec/paused");
        let (reason, message) = match (paused, known == "DeploymentPaused") {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return Ok(()),
        };
        let mut conditions: Vec<Value> = object::items(deployment, "/status/conditions").to_vec();
        let condition = json!({"type": "Progressing", "status": "Unknown", "reason": reason, "message": message});
        append_condition(&mut conditions, condition, &object::rfc3339(context.now()), true);
        let mut new = deployment.clone();
        object::set(&mut new, "/status/conditions", json!(conditions));
        self.live = context.update_as(&self.live, new, MANAGER, "status")?;
        Ok(())
    }

    /// Writes the status. `rolls`: not only the numbers, but how the rollout gets on.
    pub(super) fn report(&self, context: &mut Context<'_, '_>, rolls: bool) -> Result<Again, Failure> {
        let deployment = &self.live.value;
        let bounds = self.bounds();
        let sum =
            |pointer: &str| -> i64 { self.all().map(|set| object::number(&set.value, pointer).unwrap_or(0)).sum() };
        let (total, available) = (sum("/status/replicas"), sum("/status/availableReplicas"));
        let updated = self.new.as_ref().and_then(|n| object::number(&n.value, "/status/replicas")).unwrap_or(0);
        let now = object::rfc3339(context.now());
        let mut conditions: Vec<Value> = object::items(deployment, "/status/conditions").to_vec();
        let (status, reason, message) = if available >= bounds.wanted - bounds.unavailable {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let condition = json!({"type": "Available", "status": status, "reason": reason, "message": message});
        append_condition(&mut conditions, condition, &now, true);
        let mut status = without_zeros(
            json!({
                "replicas": total,
                "updatedReplicas": updated,
                "readyReplicas": sum("/status/readyReplicas"),
                "availableReplicas": available,
                "unavailableReplicas": (sum("/spec/replicas") - available).max(0),
                "terminatingReplicas": sum("/status/terminatingReplicas"),
                "observedGeneration": object::number(deployment, "/metadata/generation").unwrap_or(0),
            }),
            &["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"],
        );
        if let Some(collisions) = object::number(deployment, "/status/collisionCount") {
            object::set(&mut status, "/collisionCount", json!(collisions));
        }
        let mut again = None;
        if rolls {
            again = self.progress(context, &mut conditions, &status, &now);
            let failure = self.new.iter().chain(&self.old).find_map(|s| object::condition(&s.value, "ReplicaFailure"));
            match failure {
                Some(failure) => append_condition(&mut conditions, failure.clone(), &now, true),
                None => conditions.retain(|c| object::text(c, "/type") != "ReplicaFailure"),
            }
        }
        object::set(&mut status, "/conditions", json!(conditions));
        context.set_status(&self.live, status)?;
        Ok(again)
    }

    /// The condition `Progressing`; gives back when the deadline comes.
    fn progress(&self, context: &Context<'_, '_>, conditions: &mut Vec<Value>, status: &Value, now: &str) -> Again {
        let deployment = &self.live.value;
        if !has_deadline(deployment) {
            conditions.retain(|c| object::text(c, "/type") != "Progressing");
            return None;
        }
        let known = object::condition(deployment, "Progressing");
        let reason = known.map(|c| object::text(c, "/reason")).unwrap_or_default();
        let after = |field: &str| object::number(status, field).unwrap_or(0);
        let before = |field: &str| object::number(deployment, &format!("/status{field}")).unwrap_or(0);
        if after("/replicas") == after("/updatedReplicas") && reason == "NewReplicaSetAvailable" {
            return None;
        }
        let what = match &self.new {
            Some(new) => format!("ReplicaSet \"{}\"", object::name(&new.value)),
            None => format!("Deployment \"{}\"", object::name(deployment)),
        };
        let condition = |status: &str, reason: &str, how: &str| json!({"type": "Progressing", "status": status, "reason": reason, "message": format!("{what} {how}")});
        let wanted = self.bounds().wanted;
        let complete = ["/updatedReplicas", "/replicas", "/availableReplicas"].iter().all(|f| after(f) == wanted);
        let old = |part: &dyn Fn(&str) -> i64| part("/replicas") - part("/updatedReplicas");
        let moved = old(&after) < old(&before)
            || ["/updatedReplicas", "/readyReplicas", "/availableReplicas"].iter().any(|f| after(f) > before(f));
        if complete {
            let done = condition("True", "NewReplicaSetAvailable", "has successfully progressed.");
            append_condition(conditions, done, now, true);
            return None;
        }
        if moved {
            // Progress is noted each time it is made: the deadline counts from the last.
            let mut moving = condition("True", "ReplicaSetUpdated", "is progressing.");
            let since =
                known.filter(|c| object::text(c, "/status") == "True").and_then(|c| c.get("lastTransitionTime"));
            object::set(&mut moving, "/lastTransitionTime", since.cloned().unwrap_or_else(|| json!(now)));
            object::set(&mut moving, "/lastUpdateTime", json!(now));
            conditions.retain(|c| object::text(c, "/type") != "Progressing");
            conditions.push(moving);
        }
        let progressing = conditions.iter().find(|c| object::text(c, "/type") == "Progressing")?;
        if matches!(object::text(progressing, "/reason"), "NewReplicaSetAvailable" | "ProgressDeadlineExceeded") {
            return None;
        }
        let seconds = object::number(deployment, "/spec/progressDeadlineSeconds")?;
        let deadline = object::time(progressing, "/lastUpdateTime")? + Duration::from_secs(seconds.unsigned_abs());
        if context.now() < deadline {
            return Some(deadline);
        }
        let late = condition("False", "ProgressDeadlineExceeded", "has timed out progressing.");
        append_condition(conditions, late, now, true);
        None
    }
}
