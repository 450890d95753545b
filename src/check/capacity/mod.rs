//! Whether everything fits on the nodes: at the fewest pods, while a service is rolled out, and at the most pods that
//! autoscalers may start. Held against what the environment describes or, of a live cluster, what others have left.

pub(crate) mod loads;
pub(super) mod nodes;
mod packing;
pub(crate) mod placement;
mod room;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PodSpec;
use serde::Deserialize;
use serde_json::Value;
use strata_components::desired::Desired;

use self::nodes::Node;
use self::packing::{Answer, Demand, Free, add, pack};
use self::placement::Apart;
use self::room::{Fresh, Room, fewest};
use super::place::at_service;
use super::workloads::{Workload, workloads};
use super::{in_words, rules};
use crate::finding::{Finding, Location, Rule};
use crate::load::Loaded;
use crate::load::spans::field;

/// What a stack composes to, with where that was said.
pub(crate) type Composed<'a> = (&'a Desired, &'a Loaded);

/// Workloads that want to be on nodes, and the nodes.
struct Fleet<'a> {
    /// The stacks that they are of; where there are several, services are told with the stack that they are of.
    stacks: &'a [Composed<'a>],
    nodes: &'a [Node],
    /// Resources, common ones first.
    dimensions: Vec<String>,
    wants: Vec<Want<'a>>,
    /// Pods that every node gets which admits them, and what they ask.
    daemons: Vec<(PodSpec, BTreeMap<String, u64>)>,
    /// What the nodes have for the workloads.
    room: Room,
    /// New nodes like those that are there, made when they are asked for.
    kinds: OnceCell<Vec<Fresh>>,
}

/// A workload that wants to be on nodes.
struct Want<'a> {
    loaded: &'a Loaded,
    workload: Workload<'a>,
    pod: PodSpec,
    asks: BTreeMap<String, u64>,
    apart: Apart,
    priority: i64,
}

/// More nodes with which everything fits that more nodes can help.
struct Suggestion {
    /// How many, and like which.
    nodes: Vec<(usize, String)>,
    /// The places, among the workloads, of those that no more nodes help.
    helpless: BTreeSet<usize>,
}

/// Everything that is found when stacks are held against nodes that they share.
pub(super) fn check(stacks: &[Composed<'_>], nodes: &[Node]) -> Vec<Finding> {
    let fleet = Fleet::new(stacks, nodes);
    match pack(&fleet.demands(floor), &fleet.room.free) {
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
    fn new(stacks: &'a [Composed<'a>], nodes: &'a [Node]) -> Self {
        let priorities: BTreeMap<&str, i64> = stacks
            .iter()
            .flat_map(|(desired, _)| &desired.resources)
            .filter(|resource| resource.id.kind.kind == "PriorityClass")
            .filter_map(|resource| Some((resource.id.name.as_str(), resource.manifest["value"].as_i64()?)))
            .collect();
        let (mut wants, mut daemons) = (Vec::new(), Vec::new());
        let all =
            stacks.iter().flat_map(|(desired, loaded)| workloads(desired).into_iter().map(move |one| (one, *loaded)));
        for (workload, loaded) in all {
            let Ok(pod) = PodSpec::deserialize(workload.pod) else { continue };
            let asks = placement::requests_with_proxy(&pod, &workload);
            if workload.resource.id.kind.kind == "DaemonSet" {
                daemons.push((pod, asks));
                continue;
            }
            let class = workload.pod.get("priorityClassName").and_then(Value::as_str);
            let priority = class.and_then(|class| priorities.get(class)).copied().unwrap_or(0);
            let apart = placement::apart(&pod, &workload.labels);
            wants.push(Want { loaded, asks, workload, pod, apart, priority });
        }
        // The scheduler serves those of higher priority first.
        wants.sort_by_key(|want| std::cmp::Reverse(want.priority));
        let common = ["cpu", "memory", "pods"];
        let asked: BTreeSet<&str> = wants.iter().flat_map(|want| want.asks.keys().map(String::as_str)).collect();
        let rare = asked.into_iter().filter(|resource| !common.contains(resource));
        let dimensions = common.into_iter().chain(rare).map(str::to_owned).collect();
        let room = Room::default();
        let mut fleet = Self { stacks, nodes, dimensions, wants, daemons, room, kinds: OnceCell::new() };
        fleet.room = Room::of(&fleet, nodes);
        fleet
    }

    /// What the pods that every node gets leave of one, one figure a dimension.
    fn left_by_daemons(&self, node: &Node) -> Vec<u64> {
        let mut taken = BTreeMap::new();
        for (_, asks) in self.daemons.iter().filter(|(pod, _)| placement::admits(node, pod).is_ok()) {
            placement::add(&mut taken, asks);
        }
        let left = |one: &String| {
            let taken = taken.get(one).copied().unwrap_or(0);
            node.free.get(one).copied().unwrap_or(0).saturating_sub(taken)
        };
        self.dimensions.iter().map(left).collect()
    }

    fn demand(&self, at: usize, count: u32) -> Demand {
        self.room.demand(self, at, count)
    }

    fn demands(&self, count: impl Fn(&Want<'_>) -> u32) -> Vec<Demand> {
        self.wants.iter().enumerate().map(|(at, want)| self.demand(at, count(want))).collect()
    }

    fn kinds(&self) -> &[Fresh] {
        self.kinds.get_or_init(|| Fresh::kinds(self, self.nodes))
    }

    fn finding(&self, rule: &Rule, want: &Want<'_>, message: String, help: String) -> Finding {
        let service = want.workload.resource.service.as_deref();
        let name = match service {
            Some(service) if self.stacks.len() > 1 => format!("{}/{service}", want.loaded.stack.stack),
            Some(service) => service.to_owned(),
            None => want.workload.resource.address.clone(),
        };
        at_service(Finding::new(rule, format!("{name}: {message}")).help(help), service, want.loaded)
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
        self.stacks.first()?.1.places.environment.as_ref()?.key(&path)
    }

    /// The services that do not fit, beginning with those that the scheduler places first.
    fn too_much(&self) -> Vec<Finding> {
        let suggestion = self.suggest(floor);
        let mut findings = Vec::new();
        let mut placed: Vec<Demand> = Vec::new();
        // What those that were placed have left, as long as it is known.
        let mut left = Some(self.room.free.clone());
        for (at, want) in self.wants.iter().enumerate() {
            let count = want.workload.floor;
            let demand = self.demand(at, count);
            placed.push(demand.clone());
            if left.as_mut().is_some_and(|left| add(&demand, count, left)) {
                continue;
            }
            let answer = pack(&placed, &self.room.free);
            match answer {
                Answer::Fits(now) => left = Some(now),
                Answer::Undecided => left = None,
                Answer::No | Answer::Short(_) => {
                    placed.pop();
                    let pods = if count == 1 { "its pod does".to_owned() } else { format!("its {count} pods do") };
                    let message = format!("{pods} not fit: {}", self.why(want, &demand, &answer));
                    let more =
                        if suggestion.helpless.contains(&at) { "" } else { "; or ask for less, or run fewer pods" };
                    let help = format!("{}{more}", suggestion.for_one(at));
                    findings.push(self.finding(&rules::TOO_MUCH, want, message, help));
                }
            }
        }
        if findings.is_empty() {
            // Every beginning of the list fits or is not decided: then the whole is not decided either.
            findings.push(self.undecided("all pods"));
        }
        findings
    }

    /// More nodes with which `count` pods of each workload fit, those that the scheduler places first being helped first.
    fn suggest(&self, count: impl Fn(&Want<'_>) -> u32) -> Suggestion {
        let mut suggestion = Suggestion { nodes: Vec::new(), helpless: BTreeSet::new() };
        let mut room = self.room.clone();
        let mut left = room.free.clone();
        let mut placed: Vec<(usize, u32)> = Vec::new();
        for (at, want) in self.wants.iter().enumerate() {
            let pods = (at, count(want));
            let fits = |room: &Room, left: &Free, anew: bool| {
                let demand = room.demand(self, at, pods.1);
                let mut rest = left.clone();
                if !anew && add(&demand, pods.1, &mut rest) {
                    return Some(rest);
                }
                let others = placed.iter().map(|(at, count)| room.demand(self, *at, *count));
                match pack(&others.chain([demand]).collect::<Vec<_>>(), &room.free) {
                    Answer::Fits(left) => Some(left),
                    _ => None,
                }
            };
            // On more nodes pods that lie evenly have to lie otherwise.
            let anew = self.wants.iter().any(|want| want.apart.even.is_some());
            if let Some(rest) = fits(&room, &left, false) {
                left = rest;
            } else if let Some((more, kind)) = fewest(self.kinds(), at, &room, |grown, kind, more| {
                fits(grown, &kind.beside(&left, more), anew).is_some()
            }) {
                let grown = room.with(kind, more);
                left = fits(&grown, &kind.beside(&left, more), anew).unwrap_or_default();
                room = grown;
                suggestion.add(more, &kind.like);
            } else {
                suggestion.helpless.insert(at);
                continue;
            }
            placed.push(pods);
        }
        suggestion
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
        if matches!(want.workload.resource.id.kind.kind.as_str(), "Job" | "CronJob") {
            return self.job(left, at, surge);
        }
        if rollout.whole {
            return Some(self.other_colour(left, at, surge));
        }
        let smaller = (1..surge).rev().find(|more| matches!(self.with_more(left, at, *more), Answer::Fits(_)));
        if let Some(smaller) = smaller {
            let message = format!("a rollout starts {surge} pods in addition, and there is room for {smaller}");
            let help = format!("a surge of {smaller} would do; {}", self.nodes_for_more(left, at, surge));
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
        let why = self.why(want, &self.demand(at, 1), &answer);
        let message = format!("a rollout starts a pod before it stops one, and there is no room for it: {why}");
        let help = format!("a surge of 0 with one pod unavailable would do; {}", self.nodes_for_more(left, at, surge));
        Some(self.finding(&rules::STUCK_ROLLOUT, want, message, help))
    }

    /// A colour whose pods do not fit beside those of the other.
    fn other_colour(&self, left: &Free, at: usize, pods: u32) -> Finding {
        let Some(want) = self.wants.get(at) else { return self.undecided("the pods of another colour") };
        let answer = self.with_more(left, at, pods);
        if matches!(answer, Answer::Undecided) {
            return self.undecided(&format!("the pods of both colours of {}", want.workload.resource.id));
        }
        let room = (1..pods).rev().find(|more| matches!(self.with_more(left, at, *more), Answer::Fits(_))).unwrap_or(0);
        let why = self.why(want, &self.demand(at, 1), &answer);
        let all = if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") };
        let message =
            format!("its other colour has {all} beside the {pods} that run, and there is room for {room}: {why}");
        let help = format!("{}; or roll it out with `rollout: {{rolling: {{}}}}`", self.nodes_for_more(left, at, pods));
        self.finding(&rules::NO_OTHER_COLOUR, want, message, help)
    }

    /// A job whose pods do not fit beside everything else.
    fn job(&self, left: &Free, at: usize, pods: u32) -> Option<Finding> {
        let (want, answer) = (self.wants.get(at)?, self.with_more(left, at, pods));
        let id = &want.workload.resource.id;
        if matches!(answer, Answer::Undecided) {
            return Some(self.undecided(&format!("the pods of {id}")));
        }
        let why = self.why(want, &self.demand(at, pods), &answer);
        let message = format!("what {} runs does not fit beside the pods that are there: {why}", id.name);
        let help = format!("{}; or ask for less", self.nodes_for_more(left, at, pods));
        Some(self.finding(&rules::TOO_MUCH, want, message, help))
    }

    /// Which more nodes would do for `more` pods of the workload at `at` beside what was placed.
    fn nodes_for_more(&self, left: &Free, at: usize, more: u32) -> String {
        let enough = |grown: &Room, kind: &Fresh, nodes: usize| {
            matches!(self.with_more_in(grown, &kind.beside(left, nodes), at, more), Answer::Fits(_))
        };
        match fewest(self.kinds(), at, &self.room, enough) {
            Some((nodes, kind)) => format!("{} would do", more_nodes(nodes, &kind.like)),
            None => NO_HELP.to_owned(),
        }
    }

    /// Whether `more` pods of the workload at `at` fit beside what was placed: into what was left, or else with
    /// everything placed anew.
    fn with_more(&self, left: &Free, at: usize, more: u32) -> Answer {
        self.with_more_in(&self.room, left, at, more)
    }

    fn with_more_in(&self, room: &Room, left: &Free, at: usize, more: u32) -> Answer {
        let added = room.demand(self, at, more);
        let by_revision = self.wants.get(at).is_some_and(|want| want.apart.by_revision);
        let count = |(place, want): (usize, &Want<'_>)| {
            let together = if place == at && !by_revision { more } else { 0 };
            room.demand(self, place, want.workload.floor + together)
        };
        let mut rest = left.clone();
        // On other nodes than these, pods that lie evenly have to lie otherwise.
        let as_they_lie = std::ptr::eq(room, &self.room) || self.wants.iter().all(|want| want.apart.even.is_none());
        if by_revision && as_they_lie && add(&added, more, &mut rest) {
            return Answer::Fits(rest);
        }
        let demands = self.wants.iter().enumerate().map(count).chain(by_revision.then_some(added));
        pack(&demands.collect::<Vec<_>>(), &room.free)
    }

    /// Whether autoscalers can start all the pods that they may.
    fn ceiling(&self, left: &Free) -> Option<Finding> {
        let grows = |want: &&Want<'_>| want.workload.ceiling > want.workload.floor;
        let mut room = left.clone();
        let growing = || self.wants.iter().enumerate().filter(|(_, want)| grows(want));
        // Where pods keep apart, those that are added are not free to go beside those that are there.
        let fits = |at: usize, want: &Want<'_>, room: &mut Free| {
            let more = want.workload.ceiling - want.workload.floor;
            let free = !want.apart.alone && want.apart.even.is_none();
            free && add(&self.demand(at, more), more, room)
        };
        if growing().all(|(at, want)| fits(at, want, &mut room)) {
            return None;
        }
        let answer = pack(&self.demands(|want| want.workload.ceiling), &self.room.free);
        match answer {
            Answer::Fits(_) => None,
            Answer::Undecided => Some(self.undecided("all pods that autoscalers may start")),
            Answer::No | Answer::Short(_) => {
                // The first of them, in the order of the scheduler, that cannot grow beside those before it.
                let (mut at, mut want) = growing().next()?;
                for (last, one) in growing() {
                    let grown = |(at, other): (usize, &Want<'_>)| {
                        self.demand(at, if at <= last { other.workload.ceiling } else { other.workload.floor })
                    };
                    let demands: Vec<Demand> = self.wants.iter().enumerate().map(grown).collect();
                    if matches!(pack(&demands, &self.room.free), Answer::No | Answer::Short(_)) {
                        (at, want) = (last, one);
                        break;
                    }
                }
                let why = self.why(want, &self.demand(at, 1), &answer);
                let message =
                    format!("its autoscaler may start {} pods, and they do not fit: {why}", want.workload.ceiling);
                let help = format!("{}, or lower its `max`", self.suggest(|want| want.workload.ceiling).for_one(at));
                Some(self.finding(&rules::NO_ROOM_TO_GROW, want, message, help))
            }
        }
    }
}

/// The fewest pods of a workload.
fn floor(want: &Want<'_>) -> u32 {
    want.workload.floor
}

const NO_HELP: &str = "no more nodes of these kinds would help: ask for less, or describe larger nodes";

impl Suggestion {
    fn add(&mut self, more: usize, like: &str) {
        match self.nodes.iter_mut().find(|(_, name)| name == like) {
            Some((count, _)) => *count += more,
            None => self.nodes.push((more, like.to_owned())),
        }
    }

    /// In words, for the workload at `at`.
    fn for_one(&self, at: usize) -> String {
        if self.helpless.contains(&at) || self.nodes.is_empty() {
            return NO_HELP.to_owned();
        }
        let nodes: Vec<String> = self.nodes.iter().map(|(count, like)| more_nodes(*count, like)).collect();
        format!("{} would do", in_words(&nodes))
    }
}

fn more_nodes(count: usize, like: &str) -> String {
    if count == 1 { format!("one more node like {like}") } else { format!("{count} more nodes like {like}") }
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
mod advice_tests;
#[cfg(test)]
mod tests;
