//! Strategic merge patch: Kubernetes' own patch form, where lists merge by the keys that the schema names, and
//! directives (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList`, `$setElementOrder`) steer it.

use serde_json::{Map, Value};
use structured_merge::schema::TypeRef;

use crate::decoding::print;
use crate::failure::Failure;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Patches an object of a type.
pub(crate) fn apply(target: &mut Value, patch: &Value, ty: &TypeRef) -> Result<(), Failure> {
    let mut whole = Map::new();
    if let Value::Object(live) = std::mem::take(target) {
        whole = live;
    }
    let patch = patch.as_object().cloned().unwrap_or_default();
    *target = Value::Object(map(whole, patch, Some(ty))?);
    Ok(())
}

fn bad_format(of: &str) -> Failure {
    Failure::bad_request(format!("invalid patch format of {of}"))
}

/// Merges a patch into a map.
fn map(
    mut target: Map<String, Value>,
    mut patch: Map<String, Value>,
    ty: Option<&TypeRef>,
) -> Result<Map<String, Value>, Failure> {
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            patch.remove(PATCH);
            return Ok(patch);
        }
        Some(Value::String(directive)) if directive == "delete" => return Ok(Map::new()),
        Some(other) => return Err(unknown_directive(other, &patch)),
    }
    if let Some(retained) = patch.remove(RETAIN) {
        retain(&mut target, &patch, &retained)?;
    }
    ordered(&mut target, &mut patch, ty)?;
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE) {
            let gone = value.as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(items) = target.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if value.is_null() {
            target.remove(&key);
            continue;
        }
        let field = ty.and_then(|ty| ty.declared_field(&key));
        let inner = ty.and_then(|ty| ty.field(&key));
        let merged = match (target.remove(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => Some(Value::Object(map(old, new, inner.as_ref())?)),
            (Some(Value::Array(old)), Value::Array(new)) => match field.map(|field| field.patch) {
                Some(rule) if rule.merge => {
                    let item_type = inner.as_ref().and_then(TypeRef::items);
                    Some(Value::Array(list(old, new, rule.merge_key.as_deref(), item_type.as_ref())?))
                }
                _ => Some(Value::Array(new)),
            },
            (_, new) => without_directives(without_nulls(new)),
        };
        if let Some(merged) = merged {
            target.insert(key, merged);
        }
    }
    Ok(target)
}

fn unknown_directive(directive: &Value, patch: &Map<String, Value>) -> Failure {
    let (shown, whole) = (print(directive), print(&Value::Object(patch.clone())));
    Failure::unnamed(format!("unknown patch type: {shown} in map: {whole}"))
}

/// Keeps of a map only the fields that the patch says are retained; all that the patch sets must be among them.
fn retain(target: &mut Map<String, Value>, patch: &Map<String, Value>, retained: &Value) -> Result<(), Failure> {
    let retained = retained.as_array().ok_or_else(|| bad_format("retainKeys"))?;
    let kept = |key: &str| retained.iter().any(|name| name.as_str() == Some(key));
    let covered = patch
        .iter()
        .filter(|(key, value)| !value.is_null() && !key.starts_with(DELETE) && !key.starts_with(ORDER))
        .all(|(key, _)| kept(key));
    if !covered {
        return Err(bad_format("retainKeys"));
    }
    target.retain(|key, _| kept(key));
    Ok(())
}

/// Merges the lists whose order the patch names.
fn ordered(
    target: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    ty: Option<&TypeRef>,
) -> Result<(), Failure> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let Some(Value::Array(order)) = patch.remove(&directive) else {
            return Err(bad_format("setElementOrder list"));
        };
        let name = directive.strip_prefix(ORDER).unwrap_or_default();
        let rule = ty.and_then(|ty| ty.declared_field(name)).map(|field| field.patch.clone()).unwrap_or_default();
        let key = rule.merge_key.as_deref();
        let item_type = ty.and_then(|ty| ty.field(name)).as_ref().and_then(TypeRef::items);
        let live = match target.get(name) {
            Some(Value::Array(items)) => Some(items.clone()),
            _ => None,
        };
        let changed = match patch.remove(name) {
            Some(Value::Array(items)) => Some(items),
            Some(other) => {
                patch.insert(name.to_owned(), other);
                None
            }
            None => None,
        };
        let merged = match (live.clone(), changed) {
            (Some(live), None) => live,
            (None, Some(changed)) => changed.into_iter().filter_map(without_directives).collect(),
            (Some(live), Some(changed)) if rule.merge => list(live, changed, key, item_type.as_ref())?,
            (Some(_), Some(changed)) => changed,
            (None, None) => continue,
        };
        let (patched, kept) = merged.into_iter().partition(|item| position(&order, item, key).is_some());
        target.insert(name.to_owned(), Value::Array(in_order(patched, kept, &order, &live.unwrap_or_default(), key)));
    }
    Ok(())
}

/// A value without the maps that hold a directive; none where it is one itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(PATCH) => None,
        Value::Object(map) => {
            Some(map.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?))).collect())
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        other => Some(other),
    }
}

/// A value without the fields that are `null`.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// Merges a patch into a list, item by item. What the patch names comes in the patch's order, before what it does not
/// name, unless that came before it already.
fn list(
    target: Vec<Value>,
    patch: Vec<Value>,
    merge_key: Option<&str>,
    item_type: Option<&TypeRef>,
) -> Result<Vec<Value>, Failure> {
    let Some(key) = merge_key else {
        let mut merged = target.clone();
        merged.extend(patch.iter().cloned());
        let merged = distinct(merged);
        let (patched, kept) = merged.into_iter().partition(|item| patch.contains(item));
        return Ok(in_order(patched, kept, &patch, &target, None));
    };
    let (mut live, patch) = directed(target, patch, key)?;
    let order = live.clone();
    for item in &patch {
        let Value::Object(item_patch) = item else {
            return Err(Failure::bad_request("error decoding patch: an item of a merged list must be a map"));
        };
        let wanted = item_patch.get(key).ok_or_else(|| keyless(item, key))?;
        let at = live.iter().position(|item| item.get(key) == Some(wanted));
        match at.and_then(|at| live.get_mut(at)) {
            Some(found) => {
                let old = std::mem::take(found.as_object_mut().unwrap_or(&mut Map::new()));
                *found = Value::Object(map(old, item_patch.clone(), item_type)?);
            }
            None => live.push(item.clone()),
        }
    }
    let (patched, kept) = live.into_iter().partition(|item| position(&patch, item, Some(key)).is_some());
    Ok(in_order(patched, kept, &patch, &order, Some(key)))
}

/// The list and the patch after the directives that stand among the patch's items: items taken away, or all of them.
fn directed(mut live: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut plain = Vec::new();
    let mut replaces = false;
    for item in patch {
        match item.get(PATCH).and_then(Value::as_str) {
            None => plain.push(item),
            Some("delete") => {
                let gone = item.get(key).ok_or_else(|| keyless(&item, key))?;
                live.retain(|item| item.get(key) != Some(gone));
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err(Failure::unnamed("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(_) => {
                let map = item.as_object().cloned().unwrap_or_default();
                return Err(unknown_directive(item.get(PATCH).unwrap_or(&Value::Null), &map));
            }
        }
    }
    Ok(if replaces { (plain, Vec::new()) } else { (live, plain) })
}

fn keyless(item: &Value, key: &str) -> Failure {
    Failure::unnamed(format!("map: {} does not contain declared merge key: {key}", print(item)))
}

/// Each item once; the place of one that comes again is taken by the last.
fn distinct(mut items: Vec<Value>) -> Vec<Value> {
    let mut at = 0;
    while at < items.len() {
        let mut again = at + 1;
        while again < items.len() {
            if items.get(again) == items.get(at) {
                items.swap_remove(again);
            } else {
                again += 1;
            }
        }
        at += 1;
    }
    items
}

fn position(list: &[Value], item: &Value, merge_key: Option<&str>) -> Option<usize> {
    list.iter().position(|other| match merge_key {
        Some(key) => other.get(key) == item.get(key),
        None => other == item,
    })
}

/// What was patched, in the order of the patch, and what was not, in the order that the list had, merged: an item that
/// was not patched comes first only where it came before the patched one already.
fn in_order(patched: Vec<Value>, kept: Vec<Value>, order: &[Value], live: &[Value], key: Option<&str>) -> Vec<Value> {
    let mut patched = sorted(patched, order, key).into_iter().peekable();
    let mut kept = sorted(kept, live, key).into_iter().peekable();
    let mut all = Vec::new();
    loop {
        let first = match (kept.peek(), patched.peek()) {
            (None, None) => return all,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => match (position(live, left, key), position(live, right, key)) {
                (Some(left), Some(right)) => left < right,
                _ => false,
            },
        };
        all.extend(if first { kept.next() } else { patched.next() });
    }
}

fn sorted(mut items: Vec<Value>, order: &[Value], key: Option<&str>) -> Vec<Value> {
    items.sort_by_key(|item| position(order, item, key).unwrap_or(usize::MAX));
    items
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
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"name": "c"}]}),
            json!({"containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}),
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
