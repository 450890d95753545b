//! Deployments: one ReplicaSet for each pod template, moved from the old ones to the new one within the rollout's
//! bounds; revisions, conditions and the progress deadline.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::event::{self, Event};
use super::rollout::{self, Bounds, Set};
use super::writing::{MANAGER, controller_reference, set_condition, without_zeros};
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::rules::template_hash;
use crate::store::Object;

const REVISION: &str = "deployment.kubernetes.io/revision";
const WANTED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
/// Annotations of the Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 4] = ["kubectl.kubernetes.io/last-applied-configuration", REVISION, WANTED, MOST];

/// Looks at one Deployment.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "Deployment", namespace, name) else { return Ok(None) };
    let mut deployment = Rollout { live, sets: Vec::new(), new: None, made: false };
    deployment.find(context);
    if !object::is_deleting(&deployment.live.value) {
        let paused = object::truth(&deployment.live.value, "/spec/paused");
        if deployment.new.is_none() && !paused {
            deployment.make(context)?;
        }
        deployment.revise(context)?;
        deployment.scale(context, paused)?;
        deployment.prune(context)?;
    }
    deployment.report(context)
}

struct Rollout {
    live: Arc<Object>,
    /// Every ReplicaSet of the Deployment but the new one, oldest first.
    sets: Vec<Arc<Object>>,
    new: Option<Arc<Object>>,
    /// Was the new one made just now?
    made: bool,
}

impl Rollout {
    fn find(&mut self, context: &Context<'_, '_>) {
        let uid = object::uid(&self.live.value);
        let template = self.live.value.pointer("/spec/template");
        let owned = context.txn.owned_by(uid).into_iter().filter(|(key, _)| &*key.resource == "apps/replicasets");
        let mut sets: Vec<Arc<Object>> = owned.map(|(_, set)| set).collect();
        sets.sort_by_key(|set| (revision(&set.value), set.revision));
        let same = |set: &Arc<Object>| {
            let mut own = set.value.pointer("/spec/template").cloned().unwrap_or_default();
            object::remove(&mut own, &format!("/metadata/labels/{HASH}"));
            Some(&own) == template
        };
        self.new = sets.iter().position(same).map(|at| sets.remove(at));
        self.sets = sets;
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(&self.live.value)
    }

    /// The ReplicaSet of the present template.
    fn make(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let owner = &self.live.value;
        let mut template = owner.pointer("/spec/template").cloned().unwrap_or_default();
        let mut hash = template_hash(&template);
        while context
            .get("apps/v1", "ReplicaSet", object::namespace(owner), &format!("{}-{hash}", object::name(owner)))
            .is_some()
        {
            hash = template_hash(&json!([template, hash]));
        }
        object::set(&mut template, &format!("/metadata/labels/{HASH}"), json!(hash));
        let mut selector = owner.pointer("/spec/selector").cloned().unwrap_or_default();
        object::set(&mut selector, &format!("/matchLabels/{HASH}"), json!(hash));
        let bounds = self.bounds();
        let old: Vec<Set> = self.sets.iter().map(|set| numbers(&set.value)).collect();
        let recreate = object::text(owner, "/spec/strategy/type") == "Recreate";
        let waits = recreate && self.sets.iter().any(|set| has_pods(context, &set.value));
        let replicas = if waits { 0 } else { rollout::new_replicas(bounds, Set::default(), &old) };
        let mut annotations = self.copied();
        object::as_map(&mut annotations).insert(REVISION.to_owned(), json!(self.next_revision().to_string()));
        sizes(&mut annotations, bounds);
        let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
        object::set(&mut labels, &format!("/{HASH}"), json!(hash));
        let mut spec = json!({"replicas": replicas, "selector": selector, "template": template});
        if let Some(seconds) = owner.pointer("/spec/minReadySeconds") {
            object::set(&mut spec, "/minReadySeconds", seconds.clone());
        }
        let made = context.create(json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{}-{hash}", object::name(owner)),
                "namespace": object::namespace(owner),
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [controller_reference(owner)],
            },
            "spec": spec,
        }))?;
        if replicas > 0 {
            self.tell(context, &made.value, 0, replicas);
        }
        self.new = Some(made);
        self.made = true;
        Ok(())
    }

    fn copied(&self) -> Value {
        let all = object::entries(&self.live.value, "/metadata/annotations");
        let kept = all.filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()));
        Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn next_revision(&self) -> i64 {
        self.sets.iter().map(|set| revision(&set.value)).max().unwrap_or(0) + 1
    }

    /// The new ReplicaSet bears the highest revision, and the Deployment the same.
    fn revise(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let Some(new) = &self.new else { return Ok(()) };
        let mut set = new.value.clone();
        let wanted = revision(&set).max(self.next_revision()).to_string();
        let mut annotations = self.copied();
        object::as_map(&mut annotations).insert(REVISION.to_owned(), json!(wanted));
        for key in [WANTED, MOST, "deployment.kubernetes.io/revision-history"] {
            if let Some(value) = object::annotation(&set, key) {
                object::as_map(&mut annotations).insert(key.to_owned(), json!(value));
            }
        }
        object::set(&mut set, "/metadata/annotations", annotations);
        self.new = Some(context.update(new, set)?);
        let mut deployment = self.live.value.clone();
        let annotations = object::metadata(&mut deployment).entry("annotations").or_insert_with(|| json!({}));
        object::as_map(annotations).insert(REVISION.to_owned(), json!(wanted));
        self.live = context.update_as(&self.live, deployment, MANAGER, "status")?;
        Ok(())
    }

    fn scale(&mut self, context: &mut Context<'_, '_>, paused: bool) -> Result<(), Failure> {
        let bounds = self.bounds();
        if paused && !self.sets.is_empty() {
            return self.scale_only(context, bounds);
        }
        let recreate = object::text(&self.live.value, "/spec/strategy/type") == "Recreate";
        let old: Vec<Set> = self.sets.iter().map(|set| numbers(&set.value)).collect();
        if let Some(new) = self.new.clone() {
            let waits = recreate && self.sets.iter().any(|set| has_pods(context, &set.value));
            let replicas = if waits { 0 } else { rollout::new_replicas(bounds, numbers(&new.value), &old) };
            self.new = Some(self.set_replicas(context, &new, replicas, bounds)?);
        }
        let new = self.new.as_ref().map(|set| numbers(&set.value)).unwrap_or_default();
        let wanted: Vec<i64> = if recreate { vec![0; old.len()] } else { rollout::old_replicas(bounds, new, &old) };
        for (at, replicas) in wanted.into_iter().enumerate() {
            if let Some(set) = self.sets.get(at).cloned() {
                let set = self.set_replicas(context, &set, replicas, bounds)?;
                if let Some(slot) = self.sets.get_mut(at) {
                    *slot = set;
                }
            }
        }
        Ok(())
    }

    /// A paused Deployment changes its number of pods, not their template: the set that has most takes the difference.
    fn scale_only(&mut self, context: &mut Context<'_, '_>, bounds: Bounds) -> Result<(), Failure> {
        let all: Vec<Arc<Object>> = self.sets.iter().chain(&self.new).cloned().collect();
        let total: i64 = all.iter().map(|set| numbers(&set.value).replicas).sum();
        let Some(largest) = all.iter().max_by_key(|set| numbers(&set.value).replicas) else { return Ok(()) };
        let replicas = (numbers(&largest.value).replicas + bounds.wanted - total).max(0);
        self.set_replicas(context, largest, replicas, bounds)?;
        self.find(context);
        Ok(())
    }

    fn set_replicas(
        &self,
        context: &mut Context<'_, '_>,
        set: &Arc<Object>,
        replicas: i64,
        bounds: Bounds,
    ) -> Result<Arc<Object>, Failure> {
        let before = numbers(&set.value).replicas;
        let mut new = set.value.clone();
        object::set(&mut new, "/spec/replicas", json!(replicas));
        if (replicas > 0 || before > 0)
            && let Some(annotations) = new.pointer_mut("/metadata/annotations")
        {
            sizes(annotations, bounds);
        }
        let changed = context.update(set, new)?;
        if before != replicas {
            self.tell(context, &set.value, before, replicas);
        }
        Ok(changed)
    }

    fn tell(&self, context: &mut Context<'_, '_>, set: &Value, before: i64, after: i64) {
        let way = if after > before { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {before} to {after}", object::name(set));
        let scaled = Event {
            kind: "Normal",
            reason: "ScalingReplicaSet",
            message: &message,
            component: "deployment-controller",
        };
        event::tell(context, &self.live.value, &scaled);
    }

    /// Old ReplicaSets without pods beyond the history limit go.
    fn prune(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let limit = object::number(&self.live.value, "/spec/revisionHistoryLimit").unwrap_or(10);
        let limit = usize::try_from(limit).unwrap_or(0);
        let empty: Vec<Arc<Object>> = self
            .sets
            .iter()
            .filter(|set| {
                numbers(&set.value).replicas == 0 && object::number(&set.value, "/status/replicas").unwrap_or(0) == 0
            })
            .filter(|set| !object::is_deleting(&set.value))
            .cloned()
            .collect();
        for set in empty.iter().take(empty.len().saturating_sub(limit)) {
            context.delete(set, &Default::default())?;
        }
        Ok(())
    }

    fn report(&self, context: &mut Context<'_, '_>) -> Result<Again, Failure> {
        let deployment = &self.live.value;
        let bounds = self.bounds();
        let sum = |field: &str| -> i64 {
            let all = self.sets.iter().chain(&self.new);
            all.map(|set| object::number(&set.value, &format!("/status/{field}")).unwrap_or(0)).sum()
        };
        let (total, available) = (sum("replicas"), sum("availableReplicas"));
        let updated = self.new.as_ref().and_then(|n| object::number(&n.value, "/status/replicas")).unwrap_or(0);
        let now = object::rfc3339(context.now());
        let mut conditions: Vec<Value> = object::items(deployment, "/status/conditions").to_vec();
        let reason = if available >= bounds.wanted - bounds.unavailable {
            json!({
                "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                "message": "Deployment has minimum availability."})
        } else {
            json!({
                "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable",
                "message": "Deployment does not have minimum availability."})
        };
        let complete = updated == bounds.wanted && total == bounds.wanted && available == bounds.wanted;
        let again = self.progress(context, &mut conditions, complete, (total, updated, available), &now);
        set_condition(&mut conditions, reason, &now, true);
        let failure = self.sets.iter().chain(&self.new).find_map(|s| object::condition(&s.value, "ReplicaFailure"));
        match failure {
            Some(failure) => {
                let mut failure = failure.clone();
                object::remove(&mut failure, "/lastTransitionTime");
                set_condition(&mut conditions, failure, &now, true);
            }
            None => conditions.retain(|c| object::text(c, "/type") != "ReplicaFailure"),
        }
        let status = without_zeros(
            json!({
                "replicas": total,
                "updatedReplicas": updated,
                "readyReplicas": sum("readyReplicas"),
                "availableReplicas": available,
                "unavailableReplicas": (bounds.wanted.max(total) - available).max(0),
                "terminatingReplicas": sum("terminatingReplicas"),
                "observedGeneration": object::number(deployment, "/metadata/generation").unwrap_or(0),
                "conditions": conditions,
            }),
            &["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"],
        );
        context.set_status(&self.live, status)?;
        Ok(again)
    }

    /// The condition `Progressing`; gives back when the deadline comes.
    fn progress(
        &self,
        context: &Context<'_, '_>,
        conditions: &mut Vec<Value>,
        complete: bool,
        (total, updated, available): (i64, i64, i64),
        now: &str,
    ) -> Again {
        let deployment = &self.live.value;
        let name = self.new.as_ref().map(|new| object::name(&new.value)).unwrap_or_default();
        let known = object::condition(deployment, "Progressing");
        let reason = known.map(|c| object::text(c, "/reason")).unwrap_or_default();
        let mut say = |status: &str, reason: &str, message: String| {
            let condition = json!({"type": "Progressing", "status": status, "reason": reason, "message": message});
            set_condition(conditions, condition, now, true);
        };
        if object::truth(deployment, "/spec/paused") {
            say("Unknown", "DeploymentPaused", "Deployment is paused".to_owned());
            return None;
        }
        if complete {
            if reason != "NewReplicaSetAvailable" || !self.says(known, name) {
                say("True", "NewReplicaSetAvailable", format!("ReplicaSet \"{name}\" has successfully progressed."));
            }
            return None;
        }
        let before = |field: &str| object::number(deployment, &format!("/status/{field}")).unwrap_or(0);
        let old_before = before("replicas") - before("updatedReplicas");
        let moved = updated > before("updatedReplicas")
            || total - updated < old_before
            || available > before("availableReplicas");
        if self.made {
            say("True", "NewReplicaSetCreated", format!("Created new replica set \"{name}\""));
        } else if moved || (reason == "NewReplicaSetAvailable" && !self.says(known, name)) || known.is_none() {
            // Progress is noted each time it is made: the deadline counts from the last.
            conditions.retain(|c| object::text(c, "/type") != "Progressing" || object::text(c, "/status") == "True");
            if let Some(c) = conditions.iter_mut().find(|c| object::text(c, "/type") == "Progressing") {
                object::set(c, "/reason", json!(""));
            }
            let condition = json!({
                "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated",
                "message": format!("ReplicaSet \"{name}\" is progressing.")});
            set_condition(conditions, condition, now, true);
        } else if reason == "NewReplicaSetAvailable" || reason == "ProgressDeadlineExceeded" {
            return None;
        }
        let seconds = object::number(deployment, "/spec/progressDeadlineSeconds")?;
        let progressing = conditions.iter().find(|c| object::text(c, "/type") == "Progressing")?;
        let deadline = object::time(progressing, "/lastUpdateTime")? + Duration::from_secs(seconds.unsigned_abs());
        if context.now() < deadline {
            return Some(deadline);
        }
        let condition = json!({
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": format!("ReplicaSet \"{name}\" has timed out progressing.")});
        set_condition(conditions, condition, now, true);
        None
    }

    fn says(&self, condition: Option<&Value>, name: &str) -> bool {
        condition.is_some_and(|c| object::text(c, "/message").contains(&format!("\"{name}\"")))
    }
}

fn sizes(annotations: &mut Value, bounds: Bounds) {
    let map = object::as_map(annotations);
    map.insert(WANTED.to_owned(), json!(bounds.wanted.to_string()));
    map.insert(MOST.to_owned(), json!((bounds.wanted + bounds.surge).to_string()));
}

fn revision(set: &Value) -> i64 {
    object::annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn numbers(set: &Value) -> Set {
    Set {
        replicas: object::number(set, "/spec/replicas").unwrap_or(0),
        available: object::number(set, "/status/availableReplicas").unwrap_or(0),
    }
}

fn has_pods(context: &Context<'_, '_>, set: &Value) -> bool {
    super::pods::owned(context, object::uid(set)).iter().any(|pod| !super::pods::has_ended(&pod.value))
}
