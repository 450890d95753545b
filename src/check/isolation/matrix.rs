//! Everything that is open around a stack at once: which pods take part, which ports of which are open to whom, and
//! which addresses they reach or are reached from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Cast;
use crate::check::reach::{Addresses, Labels, Network, PortSet, Reach, Side};

/// What is open around a stack. What is not listed is closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// Everybody who was looked at.
    pub pods: Vec<Participant>,
    /// Pods that may talk to others. At least one of the two is of the stack.
    pub pairs: Vec<Opened>,
    /// What pods of the stack and addresses may say to each other.
    pub addresses: Vec<Outside>,
}

/// Pods that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// What they are called in this document: the workload they come from, or who they are made up to be.
    pub name: String,
    /// The service, or the part of the cluster, as a command line names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Whether they are of the stack itself.
    pub own: bool,
    /// Their namespace.
    pub namespace: String,
    /// The labels of that namespace.
    pub namespace_labels: Labels,
    /// Their labels.
    pub labels: Labels,
    /// Whether they are on the network of their node, where policies do not hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
}

/// What pods may say to others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// Who connects: the name of pods.
    pub from: String,
    /// Who is connected to: the name of pods.
    pub to: String,
    /// The ports that are certainly open.
    pub open: PortSet,
    /// What NetworkPolicies alone certainly let through, where a mesh makes that something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_policies: Option<PortSet>,
    /// Ports that the policies let through and the mesh refuses.
    #[serde(skip_serializing_if = "PortSet::is_empty")]
    pub refused: PortSet,
    /// Ports that may be open beside those, because a policy names addresses that pods may have, or because an end is
    /// on the network of its node.
    #[serde(skip_serializing_if = "PortSet::is_empty")]
    pub perhaps: PortSet,
}

/// Whether pods connect, or are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Addresses connect to the pods.
    In,
    /// The pods connect to addresses.
    Out,
}

/// What pods and addresses may say to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// The name of the pods.
    pub pods: String,
    /// Who connects.
    pub direction: Direction,
    /// The ports.
    pub ports: PortSet,
    /// The addresses, as ranges of both families in order: `192.0.2.0-192.0.2.255`.
    pub ranges: Vec<String>,
    /// The same for people.
    #[serde(skip)]
    pub shown: String,
}

impl Matrix {
    /// Reads off what is open. Pods of others are shown only with what they have to do with the stack.
    #[must_use]
    pub fn of(reach: &Reach<'_>, cast: &Cast) -> Self {
        let network = reach.network();
        let name = |at: usize| network.pods.get(at).map_or_else(String::new, |pods| pods.name.clone());
        // Strangers that were made up for policies may be the same as others that are there already.
        let mut seen = BTreeSet::new();
        let is_new = |at: &usize| {
            let pods = network.pods.get(*at);
            cast.is_own(*at) || pods.is_some_and(|pods| seen.insert((&pods.namespace, &pods.labels, &pods.ports)))
        };
        let kept: Vec<usize> = (0..network.pods.len()).filter(is_new).collect();
        let mut matrix = Self::default();
        for &from in &kept {
            matrix.pods.extend(participant(network, cast, from));
            for &to in kept.iter().filter(|to| cast.is_own(from) || cast.is_own(**to)) {
                let (open, by_policies) = (reach.certain(from, to), reach.certain_by_policies(from, to));
                let (refused, perhaps) = (by_policies.without(&open), reach.possible(from, to).without(&open));
                if ![&open, &refused, &perhaps].into_iter().all(PortSet::is_empty) {
                    let by_policies = Some(by_policies).filter(|ports| *ports != open);
                    matrix.pairs.push(Opened { from: name(from), to: name(to), open, by_policies, refused, perhaps });
                }
            }
            if cast.is_own(from) {
                let sides = [(Direction::In, reach.incoming(from)), (Direction::Out, reach.outgoing(from))];
                let sides = sides.into_iter().filter_map(|(direction, side)| Some((direction, side?)));
                matrix.addresses.extend(sides.flat_map(|(direction, side)| outside(&name(from), direction, side)));
            }
        }
        matrix
    }
}

fn participant(network: &Network, cast: &Cast, at: usize) -> Option<Participant> {
    let pods = network.pods.get(at)?;
    Some(Participant {
        name: pods.name.clone(),
        called: cast.name_of(at).or_else(|| cast.part_of(at)).map(str::to_owned),
        own: cast.is_own(at),
        namespace: pods.namespace.clone(),
        namespace_labels: network.labels_of(&pods.namespace),
        labels: pods.labels.clone(),
        host_network: pods.host_network,
    })
}

/// What a side opens towards addresses, those of the same ports together.
fn outside(pods: &str, direction: Direction, side: &Side) -> Vec<Outside> {
    let mut by_ports: BTreeMap<PortSet, Addresses> = BTreeMap::new();
    for (addresses, ports) in side.addresses() {
        by_ports.entry(ports).or_default().extend(&addresses);
    }
    let all = |(ports, addresses): (PortSet, Addresses)| Outside {
        pods: pods.to_owned(),
        direction,
        ports,
        ranges: addresses.ranges(),
        shown: addresses.to_string(),
    };
    by_ports.into_iter().map(all).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::check::isolation::network;
    use crate::check::prove;
    use crate::check::reach::{End, explain};
    use crate::load::Root;

    /// Every pair of the matrix is what the explanation of that one connection says, and what is not in it is closed.
    #[test]
    fn the_matrix_says_what_single_explanations_say() {
        let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        for environment in ["production", "development"] {
            let loaded = root.load("sophia", environment).unwrap();
            let desired = prove(&loaded, "local", None).desired.unwrap();
            let (network, cast) = network(&desired, &loaded, &[]);
            let reach = Reach::of(&network);
            let matrix = Matrix::of(&reach, &cast);
            let listed: BTreeMap<_, _> =
                matrix.pairs.iter().map(|pair| ((pair.from.as_str(), pair.to.as_str()), pair)).collect();
            let shown: Vec<usize> = (0..network.pods.len())
                .filter(|at| matrix.pods.iter().any(|pods| pods.name == network.pods[*at].name))
                .collect();
            assert_eq!(shown.len(), matrix.pods.len(), "{environment}: a name stands for one kind of pods");
            let mut open = 0;
            for &from in &shown {
                for &to in shown.iter().filter(|to| cast.is_own(from) || cast.is_own(**to)) {
                    let told = explain(&reach, End::Pods(from), End::Pods(to)).unwrap();
                    let found = listed.get(&(told.from.as_str(), told.to.as_str())).copied();
                    let closed = Opened { from: told.from.clone(), to: told.to.clone(), ..Opened::default() };
                    let found = found.unwrap_or(&closed);
                    assert_eq!(
                        (&told.open, &told.refused, &told.perhaps),
                        (&found.open, &found.refused, &found.perhaps),
                        "{environment}: {closed:?}"
                    );
                    open += usize::from(!told.open.is_empty());
                }
            }
            assert_eq!(open, matrix.pairs.iter().filter(|pair| !pair.open.is_empty()).count());
        }
    }
}
