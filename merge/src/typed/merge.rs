//! Laying one object over another.
//!
//! Where both have a value, the upper one wins, except that maps which are owned key by key, and lists whose items have
//! names, are merged inside. Both sides are taken to fit their type.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::items::{self, Named};
use crate::path::PathElement;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, List, MapType, Shape, TypeId};

/// Lays `upper` over `lower`.
///
/// An item that only `lower` has stays in its place; the order of items that both have is that of `upper`. A null in
/// `upper` replaces a scalar and leaves a map or list as it is, as on the server.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{schema::Schema, typed};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let merged = typed::merge(&ty, &json!({"data": {"a": "1", "b": "2"}}), &json!({"data": {"b": "3"}}));
/// assert_eq!(merged, json!({"data": {"a": "1", "b": "3"}}));
/// ```
#[must_use]
pub fn merge(ty: &TypeRef, lower: &Value, upper: &Value) -> Value {
    Merge { arena: &ty.arena }.values(ty.id, lower, upper)
}

struct Merge<'a> {
    arena: &'a Arena,
}

impl Merge<'_> {
    fn values(&self, id: TypeId, lower: &Value, upper: &Value) -> Value {
        match self.arena.shape(id, Some(upper)) {
            Shape::Scalar(_) => upper.clone(),
            Shape::Map(map) => self.maps(map, lower, upper),
            Shape::List(list) => self.lists(list, lower, upper),
        }
    }

    fn maps(&self, map: &MapType, lower: &Value, upper: &Value) -> Value {
        let (below, above) = (lower.as_object(), upper.as_object());
        let nothing = |side: Option<&Map<String, Value>>| side.is_none_or(Map::is_empty);
        if map.atomic || (nothing(below) && nothing(above)) {
            return upper.clone();
        }
        let mut merged = Map::new();
        for (key, value) in below.into_iter().flatten() {
            let value = match above.and_then(|above| above.get(key)) {
                Some(over) => self.entry(map, key, value, over),
                None => value.clone(),
            };
            merged.insert(key.clone(), value);
        }
        for (key, value) in above.into_iter().flatten() {
            if !merged.contains_key(key) {
                merged.insert(key.clone(), value.clone());
            }
        }
        Value::Object(merged)
    }

    fn entry(&self, map: &MapType, key: &str, lower: &Value, upper: &Value) -> Value {
        map.type_of(key).map_or_else(|| upper.clone(), |id| self.values(id, lower, upper))
    }

    fn lists(&self, list: &List, lower: &Value, upper: &Value) -> Value {
        let (below, above) = (lower.as_array(), upper.as_array());
        let nothing = |side: Option<&Vec<Value>>| side.is_none_or(Vec::is_empty);
        if matches!(list.items, Items::Atomic) || (nothing(below) && nothing(above)) {
            return upper.clone();
        }
        let none = Vec::new();
        Value::Array(self.items(list, below.unwrap_or(&none), above.unwrap_or(&none)))
    }

    /// Walks both lists at once. Items of the lower one that the upper one does not name keep their place among their
    /// neighbours; where the two disagree on the order of items both have, the upper one is followed.
    fn items(&self, list: &List, below: &[Value], above: &[Value]) -> Vec<Value> {
        let (below_names, above_names) = (names(list, below), names(list, above));
        let (by_name_below, by_name_above) = (Named::new(list, below), Named::new(list, above));
        let mut shared = above_names.iter().filter(|(name, _)| by_name_below.contains(name)).map(|(name, _)| name);
        let mut next_shared = shared.next();
        let mut placed: BTreeSet<&PathElement> = BTreeSet::new();
        let mut merged = Vec::with_capacity(below.len().max(above.len()));
        let (mut lower, mut upper) = (below_names.iter().peekable(), above_names.iter().peekable());
        while lower.peek().is_some() || upper.peek().is_some() {
            if let (Some((name, _)), Some((over, _))) = (lower.peek(), upper.peek()) {
                if name == over {
                    placed.insert(over);
                    merged.push(self.item(list, &by_name_below, &by_name_above, over));
                    lower.next();
                    upper.next();
                    next_shared = shared.next();
                    continue;
                }
                if by_name_above.contains(name) && next_shared.is_some_and(|next| next != name) {
                    lower.next();
                    continue;
                }
            }
            if let Some((name, value)) = lower.peek() {
                if !by_name_above.contains(name) {
                    merged.push((*value).clone());
                    lower.next();
                    continue;
                }
                if placed.contains(name) {
                    lower.next();
                }
            }
            if let Some((over, _)) = upper.next() {
                placed.insert(over);
                merged.push(self.item(list, &by_name_below, &by_name_above, over));
                if next_shared == Some(over) {
                    next_shared = shared.next();
                }
            }
        }
        merged
    }

    /// The upper item laid over the lower one. Items that the lower list has more than once are replaced, not merged.
    fn item(&self, list: &List, below: &Named<'_>, above: &Named<'_>, name: &PathElement) -> Value {
        match (below.get(name), above.get(name).first()) {
            ([lower], Some(upper)) => self.values(list.element, lower, upper),
            ([_, ..], Some(upper)) => self.values(list.element, &Value::Null, upper),
            (_, Some(upper)) => (*upper).clone(),
            (_, None) => Value::Null,
        }
    }
}

fn names<'a>(list: &List, items: &'a [Value]) -> Vec<(PathElement, &'a Value)> {
    items.iter().filter_map(|item| Some((items::name_of(list, item).ok()?, item))).collect()
}
