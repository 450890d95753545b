//! Telling clients what is served: `/version`, the legacy lists of `/api` and `/apis`, and their aggregated form.
//! Reads only the registry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::kinds::Verbs;
use crate::registry::{Registry, Resource};

/// The aggregated form that clients since 1.30 ask for.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Does the client take the aggregated form? Only where it does not prefer another form that can be served.
pub(crate) fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    for entry in accept.split(',') {
        let parts: Vec<&str> = entry.split(';').map(str::trim).collect();
        if !matches!(parts.first(), Some(&("application/json" | "*/*"))) {
            continue;
        }
        let has = |parameter: &str| parts.contains(&parameter);
        if has("as=APIGroupDiscoveryList") {
            if has("g=apidiscovery.k8s.io") && has("v=v2") {
                return true;
            }
            continue;
        }
        return false;
    }
    false
}

/// `/version`.
pub(crate) fn version(git_version: &str) -> Value {
    let mut numbers = git_version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or("1"), numbers.next().unwrap_or("0"));
    json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": minor,
        "gitVersion": git_version,
        "gitCommit": "",
        "gitTreeState": "embedded",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    })
}

/// `/apis`.
pub(crate) fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry.groups().iter().map(|(group, versions)| group_body(group, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(crate) fn group(registry: &Registry, wanted: &str) -> Option<Value> {
    let groups = registry.groups();
    let (group, versions) = groups.iter().find(|(group, _)| group == wanted)?;
    let mut body = group_body(group, versions);
    if let Some(map) = body.as_object_mut() {
        map.insert("kind".to_owned(), json!("APIGroup"));
        map.insert("apiVersion".to_owned(), json!("v1"));
    }
    Some(body)
}

fn group_body(group: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({
        "name": group,
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(version),
    })
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let served: Vec<_> = registry.resources().iter().filter(|r| r.group == group && r.version == version).collect();
    let group_version = served.first()?.api_version();
    let mut list = Vec::new();
    for resource in served {
        list.push(legacy(resource));
        for subresource in &resource.subresources {
            let Response { group, version, kind, verbs } = Response::of(resource, subresource);
            let mut entry = json!({
                "name": format!("{}/{subresource}", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind,
                "verbs": verbs,
            });
            if let (Some(map), true) = (entry.as_object_mut(), (group, version) != (&resource.group, &resource.version))
            {
                map.insert("group".to_owned(), json!(group));
                map.insert("version".to_owned(), json!(version));
            }
            list.push(entry);
        }
    }
    let mut body = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list});
    if let (Some(map), false) = (body.as_object_mut(), group.is_empty()) {
        map.insert("apiVersion".to_owned(), json!("v1"));
    }
    Some(body)
}

fn legacy(resource: &Resource) -> Value {
    let mut entry = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs(resource),
    });
    if let Some(map) = entry.as_object_mut() {
        names(map, resource);
        if resource.verbs != Verbs::CreateOnly {
            map.insert("storageVersionHash".to_owned(), json!(storage_version_hash(resource)));
        }
    }
    entry
}

/// What tells clients that objects are stored in another version than before.
///
/// Source: `k8s.io/apiserver/pkg/endpoints/discovery/storageversionhash.go`.
fn storage_version_hash(resource: &Resource) -> String {
    let (group, version) = resource.stored_version.split_once('/').unwrap_or(("", &resource.stored_version));
    let digest = Sha256::digest(format!("{group}/{version}/{}", resource.kind));
    STANDARD.encode(digest.get(..8).unwrap_or_default())
}

/// The verbs in the order that the server lists them; custom resources have one of their own.
fn verbs(resource: &Resource) -> &'static [&'static str] {
    match resource.custom {
        Some(_) => &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        None => resource.verbs.names(),
    }
}

fn names(entry: &mut Map<String, Value>, resource: &Resource) {
    if !resource.short_names.is_empty() {
        entry.insert("shortNames".to_owned(), json!(resource.short_names));
    }
    if !resource.categories.is_empty() {
        entry.insert("categories".to_owned(), json!(resource.categories));
    }
}

/// What a subresource takes and gives.
struct Response<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    verbs: &'static [&'static str],
}

impl<'a> Response<'a> {
    fn of(resource: &'a Resource, subresource: &str) -> Response<'a> {
        let own = |verbs| Response { group: &resource.group, version: &resource.version, kind: &resource.kind, verbs };
        match subresource {
            "scale" => {
                Response { group: "autoscaling", version: "v1", kind: "Scale", verbs: &["get", "patch", "update"] }
            }
            "eviction" => Response { group: "policy", version: "v1", kind: "Eviction", verbs: &["create"] },
            "binding" => Response { group: "", version: "v1", kind: "Binding", verbs: &["create"] },
            "token" => {
                Response { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: &["create"] }
            }
            "log" => own(&["get"]),
            "finalize" => own(&["update"]),
            _ => own(&["get", "patch", "update"]),
        }
    }
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(registry: &Registry, core: bool) -> Value {
    let groups = if core { vec![(String::new(), vec!["v1".to_owned()])] } else { registry.groups() };
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let served = registry.resources().iter().filter(|r| r.group == *group && r.version == *version);
                    let resources: Vec<Value> = served.map(|resource| aggregated_resource(resource)).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(resource: &Resource) -> Value {
    // The server names group and version only where they differ from those the entry stands under.
    let (group, version) = match resource.custom {
        Some(_) => (resource.group.as_str(), resource.version.as_str()),
        None => ("", ""),
    };
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": {"group": group, "version": version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": verbs(resource),
    });
    let Some(map) = entry.as_object_mut() else { return entry };
    names(map, resource);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let response = Response::of(resource, subresource);
            let foreign = (response.group, response.version) != (&resource.group, &resource.version);
            let (group, version) = if foreign { (response.group, response.version) } else { (group, version) };
            json!({
                "subresource": subresource,
                "responseKind": {"group": group, "version": version, "kind": response.kind},
                "verbs": response.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        map.insert("subresources".to_owned(), json!(subresources));
    }
    entry
}
