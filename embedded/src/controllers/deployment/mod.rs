//! Deployments: one ReplicaSet for each pod template, moved from the old ones to the new one within the rollout's
//! bounds; revisions and their history.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/deployment`.

mod progress;
mod rollout;

use std::sync::Arc;

use serde_json::{Value, json};

use self::rollout::{Bounds, Set};
use super::event::{self, Event};
use super::writing::{MANAGER, append_condition, controller_reference};
use super::{Again, Context, adoption, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::template_hash;
use crate::store::Object;

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const WANTED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
const COMPONENT: &str = "deployment-controller";
/// Annotations of the Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    WANTED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// Looks at one Deployment.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "Deployment", namespace, name) else { return Ok(None) };
    let mut deployment = Rollout { live, old: Vec::new(), new: None };
    deployment.find(context)?;
    if object::is_deleting(&deployment.live.value) {
        return deployment.report(context, false);
    }
    deployment.note_pause(context)?;
    let paused = object::truth(&deployment.live.value, "/spec/paused");
    if paused || deployment.is_scaled() {
        if deployment.new.is_some() {
            deployment.revise(context)?;
        }
        deployment.scale(context)?;
        if paused {
            deployment.prune(context)?;
        }
        deployment.report(context, false)?;
        // What a change of size leaves to do is done with the ReplicaSets' next change.
        return Ok(None);
    }
    if object::text(&deployment.live.value, "/spec/strategy/type") == "Recreate" {
        deployment.recreate(context)?;
    } else {
        deployment.roll(context)?;
    }
    if deployment.is_complete() {
        deployment.prune(context)?;
    }
    deployment.report(context, true)
}

/// A Deployment and its ReplicaSets.
struct Rollout {
    live: Arc<Object>,
    /// Every ReplicaSet of the Deployment but the new one, oldest first.
    old: Vec<Arc<Object>>,
    new: Option<Arc<Object>>,
}

impl Rollout {
    fn find(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let template = self.live.value.pointer("/spec/template").cloned();
        let mut sets: Vec<Arc<Object>> =
            adoption::claim(context, &self.live.value, "apps/replicasets")?.into_values().collect();
        sets.sort_by_key(|set| (made_at(&set.value), object::name(&set.value).to_owned()));
        let same = |set: &Arc<Object>| {
            let mut own = set.value.pointer("/spec/template").cloned().unwrap_or_default();
            object::remove(&mut own, &format!("/metadata/labels/{HASH}"));
            Some(&own) == template.as_ref()
        };
        self.new = sets.iter().position(same).map(|at| sets.remove(at));
        self.old = sets;
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(&self.live.value)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.old.iter().chain(&self.new)
    }

    /// Has the wanted number changed since the ReplicaSets were last given their sizes?
    fn is_scaled(&self) -> bool {
        let wanted = self.bounds().wanted;
        self.all().filter(|set| replicas(&set.value) > 0).any(|set| {
            let known = object::annotation(&set.value, WANTED).and_then(|text| text.parse::<i64>().ok());
            known.is_some_and(|known| known != wanted)
        })
    }

    fn is_complete(&self) -> bool {
        let wanted = self.bounds().wanted;
        let sum = |field: &str| -> i64 {
            self.all().map(|set| object::number(&set.value, &format!("/status/{field}")).unwrap_or(0)).sum()
        };
        let updated = self.new.as_ref().and_then(|new| object::number(&new.value, "/status/replicas")).unwrap_or(0);
        updated == wanted && sum("replicas") == wanted && sum("availableReplicas") == wanted
    }

    /// The ReplicaSet of the present template; made with `replicas` pods where there is none.
    fn ensure_new(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        if self.new.is_some() {
            return self.revise(context);
        }
        let old: Vec<Set> = self.old.iter().map(|set| numbers(&set.value)).collect();
        let replicas = rollout::new_replicas(self.bounds(), Set::default(), &old);
        let owner = self.live.value.clone();
        let mut template = owner.pointer("/spec/template").cloned().unwrap_or_default();
        let collisions = object::number(&owner, "/status/collisionCount").unwrap_or(0);
        let hash = match collisions {
            0 => template_hash(&template),
            count => template_hash(&json!([template, count])),
        };
        let name = format!("{}-{hash}", object::name(&owner));
        if context.get("apps/v1", "ReplicaSet", object::namespace(&owner), &name).is_some() {
            // Somebody else's ReplicaSet has the name: the next one is tried.
            let mut status = owner.get("status").cloned().unwrap_or_else(|| json!({}));
            object::set(&mut status, "/collisionCount", json!(collisions + 1));
            self.live = context.set_status(&self.live, status)?;
            return Ok(());
        }
        object::set(&mut template, &format!("/metadata/labels/{HASH}"), json!(hash));
        let mut selector = owner.pointer("/spec/selector").cloned().unwrap_or_default();
        object::set(&mut selector, &format!("/matchLabels/{HASH}"), json!(hash));
        let mut annotations = self.copied();
        let revision = self.next_revision().to_string();
        object::as_map(&mut annotations).insert(REVISION.to_owned(), json!(revision));
        sizes(&mut annotations, self.bounds());
        let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
        let mut spec = json!({"replicas": replicas, "selector": selector, "template": template});
        if let Some(seconds) = owner.pointer("/spec/minReadySeconds") {
            object::set(&mut spec, "/minReadySeconds", seconds.clone());
        }
        let made = context.create(json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": object::namespace(&owner),
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [controller_reference(&owner)],
            },
            "spec": spec,
        }));
        let made = match made {
            Ok(made) => made,
            Err(failure) => {
                let message = format!("Failed to create new replica set \"{name}\": {}", failure.message);
                let told =
                    Event { kind: "Warning", reason: "ReplicaSetCreateError", message: &message, component: COMPONENT };
                event::tell(context, &owner, &told);
                return self.note_progress(context, &revision, "False", "ReplicaSetCreateError", message);
            }
        };
        if replicas > 0 {
            self.tell(context, &made.value, 0, replicas);
        }
        self.new = Some(made);
        let message = format!("Created new replica set \"{name}\"");
        self.note_progress(context, &revision, "True", "NewReplicaSetCreated", message)
    }

    /// Writes the revision and, where a progress deadline is kept, how it goes.
    fn note_progress(
        &mut self,
        context: &mut Context<'_, '_>,
        revision: &str,
        status: &str,
        reason: &str,
        message: String,
    ) -> Result<(), Failure> {
        let now = object::rfc3339(context.now());
        let mut new = self.live.value.clone();
        let annotations = object::metadata(&mut new).entry("annotations").or_insert_with(|| json!({}));
        object::as_map(annotations).insert(REVISION.to_owned(), json!(revision));
        if progress::has_deadline(&new) && !reason.is_empty() {
            let mut conditions: Vec<Value> = object::items(&new, "/status/conditions").to_vec();
            let condition = json!({"type": "Progressing", "status": status, "reason": reason, "message": message});
            append_condition(&mut conditions, condition, &now, true);
            object::set(&mut new, "/status/conditions", json!(conditions));
        }
        self.live = context.update_as(&self.live, new, MANAGER, "status")?;
        Ok(())
    }

    fn copied(&self) -> Value {
        let all = object::entries(&self.live.value, "/metadata/annotations");
        let kept = all.filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()));
        Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn next_revision(&self) -> i64 {
        self.old.iter().map(|set| revision(&set.value)).max().unwrap_or(0) + 1
    }

    /// The new ReplicaSet bears the highest revision, and the Deployment the same; what it bore before is kept as its
    /// history.
    fn revise(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let Some(new) = self.new.clone() else { return Ok(()) };
        let mut set = new.value.clone();
        let (before, next) = (revision(&set), self.next_revision());
        let wanted = before.max(next).to_string();
        let copied = self.copied();
        let annotations = object::metadata(&mut set).entry("annotations").or_insert_with(|| json!({}));
        let map = object::as_map(annotations);
        for (key, value) in copied.as_object().into_iter().flatten() {
            map.insert(key.clone(), value.clone());
        }
        if next > before {
            let known = map.get(HISTORY).and_then(Value::as_str).unwrap_or_default().to_owned();
            let before = before.to_string();
            if known.is_empty() {
                map.insert(HISTORY.to_owned(), json!(before));
            } else if !known.split(',').any(|one| one == before) {
                map.insert(HISTORY.to_owned(), json!(format!("{known},{before}")));
            }
        }
        map.insert(REVISION.to_owned(), json!(wanted));
        let seconds = self.live.value.pointer("/spec/minReadySeconds").cloned();
        match seconds {
            Some(seconds) => object::set(&mut set, "/spec/minReadySeconds", seconds),
            None => {
                object::remove(&mut set, "/spec/minReadySeconds");
            }
        }
        self.new = Some(context.update(&new, set)?);
        let known = object::condition(&self.live.value, "Progressing").is_some();
        let reason = if known { "" } else { "FoundNewReplicaSet" };
        let message = format!("Found new replica set \"{}\"", object::name(&new.value));
        self.note_progress(context, &wanted, "True", reason, message)
    }

    /// From the old ReplicaSets to the new one, some pods at a time.
    fn roll(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        self.ensure_new(context)?;
        let Some(new) = self.new.clone() else { return Ok(()) };
        let bounds = self.bounds();
        let old: Vec<Set> = self.old.iter().map(|set| numbers(&set.value)).collect();
        let replicas = rollout::new_replicas(bounds, numbers(&new.value), &old);
        self.new = Some(self.set_replicas(context, &new, replicas)?);
        let new = self.new.as_ref().map(|set| numbers(&set.value)).unwrap_or_default();
        self.shrink(context, &rollout::old_replicas(bounds, new, &old))
    }

    /// The old ReplicaSets' pods go, then the new ReplicaSet's are made.
    fn recreate(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        if self.new.is_some() {
            self.revise(context)?;
        }
        let shrinks = self.old.iter().any(|set| replicas(&set.value) > 0);
        self.shrink(context, &vec![0; self.old.len()])?;
        if shrinks || self.old.iter().any(|set| has_pods(context, &set.value)) {
            return Ok(());
        }
        self.ensure_new(context)?;
        if let Some(new) = self.new.clone() {
            self.new = Some(self.set_replicas(context, &new, self.bounds().wanted)?);
        }
        Ok(())
    }

    fn shrink(&mut self, context: &mut Context<'_, '_>, wanted: &[i64]) -> Result<(), Failure> {
        let mut sets = Vec::new();
        for (set, replicas) in self.old.iter().zip(wanted) {
            sets.push(self.set_replicas(context, set, *replicas)?);
        }
        self.old = sets;
        Ok(())
    }

    /// Another number of pods is wanted, of the templates there are: the one ReplicaSet that has pods takes it, or each
    /// its part.
    fn scale(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let bounds = self.bounds();
        let active: Vec<Arc<Object>> = self.all().filter(|set| replicas(&set.value) > 0).cloned().collect();
        let only = match active.as_slice() {
            [] => self.new.clone().or_else(|| self.old.last().cloned()),
            [one] => Some(Arc::clone(one)),
            _ => None,
        };
        let saturated = self.new.as_ref().is_some_and(|new| {
            let desired = object::annotation(&new.value, WANTED).and_then(|text| text.parse().ok());
            let numbers = numbers(&new.value);
            numbers.replicas == bounds.wanted && desired == Some(bounds.wanted) && numbers.available == bounds.wanted
        });
        if let Some(only) = only {
            self.resize(context, &only, bounds.wanted)?;
        } else if saturated {
            self.shrink(context, &vec![0; self.old.len()])?;
        } else if object::text(&self.live.value, "/spec/strategy/type") != "Recreate" {
            let newest = |set: &Arc<Object>| made_at(&set.value);
            let parts: Vec<rollout::Part> = active
                .iter()
                .map(|set| rollout::Part {
                    replicas: replicas(&set.value),
                    most_before: object::annotation(&set.value, MOST).and_then(|text| text.parse().ok()).unwrap_or(0),
                    made: newest(set),
                })
                .collect();
            let sizes = rollout::proportional(bounds, &parts);
            for (set, replicas) in active.iter().zip(sizes) {
                self.resize(context, set, replicas)?;
            }
        }
        self.find(context)
    }

    /// Gives a ReplicaSet its size, where that changes.
    fn set_replicas(
        &self,
        context: &mut Context<'_, '_>,
        set: &Arc<Object>,
        wanted: i64,
    ) -> Result<Arc<Object>, Failure> {
        if replicas(&set.value) == wanted { Ok(Arc::clone(set)) } else { self.resize(context, set, wanted) }
    }

    /// Gives a ReplicaSet its size, and notes what it is a part of.
    fn resize(&self, context: &mut Context<'_, '_>, set: &Arc<Object>, wanted: i64) -> Result<Arc<Object>, Failure> {
        let before = replicas(&set.value);
        let mut new = set.value.clone();
        object::set(&mut new, "/spec/replicas", json!(wanted));
        let annotations = object::metadata(&mut new).entry("annotations").or_insert_with(|| json!({}));
        sizes(annotations, self.bounds());
        let changed = context.update(set, new)?;
        if before != wanted {
            self.tell(context, &set.value, before, wanted);
        }
        Ok(changed)
    }

    fn tell(&self, context: &mut Context<'_, '_>, set: &Value, before: i64, after: i64) {
        let way = if after > before { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {before} to {after}", object::name(set));
        let scaled = Event { kind: "Normal", reason: "ScalingReplicaSet", message: &message, component: COMPONENT };
        event::tell(context, &self.live.value, &scaled);
    }

    /// Old ReplicaSets without pods beyond the history limit go, the lowest revisions first.
    fn prune(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let limit = object::number(&self.live.value, "/spec/revisionHistoryLimit").unwrap_or(10);
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut kept: Vec<Arc<Object>> =
            self.old.iter().filter(|set| !object::is_deleting(&set.value)).cloned().collect();
        kept.sort_by_key(|set| revision(&set.value));
        let surplus = kept.len().saturating_sub(limit);
        for set in kept.iter().take(surplus) {
            let number = |pointer: &str| object::number(&set.value, pointer).unwrap_or(0);
            let seen = number("/status/observedGeneration") >= number("/metadata/generation");
            if number("/spec/replicas") == 0 && number("/status/replicas") == 0 && seen {
                context.delete(set, &Default::default())?;
            }
        }
        Ok(())
    }
}

fn sizes(annotations: &mut Value, bounds: Bounds) {
    let map = object::as_map(annotations);
    map.insert(WANTED.to_owned(), json!(bounds.wanted.to_string()));
    map.insert(MOST.to_owned(), json!((bounds.wanted + bounds.surge).to_string()));
}

fn made_at(set: &Value) -> String {
    object::text(set, "/metadata/creationTimestamp").to_owned()
}

fn revision(set: &Value) -> i64 {
    object::annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn replicas(set: &Value) -> i64 {
    object::number(set, "/spec/replicas").unwrap_or(0)
}

fn numbers(set: &Value) -> Set {
    Set { replicas: replicas(set), available: object::number(set, "/status/availableReplicas").unwrap_or(0) }
}

fn has_pods(context: &Context<'_, '_>, set: &Value) -> bool {
    pods::owned(context, object::uid(set)).iter().any(|pod| !pods::has_ended(&pod.value))
}
