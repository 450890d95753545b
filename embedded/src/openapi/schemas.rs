//! The schemas of the built-in kinds as the API publishes them, with their descriptions: the file that ships with the
//! crate, made by `cargo xtask openapi`. Looks up and follows references; changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde_json::{Map, Value};

static SHIPPED: &[u8] = include_bytes!("../../kubernetes.openapi");
/// The file inflates to no more bytes than this.
const MOST_BYTES: usize = 16 << 20;
/// What a reference begins with.
const REFERENCE: &str = "#/components/schemas/";

/// Every shipped schema, by name.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    named: Map<String, Value>,
    kinds: BTreeMap<(String, String, String), String>,
}

impl Schemas {
    /// The shipped schemas, read on the first call.
    pub(crate) fn shipped() -> &'static Schemas {
        static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
        SCHEMAS.get_or_init(|| {
            let text = decompress_to_vec_with_limit(SHIPPED, MOST_BYTES).unwrap_or_default();
            let named: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
            let mut kinds = BTreeMap::new();
            for (name, schema) in &named {
                let of = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
                for kind in of.into_iter().flatten() {
                    let part = |part: &str| kind.get(part).and_then(Value::as_str).unwrap_or_default().to_owned();
                    kinds.insert((part("group"), part("version"), part("kind")), name.clone());
                }
            }
            Schemas { named, kinds }
        })
    }

    /// The name of a kind's schema.
    pub(super) fn name_of(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        self.kinds.get(&(group.to_owned(), version.to_owned(), kind.to_owned())).map(String::as_str)
    }

    /// The description of a field of a built-in kind; the path steps through references and lists. Empty where there is
    /// no such field.
    pub(crate) fn description(&self, group: &str, version: &str, kind: &str, path: &[&str]) -> &str {
        let Some(name) = self.name_of(group, version, kind) else { return "" };
        let mut at = self.named.get(name);
        let mut described = at;
        for step in path {
            described = at.and_then(|schema| schema.pointer(&format!("/properties/{step}")));
            let inner = described.map(|field| field.get("items").unwrap_or(field));
            at = inner.and_then(|field| match reference(field) {
                Some(name) => self.named.get(name),
                None => Some(field),
            });
        }
        described.and_then(|schema| schema.get("description")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The schemas of these names, and all that they refer to.
    pub(super) fn with_references<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
        let mut waiting: Vec<&str> = names.into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut found = Map::new();
        while let Some(name) = waiting.pop() {
            if !seen.insert(name) {
                continue;
            }
            if let Some(schema) = self.named.get(name) {
                references(schema, &mut waiting);
                found.insert(name.to_owned(), schema.clone());
            }
        }
        found
    }
}

/// The name that a schema refers to, plainly or as the only one of `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    let target = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"))?;
    target.as_str()?.strip_prefix(REFERENCE)
}

fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().and_then(|text| text.strip_prefix(REFERENCE)) {
                    Some(name) if key == "$ref" => found.push(name),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// A reference to a schema.
pub(super) fn reference_to(name: &str) -> Value {
    Value::from(format!("{REFERENCE}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn every_served_kind_is_described() {
        for kind in KINDS {
            let text = Schemas::shipped().description(kind.group, kind.version, kind.kind, &[]);
            assert!(!text.is_empty(), "{} {} {}", kind.group, kind.version, kind.kind);
        }
    }

    #[track_caller]
    fn check(kind: [&str; 3], path: &[&str], expected: &str) {
        let [group, version, kind] = kind;
        assert_eq!(Schemas::shipped().description(group, version, kind, path), expected, "{path:?}");
    }

    #[test]
    fn a_description_is_found_through_references_and_lists() {
        check(["apps", "v1", "Deployment"], &["spec", "paused"], "Indicates that the deployment is paused.");
        check(
            ["", "v1", "Pod"],
            &["spec", "containers", "tty"],
            "Whether this container should allocate a TTY for itself, also requires 'stdin' to be true. Default is false.",
        );
        check(["", "v1", "Pod"], &["spec", "nosuch"], "");
        check(["", "v1", "Nosuch"], &[], "");
    }
}
