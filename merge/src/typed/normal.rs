//! Whether the server would store two values as one, because it writes them in a normal form of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::path::{FieldPath, PathElement};
use crate::quantity;
use crate::schema::types::{Arena, Items, MapType, Shape, TypeId};
use crate::schema::{Format, TypeRef};
use crate::value;

use super::items;

/// How far two values are the same to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sameness {
    /// They are stored as one.
    Same,
    /// They may be: these fields have a form that the server may rewrite or drop.
    Unsure(Vec<FieldPath>),
    /// They are not.
    Different,
}

/// Compares what was live with what would be written.
pub(crate) fn sameness(ty: &TypeRef, live: &Value, written: &Value) -> Sameness {
    let mut walk =
        Walk { arena: &ty.arena, path: Vec::new(), unsure: Vec::new(), inside_whole: false, built_in: is_built_in(ty) };
    if !walk.values(Some(ty.id), Some(live), Some(written)) {
        return Sameness::Different;
    }
    if walk.unsure.is_empty() { Sameness::Same } else { Sameness::Unsure(walk.unsure) }
}

struct Walk<'a> {
    arena: &'a Arena,
    path: Vec<PathElement>,
    unsure: Vec<FieldPath>,
    /// Whether the place lies inside a list or map that is owned whole, so that what is applied replaces defaults too.
    inside_whole: bool,
    /// Whether the type is a built-in one, whose form leaves out scalars that are zero.
    built_in: bool,
}

impl Walk<'_> {
    /// False where the two are certainly different.
    fn values(&mut self, id: Option<TypeId>, live: Option<&Value>, written: Option<&Value>) -> bool {
        let shape = |value: &Value| id.map(|id| self.arena.shape(id, Some(value)));
        match (live, written) {
            (Some(live), Some(written)) if value::equal(live, written) => true,
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let map = match written.and_then(shape) {
                    Some(Shape::Map(map)) => Some(map),
                    _ => None,
                };
                let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                let outside = self.inside_whole;
                self.inside_whole |= map.is_none_or(|map| map.atomic);
                let same = keys.into_iter().all(|key| self.entry(map, key, old.get(key), new.get(key)));
                self.inside_whole = outside;
                same
            }
            (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
                let list = match written.and_then(shape) {
                    Some(Shape::List(list)) => Some(list),
                    _ => None,
                };
                let outside = self.inside_whole;
                self.inside_whole |= list.is_none_or(|list| matches!(list.items, Items::Atomic));
                let same = old.iter().zip(new).enumerate().all(|(position, (old, new))| {
                    let named = list.filter(|list| !matches!(list.items, Items::Atomic));
                    let name = named.and_then(|list| items::name_of(list, new).ok());
                    self.path.push(name.unwrap_or(PathElement::Index(position)));
                    let same = self.values(list.map(|list| list.element), Some(old), Some(new));
                    self.path.pop();
                    same
                });
                self.inside_whole = outside;
                same
            }
            (live, written) if is_nothing(live) && is_nothing(written) => self.unsure(),
            (None, Some(written)) if self.built_in && is_zero(written) => self.unsure(),
            // What is left out where a whole value is replaced may be a default, which comes back.
            (Some(_), None) if self.inside_whole => self.unsure(),
            // A null takes a value away, and a default may put it back.
            (Some(_), Some(Value::Null)) => self.unsure(),
            (Some(live), Some(written)) => match id.map_or(Format::Plain, |id| self.arena.get(id).format) {
                Format::Quantity => match (quantity::canonical(live), quantity::canonical(written)) {
                    (Some(live), Some(written)) => live == written,
                    _ => self.unsure(),
                },
                Format::Time => self.unsure(),
                Format::Bytes => same_bytes(live, written),
                Format::Plain | Format::IntOrString => false,
            },
            _ => false,
        }
    }

    fn entry(&mut self, map: Option<&MapType>, key: &str, live: Option<&Value>, written: Option<&Value>) -> bool {
        self.path.push(PathElement::field(key));
        let write_only = map.and_then(|map| map.field(key)).is_some_and(|field| field.write_only);
        let same = if write_only && live.is_none() {
            self.unsure()
        } else {
            self.values(map.and_then(|map| map.type_of(key)), live, written)
        };
        self.path.pop();
        same
    }

    fn unsure(&mut self) -> bool {
        self.unsure.push(FieldPath(self.path.clone()));
        true
    }
}

/// Bytes in base64 are stored without the line breaks they may be written with.
fn same_bytes(live: &Value, written: &Value) -> bool {
    let on_one_line = |value: &Value| value.as_str().map(|text| text.replace(['\r', '\n'], ""));
    on_one_line(live).is_some() && on_one_line(live) == on_one_line(written)
}

/// Only of built-in types it is known what they have even when nothing set it.
fn is_built_in(ty: &TypeRef) -> bool {
    ty.arena.get(ty.id).map.as_ref().is_some_and(|map| map.fields.iter().any(|field| field.always_present))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Nothing, null and empty containers: the server keeps some of them apart and some not.
fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}
