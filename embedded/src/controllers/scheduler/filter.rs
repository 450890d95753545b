//! Which nodes can take a pod, and why the others cannot: the scheduler's filters, in its order and with its words.
//!
//! Source: `k8s.io/kubernetes/pkg/scheduler/framework/plugins` of Kubernetes 1.36.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::{PodFacts, Spread, Term};
use super::picture::{Machine, Picture, REQUIRED_TERMS};
use crate::object;

/// Whether a node can take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    /// Not now; other pods' going could change that.
    Crowded(Vec<String>),
    /// Not as the node and the pod are.
    Unsuited(String),
    /// Not because of what it asks for, which is more than the node ever has.
    TooSmall(Vec<String>),
}

impl Verdict {
    /// The reasons against.
    pub(super) fn reasons(&self) -> &[String] {
        match self {
            Verdict::Fits => &[],
            Verdict::Crowded(reasons) | Verdict::TooSmall(reasons) => reasons,
            Verdict::Unsuited(reason) => std::slice::from_ref(reason),
        }
    }

    /// Could the going of other pods help?
    pub(super) fn is_curable(&self) -> bool {
        matches!(self, Verdict::Crowded(_))
    }
}

fn unsuited(reason: &str) -> Verdict {
    Verdict::Unsuited(reason.to_owned())
}

fn crowded(reason: &str) -> Verdict {
    Verdict::Crowded(vec![reason.to_owned()])
}

/// How many pods there are in each domain: by topology key and value.
type Domains = BTreeMap<(String, String), i64>;

/// What is counted once for a pod that is to be placed, over all nodes; kept right when a pod is imagined to come or go.
#[derive(Debug, Clone)]
pub(super) struct Counts<'a> {
    pod: &'a PodFacts,
    picture: &'a Picture,
    /// Pods that all required affinity terms mean.
    near: Domains,
    /// Pods that one of the required anti-affinity terms means.
    far: Domains,
    /// Pods that keep this one away.
    kept_off: Domains,
    /// For each hard spread constraint, the pods that count, by the domain's name.
    spread: Vec<BTreeMap<String, i64>>,
    /// The nodes that the pod's volumes can be reached from, as node selectors.
    volumes: Vec<Value>,
}

impl<'a> Counts<'a> {
    /// Counts.
    pub(super) fn of(pod: &'a PodFacts, picture: &'a Picture) -> Counts<'a> {
        let hard = pod.spread.iter().filter(|constraint| constraint.hard).count();
        let mut counts = Counts {
            pod,
            picture,
            near: Domains::new(),
            far: Domains::new(),
            kept_off: Domains::new(),
            spread: vec![BTreeMap::new(); hard],
            volumes: Vec::new(),
        };
        for (node, other) in picture.choosy.values() {
            if let Some(machine) = picture.machine(node) {
                counts.keep_off(other, machine, 1);
            }
        }
        let looks = hard > 0 || !pod.affinity.required.is_empty() || !pod.anti_affinity.required.is_empty();
        if looks {
            for machine in picture.machines() {
                counts.open_domains(machine);
                for other in machine.pods.values() {
                    counts.meet(other, machine, 1);
                }
            }
        }
        counts
    }

    /// The pod goes only where these node selectors of its volumes allow.
    pub(super) fn mount(&mut self, volumes: &[Value]) {
        self.volumes = volumes.to_vec();
    }

    fn hard(&self) -> impl Iterator<Item = &'a Spread> + use<'a> {
        self.pod.spread.iter().filter(|constraint| constraint.hard)
    }

    /// A domain without pods counts too, as nought.
    fn open_domains(&mut self, machine: &Machine) {
        let pod = self.pod;
        for (constraint, counts) in pod.spread.iter().filter(|c| c.hard).zip(&mut self.spread) {
            if counts_node(pod, constraint, machine)
                && let Some(domain) = machine.label(&constraint.topology)
            {
                counts.entry(domain.to_owned()).or_default();
            }
        }
    }

    fn keep_off(&mut self, other: &PodFacts, machine: &Machine, by: i64) {
        for term in &other.anti_affinity.required {
            if term.means(self.pod, &self.picture.namespaces) {
                shift(&mut self.kept_off, term, machine, by);
            }
        }
    }

    fn meet(&mut self, other: &PodFacts, machine: &Machine, by: i64) {
        let pod = self.pod;
        let means = |term: &Term| term.means(other, &self.picture.namespaces);
        let required = &pod.affinity.required;
        if !required.is_empty() && required.iter().all(means) {
            for term in required {
                shift(&mut self.near, term, machine, by);
            }
        }
        for term in &pod.anti_affinity.required {
            if term.means(other, &self.picture.namespaces) {
                shift(&mut self.far, term, machine, by);
            }
        }
        for (constraint, counts) in pod.spread.iter().filter(|c| c.hard).zip(&mut self.spread) {
            if constraint.counts(pod, other)
                && counts_node(pod, constraint, machine)
                && let Some(domain) = machine.label(&constraint.topology)
            {
                *counts.entry(domain.to_owned()).or_default() += by;
            }
        }
    }

    /// Imagines a pod on a node (`by` is 1), or away from it (-1).
    pub(super) fn imagine(&mut self, other: &PodFacts, machine: &Machine, by: i64) {
        self.keep_off(other, machine, by);
        self.meet(other, machine, by);
    }

    /// Can the node take the pod?
    pub(super) fn judge(&self, machine: &Machine) -> Verdict {
        let pod = self.pod;
        let node = machine.value();
        if object::truth(node, "/spec/unschedulable") && !pod.tolerates(&cordon()) {
            return unsuited("node(s) were unschedulable");
        }
        if machine.untolerated(pod, &["NoSchedule", "NoExecute"]).next().is_some() {
            return unsuited("node(s) had untolerated taint(s)");
        }
        if !machine.selected_by(pod.value()) {
            return unsuited("node(s) didn't match Pod's node affinity/selector");
        }
        if pod.ports.iter().any(|port| machine.pods.values().any(|other| other.ports.iter().any(|o| clash(port, o)))) {
            return crowded("node(s) didn't have free ports for the requested pod ports");
        }
        let room = room(pod, machine);
        if room != Verdict::Fits {
            return room;
        }
        let reaches =
            |volume: &Value| object::items(volume, "/nodeSelectorTerms").iter().any(|term| machine.matches_term(term));
        if !self.volumes.iter().all(reaches) {
            return unsuited("node(s) didn't match PersistentVolume's node affinity");
        }
        let spread = self.judge_spread(machine);
        if spread != Verdict::Fits {
            return spread;
        }
        self.judge_affinity(machine)
    }

    fn judge_spread(&self, machine: &Machine) -> Verdict {
        for (constraint, counts) in self.hard().zip(&self.spread) {
            let Some(domain) = machine.label(&constraint.topology) else {
                return unsuited("node(s) didn't match pod topology spread constraints (missing required label)");
            };
            let domains = i64::try_from(counts.len()).unwrap_or(i64::MAX);
            let least =
                if domains < constraint.least_domains { 0 } else { counts.values().min().copied().unwrap_or(0) };
            let own = i64::from(constraint.selector.as_ref().is_some_and(|selector| self.pod.matches(selector)));
            if counts.get(domain).copied().unwrap_or(0) + own - least > constraint.skew {
                return crowded("node(s) didn't match pod topology spread constraints");
            }
        }
        Verdict::Fits
    }

    fn judge_affinity(&self, machine: &Machine) -> Verdict {
        let count = |domains: &Domains, key: &str| {
            machine.label(key).map(|value| domains.get(&(key.to_owned(), value.to_owned())).copied().unwrap_or(0))
        };
        let required = &self.pod.affinity.required;
        let counts: Option<Vec<i64>> = required.iter().map(|term| count(&self.near, &term.topology)).collect();
        let satisfied = match counts {
            None => false,
            Some(counts) if counts.iter().all(|count| *count > 0) => true,
            // The first of pods that want each other near may go anywhere.
            Some(_) => {
                self.near.values().all(|count| *count == 0)
                    && required.iter().all(|term| term.means(self.pod, &self.picture.namespaces))
            }
        };
        if !satisfied {
            return unsuited("node(s) didn't match pod affinity rules");
        }
        let far = |term: &Term| count(&self.far, &term.topology).unwrap_or(0) > 0;
        if self.pod.anti_affinity.required.iter().any(far) {
            return crowded("node(s) didn't match pod anti-affinity rules");
        }
        let off = self.kept_off.iter().any(|((key, value), count)| *count > 0 && machine.label(key) == Some(value));
        if off { crowded("node(s) didn't satisfy existing pods anti-affinity rules") } else { Verdict::Fits }
    }
}

/// The taint that stands for `spec.unschedulable`.
fn cordon() -> Value {
    serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
}

fn shift(domains: &mut Domains, term: &Term, machine: &Machine, by: i64) {
    if let Some(value) = machine.label(&term.topology) {
        *domains.entry((term.topology.clone(), value.to_owned())).or_default() += by;
    }
}

/// Does the node count for a constraint? Only one that bears every key of the pod's hard constraints does.
fn counts_node(pod: &PodFacts, constraint: &Spread, machine: &Machine) -> bool {
    pod.spread.iter().filter(|c| c.hard).all(|c| machine.label(&c.topology).is_some())
        && (constraint.ignores_affinity || machine.selected_by(pod.value()))
        && !(constraint.honours_taints && machine.untolerated(pod, &["NoSchedule", "NoExecute"]).next().is_some())
}

fn clash(one: &(String, String, i64), other: &(String, String, i64)) -> bool {
    let everywhere = |ip: &str| ip == "0.0.0.0";
    one.0 == other.0 && one.2 == other.2 && (one.1 == other.1 || everywhere(&one.1) || everywhere(&other.1))
}

fn room(pod: &PodFacts, machine: &Machine) -> Verdict {
    let mut lacking = Vec::new();
    let mut never = false;
    let usual = ["pods", "cpu", "memory", "ephemeral-storage"];
    let others = pod.requests.keys().map(String::as_str).filter(|name| !usual.contains(name));
    for name in usual.into_iter().chain(others) {
        let asked = pod.requests.get(name).copied().unwrap_or(0);
        let has = machine.allocatable(name);
        if asked > 0 && asked > has - machine.taken(name) {
            lacking.push(if name == "pods" { "Too many pods".to_owned() } else { format!("Insufficient {name}") });
            never |= name != "pods" && asked > has;
        }
    }
    match (lacking.is_empty(), never) {
        (true, _) => Verdict::Fits,
        (false, true) => Verdict::TooSmall(lacking),
        (false, false) => Verdict::Crowded(lacking),
    }
}

/// The nodes a pod names by its required affinity, where every term of it names some; `Err` where terms contradict.
pub(super) fn named_nodes(pod: &Value) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for term in object::items(pod, REQUIRED_TERMS) {
        let mut named: Option<BTreeSet<String>> = None;
        for field in object::items(term, "/matchFields") {
            if object::text(field, "/key") != "metadata.name" || object::text(field, "/operator") != "In" {
                continue;
            }
            let values: BTreeSet<String> =
                object::items(field, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            named = Some(match named {
                Some(known) => known.intersection(&values).cloned().collect(),
                None => values,
            });
        }
        all.extend(named?);
    }
    (!all.is_empty()).then_some(all)
}
