//! Sets of fields, and the algebra on them.
//!
//! A [`FieldSet`] is a tree of path elements. A node of the tree is a member of the set, or leads to members, or both:
//! owning `.spec` and owning `.spec.replicas` are two things. How a set is written into `managedFields` is in
//! `fields_v1`.

use crate::path::{FieldPath, PathElement};
use crate::pattern::FieldPattern;

/// A set of field paths.
///
/// ```
/// use structured_merge::{path::FieldPath, set::FieldSet};
/// let paths = [FieldPath::of_fields(["spec", "replicas"]), FieldPath::of_fields(["spec"])];
/// let mine: FieldSet = paths.into_iter().collect();
/// let theirs: FieldSet = [FieldPath::of_fields(["spec", "replicas"])].into_iter().collect();
/// assert_eq!(mine.intersection(&theirs), theirs);
/// assert_eq!(mine.to_string(), ".spec\n.spec.replicas");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Sorted by element, each element once. No node is without both membership and children.
    nodes: Vec<Node>,
}

/// One element of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) element: PathElement,
    /// Whether the path that ends here is in the set.
    pub(crate) member: bool,
    /// What of the set lies below.
    pub(crate) children: FieldSet,
}

/// What becomes of an element that is in the left set, the right set or both.
type Choice<'a> = &'a dyn Fn(Option<&Node>, Option<&Node>) -> Option<Node>;

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl FieldSet {
    /// The set without a member.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Whether no path is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many paths are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.children.len()).sum()
    }

    /// Adds a path. The root is never a member: adding the empty path changes nothing.
    pub fn insert(&mut self, path: &FieldPath) {
        self.insert_elements(path.elements());
    }

    fn insert_elements(&mut self, elements: &[PathElement]) {
        let Some((first, rest)) = elements.split_first() else { return };
        let position = match self.find(first) {
            Ok(position) => position,
            Err(position) => {
                let node = Node { element: first.clone(), member: false, children: Self::new() };
                self.nodes.insert(position, node);
                position
            }
        };
        let Some(node) = self.nodes.get_mut(position) else { return };
        if rest.is_empty() {
            node.member = true;
        } else {
            node.children.insert_elements(rest);
        }
    }

    /// Whether exactly this path is in the set; a path below or above it does not count.
    #[must_use]
    pub fn contains(&self, path: &FieldPath) -> bool {
        let Some((last, before)) = path.elements().split_last() else { return false };
        let mut set = self;
        for element in before {
            match set.node(element) {
                Some(node) => set = &node.children,
                None => return false,
            }
        }
        set.node(last).is_some_and(|node| node.member)
    }

    /// What of the set lies below one element, with that element left off; empty where nothing does.
    #[must_use]
    pub fn below(&self, element: &PathElement) -> &Self {
        static EMPTY: FieldSet = FieldSet::new();
        self.node(element).map_or(&EMPTY, |node| &node.children)
    }

    /// Paths that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, &|left, right| match (left, right) {
            (Some(l), Some(r)) => Some(Node {
                element: l.element.clone(),
                member: l.member || r.member,
                children: l.children.union(&r.children),
            }),
            (Some(only), None) | (None, Some(only)) => Some(only.clone()),
            (None, None) => None,
        })
    }

    /// Paths that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, &|left, right| {
            let (l, r) = (left?, right?);
            let children = l.children.intersection(&r.children);
            Some(Node { element: l.element.clone(), member: l.member && r.member, children })
        })
    }

    /// Paths of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, &|left, right| {
            let l = left?;
            let Some(r) = right else { return Some(l.clone()) };
            let children = l.children.difference(&r.children);
            Some(Node { element: l.element.clone(), member: l.member && !r.member, children })
        })
    }

    /// Paths of this set that neither are in the other nor lie below a path that is.
    #[must_use]
    pub fn difference_with_below(&self, other: &Self) -> Self {
        self.combine(other, &|left, right| {
            let l = left?;
            let Some(r) = right else { return Some(l.clone()) };
            if r.member {
                return None;
            }
            let children = l.children.difference_with_below(&r.children);
            Some(Node { element: l.element.clone(), member: l.member, children })
        })
    }

    /// Paths of this set that begin with one of the patterns or lead to what does.
    #[must_use]
    pub fn matching(&self, patterns: &[FieldPattern]) -> Self {
        let patterns: Vec<&[Option<PathElement>]> = patterns.iter().map(|pattern| pattern.0.as_slice()).collect();
        self.matching_steps(&patterns)
    }

    fn matching_steps(&self, patterns: &[&[Option<PathElement>]]) -> Self {
        if patterns.iter().any(|pattern| pattern.is_empty()) {
            return self.clone();
        }
        let nodes = self.nodes.iter().filter_map(|node| {
            let rest: Vec<&[Option<PathElement>]> = patterns
                .iter()
                .filter_map(|pattern| pattern.split_first())
                .filter(|(step, _)| step.as_ref().is_none_or(|step| *step == node.element))
                .map(|(_, rest)| rest)
                .collect();
            if rest.is_empty() {
                return None;
            }
            let children = node.children.matching_steps(&rest);
            Some(Node { element: node.element.clone(), member: node.member, children })
        });
        Self::from_nodes(nodes.collect())
    }

    /// Paths of this set below which it has no other.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let nodes = self.nodes.iter().map(|node| Node {
            element: node.element.clone(),
            member: node.member && node.children.is_empty(),
            children: node.children.leaves(),
        });
        Self { nodes: nodes.collect() }
    }

    /// Whether every path of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.nodes.iter().all(|node| {
            other
                .node(&node.element)
                .is_some_and(|theirs| (theirs.member || !node.member) && node.children.is_subset(&theirs.children))
        })
    }

    /// Every path, in the order of the server's messages: at each place first the members there, then what lies below
    /// them; each in the order of [`PathElement`].
    pub fn iter(&self) -> impl Iterator<Item = FieldPath> {
        let mut paths = Vec::new();
        self.collect_paths(&mut Vec::new(), &mut paths);
        paths.into_iter()
    }

    fn collect_paths(&self, prefix: &mut Vec<PathElement>, paths: &mut Vec<FieldPath>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            let path = prefix.iter().chain([&node.element]).cloned().collect();
            paths.push(FieldPath(path));
        }
        for node in &self.nodes {
            prefix.push(node.element.clone());
            node.children.collect_paths(prefix, paths);
            prefix.pop();
        }
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node(&self, element: &PathElement) -> Option<&Node> {
        self.find(element).ok().and_then(|position| self.nodes.get(position))
    }

    fn find(&self, element: &PathElement) -> Result<usize, usize> {
        self.nodes.binary_search_by(|node| node.element.cmp(element))
    }

    /// A set of nodes in any order, where an element may come more than once.
    pub(crate) fn from_nodes(nodes: Vec<Node>) -> Self {
        let mut nodes: Vec<Node> = nodes.into_iter().filter(|node| !node.is_empty()).collect();
        if !nodes.is_sorted_by(|l, r| l.element < r.element) {
            nodes.sort_by(|l, r| l.element.cmp(&r.element));
            nodes.dedup_by(|later, kept| {
                let same = later.element == kept.element;
                if same {
                    kept.member |= later.member;
                    kept.children = kept.children.union(&later.children);
                }
                same
            });
        }
        Self { nodes }
    }

    /// Walks both sets side by side; what `choose` leaves empty is dropped.
    fn combine(&self, other: &Self, choose: Choice<'_>) -> Self {
        let (mut left, mut right) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        let mut nodes = Vec::new();
        loop {
            let chosen = match (left.peek(), right.peek()) {
                (None, None) => return Self { nodes },
                (Some(_), None) => choose(left.next(), None),
                (None, Some(_)) => choose(None, right.next()),
                (Some(l), Some(r)) => match l.element.cmp(&r.element) {
                    std::cmp::Ordering::Less => choose(left.next(), None),
                    std::cmp::Ordering::Greater => choose(None, right.next()),
                    std::cmp::Ordering::Equal => choose(left.next(), right.next()),
                },
            };
            nodes.extend(chosen.filter(|node| !node.is_empty()));
        }
    }
}

impl FromIterator<FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldPath>>(paths: I) -> Self {
        let mut set = Self::new();
        paths.into_iter().for_each(|path| set.insert(&path));
        set
    }
}

impl std::fmt::Display for FieldSet {
    /// One path a line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, path) in self.iter().enumerate() {
            let newline = if position == 0 { "" } else { "\n" };
            write!(f, "{newline}{path}")?;
        }
        Ok(())
    }
}
