//! Parts of objects: what a patch or a part of a configuration says of a field, given the field's pointer.

use serde_json::{Map, Value, json};

/// The names that a JSON pointer goes through.
fn names(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
}

/// Sets a value in an object, or takes it out with `null`; what is no map and no list on the way stays as it is.
pub(super) fn alter(whole: &mut Value, pointer: &str, value: &Value) {
    let names = names(pointer);
    let Some((last, before)) = names.split_last() else { return };
    let mut at = whole;
    for name in before {
        at = match at {
            Value::Array(items) => match name.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                Some(item) => item,
                None => return,
            },
            Value::Object(map) => map.entry(name.clone()).or_insert_with(|| json!({})),
            _ => return,
        };
    }
    if let Value::Object(map) = at {
        match value {
            Value::Null => map.remove(last),
            value => map.insert(last.clone(), value.clone()),
        };
    }
}

/// Sets a value in a patch, `null` included.
pub(super) fn set(patch: &mut Value, pointer: &str, value: &Value) {
    let mut at = patch;
    let parts = names(pointer);
    for (number, part) in parts.iter().enumerate() {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let map = at.as_object_mut().unwrap();
        if number + 1 == parts.len() {
            map.insert(part.clone(), value.clone());
            return;
        }
        at = map.entry(part.clone()).or_insert_with(|| json!({}));
    }
}

/// Sets a value in a part of an object; an item of a list is named by what tells it apart in the whole.
pub(super) fn sparse(part: &mut Value, whole: &Value, pointer: &str, value: &Value) {
    let mut at = part;
    let mut like = Some(whole);
    let names = names(pointer);
    for (number, name) in names.iter().enumerate() {
        let last = number + 1 == names.len();
        let next = like.and_then(|like| match like {
            Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
            other => other.get(name),
        });
        if name.parse::<usize>().is_ok() {
            if at.as_array().is_none_or(Vec::is_empty) {
                let mut item = Map::new();
                for key in ["name", "port", "host"] {
                    if let Some(value) = next.and_then(|next| next.get(key)) {
                        item.insert(key.to_owned(), value.clone());
                    }
                }
                *at = json!([item]);
            }
            at = &mut at.as_array_mut().unwrap()[0];
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            let map = at.as_object_mut().unwrap();
            if last {
                map.insert(name.clone(), value.clone());
                return;
            }
            at = map.entry(name.clone()).or_insert(Value::Null);
        }
        like = next;
    }
}
