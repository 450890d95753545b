//! What changed between two objects, field by field, with the values.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::path::{FieldPath, PathElement};
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, List, MapType, Shape, TypeId};
use crate::typed::items::Named;
use crate::value;

/// One field that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub path: FieldPath,
    /// Its value before; absent where the field is new.
    pub before: Option<Value>,
    /// Its value after; absent where the field is gone.
    pub after: Option<Value>,
}

/// The leaves in which two objects differ, sorted by path.
///
/// A leaf is a scalar, a list or map that is owned whole, or an empty one. Items of list maps are matched by key and
/// items of sets by value, so their order does not count; items that a list holds more than once are one leaf together,
/// a list of them. `metadata.managedFields` is left out.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{diff::diff, schema::Schema};
/// let ty = Schema::kubernetes().kind("", "v1", "Pod").unwrap();
/// let before = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]}});
/// let after = json!({"spec": {"containers": [{"name": "b"}, {"name": "a", "image": "x:2"}]}});
/// let changes = diff(&ty, &before, &after);
/// assert_eq!(changes.len(), 1);
/// assert_eq!(changes[0].path.to_string(), r#".spec.containers[name="a"].image"#);
/// assert_eq!((&changes[0].before, &changes[0].after), (&Some(json!("x:1")), &Some(json!("x:2"))));
/// ```
#[must_use]
pub fn diff(ty: &TypeRef, before: &Value, after: &Value) -> Vec<Change> {
    let mut walk = Walk { arena: &ty.arena, path: Vec::new(), changes: Vec::new() };
    walk.values(Some(ty.id), Some(before), Some(after));
    let managed_fields = FieldPath::of_fields(["metadata", "managedFields"]);
    walk.changes.retain(|change| !change.path.starts_with(&managed_fields));
    walk.changes.sort_by(|l, r| l.path.cmp(&r.path));
    walk.changes
}

struct Walk<'a> {
    arena: &'a Arena,
    path: Vec<PathElement>,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn values(&mut self, id: Option<TypeId>, before: Option<&Value>, after: Option<&Value>) {
        if before == after {
            return;
        }
        let sample = after.filter(|value| !value.is_null()).or(before);
        match id.map(|id| self.arena.shape(id, sample)) {
            Some(Shape::Map(map)) if !map.atomic => match (entries(before), entries(after)) {
                (Some(old), Some(new)) if !(old.is_empty() && new.is_empty()) => {
                    self.maps(map, old, new, before, after)
                }
                _ => self.leaf(before, after),
            },
            Some(Shape::List(list)) if !matches!(list.items, Items::Atomic) => match (items(before), items(after)) {
                (Some(old), Some(new)) if !(old.is_empty() && new.is_empty()) => {
                    self.lists(list, old, new, before, after)
                }
                _ => self.leaf(before, after),
            },
            _ => self.leaf(before, after),
        }
    }

    fn maps(
        &mut self,
        map: &MapType,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        self.emptied(old.is_empty(), new.is_empty(), before, after);
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            self.path.push(PathElement::Field(key.clone()));
            self.values(map.type_of(key), old.get(key), new.get(key));
            self.path.pop();
        }
    }

    fn lists(&mut self, list: &List, old: &[Value], new: &[Value], before: Option<&Value>, after: Option<&Value>) {
        self.emptied(old.is_empty(), new.is_empty(), before, after);
        let (by_name_old, by_name_new) = (Named::new(list, old), Named::new(list, new));
        let names: BTreeSet<&PathElement> = by_name_old.names().chain(by_name_new.names()).collect();
        for name in names {
            self.path.push(name.clone());
            match (by_name_old.get(name), by_name_new.get(name)) {
                (old @ ([] | [_]), new @ ([] | [_])) => {
                    self.values(Some(list.element), old.first().copied(), new.first().copied());
                }
                (old, new) => {
                    let together = |items: &[&Value]| match items {
                        [] => None,
                        [only] => Some((*only).clone()),
                        several => Some(several.iter().map(|item| (*item).clone()).collect()),
                    };
                    let (old, new) = (together(old), together(new));
                    self.leaf(old.as_ref(), new.as_ref());
                }
            }
            self.path.pop();
        }
    }

    /// A container that was or becomes empty is a leaf beside what it holds on the other side.
    fn emptied(&mut self, old_empty: bool, new_empty: bool, before: Option<&Value>, after: Option<&Value>) {
        if old_empty && before.is_some() {
            self.leaf(before, None);
        }
        if new_empty && after.is_some() {
            self.leaf(None, after);
        }
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let same = match (before, after) {
            (Some(before), Some(after)) => value::equal(before, after),
            (None, None) => true,
            _ => false,
        };
        if !same {
            let path = FieldPath(self.path.clone());
            self.changes.push(Change { path, before: before.cloned(), after: after.cloned() });
        }
    }
}

/// The entries of a map; nothing counts as an empty one, and what is no map has none.
fn entries(value: Option<&Value>) -> Option<&Map<String, Value>> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        None => Some(&NONE),
        Some(value) => value.as_object(),
    }
}

/// The items of a list; nothing counts as an empty one, and what is no list has none.
fn items(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None => Some(&[]),
        Some(value) => value.as_array().map(Vec::as_slice),
    }
}
