//! The parts that every object has (name, namespace, labels, owners …), read from and written to plain JSON. Knows
//! nothing about particular kinds.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A time in the form Kubernetes keeps it: RFC 3339, whole seconds, UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time to the microsecond, as events and leases keep it.
pub(crate) fn rfc3339_micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The time in a field, where there is one that can be read.
pub(crate) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    value.pointer(pointer)?.as_str()?.parse().ok()
}

/// The text in a field; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number in a field.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

/// Is the field there and true?
pub(crate) fn truth(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of a list field; none where there is no list.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a map field; none where there is no map.
pub(crate) fn entries<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// `metadata.name`.
pub(crate) fn name(value: &Value) -> &str {
    text(value, "/metadata/name")
}

/// The `name` of an item of a list: a container, a reference.
pub(crate) fn name_of(item: &Value) -> &str {
    text(item, "/name")
}

/// `metadata.namespace`; empty for an object of the whole cluster.
pub(crate) fn namespace(value: &Value) -> &str {
    text(value, "/metadata/namespace")
}

/// `metadata.uid`.
pub(crate) fn uid(value: &Value) -> &str {
    text(value, "/metadata/uid")
}

/// One label's value.
pub(crate) fn label<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.pointer("/metadata/labels")?.get(key)?.as_str()
}

/// One annotation's value.
pub(crate) fn annotation<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// Is the object marked for deletion?
pub(crate) fn is_deleting(value: &Value) -> bool {
    value.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
}

/// The finalizers that still hold the object.
pub(crate) fn finalizers(value: &Value) -> Vec<&str> {
    items(value, "/metadata/finalizers").iter().filter_map(Value::as_str).collect()
}

/// The object without one of its finalizers.
pub(crate) fn without_finalizer(value: &Value, finalizer: &str) -> Value {
    let mut new = value.clone();
    let kept: Vec<&str> = finalizers(value).into_iter().filter(|known| *known != finalizer).collect();
    if kept.is_empty() {
        remove(&mut new, "/metadata/finalizers");
    } else {
        let kept = kept.into_iter().map(|known| Value::String(known.to_owned())).collect();
        set(&mut new, "/metadata/finalizers", Value::Array(kept));
    }
    new
}

/// The owner reference that has `controller: true`.
pub(crate) fn controller(value: &Value) -> Option<&Value> {
    items(value, "/metadata/ownerReferences").iter().find(|owner| truth(owner, "/controller"))
}

/// A condition of the status by its type.
pub(crate) fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    items(value, "/status/conditions").iter().find(|c| text(c, "/type") == kind)
}

/// Is the condition there with status `True`?
pub(crate) fn condition_is_true(value: &Value, kind: &str) -> bool {
    condition(value, kind).is_some_and(|c| text(c, "/status") == "True")
}

/// The map at `key`, made where there is none (or something else).
pub(crate) fn map_mut<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    let map = as_map(value);
    as_map(map.entry(key.to_owned()).or_insert_with(|| Value::Object(Map::new())))
}

/// The value as a map; anything else is replaced by an empty one.
pub(crate) fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // Made a map just above; the compiler cannot see it.
        _ => unreachable!("the value was made a map"),
    }
}

/// `metadata` as a map.
pub(crate) fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    map_mut(value, "metadata")
}

/// Sets the field at a JSON pointer of plain names, making the maps on the way.
pub(crate) fn set(value: &mut Value, pointer: &str, new: Value) {
    let mut at = value;
    let mut names = pointer.trim_start_matches('/').split('/').peekable();
    while let Some(name) = names.next() {
        let name = name.replace("~1", "/").replace("~0", "~");
        if names.peek().is_none() {
            as_map(at).insert(name, new);
            return;
        }
        at = as_map(at).entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
}

/// Takes the field at a JSON pointer of plain names out of its map.
pub(crate) fn remove(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    value.pointer_mut(parent)?.as_object_mut()?.remove(name)
}

/// Inserts `new` at `key` only where nothing is there yet.
pub(crate) fn default_to(map: &mut Map<String, Value>, key: &str, new: Value) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), new);
    }
}

/// Sets the value at `key`, or takes it out where there is none.
pub(crate) fn replace(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}
