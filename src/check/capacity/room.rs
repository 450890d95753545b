//! The nodes as pods see them: what is free, and who may go where. More nodes like those that are there can be added,
//! to find out how many would do.

use super::Fleet;
use super::nodes::Node;
use super::packing::{Demand, Free, Spread};
use super::placement;

/// How many nodes more are tried before it is said that more would not help.
const MORE_NODES: usize = 64;
/// How many kinds of nodes are tried.
const MORE_KINDS: usize = 16;

/// What there is for the workloads of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// What is free on each node, one figure a dimension.
    pub(super) free: Free,
    /// What each workload sees of the nodes.
    views: Vec<View>,
}

/// What a workload sees of the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    /// Whether its pods may go there.
    eligible: Vec<bool>,
    /// Whether its spread counts the node, where it has one that must be kept.
    counted: Option<Vec<bool>>,
}

/// A new node like one that is there.
#[derive(Debug)]
pub(super) struct Fresh {
    /// The name of the one that is there.
    pub(super) like: String,
    room: Room,
}

impl Room {
    pub(super) fn of(fleet: &Fleet<'_>, nodes: &[Node]) -> Self {
        let views = fleet.wants.iter().map(|want| View {
            eligible: nodes.iter().map(|node| placement::admits(node, &want.pod).is_ok()).collect(),
            counted: want.apart.even.map(|even| nodes.iter().map(|node| even.counts(node, &want.pod)).collect()),
        });
        Self { free: nodes.iter().map(|node| fleet.left_by_daemons(node)).collect(), views: views.collect() }
    }

    /// The pods of the workload at `at`, `count` of them.
    pub(super) fn demand(&self, fleet: &Fleet<'_>, at: usize, count: u32) -> Demand {
        let (Some(want), Some(view)) = (fleet.wants.get(at), self.views.get(at)) else {
            return Demand { count: 0, need: Vec::new(), eligible: Vec::new(), per_node: 0, spread: None };
        };
        let counted = |over: &Vec<bool>| over.iter().filter(|counts| **counts).count();
        let nodes = view.counted.as_ref().map_or(self.free.len(), counted);
        let spread = want.apart.even.zip(view.counted.clone()).map(|(even, over)| Spread {
            skew: even.skew,
            // Where there are too few nodes, one that takes no pods is among them.
            over: if nodes < even.least { vec![false; over.len()] } else { over },
        });
        Demand {
            count,
            need: fleet.dimensions.iter().map(|one| want.asks.get(one).copied().unwrap_or(0)).collect(),
            per_node: want.apart.most(count, nodes),
            eligible: view.eligible.clone(),
            spread,
        }
    }

    /// The same with more nodes.
    pub(super) fn with(&self, fresh: &Fresh, more: usize) -> Self {
        let repeat =
            |old: &Vec<bool>, new: &Vec<bool>| old.iter().chain(new.iter().cycle().take(more)).copied().collect();
        let views = self.views.iter().zip(&fresh.room.views).map(|(old, new)| View {
            eligible: repeat(&old.eligible, &new.eligible),
            counted: old.counted.as_ref().zip(new.counted.as_ref()).map(|(old, new)| repeat(old, new)),
        });
        Self { free: fresh.beside(&self.free, more), views: views.collect() }
    }
}

impl Fresh {
    /// A node like each that is there, but of those that are the same to all workloads only one.
    pub(super) fn kinds(fleet: &Fleet<'_>, nodes: &[Node]) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for node in nodes {
            let room = Room::of(fleet, &[node.fresh()]);
            if kinds.len() < MORE_KINDS && kinds.iter().all(|kind| kind.room != room) {
                kinds.push(Self { like: node.name.clone(), room });
            }
        }
        kinds
    }

    /// Whether the pods of the workload at `at` may go there.
    fn takes(&self, at: usize) -> bool {
        self.room.views.get(at).is_some_and(|view| view.eligible == [true])
    }

    /// What is free on nodes, and on `more` like this.
    pub(super) fn beside(&self, free: &Free, more: usize) -> Free {
        free.iter().chain(self.room.free.iter().cycle().take(more)).cloned().collect()
    }
}

/// The fewest more nodes of one kind with which the workload at `at` has enough room, if any are enough.
pub(super) fn fewest<'k>(
    kinds: &'k [Fresh],
    at: usize,
    room: &Room,
    enough: impl Fn(&Room, &Fresh, usize) -> bool,
) -> Option<(usize, &'k Fresh)> {
    let of_kind = |kind: &'k Fresh| {
        let does = |more: usize| enough(&room.with(kind, more), kind, more);
        let mut powers = std::iter::successors(Some(1), |more| Some(more * 2)).take_while(|more| *more <= MORE_NODES);
        let mut most = powers.find(|more| does(*more))?;
        let mut least = most / 2 + 1;
        while least < most {
            let middle = usize::midpoint(least, most);
            if does(middle) { most = middle } else { least = middle + 1 }
        }
        Some((most, kind))
    };
    kinds
        .iter()
        .filter(|kind| kind.takes(at))
        .filter_map(of_kind)
        .min_by_key(|(more, kind)| (*more, kind.like.as_str()))
}
