//! What is served right now: the built-in kinds and one entry for each version of each custom resource definition.
//! Looked up by path; rebuilt when a definition changes. Holds no objects.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use structured_merge::schema::{Schema, TypeRef};

use crate::kinds::{KINDS, Verbs};
use crate::object;
use crate::store::{Key, Object};

/// Where CustomResourceDefinitions are stored.
pub(crate) const CRDS: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// One served resource in one version.
#[derive(Clone)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) subresources: Vec<String>,
    pub(crate) verbs: Verbs,
    pub(crate) counts_generations: bool,
    /// Where its objects are stored: `group/plural`, or the plural alone in the core group.
    pub(crate) storage: Arc<str>,
    /// The `apiVersion` its objects are stored in.
    pub(crate) stored_version: String,
    /// Every version its objects are served in, with the fields there. Empty for a built-in kind that has one alone.
    pub(crate) versions: Vec<(String, TypeRef)>,
    /// Its fields.
    pub(crate) schema: TypeRef,
    /// The definition's version entry, for a custom resource.
    pub(crate) custom: Option<Arc<Value>>,
    /// What every answer about it warns of.
    pub(crate) deprecation: Option<String>,
}

impl Resource {
    /// `v1`, or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The key of one of its objects.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> Key {
        Key {
            resource: Arc::clone(&self.storage),
            namespace: if self.namespaced { namespace.into() } else { "".into() },
            name: name.into(),
        }
    }

    /// Is this the built-in kind of that name (not a custom one)?
    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.custom.is_none() && self.group == group && self.kind == kind
    }

    /// Does it have the subresource?
    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|s| s == subresource)
    }
}

/// Source: `k8s.io/kubernetes/pkg/registry/core/endpoint`, seen from kube-apiserver 1.36.
const ENDPOINTS: &str = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

/// `group/plural`, or the plural alone in the core group: where objects of a resource are stored. Events are the same
/// objects in both of their groups.
pub(crate) fn storage_of(group: &str, plural: &str) -> String {
    if group.is_empty() || group == "events.k8s.io" { plural.to_owned() } else { format!("{group}/{plural}") }
}

/// Everything that is served.
#[derive(Default)]
pub(crate) struct Registry {
    /// In the order discovery shows them.
    resources: Vec<Arc<Resource>>,
    by_path: BTreeMap<(String, String, String), Arc<Resource>>,
}

impl Registry {
    /// The built-in kinds and those that the stored definitions add.
    pub(crate) fn new<'a>(definitions: impl Iterator<Item = &'a Arc<Object>>) -> Registry {
        let mut registry = Registry::default();
        for resource in built_in() {
            registry.add(Arc::clone(resource));
        }
        for definition in definitions {
            for resource in custom(&definition.value) {
                registry.add(Arc::new(resource));
            }
        }
        registry
    }

    fn add(&mut self, resource: Arc<Resource>) {
        let path = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        self.by_path.insert(path, Arc::clone(&resource));
        self.resources.push(resource);
    }

    /// The resource at a path.
    pub(crate) fn at(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// Is anything served in this group?
    pub(crate) fn knows(&self, group: &str) -> bool {
        self.resources.iter().any(|resource| resource.group == group)
    }

    /// The resource of an `apiVersion` and `kind`.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|r| r.kind == kind && r.api_version() == api_version)
    }

    /// A resource by where its objects are stored; of several versions a built-in kind's stored one.
    pub(crate) fn stored_at(&self, storage: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|r| &*r.storage == storage)
    }

    /// Everything, in discovery's order.
    pub(crate) fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The groups in discovery's order, each with its versions, preferred first. The core group is not among them.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for resource in self.resources.iter().filter(|r| !r.group.is_empty()) {
            let at = match groups.iter().position(|(group, _)| *group == resource.group) {
                Some(at) => at,
                None => {
                    groups.push((resource.group.clone(), Vec::new()));
                    groups.len() - 1
                }
            };
            if let Some((_, versions)) = groups.get_mut(at)
                && !versions.contains(&resource.version)
            {
                versions.push(resource.version.clone());
            }
        }
        groups
    }
}

/// The built-in kinds with their schemas, made once.
fn built_in() -> &'static [Arc<Resource>] {
    static BUILT_IN: OnceLock<Vec<Arc<Resource>>> = OnceLock::new();
    BUILT_IN.get_or_init(|| {
        let schema = Schema::kubernetes();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut resources: Vec<Resource> = KINDS
            .iter()
            .map(|kind| Resource {
                group: kind.group.to_owned(),
                version: kind.version.to_owned(),
                kind: kind.kind.to_owned(),
                list_kind: format!("{}List", kind.kind),
                plural: kind.plural.to_owned(),
                singular: kind.singular.to_owned(),
                short_names: owned(kind.short_names),
                categories: owned(kind.categories),
                namespaced: kind.namespaced,
                subresources: owned(kind.subresources),
                verbs: kind.verbs,
                counts_generations: kind.counts_generations,
                storage: storage_of(kind.group, kind.plural).into(),
                stored_version: String::new(),
                versions: Vec::new(),
                schema: schema.kind(kind.group, kind.version, kind.kind).unwrap_or_else(Schema::deduced),
                custom: None,
                deprecation: ((kind.group, kind.kind) == ("", "Endpoints")).then(|| ENDPOINTS.to_owned()),
            })
            .collect();
        // The first of a kind's versions in the table is the one that is stored.
        let mut versions: BTreeMap<Arc<str>, Vec<(String, TypeRef)>> = BTreeMap::new();
        for resource in &resources {
            let version = (resource.api_version(), resource.schema.clone());
            versions.entry(Arc::clone(&resource.storage)).or_default().push(version);
        }
        for resource in &mut resources {
            let all = versions.get(&resource.storage).map(Vec::as_slice).unwrap_or_default();
            resource.stored_version = all.first().map(|(version, _)| version.clone()).unwrap_or_default();
            resource.versions = if all.len() > 1 { all.to_vec() } else { Vec::new() };
        }
        resources.into_iter().map(Arc::new).collect()
    })
}

/// The resources that a definition adds once it is established: one for each served version.
fn custom(definition: &Value) -> Vec<Resource> {
    if !object::condition_is_true(definition, "Established") {
        return Vec::new();
    }
    let text = |pointer: &str| object::text(definition, pointer).to_owned();
    let texts = |pointer: &str| -> Vec<String> {
        object::items(definition, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let stored = object::items(definition, "/spec/versions").iter().find(|version| object::truth(version, "/storage"));
    let stored = stored.map(|version| object::text(version, "/name")).unwrap_or_default();
    let mut resources: Vec<Resource> = object::items(definition, "/spec/versions")
        .iter()
        .filter(|version| object::truth(version, "/served"))
        .map(|version| {
            let schema = version.pointer("/schema/openAPIV3Schema");
            let preserve = object::truth(definition, "/spec/preserveUnknownFields");
            let subresources = ["status", "scale"]
                .into_iter()
                .filter(|s| version.pointer(&format!("/subresources/{s}")).is_some())
                .map(str::to_owned)
                .collect();
            Resource {
                version: object::text(version, "/name").to_owned(),
                kind: text("/spec/names/kind"),
                list_kind: text("/spec/names/listKind"),
                singular: text("/spec/names/singular"),
                short_names: texts("/spec/names/shortNames"),
                categories: texts("/spec/names/categories"),
                namespaced: text("/spec/scope") == "Namespaced",
                subresources,
                verbs: Verbs::All,
                counts_generations: true,
                storage: storage_of(&group, &plural).into(),
                stored_version: format!("{group}/{stored}"),
                versions: Vec::new(),
                schema: schema
                    .and_then(|schema| Schema::from_crd_version(schema, preserve).ok())
                    .unwrap_or_else(Schema::deduced),
                custom: Some(Arc::new(version.clone())),
                deprecation: deprecation(definition, version),
                group: group.clone(),
                plural: plural.clone(),
            }
        })
        .collect();
    resources.sort_by_key(|resource| std::cmp::Reverse(version_rank(&resource.version)));
    let versions: Vec<(String, TypeRef)> =
        resources.iter().map(|resource| (resource.api_version(), resource.schema.clone())).collect();
    for resource in &mut resources {
        resource.versions.clone_from(&versions);
    }
    resources
}

/// What is said of a version that its definition calls deprecated: its own words, or which newer one to use.
///
/// Source: `defaultDeprecationWarning` of `k8s.io/apiextensions-apiserver/pkg/apiserver`.
fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if !object::truth(version, "/deprecated") {
        return None;
    }
    if let Some(own) = version.get("deprecationWarning").and_then(Value::as_str) {
        return Some(own.to_owned());
    }
    let (group, kind) = (object::text(definition, "/spec/group"), object::text(definition, "/spec/names/kind"));
    let rank = |version: &Value| version_rank(object::text(version, "/name"));
    let newer = object::items(definition, "/spec/versions")
        .iter()
        .filter(|other| object::truth(other, "/served") && !object::truth(other, "/deprecated"))
        .filter(|other| rank(other) > rank(version))
        .max_by_key(|other| rank(other))
        .map(|other| format!("; use {group}/{} {kind}", object::text(other, "/name")));
    let name = object::text(version, "/name");
    Some(format!("{group}/{name} {kind} is deprecated{}", newer.unwrap_or_default()))
}

/// The order in which versions are preferred: stable before beta before alpha, newer first, anything else last.
fn version_rank(version: &str) -> (u8, u32, u32) {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(digits);
    let Ok(major) = major.parse() else { return (0, 0, 0) };
    for (word, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some(Ok(minor)) = rest.strip_prefix(word).map(str::parse) {
            return (rank, major, minor);
        }
    }
    if rest.is_empty() { (3, major, 0) } else { (0, 0, 0) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn versions_are_preferred_as_the_server_prefers_them() {
        let mut versions = ["v1alpha1", "foo", "v2", "v1beta2", "v1", "v10", "v1beta1"];
        versions.sort_by_key(|v| std::cmp::Reverse(version_rank(v)));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]);
    }

    #[test]
    fn every_kind_of_the_table_has_a_schema_and_its_own_path() {
        let registry = Registry::new(std::iter::empty());
        assert_eq!(registry.resources().len(), KINDS.len());
        assert_eq!(registry.by_path.len(), KINDS.len());
        for kind in KINDS {
            assert!(Schema::kubernetes().kind(kind.group, kind.version, kind.kind).is_some(), "{}", kind.kind);
        }
    }
}
