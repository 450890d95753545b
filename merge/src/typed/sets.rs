//! What a schema has to say about a set of fields.

use crate::path::PathElement;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, Shape, TypeId};
use crate::set::{FieldSet, Node};

/// The set with every declared field that leads to one of its paths.
///
/// A struct is never owned by itself; where fields are taken away, it has to count as owned along with what it holds.
#[must_use]
pub fn with_named_fields(ty: &TypeRef, set: &FieldSet) -> FieldSet {
    named(&ty.arena, Some(ty.id), set)
}

fn named(arena: &Arena, id: Option<TypeId>, set: &FieldSet) -> FieldSet {
    let ty = id.map(|id| arena.get(id));
    let nodes = set.nodes().iter().map(|node| {
        let (declared, below) = match (&node.element, ty) {
            (PathElement::Field(name), Some(ty)) => {
                let map = ty.map.as_ref();
                (map.is_some_and(|map| map.field(name).is_some()), map.and_then(|map| map.type_of(name)))
            }
            (PathElement::Key(_), Some(ty)) => (false, ty.list.as_ref().map(|list| list.element)),
            _ => (false, None),
        };
        let leads_on = !node.children.is_empty();
        Node {
            element: node.element.clone(),
            member: node.member || (declared && leads_on),
            children: named(arena, below, &node.children),
        }
    });
    FieldSet::from_nodes(nodes.collect())
}

/// The set as it has to be read now that a list or map, which was owned item by item when it was written, is owned
/// whole. `None` where nothing changes.
#[must_use]
pub fn settled(ty: &TypeRef, set: &FieldSet) -> Option<FieldSet> {
    settle(&ty.arena, ty.id, set)
}

fn settle(arena: &Arena, id: TypeId, set: &FieldSet) -> Option<FieldSet> {
    let change = |node: &Node| {
        let below = child_type(arena, id, &node.element)?;
        let whole = owned_whole(arena, below);
        if whole && !node.children.is_empty() {
            return Some(Node { element: node.element.clone(), member: true, children: FieldSet::new() });
        }
        let children = if whole { None } else { settle(arena, below, &node.children) };
        children.map(|children| Node { children, ..node.clone() })
    };
    if set.nodes().iter().all(|node| change(node).is_none()) {
        return None;
    }
    Some(FieldSet::from_nodes(set.nodes().iter().map(|node| change(node).unwrap_or_else(|| node.clone())).collect()))
}

fn child_type(arena: &Arena, id: TypeId, element: &PathElement) -> Option<TypeId> {
    match (arena.shape(id, None), element) {
        (Shape::Map(map), _) if arena.is_deduced_map(map) => None,
        (Shape::Map(map), PathElement::Field(name)) => map.type_of(name),
        (Shape::Map(map), _) => map.element,
        (Shape::List(list), _) => Some(list.element),
        (Shape::Scalar(_), _) => None,
    }
}

fn owned_whole(arena: &Arena, id: TypeId) -> bool {
    match arena.shape(id, None) {
        Shape::Map(map) => map.atomic && !arena.is_deduced_map(map),
        Shape::List(list) => matches!(list.items, Items::Atomic),
        Shape::Scalar(_) => false,
    }
}
