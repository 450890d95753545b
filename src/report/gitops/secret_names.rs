//! The Secrets that an object refers to by name, in any kind: variables, volumes, image pulls, certificates.

use std::collections::BTreeSet;

use serde_json::Value;

/// Members that hold the name of a Secret, or an object with one.
const REFERENCES: [&str; 3] = ["secretKeyRef", "secretRef", "secret"];
/// Members that hold a list of objects with the name of a Secret.
const LISTS: [&str; 2] = ["imagePullSecrets", "certificateRefs"];

/// The names, all of the object's own namespace.
pub(super) fn of(manifest: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // What stands in metadata are words of people.
    for (member, value) in manifest.as_object().into_iter().flatten().filter(|(member, _)| *member != "metadata") {
        walk(member, value, &mut found);
    }
    found
}

fn walk(member: &str, value: &Value, found: &mut BTreeSet<String>) {
    let mut note = |name: &Value| found.extend(name.as_str().map(str::to_owned));
    match value {
        Value::String(_) if member == "secretName" => note(value),
        Value::Object(_) if REFERENCES.contains(&member) => note(&value["name"]),
        Value::Array(items) if LISTS.contains(&member) => items.iter().for_each(|item| {
            // A reference that names a kind or a place of its own may be to something else.
            let plain = item.get("kind").is_none_or(|kind| kind == "Secret") && item.get("namespace").is_none();
            if plain {
                note(&item["name"]);
            }
        }),
        _ => {}
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| walk(name, field, found)),
        Value::Array(items) => items.iter().for_each(|item| walk("", item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(manifest: Value, expect: &[&str]) {
        assert_eq!(of(&manifest).iter().map(String::as_str).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn secrets_are_found_where_kinds_name_them() {
        let container = json!({
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}],
            "envFrom": [{"secretRef": {"name": "b"}}, {"configMapRef": {"name": "no"}}],
        });
        let volumes = json!([
            {"name": "v", "secret": {"secretName": "c"}},
            {"name": "w", "projected": {"sources": [{"secret": {"name": "d"}}, {"configMap": {"name": "no"}}]}},
        ]);
        let pod = json!({"containers": [container], "volumes": volumes, "imagePullSecrets": [{"name": "e"}]});
        check(json!({"spec": {"template": {"spec": pod}}}), &["a", "b", "c", "d", "e"]);
        check(json!({"spec": {"tls": [{"hosts": ["x"], "secretName": "f"}]}}), &["f"]);
        let listener = json!({"certificateRefs": [{"name": "g"}, {"kind": "Secret", "name": "h"},
            {"kind": "ConfigMap", "name": "no"}, {"name": "no", "namespace": "other"}]});
        check(json!({"spec": {"listeners": [{"tls": listener}]}}), &["g", "h"]);
        check(json!({"metadata": {"annotations": {"secretName": "no"}}, "data": {"name": "no"}}), &[]);
    }
}
