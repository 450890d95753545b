//! The short way to see that an apply changes nothing.
//!
//! It walks the configuration once beside the live object and once beside the `fieldsV1` of the manager's entry, and
//! builds nothing. Where it says no, nothing is proven: the whole algorithm has to decide. Where it says yes, the whole
//! algorithm leaves the object as it is; a property test compares the two.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::apply::ApplyOptions;
use crate::json_text::Encoder;
use crate::object::{self, NEVER_OWNED};
use crate::path::PathElement;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, Items, List, ListKey, MapType, Shape, TypeId};
use crate::set::FieldSet;
use crate::typed::items::same_name;
use crate::update::manager_name;
use crate::value;

/// Whether applying the configuration certainly leaves the live object, owners included, as it is.
pub(crate) fn is_unchanged(ty: &TypeRef, live: &Value, config: &Value, options: &ApplyOptions<'_>) -> bool {
    options.only.is_none()
        && owners_stay(ty, live, config, options)
        && Covered { arena: &ty.arena }.value(ty.id, live, config)
}

/// Whether the live object's owners are in order, and the manager owns just what it applies.
fn owners_stay(ty: &TypeRef, live: &Value, config: &Value, options: &ApplyOptions<'_>) -> bool {
    let Some(entries) = live.pointer("/metadata/managedFields").and_then(Value::as_array) else { return false };
    let name = manager_name(options.manager);
    let mut mine = None;
    for entry in entries {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let in_order = text("fieldsType") == "FieldsV1"
            && matches!(text("operation"), "Apply" | "Update")
            && !text("apiVersion").is_empty()
            && (options.versions.is_none() || text("apiVersion") == object::api_version(config));
        let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object).filter(|_| in_order) else { return false };
        let is_mine =
            text("operation") == "Apply" && text("manager") == name && text("subresource") == options.subresource;
        if is_mine && (mine.replace(fields).is_some() || text("apiVersion") != object::api_version(config)) {
            return false;
        }
        // What is just the fields of a configuration is settled.
        if fields.is_empty() || !(is_mine || is_settled(&ty.arena, ty.id, fields)) {
            return false;
        }
    }
    let mut owned = Owned { arena: &ty.arena, key: String::new() };
    let root = Left { never: Some(&NEVER_OWNED), ignored: options.ignored };
    mine.is_some_and(|fields| owned.value(ty.id, config, fields, root).is_some_and(|here| !here))
}

/// Whether a set can be read, and the schema of today has nothing to change about it.
fn is_settled(arena: &Arena, id: TypeId, fields: &Map<String, Value>) -> bool {
    fields.iter().filter(|(key, _)| *key != ".").all(|(key, below)| {
        let Value::Object(below) = below else { return false };
        let child = match (arena.shape(id, None), key.split_at_checked(2)) {
            (Shape::Map(map), Some(("f:", name))) if !arena.is_deduced_map(map) => map.type_of(name),
            (Shape::Map(_), Some(("f:", _))) => None,
            (Shape::List(list), Some(("k:", name))) if name.starts_with('{') && is_json(name) => Some(list.element),
            (Shape::List(list), Some(("v:", value))) if is_json(value) => Some(list.element),
            _ => return false,
        };
        let leads_on = below.keys().any(|key| key != ".");
        match child.map(|child| (child, arena.shape(child, None))) {
            Some((_, Shape::Map(map))) if map.atomic => !leads_on,
            Some((_, Shape::List(List { items: Items::Atomic, .. }))) => !leads_on,
            Some((child, _)) => !leads_on || is_settled(arena, child, below),
            // Nothing is known of what lies below; it only has to be readable.
            None => below.iter().all(|(key, below)| key == "." || (key.starts_with("f:") && below.is_object())),
        }
    })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Whether laying the configuration over the live object changes it.
struct Covered<'a> {
    arena: &'a Arena,
}

impl Covered<'_> {
    fn value(&self, id: TypeId, live: &Value, config: &Value) -> bool {
        match (self.arena.shape(id, Some(config)), live, config) {
            (Shape::Map(map), Value::Object(live), Value::Object(config)) if !map.atomic => {
                let mut live = Lookup::new(live);
                config.iter().all(|(key, config)| match (map.type_of(key), live.get(key)) {
                    (Some(id), Some(live)) => self.value(id, live, config),
                    _ => false,
                })
            }
            (Shape::List(list), Value::Array(live), Value::Array(config)) if !matches!(list.items, Items::Atomic) => {
                self.items(list, live, config)
            }
            _ => value::equal(live, config),
        }
    }

    /// The live list has each item once, in the same order, and none of them changes.
    fn items(&self, list: &List, live: &[Value], config: &[Value]) -> bool {
        let mut next = 0;
        config.iter().all(|item| {
            let mut same = live.iter().enumerate().filter(|(_, live)| same_name(list, live, item));
            match (same.next(), same.next()) {
                (Some((position, found)), None) if position >= next => {
                    next = position + 1;
                    self.value(list.element, found, item)
                }
                _ => false,
            }
        })
    }
}

/// What is taken out of a configuration's fields before they are owned, at one place.
#[derive(Clone, Copy)]
struct Left<'a> {
    /// Taken out by themselves.
    never: Option<&'a FieldSet>,
    /// Taken out with all that lies below.
    ignored: Option<&'a FieldSet>,
}

impl<'a> Left<'a> {
    const NOTHING: Self = Self { never: None, ignored: None };

    /// What of it concerns a field: whether the field itself goes, whether all below goes too, and the rest.
    fn at(self, key: &str) -> (bool, bool, Self) {
        if self.never.is_none() && self.ignored.is_none() {
            return (false, false, Self::NOTHING);
        }
        let element = PathElement::field(key);
        let node = |set: Option<&'a FieldSet>| set.and_then(|set| set.node(&element));
        let (never, ignored) = (node(self.never), node(self.ignored));
        let rest = Self { never: never.map(|node| &node.children), ignored: ignored.map(|node| &node.children) };
        (never.is_some_and(|node| node.member), ignored.is_some_and(|node| node.member), rest)
    }
}

/// Looks keys up in a map; quick where they come in the order of the map's own keys.
struct Lookup<'a> {
    map: &'a Map<String, Value>,
    rest: std::iter::Peekable<serde_json::map::Iter<'a>>,
}

impl<'a> Lookup<'a> {
    fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, rest: map.iter().peekable() }
    }

    fn get(&mut self, key: &str) -> Option<&'a Value> {
        self.ahead(|next| next.cmp(key)).or_else(|| self.map.get(key))
    }

    /// What a `fieldsV1` has under the name of a field; `memory` is written over.
    fn get_field(&mut self, name: &str, memory: &mut String) -> Option<&'a Value> {
        let order = |next: &str| next.strip_prefix("f:").map_or_else(|| next.cmp("f:"), |next| next.cmp(name));
        self.ahead(order).or_else(|| {
            memory.clear();
            memory.push_str("f:");
            memory.push_str(name);
            self.map.get(memory.as_str())
        })
    }

    /// Goes on to a key; stops where the next one would come after it.
    fn ahead(&mut self, order: impl Fn(&str) -> Ordering) -> Option<&'a Value> {
        while let Some((key, value)) = self.rest.next_if(|(key, _)| order(key) != Ordering::Greater) {
            if order(key) == Ordering::Equal {
                return Some(value);
            }
        }
        None
    }
}

/// Compares the fields of a configuration with a `fieldsV1`, without building either.
struct Owned<'a> {
    arena: &'a Arena,
    /// The key looked up last; kept for its memory.
    key: String,
}

impl Owned<'_> {
    /// Whether the value's own path is among its fields; `None` where what lies below is not the same.
    fn value(&mut self, id: TypeId, config: &Value, fields: &Map<String, Value>, left: Left<'_>) -> Option<bool> {
        let below = fields.len() - usize::from(fields.contains_key("."));
        let arena = self.arena;
        match (arena.shape(id, Some(config)), config) {
            (Shape::Map(map), Value::Object(entries)) if !map.atomic => {
                (self.entries(map, entries, fields, left)? == below).then_some(false)
            }
            (Shape::List(list), Value::Array(items)) if !matches!(list.items, Items::Atomic) => {
                (self.items(list, items, fields)? == below).then_some(false)
            }
            (Shape::Scalar(_), _) => (below == 0).then_some(true),
            (Shape::Map(map), _) => (below == 0).then_some(map.atomic),
            (Shape::List(list), _) => (below == 0).then_some(matches!(list.items, Items::Atomic)),
        }
    }

    /// How many of the entries are owned or lead to what is.
    fn entries(
        &mut self,
        map: &MapType,
        entries: &Map<String, Value>,
        fields: &Map<String, Value>,
        left: Left<'_>,
    ) -> Option<usize> {
        static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let mut count = 0;
        let mut lookup = Lookup::new(fields);
        for (key, value) in entries {
            let (goes, all_goes, rest) = left.at(key);
            if all_goes {
                continue;
            }
            let found = lookup.get_field(key, &mut self.key).map(|found| found.as_object());
            let below = match found {
                Some(found) => found?,
                None => &NOTHING,
            };
            let here = self.value(map.type_of(key)?, value, below, rest)?;
            let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            let member = !goes && (here || empty || map.field(key).is_none());
            let owned = found.is_some() && (below.is_empty() || below.contains_key("."));
            if member != owned {
                return None;
            }
            count += usize::from(found.is_some());
        }
        Some(count)
    }

    fn items(&mut self, list: &List, items: &[Value], fields: &Map<String, Value>) -> Option<usize> {
        for item in items {
            self.name(list, item)?;
            let below = fields.get(&self.key)?.as_object()?;
            if !below.is_empty() && !below.contains_key(".") {
                return None;
            }
            self.value(list.element, item, below, Left::NOTHING)?;
        }
        Some(items.len())
    }

    /// Writes the key that an item of a list goes by.
    fn name(&mut self, list: &List, item: &Value) -> Option<()> {
        self.key.clear();
        match &list.items {
            Items::Atomic => None,
            Items::Set => {
                self.key.push_str("v:");
                Encoder::FieldsV1.write(item, &mut self.key);
                Some(())
            }
            Items::Keyed(keys) => {
                let item = item.as_object()?;
                let mut keys: Vec<&ListKey> = keys.iter().collect();
                keys.sort_by(|l, r| l.name.cmp(&r.name));
                self.key.push_str("k:{");
                let mut separator = "";
                for key in keys {
                    let Some(value) = item.get(&key.name).or(key.default.as_ref()) else { continue };
                    self.key.push_str(separator);
                    separator = ",";
                    Encoder::FieldsV1.write_string(&key.name, &mut self.key);
                    self.key.push(':');
                    Encoder::FieldsV1.write(value, &mut self.key);
                }
                self.key.push('}');
                Some(())
            }
        }
    }
}
