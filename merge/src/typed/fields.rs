//! Which fields an object has: what its applier comes to own.

use serde_json::{Map, Value};

use super::items::{self, Named};
use crate::path::PathElement;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, List, MapType, Shape, TypeId};
use crate::set::{FieldSet, Node};

/// The fields of an object.
///
/// Leaves are in the set, and with them every item of a list, every key of a map that is no declared field, and every
/// empty map; a struct or a list is not, unless it is owned whole.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{schema::Schema, typed};
/// let ty = Schema::kubernetes().kind("", "v1", "Pod").unwrap();
/// let fields = typed::fields(&ty, &json!({"spec": {"containers": [{"name": "app", "command": ["run", "it"]}]}}));
/// assert_eq!(
///     fields.to_string(),
///     r#".spec.containers[name="app"]
/// .spec.containers[name="app"].command
/// .spec.containers[name="app"].name"#
/// );
/// ```
#[must_use]
pub fn fields(ty: &TypeRef, object: &Value) -> FieldSet {
    Fields { arena: &ty.arena }.of(ty.id, object).below
}

/// The fields at one place and below it.
struct Found {
    here: bool,
    below: FieldSet,
}

struct Fields<'a> {
    arena: &'a Arena,
}

impl Fields<'_> {
    fn of(&self, id: TypeId, value: &Value) -> Found {
        let leaf = Found { here: true, below: FieldSet::new() };
        match (self.arena.shape(id, Some(value)), value) {
            (Shape::Scalar(_), _) => leaf,
            (Shape::Map(map), _) if map.atomic => leaf,
            (Shape::List(list), _) if matches!(list.items, Items::Atomic) => leaf,
            (Shape::Map(map), Value::Object(entries)) => Found { here: false, below: self.entries(map, entries) },
            (Shape::List(list), Value::Array(items)) => Found { here: false, below: self.items(list, items) },
            _ => Found { here: false, below: FieldSet::new() },
        }
    }

    fn entries(&self, map: &MapType, entries: &Map<String, Value>) -> FieldSet {
        let node = |(key, value): (&String, &Value)| {
            let found = match map.type_of(key) {
                Some(id) => self.of(id, value),
                None => Found { here: true, below: FieldSet::new() },
            };
            let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            let member = found.here || empty || map.field(key).is_none();
            Node { element: PathElement::Field(key.clone()), member, children: found.below }
        };
        FieldSet::from_nodes(entries.iter().map(node).collect())
    }

    fn items(&self, list: &List, items: &[Value]) -> FieldSet {
        let node = |element: PathElement, item: &Value| Node {
            element,
            member: true,
            children: self.of(list.element, item).below,
        };
        if items.len() == 1 {
            let only = items.iter().filter_map(|item| Some(node(items::name_of(list, item).ok()?, item)));
            return FieldSet::from_nodes(only.collect());
        }
        // Items of one name are one field together; nothing below them can be owned.
        let nodes = Named::new(list, items).into_entries().map(|(name, items)| match items.as_slice() {
            [only] => node(name, only),
            _ => Node { element: name, member: true, children: FieldSet::new() },
        });
        FieldSet::from_nodes(nodes.collect())
    }
}
