//! A value put where a plan says that a field stands. Plans show paths for people: a key with dots in it looks like
//! several fields, and is told apart by what is there.

use serde_json::{Map, Value, json};
use structured_merge::{FieldPattern, PathElement};

/// Puts a value at a path, or takes away what is there where there is none; leaves an object as it is that has no such
/// place.
pub(super) fn set(object: &mut Value, path: &str, value: Option<&Value>) {
    match object {
        Value::Object(fields) => {
            let Some(key) = key(fields, path) else { return };
            let rest = path.strip_prefix('.').and_then(|path| path.strip_prefix(key.as_str())).unwrap_or_default();
            match (rest.is_empty(), value) {
                (true, Some(value)) => {
                    fields.insert(key, value.clone());
                }
                (true, None) => {
                    fields.remove(&key);
                }
                (false, _) => {
                    let empty = || if rest.starts_with('[') { json!([]) } else { json!({}) };
                    set(fields.entry(key).or_insert_with(empty), rest, value);
                }
            }
        }
        Value::Array(items) => {
            let Some((element, rest)) = first(path) else { return };
            let at = items.iter().position(|item| is(item, &element));
            match (at, rest.is_empty(), value) {
                (Some(at), false, _) => {
                    if let Some(item) = items.get_mut(at) {
                        set(item, rest, value);
                    }
                }
                (Some(at), true, None) => {
                    items.remove(at);
                }
                (Some(at), true, Some(value)) => {
                    if let Some(item) = items.get_mut(at) {
                        item.clone_from(value);
                    }
                }
                (None, true, Some(value)) => items.push(value.clone()),
                (None, ..) => {}
            }
        }
        _ => {}
    }
}

/// The key that a path begins with: the longest of those that are there, or else a field of one word, or else, among
/// texts, all that is left.
fn key(fields: &Map<String, Value>, path: &str) -> Option<String> {
    let path = path.strip_prefix('.')?;
    let begins = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let there = fields.keys().filter(begins).max_by_key(|key| key.len());
    there.cloned().or_else(|| {
        let texts = !fields.is_empty() && fields.values().all(Value::is_string);
        let end = if texts || path.contains('/') { path.len() } else { path.find(['.', '[']).unwrap_or(path.len()) };
        path.get(..end).filter(|key| !key.is_empty()).map(str::to_owned)
    })
}

/// The item of a list that a path begins with, and what follows.
fn first(path: &str) -> Option<(PathElement, &str)> {
    // A bracket may stand in a quoted value: the shortest beginning that can be read is the item.
    let ends = path.char_indices().filter(|(_, c)| *c == ']').map(|(at, _)| at + 1);
    let mut read = ends.filter_map(|end| {
        let pattern: FieldPattern = path.get(..end)?.parse().ok()?;
        match <[Option<PathElement>; 1]>::try_from(pattern.0) {
            Ok([Some(element)]) => Some((element, path.get(end..)?)),
            _ => None,
        }
    });
    read.next()
}

fn is(item: &Value, element: &PathElement) -> bool {
    match element {
        PathElement::Key(keys) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
        PathElement::Value(value) => item == value,
        PathElement::Field(_) | PathElement::Index(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::set;

    #[track_caller]
    fn check(path: &str, value: Option<Value>, expect: Value) {
        let mut object = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "a", "team": "b"}},
            "spec": {"replicas": 2, "containers": [{"name": "x]y", "image": "one"}, {"name": "z", "image": "two"}]},
        });
        let mut wanted = object.clone();
        set(&mut object, path, value.as_ref());
        json_patch(&mut wanted, &expect);
        assert_eq!(object, wanted, "{path}");
    }

    /// What differs, as a JSON Merge Patch says it.
    fn json_patch(target: &mut Value, patch: &Value) {
        match (target, patch) {
            (Value::Object(fields), Value::Object(changes)) => {
                for (key, change) in changes {
                    if change.is_null() {
                        fields.remove(key);
                    } else {
                        json_patch(fields.entry(key.clone()).or_insert(Value::Null), change);
                    }
                }
            }
            (target, patch) => *target = patch.clone(),
        }
    }

    #[test]
    fn values_go_back_where_they_stood() {
        check(".spec.replicas", Some(json!(4)), json!({"spec": {"replicas": 4}}));
        check(".spec.replicas", None, json!({"spec": {"replicas": null}}));
        check(".spec.paused", Some(json!(true)), json!({"spec": {"paused": true}}));
        check(".spec.strategy.type", Some(json!("Recreate")), json!({"spec": {"strategy": {"type": "Recreate"}}}));
        check(
            ".metadata.labels.app.kubernetes.io/name",
            Some(json!("old")),
            json!({"metadata": {"labels": {"app.kubernetes.io/name": "old"}}}),
        );
        check(
            ".metadata.labels.example.com",
            Some(json!("old")),
            json!({"metadata": {"labels": {"example.com": "old"}}}),
        );
        check(".metadata.labels.team", None, json!({"metadata": {"labels": {"team": null}}}));
        check(
            r#".spec.containers[name="x]y"].image"#,
            Some(json!("old")),
            json!({"spec": {"containers": [{"name": "x]y", "image": "old"}, {"name": "z", "image": "two"}]}}),
        );
        check(
            r#".spec.containers[name="z"]"#,
            None,
            json!({"spec": {"containers": [{"name": "x]y", "image": "one"}]}}),
        );
        check(r#".spec.containers[name="q"].image"#, Some(json!("old")), json!({}));
        check("no path", Some(json!(1)), json!({}));
    }
}
