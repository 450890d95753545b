//! What the controllers have to do: work now, in waves, and work later; and which change touches which work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::index::Index;
use super::scheduler::Turn;
use crate::object;
use crate::registry::{CRDS, Registry};
use crate::rules::{FOREGROUND, ORPHAN};
use crate::store::{Change, Key, Object, Txn};

/// A piece of work. The order is the one in which work is done: what makes objects before what counts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Namespace(String),
    Definition(String),
    /// Cluster roles that gather their rules from others.
    Roles,
    Node(String),
    CronJob(String, String),
    Autoscaler(String, String),
    Deployment(String, String),
    ReplicaSet(String, String),
    StatefulSet(String, String),
    DaemonSet(String, String),
    Job(String, String),
    Claim(String, String),
    Volume(String),
    Kubelet(String, String),
    Budget(String, String),
    /// What the quotas of a namespace have counted.
    Quotas(String),
    Schedule(Turn),
    Endpoints(String, String),
    /// Are the owners of this object still there?
    Owned(Key),
    /// This object waits for its dependents.
    Owner(Key),
    /// The object with this uid is gone.
    Dependents(String),
    /// This namespace is to be emptied.
    Empty(String),
    /// Events that have grown old.
    Events,
}

/// The work: what is done in this wave, what in the next, what later. What a wave changes is looked at in the next one,
/// so that an owner of many pods is looked at once for all of them and not once for each.
#[derive(Debug, Default)]
pub(super) struct Queue {
    now: BTreeSet<Work>,
    soon: BTreeSet<Work>,
    later: BTreeSet<(Timestamp, Work)>,
    due: BTreeMap<Work, Timestamp>,
    chores: BTreeMap<Work, Timestamp>,
    /// Pods that no node could take, and whether they look at other pods; tried again when something changes for them.
    unplaced: BTreeMap<Turn, bool>,
    seen: u64,
    /// Look at every object, not only at those that have changed.
    everything: bool,
    /// A test has changed what pods and nodes do.
    stirred: bool,
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

    /// Notes that pods, nodes and autoscalers are to be looked at again.
    pub(super) fn stir(&mut self) {
        self.stirred = true;
    }

    /// Is there anything to do at this moment?
    pub(super) fn has_work(&self, now: Timestamp) -> bool {
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let waits = !self.now.is_empty() || !self.soon.is_empty();
        self.everything || self.stirred || waits || due(self.next_deadline()) || due(self.next_chore())
    }

    /// When there is next something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.later.first().map(|(at, _)| *at)
    }

    /// When there is next something to do that only follows the time.
    pub(super) fn next_chore(&self) -> Option<Timestamp> {
        self.chores.values().min().copied()
    }

    /// The next piece of work, where there is one.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Work> {
        if self.now.is_empty() {
            self.ripen(now);
            std::mem::swap(&mut self.now, &mut self.soon);
        }
        let work = self.now.pop_first()?;
        if let Some(at) = self.due.remove(&work) {
            self.later.remove(&(at, work.clone()));
        }
        Some(work)
    }

    /// Moves what is due to the next wave.
    fn ripen(&mut self, now: Timestamp) {
        while let Some((at, work)) = self.later.first().cloned() {
            if at > now {
                break;
            }
            self.later.remove(&(at, work.clone()));
            self.due.remove(&work);
            self.soon.insert(work);
        }
        let due: Vec<Work> = self.chores.iter().filter(|(_, at)| **at <= now).map(|(work, _)| work.clone()).collect();
        for work in due {
            self.chores.remove(&work);
            self.soon.insert(work);
        }
    }

    /// Notes work for the next wave, unless it is still to be done in this one.
    pub(super) fn soon(&mut self, work: Work) {
        if !self.now.contains(&work) {
            self.soon.insert(work);
        }
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

    /// Notes work for later that only follows the time; it takes the place of what was noted for the same work.
    pub(super) fn chore(&mut self, at: Timestamp, work: Work) {
        self.chores.insert(work, at);
    }

    /// Notes a pod that no node could take. `looks`: other pods' places decide where it can go.
    pub(super) fn unplaced(&mut self, turn: Turn, looks: bool) {
        self.unplaced.insert(turn, looks);
    }

    /// Something was freed: every pod that waits is tried again.
    fn wake(&mut self) {
        for turn in std::mem::take(&mut self.unplaced).into_keys() {
            self.soon(Work::Schedule(turn));
        }
    }

    /// A pod was placed: those that look at other pods are tried again.
    fn wake_lookers(&mut self) {
        let lookers: Vec<Turn> =
            self.unplaced.iter().filter(|(_, looks)| **looks).map(|(turn, _)| turn.clone()).collect();
        for turn in lookers {
            self.unplaced.remove(&turn);
            self.soon(Work::Schedule(turn));
        }
    }

    /// Turns what others have changed since the last round into work.
    pub(super) fn take_in(&mut self, txn: &Txn<'_>, registry: &Registry, index: &mut Index) {
        let news = if self.everything { None } else { txn.changes_after(self.seen) };
        self.everything = false;
        match news {
            Some(changes) => self.touch(registry, index, &changes),
            None => {
                *index = Index::default();
                let every = txn.every().into_iter().map(|(key, object)| Change {
                    revision: object.revision,
                    key,
                    before: None,
                    after: Some(object),
                });
                let every: Vec<Change> = every.collect();
                self.touch(registry, index, &every);
                self.soon(Work::Events);
                self.stirred = true;
            }
        }
        if std::mem::take(&mut self.stirred) {
            self.look_again(txn, index);
        }
    }

    fn look_again(&mut self, txn: &Txn<'_>, index: &Index) {
        let named = |object: &Arc<Object>| {
            (object::namespace(&object.value).to_owned(), object::name(&object.value).to_owned())
        };
        for pod in txn.list("pods", "") {
            let (namespace, name) = named(&pod);
            self.soon(Work::Kubelet(namespace, name));
        }
        for node in index.picture.every_name() {
            self.soon(Work::Node(node.to_owned()));
        }
        for scaler in txn.list("autoscaling/horizontalpodautoscalers", "") {
            let (namespace, name) = named(&scaler);
            self.soon(Work::Autoscaler(namespace, name));
        }
    }

    /// Turns changes into work, and has the index take them in.
    pub(super) fn touch(&mut self, registry: &Registry, index: &mut Index, changes: &[Change]) {
        for change in changes {
            index.take(change);
            let (before, after) = (change.before.as_ref().map(|o| &o.value), change.after.as_ref().map(|o| &o.value));
            self.touch_kind(index, change, before, after);
            self.touch_quotas(change, after);
            self.touch_ownership(registry, change, before, after);
        }
    }

    /// The quotas that count the object. What is made or changed, admission has counted; what goes, or ends, has still
    /// to be taken off.
    fn touch_quotas(&mut self, change: &Change, after: Option<&Value>) {
        let ended = |pod: &Value| matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed");
        let counts = match &*change.key.resource {
            "resourcequotas" => true,
            "pods" => after.is_none_or(ended),
            _ => after.is_none(),
        };
        let namespace = &change.key.namespace;
        if counts && !namespace.is_empty() {
            self.soon(Work::Quotas(namespace.to_string()));
        }
    }

    fn touch_kind(&mut self, index: &Index, change: &Change, before: Option<&Value>, after: Option<&Value>) {
        let (namespace, name) = (change.key.namespace.to_string(), change.key.name.to_string());
        let of = |object: Option<&Value>| object.map(object::is_deleting).unwrap_or_default();
        match &*change.key.resource {
            "namespaces" => {
                if of(after) {
                    self.soon(Work::Empty(name.clone()));
                }
                self.soon(Work::Namespace(name));
                self.wake_lookers();
            }
            "rbac.authorization.k8s.io/clusterroles" => self.soon(Work::Roles),
            CRDS => self.soon(Work::Definition(name)),
            "apps/deployments" => {
                self.touch_autoscalers(index, "Deployment", &namespace, &name);
                self.soon(Work::Deployment(namespace, name));
            }
            "apps/replicasets" => {
                self.touch_controllers(&namespace, before, after);
                self.touch_autoscalers(index, "ReplicaSet", &namespace, &name);
                self.touch_adopters(index, &namespace, after, &["apps/deployments"]);
                self.soon(Work::ReplicaSet(namespace, name));
            }
            "apps/statefulsets" => {
                self.touch_autoscalers(index, "StatefulSet", &namespace, &name);
                self.soon(Work::StatefulSet(namespace, name));
            }
            "apps/daemonsets" => self.soon(Work::DaemonSet(namespace, name)),
            "batch/jobs" => {
                self.touch_controllers(&namespace, before, after);
                self.soon(Work::Job(namespace, name));
            }
            "batch/cronjobs" => self.soon(Work::CronJob(namespace, name)),
            "persistentvolumeclaims" => {
                if after.is_none_or(|claim| object::text(claim, "/status/phase") == "Bound") {
                    self.wake();
                }
                let volume = before.map(|claim| object::text(claim, "/spec/volumeName")).unwrap_or_default();
                if after.is_none() && !volume.is_empty() {
                    self.soon(Work::Volume(volume.to_owned()));
                }
                self.soon(Work::Claim(namespace, name));
            }
            "persistentvolumes" => {
                for (namespace, claim) in &index.unbound {
                    self.soon(Work::Claim(namespace.clone(), claim.clone()));
                }
                self.soon(Work::Volume(name));
            }
            "storage.k8s.io/storageclasses" => {
                for (namespace, claim) in &index.unbound {
                    self.soon(Work::Claim(namespace.clone(), claim.clone()));
                }
            }
            "autoscaling/horizontalpodautoscalers" => self.soon(Work::Autoscaler(namespace, name)),
            "policy/poddisruptionbudgets" => self.soon(Work::Budget(namespace, name)),
            "services" => self.soon(Work::Endpoints(namespace, name)),
            "pods" => self.touch_pod(index, &namespace, &name, before, after),
            "nodes" => self.touch_node(index, name, before, after),
            "events" if after.is_some() && !self.chores.contains_key(&Work::Events) => self.soon(Work::Events),
            _ => {}
        }
        if change.after.is_none() && !change.key.namespace.is_empty() {
            let namespace = change.key.namespace.to_string();
            match &*change.key.resource {
                "serviceaccounts" | "configmaps" => self.soon(Work::Namespace(namespace.clone())),
                _ => {}
            }
            if index.picture.is_going(&namespace) {
                self.soon(Work::Empty(namespace));
            }
        }
    }

    fn touch_node(&mut self, index: &Index, name: String, before: Option<&Value>, after: Option<&Value>) {
        let part = |node: Option<&Value>| {
            let part = |pointer: &str| node.and_then(|node| node.pointer(pointer)).cloned();
            [part("/spec"), part("/metadata/labels"), part("/status/allocatable")]
        };
        if part(before) != part(after) || before.is_none() || after.is_none() {
            self.wake();
            for (namespace, name) in &index.daemon_sets {
                self.soon(Work::DaemonSet(namespace.clone(), name.clone()));
            }
        }
        self.soon(Work::Node(name));
    }

    fn touch_pod(&mut self, index: &Index, namespace: &str, name: &str, before: Option<&Value>, after: Option<&Value>) {
        self.touch_controllers(namespace, before, after);
        let orphan = after.filter(|pod| object::controller(pod).is_none() && !object::is_deleting(pod));
        self.touch_adopters(index, namespace, orphan, &["apps/replicasets", "apps/statefulsets", "apps/daemonsets"]);
        for pod in [before, after].into_iter().flatten() {
            for service in index.services.matching(namespace, pod) {
                self.soon(Work::Endpoints(namespace.to_owned(), service));
            }
            for budget in index.budgets.matching(namespace, pod) {
                self.soon(Work::Budget(namespace.to_owned(), budget));
            }
        }
        let ended = |pod: &Value| matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed");
        if after.is_none_or(ended) {
            for claim in before.into_iter().flat_map(super::index::claims_of) {
                self.soon(Work::Claim(namespace.to_owned(), claim));
            }
        }
        let Some(pod) = after else {
            if let Some(pod) = before {
                self.unplaced.remove(&Turn::of(pod));
            }
            self.wake();
            return;
        };
        let turn = Turn::of(pod);
        let node = object::text(pod, "/spec/nodeName");
        if node.is_empty() {
            let same = before.is_some_and(|before| before.get("spec") == pod.get("spec"));
            if !(same && self.unplaced.contains_key(&turn)) {
                self.soon(Work::Schedule(turn));
            }
            return;
        }
        self.unplaced.remove(&turn);
        if before.is_none_or(|before| object::text(before, "/spec/nodeName") != node) {
            self.wake_lookers();
            if index.tainted.contains_key(node) || index.gone.contains_key(node) || index.picture.lacks(node) {
                self.soon(Work::Node(node.to_owned()));
            }
        }
        self.soon(Work::Kubelet(namespace.to_owned(), name.to_owned()));
        if ended(pod) && !before.is_some_and(ended) {
            self.wake();
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
                "CronJob" => Work::CronJob(namespace, name),
                _ => continue,
            };
            self.soon(work);
        }
    }

    /// The workloads that might adopt an object which nobody controls.
    fn touch_adopters(&mut self, index: &Index, namespace: &str, orphan: Option<&Value>, resources: &[&'static str]) {
        let Some(orphan) = orphan.filter(|orphan| object::controller(orphan).is_none()) else { return };
        for resource in resources {
            let Some(selecting) = index.adopters.get(resource) else { continue };
            for name in selecting.matching(namespace, orphan) {
                let namespace = namespace.to_owned();
                self.soon(match *resource {
                    "apps/deployments" => Work::Deployment(namespace, name),
                    "apps/replicasets" => Work::ReplicaSet(namespace, name),
                    "apps/statefulsets" => Work::StatefulSet(namespace, name),
                    _ => Work::DaemonSet(namespace, name),
                });
            }
        }
    }

    fn touch_autoscalers(&mut self, index: &Index, kind: &str, namespace: &str, name: &str) {
        let target = (namespace.to_owned(), kind.to_owned(), name.to_owned());
        for scaler in index.autoscalers.get(&target).into_iter().flatten() {
            self.soon(Work::Autoscaler(namespace.to_owned(), scaler.clone()));
        }
    }

    fn touch_ownership(&mut self, registry: &Registry, change: &Change, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(before), None) => {
                self.soon(Work::Dependents(object::uid(before).to_owned()));
                for owner in object::items(before, "/metadata/ownerReferences") {
                    let (version, kind) = (object::text(owner, "/apiVersion"), object::text(owner, "/kind"));
                    if let Some(resource) = registry.of_kind(version, kind) {
                        self.soon(Work::Owner(resource.key(&change.key.namespace, object::text(owner, "/name"))));
                    }
                }
            }
            (before, Some(after)) => {
                if before.is_none() && !object::items(after, "/metadata/ownerReferences").is_empty() {
                    self.soon(Work::Owned(change.key.clone()));
                }
                let waits = object::is_deleting(after)
                    && object::finalizers(after).iter().any(|f| [FOREGROUND, ORPHAN].contains(f));
                if waits {
                    self.soon(Work::Owner(change.key.clone()));
                }
            }
            (None, None) => {}
        }
    }
}
