//! Taking fields out of an object, and taking an object's fields alone.

use serde_json::{Map, Value};

use super::items;
use crate::path::PathElement;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, List, MapType, Shape, TypeId};
use crate::set::FieldSet;

/// The object without these fields. What becomes empty because its content went stays, empty.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{path::FieldPath, schema::Schema, typed};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let gone = [FieldPath::of_fields(["data", "a"])].into_iter().collect();
/// assert_eq!(typed::remove(&ty, &json!({"data": {"a": "1", "b": "2"}}), &gone), json!({"data": {"b": "2"}}));
/// ```
#[must_use]
pub fn remove(ty: &TypeRef, object: &Value, fields: &FieldSet) -> Value {
    Remove { arena: &ty.arena }.value(ty.id, object, fields).unwrap_or(Value::Null)
}

/// The object with these fields alone.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{path::FieldPath, schema::Schema, typed};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let mine = [FieldPath::of_fields(["data", "a"])].into_iter().collect();
/// assert_eq!(typed::extract(&ty, &json!({"data": {"a": "1", "b": "2"}}), &mine), json!({"data": {"a": "1"}}));
/// ```
#[must_use]
pub fn extract(ty: &TypeRef, object: &Value, fields: &FieldSet) -> Value {
    Extract { arena: &ty.arena }.value(ty.id, object, fields).unwrap_or(Value::Null)
}

struct Remove<'a> {
    arena: &'a Arena,
}

impl Remove<'_> {
    /// What is left, or nothing.
    fn value(&self, id: TypeId, value: &Value, fields: &FieldSet) -> Option<Value> {
        match (self.arena.shape(id, Some(value)), value) {
            (Shape::Scalar(_), _) => Some(value.clone()),
            (Shape::Map(map), Value::Object(entries)) if !map.atomic => self.map(map, entries, fields),
            (Shape::List(list), Value::Array(items)) if !matches!(list.items, Items::Atomic) => {
                self.list(list, items, fields)
            }
            _ => None,
        }
    }

    fn map(&self, map: &MapType, entries: &Map<String, Value>, fields: &FieldSet) -> Option<Value> {
        let mut left = Map::new();
        let mut touched = false;
        for (key, value) in entries {
            let Some(node) = fields.node(&PathElement::Field(key.clone())) else {
                left.insert(key.clone(), value.clone());
                continue;
            };
            if node.member {
                continue;
            }
            touched = true;
            left.insert(key.clone(), self.inside(map.type_of(key), value, &node.children));
        }
        (!left.is_empty() || touched).then_some(Value::Object(left))
    }

    fn list(&self, list: &List, items: &[Value], fields: &FieldSet) -> Option<Value> {
        let mut left = Vec::with_capacity(items.len());
        let mut touched = false;
        for item in items {
            let Some(node) = items::name_of(list, item).ok().and_then(|name| fields.node(&name)) else {
                left.push(item.clone());
                continue;
            };
            if node.member {
                continue;
            }
            touched = true;
            left.push(self.inside(Some(list.element), item, &node.children));
        }
        (!left.is_empty() || touched).then_some(Value::Array(left))
    }

    /// What is left of a value from which something inside goes; an emptied container stays.
    fn inside(&self, id: Option<TypeId>, value: &Value, fields: &FieldSet) -> Value {
        let left = id.and_then(|id| self.value(id, value, fields)).unwrap_or(Value::Null);
        match (left, value) {
            (Value::Null, Value::Object(_)) => Value::Object(Map::new()),
            (Value::Null, Value::Array(_)) => Value::Array(Vec::new()),
            (left, _) => left,
        }
    }
}

struct Extract<'a> {
    arena: &'a Arena,
}

impl Extract<'_> {
    fn value(&self, id: TypeId, value: &Value, fields: &FieldSet) -> Option<Value> {
        match (self.arena.shape(id, Some(value)), value) {
            (Shape::Map(map), Value::Object(entries)) if !map.atomic && !entries.is_empty() => {
                self.map(map, entries, fields)
            }
            (Shape::List(list), Value::Array(items)) if !matches!(list.items, Items::Atomic) && !items.is_empty() => {
                self.list(list, items, fields)
            }
            _ => Some(value.clone()),
        }
    }

    fn map(&self, map: &MapType, entries: &Map<String, Value>, fields: &FieldSet) -> Option<Value> {
        let mut taken = Map::new();
        for (key, value) in entries {
            let Some(node) = fields.node(&PathElement::Field(key.clone())) else { continue };
            // A map that was empty when it came to be owned is looked into with the names of its neighbours. The Go
            // library does so, and whoever takes a configuration out by both gets the same.
            let inside = if node.children.is_empty() { fields } else { &node.children };
            let inside = map.type_of(key).and_then(|id| self.value(id, value, inside));
            taken.insert(key.clone(), inside.unwrap_or(Value::Null));
        }
        (!taken.is_empty()).then_some(Value::Object(taken))
    }

    fn list(&self, list: &List, items: &[Value], fields: &FieldSet) -> Option<Value> {
        let mut taken = Vec::new();
        for item in items {
            let Some(node) = items::name_of(list, item).ok().and_then(|name| fields.node(&name)) else { continue };
            let inside = if node.children.is_empty() {
                Some(item.clone())
            } else {
                self.value(list.element, item, &node.children)
            };
            taken.push(inside.unwrap_or(Value::Null));
        }
        (!taken.is_empty()).then_some(Value::Array(taken))
    }
}
