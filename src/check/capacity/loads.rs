//! What each node carries before a change and after it, on one placement that works. It shows where room is; it does not
//! say where a scheduler will put a pod.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes::{Node, described};
use super::packing::{Answer, Demand, Free, add, pack};
use super::{Composed, Fleet, Room, floor};

/// What a node carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    /// The node.
    pub(crate) node: String,
    /// By resource, in the order of their names: what there is for pods, and what they ask for before and after. CPU in
    /// thousandths of a core, memory in bytes, everything else counted.
    pub(crate) resources: Vec<(String, u64, u64, u64)>,
}

/// What the nodes that the environment describes carry of the stacks `before`, and of them `after`. Pods that both have stay
/// where they are.
///
/// # Errors
/// Why nothing can be said, as a fragment of a sentence.
pub(crate) fn loads(before: &[Composed<'_>], after: &[Composed<'_>], target: &str) -> Result<Vec<Load>, &'static str> {
    let environment = after.first().map(|(_, loaded)| &loaded.environment);
    let nodes = environment.and_then(|environment| described(environment, target));
    let nodes = nodes.ok_or("the environment describes no nodes of this cluster")?;
    let (mut was, mut is) = (Fleet::new(before, &nodes), Fleet::new(after, &nodes));
    let named = nodes.iter().flat_map(|node| node.free.keys()).chain(&was.dimensions).chain(&is.dimensions);
    let dimensions: Vec<String> = named.cloned().collect::<BTreeSet<_>>().into_iter().collect();
    for fleet in [&mut was, &mut is] {
        fleet.dimensions = dimensions.clone();
        fleet.room = Room::of(fleet, &nodes);
    }
    let unknown = "a placement of all pods was not found within the limit of the search";
    let (left_before, left_after) = side_by_side(&was, &is).ok_or(unknown)?;
    let load = |(at, node): (usize, &Node)| {
        let resources = dimensions.iter().enumerate().map(|(dimension, resource)| {
            let whole = node.free.get(resource).copied().unwrap_or(0);
            let taken = |left: &Free| {
                whole.saturating_sub(left.get(at).and_then(|node| node.get(dimension)).copied().unwrap_or(0))
            };
            (resource.clone(), whole, taken(&left_before), taken(&left_after))
        });
        Load { node: node.name.clone(), resources: resources.collect() }
    };
    Ok(nodes.iter().enumerate().map(load).collect())
}

/// What is left of the nodes before and after.
fn side_by_side(was: &Fleet<'_>, is: &Fleet<'_>) -> Option<(Free, Free)> {
    let anew = |fleet: &Fleet<'_>| match pack(&fleet.demands(floor), &fleet.room.free) {
        Answer::Fits(left) => Some(left),
        Answer::No | Answer::Short(_) | Answer::Undecided => None,
    };
    staying(was, is).or_else(|| Some((anew(was)?, anew(is)?)))
}

/// The same with those pods placed first, and once, that both have.
fn staying(was: &Fleet<'_>, is: &Fleet<'_>) -> Option<(Free, Free)> {
    if was.room.free != is.room.free {
        return None;
    }
    let old: BTreeMap<&str, _> = was.wants.iter().map(|want| (want.workload.resource.address.as_str(), want)).collect();
    let same = |at: &usize| {
        let want = is.wants.get(*at)?;
        let before = old.get(want.workload.resource.address.as_str())?;
        (before.pod == want.pod && before.asks == want.asks).then(|| floor(want).min(floor(before)))
    };
    let both: BTreeMap<&str, u32> = (0..is.wants.len())
        .filter_map(|at| Some((is.wants.get(at)?.workload.resource.address.as_str(), same(&at)?)))
        .collect();
    let count = |fleet: &Fleet<'_>, at: usize| {
        let address = fleet.wants.get(at).map_or("", |want| want.workload.resource.address.as_str());
        both.get(address).copied().unwrap_or(0)
    };
    let common: Vec<Demand> = (0..is.wants.len()).map(|at| is.demand(at, count(is, at))).collect();
    let Answer::Fits(left) = pack(&common, &is.room.free) else { return None };
    let rest = |fleet: &Fleet<'_>| {
        let mut left = left.clone();
        for (at, want) in fleet.wants.iter().enumerate() {
            let (all, there) = (floor(want), count(fleet, at));
            // Pods that keep apart are not free to go beside those of their kind that are there.
            let free = there == 0 || (!want.apart.alone && want.apart.even.is_none());
            if all > there && !(free && add(&fleet.demand(at, all - there), all - there, &mut left)) {
                return None;
            }
        }
        Some(left)
    };
    Some((rest(was)?, rest(is)?))
}
