//! The OpenAPI v3 index and documents, as far as kubectl needs them to see that the server checks fields itself: every
//! path that can be patched, with the parameters it takes. The types are not described.

use serde_json::{Map, Value, json};

use crate::registry::{Registry, Resource};

/// `/openapi/v3`.
pub(crate) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for resource in registry.resources() {
        let path = base(resource);
        paths.entry(path.clone()).or_insert_with(|| json!({"serverRelativeURL": format!("/openapi/v3/{path}")}));
    }
    json!({"paths": paths})
}

/// `/openapi/v3/api/v1` or `/openapi/v3/apis/GROUP/VERSION`, named by what follows `/openapi/v3/`.
pub(crate) fn document(registry: &Registry, wanted: &str) -> Option<Value> {
    let served: Vec<_> = registry.resources().iter().filter(|resource| base(resource) == wanted).collect();
    served.first()?;
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
        .collect();
    let mut paths = Map::new();
    for resource in served {
        let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{wanted}/{scope}{}/{{name}}", resource.plural);
        let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        let patch = json!({
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind,
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
        });
        paths.insert(path, json!({"patch": patch}));
    }
    let information = json!({"title": "Kubernetes", "version": "unversioned"});
    Some(json!({"openapi": "3.0.0", "info": information, "paths": paths, "components": {"schemas": {}}}))
}

fn base(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", resource.api_version())
}
