//! What the controllers have to do: a set of work now and a set of work later, and which change touches which work.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::object;
use crate::registry::{CRDS, Registry};
use crate::rules::{FOREGROUND, ORPHAN};
use crate::selector::LabelSelector;
use crate::store::{Change, Key, Txn};

/// A piece of work. The order is the one in which work is done: what makes objects before what counts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Namespace(String),
    Definition(String),
    /// Cluster roles that gather their rules from others.
    Roles,
    Autoscaler(String, String),
    Deployment(String, String),
    ReplicaSet(String, String),
    StatefulSet(String, String),
    DaemonSet(String, String),
    Job(String, String),
    Claim(String, String),
    Schedule(String, String),
    Kubelet(String, String),
    Budget(String, String),
    Endpoints(String, String),
    /// Are the owners of this object still there?
    Owned(Key),
    /// This object waits for its dependents.
    Owner(Key),
    /// The object with this uid is gone.
    Dependents(String),
    /// Events that have grown old.
    Events,
}

/// The work.
#[derive(Debug, Default)]
pub(super) struct Queue {
    now: BTreeSet<Work>,
    later: BTreeSet<(Timestamp, Work)>,
    due: BTreeMap<Work, Timestamp>,
    /// Pods that no node could take; tried again when something is freed.
    unplaced: BTreeSet<Work>,
    seen: u64,
    /// Look at every object, not only at those that have changed.
    everything: bool,
}

impl Queue {
    /// The work of a cluster that has just been opened: look at everything.
    pub(super) fn everything() -> Queue {
        Queue { everything: true, ..Queue::default() }
    }

    /// The version up to which changes have been worked off.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Notes the version up to which changes have been worked off.
    pub(super) fn has_seen(&mut self, revision: u64) {
        self.seen = revision;
    }

    /// Is there anything to do at this moment?
    pub(super) fn has_work(&self, now: Timestamp) -> bool {
        self.everything || !self.now.is_empty() || self.next_deadline().is_some_and(|at| at <= now)
    }

    /// When there is next something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.later.first().map(|(at, _)| *at)
    }

    /// The next piece of work, where there is one.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Work> {
        while let Some((at, work)) = self.later.first().cloned() {
            if at > now {
                break;
            }
            self.later.remove(&(at, work.clone()));
            self.due.remove(&work);
            self.now.insert(work);
        }
        let work = self.now.pop_first()?;
        if let Some(at) = self.due.remove(&work) {
            self.later.remove(&(at, work.clone()));
        }
        Some(work)
    }

    /// Notes work for later; an earlier moment for the same work stands.
    pub(super) fn at(&mut self, at: Timestamp, work: Work) {
        match self.due.get(&work) {
            Some(before) if *before <= at => return,
            Some(before) => {
                self.later.remove(&(*before, work.clone()));
            }
            None => {}
        }
        self.due.insert(work.clone(), at);
        self.later.insert((at, work));
    }

    /// Notes a pod that no node could take.
    pub(super) fn unplaced(&mut self, namespace: &str, name: &str) {
        self.unplaced.insert(Work::Schedule(namespace.to_owned(), name.to_owned()));
    }

    /// Turns what others have changed since the last round into work.
    pub(super) fn take_in(&mut self, txn: &Txn<'_>, registry: &Registry) {
        let news = if self.everything { None } else { txn.changes_after(self.seen) };
        self.everything = false;
        match news {
            Some(changes) => self.touch(txn, registry, &changes),
            None => {
                let every = txn.every().into_iter().map(|(key, object)| Change {
                    revision: object.revision,
                    key,
                    before: None,
                    after: Some(object),
                });
                let every: Vec<Change> = every.collect();
                self.touch(txn, registry, &every);
                self.now.insert(Work::Events);
            }
        }
    }

    /// Turns changes into work.
    pub(super) fn touch(&mut self, txn: &Txn<'_>, registry: &Registry, changes: &[Change]) {
        for change in changes {
            let (before, after) = (change.before.as_ref().map(|o| &o.value), change.after.as_ref().map(|o| &o.value));
            self.touch_kind(txn, change, before, after);
            self.touch_ownership(registry, change, before, after);
        }
    }

    fn touch_kind(&mut self, txn: &Txn<'_>, change: &Change, before: Option<&Value>, after: Option<&Value>) {
        let (namespace, name) = (change.key.namespace.to_string(), change.key.name.to_string());
        match &*change.key.resource {
            "namespaces" => {
                self.now.insert(Work::Namespace(name));
            }
            CRDS => {
                self.now.insert(Work::Definition(name));
            }
            "rbac.authorization.k8s.io/clusterroles" => {
                self.now.insert(Work::Roles);
            }
            "apps/deployments" => {
                self.touch_autoscalers(txn, "Deployment", &namespace, &name);
                self.now.insert(Work::Deployment(namespace, name));
            }
            "apps/replicasets" => {
                self.touch_controllers(&namespace, before, after);
                self.now.insert(Work::ReplicaSet(namespace, name));
            }
            "apps/statefulsets" => {
                self.touch_autoscalers(txn, "StatefulSet", &namespace, &name);
                self.now.insert(Work::StatefulSet(namespace, name));
            }
            "apps/daemonsets" => {
                self.now.insert(Work::DaemonSet(namespace, name));
            }
            "batch/jobs" => {
                self.now.insert(Work::Job(namespace, name));
            }
            "persistentvolumeclaims" => {
                self.now.insert(Work::Claim(namespace, name));
            }
            "autoscaling/horizontalpodautoscalers" => {
                self.now.insert(Work::Autoscaler(namespace, name));
            }
            "policy/poddisruptionbudgets" => {
                self.now.insert(Work::Budget(namespace, name));
            }
            "services" => {
                self.now.insert(Work::Endpoints(namespace, name));
            }
            "pods" => self.touch_pod(txn, &namespace, name, before, after),
            "nodes" => {
                self.now.append(&mut self.unplaced);
                for set in txn.list("apps/daemonsets", "") {
                    let (namespace, name) = (object::namespace(&set.value), object::name(&set.value));
                    self.now.insert(Work::DaemonSet(namespace.to_owned(), name.to_owned()));
                }
            }
            "events" if after.is_some() && !self.due.contains_key(&Work::Events) => {
                self.now.insert(Work::Events);
            }
            _ => {}
        }
        if change.after.is_none() && !change.key.namespace.is_empty() {
            self.now.insert(Work::Namespace(change.key.namespace.to_string()));
        }
    }

    fn touch_pod(
        &mut self,
        txn: &Txn<'_>,
        namespace: &str,
        name: String,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        self.touch_controllers(namespace, before, after);
        for service in txn.list("services", namespace) {
            let Some(selector) = service.value.pointer("/spec/selector") else { continue };
            let selector = LabelSelector::of_map(selector);
            if [before, after].into_iter().flatten().any(|pod| selector.matches(pod)) {
                self.now.insert(Work::Endpoints(namespace.to_owned(), object::name(&service.value).to_owned()));
            }
        }
        for budget in txn.list("policy/poddisruptionbudgets", namespace) {
            let Some(selector) = LabelSelector::of(budget.value.pointer("/spec/selector")) else { continue };
            if [before, after].into_iter().flatten().any(|pod| selector.matches(pod)) {
                self.now.insert(Work::Budget(namespace.to_owned(), object::name(&budget.value).to_owned()));
            }
        }
        let ended = |pod: &Value| matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed");
        let schedule = Work::Schedule(namespace.to_owned(), name.clone());
        match after {
            Some(pod) => {
                if object::text(pod, "/spec/nodeName").is_empty() {
                    if !self.unplaced.contains(&schedule) {
                        self.now.insert(schedule);
                    }
                } else {
                    self.unplaced.remove(&schedule);
                    self.now.insert(Work::Kubelet(namespace.to_owned(), name));
                }
                if ended(pod) {
                    self.now.append(&mut self.unplaced);
                }
            }
            None => {
                self.unplaced.remove(&schedule);
                self.now.append(&mut self.unplaced);
            }
        }
    }

    /// The controllers that own the object, before or after the change.
    fn touch_controllers(&mut self, namespace: &str, before: Option<&Value>, after: Option<&Value>) {
        for owner in [before, after].into_iter().flatten().filter_map(object::controller) {
            let (namespace, name) = (namespace.to_owned(), object::text(owner, "/name").to_owned());
            let work = match object::text(owner, "/kind") {
                "Deployment" => Work::Deployment(namespace, name),
                "ReplicaSet" => Work::ReplicaSet(namespace, name),
                "StatefulSet" => Work::StatefulSet(namespace, name),
                "DaemonSet" => Work::DaemonSet(namespace, name),
                "Job" => Work::Job(namespace, name),
                _ => continue,
            };
            self.now.insert(work);
        }
    }

    fn touch_autoscalers(&mut self, txn: &Txn<'_>, kind: &str, namespace: &str, name: &str) {
        for autoscaler in txn.list("autoscaling/horizontalpodautoscalers", namespace) {
            let target = autoscaler.value.pointer("/spec/scaleTargetRef").unwrap_or(&Value::Null);
            if object::text(target, "/kind") == kind && object::text(target, "/name") == name {
                self.now.insert(Work::Autoscaler(namespace.to_owned(), object::name(&autoscaler.value).to_owned()));
            }
        }
    }

    fn touch_ownership(&mut self, registry: &Registry, change: &Change, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(before), None) => {
                self.now.insert(Work::Dependents(object::uid(before).to_owned()));
                for owner in object::items(before, "/metadata/ownerReferences") {
                    let (version, kind) = (object::text(owner, "/apiVersion"), object::text(owner, "/kind"));
                    if let Some(resource) = registry.of_kind(version, kind) {
                        self.now.insert(Work::Owner(resource.key(&change.key.namespace, object::text(owner, "/name"))));
                    }
                }
            }
            (before, Some(after)) => {
                if before.is_none() && !object::items(after, "/metadata/ownerReferences").is_empty() {
                    self.now.insert(Work::Owned(change.key.clone()));
                }
                let waits = object::is_deleting(after)
                    && object::finalizers(after).iter().any(|f| [FOREGROUND, ORPHAN].contains(f));
                if waits {
                    self.now.insert(Work::Owner(change.key.clone()));
                }
            }
            (None, None) => {}
        }
    }
}
