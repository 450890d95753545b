//! Which fields differ between two objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::items::Named;
use crate::path::PathElement;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, List, MapType, Shape, TypeId};
use crate::set::{FieldSet, Node};
use crate::value;

/// The fields in which two objects differ.
///
/// A field that came or went stands here itself and with everything below it; a field that is in both stands here only
/// if it is a leaf: a scalar, or a list or map that is owned whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Only in the new object.
    pub added: FieldSet,
    /// In both, with different values.
    pub modified: FieldSet,
    /// Only in the old object.
    pub removed: FieldSet,
}

impl Comparison {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// The comparison without these fields and what lies below them.
    #[must_use]
    pub fn without(self, fields: &FieldSet) -> Self {
        Self {
            added: self.added.difference_with_below(fields),
            modified: self.modified.difference_with_below(fields),
            removed: self.removed.difference_with_below(fields),
        }
    }
}

/// Compares two objects of one type. The order of list items whose list is not owned whole does not count.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{schema::Schema, typed};
/// let ty = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap();
/// let difference =
///     typed::compare(&ty, &json!({"spec": {"replicas": 1, "paused": true}}), &json!({"spec": {"replicas": 2}}));
/// assert_eq!(difference.modified.to_string(), ".spec.replicas");
/// assert_eq!(difference.removed.to_string(), ".spec.paused");
/// ```
#[must_use]
pub fn compare(ty: &TypeRef, old: &Value, new: &Value) -> Comparison {
    let mut difference = Difference::default();
    Compare { arena: &ty.arena }.values(ty.id, Some(old), Some(new), &mut difference);
    difference.below.finish()
}

/// What differs at one place and below it.
#[derive(Default)]
struct Difference {
    here: Marks,
    below: Below,
}

#[derive(Default, Clone, Copy)]
struct Marks {
    added: bool,
    modified: bool,
    removed: bool,
}

#[derive(Default)]
struct Below {
    added: Vec<Node>,
    modified: Vec<Node>,
    removed: Vec<Node>,
}

impl Below {
    fn finish(self) -> Comparison {
        Comparison {
            added: FieldSet::from_nodes(self.added),
            modified: FieldSet::from_nodes(self.modified),
            removed: FieldSet::from_nodes(self.removed),
        }
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// Takes in what differs below one element.
    fn take(&mut self, element: impl FnOnce() -> PathElement, child: Difference) {
        let Marks { added, modified, removed } = child.here;
        if !added && !modified && !removed && child.below.is_empty() {
            return;
        }
        let element = element();
        let below = child.below.finish();
        let push = |nodes: &mut Vec<Node>, member: bool, children: FieldSet| {
            if member || !children.is_empty() {
                nodes.push(Node { element: element.clone(), member, children });
            }
        };
        push(&mut self.added, added, below.added);
        push(&mut self.modified, modified, below.modified);
        push(&mut self.removed, removed, below.removed);
    }
}

struct Compare<'a> {
    arena: &'a Arena,
}

impl Compare<'_> {
    fn values(&self, id: TypeId, old: Option<&Value>, new: Option<&Value>, out: &mut Difference) {
        let (old_shape, new_shape) = (self.arena.shape(id, old), self.arena.shape(id, new));
        let leaf = match (old, new) {
            (_, None) => self.shaped(old_shape, old, new, out),
            (None, _) => self.shaped(new_shape, old, new, out),
            _ if same_shape(old_shape, new_shape) => self.shaped(new_shape, old, new, out),
            _ => {
                self.shaped(old_shape, old, new, out);
                self.shaped(new_shape, old, new, out)
            }
        };
        if !leaf {
            out.here.added |= old.is_none();
            out.here.removed |= new.is_none() && old.is_some();
        }
    }

    /// Compares as one shape; says whether the place is a leaf.
    fn shaped(&self, shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>, out: &mut Difference) -> bool {
        match shape {
            Shape::Scalar(_) => {
                leaf(old, new, out);
                true
            }
            Shape::Map(map) => {
                let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
                let nothing = |side: Option<&Map<String, Value>>| side.is_none_or(Map::is_empty);
                let is_leaf = map.atomic || (nothing(before) && nothing(after));
                if is_leaf {
                    leaf(old, new, out);
                } else {
                    self.entries(map, before, after, out);
                }
                is_leaf
            }
            Shape::List(list) => {
                let (before, after) = (old.and_then(Value::as_array), new.and_then(Value::as_array));
                let nothing = |side: Option<&Vec<Value>>| side.is_none_or(Vec::is_empty);
                let is_leaf = matches!(list.items, Items::Atomic) || (nothing(before) && nothing(after));
                if is_leaf {
                    leaf(old, new, out);
                } else if before != after {
                    let none = Vec::new();
                    self.items(list, before.unwrap_or(&none), after.unwrap_or(&none), out);
                }
                is_leaf
            }
        }
    }

    fn entries(
        &self,
        map: &MapType,
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
        out: &mut Difference,
    ) {
        let mut entry = |key: &String, before: Option<&Value>, after: Option<&Value>| {
            let mut child = Difference::default();
            match map.type_of(key) {
                Some(id) => self.values(id, before, after, &mut child),
                None => leaf(before, after, &mut child),
            }
            out.below.take(|| PathElement::Field(key.clone()), child);
        };
        for (key, before) in old.into_iter().flatten() {
            entry(key, Some(before), new.and_then(|new| new.get(key)));
        }
        for (key, after) in new.into_iter().flatten() {
            if old.is_none_or(|old| !old.contains_key(key)) {
                entry(key, None, Some(after));
            }
        }
    }

    fn items(&self, list: &List, old: &[Value], new: &[Value], out: &mut Difference) {
        let (before, after) = (Named::new(list, old), Named::new(list, new));
        let names: BTreeSet<&PathElement> = before.names().chain(after.names()).collect();
        for name in names {
            let mut child = Difference::default();
            let mut both = |old: Option<&Value>, new: Option<&Value>| self.values(list.element, old, new, &mut child);
            match (before.get(name), after.get(name)) {
                (old @ ([] | [_]), new @ ([] | [_])) => both(old.first().copied(), new.first().copied()),
                // Items of one name are one value together.
                (old @ [_, _, ..], new @ [_, _, ..]) => {
                    let same = old.len() == new.len() && old.iter().zip(new).all(|(l, r)| value::equal(l, r));
                    child.here.modified = !same;
                }
                ([_, _, ..], new) => {
                    if let Some(only) = new.first() {
                        both(None, Some(only));
                    }
                    child.here.removed = true;
                }
                (old, _) => {
                    if let Some(only) = old.first() {
                        both(Some(only), None);
                    }
                    child.here.added = true;
                }
            }
            out.below.take(|| name.clone(), child);
        }
    }
}

fn leaf(old: Option<&Value>, new: Option<&Value>, out: &mut Difference) {
    match (old, new) {
        (None, _) => out.here.added = true,
        (_, None) => out.here.removed = true,
        (Some(old), Some(new)) => out.here.modified |= !value::equal(old, new),
    }
}

fn same_shape(left: Shape<'_>, right: Shape<'_>) -> bool {
    matches!(
        (left, right),
        (Shape::Scalar(_), Shape::Scalar(_)) | (Shape::Map(_), Shape::Map(_)) | (Shape::List(_), Shape::List(_))
    )
}
