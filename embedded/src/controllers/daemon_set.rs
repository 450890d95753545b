//! DaemonSets: one pod on each node that takes it.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/daemon`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::event::{self, Event};
use super::revisions::Revisions;
use super::scheduler::{REQUIRED_TERMS, lets_in};
use super::writing::without_zeros;
use super::{Again, Context, adoption, pods};
use crate::failure::Failure;
use crate::object;
use crate::store::Object;

const HASH: &str = "controller-revision-hash";
const GENERATION: &str = "deprecated.daemonset.template.generation";
/// What every pod of a DaemonSet tolerates.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Looks at one DaemonSet.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "DaemonSet", namespace, name) else { return Ok(None) };
    let set = &live.value;
    let revisions = Revisions::of(context, set, HASH)?;
    let newest = revisions.newest().and_then(|revision| object::label(&revision.value, HASH));
    let hash = newest.unwrap_or_default().to_owned();
    let claimed = adoption::claim(context, set, "pods")?;
    let daemons = Daemons::of(context, set, &hash, claimed.into_values());
    let mut failed = None;
    if !object::is_deleting(set) {
        failed = daemons.work(context).err();
        let used: Vec<String> = daemons
            .pods
            .values()
            .flatten()
            .filter_map(|pod| object::label(&pod.value, HASH).map(str::to_owned))
            .collect();
        revisions.prune(context, set, |revision| {
            object::label(revision, HASH).is_some_and(|hash| used.iter().any(|used| used == hash))
        })?;
    }
    let again = report(context, &live, &daemons.nodes, &hash)?;
    match failed {
        Some(failure) => {
            tracing::debug!(%failure, "a DaemonSet will try again");
            Ok(Some(context.now() + super::RETRY))
        }
        None => Ok(again),
    }
}

struct Daemons<'a> {
    set: &'a Value,
    hash: &'a str,
    /// Each node, and whether a pod should run there, or may at least stay.
    nodes: BTreeMap<String, (bool, bool)>,
    /// The pods that are there, by the node they are for.
    pods: BTreeMap<String, Vec<Arc<Object>>>,
}

impl<'a> Daemons<'a> {
    fn of(
        context: &Context<'_, '_>,
        set: &'a Value,
        hash: &'a str,
        all: impl Iterator<Item = Arc<Object>>,
    ) -> Daemons<'a> {
        let mut pod = json!({"spec": set.pointer("/spec/template/spec")});
        tolerate(&mut pod);
        let nodes = context.index.picture.machines().map(|machine| {
            let (runs, stays) = (["NoSchedule", "NoExecute"], ["NoExecute"]);
            (machine.name.clone(), (lets_in(machine, &pod, &runs), lets_in(machine, &pod, &stays)))
        });
        let nodes = nodes.collect();
        let mut pods: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
        for pod in all {
            pods.entry(target(&pod.value)).or_default().push(pod);
        }
        Daemons { set, hash, nodes, pods }
    }

    fn on(&self, node: &str) -> &[Arc<Object>] {
        self.pods.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    fn is_old(&self, pod: &Value) -> bool {
        object::label(pod, HASH) != Some(self.hash)
    }

    fn work(&self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        for (node, (runs, stays)) in &self.nodes {
            let mut there = 0;
            for pod in self.on(node) {
                if object::is_deleting(&pod.value) {
                    there += 1;
                    continue;
                }
                if object::text(&pod.value, "/status/phase") == "Failed" && *stays {
                    let message =
                        format!("Found failed daemon pod {} on node {node}, will try to kill it", path(&pod.value));
                    let told = Event {
                        kind: "Warning",
                        reason: "FailedDaemonPod",
                        message: &message,
                        component: "daemonset-controller",
                    };
                    event::tell(context, self.set, &told);
                    pods::remove(context, self.set, pod)?;
                } else if *stays {
                    there += 1;
                } else {
                    pods::remove(context, self.set, pod)?;
                }
            }
            if *runs && there == 0 {
                self.make(context, node)?;
            }
        }
        for (node, stranded) in &self.pods {
            if !self.nodes.contains_key(node) {
                for pod in stranded.iter().filter(|pod| !object::is_deleting(&pod.value)) {
                    pods::remove(context, self.set, pod)?;
                }
            }
        }
        if object::text(self.set, "/spec/updateStrategy/type") == "OnDelete" { Ok(()) } else { self.update(context) }
    }

    fn make(&self, context: &mut Context<'_, '_>, node: &str) -> Result<(), Failure> {
        pods::make(context, self.set, None, |pod| aim(pod, node, self.hash, object::annotation(self.set, GENERATION)))?;
        Ok(())
    }

    /// Replaces old pods: those that are not available at once, the others as many at a time as may be missing, or,
    /// with a surge, once their successors are available.
    fn update(&self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let wanted = i64::try_from(self.nodes.values().filter(|(runs, _)| *runs).count()).unwrap_or(0);
        let part = |field: &str| {
            let value = self.set.pointer(&format!("/spec/updateStrategy/rollingUpdate/{field}"));
            pods::scaled(value, wanted, true)
        };
        let surge = part("maxSurge");
        let most = if surge > 0 { part("maxUnavailable") } else { part("maxUnavailable").max(1) };
        let least = object::number(self.set, "/spec/minReadySeconds").unwrap_or(0);
        let now = context.now();
        let available =
            |pod: &Value| !object::is_deleting(pod) && pods::available_from(pod, least).is_some_and(|at| at <= now);
        let running: Vec<&String> = self.nodes.iter().filter(|(_, (runs, _))| *runs).map(|(node, _)| node).collect();
        let without = running.iter().filter(|node| !self.on(node).iter().any(|pod| available(&pod.value))).count();
        let mut missing = i64::try_from(without).unwrap_or(0);
        let pairs = running.iter().filter(|node| self.on(node).len() > 1).count();
        let mut extra = i64::try_from(pairs).unwrap_or(0);
        for node in running {
            let there = self.on(node);
            let Some(old) = there.iter().find(|pod| self.is_old(&pod.value) && !object::is_deleting(&pod.value)) else {
                continue;
            };
            let new = there.iter().find(|pod| !self.is_old(&pod.value));
            match new {
                Some(new) if available(&new.value) => pods::remove(context, self.set, old)?,
                Some(_) => {}
                None if !available(&old.value) => pods::remove(context, self.set, old)?,
                None if surge > 0 && extra < surge => {
                    self.make(context, node)?;
                    extra += 1;
                }
                None if surge == 0 && missing < most => {
                    pods::remove(context, self.set, old)?;
                    missing += 1;
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn path(pod: &Value) -> String {
    format!("{}/{}", object::namespace(pod), object::name(pod))
}

fn report(
    context: &mut Context<'_, '_>,
    live: &Arc<Object>,
    nodes: &BTreeMap<String, (bool, bool)>,
    hash: &str,
) -> Result<Again, Failure> {
    let set = &live.value;
    let least = object::number(set, "/spec/minReadySeconds").unwrap_or(0);
    let mut on: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
    for pod in pods::owned(context, object::uid(set)) {
        if pods::is_active(&pod.value) {
            on.entry(target(&pod.value)).or_default().push(pod);
        }
    }
    let (mut wanted, mut current, mut astray, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
    let mut next: Again = None;
    for (node, (runs, _)) in nodes {
        let there = on.get(node).map(Vec::as_slice).unwrap_or_default();
        if !runs {
            astray += i64::from(!there.is_empty());
            continue;
        }
        wanted += 1;
        // The oldest pod of a node speaks for it.
        let made = |pod: &&Arc<Object>| object::text(&pod.value, "/metadata/creationTimestamp").to_owned();
        let Some(pod) = there.iter().min_by_key(made) else { continue };
        current += 1;
        updated += i64::from(object::label(&pod.value, HASH) == Some(hash));
        match pods::available_from(&pod.value, least) {
            None => {}
            Some(at) if at <= context.now() => (ready, available) = (ready + 1, available + 1),
            Some(at) => {
                ready += 1;
                next = Some(next.map_or(at, |next| at.min(next)));
            }
        }
    }
    let status = without_zeros(
        json!({
            "currentNumberScheduled": current,
            "desiredNumberScheduled": wanted,
            "numberMisscheduled": astray,
            "numberReady": ready,
            "numberAvailable": available,
            "numberUnavailable": wanted - available,
            "updatedNumberScheduled": updated,
            "observedGeneration": object::number(set, "/metadata/generation").unwrap_or(1),
        }),
        &["numberAvailable", "numberUnavailable", "updatedNumberScheduled"],
    );
    context.set_status(live, status)?;
    Ok(next)
}

/// Adds what a daemon tolerates without being asked.
fn tolerate(pod: &mut Value) {
    let mut tolerations = object::items(pod, "/spec/tolerations").to_vec();
    let own = TOLERATED.into_iter();
    let network =
        object::truth(pod, "/spec/hostNetwork").then_some(("node.kubernetes.io/network-unavailable", "NoSchedule"));
    for (key, effect) in own.chain(network) {
        let known = |t: &Value| object::text(t, "/key") == key && object::text(t, "/effect") == effect;
        if !tolerations.iter().any(known) {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": effect}));
        }
    }
    object::set(pod, "/spec/tolerations", json!(tolerations));
}

/// Binds a pod to one node by its affinity, beside what its template asks for.
fn aim(pod: &mut Value, node: &str, hash: &str, generation: Option<&str>) {
    object::set(pod, &format!("/metadata/labels/{HASH}"), json!(hash));
    if let Some(generation) = generation {
        object::set(pod, "/metadata/labels/pod-template-generation", json!(generation));
    }
    tolerate(pod);
    let field = json!([{"key": "metadata.name", "operator": "In", "values": [node]}]);
    let terms = object::items(pod, REQUIRED_TERMS).to_vec();
    let terms: Vec<Value> = if terms.is_empty() {
        vec![json!({"matchFields": field})]
    } else {
        terms
            .into_iter()
            .map(|mut term| {
                object::set(&mut term, "/matchFields", field.clone());
                term
            })
            .collect()
    };
    object::set(pod, REQUIRED_TERMS, json!(terms));
}

fn target(pod: &Value) -> String {
    let placed = object::text(pod, "/spec/nodeName");
    let aimed = object::text(pod, &format!("{REQUIRED_TERMS}/0/matchFields/0/values/0"));
    if placed.is_empty() { aimed } else { placed }.to_owned()
}
