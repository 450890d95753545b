//! Startup phases: which services start together, and after which others.
//!
//! A service that waits for nothing starts in phase 1, any other in the phase after the last of those it waits for:
//! the longest path in the graph of dependencies. A service, or its tier, may be pinned to a later phase by name.
//! A cycle, a pin to an earlier phase than the graph allows and a reference to nothing are errors, all reported at
//! once. Composing and `check` both use this file; neither has rules of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use thiserror::Error;

use crate::model::{PhaseName, ServiceName, ServiceRef, Stack, TierName};

/// The phase that everything stands on: namespaces, priority classes, the port registry. It holds no services.
pub const FOUNDATION: &str = "foundation";

/// In which phase each service starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The phase of every service, from 1.
    phases: BTreeMap<ServiceName, u32>,
    /// What every service waits for.
    dependencies: BTreeMap<ServiceName, BTreeSet<ServiceRef>>,
    /// The names of phases 1, 2 and so on.
    names: Vec<PhaseName>,
}

/// Something that keeps a stack's phases from being computed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum PhaseError {
    /// A service of a tier that the stack does not have.
    #[error("service {service} belongs to tier {tier}, which the stack does not have")]
    UnknownTier {
        /// The service.
        service: ServiceName,
        /// What it calls its tier.
        tier: TierName,
    },
    /// A dependency on a service that the stack does not have.
    #[error("{by} depends on {dependency}, which the stack does not have")]
    UnknownDependency {
        /// Who depends on it.
        by: Declarer,
        /// Where in the declarer's list, from 0.
        index: usize,
        /// What it depends on.
        dependency: ServiceRef,
    },
    /// A pin to a phase that the stack does not name.
    #[error("{by} is pinned to phase {phase}, which the stack does not name")]
    UnknownPhase {
        /// Who is pinned.
        by: Declarer,
        /// To what.
        phase: PhaseName,
    },
    /// Two phases of one name.
    #[error("the phases {first} and {second} are both called {phase}")]
    SamePhaseName {
        /// The name.
        phase: PhaseName,
        /// The number of the first, from 1.
        first: usize,
        /// The number of the second, from 1.
        second: usize,
    },
    /// Services that wait for each other.
    #[error("services wait for each other: {}", arrows(.path))]
    Cycle {
        /// The services, each waiting for the next; the last is the first again.
        path: Vec<ServiceName>,
    },
    /// A pin to a phase before the one that the dependencies allow.
    #[error(
        "{service} is pinned to phase {phase} ({pinned}) by {by}, but its dependencies allow {earliest} at the \
         earliest: {}",
        arrows(.path)
    )]
    PinTooEarly {
        /// The service.
        service: ServiceName,
        /// Who pins it: itself, or its tier.
        by: Declarer,
        /// The phase it is pinned to, by name.
        phase: PhaseName,
        /// The number of that phase.
        pinned: u32,
        /// The number of the earliest phase that its dependencies allow.
        earliest: u32,
        /// The dependencies that forbid it: each service waits for the next.
        path: Vec<ServiceName>,
    },
}

/// Who declares a dependency or a pin: a service, or a tier for all its services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Declarer {
    /// A service, for itself.
    Service(ServiceName),
    /// A tier, for its services.
    Tier(TierName),
}

impl std::fmt::Display for Declarer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service {name}"),
            Self::Tier(name) => write!(f, "tier {name}"),
        }
    }
}

impl Declarer {
    /// Where the declarer stands in the stack's model: `services.gong`, `tiers.business`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Service(name) => format!("services.{name}"),
            Self::Tier(name) => format!("tiers.{name}"),
        }
    }
}

impl PhaseError {
    /// The value in the stack's model that is at fault, such as `services.gong.phase` or `tiers.core.depends_on[0]`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::UnknownTier { service, .. } => format!("services.{service}.tier"),
            Self::UnknownDependency { by, index, .. } => format!("{}.depends_on[{index}]", by.path()),
            Self::UnknownPhase { by, .. } | Self::PinTooEarly { by, .. } => format!("{}.phase", by.path()),
            Self::SamePhaseName { second, .. } => format!("phases[{}]", second.saturating_sub(1)),
            Self::Cycle { path } => match path.first() {
                Some(service) => format!("services.{service}.depends_on"),
                None => "services".to_owned(),
            },
        }
    }
}

fn arrows(path: &[ServiceName]) -> String {
    path.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" -> ")
}

impl Schedule {
    /// The phase of a service, from 1; nothing for a service that the stack does not have.
    #[must_use]
    pub fn phase_of(&self, service: &str) -> Option<u32> {
        self.phases.get(service).copied()
    }

    /// What a service waits for: what it names itself and what its tier names, without itself.
    #[must_use]
    pub fn dependencies_of(&self, service: &str) -> Option<&BTreeSet<ServiceRef>> {
        self.dependencies.get(service)
    }

    /// The number of the last phase; 0 for a stack without services.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.phases.values().copied().max().unwrap_or(0)
    }

    /// The services of a phase, sorted.
    #[must_use]
    pub fn services_in(&self, phase: u32) -> Vec<&ServiceName> {
        self.phases.iter().filter(|(_, number)| **number == phase).map(|(service, _)| service).collect()
    }

    /// What a phase is called: `foundation`, the stack's name for it, or `phase 6`.
    #[must_use]
    pub fn name_of(&self, phase: u32) -> String {
        let Some(index) = phase.checked_sub(1) else { return FOUNDATION.to_owned() };
        match usize::try_from(index).ok().and_then(|index| self.names.get(index)) {
            Some(name) => name.to_string(),
            None => format!("phase {phase}"),
        }
    }
}

/// What every service waits for, named by itself or by its tier. A tier's dependency on one of its own services
/// does not hold for that service. Dependencies on services that do not exist are in it.
#[must_use]
pub fn dependencies(stack: &Stack) -> BTreeMap<ServiceName, BTreeSet<ServiceRef>> {
    let own = |service: &ServiceName, reference: &ServiceRef| {
        reference.within(&stack.stack).is_some_and(|name| name == service.as_str())
    };
    stack
        .services
        .iter()
        .map(|(name, service)| {
            let tier = stack.tiers.get(&service.tier).map(|tier| tier.depends_on.as_slice()).unwrap_or_default();
            // A service's dependency on itself stays: it is a cycle, and reported as one.
            let all = service.depends_on.iter().chain(tier.iter().filter(|reference| !own(name, reference)));
            (name.clone(), all.map(|reference| local(stack, reference)).collect())
        })
        .collect()
}

/// `reference` without the name of its stack, where that is this one.
fn local(stack: &Stack, reference: &ServiceRef) -> ServiceRef {
    match (reference.stack(), ServiceName::new(reference.service())) {
        (Some(named), Ok(service)) if named == stack.stack.as_str() => ServiceRef::from(service),
        _ => reference.clone(),
    }
}

/// Computes the phase of every service.
///
/// ```
/// use strata_components::model::Stack;
/// let mut stack: Stack = serde_json::from_value(serde_json::json!({
///     "stack": "shop", "namespace": "shop",
///     "tiers": {"all": {"ports": "9000-9009"}},
///     "services": {
///         "cart": {"tier": "all", "port": 9000},
///         "web": {"tier": "all", "port": 9001, "depends_on": ["cart"]},
///     },
/// }))?;
/// let schedule = strata_components::phases::schedule(&stack).map_err(|errors| format!("{errors:?}"))?;
/// assert_eq!(schedule.phase_of("web"), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Everything that keeps the phases from being computed, sorted.
pub fn schedule(stack: &Stack) -> Result<Schedule, Vec<PhaseError>> {
    let mut errors = unknown_references(stack);
    let dependencies = dependencies(stack);
    let graph = Graph::of(stack, &dependencies);
    let cycles = graph.cycles();
    if !cycles.is_empty() {
        // Without an order there are no phases, and so nothing to say of pins.
        errors.extend(cycles.into_iter().map(|path| PhaseError::Cycle { path }));
        errors.sort();
        return Err(errors);
    }
    let phases = graph.phases(stack, &mut errors);
    if errors.is_empty() {
        Ok(Schedule { phases, dependencies, names: stack.phases.clone() })
    } else {
        errors.sort();
        Err(errors)
    }
}

fn unknown_references(stack: &Stack) -> Vec<PhaseError> {
    let mut errors = Vec::new();
    for (second, phase) in stack.phases.iter().enumerate() {
        if let Some(first) = stack.phases.iter().take(second).position(|earlier| earlier == phase) {
            errors.push(PhaseError::SamePhaseName { phase: phase.clone(), first: first + 1, second: second + 1 });
        }
    }
    let mut declared = |by: Declarer, depends_on: &[ServiceRef], phase: Option<&PhaseName>| {
        for (index, dependency) in depends_on.iter().enumerate() {
            if dependency.within(&stack.stack).is_some_and(|name| !stack.services.contains_key(name)) {
                let dependency = dependency.clone();
                errors.push(PhaseError::UnknownDependency { by: by.clone(), index, dependency });
            }
        }
        if let Some(phase) = phase.filter(|phase| !stack.phases.contains(phase)) {
            errors.push(PhaseError::UnknownPhase { by, phase: phase.clone() });
        }
    };
    for (name, tier) in &stack.tiers {
        declared(Declarer::Tier(name.clone()), &tier.depends_on, tier.phase.as_ref());
    }
    for (name, service) in &stack.services {
        declared(Declarer::Service(name.clone()), &service.depends_on, service.phase.as_ref());
    }
    for (name, service) in &stack.services {
        if !stack.tiers.contains_key(&service.tier) {
            errors.push(PhaseError::UnknownTier { service: name.clone(), tier: service.tier.clone() });
        }
    }
    errors
}

/// The services of a stack, with an edge from each to every service it waits for.
struct Graph<'a> {
    graph: DiGraph<&'a ServiceName, ()>,
}

impl<'a> Graph<'a> {
    fn of(stack: &'a Stack, dependencies: &BTreeMap<ServiceName, BTreeSet<ServiceRef>>) -> Self {
        let mut graph = DiGraph::new();
        let nodes: BTreeMap<&str, NodeIndex> =
            stack.services.keys().map(|name| (name.as_str(), graph.add_node(name))).collect();
        for (from, references) in dependencies {
            for reference in references {
                let to = reference.within(&stack.stack).and_then(|name| nodes.get(name));
                if let (Some(from), Some(to)) = (nodes.get(from.as_str()), to) {
                    graph.add_edge(*from, *to, ());
                }
            }
        }
        Self { graph }
    }

    /// One shortest cycle from each knot of services that wait for each other, beginning with the name that comes
    /// first; the knots sorted.
    fn cycles(&self) -> Vec<Vec<ServiceName>> {
        let mut cycles: Vec<_> = tarjan_scc(&self.graph)
            .into_iter()
            .filter_map(|knot| {
                let start = knot.iter().copied().min()?;
                self.way_back(start)
            })
            .collect();
        cycles.sort();
        cycles
    }

    /// The shortest way from `start` along its dependencies back to `start`, if there is one.
    fn way_back(&self, start: NodeIndex) -> Option<Vec<ServiceName>> {
        let mut came_from = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in self.sorted_neighbours(node) {
                if next == start {
                    let mut path = vec![start];
                    let mut at = node;
                    while at != start {
                        path.push(at);
                        at = *came_from.get(&at)?;
                    }
                    path.push(start);
                    path.reverse();
                    return Some(path.into_iter().map(|node| self.graph[node].clone()).collect());
                }
                came_from.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    node
                });
            }
        }
        None
    }

    /// Node indices grow with the names, so sorting one sorts the other.
    fn sorted_neighbours(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut neighbours: Vec<_> = self.graph.neighbors(node).collect();
        neighbours.sort();
        neighbours
    }

    /// The phase of every service. The graph must have no cycle. A pin against the graph is added to `errors`, and
    /// the service counted where the graph would have it, so that one wrong pin is one error.
    fn phases(&self, stack: &Stack, errors: &mut Vec<PhaseError>) -> BTreeMap<ServiceName, u32> {
        let mut phases: BTreeMap<NodeIndex, u32> = BTreeMap::new();
        // Tarjan's order is such that what a service waits for comes before it.
        for node in tarjan_scc(&self.graph).into_iter().flatten() {
            let name = self.graph[node];
            let last = self.graph.neighbors(node).filter_map(|next| phases.get(&next).copied()).max();
            let earliest = last.unwrap_or(0) + 1;
            let phase = match pin(stack, name) {
                Some((by, phase, pinned)) if pinned < earliest => {
                    let path = self.longest_way(node, &phases);
                    let phase = phase.clone();
                    errors.push(PhaseError::PinTooEarly { service: name.clone(), by, phase, pinned, earliest, path });
                    earliest
                }
                Some((_, _, pinned)) => pinned,
                None => earliest,
            };
            phases.insert(node, phase);
        }
        phases.into_iter().map(|(node, phase)| (self.graph[node].clone(), phase)).collect()
    }

    /// From `start`, whose phase is not yet known, along the latest of its dependencies to one that waits for
    /// nothing.
    fn longest_way(&self, start: NodeIndex, phases: &BTreeMap<NodeIndex, u32>) -> Vec<ServiceName> {
        let mut path = vec![self.graph[start].clone()];
        let mut at = start;
        let latest = |node| {
            // Of several equally late, the one whose name comes first.
            self.sorted_neighbours(node).into_iter().rev().max_by_key(|next| phases.get(next).copied())
        };
        while let Some(next) = latest(at) {
            path.push(self.graph[next].clone());
            at = next;
        }
        path
    }
}

/// The phase that a service is pinned to, by itself or by its tier; nothing for a phase that the stack does not name.
fn pin<'a>(stack: &'a Stack, name: &ServiceName) -> Option<(Declarer, &'a PhaseName, u32)> {
    let service = stack.services.get(name)?;
    let (by, phase) = match &service.phase {
        Some(phase) => (Declarer::Service(name.clone()), phase),
        None => (Declarer::Tier(service.tier.clone()), stack.tiers.get(&service.tier)?.phase.as_ref()?),
    };
    let index = stack.phases.iter().position(|named| named == phase)?;
    Some((by, phase, u32::try_from(index).ok()?.checked_add(1)?))
}

#[cfg(test)]
#[path = "phases_tests.rs"]
mod tests;
