//! Preemption: on which node, and by whose going, a pod of higher priority gets room. Decides only; the scheduler
//! deletes.
//!
//! Source: `k8s.io/kubernetes/pkg/scheduler/framework/preemption` and `plugins/defaultpreemption` of Kubernetes 1.36.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::facts::PodFacts;
use super::filter::{Counts, Verdict};
use super::picture::{Machine, Picture};
use super::{histogram, passes};
use crate::object;
use crate::selector::LabelSelector;
use crate::store::Object;

/// Why nothing can be gained on a node by taking pods away.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// A node and the pods that have to go from it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) node: String,
    /// The most important first.
    pub(super) victims: Vec<Arc<PodFacts>>,
    violations: usize,
}

/// The best node to make room on; or why there is none, as the scheduler words it.
pub(super) fn find(
    pod: &PodFacts,
    picture: &Picture,
    counts: &Counts<'_>,
    verdicts: &BTreeMap<String, Verdict>,
    budgets: &[Arc<Object>],
) -> Result<Candidate, String> {
    if object::text(pod.value(), "/spec/preemptionPolicy") == "Never" {
        return Err("not eligible due to preemptionPolicy=Never.".to_owned());
    }
    if waits_for_going(pod, picture, verdicts) {
        return Err("not eligible due to a terminating pod on the nominated node.".to_owned());
    }
    let mut candidates = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for machine in picture.machines() {
        let curable = verdicts.get(&machine.name).is_some_and(Verdict::is_curable);
        let found = if curable {
            on_node(pod, picture, counts, machine, budgets)
        } else {
            Err(Verdict::Unsuited(NOT_HELPFUL.to_owned()))
        };
        match found {
            Ok(candidate) => candidates.push(candidate),
            Err(verdict) => {
                for reason in verdict.reasons() {
                    *reasons.entry(reason.clone()).or_default() += 1;
                }
            }
        }
    }
    let nodes = picture.machines().count();
    let best = candidates.into_iter().min_by_key(rank);
    best.ok_or_else(|| format!("0/{nodes} nodes are available:{}", histogram(&reasons)))
}

/// Is a pod still going from the node that was chosen before?
fn waits_for_going(pod: &PodFacts, picture: &Picture, verdicts: &BTreeMap<String, Verdict>) -> bool {
    let hoped = object::text(pod.value(), "/status/nominatedNodeName");
    let Some(machine) = picture.machine(hoped) else { return false };
    if matches!(verdicts.get(hoped), Some(Verdict::Unsuited(_) | Verdict::TooSmall(_))) {
        return false;
    }
    machine.pods.values().any(|other| {
        let target = object::condition(other.value(), "DisruptionTarget");
        other.priority < pod.priority
            && object::is_deleting(other.value())
            && target.is_some_and(|c| object::text(c, "/reason") == "PreemptionByScheduler")
    })
}

/// Fewer broken budgets, less important pods, fewer pods, pods that have run for less long.
fn rank(candidate: &Candidate) -> (usize, i64, i64, usize, Reverse<String>) {
    let highest = candidate.victims.iter().map(|victim| victim.priority).max().unwrap_or(0);
    // All are made positive, so that a few pods below nought do not weigh less than one.
    let sum = candidate.victims.iter().map(|victim| victim.priority + i64::from(i32::MAX) + 1).sum();
    let oldest = candidate.victims.iter().filter(|victim| victim.priority == highest).map(|v| started(v)).min();
    (candidate.violations, highest, sum, candidate.victims.len(), Reverse(oldest.unwrap_or_default()))
}

fn started(pod: &PodFacts) -> String {
    object::text(pod.value(), "/status/startTime").to_owned()
}

/// The fewest pods that have to go from a node.
fn on_node(
    pod: &PodFacts,
    picture: &Picture,
    counts: &Counts<'_>,
    machine: &Machine,
    budgets: &[Arc<Object>],
) -> Result<Candidate, Verdict> {
    let lower = |other: &&Arc<PodFacts>| other.priority < pod.priority;
    let mut potential: Vec<Arc<PodFacts>> = machine.pods.values().filter(lower).cloned().collect();
    if potential.is_empty() {
        return Err(Verdict::Unsuited(NO_VICTIMS.to_owned()));
    }
    let (mut counts, mut without) = (counts.clone(), machine.clone());
    for victim in &potential {
        without.remove(&victim.key);
        counts.imagine(victim, machine, -1);
    }
    let verdict = passes(pod, picture, &counts, &without);
    if verdict != Verdict::Fits {
        return Err(verdict);
    }
    potential.sort_by_key(|victim| (Reverse(victim.priority), started(victim), victim.key.clone()));
    let (protected, free) = by_budget(potential, budgets);
    let mut candidate = Candidate { node: machine.name.clone(), victims: Vec::new(), violations: 0 };
    for (victim, violates) in protected.into_iter().map(|v| (v, true)).chain(free.into_iter().map(|v| (v, false))) {
        without.add(&victim);
        counts.imagine(&victim, machine, 1);
        if passes(pod, picture, &counts, &without) == Verdict::Fits {
            continue;
        }
        without.remove(&victim.key);
        counts.imagine(&victim, machine, -1);
        candidate.violations += usize::from(violates);
        candidate.victims.push(victim);
    }
    candidate.victims.sort_by_key(|victim| (Reverse(victim.priority), started(victim), victim.key.clone()));
    Ok(candidate)
}

/// Those whose going would break a budget, and the others; in the order they come.
fn by_budget(pods: Vec<Arc<PodFacts>>, budgets: &[Arc<Object>]) -> (Vec<Arc<PodFacts>>, Vec<Arc<PodFacts>>) {
    let mut left: Vec<(&Value, Option<LabelSelector>, i64)> = budgets
        .iter()
        .map(|budget| {
            let allowed = object::number(&budget.value, "/status/disruptionsAllowed").unwrap_or(0);
            let selector = LabelSelector::of(budget.value.pointer("/spec/selector")).filter(|s| !s.is_empty());
            (&budget.value, selector, allowed)
        })
        .collect();
    pods.into_iter().partition(|pod| {
        let mut violates = false;
        for (budget, selector, allowed) in &mut left {
            let applies = object::namespace(budget) == pod.key.0
                && selector.as_ref().is_some_and(|selector| pod.matches(selector))
                && budget.pointer("/status/disruptedPods").and_then(|pods| pods.get(&pod.key.1)).is_none();
            if applies {
                *allowed -= 1;
                violates |= *allowed < 0;
            }
        }
        violates
    })
}
