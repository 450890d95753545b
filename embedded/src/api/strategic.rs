//! Strategic merge patch: Kubernetes' own patch form, where lists merge by the keys that the schema names, and
//! directives (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList`, `$setElementOrder`) steer it.

use serde_json::{Map, Value};
use structured_merge::schema::TypeRef;

use crate::failure::Failure;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Patches an object of a type.
pub(crate) fn apply(target: &mut Value, patch: &Value, ty: &TypeRef) -> Result<(), Failure> {
    let Value::Object(patch) = patch else {
        return Err(Failure::bad_request("error decoding patch: the patch must be a map"));
    };
    map(target, patch, Some(ty))
}

fn map(target: &mut Value, patch: &Map<String, Value>, ty: Option<&TypeRef>) -> Result<(), Failure> {
    match patch.get(PATCH).and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => {
            *target =
                Value::Object(patch.iter().filter(|(k, _)| *k != PATCH).map(|(k, v)| (k.clone(), v.clone())).collect());
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => return Err(Failure::bad_request(format!("unknown patch type: {other}"))),
    }
    let target = crate::object::as_map(target);
    if let Some(retained) = patch.get(RETAIN).and_then(Value::as_array) {
        target.retain(|key, _| retained.iter().any(|kept| kept.as_str() == Some(key)));
    }
    for (key, value) in patch {
        if key.starts_with('$') {
            if let Some(list) = key.strip_prefix(DELETE) {
                let gone = value.as_array().map(Vec::as_slice).unwrap_or_default();
                if let Some(items) = target.get_mut(list).and_then(Value::as_array_mut) {
                    items.retain(|item| !gone.contains(item));
                }
            }
            continue;
        }
        let field = ty.and_then(|ty| ty.declared_field(key));
        let inner = ty.and_then(|ty| ty.field(key));
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let replaces = field.as_ref().is_some_and(|f| f.patch.retain_keys) && patch.contains_key(RETAIN);
                let entry = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if replaces && !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                map(entry, patch, inner.as_ref())?;
            }
            Value::Array(patch) => {
                let rule = field.as_ref().map(|f| f.patch).filter(|rule| rule.merge);
                let entry = target.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                match (rule, entry) {
                    (Some(rule), Value::Array(items)) => {
                        let item_type = inner.as_ref().and_then(TypeRef::items);
                        list(items, patch, rule.merge_key.as_deref(), item_type.as_ref())?;
                    }
                    (_, entry) => *entry = Value::Array(without_directives(patch)),
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
    for (key, order) in patch {
        if let (Some(name), Some(order)) = (key.strip_prefix(ORDER), order.as_array())
            && let Some(items) = target.get_mut(name).and_then(Value::as_array_mut)
        {
            let merge_key = ty.and_then(|ty| ty.declared_field(name)).and_then(|f| f.patch.merge_key.clone());
            sort_like(items, order, merge_key.as_deref());
        }
    }
    Ok(())
}

fn without_directives(patch: &[Value]) -> Vec<Value> {
    patch.iter().filter(|item| item.get(PATCH).is_none()).cloned().collect()
}

fn list(
    items: &mut Vec<Value>,
    patch: &[Value],
    merge_key: Option<&str>,
    item_type: Option<&TypeRef>,
) -> Result<(), Failure> {
    if patch.iter().any(|item| item.get(PATCH).and_then(Value::as_str) == Some("replace")) {
        *items = without_directives(patch);
        return Ok(());
    }
    let Some(merge_key) = merge_key else {
        for item in patch {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
        return Ok(());
    };
    for item in patch {
        let Value::Object(item_patch) = item else {
            return Err(Failure::bad_request("error decoding patch: an item of a merged list must be a map"));
        };
        let Some(wanted) = item_patch.get(merge_key) else {
            let text = format!("map: {item} does not contain declared merge key: {merge_key}");
            return Err(Failure::internal(text));
        };
        let at = items.iter().position(|item| item.get(merge_key) == Some(wanted));
        if item_patch.get(PATCH).and_then(Value::as_str) == Some("delete") {
            items.retain(|item| item.get(merge_key) != Some(wanted));
            continue;
        }
        match at.and_then(|at| items.get_mut(at)) {
            Some(found) => map(found, item_patch, item_type)?,
            None => {
                let mut new = Value::Object(Map::new());
                map(&mut new, item_patch, item_type)?;
                items.push(new);
            }
        }
    }
    Ok(())
}

/// Puts items into the order that the patch names; those it does not name keep their place after the one before them.
fn sort_like(items: &mut [Value], order: &[Value], merge_key: Option<&str>) {
    let place = |item: &Value| {
        let same = |wanted: &Value| match merge_key {
            Some(key) => wanted.get(key) == item.get(key),
            None => wanted == item,
        };
        order.iter().position(same)
    };
    let mut last = 0;
    let mut keys: Vec<usize> = Vec::with_capacity(items.len());
    for item in items.iter() {
        last = place(item).unwrap_or(last);
        keys.push(last);
    }
    let mut sorted: Vec<(usize, Value)> = keys.into_iter().zip(items.iter().cloned()).collect();
    sorted.sort_by_key(|(key, _)| *key);
    for (slot, (_, item)) in items.iter_mut().zip(sorted) {
        *slot = item;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;
    use structured_merge::schema::Schema;

    use super::*;

    #[track_caller]
    fn check(target: Value, patch: Value, expected: Value) {
        let ty = Schema::kubernetes().kind("", "v1", "Pod").unwrap();
        let mut target = json!({"spec": target});
        apply(&mut target, &json!({"spec": patch}), &ty).unwrap();
        assert_eq!(target, json!({"spec": expected}));
    }

    #[test]
    fn strategic_patches() {
        check(
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}),
            json!({"containers": [{"name": "b", "image": "z"}, {"name": "c"}, {"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b", "image": "z"}, {"name": "c"}]}),
        );
        check(
            json!({"tolerations": [{"key": "a"}], "hostNetwork": true}),
            json!({"tolerations": [{"key": "b"}], "hostNetwork": null}),
            json!({"tolerations": [{"key": "b"}]}),
        );
        check(
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}),
            json!({"containers": [{"name": "c"}]}),
        );
        check(
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
            json!({"containers": [{"name": "b"}, {"name": "a"}]}),
        );
        check(
            json!({"securityContext": {"runAsUser": 1, "fsGroup": 2}}),
            json!({"securityContext": {"$patch": "replace", "fsGroup": 3}}),
            json!({"securityContext": {"fsGroup": 3}}),
        );
    }
}
