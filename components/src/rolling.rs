//! Configuration that rolls pods: a pod template carries a digest of the content of each ConfigMap that its pods use, so
//! that a changed value changes the template, and the workload's own controller replaces the pods.
//!
//! Only ConfigMaps among the desired objects are known here; what a pod uses from outside of the stack rolls nothing.
//! Content of Secrets is no business of this file: what is made of it is keyed, and added under [`SECRETS_ANNOTATION`]
//! by whoever holds the key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::desired::{Desired, ResourceId};
use crate::jobs::{name_jobs, rerun};

/// Annotation of a pod template: the ConfigMaps of the stack that the pods use, as `name=digest`, comma-separated and
/// sorted by name.
pub const CONFIG_MAPS_ANNOTATION: &str = "strata.dev/config-maps";
/// Annotation of a pod template: the same for Secrets, and for what is secret in ConfigMaps, with keyed digests.
pub const SECRETS_ANNOTATION: &str = "strata.dev/secrets";

/// Kinds whose controller replaces pods when their template changes. A Job's template cannot change once it exists (those
/// of services are named by theirs, so that they are run again), and a CronJob's next pods are new ones anyway.
const ROLLING: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];
/// Bytes of a digest that are kept: as many as tell one content from the next.
const KEPT: usize = 8;

/// What the pods of a workload read their configuration from, by name: objects of the workload's own namespace.
///
/// ```
/// use serde_json::json;
/// use strata_components::rolling::Uses;
/// let deployment = json!({"kind": "Deployment", "spec": {"template": {"spec": {
///     "containers": [{"name": "server", "envFrom": [{"secretRef": {"name": "keys"}}]}],
///     "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
/// }}}});
/// let uses = Uses::of(&deployment);
/// assert!(uses.config_maps.contains("settings") && uses.secrets.contains("keys"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// The ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// The Secrets. Those that only pull images are not among them: no running pod reads them.
    pub secrets: BTreeSet<String>,
}

impl Uses {
    /// What the pods of `manifest` use as variables or as files; nothing where its pods are not replaced when their
    /// template changes.
    #[must_use]
    pub fn of(manifest: &Value) -> Self {
        let mut uses = Self::default();
        if !rolls(manifest) {
            return uses;
        }
        let spec = &manifest["spec"]["template"]["spec"];
        for container in ["initContainers", "containers"].into_iter().flat_map(|list| items(&spec[list])) {
            for variable in items(&container["env"]) {
                let from = &variable["valueFrom"];
                add(&mut uses.config_maps, &from["configMapKeyRef"]["name"]);
                add(&mut uses.secrets, &from["secretKeyRef"]["name"]);
            }
            for source in items(&container["envFrom"]) {
                add(&mut uses.config_maps, &source["configMapRef"]["name"]);
                add(&mut uses.secrets, &source["secretRef"]["name"]);
            }
        }
        for volume in items(&spec["volumes"]) {
            add(&mut uses.config_maps, &volume["configMap"]["name"]);
            add(&mut uses.secrets, &volume["secret"]["secretName"]);
            for source in items(&volume["projected"]["sources"]) {
                add(&mut uses.config_maps, &source["configMap"]["name"]);
                add(&mut uses.secrets, &source["secret"]["name"]);
            }
        }
        uses
    }
}

/// Whether the pods of an object are replaced when their template changes.
fn rolls(manifest: &Value) -> bool {
    rerun(manifest).is_some() || manifest["kind"].as_str().is_some_and(|kind| ROLLING.contains(&kind))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn add(names: &mut BTreeSet<String>, name: &Value) {
    names.extend(name.as_str().map(str::to_owned));
}

/// Writes a digest of every ConfigMap among the resources into the pod templates that use it. Doing it again changes
/// nothing, and after a change of a ConfigMap it brings the digests up to date. Returns what each Job is called now that was
/// called otherwise, because its template changed.
///
/// The digests have no key: once what is secret has been taken out of the objects, they are made again.
pub fn roll_with_config(desired: &mut Desired) -> BTreeMap<ResourceId, ResourceId> {
    let maps: BTreeMap<(Option<String>, String), Value> = desired
        .resources
        .iter()
        .filter(|resource| resource.id.kind.kind == "ConfigMap" && resource.id.kind.group.is_empty())
        .map(|map| ((map.id.namespace.clone(), map.id.name.clone()), map.manifest.clone()))
        .collect();
    for resource in &mut desired.resources {
        let known = Uses::of(&resource.manifest).config_maps.into_iter().filter_map(|name| {
            let map = maps.get(&(resource.id.namespace.clone(), name.clone()))?;
            let digest = content(map, keys_of(&resource.manifest, &name).as_ref());
            Some((name, digest))
        });
        let known: BTreeMap<String, String> = known.collect();
        annotate(&mut resource.manifest, CONFIG_MAPS_ANNOTATION, &known);
    }
    name_jobs(desired)
}

/// Writes `name=digest` of each of `digests` into an annotation of the pod template of `manifest`; takes the annotation
/// away where there are none. Nothing happens to an object whose pods are not replaced when their template changes.
pub fn annotate(manifest: &mut Value, annotation: &str, digests: &BTreeMap<String, String>) {
    if !rolls(manifest) {
        return;
    }
    let Some(template) = manifest.pointer_mut("/spec/template").and_then(Value::as_object_mut) else { return };
    if digests.is_empty() {
        let annotations = template.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.remove(annotation);
        }
        return;
    }
    let text: Vec<String> = digests.iter().map(|(name, digest)| format!("{name}={digest}")).collect();
    let annotations = object(template, "metadata").and_then(|metadata| object(metadata, "annotations"));
    if let Some(annotations) = annotations {
        annotations.insert(annotation.to_owned(), text.join(",").into());
    }
}

/// The object under a key, made where there is nothing.
fn object<'a>(of: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    of.entry(key).or_insert_with(|| Map::new().into()).as_object_mut()
}

/// The keys of a ConfigMap that the pods of a workload read, where they read it as a volume of single keys and in no other
/// way; nothing where all of it counts.
fn keys_of(manifest: &Value, name: &str) -> Option<BTreeSet<String>> {
    let spec = &manifest["spec"]["template"]["spec"];
    let volumes = || items(&spec["volumes"]).map(|volume| &volume["configMap"]).filter(|map| map["name"] == name);
    let in_volumes = volumes().count();
    let named = manifest["spec"]["template"]["spec"].to_string().matches(&format!("\"name\":\"{name}\"")).count();
    if in_volumes == 0 || named != in_volumes || volumes().any(|map| map["items"].is_null()) {
        return None;
    }
    Some(
        volumes()
            .flat_map(|map| items(&map["items"]))
            .filter_map(|item| Some(item["key"].as_str()?.to_owned()))
            .collect(),
    )
}

/// A digest of what a ConfigMap holds under these keys, or under all, but for what is secret in it, so that it needs no key.
fn content(manifest: &Value, keys: Option<&BTreeSet<String>>) -> String {
    let part = |part: &Value| match (part, keys) {
        (Value::Object(all), Some(keys)) => {
            all.iter().filter(|(key, _)| keys.contains(*key)).map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        _ => part.clone(),
    };
    let text = format!("{}\n{}", part(&manifest["data"]), part(&manifest["binaryData"]));
    Sha256::digest(text).iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::json;

    use super::*;
    use crate::desired::{Instance, Phase};

    fn desired(manifests: Vec<Value>) -> Desired {
        let mut desired = Desired {
            instance: Instance { stack: "shop".into(), environment: "dev".into(), suffix: None },
            namespaces: vec!["shop".into()],
            phases: vec![Phase { number: 0, name: "ground".into(), services: Vec::new() }],
            resources: Vec::new(),
            claims: Default::default(),
            ownership: Default::default(),
            needs: Default::default(),
            outputs: Default::default(),
            blue_green: Default::default(),
            notes: Vec::new(),
        };
        for (at, manifest) in manifests.into_iter().enumerate() {
            desired.add(None, &format!("object-{at}"), manifest).unwrap();
        }
        roll_with_config(&mut desired);
        desired
    }

    fn map(name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data})
    }

    fn workload(kind: &str, spec: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}})
    }

    /// What the pods of the last of these objects say of their configuration.
    #[track_caller]
    fn check(manifests: Vec<Value>, expect: Option<&str>) {
        let mut desired = desired(manifests);
        let again = desired.clone();
        roll_with_config(&mut desired);
        assert_eq!(desired, again);
        let workload = desired.resources.iter().rfind(|resource| resource.id.kind.kind != "ConfigMap").unwrap();
        let template = &workload.manifest["spec"]["template"]["metadata"];
        assert_eq!(template["annotations"][CONFIG_MAPS_ANNOTATION].as_str(), expect);
    }

    #[test]
    fn every_way_to_use_a_config_map_is_found() {
        let refs = |name: &str| json!({"configMapRef": {"name": name}});
        let key = |name: &str| json!({"name": "A", "valueFrom": {"configMapKeyRef": {"name": name, "key": "a"}}});
        let used = "a=1d5401a8e5af73b3";
        for spec in [
            json!({"containers": [{"name": "c", "envFrom": [refs("a")]}]}),
            json!({"containers": [{"name": "c", "env": [{"name": "B", "value": "b"}, key("a")]}]}),
            json!({"initContainers": [{"name": "c", "envFrom": [refs("a")]}]}),
            json!({"volumes": [{"name": "v", "configMap": {"name": "a"}}]}),
            json!({"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "a"}}]}}]}),
        ] {
            check(vec![map("a", json!({"k": "v"})), workload("Deployment", spec.clone())], Some(used));
            check(vec![map("a", json!({"k": "v"})), workload("StatefulSet", spec.clone())], Some(used));
            check(vec![map("b", json!({"k": "v"})), workload("Deployment", spec.clone())], None);
            check(vec![map("a", json!({"k": "v"})), workload("Job", spec)], None);
        }
        let both = json!({"containers": [{"name": "c", "envFrom": [refs("b"), refs("a"), refs("outside")]}]});
        let maps = || vec![map("a", json!({"k": "v"})), map("b", json!({"k": "v"}))];
        let two = "a=1d5401a8e5af73b3,b=1d5401a8e5af73b3";
        check(maps().into_iter().chain([workload("DaemonSet", both)]).collect(), Some(two));
        check(vec![workload("Deployment", json!({}))], None);
    }

    #[test]
    fn another_content_is_another_digest() {
        let of = |manifest: Value| content(&manifest, None);
        let plain = json!({"data": {"k": "v"}});
        assert_eq!(of(plain.clone()), of(json!({"data": {"k": "v"}, "metadata": {"name": "other"}})));
        assert_ne!(of(plain.clone()), of(json!({"data": {"k": "w"}})));
        assert_ne!(of(plain), of(json!({"binaryData": {"k": "v"}})));
    }
}
