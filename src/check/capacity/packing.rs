//! Whether pods fit on nodes: bin packing in several dimensions, with nodes that not every pod may go to.
//!
//! Quick placements are tried first; one that works is a proof that everything fits. Where none works, two ways can
//! prove that nothing does: pods that ask more, in all, than the nodes they may go to have, and a search through all
//! placements. For pods that ask for the same number of a resource (of GPUs: nearly always one) the first is exact,
//! by Hall's theorem. The search ends at a limit; then the answer is that it is not known.

/// Pods that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    /// How many.
    pub(super) count: u32,
    /// What each asks for, one figure a dimension.
    pub(super) need: Vec<u64>,
    /// Whether each may go to each node.
    pub(super) eligible: Vec<bool>,
    /// The most that may share a node.
    pub(super) per_node: u32,
    /// How evenly they must lie.
    pub(super) spread: Option<Spread>,
}

/// How evenly pods must lie: no node has more than `skew` pods more than any of the nodes in `over`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) skew: u32,
    pub(super) over: Vec<bool>,
}

impl Demand {
    /// The most that a node may have while they lie so.
    fn most(&self, placed: &[u32]) -> u32 {
        let Some(spread) = &self.spread else { return self.per_node };
        let fewest = placed.iter().zip(&spread.over).filter(|(_, counts)| **counts).map(|(count, _)| *count).min();
        self.per_node.min(fewest.unwrap_or(0).saturating_add(spread.skew))
    }
}

/// What is free on each node, one figure a dimension.
pub(super) type Free = Vec<Vec<u64>>;

/// Whether demands fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// They do, and this is left free.
    Fits(Free),
    /// They do not, and nothing that is missing can be named by a single resource.
    No,
    /// They ask more of a dimension than the nodes they may go to have.
    Short(Shortage),
    /// It is not known: the search came to its limit.
    Undecided,
}

/// A dimension in which all nodes that some pods may go to have too little, taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortage {
    /// The dimension.
    pub(super) dimension: usize,
    /// What the pods ask for.
    pub(super) asked: u64,
    /// What is there.
    pub(super) there: u64,
}

/// Steps that the search may take.
const LIMIT: u32 = 50_000;
/// How many different sets of nodes are combined to look for a shortage.
const SETS: usize = 10;

/// Whether demands fit on what is free.
pub(super) fn pack(demands: &[Demand], free: &Free) -> Answer {
    let demands: Vec<&Demand> = demands.iter().filter(|demand| demand.count > 0).collect();
    for order in [Order::Scarce, Order::Large] {
        for choice in [Choice::Tightest, Choice::First] {
            if let Some(left) = greedy(&demands, free, order, choice) {
                return Answer::Fits(left);
            }
        }
    }
    if let Some(shortage) = shortage(&demands, free) {
        return Answer::Short(shortage);
    }
    let mut search = Search { steps: 0, free: free.clone(), orders: sorted(&demands, Order::Scarce, free) };
    match search.place(0, 0, 0, &mut vec![0; free.len()]) {
        Found::Yes => Answer::Fits(search.free),
        Found::No => Answer::No,
        Found::Limit => Answer::Undecided,
    }
}

/// Takes what one more pod asks for from what is left; whether there was room.
pub(super) fn add(demand: &Demand, count: u32, left: &mut Free) -> bool {
    let before = left.clone();
    let mut placed = vec![0; left.len()];
    for _ in 0..count {
        match best(demand, left, &placed, Choice::Tightest) {
            Some(at) => take(demand, at, left, &mut placed),
            None => {
                *left = before;
                return false;
            }
        }
    }
    true
}

#[derive(Clone, Copy)]
enum Order {
    /// What few nodes can give, and what asks for rare things, first.
    Scarce,
    /// What takes the largest share of any dimension first.
    Large,
}

#[derive(Clone, Copy)]
enum Choice {
    /// The node that is left with the least.
    Tightest,
    /// The first that has room.
    First,
}

/// The largest share of what all nodes have, of any dimension, in millionths.
fn share(demand: &Demand, totals: &[u64]) -> u64 {
    let of = |(need, total): (&u64, &u64)| need.saturating_mul(1_000_000).checked_div(*total).unwrap_or(u64::MAX);
    demand.need.iter().zip(totals).filter(|(need, _)| **need > 0).map(of).max().unwrap_or(0)
}

fn totals(free: &Free) -> Vec<u64> {
    let dimensions = free.first().map_or(0, Vec::len);
    (0..dimensions)
        .map(|at| free.iter().filter_map(|node| node.get(at)).fold(0, |sum: u64, one| sum.saturating_add(*one)))
        .collect()
}

fn sorted<'a>(demands: &[&'a Demand], order: Order, free: &Free) -> Vec<&'a Demand> {
    let totals = totals(free);
    let mut sorted = demands.to_vec();
    sorted.sort_by_cached_key(|demand| {
        let nodes = demand.eligible.iter().filter(|may| **may).count();
        let scarce = match order {
            Order::Scarce => nodes,
            Order::Large => 0,
        };
        (scarce, std::cmp::Reverse(share(demand, &totals)))
    });
    sorted
}

/// Whether a node that may have `most` of them takes one more.
fn room(demand: &Demand, most: u32, at: usize, left: &Free, placed: &[u32]) -> bool {
    demand.eligible.get(at) == Some(&true)
        && placed.get(at).is_some_and(|count| *count < most)
        && left.get(at).is_some_and(|node| node.iter().zip(&demand.need).all(|(has, need)| has >= need))
}

/// How much a node would be left with, rare things first.
fn rest(demand: &Demand, node: &[u64]) -> Vec<u64> {
    node.iter().zip(&demand.need).rev().map(|(has, need)| has.saturating_sub(*need)).collect()
}

fn best(demand: &Demand, left: &Free, placed: &[u32], choice: Choice) -> Option<usize> {
    let most = demand.most(placed);
    let mut candidates = (0..left.len()).filter(|at| room(demand, most, *at, left, placed));
    match choice {
        Choice::First => candidates.next(),
        Choice::Tightest => candidates.min_by_key(|at| left.get(*at).map(|node| rest(demand, node))),
    }
}

fn take(demand: &Demand, at: usize, left: &mut Free, placed: &mut [u32]) {
    if let Some(node) = left.get_mut(at) {
        node.iter_mut().zip(&demand.need).for_each(|(has, need)| *has = has.saturating_sub(*need));
    }
    if let Some(count) = placed.get_mut(at) {
        *count += 1;
    }
}

fn give_back(demand: &Demand, at: usize, left: &mut Free, placed: &mut [u32]) {
    if let Some(node) = left.get_mut(at) {
        node.iter_mut().zip(&demand.need).for_each(|(has, need)| *has += need);
    }
    if let Some(count) = placed.get_mut(at) {
        *count -= 1;
    }
}

fn greedy(demands: &[&Demand], free: &Free, order: Order, choice: Choice) -> Option<Free> {
    let mut left = free.clone();
    for demand in sorted(demands, order, free) {
        let mut placed = vec![0; left.len()];
        for _ in 0..demand.count {
            let at = best(demand, &left, &placed, choice)?;
            take(demand, at, &mut left, &mut placed);
        }
    }
    Some(left)
}

/// A dimension in which the pods that may go to some nodes only ask for more than those nodes have, taken together.
fn shortage(demands: &[&Demand], free: &Free) -> Option<Shortage> {
    let mut sets: Vec<&[bool]> = demands.iter().map(|demand| demand.eligible.as_slice()).collect();
    sets.sort_unstable();
    sets.dedup();
    let unions: Vec<Vec<bool>> = if sets.len() <= SETS {
        (1_usize..1 << sets.len()).map(|chosen| union(&sets, |at| chosen >> at & 1 == 1, free.len())).collect()
    } else {
        let single = sets.iter().map(|set| set.to_vec());
        single.chain([union(&sets, |_| true, free.len())]).collect()
    };
    let dimensions = free.first().map_or(0, Vec::len);
    // What the pods of each set ask for.
    let mut asks = vec![vec![0_u64; dimensions]; sets.len()];
    for demand in demands {
        let set = sets.binary_search(&demand.eligible.as_slice()).ok().and_then(|at| asks.get_mut(at));
        for (sum, need) in set.into_iter().flatten().zip(&demand.need) {
            *sum = sum.saturating_add(need.saturating_mul(demand.count.into()));
        }
    }
    let within = |nodes: &[bool], set: &[bool]| set.iter().zip(nodes).all(|(may, node)| !may || *node);
    let unions: Vec<(Vec<bool>, Vec<usize>)> = unions
        .into_iter()
        .map(|nodes| {
            let inside = sets.iter().enumerate().filter(|(_, set)| within(&nodes, set)).map(|(at, _)| at).collect();
            (nodes, inside)
        })
        .collect();
    // Rare things are last; what is short of them is said first.
    (0..dimensions).rev().find_map(|dimension| {
        unions.iter().find_map(|(nodes, inside)| {
            let asked = inside.iter().filter_map(|set| asks.get(*set)?.get(dimension));
            let asked = asked.fold(0_u64, |sum, one| sum.saturating_add(*one));
            let there = free.iter().zip(nodes).filter(|(_, node)| **node).filter_map(|(node, _)| node.get(dimension));
            let there = there.fold(0_u64, |sum, one| sum.saturating_add(*one));
            (asked > there).then_some(Shortage { dimension, asked, there })
        })
    })
}

fn union(sets: &[&[bool]], chosen: impl Fn(usize) -> bool, nodes: usize) -> Vec<bool> {
    let mut all = vec![false; nodes];
    for (_, set) in sets.iter().enumerate().filter(|(at, _)| chosen(*at)) {
        all.iter_mut().zip(*set).for_each(|(one, may)| *one |= may);
    }
    all
}

enum Found {
    Yes,
    No,
    Limit,
}

/// All placements, one after the other. Pods of one demand go to nodes in order, and of nodes that are alike the first
/// stands for all, so that nothing is tried twice.
struct Search<'a> {
    steps: u32,
    free: Free,
    orders: Vec<&'a Demand>,
}

impl Search<'_> {
    /// Places pod `number` of demand `which` and all after it, on nodes from `from` on.
    fn place(&mut self, which: usize, number: u32, from: usize, placed: &mut Vec<u32>) -> Found {
        let Some(demand) = self.orders.get(which).copied() else { return Found::Yes };
        if number == demand.count {
            // An even end is reached evenly: by giving each node its first pod, then its second, and so on.
            if placed.iter().any(|count| *count > demand.most(placed)) {
                return Found::No;
            }
            return self.place(which + 1, 0, 0, &mut vec![0; self.free.len()]);
        }
        let mut tried: Vec<usize> = Vec::new();
        for at in from..self.free.len() {
            if !room(demand, demand.per_node, at, &self.free, placed)
                || tried.iter().any(|other| self.alike(*other, at, placed))
            {
                continue;
            }
            tried.push(at);
            self.steps += 1;
            if self.steps > LIMIT {
                return Found::Limit;
            }
            take(demand, at, &mut self.free, placed);
            match self.place(which, number + 1, at, placed) {
                Found::No => give_back(demand, at, &mut self.free, placed),
                other => return other,
            }
        }
        Found::No
    }

    /// Whether two nodes are the same to everything that is still to be placed.
    fn alike(&self, one: usize, other: usize, placed: &[u32]) -> bool {
        self.free.get(one) == self.free.get(other)
            && placed.get(one) == placed.get(other)
            && self.orders.iter().all(|demand| {
                let over = demand.spread.as_ref().map(|spread| &spread.over);
                demand.eligible.get(one) == demand.eligible.get(other)
                    && over.and_then(|over| over.get(one)) == over.and_then(|over| over.get(other))
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demand(count: u32, need: &[u64], eligible: &[bool]) -> Demand {
        Demand { count, need: need.to_vec(), eligible: eligible.to_vec(), per_node: u32::MAX, spread: None }
    }

    /// Every pod on every node, one after the other, as a scheduler would let it.
    fn oracle(demands: &[Demand], free: &Free) -> bool {
        fn place(pods: &[&Demand], left: &Free, on: &mut Vec<(usize, usize)>, demands: &[Demand]) -> bool {
            let Some((pod, rest)) = pods.split_first() else { return true };
            let kind = demands.iter().position(|demand| std::ptr::eq(demand, *pod)).unwrap_or(0);
            for at in 0..left.len() {
                let fits = left[at].iter().zip(&pod.need).all(|(has, need)| has >= need);
                let on_node = |at: usize| on.iter().filter(|one| **one == (kind, at)).count();
                let beside = on_node(at);
                let even = pod.spread.as_ref().is_none_or(|spread| {
                    let fewest = (0..left.len()).filter(|at| spread.over[*at]).map(on_node).min().unwrap_or(0);
                    beside < fewest + spread.skew as usize
                });
                if pod.eligible[at] && fits && even && beside < pod.per_node as usize {
                    let mut after = left.clone();
                    after[at].iter_mut().zip(&pod.need).for_each(|(has, need)| *has -= need);
                    on.push((kind, at));
                    if place(rest, &after, on, demands) {
                        return true;
                    }
                    on.pop();
                }
            }
            false
        }
        let pods: Vec<&Demand> = demands.iter().flat_map(|demand| (0..demand.count).map(move |_| demand)).collect();
        place(&pods, free, &mut Vec::new(), demands)
    }

    proptest! {
        #[test]
        fn the_answer_is_that_of_trying_everything(
            nodes in prop::collection::vec((1_u64..8, 1_u64..8, 0_u64..3), 1..4),
            kinds in prop::collection::vec((1_u32..4, 1_u64..5, 1_u64..5, 0_u64..2, prop::collection::vec(any::<bool>(), 3), 1_u32..4, prop::option::of(1_u32..3)), 1..4),
            tainted in any::<bool>(),
        ) {
            let free: Free = nodes.iter().map(|(cpu, memory, gpus)| vec![*cpu, *memory, *gpus]).collect();
            let demands: Vec<Demand> = kinds
                .iter()
                .map(|(count, cpu, memory, gpus, may, per_node, skew)| Demand {
                    per_node: *per_node,
                    spread: skew.map(|skew| Spread {
                        skew,
                        over: may[..free.len()].iter().map(|may| *may || tainted).collect(),
                    }),
                    ..demand(*count, &[*cpu, *memory, *gpus], &may[..free.len()])
                })
                .collect();
            let expect = oracle(&demands, &free);
            match pack(&demands, &free) {
                Answer::Fits(_) => prop_assert!(expect),
                Answer::No | Answer::Short(_) => prop_assert!(!expect),
                Answer::Undecided => prop_assert!(false, "so few pods are decided"),
            }
        }
    }

    #[test]
    fn what_is_short_is_named() {
        let free = vec![vec![4, 1], vec![4, 1]];
        let both = [true, true];
        let answer = pack(&[demand(3, &[1, 1], &both)], &free);
        assert_eq!(answer, Answer::Short(Shortage { dimension: 1, asked: 3, there: 2 }));
        // Each fits alone, and there is enough of everything, but not on one node.
        assert_eq!(pack(&[demand(3, &[3, 0], &both)], &vec![vec![5, 0], vec![5, 0]]), Answer::No);
        // Two demands that may go to one node only.
        let one = [true, false];
        let answer = pack(&[demand(1, &[1, 1], &one), demand(1, &[1, 1], &one)], &free);
        assert_eq!(answer, Answer::Short(Shortage { dimension: 1, asked: 2, there: 1 }));
    }

    #[test]
    fn what_is_not_decided_says_so() {
        // Each node has room for two pods of either kind and a rest that nothing fits in: there is enough in all, but
        // not in the right places, and no two nodes are alike.
        let free: Free = (0..14).map(|node| vec![100 + node]).collect();
        let all = [true; 14];
        let demands = [demand(15, &[46], &all), demand(14, &[49], &all)];
        assert_eq!(pack(&demands, &free), Answer::Undecided);
    }
}
