//! Why one connection is open or closed: every policy that has a say in it, and what each of its rules lets through.

use core::net::IpAddr;

use serde::Serialize;

use super::addresses::Addresses;
use super::evaluate::{Reach, ports_of};
use super::network::{Network, Peer, Pods, Policy, Rule};
use super::ports::PortSet;

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Pods, by their place in the network.
    Pods(usize),
    /// A single address.
    Address(IpAddr),
}

/// Why a connection is open or closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The end that connects.
    pub from: String,
    /// The end that is connected to.
    pub to: String,
    /// What the policies of the connecting end say; nothing for an address, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<Half>,
    /// What the policies of the other end say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<Half>,
    /// The ports that both let through.
    pub open: PortSet,
    /// Ports that the policies let through and the mesh refuses: it demands mutual TLS, or authorises others only.
    #[serde(skip_serializing_if = "PortSet::is_empty")]
    pub refused: PortSet,
    /// Ports that may be open beside those, because a policy names addresses that pods may have, or because an end is
    /// on the network of its node.
    #[serde(skip_serializing_if = "PortSet::is_empty")]
    pub perhaps: PortSet,
}

/// What the policies of one direction say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Half {
    /// The pods.
    pub pods: String,
    /// Whether the pods are on the network of their node, where policies do not hold.
    pub host_network: bool,
    /// The policies that speak of this direction of the pods; where there is none, everything is let through.
    pub policies: Vec<Ruling>,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ruling {
    /// The policy.
    pub policy: String,
    /// Its rules that let something through, with their place from 1 on.
    pub opens: Vec<Opening>,
}

/// A rule that lets something through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opening {
    /// Its place among the rules of that direction, from 1.
    pub rule: usize,
    /// The ports.
    pub ports: PortSet,
    /// Whether that holds only if pods have addresses of a block that the rule names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub perhaps: bool,
}

/// Whether a rule of a policy names the other end: certainly, perhaps, or not at all.
fn names(network: &Network, policy: &Policy, rule: &Rule, other: End) -> Option<bool> {
    let Some(peers) = &rule.peers else { return Some(true) };
    let fits = |peer: &Peer| match (peer, other) {
        (Peer::Block(block), End::Address(address)) => block.contains(address).then_some(true),
        (Peer::Block(block), End::Pods(_)) => (!block.and(&Addresses::inside()).is_empty()).then_some(false),
        (Peer::Pods { namespaces, pods }, End::Pods(at)) => {
            let other = network.pods.get(at).filter(|other| !other.host_network)?;
            let namespace = namespaces
                .as_ref()
                .map_or(other.namespace == policy.namespace, |one| one.matches(&network.labels_of(&other.namespace)));
            (namespace && pods.matches(&other.labels)).then_some(true)
        }
        (Peer::Pods { .. }, End::Address(_)) => None,
    };
    peers.iter().filter_map(fits).max()
}

/// The rulings of one direction of the pods at `own`.
fn half(reach: &Reach<'_>, own: usize, other: End, ingress: bool) -> Option<Half> {
    let network = reach.network();
    let pods = network.pods.get(own)?;
    let side = if ingress { reach.incoming(own) } else { reach.outgoing(own) }?;
    let nobody = Pods::default();
    let server = match (ingress, other) {
        (true, _) => pods,
        (false, End::Pods(at)) => network.pods.get(at)?,
        (false, End::Address(_)) => &nobody,
    };
    let ruling = |policy: &Policy| {
        let rules = if ingress { &policy.ingress } else { &policy.egress };
        let opening = |(at, rule): (usize, &Rule)| {
            let certain = names(network, policy, rule, other)?;
            // Addresses name no ports, not even where a pod should have one of them.
            let ports = ports_of(rule, if ingress || certain { server } else { &nobody });
            (!ports.is_empty()).then_some(Opening { rule: at + 1, ports, perhaps: !certain })
        };
        let opens = rules.iter().flatten().enumerate().filter_map(opening).collect();
        Ruling { policy: policy.name.clone(), opens }
    };
    let policies = side.policies.iter().filter_map(|at| network.policies.get(*at)).map(ruling).collect();
    Some(Half { pods: pods.name.clone(), host_network: pods.host_network, policies })
}

impl Half {
    /// The ports that its policies let through, certainly or perhaps.
    fn ports(&self, perhaps: bool) -> PortSet {
        if self.policies.is_empty() {
            return PortSet::all();
        }
        let mut ports = PortSet::default();
        let openings = self.policies.iter().flat_map(|ruling| &ruling.opens);
        openings.filter(|opening| perhaps || !opening.perhaps).for_each(|opening| ports.extend(&opening.ports));
        ports
    }
}

/// Why a connection is open or closed; nothing where an end is not in the network.
#[must_use]
pub fn explain(reach: &Reach<'_>, from: End, to: End) -> Option<Explanation> {
    let name = |end: End| match end {
        End::Pods(at) => reach.network().pods.get(at).map(|pods| pods.name.clone()),
        End::Address(address) => Some(address.to_string()),
    };
    let out = match from {
        End::Pods(at) => Some(half(reach, at, to, false)?),
        End::Address(_) => None,
    };
    let into = match to {
        End::Pods(at) => Some(half(reach, at, from, true)?),
        End::Address(_) => None,
    };
    let both = |perhaps: bool| {
        let of = |half: &Option<Half>| half.as_ref().map_or_else(PortSet::all, |half| half.ports(perhaps));
        of(&out).and(&of(&into))
    };
    let on_host = [&out, &into].into_iter().flatten().any(|half| half.host_network);
    let meshed = |ports: PortSet, sure: bool| match (from, to) {
        (End::Pods(from), End::Pods(to)) => reach.in_mesh(from, to, ports, sure),
        _ => ports,
    };
    let by_policies = both(false);
    let open = meshed(by_policies.clone(), true);
    let perhaps = if on_host { PortSet::all() } else { meshed(both(true), false) }.without(&open);
    let refused = by_policies.without(&open);
    Some(Explanation { from: name(from)?, to: name(to)?, out, into, open, perhaps, refused })
}
