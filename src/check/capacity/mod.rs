//! Whether everything fits on the nodes: at the fewest pods, while a service is rolled out, and at the most pods that
//! autoscalers may start. Held against what the environment describes or, of a live cluster, what others have left.

pub(super) mod nodes;
mod packing;
pub(crate) mod placement;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PodSpec;
use serde::Deserialize;
use serde_json::Value;
use strata_components::desired::Desired;

use self::nodes::Node;
use self::packing::{Answer, Demand, Free, add, pack};
use super::place::at_service;
use super::rules;
use super::workloads::{Workload, workloads};
use crate::finding::{Finding, Location, Rule};
use crate::load::Loaded;
use crate::load::spans::field;

/// How many nodes more are tried before it is said that more would not help.
const MORE_NODES: usize = 64;

/// Workloads that want to be on nodes, and the nodes.
struct Fleet<'a> {
    loaded: &'a Loaded,
    nodes: &'a [Node],
    /// Resources, common ones first.
    dimensions: Vec<String>,
    wants: Vec<Want<'a>>,
    /// Pods that every node gets which admits them, and what they ask.
    daemons: Vec<(PodSpec, BTreeMap<String, u64>)>,
}

/// A workload that wants to be on nodes.
struct Want<'a> {
    workload: Workload<'a>,
    pod: PodSpec,
    asks: BTreeMap<String, u64>,
    priority: i64,
}

/// Everything that is found when a stack is held against nodes.
pub(super) fn check(desired: &Desired, loaded: &Loaded, nodes: &[Node]) -> Vec<Finding> {
    let fleet = Fleet::new(desired, loaded, nodes);
    let floor = |want: &Want<'_>| want.workload.floor;
    match pack(&fleet.demands(floor), &fleet.free(nodes)) {
        Answer::Fits(left) => {
            let mut findings = fleet.rollouts(&left);
            findings.extend(fleet.ceiling(&left));
            findings
        }
        Answer::Undecided => vec![fleet.undecided("its pods")],
        Answer::No | Answer::Short(_) => fleet.too_much(),
    }
}

impl<'a> Fleet<'a> {
    fn new(desired: &'a Desired, loaded: &'a Loaded, nodes: &'a [Node]) -> Self {
        let priorities: BTreeMap<&str, i64> = desired
            .resources
            .iter()
            .filter(|resource| resource.id.kind.kind == "PriorityClass")
            .filter_map(|resource| Some((resource.id.name.as_str(), resource.manifest["value"].as_i64()?)))
            .collect();
        let (mut wants, mut daemons) = (Vec::new(), Vec::new());
        for workload in workloads(desired) {
            let Ok(pod) = PodSpec::deserialize(workload.pod) else { continue };
            let asks = placement::requests_with_proxy(&pod, &workload);
            if workload.resource.id.kind.kind == "DaemonSet" {
                daemons.push((pod, asks));
                continue;
            }
            let class = workload.pod.get("priorityClassName").and_then(Value::as_str);
            let priority = class.and_then(|class| priorities.get(class)).copied().unwrap_or(0);
            wants.push(Want { asks, workload, pod, priority });
        }
        // The scheduler serves those of higher priority first.
        wants.sort_by_key(|want| std::cmp::Reverse(want.priority));
        let common = ["cpu", "memory", "pods"];
        let asked: BTreeSet<&str> = wants.iter().flat_map(|want| want.asks.keys().map(String::as_str)).collect();
        let rare = asked.into_iter().filter(|resource| !common.contains(resource));
        let dimensions = common.into_iter().chain(rare).map(str::to_owned).collect();
        Self { loaded, nodes, dimensions, wants, daemons }
    }

    fn free(&self, nodes: &[Node]) -> Free {
        let of = |node: &Node| {
            let here = |(pod, _): &&(PodSpec, BTreeMap<String, u64>)| placement::admits(node, pod).is_ok();
            let daemons: Vec<_> = self.daemons.iter().filter(here).map(|(_, asks)| asks).collect();
            let left = |one: &String| {
                let taken =
                    daemons.iter().filter_map(|asks| asks.get(one)).fold(0, |sum: u64, ask| sum.saturating_add(*ask));
                node.free.get(one).copied().unwrap_or(0).saturating_sub(taken)
            };
            self.dimensions.iter().map(left).collect()
        };
        nodes.iter().map(of).collect()
    }

    fn demand(&self, want: &Want<'_>, count: u32, nodes: &[Node]) -> Demand {
        let eligible: Vec<bool> = nodes.iter().map(|node| placement::admits(node, &want.pod).is_ok()).collect();
        Demand {
            count,
            need: self.dimensions.iter().map(|one| want.asks.get(one).copied().unwrap_or(0)).collect(),
            per_node: apart(want, count, &eligible).most,
            eligible,
        }
    }

    fn demands(&self, count: impl Fn(&Want<'_>) -> u32) -> Vec<Demand> {
        self.wants.iter().map(|want| self.demand(want, count(want), self.nodes)).collect()
    }

    fn finding(&self, rule: &Rule, want: &Want<'_>, message: String, help: String) -> Finding {
        let service = want.workload.resource.service.as_deref();
        let message = format!("{}: {message}", service.unwrap_or(&want.workload.resource.address));
        at_service(Finding::new(rule, message).help(help), service, self.loaded)
    }

    fn undecided(&self, what: &str) -> Finding {
        let count = self.nodes.len();
        Finding::new(
            &rules::UNDECIDED,
            format!("whether {what} fit on the {count} nodes was not found out within the limit of the search"),
        )
        .at(self.described())
        .help("leave more room, or use fewer sizes of pods and nodes".to_owned())
    }

    /// Where the environment describes the nodes, if it does.
    fn described(&self) -> Option<Location> {
        let target = self.wants.first()?.workload.resource.id.target.as_str();
        let path = field(&field(&field("clusters", target), "embedded"), "nodes");
        self.loaded.places.environment.as_ref()?.key(&path)
    }

    /// The services that do not fit, beginning with those that the scheduler places first.
    fn too_much(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut placed: Vec<Demand> = Vec::new();
        for want in &self.wants {
            let demand = self.demand(want, want.workload.floor, self.nodes);
            placed.push(demand.clone());
            let answer = pack(&placed, &self.free(self.nodes));
            if matches!(answer, Answer::Fits(_) | Answer::Undecided) {
                continue;
            }
            placed.pop();
            let count = want.workload.floor;
            let pods = if count == 1 { "its pod does".to_owned() } else { format!("its {count} pods do") };
            let why = self.why(want, &demand, &answer);
            let message = format!("{pods} not fit: {why}");
            findings.push(self.finding(&rules::TOO_MUCH, want, message, self.help(want, &placed, count)));
        }
        if findings.is_empty() {
            // Every beginning of the list fits or is not decided: then the whole is not decided either.
            findings.push(self.undecided("all pods"));
        }
        findings
    }

    /// What is missing, in words.
    fn why(&self, want: &Want<'_>, demand: &Demand, answer: &Answer) -> String {
        let unsuitable: Vec<String> = self
            .nodes
            .iter()
            .filter_map(|node| Some(format!("{} {}", node.name, placement::admits(node, &want.pod).err()?)))
            .collect();
        if unsuitable.len() == self.nodes.len() {
            let more = match unsuitable.len() {
                0 | 1 => String::new(),
                count => format!(", and so on for {count} nodes"),
            };
            return format!("no node takes them: {}{more}", unsuitable.first().map_or("there is none", String::as_str));
        }
        // A pod that would not even fit on an empty node of those.
        let suitable = || self.nodes.iter().zip(&demand.eligible).filter(|(_, may)| **may).map(|(node, _)| node);
        for (resource, need) in self.dimensions.iter().zip(&demand.need) {
            let most = suitable().filter_map(|node| node.free.get(resource)).max().copied().unwrap_or(0);
            if *need > most {
                let (need, most) = (amount(resource, *need), amount(resource, most));
                return format!("each asks for {need} of {resource}, and no node that takes them has more than {most}");
            }
        }
        match answer {
            Answer::Short(short) => {
                let resource = self.dimensions.get(short.dimension).map_or("", String::as_str);
                let (asked, there) = (amount(resource, short.asked), amount(resource, short.there));
                let missing = amount(resource, short.asked - short.there);
                format!(
                    "beside what else is there, {asked} of {resource} are asked of nodes that have {there}, {missing} \
                     too few"
                )
            }
            _ => "there is enough of everything in all, but not together on single nodes".to_owned(),
        }
    }

    /// Which more nodes would do.
    fn help(&self, want: &Want<'_>, others: &[Demand], count: u32) -> String {
        let mut kinds: Vec<&Node> = Vec::new();
        for node in self.nodes.iter().filter(|node| placement::admits(node, &want.pod).is_ok()) {
            if !kinds.iter().any(|kind| kind.whole == node.whole && kind.taints == node.taints) {
                kinds.push(node);
            }
        }
        let enough = |kind: &Node, more: usize| {
            let fresh = Node { free: kind.whole.clone(), ..kind.clone() };
            let all: Vec<Node> = self.nodes.iter().cloned().chain(std::iter::repeat_n(fresh, more)).collect();
            let stretch = |demand: &Demand| Demand {
                // What may go to a node may go to another like it.
                eligible: demand
                    .eligible
                    .iter()
                    .copied()
                    .chain(std::iter::repeat_n(self.like(demand, kind), more))
                    .collect(),
                ..demand.clone()
            };
            let mut demands: Vec<Demand> = others.iter().map(stretch).collect();
            demands.push(self.demand(want, count, &all));
            matches!(pack(&demands, &self.free(&all)), Answer::Fits(_))
        };
        let cheapest = kinds.iter().filter_map(|kind| {
            // More nodes never fit less.
            let most = (1..=7).map(|power| 1_usize << power).map(|more| more.min(MORE_NODES));
            let most = std::iter::once(1).chain(most).find(|more| enough(kind, *more))?;
            let range: Vec<usize> = (most / 2..=most).filter(|more| *more > 0).collect();
            let at = range.partition_point(|more| !enough(kind, *more));
            Some((range.get(at).copied().unwrap_or(most), kind.name.as_str()))
        });
        match cheapest.min() {
            Some((1, node)) => format!("one more node like {node} would do; or ask for less, or run fewer pods"),
            Some((more, node)) => format!("{more} more nodes like {node} would do; or ask for less, or run fewer pods"),
            None => "no more nodes of these kinds would help: ask for less, or describe larger nodes".to_owned(),
        }
    }

    fn like(&self, demand: &Demand, kind: &Node) -> bool {
        let at = self.nodes.iter().position(|node| node.name == kind.name);
        at.and_then(|at| demand.eligible.get(at)).copied().unwrap_or(false)
    }

    /// Whether the pods that a rollout starts in addition fit beside everything else, service by service. Services
    /// that are rolled out at once take turns where room is short, because each that finishes gives its room back.
    fn rollouts(&self, left: &Free) -> Vec<Finding> {
        (0..self.wants.len()).filter_map(|at| self.rollout(at, left)).collect()
    }

    fn rollout(&self, at: usize, left: &Free) -> Option<Finding> {
        let want = self.wants.get(at)?;
        let rollout = want.workload.rollout;
        let surge = rollout.surge;
        if surge == 0 || matches!(self.with_more(left, at, surge), Answer::Fits(_)) {
            return None;
        }
        let smaller = (1..surge).rev().find(|more| matches!(self.with_more(left, at, *more), Answer::Fits(_)));
        let others = self.demands(|want| want.workload.floor);
        if let Some(smaller) = smaller {
            let message = format!("a rollout starts {surge} pods in addition, and there is room for {smaller}");
            let help = format!("a surge of {smaller} would do; {}", self.more_nodes(want, &others, surge));
            return Some(self.finding(&rules::SLOW_ROLLOUT, want, message, help));
        }
        let answer = self.with_more(left, at, 1);
        if matches!(answer, Answer::Undecided) {
            return Some(self.undecided(&format!("the pods that a rollout of {} starts", want.workload.resource.id)));
        }
        if rollout.unavailable > 0 {
            // It stops a pod first.
            return None;
        }
        let why = self.why(want, &self.demand(want, 1, self.nodes), &answer);
        let message = format!("a rollout starts a pod before it stops one, and there is no room for it: {why}");
        let help = format!("a surge of 0 with one pod unavailable would do; {}", self.more_nodes(want, &others, 1));
        Some(self.finding(&rules::STUCK_ROLLOUT, want, message, help))
    }

    fn more_nodes(&self, want: &Want<'_>, others: &[Demand], count: u32) -> String {
        self.help(want, others, count).split(';').next().unwrap_or_default().to_owned()
    }

    /// Whether `more` pods of the workload at `at` fit beside what was placed: into what was left, or else with
    /// everything placed anew.
    fn with_more(&self, left: &Free, at: usize, more: u32) -> Answer {
        let floor = |want: &Want<'_>| want.workload.floor;
        let added = self.wants.get(at).map(|want| self.demand(want, more, self.nodes));
        let anew = self.wants.get(at).zip(added).filter(|(want, added)| apart(want, more, &added.eligible).by_revision);
        let Some((_, added)) = anew else {
            let count = |(place, want): (usize, &Want<'_>)| {
                let count = want.workload.floor + if place == at { more } else { 0 };
                self.demand(want, count, self.nodes)
            };
            return pack(&self.wants.iter().enumerate().map(count).collect::<Vec<_>>(), &self.free(self.nodes));
        };
        let mut room = left.clone();
        if add(&added, more, &mut room) {
            return Answer::Fits(room);
        }
        pack(&self.demands(floor).into_iter().chain([added]).collect::<Vec<_>>(), &self.free(self.nodes))
    }

    /// Whether autoscalers can start all the pods that they may.
    fn ceiling(&self, left: &Free) -> Option<Finding> {
        let grows = |want: &&Want<'_>| want.workload.ceiling > want.workload.floor;
        let mut room = left.clone();
        let more = |want: &Want<'_>| want.workload.ceiling - want.workload.floor;
        let growing: Vec<&Want<'_>> = self.wants.iter().filter(grows).collect();
        // Where pods keep apart, those that are added are not free to go beside those that are there.
        let fits = |want: &Want<'_>, room: &mut Free| {
            let demand = self.demand(want, more(want), self.nodes);
            demand.per_node == u32::MAX && add(&demand, more(want), room)
        };
        if growing.iter().all(|want| fits(want, &mut room)) {
            return None;
        }
        let answer = pack(&self.demands(|want| want.workload.ceiling), &self.free(self.nodes));
        let first = growing.first()?;
        match answer {
            Answer::Fits(_) => None,
            Answer::Undecided => Some(self.undecided("all pods that autoscalers may start")),
            Answer::No | Answer::Short(_) => {
                // The first of them, in the order of the scheduler, that cannot grow beside those before it.
                let mut want = *first;
                for (last, one) in self.wants.iter().enumerate().filter(|(_, want)| grows(want)) {
                    let grown = |(at, other): (usize, &Want<'_>)| {
                        let count = if at <= last { other.workload.ceiling } else { other.workload.floor };
                        self.demand(other, count, self.nodes)
                    };
                    let demands: Vec<Demand> = self.wants.iter().enumerate().map(grown).collect();
                    if matches!(pack(&demands, &self.free(self.nodes)), Answer::No | Answer::Short(_)) {
                        want = one;
                        break;
                    }
                }
                let demand = self.demand(want, 1, self.nodes);
                let why = self.why(want, &demand, &answer);
                let message =
                    format!("its autoscaler may start {} pods, and they do not fit: {why}", want.workload.ceiling);
                let others = self.demands(|other| other.workload.floor);
                let help = format!("{}, or lower its `max`", self.more_nodes(want, &others, more(want)));
                Some(self.finding(&rules::NO_ROOM_TO_GROW, want, message, help))
            }
        }
    }
}

/// How `count` pods of a workload keep apart on the nodes that may take them.
fn apart(want: &Want<'_>, count: u32, eligible: &[bool]) -> placement::Apart {
    placement::apart(&want.pod, &want.workload.labels, count, eligible.iter().filter(|may| **may).count())
}

/// An amount of a resource as people write it.
fn amount(resource: &str, amount: u64) -> String {
    match resource {
        "cpu" if amount.is_multiple_of(1000) => (amount / 1000).to_string(),
        "cpu" => format!("{amount}m"),
        "memory" | "ephemeral-storage" => {
            let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
            let whole = units.into_iter().find(|(_, bits)| amount > 0 && amount.is_multiple_of(1 << bits));
            whole.map_or_else(|| amount.to_string(), |(unit, bits)| format!("{}{unit}", amount >> bits))
        }
        _ => amount.to_string(),
    }
}

#[cfg(test)]
mod tests;
