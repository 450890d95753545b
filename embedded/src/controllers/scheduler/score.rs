//! Which of the nodes that can take a pod suits it best: the scheduler's scores with their usual weights. Where nodes are
//! equal the first by name is taken; the real scheduler draws lots.
//!
//! Source: the score plugins of `k8s.io/kubernetes/pkg/scheduler/framework/plugins` and their weights in
//! `pkg/scheduler/apis/config/v1/default_plugins.go`.

use std::collections::BTreeMap;

use super::facts::{PodFacts, Spread};
use super::picture::{Machine, Picture};
use crate::object;

const MOST: i64 = 100;
const PREFERRED: &str = "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution";

/// The best of some nodes; none where there are none.
pub(super) fn best<'a>(pod: &PodFacts, picture: &Picture, nodes: &[&'a Machine]) -> Option<&'a Machine> {
    if nodes.len() < 2 {
        return nodes.first().copied();
    }
    let mut total = vec![0_i64; nodes.len()];
    let mut add = |scores: Vec<i64>, weight: i64| {
        for (sum, score) in total.iter_mut().zip(scores) {
            *sum += score * weight;
        }
    };
    add(nodes.iter().map(|node| least_allocated(pod, node)).collect(), 1);
    add(nodes.iter().map(|node| balanced(pod, node)).collect(), 1);
    let soft = |node: &&Machine| i64::try_from(node.untolerated(pod, &["PreferNoSchedule"]).count()).unwrap_or(MOST);
    add(reversed(nodes.iter().map(soft).collect()), 3);
    add(scaled(nodes.iter().map(|node| preferred(pod, node)).collect()), 2);
    add(between(company(pod, picture, nodes)), 2);
    add(spread(pod, picture, nodes), 2);
    let most = total.iter().max()?;
    let at = total.iter().position(|score| score == most)?;
    nodes.get(at).copied()
}

fn least_allocated(pod: &PodFacts, node: &Machine) -> i64 {
    let part = |resource: &str, taken: i128| {
        let has = node.allocatable(resource);
        if has == 0 || taken > has { 0 } else { (has - taken) * 100 / has }
    };
    let (cpu, memory) = (node.weight.0 + pod.weight.0, node.weight.1 + pod.weight.1);
    i64::try_from((part("cpu", cpu) + part("memory", memory)) / 2).unwrap_or(0)
}

/// How evenly processor and memory are used: in thousandths, as whole numbers keep the result the same everywhere.
fn balanced(pod: &PodFacts, node: &Machine) -> i64 {
    let part = |resource: &str| {
        let has = node.allocatable(resource);
        let taken = node.taken(resource) + pod.requests.get(resource).copied().unwrap_or(0);
        if has == 0 { 1000 } else { (taken * 1000 / has).min(1000) }
    };
    let apart = (part("cpu") - part("memory")).abs() / 2;
    i64::try_from((1000 - apart) / 10).unwrap_or(0)
}

fn preferred(pod: &PodFacts, node: &Machine) -> i64 {
    let terms = object::items(pod.value(), PREFERRED).iter();
    let weights = terms.map(|term| {
        let matches = term.get("preference").is_some_and(|preference| node.matches_term(preference));
        if matches { object::number(term, "/weight").unwrap_or(0) } else { 0 }
    });
    weights.sum()
}

/// What pods that are there, and this one, say about being near each other.
fn company(pod: &PodFacts, picture: &Picture, nodes: &[&Machine]) -> Vec<i64> {
    let mut domains: BTreeMap<(&str, String), i64> = BTreeMap::new();
    let wishes = !pod.affinity.preferred.is_empty() || !pod.anti_affinity.preferred.is_empty();
    if wishes {
        for machine in picture.machines() {
            for other in machine.pods.values() {
                let own = pod.affinity.preferred.iter().map(|(weight, term)| (*weight, term));
                let own = own.chain(pod.anti_affinity.preferred.iter().map(|(weight, term)| (-weight, term)));
                for (weight, term) in own {
                    if let Some(value) = machine.label(&term.topology)
                        && term.means(other, &picture.namespaces)
                    {
                        *domains.entry((&term.topology, value.to_owned())).or_default() += weight;
                    }
                }
            }
        }
    }
    for (node, other) in picture.choosy.values() {
        let Some(machine) = picture.machine(node) else { continue };
        let theirs = other.affinity.required.iter().map(|term| (1, term));
        let theirs = theirs.chain(other.affinity.preferred.iter().map(|(weight, term)| (*weight, term)));
        let theirs = theirs.chain(other.anti_affinity.preferred.iter().map(|(weight, term)| (-weight, term)));
        for (weight, term) in theirs {
            if let Some(value) = machine.label(&term.topology)
                && term.means(pod, &picture.namespaces)
            {
                *domains.entry((&term.topology, value.to_owned())).or_default() += weight;
            }
        }
    }
    let score = |node: &&Machine| {
        let here = domains.iter().filter(|((key, value), _)| node.label(key) == Some(value));
        here.map(|(_, weight)| weight).sum()
    };
    nodes.iter().map(score).collect()
}

/// Fewer pods of the same sort in a node's domains are better.
fn spread(pod: &PodFacts, picture: &Picture, nodes: &[&Machine]) -> Vec<i64> {
    let soft: Vec<&Spread> = pod.spread.iter().filter(|constraint| !constraint.hard).collect();
    let stated = soft.iter().any(|constraint| !constraint.by_owner);
    if soft.is_empty() {
        return vec![0; nodes.len()];
    }
    let bears = |node: &Machine, constraint: &Spread| node.label(&constraint.topology).is_some();
    // Nodes that lack a key that the pod itself states get nothing.
    let ignored: Vec<bool> = nodes.iter().map(|n| stated && soft.iter().any(|c| !bears(n, c))).collect();
    let mut raw = vec![0_f64; nodes.len()];
    for constraint in soft {
        let counts = counts(pod, picture, constraint);
        let domains = nodes.iter().filter_map(|node| node.label(&constraint.topology));
        let size = domains.collect::<std::collections::BTreeSet<_>>().len();
        let weight = (f64::from(u32::try_from(size).unwrap_or(u32::MAX)) + 2.0).ln();
        for (score, node) in raw.iter_mut().zip(nodes) {
            if let Some(domain) = node.label(&constraint.topology) {
                let count = counts.get(domain).copied().unwrap_or(0);
                let count = f64::from(i32::try_from(count).unwrap_or(i32::MAX));
                let skew = f64::from(i32::try_from(constraint.skew - 1).unwrap_or(i32::MAX));
                *score += count * weight + skew;
            }
        }
    }
    let kept = || raw.iter().zip(&ignored).filter(|(_, ignored)| !**ignored).map(|(score, _)| score.round());
    let (least, most) = (kept().fold(f64::INFINITY, f64::min), kept().fold(0.0, f64::max));
    let score = |(score, ignored): (&f64, &bool)| {
        if *ignored {
            0
        } else if most == 0.0 {
            MOST
        } else {
            whole(100.0 * (most + least - score.round()) / most)
        }
    };
    raw.iter().zip(&ignored).map(score).collect()
}

/// A score between 0 and 100 without its fraction.
fn whole(score: f64) -> i64 {
    (0..=MOST).rev().find(|whole| f64::from(i32::try_from(*whole).unwrap_or(0)) <= score).unwrap_or(0)
}

/// How many pods of the constraint are in each domain.
fn counts(pod: &PodFacts, picture: &Picture, constraint: &Spread) -> BTreeMap<String, i64> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    if constraint.by_owner {
        for (node, count) in picture.siblings(pod).into_iter().flatten() {
            let domain = picture.machine(node).and_then(|machine| machine.label(&constraint.topology));
            if let Some(domain) = domain {
                *counts.entry(domain.to_owned()).or_default() += count;
            }
        }
        return counts;
    }
    for machine in picture.machines() {
        if let Some(domain) = machine.label(&constraint.topology) {
            let alike = machine.pods.values().filter(|other| constraint.counts(pod, other)).count();
            *counts.entry(domain.to_owned()).or_default() += i64::try_from(alike).unwrap_or(0);
        }
    }
    counts
}

/// The highest becomes 100, the others their part of it.
fn scaled(scores: Vec<i64>) -> Vec<i64> {
    let most = scores.iter().max().copied().unwrap_or(0);
    if most == 0 { scores } else { scores.into_iter().map(|score| score * MOST / most).collect() }
}

/// The same the other way round: none is 100.
fn reversed(scores: Vec<i64>) -> Vec<i64> {
    scaled(scores).into_iter().map(|score| MOST - score).collect()
}

/// The lowest becomes 0, the highest 100.
fn between(scores: Vec<i64>) -> Vec<i64> {
    let (least, most) = (scores.iter().min().copied().unwrap_or(0), scores.iter().max().copied().unwrap_or(0));
    if least == most {
        return vec![0; scores.len()];
    }
    scores.into_iter().map(|score| (score - least) * MOST / (most - least)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_brought_to_one_scale() {
        assert_eq!(scaled(vec![0, 5, 10]), [0, 50, 100]);
        assert_eq!(scaled(vec![0, 0]), [0, 0]);
        assert_eq!(reversed(vec![0, 1, 2]), [100, 50, 0]);
        assert_eq!(between(vec![-10, 0, 10]), [0, 50, 100]);
        assert_eq!(between(vec![7, 7]), [0, 0]);
        assert_eq!([whole(-1.0), whole(0.0), whole(33.9), whole(100.0)], [0, 0, 33, 100]);
    }
}
