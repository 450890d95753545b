//! The OpenAPI v3 documents, one for each group version: the schemas of the served kinds with all they refer to, and
//! their paths with what kubectl looks for there (which parameters a patch takes). `kubectl explain` and the checks of
//! clients read them. Knows nothing of requests.

mod schemas;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::body::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

pub(crate) use self::schemas::Schemas;
use self::schemas::reference_to;
use crate::registry::{Registry, Resource};

/// The schemas of the API's machinery that every document has.
const MACHINERY: [&str; 4] = [
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
    "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent",
];
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// One document as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    /// The SHA-512 of the text, in capital letters: its `ETag`, and the `hash` of its address.
    pub(crate) hash: String,
}

impl Document {
    fn of(value: &Value) -> Document {
        let text = Bytes::from(value.to_string());
        let hash = Sha512::digest(&text).iter().map(|byte| format!("{byte:02X}")).collect();
        Document { text, hash }
    }
}

/// The index: each document's path, and the address it can be kept under for ever.
pub(crate) fn index(registry: &Registry, version: &str) -> Value {
    let mut paths = Map::new();
    for resource in registry.resources() {
        let path = base(resource);
        if !paths.contains_key(&path)
            && let Some(document) = document(registry, version, &path)
        {
            let address = format!("/openapi/v3/{path}?hash={}", document.hash);
            paths.insert(path, json!({"serverRelativeURL": address}));
        }
    }
    json!({"paths": paths})
}

/// A document by what follows `/openapi/v3/`: `api/v1`, `apis/GROUP/VERSION`. None where nothing is served there.
/// `version` is that of the cluster.
pub(crate) fn document(registry: &Registry, version: &str, wanted: &str) -> Option<Document> {
    static BUILT_IN: OnceLock<BTreeMap<String, OnceLock<Document>>> = OnceLock::new();
    let served: Vec<&Resource> =
        registry.resources().iter().map(AsRef::as_ref).filter(|resource| base(resource) == wanted).collect();
    if served.is_empty() {
        return None;
    }
    if served.iter().any(|resource| resource.custom.is_some()) {
        return Some(Document::of(&describe(&served, version, wanted)));
    }
    // What is built in never changes, and its documents are large.
    let all = BUILT_IN
        .get_or_init(|| registry.resources().iter().map(|resource| (base(resource), OnceLock::new())).collect());
    let make = || Document::of(&describe(&served, version, wanted));
    Some(all.get(wanted).map_or_else(make, |document| document.get_or_init(make).clone()))
}

fn base(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", resource.api_version())
}

fn describe(served: &[&Resource], version: &str, wanted: &str) -> Value {
    let schemas = Schemas::shipped();
    let mut names: Vec<&str> = MACHINERY.to_vec();
    let mut own = Map::new();
    let mut paths = Map::new();
    for resource in served {
        match &resource.custom {
            Some(version) => {
                names.extend([OBJECT_META, LIST_META]);
                custom(resource, version, &mut own);
            }
            None => {
                let (group, version) = (&resource.group, &resource.version);
                names.extend(schemas.name_of(group, version, &resource.kind));
                names.extend(schemas.name_of(group, version, &resource.list_kind));
            }
        }
        if resource.has("scale") {
            names.extend(schemas.name_of("autoscaling", "v1", "Scale"));
        }
        if resource.has("eviction") {
            names.extend(schemas.name_of("policy", "v1", "Eviction"));
        }
        paths.extend(operations(resource, wanted));
    }
    let mut all = schemas.with_references(names);
    all.append(&mut own);
    let mut numbers = version.trim_start_matches('v').split('.');
    let title = format!("{}.{}", numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let about = json!({"title": "Kubernetes", "version": title});
    json!({"openapi": "3.0.0", "info": about, "paths": paths, "components": {"schemas": all}})
}

/// `com.example.v1.Widget`, for a kind of the group `example.com`.
fn custom_name(resource: &Resource, kind: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').rev().collect();
    parts.extend([resource.version.as_str(), kind]);
    parts.join(".")
}

/// The schemas of a custom resource and its list: the definition's own, with what every object has.
fn custom(resource: &Resource, version: &Value, found: &mut Map<String, Value>) {
    let text = |path: &[&str]| Schemas::shipped().description("", "v1", "ConfigMap", path);
    let in_list = |path: &[&str]| Schemas::shipped().description("", "v1", "ConfigMapList", path);
    let of_kind = |kind: &str| json!([{"group": resource.group, "version": resource.version, "kind": kind}]);
    let name = custom_name(resource, &resource.kind);
    let mut schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| json!({"type": "object"}));
    let properties = crate::object::map_mut(&mut schema, "properties");
    for field in ["apiVersion", "kind"] {
        properties.insert(field.to_owned(), json!({"description": text(&[field]), "type": "string"}));
    }
    let reference = json!([{"$ref": reference_to(OBJECT_META)}]);
    properties.insert("metadata".to_owned(), json!({"description": text(&["metadata"]), "allOf": reference}));
    crate::object::as_map(&mut schema).insert("x-kubernetes-group-version-kind".to_owned(), of_kind(&resource.kind));
    found.insert(name.clone(), schema);
    let list = json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": in_list(&["apiVersion"]), "type": "string"},
            "kind": {"description": in_list(&["kind"]), "type": "string"},
            "items": {
                "description": format!(
                    "List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                    resource.plural
                ),
                "type": "array",
                "items": {"$ref": reference_to(&name)},
            },
            "metadata": {"description": in_list(&["metadata"]), "allOf": [{"$ref": reference_to(LIST_META)}]},
        },
        "x-kubernetes-group-version-kind": of_kind(&resource.list_kind),
    });
    found.insert(custom_name(resource, &resource.list_kind), list);
}

/// The paths of a resource: what can be done at each, to which kind, and with which parameters.
fn operations(resource: &Resource, wanted: &str) -> Map<String, Value> {
    let of_kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let name = match &resource.custom {
        Some(_) => custom_name(resource, &resource.kind),
        None => Schemas::shipped()
            .name_of(&resource.group, &resource.version, &resource.kind)
            .unwrap_or_default()
            .to_owned(),
    };
    let operation = |action: &str, parameters: &[&str]| {
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|name| {
                let ty = if *name == "force" { "boolean" } else { "string" };
                json!({"name": name, "in": "query", "schema": {"type": ty, "uniqueItems": true}})
            })
            .collect();
        let content = json!({"application/json": {"schema": {"$ref": reference_to(&name)}}});
        json!({
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": of_kind,
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": content}},
        })
    };
    let writing = ["dryRun", "fieldManager", "fieldValidation"];
    let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    let path = format!("/{wanted}/{scope}{}", resource.plural);
    let may = |verb: &str| resource.verbs.names().contains(&verb);
    let mut collection = Map::new();
    let mut one = Map::new();
    if may("list") {
        let parameters = ["continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch"];
        collection.insert("get".to_owned(), operation("list", &parameters));
    }
    if may("create") {
        collection.insert("post".to_owned(), operation("post", &writing));
    }
    if may("patch") {
        one.insert("get".to_owned(), operation("get", &[]));
        one.insert("put".to_owned(), operation("put", &writing));
        one.insert("patch".to_owned(), operation("patch", &[&writing[..], &["force"]].concat()));
        one.insert("delete".to_owned(), operation("delete", &["dryRun", "propagationPolicy"]));
    }
    let mut paths = Map::new();
    if !one.is_empty() {
        paths.insert(format!("{path}/{{name}}"), Value::Object(one));
    }
    paths.insert(path, Value::Object(collection));
    paths
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_document_refers_to_nothing_outside_itself() {
        let registry = Registry::new(std::iter::empty());
        for resource in registry.resources() {
            let document = document(&registry, "v1.36.2", &base(resource)).unwrap();
            let value: Value = serde_json::from_slice(&document.text).unwrap();
            let known = value.pointer("/components/schemas").and_then(Value::as_object).unwrap();
            let text = String::from_utf8_lossy(&document.text);
            for reference in text.split("\"#/components/schemas/").skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(known.contains_key(name), "{} refers to {name}", base(resource));
            }
        }
    }
}
