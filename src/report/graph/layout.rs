//! Where the boxes and lines of a picture go: layers from left to right, few crossings, and lanes that lead long lines past
//! the boxes in between. All figures are whole pixels, so that the same picture has the same bytes everywhere.
//!
//! What is in the boxes is not known here, nor how any of it is drawn.

use std::collections::BTreeMap;

/// How high a box is.
const BOX: i32 = 28;
/// What is free between two boxes of a layer.
const BETWEEN: i32 = 10;
/// How much of a layer a line takes that passes through it.
const LANE: i32 = 4;
/// What is free between two layers, for lines.
const AISLE: i32 = 56;
/// What is free between the layers of one group, which few lines cross.
const NARROW: i32 = 34;
/// How often the order within layers is improved, in either direction.
const SWEEPS: usize = 6;

/// A rectangle, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Rect {
    fn middle(&self) -> i32 {
        self.y + self.height / 2
    }

    fn right(&self) -> i32 {
        self.x + self.width
    }
}

/// What is to be laid out.
#[derive(Debug, Default)]
pub(super) struct Problem {
    /// Groups from left to right, each with how wide the boxes in it are.
    pub(super) groups: Vec<Vec<i32>>,
    /// Lines from one box to another, as places among all boxes in the order of the groups.
    pub(super) lines: Vec<(usize, usize)>,
    /// The most boxes that may stand above each other.
    pub(super) rows: usize,
}

/// Where everything goes; its upper left corner is at 0, 0.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// For each group, where it begins and how wide it is.
    pub(super) groups: Vec<(i32, i32)>,
    /// Boxes in the order of the groups.
    pub(super) boxes: Vec<Rect>,
    /// For each line the points that it goes through. Between the first and the second, the third and the fourth and so on
    /// it crosses an aisle; else it runs straight through a layer.
    pub(super) lines: Vec<Vec<(i32, i32)>>,
}

/// Something that takes room in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Box(usize),
    /// A lane to a box that is passed on the way to the right, or else to the left. All lines to the box share it.
    Lane(usize, bool),
}

/// The layers while they are put in order.
struct Layers {
    items: Vec<Vec<Item>>,
    /// What of a layer is joined to what of the next.
    joints: Vec<Vec<(Item, Item)>>,
}

/// Lays out boxes and lines.
pub(super) fn layout(problem: &Problem) -> Layout {
    let (layer_of, spans) = layers_of(problem);
    let mut layers = Layers::new(problem, &layer_of, spans.last().map_or(0, |span| span.1));
    layers.untangle();
    let widths: Vec<i32> = problem.groups.iter().flatten().copied().collect();
    let mut place = Layout { boxes: vec![Rect::default(); widths.len()], ..Layout::default() };
    let heights: Vec<i32> = layers.items.iter().map(|items| height(items)).collect();
    place.height = heights.iter().copied().max().unwrap_or(0);
    let mut lanes: BTreeMap<(usize, Item), (i32, i32, i32)> = BTreeMap::new();
    for (group, (from, to)) in spans.iter().enumerate() {
        if group > 0 {
            place.width += AISLE;
        }
        let start = place.width;
        for layer in *from..*to {
            if layer > *from {
                place.width += NARROW;
            }
            let (items, tall) = (layers.items.get(layer), heights.get(layer).copied().unwrap_or(0));
            let items = items.map(Vec::as_slice).unwrap_or_default();
            let wide = |item: &Item| if let Item::Box(at) = item { widths.get(*at).copied() } else { None };
            let width = items.iter().filter_map(wide).max().unwrap_or(0);
            let mut y = (place.height - tall) / 2;
            for item in items {
                match item {
                    Item::Box(at) => {
                        if let Some(rect) = place.boxes.get_mut(*at) {
                            *rect = Rect { x: place.width, y, width, height: BOX };
                        }
                    }
                    Item::Lane(..) => {
                        lanes.insert((layer, *item), (place.width, place.width + width, y + LANE / 2));
                    }
                }
                y += size(*item) + BETWEEN;
            }
            place.width += width;
        }
        place.groups.push((start, place.width - start));
    }
    place.lines = problem.lines.iter().map(|line| route(*line, &layer_of, &place.boxes, &lanes)).collect();
    place
}

/// The layer of each box, and of each group the first of its layers and the first that is no longer its own.
fn layers_of(problem: &Problem) -> (Vec<usize>, Vec<(usize, usize)>) {
    let rows = problem.rows.max(1);
    let (mut layer_of, mut spans, mut next) = (Vec::new(), Vec::new(), 0);
    for group in &problem.groups {
        let columns = group.len().div_ceil(rows).max(1);
        // As many in each as in any other, as far as that goes.
        let each = group.len().div_ceil(columns).max(1);
        layer_of.extend((0..group.len()).map(|at| next + at / each));
        spans.push((next, next + columns));
        next += columns;
    }
    (layer_of, spans)
}

fn size(item: Item) -> i32 {
    match item {
        Item::Box(_) => BOX,
        Item::Lane(..) => LANE,
    }
}

fn height(items: &[Item]) -> i32 {
    let gaps = i32::try_from(items.len().saturating_sub(1)).unwrap_or(0) * BETWEEN;
    items.iter().map(|item| size(*item)).sum::<i32>() + gaps
}

/// The layers that a line from one to another passes, in the order it does.
fn between(from: usize, to: usize) -> Vec<usize> {
    if from < to { (from + 1..to).collect() } else { (to + 1..from).rev().collect() }
}

/// The points of a line.
fn route(
    (from, to): (usize, usize),
    layer_of: &[usize],
    boxes: &[Rect],
    lanes: &BTreeMap<(usize, Item), (i32, i32, i32)>,
) -> Vec<(i32, i32)> {
    let (Some(start), Some(end)) = (boxes.get(from), boxes.get(to)) else { return Vec::new() };
    let (Some(first), Some(last)) = (layer_of.get(from), layer_of.get(to)) else { return Vec::new() };
    let right = first < last;
    if first == last {
        // Out to the right and back again.
        return vec![(start.right(), start.middle()), (end.right(), end.middle())];
    }
    let side = |rect: &Rect, right: bool| (if right { rect.right() } else { rect.x }, rect.middle());
    let mut points = vec![side(start, right)];
    for layer in between(*first, *last) {
        if let Some((left, rightmost, y)) = lanes.get(&(layer, Item::Lane(to, right))) {
            let (near, far) = if right { (*left, *rightmost) } else { (*rightmost, *left) };
            points.extend([(near, *y), (far, *y)]);
        }
    }
    points.push(side(end, !right));
    points
}

impl Layers {
    fn new(problem: &Problem, layer_of: &[usize], count: usize) -> Self {
        let mut items: Vec<Vec<Item>> = vec![Vec::new(); count];
        let mut joints = vec![Vec::new(); count];
        for (at, layer) in layer_of.iter().enumerate() {
            items.get_mut(*layer).into_iter().for_each(|items| items.push(Item::Box(at)));
        }
        for (from, to) in &problem.lines {
            let (Some(first), Some(last)) = (layer_of.get(*from), layer_of.get(*to)) else { continue };
            let lane = Item::Lane(*to, first < last);
            let mut before = (*first, Item::Box(*from));
            for layer in between(*first, *last) {
                let here: Option<&mut Vec<Item>> = items.get_mut(layer);
                here.into_iter().filter(|items| !items.contains(&lane)).for_each(|items| items.push(lane));
                join(&mut joints, before, (layer, lane));
                before = (layer, lane);
            }
            join(&mut joints, before, (*last, Item::Box(*to)));
        }
        for joints in &mut joints {
            joints.sort_unstable();
            joints.dedup();
        }
        Self { items, joints }
    }

    /// Orders the items of each layer by where their neighbours are, from left to right and back, and keeps the order
    /// that has the fewest crossings.
    fn untangle(&mut self) {
        let (mut best, mut fewest) = (self.items.clone(), self.crossings());
        for _ in 0..SWEEPS {
            for layer in 1..self.items.len() {
                self.follow(layer, layer - 1);
            }
            for layer in (1..self.items.len()).rev() {
                self.follow(layer - 1, layer);
            }
            let crossings = self.crossings();
            if crossings < fewest {
                (best, fewest) = (self.items.clone(), crossings);
            }
        }
        self.items = best;
    }

    /// Orders one layer by the mean place of what each item is joined to in another; what is joined to nothing stays about
    /// where it is.
    fn follow(&mut self, layer: usize, other: usize) {
        let (Some(items), Some(fixed)) = (self.items.get(layer), self.items.get(other)) else { return };
        let places = relative(fixed);
        let own = relative(items);
        let mut sums: BTreeMap<Item, (i64, i64)> = BTreeMap::new();
        for (left, right) in self.joints.get(layer.min(other)).into_iter().flatten() {
            let (item, neighbour) = if layer < other { (left, right) } else { (right, left) };
            let sum = sums.entry(*item).or_default();
            *sum = (sum.0 + places.get(neighbour).copied().unwrap_or(0), sum.1 + 1);
        }
        let wanted = |item: &Item| match sums.get(item) {
            Some((sum, count)) => sum / count,
            None => own.get(item).copied().unwrap_or(0),
        };
        let mut items = items.clone();
        items.sort_by_key(|item| (wanted(item), own.get(item).copied()));
        if let Some(there) = self.items.get_mut(layer) {
            *there = items;
        }
    }

    /// How many lines cross in all aisles.
    fn crossings(&self) -> u64 {
        let pairs = self.items.iter().zip(self.items.iter().skip(1)).zip(&self.joints);
        pairs.map(|((left, right), joints)| crossings(left, right, joints)).sum()
    }
}

fn join(joints: &mut [Vec<(Item, Item)>], (one, from): (usize, Item), (other, to): (usize, Item)) {
    let pair = if one < other { (from, to) } else { (to, from) };
    if one != other
        && let Some(joints) = joints.get_mut(one.min(other))
    {
        joints.push(pair);
    }
}

/// The place of each item of a layer, in thousandths of a per cent of its height, so that layers of different lengths can be
/// held against each other.
fn relative(items: &[Item]) -> BTreeMap<Item, i64> {
    let count = i64::try_from(items.len()).unwrap_or(1).max(1);
    let places = (0_i64..).map(|at| (2 * at + 1) * 50_000 / count);
    items.iter().copied().zip(places).collect()
}

/// How many pairs of joints cross: those whose ends stand in another order than their beginnings. Counted with a tree of
/// sums, so that a thousand lines take no time.
fn crossings(left: &[Item], right: &[Item], joints: &[(Item, Item)]) -> u64 {
    let place = |items: &[Item]| -> BTreeMap<Item, usize> { items.iter().copied().zip(0..).collect() };
    let (left, right) = (place(left), place(right));
    let mut ends: Vec<(usize, usize)> =
        joints.iter().filter_map(|(from, to)| Some((*left.get(from)?, *right.get(to)?))).collect();
    ends.sort_unstable();
    let mut sums = vec![0_u64; right.len() + 1];
    let (mut seen, mut crossed) = (0, 0);
    for (_, end) in ends {
        // How many of those before end no lower than this one.
        let (mut at, mut above) = (end + 1, 0);
        while at > 0 {
            above += sums.get(at).copied().unwrap_or(0);
            at &= at - 1;
        }
        crossed += seen - above;
        seen += 1;
        let mut at = end + 1;
        while let Some(sum) = sums.get_mut(at) {
            *sum += 1;
            at += at & at.wrapping_neg();
        }
    }
    crossed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlap(one: &Rect, other: &Rect) -> bool {
        one.x < other.right() && other.x < one.right() && one.y < other.y + other.height && other.y < one.y + one.height
    }

    /// Groups of any size with lines between any two boxes, wrong ways and loops included.
    fn problems() -> impl Strategy<Value = Problem> {
        let groups = prop::collection::vec(prop::collection::vec(40_i32..200, 0..9), 1..6);
        let lines = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..30);
        (groups, lines, 1_usize..7).prop_map(|(groups, lines, rows)| {
            let count = groups.iter().map(Vec::len).sum::<usize>();
            let lines = lines.iter().filter(|_| count > 0).map(|(from, to)| (from.index(count), to.index(count)));
            Problem { lines: lines.collect(), groups, rows }
        })
    }

    proptest! {
        #[test]
        fn boxes_lie_apart_and_lines_end_at_them_and_pass_all_others(problem in problems()) {
            let place = layout(&problem);
            let count = problem.groups.iter().map(Vec::len).sum::<usize>();
            prop_assert_eq!(place.boxes.len(), count);
            prop_assert_eq!(place.groups.len(), problem.groups.len());
            for (at, one) in place.boxes.iter().enumerate() {
                prop_assert!(one.x >= 0 && one.y >= 0 && one.right() <= place.width);
                prop_assert!(one.y + one.height <= place.height);
                prop_assert!(place.boxes.iter().skip(at + 1).all(|other| !overlap(one, other)), "{:?}", one);
            }
            for (line, (from, to)) in place.lines.iter().zip(&problem.lines) {
                for (point, rect) in [(line[0], place.boxes[*from]), (line[line.len() - 1], place.boxes[*to])] {
                    prop_assert_eq!(point.1, rect.middle());
                    prop_assert!(point.0 == rect.x || point.0 == rect.right());
                }
                prop_assert_eq!(line.len() % 2, 0);
                for run in line.chunks(2) {
                    // An aisle holds no box; what is straight runs through a layer, between its boxes.
                    let (left, right) = (run[0].0.min(run[1].0), run[0].0.max(run[1].0));
                    prop_assert!(place.boxes.iter().all(|rect| rect.right() <= left || rect.x >= right), "{:?}", run);
                }
                for run in line[1..].chunks_exact(2) {
                    prop_assert_eq!(run[0].1, run[1].1);
                    let inside = |rect: &Rect| rect.y < run[0].1 && run[0].1 < rect.y + rect.height;
                    let (left, right) = (run[0].0.min(run[1].0), run[0].0.max(run[1].0));
                    let meets = |rect: &Rect| rect.x < right && left < rect.right();
                    prop_assert!(!place.boxes.iter().any(|rect| inside(rect) && meets(rect)), "{:?}", run);
                }
            }
        }

        #[test]
        fn crossings_are_those_of_looking_at_every_pair(ends in prop::collection::btree_set((0_usize..7, 0_usize..7), 0..20)) {
            let items: Vec<Item> = (0..7).map(Item::Box).collect();
            let joints: Vec<_> = ends.iter().map(|(from, to)| (Item::Box(*from), Item::Box(*to))).collect();
            let mut expect = 0;
            for (one, other) in ends.iter().flat_map(|one| ends.iter().map(move |other| (one, other))) {
                expect += u64::from(one.0 < other.0 && one.1 > other.1);
            }
            prop_assert_eq!(crossings(&items, &items, &joints), expect);
        }
    }

    #[test]
    fn lines_that_cross_without_need_are_untangled() {
        let groups = vec![vec![80, 80, 80], vec![80, 80, 80]];
        let mut layers =
            Layers::new(&Problem { groups, lines: vec![(3, 2), (4, 1), (5, 0)], rows: 9 }, &[0, 0, 0, 1, 1, 1], 2);
        assert_eq!(layers.crossings(), 3);
        layers.untangle();
        assert_eq!(layers.crossings(), 0);
    }
}
