//! JSON patch (RFC 6902) as the server's library understands it (a field that is not there can be replaced, tested for
//! `null` and copied; every fault is the same to the client), and merge patch (RFC 7386).

use serde_json::Value;

/// Carries out a merge patch.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    ::json_patch::merge(target, patch);
}

/// What a list of operations does not fit; the server does not say what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfit;

/// Carries out a list of operations.
pub(crate) fn apply(target: &mut Value, operations: &[Value]) -> Result<(), Unfit> {
    operations.iter().try_for_each(|operation| step(target, operation))
}

fn step(target: &mut Value, operation: &Value) -> Result<(), Unfit> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).ok_or(Unfit);
    let path = text("path")?;
    let value = || operation.get("value").cloned().unwrap_or_default();
    match text("op")? {
        "add" if path.is_empty() => {
            *target = value();
            Ok(())
        }
        "replace" if path.is_empty() => {
            *target = value();
            Ok(())
        }
        "add" => add(target, path, value()),
        "remove" => take(target, path).map(drop),
        "replace" => {
            let (place, key) = place(target, path)?;
            match place {
                Value::Object(map) => {
                    map.insert(key, value());
                }
                Value::Array(items) => *items.get_mut(index(&key)?).ok_or(Unfit)? = value(),
                _ => return Err(Unfit),
            }
            Ok(())
        }
        "move" => {
            let moved = take(target, text("from")?)?;
            add(target, path, moved)
        }
        "copy" => {
            let copied = look(target, text("from")?)?;
            add(target, path, copied)
        }
        "test" if path.is_empty() => (*target == value()).then_some(()).ok_or(Unfit),
        "test" => (look(target, path)? == value()).then_some(()).ok_or(Unfit),
        _ => Err(Unfit),
    }
}

/// The map or list that a path ends in, and the last part of the path.
fn place<'a>(target: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Unfit> {
    let (parent, last) = path.rsplit_once('/').ok_or(Unfit)?;
    let place = target.pointer_mut(parent).ok_or(Unfit)?;
    Ok((place, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Unfit> {
    let (place, key) = place(target, path)?;
    match place {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(&key)?;
            if at > items.len() {
                return Err(Unfit);
            }
            items.insert(at, value);
        }
        _ => return Err(Unfit),
    }
    Ok(())
}

fn take(target: &mut Value, path: &str) -> Result<Value, Unfit> {
    let (place, key) = place(target, path)?;
    match place {
        Value::Object(map) => map.remove(&key).ok_or(Unfit),
        Value::Array(items) => {
            let at = index(&key)?;
            if at < items.len() { Ok(items.remove(at)) } else { Err(Unfit) }
        }
        _ => Err(Unfit),
    }
}

/// The value at a path; `null` for a field that its map does not have.
fn look(target: &mut Value, path: &str) -> Result<Value, Unfit> {
    let (place, key) = place(target, path)?;
    match place {
        Value::Object(map) => Ok(map.get(&key).cloned().unwrap_or_default()),
        Value::Array(items) => items.get(index(&key)?).cloned().ok_or(Unfit),
        _ => Err(Unfit),
    }
}

fn index(key: &str) -> Result<usize, Unfit> {
    key.parse().map_err(|_| Unfit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(operations: Value, expected: Option<Value>) {
        let mut target = json!({"a": {"b": 1}, "l": [1, 2]});
        let done = apply(&mut target, operations.as_array().map(Vec::as_slice).unwrap_or_default());
        assert_eq!(done.ok().map(|()| target), expected);
    }

    #[test]
    fn operations() {
        check(
            json!([{"op": "add", "path": "/a/c~1d", "value": 2}]),
            Some(json!({"a": {"b": 1, "c/d": 2}, "l": [1, 2]})),
        );
        check(json!([{"op": "add", "path": "/l/1", "value": 9}]), Some(json!({"a": {"b": 1}, "l": [1, 9, 2]})));
        check(json!([{"op": "add", "path": "/l/-", "value": 9}]), Some(json!({"a": {"b": 1}, "l": [1, 2, 9]})));
        check(json!([{"op": "add", "path": "/l/3", "value": 9}]), None);
        check(json!([{"op": "add", "path": "/x/y", "value": 9}]), None);
        check(
            json!([{"op": "replace", "path": "/a/x", "value": 9}]),
            Some(json!({"a": {"b": 1, "x": 9}, "l": [1, 2]})),
        );
        check(json!([{"op": "replace", "path": "/l/2", "value": 9}]), None);
        check(json!([{"op": "remove", "path": "/a/x"}]), None);
        check(json!([{"op": "remove", "path": "/l/0"}]), Some(json!({"a": {"b": 1}, "l": [2]})));
        check(json!([{"op": "move", "from": "/a/b", "path": "/c"}]), Some(json!({"a": {}, "l": [1, 2], "c": 1})));
        check(
            json!([{"op": "copy", "from": "/a/x", "path": "/c"}]),
            Some(json!({"a": {"b": 1}, "l": [1, 2], "c": null})),
        );
        check(json!([{"op": "test", "path": "/a/x", "value": null}]), Some(json!({"a": {"b": 1}, "l": [1, 2]})));
        check(json!([{"op": "test", "path": "/a/b", "value": 2}]), None);
        check(json!([{"op": "invent", "path": "/a/b"}]), None);
        check(json!([{"op": "add"}]), None);
    }
}
