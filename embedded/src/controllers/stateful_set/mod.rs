//! StatefulSets: pods with numbers, made and replaced in order, each with its own claims.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/statefulset`.

mod claims;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::event::{self, Event};
use super::revisions::Revisions;
use super::writing::without_zeros;
use super::{Again, Context, adoption, pods};
use crate::failure::Failure;
use crate::object;
use crate::store::Object;

const HASH: &str = "controller-revision-hash";
const REVISION_HASH: &str = "controller.kubernetes.io/hash";
const COMPONENT: &str = "statefulset-controller";

/// Looks at one StatefulSet.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "StatefulSet", namespace, name) else { return Ok(None) };
    let revisions = Revisions::of(context, &live.value, REVISION_HASH)?;
    let update = revisions.newest().map(|r| object::name(&r.value).to_owned()).unwrap_or_default();
    let known = object::text(&live.value, "/status/currentRevision");
    let current = if revisions.named(known).is_some() { known.to_owned() } else { update.clone() };
    let claimed = adoption::claim(context, &live.value, "pods")?;
    let pods: BTreeMap<i64, Arc<Object>> =
        claimed.into_values().filter_map(|pod| Some((ordinal(&live.value, &pod.value)?, pod))).collect();
    let mut set = Set { live, revisions, update, current, pods };
    let mut failed = None;
    if !object::is_deleting(&set.live.value) {
        claims::look_after(context, &set.live.value, &set.pods)?;
        failed = set.work(context).err();
    }
    let again = set.report(context)?;
    set.prune(context)?;
    match failed {
        // What was done before stays; the rest is tried again.
        Some(failure) => {
            tracing::debug!(%failure, "a StatefulSet will try again");
            Ok(Some(context.now() + super::RETRY))
        }
        None => Ok(again),
    }
}

struct Set {
    live: Arc<Object>,
    revisions: Revisions,
    /// The revision of the present template.
    update: String,
    /// The revision that pods have which are not yet updated.
    current: String,
    pods: BTreeMap<i64, Arc<Object>>,
}

impl Set {
    fn spec(&self, pointer: &str) -> Option<i64> {
        object::number(&self.live.value, &format!("/spec/{pointer}"))
    }

    fn range(&self) -> std::ops::Range<i64> {
        let first = self.spec("ordinals/start").unwrap_or(0);
        first..first + self.spec("replicas").unwrap_or(1)
    }

    /// Has the pod been ready for as long as it must?
    fn is_healthy(&self, context: &Context<'_, '_>, pod: &Value) -> bool {
        let least = self.spec("minReadySeconds").unwrap_or(0);
        !object::is_deleting(pod) && pods::available_from(pod, least).is_some_and(|at| at <= context.now())
    }

    /// Makes what is missing, takes away what is too much, and replaces what is old; in order one at a time.
    fn work(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let in_order = object::text(&self.live.value, "/spec/podManagementPolicy") != "Parallel";
        for ordinal in self.range() {
            if let Some(pod) = self.pods.get(&ordinal).cloned() {
                if pods::has_ended(&pod.value) && !object::is_deleting(&pod.value) {
                    // It cannot come back to life under its name: it makes room for one that can.
                    self.remove(context, &pod)?;
                    return Ok(());
                }
                if in_order && !self.is_healthy(context, &pod.value) {
                    return Ok(());
                }
                continue;
            }
            self.make(context, ordinal)?;
            if in_order {
                return Ok(());
            }
        }
        let surplus: Vec<Arc<Object>> =
            self.pods.iter().rev().filter(|(at, _)| !self.range().contains(at)).map(|(_, pod)| pod.clone()).collect();
        for pod in &surplus {
            if object::is_deleting(&pod.value) {
                if in_order {
                    return Ok(());
                }
                continue;
            }
            self.remove(context, pod)?;
            if in_order {
                return Ok(());
            }
        }
        if object::text(&self.live.value, "/spec/updateStrategy/type") != "RollingUpdate" {
            return Ok(());
        }
        self.replace(context)
    }

    /// Takes away pods of an older revision from the highest number down to the partition, as many as may be missing.
    fn replace(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let set = &self.live.value;
        let range = self.range();
        let count = range.end - range.start;
        let may_miss = match set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable") {
            Some(most) => pods::scaled(Some(most), count, false).max(1),
            None => 1,
        };
        let from = range.start + self.spec("updateStrategy/rollingUpdate/partition").unwrap_or(0);
        let sick = self.pods.iter().filter(|(at, pod)| range.contains(at) && !self.is_healthy(context, &pod.value));
        let mut missing = i64::try_from(sick.count()).unwrap_or(0);
        let targets: Vec<Arc<Object>> =
            self.pods.range(from.min(range.end)..range.end).rev().map(|(_, p)| p.clone()).collect();
        for pod in targets {
            if missing >= may_miss && self.is_healthy(context, &pod.value) {
                return Ok(());
            }
            let stale = object::label(&pod.value, HASH) != Some(self.update.as_str());
            if stale && !object::is_deleting(&pod.value) {
                missing += i64::from(self.is_healthy(context, &pod.value));
                self.remove(context, &pod)?;
            } else if missing >= may_miss {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes the pod of a number, of the old template where the update has not come so far.
    fn make(&mut self, context: &mut Context<'_, '_>, ordinal: i64) -> Result<(), Failure> {
        let set = self.live.value.clone();
        let first = self.range().start;
        let old = match self.spec("updateStrategy/rollingUpdate/partition") {
            Some(partition) => ordinal < first + partition,
            None => ordinal < first + object::number(&set, "/status/currentReplicas").unwrap_or(0),
        };
        let revision = if old { &self.current } else { &self.update };
        let mut owner = set.clone();
        if let Some(kept) = self.revisions.named(revision).and_then(|r| r.value.pointer("/data/spec/template")) {
            let mut template = kept.clone();
            object::remove(&mut template, "/$patch");
            object::set(&mut owner, "/spec/template", template);
        }
        let name = format!("{}-{ordinal}", object::name(&set));
        claims::make(context, &set, ordinal, &name)?;
        let made =
            pods::make_quietly(context, &owner, Some(name.clone()), |pod| number(pod, &set, &name, ordinal, revision));
        let (kind, reason, end) = match &made {
            Ok(_) => ("Normal", "SuccessfulCreate", "successful".to_owned()),
            Err(failure) => ("Warning", "FailedCreate", format!("failed error: {}", failure.message)),
        };
        let message = format!("Create Pod {name} in StatefulSet {} {end}", object::name(&set));
        event::tell(context, &set, &Event { kind, reason, message: &message, component: COMPONENT });
        self.pods.insert(ordinal, made?);
        Ok(())
    }

    fn remove(&self, context: &mut Context<'_, '_>, pod: &Arc<Object>) -> Result<(), Failure> {
        context.delete(pod, &Default::default())?;
        let set = &self.live.value;
        let message =
            format!("Delete Pod {} in StatefulSet {} successful", object::name(&pod.value), object::name(set));
        let told = Event { kind: "Normal", reason: "SuccessfulDelete", message: &message, component: COMPONENT };
        event::tell(context, set, &told);
        Ok(())
    }

    fn report(&mut self, context: &mut Context<'_, '_>) -> Result<Again, Failure> {
        let all = pods::owned(context, object::uid(&self.live.value));
        let set = &self.live.value;
        let least = self.spec("minReadySeconds").unwrap_or(0);
        let (mut ready, mut available, mut next) = (0, 0, None::<jiff::Timestamp>);
        for pod in &all {
            let Some(at) = pods::available_from(&pod.value, least) else { continue };
            ready += 1;
            if at <= context.now() {
                available += 1;
            } else {
                next = Some(next.map_or(at, |next| at.min(next)));
            }
        }
        let count = i64::try_from(all.len()).unwrap_or(0);
        let of = |revision: &str| {
            let has = |pod: &&Arc<Object>| {
                object::label(&pod.value, HASH) == Some(revision) && !object::is_deleting(&pod.value)
            };
            i64::try_from(all.iter().filter(has).count()).unwrap_or(0)
        };
        let (updated, mut current) = (of(&self.update), of(&self.current));
        let rolls = object::text(set, "/spec/updateStrategy/type") == "RollingUpdate";
        if rolls
            && self.current != self.update
            && updated == count
            && ready == count
            && all.iter().all(|p| !object::is_deleting(&p.value))
        {
            self.current.clone_from(&self.update);
            current = updated;
        }
        let status = without_zeros(
            json!({
                "replicas": count,
                "readyReplicas": ready,
                "availableReplicas": available,
                "currentReplicas": current,
                "updatedReplicas": updated,
                "currentRevision": self.current,
                "updateRevision": self.update,
                "collisionCount": 0,
                "observedGeneration": object::number(set, "/metadata/generation").unwrap_or(1),
            }),
            &["readyReplicas", "currentReplicas", "updatedReplicas"],
        );
        context.set_status(&self.live, status)?;
        Ok(next)
    }

    fn prune(&self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let used: Vec<&str> = self.pods.values().filter_map(|pod| object::label(&pod.value, HASH)).collect();
        self.revisions.prune(context, &self.live.value, |revision| {
            let name = object::name(revision);
            name == self.current || name == self.update || used.contains(&name)
        })
    }
}

/// A pod's number, where its name is one of the set's.
fn ordinal(set: &Value, pod: &Value) -> Option<i64> {
    let (parent, number) = object::name(pod).rsplit_once('-')?;
    number.parse().ok().filter(|_| parent == object::name(set))
}

fn number(pod: &mut Value, set: &Value, name: &str, ordinal: i64, revision: &str) {
    for (label, value) in [
        ("statefulset.kubernetes.io~1pod-name", name.to_owned()),
        ("apps.kubernetes.io~1pod-index", ordinal.to_string()),
        (HASH, revision.to_owned()),
    ] {
        object::set(pod, &format!("/metadata/labels/{label}"), json!(value));
    }
    object::set(pod, "/spec/hostname", json!(name));
    let service = object::text(set, "/spec/serviceName");
    if !service.is_empty() {
        object::set(pod, "/spec/subdomain", json!(service));
    }
    let mut volumes = object::items(pod, "/spec/volumes").to_vec();
    for template in object::items(set, "/spec/volumeClaimTemplates") {
        let volume = object::name(template);
        volumes.retain(|known| object::text(known, "/name") != volume);
        volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": format!("{volume}-{name}")}}));
    }
    if !volumes.is_empty() {
        object::set(pod, "/spec/volumes", json!(volumes));
    }
}
