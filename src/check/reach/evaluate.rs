//! Who can talk to whom by NetworkPolicies, as Kubernetes defines it
//! (<https://kubernetes.io/docs/concepts/services-networking/network-policies/>).
//!
//! A connection needs both ends: the egress of the source and the ingress of the destination. A side that no policy
//! of its direction selects lets everything through; otherwise what some rule of some such policy names. Ports are
//! those of the destination pod. Policies are read once; what they let through is kept sparse, so that a fleet in
//! which each service talks to a few others is as cheap as its edges.
//!
//! Two answers are given. What is *certain* is let through by every implementation of policies. What is *possible*
//! cannot be ruled out: a block of addresses may hold the addresses of pods, and pods on the network of a node are
//! beyond policies. Proofs that something is open ask the first, proofs that something is closed ask the second.

use std::collections::BTreeMap;

use serde::Serialize;

use super::addresses::Addresses;
use super::index::Index;
use super::mesh::{self, Guard};
use super::network::{Network, Peer, Pods, PortRule, Rule, Service, ServicePort, Target};
use super::ports::{PortSet, Protocol};
use super::selector::Selector;

/// The connections that a network lets through.
#[derive(Debug)]
pub struct Reach<'a> {
    index: Index<'a>,
    incoming: Vec<Side>,
    outgoing: Vec<Side>,
    guards: Vec<Guard>,
}

/// What the policies of one direction let through for some pods.
#[derive(Debug, Default)]
pub struct Side {
    /// The policies that speak of this direction of these pods, by their place in the network.
    pub policies: Vec<usize>,
    /// Ports that are open towards every other end.
    pub any: PortSet,
    /// Ports that are open towards some pods, by their place in the network.
    pub pods: BTreeMap<usize, PortSet>,
    /// Ports that are open towards addresses.
    pub blocks: Vec<(Addresses, PortSet)>,
    /// Ports that are open towards some address that a pod may have.
    inside: PortSet,
}

impl Side {
    fn certain(&self, other: usize) -> PortSet {
        let mut ports = self.any.clone();
        if let Some(more) = self.pods.get(&other) {
            ports.extend(more);
        }
        ports
    }

    fn possible(&self, other: usize) -> PortSet {
        let mut ports = self.certain(other);
        ports.extend(&self.inside);
        ports
    }

    /// Whether no policy speaks of this direction.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.policies.is_empty()
    }

    /// Whether policies speak of this direction, and open nothing but towards pods for which `parts` holds.
    pub fn is_closed_but_for(&self, parts: impl Fn(usize) -> bool) -> bool {
        let nowhere = self.any.is_empty() && self.blocks.iter().all(|(_, ports)| ports.is_empty());
        !self.is_free() && nowhere && self.pods.iter().all(|(pods, ports)| ports.is_empty() || parts(*pods))
    }

    /// Ports that are open towards addresses, whichever rule opens them: every address first, then blocks.
    pub fn addresses(&self) -> impl Iterator<Item = (Addresses, PortSet)> + '_ {
        let any = (!self.any.is_empty()).then(|| (Addresses::all(), self.any.clone()));
        any.into_iter().chain(self.blocks.iter().cloned())
    }
}

/// A port of a Service and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Translation {
    /// The Service, by namespace and name.
    pub service: String,
    /// The name of its port.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port of the Service.
    pub port: u16,
    /// The port of the pods behind it; nothing where they have none of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_port: Option<u16>,
}

/// Pods that may talk to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The pods that connect, by their place in the network.
    pub from: usize,
    /// The pods that are connected to.
    pub to: usize,
    /// The ports that may be open.
    pub possible: PortSet,
}

/// The ports that a rule names, as far as numbers say it; nothing named means every port.
fn numbered(rule: &Rule) -> PortSet {
    let Some(ports) = &rule.ports else { return PortSet::all() };
    let mut set = PortSet::default();
    for port in ports {
        if let PortRule::Range(protocol, first, last) = port {
            set.insert(*protocol, *first, *last);
        }
    }
    set
}

/// The ports that a rule names of these pods: numbers, and names as the pods resolve them.
pub(super) fn ports_of(rule: &Rule, pods: &Pods) -> PortSet {
    let mut set = numbered(rule);
    for port in rule.ports.iter().flatten() {
        if let PortRule::Named(protocol, name) = port {
            let same = pods.ports.iter().filter(|port| port.protocol == *protocol && port.name == *name);
            for port in same {
                set.insert(*protocol, port.port, port.port);
            }
        }
    }
    set
}

fn has_names(rule: &Rule) -> bool {
    rule.ports.iter().flatten().any(|port| matches!(port, PortRule::Named(..)))
}

/// What policies are read with: each list of peers is looked up once, however many policies have it.
struct Reader<'r, 'a> {
    index: &'r Index<'a>,
    inside: Addresses,
    known: BTreeMap<(&'a str, Option<&'a Selector>, &'a Selector), Vec<usize>>,
}

impl<'a> Reader<'_, 'a> {
    fn peers(&mut self, namespace: &'a str, namespaces: Option<&'a Selector>, pods: &'a Selector) -> &[usize] {
        // Where namespaces are selected, the policy's own does not matter.
        let scope = if namespaces.is_some() { "" } else { namespace };
        let index = self.index;
        self.known.entry((scope, namespaces, pods)).or_insert_with(|| index.peers(namespace, namespaces, pods))
    }

    /// Adds what one rule lets through to a side of the pods `own`.
    fn add(&mut self, side: &mut Side, namespace: &'a str, rule: &'a Rule, own: Option<&Pods>) {
        let network = self.index.network();
        // What a rule of ingress names are ports of the pods themselves; a rule of egress names those of the peer.
        let fixed = own.map_or_else(|| numbered(rule), |own| ports_of(rule, own));
        let by_peer = own.is_none() && has_names(rule);
        let open = |side: &mut Side, at: usize| {
            let ports = match network.pods.get(at) {
                Some(pods) if by_peer => ports_of(rule, pods),
                _ => fixed.clone(),
            };
            if !ports.is_empty() {
                side.pods.entry(at).or_default().extend(&ports);
            }
        };
        let Some(peers) = &rule.peers else {
            side.any.extend(&fixed);
            side.inside.extend(&fixed);
            if by_peer {
                (0..network.pods.len()).for_each(|at| open(side, at));
            }
            return;
        };
        for peer in peers {
            match peer {
                Peer::Pods { namespaces, pods } => {
                    for at in self.peers(namespace, namespaces.as_ref(), pods) {
                        open(side, *at);
                    }
                }
                Peer::Block(block) => {
                    if !block.and(&self.inside).is_empty() {
                        side.inside.extend(&fixed);
                    }
                    if !block.is_empty() && !fixed.is_empty() {
                        side.blocks.push((block.clone(), fixed.clone()));
                    }
                }
            }
        }
    }
}

impl<'a> Reach<'a> {
    /// Reads the policies of a network.
    #[must_use]
    pub fn of(network: &'a Network) -> Self {
        let index = Index::new(network);
        let mut reader = Reader { index: &index, inside: Addresses::inside(), known: BTreeMap::new() };
        let count = network.pods.len();
        let mut incoming: Vec<Side> = (0..count).map(|_| Side::default()).collect();
        let mut outgoing: Vec<Side> = (0..count).map(|_| Side::default()).collect();
        for (number, policy) in network.policies.iter().enumerate() {
            let here = policy.namespace.as_str();
            for at in reader.index.select(&policy.pods, |namespace| namespace == policy.namespace) {
                let Some(pods) = network.pods.get(at).filter(|pods| !pods.host_network) else { continue };
                if let (Some(rules), Some(side)) = (&policy.ingress, incoming.get_mut(at)) {
                    side.policies.push(number);
                    rules.iter().for_each(|rule| reader.add(side, here, rule, Some(pods)));
                }
                if let (Some(rules), Some(side)) = (&policy.egress, outgoing.get_mut(at)) {
                    side.policies.push(number);
                    rules.iter().for_each(|rule| reader.add(side, here, rule, None));
                }
            }
        }
        for side in incoming.iter_mut().chain(&mut outgoing).filter(|side| side.is_free()) {
            side.any = PortSet::all();
            side.inside = PortSet::all();
        }
        let guards = Guard::all(&index);
        Self { index, incoming, outgoing, guards }
    }

    /// The network that was read.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        self.index.network()
    }

    /// What the mesh does for pods, by their place in the network.
    #[must_use]
    pub fn guard(&self, pods: usize) -> Option<&Guard> {
        self.guards.get(pods)
    }

    /// What may come in to pods, by their place in the network.
    #[must_use]
    pub fn incoming(&self, pods: usize) -> Option<&Side> {
        self.incoming.get(pods)
    }

    /// What may go out of pods, by their place in the network.
    #[must_use]
    pub fn outgoing(&self, pods: usize) -> Option<&Side> {
        self.outgoing.get(pods)
    }

    fn on_host(&self, pods: usize) -> bool {
        self.network().pods.get(pods).is_some_and(|pods| pods.host_network)
    }

    /// The ports of `to` that are open to `from` wherever policies are implemented. Pods on the network of a node
    /// are reached and reach others only where a rule names no other end, because policies see them as addresses.
    #[must_use]
    pub fn certain(&self, from: usize, to: usize) -> PortSet {
        self.in_mesh(from, to, self.certain_by_policies(from, to), true)
    }

    /// The same before a mesh has its say: what NetworkPolicies alone let through.
    #[must_use]
    pub fn certain_by_policies(&self, from: usize, to: usize) -> PortSet {
        match (self.outgoing.get(from), self.incoming.get(to)) {
            (Some(out), Some(into)) => out.certain(to).and(&into.certain(from)),
            _ => PortSet::default(),
        }
    }

    /// What a mesh leaves of the ports that policies let through.
    pub(super) fn in_mesh(&self, from: usize, to: usize, open: PortSet, sure: bool) -> PortSet {
        if open.is_empty() { open } else { mesh::filter(self.network(), &self.guards, from, to, open, sure) }
    }

    /// The ports of `to` that may be open to `from`. Traffic between a node and its pods is never stopped by
    /// policies, so that pods on the network of a node may reach, and be reached by, all that share the node.
    #[must_use]
    pub fn possible(&self, from: usize, to: usize) -> PortSet {
        if self.on_host(from) || self.on_host(to) {
            return PortSet::all();
        }
        match (self.outgoing.get(from), self.incoming.get(to)) {
            (Some(out), Some(into)) => self.in_mesh(from, to, out.possible(to).and(&into.possible(from)), false),
            _ => PortSet::default(),
        }
    }

    /// Every pair between which some port may be open, in order.
    #[must_use]
    pub fn pairs(&self) -> Vec<Pair> {
        let on_host: Vec<usize> = (0..self.network().pods.len()).filter(|at| self.on_host(*at)).collect();
        let mut pairs = Vec::new();
        for (from, out) in self.outgoing.iter().enumerate() {
            let everywhere = self.on_host(from) || !out.any.is_empty() || !out.inside.is_empty();
            let candidates: Vec<usize> = if everywhere {
                (0..self.network().pods.len()).collect()
            } else {
                let mut some: Vec<usize> = out.pods.keys().copied().chain(on_host.iter().copied()).collect();
                some.sort_unstable();
                some.dedup();
                some
            };
            pairs.extend(candidates.into_iter().filter_map(|to| {
                let possible = self.possible(from, to);
                (!possible.is_empty()).then_some(Pair { from, to, possible })
            }));
        }
        pairs
    }

    /// A Service, and the pods behind it by their place in the network.
    fn service(&self, namespace: &str, service: &str) -> Option<(&'a Service, Vec<usize>)> {
        let found = self.network().services.get(&(namespace.to_owned(), service.to_owned()))?;
        let pods = found.selector.as_ref().map(|selector| self.index.select(selector, |one| one == namespace));
        Some((found, pods.unwrap_or_default()))
    }

    /// The ports of a Service with the ports of these pods that they lead to.
    #[must_use]
    pub fn through(&self, namespace: &str, service: &str, pods: usize) -> Vec<Translation> {
        let Some((found, behind)) = self.service(namespace, service) else { return Vec::new() };
        let pods = self.network().pods.get(pods).filter(|_| behind.contains(&pods));
        let translate = |port: &ServicePort| {
            Some(Translation {
                service: format!("{namespace}/{service}"),
                name: port.name.clone(),
                protocol: port.protocol,
                port: port.port,
                pod_port: pods?.resolve(port.protocol, &port.target),
            })
        };
        found.ports.iter().filter_map(translate).collect()
    }

    /// The port that a connection to a Service's port ends on, for each kind of pods behind it; nothing where those
    /// pods have no such port.
    #[must_use]
    pub fn behind(&self, namespace: &str, service: &str, port: &str) -> Vec<(usize, Option<u16>)> {
        let Some((found, behind)) = self.service(namespace, service) else { return Vec::new() };
        let Some(wanted) = found.ports.iter().find(|one| one.name == port || one.port.to_string() == port) else {
            return Vec::new();
        };
        let resolve = |at: usize| self.network().pods.get(at)?.resolve(wanted.protocol, &wanted.target);
        behind.into_iter().map(|at| (at, resolve(at))).collect()
    }
}

impl Target {
    /// How a person writes it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Number(port) => port.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}
