//! What is known of the types of objects: the shipped Kubernetes types, custom resources, and what can be deduced.
//!
//! A [`TypeRef`] is all the rest of the crate needs: it says, for every place in an object, whether a list is one value,
//! a set or a list map, whether a map is owned whole or key by key, and which fields there are. Nothing here reads a
//! file or asks a server; validation rules (patterns, bounds, enumerations) are not kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use serde_json::Value;

mod archive;
mod definition;
mod openapi;
mod tables;
pub(crate) mod types;

pub use archive::ArchiveError;
pub use definition::{Format, PatchRule, Scalar};

use archive::Release;
use definition::DEDUCED;
use types::{Arena, Items, TypeId};

/// The types of the Kubernetes versions that ship with the crate; `cargo xtask schema` makes it.
static SHIPPED: &[u8] = include_bytes!("../../kubernetes.types");

/// The definition every object's `metadata` has.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading the schema of {name}: it {what}")]
pub struct SchemaError {
    /// The type in question.
    pub(crate) name: String,
    /// What is the matter with it.
    pub(crate) what: &'static str,
}

/// The types of one version of Kubernetes.
///
/// ```
/// use structured_merge::schema::Schema;
/// let deployment = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap();
/// let containers = deployment.at(["spec", "template", "spec", "containers"]).unwrap();
/// assert_eq!(containers.list_map_keys(), Some(vec!["name"]));
/// ```
#[derive(Debug, Clone)]
pub struct Schema {
    version: String,
    arena: Arc<Arena>,
    kinds: BTreeMap<(String, String, String), TypeId>,
}

impl Schema {
    /// The types of the newest Kubernetes version that ships with the crate. Decoded on the first call, within a few
    /// milliseconds.
    #[must_use]
    pub fn kubernetes() -> &'static Self {
        static NEWEST: LazyLock<Schema> = LazyLock::new(|| {
            let newest = archive::read(SHIPPED, None).ok().flatten();
            Schema::from_release(newest.unwrap_or_default())
        });
        &NEWEST
    }

    /// The version of [`Schema::kubernetes`], such as `1.37`.
    #[must_use]
    pub fn kubernetes_version() -> &'static str {
        &Self::kubernetes().version
    }

    /// The types of another Kubernetes version, if it ships with the crate.
    ///
    /// ```
    /// use structured_merge::schema::Schema;
    /// assert_eq!(Schema::of_kubernetes("1.36").map(|schema| schema.version().to_owned()), Some("1.36".to_owned()));
    /// assert!(Schema::of_kubernetes("1.2").is_none());
    /// ```
    #[must_use]
    pub fn of_kubernetes(version: &str) -> Option<Self> {
        archive::read(SHIPPED, Some(version)).ok().flatten().map(Self::from_release)
    }

    /// The types to use with a server of this version, such as `v1.36.2`: those of its own version; of the newest one
    /// that ships where the server is newer or its version cannot be read; of the oldest where it is older than all.
    ///
    /// ```
    /// use structured_merge::schema::Schema;
    /// assert_eq!(Schema::for_server("v1.35.4+k3s1").version(), "1.35");
    /// assert_eq!(Schema::for_server("1.99").version(), Schema::kubernetes_version());
    /// assert_eq!(Schema::for_server("v1.20.0").version(), "1.32");
    /// ```
    #[must_use]
    pub fn for_server(version: &str) -> Self {
        let Some(server) = major_and_minor(version) else { return Self::kubernetes().clone() };
        let shipped = Self::kubernetes_versions();
        let not_newer =
            shipped.iter().find(|shipped| major_and_minor(shipped).is_some_and(|shipped| shipped <= server));
        let chosen = not_newer.or(shipped.last()).map(String::as_str).unwrap_or_default();
        if chosen == Self::kubernetes_version() {
            return Self::kubernetes().clone();
        }
        Self::of_kubernetes(chosen).unwrap_or_else(|| Self::kubernetes().clone())
    }

    /// The Kubernetes versions that ship with the crate, newest first.
    #[must_use]
    pub fn kubernetes_versions() -> Vec<String> {
        archive::versions(SHIPPED).unwrap_or_default()
    }

    /// The version these types are of.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The type of a kind; the core group is the empty string. Absent when this version has no such kind.
    #[must_use]
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef> {
        let id = self.kinds.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))?;
        Some(TypeRef { arena: Arc::clone(&self.arena), id: *id })
    }

    /// Every group, version and kind there is a type for.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.kinds.keys().map(|(group, version, kind)| (group.as_str(), version.as_str(), kind.as_str()))
    }

    /// The type of a custom resource: `open_api_v3_schema` is `spec.versions[].schema.openAPIV3Schema` of its
    /// definition, `preserve_unknown` its `spec.preserveUnknownFields`.
    ///
    /// # Errors
    /// When the schema is not structural enough to say what a list or a map is.
    ///
    /// ```
    /// use serde_json::json;
    /// use structured_merge::schema::Schema;
    /// let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
    ///     "hosts": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}}}}});
    /// let ty = Schema::from_crd_version(&schema, false)?;
    /// assert!(ty.at(["spec", "hosts"]).unwrap().is_set());
    /// assert!(ty.at(["metadata", "labels"]).is_some());
    /// # Ok::<(), structured_merge::schema::SchemaError>(())
    /// ```
    pub fn from_crd_version(open_api_v3_schema: &Value, preserve_unknown: bool) -> Result<TypeRef, SchemaError> {
        let mut definition =
            openapi::read_definition(open_api_v3_schema, preserve_unknown, "a custom resource definition")?;
        let Some(map) = &mut definition.map else {
            return Err(SchemaError { name: "a custom resource definition".into(), what: "is not of type object" });
        };
        openapi::add_object_fields(map);
        let mut arena = Arena::link([]);
        arena.import(&Self::kubernetes().arena, OBJECT_META);
        let id = arena.add(definition);
        Ok(TypeRef { arena: Arc::new(arena), id })
    }

    /// The type of an object no schema describes: maps are owned key by key, lists whole. The server uses it for
    /// custom resources without a schema.
    #[must_use]
    pub fn deduced() -> TypeRef {
        static DEDUCED_ARENA: OnceLock<Arc<Arena>> = OnceLock::new();
        let arena = Arc::clone(DEDUCED_ARENA.get_or_init(|| Arc::new(Arena::link([]))));
        let id = arena.named(DEDUCED).unwrap_or(TypeId::FIRST);
        TypeRef { arena, id }
    }

    /// Types read from OpenAPI: an object with `definitions` (version 2, as a server gives under `/openapi/v2`),
    /// `components.schemas` (version 3, `/openapi/v3/apis/...`) or `$defs`. Kinds are the definitions with an
    /// `x-kubernetes-group-version-kind`; references may lead to any definition of the document, and what they lead to
    /// that is not there may be anything and is owned whole.
    ///
    /// # Errors
    /// When a definition cannot be read, or there are none, or `ObjectMeta` is not among them.
    ///
    /// ```
    /// use serde_json::json;
    /// use structured_merge::Schema;
    /// let document = json!({"components": {"schemas": {
    ///     "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "properties": {"name": {"type": "string"}}},
    ///     "com.example.v1.Thing": {
    ///         "type": "object",
    ///         "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Thing"}],
    ///         "properties": {
    ///             "metadata": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
    ///             "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
    ///                 "items": {"type": "object", "properties": {"port": {"type": "integer", "default": 80}}}},
    ///         },
    ///     },
    /// }}});
    /// let schema = Schema::from_openapi("1.0", &document)?;
    /// let ports = schema.kind("example.com", "v1", "Thing").unwrap().at(["ports"]).unwrap();
    /// assert_eq!(ports.list_key_defaults(), [("port", &json!(80))]);
    /// # Ok::<(), structured_merge::schema::SchemaError>(())
    /// ```
    pub fn from_openapi(version: &str, document: &Value) -> Result<Self, SchemaError> {
        read_release(version, document).map(Self::from_release)
    }

    fn from_release(release: Release) -> Self {
        let arena = Arena::link(release.definitions);
        let kinds = release.kinds.into_iter().filter_map(|(kind, name)| Some((kind, arena.named(&name)?))).collect();
        Self { version: release.version, arena: Arc::new(arena), kinds }
    }
}

/// The first two numbers of a version, whatever follows them.
fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Writes documents of named Kubernetes definitions, newest version first, as the compressed file that the crate ships.
///
/// # Errors
/// As for [`Schema::from_openapi`].
pub fn write_archive<'a>(documents: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Result<Vec<u8>, SchemaError> {
    let releases: Result<Vec<Release>, SchemaError> =
        documents.into_iter().map(|(version, document)| read_release(version, document)).collect();
    Ok(archive::write(&releases?))
}

fn read_release(version: &str, document: &Value) -> Result<Release, SchemaError> {
    let error = |what| SchemaError { name: format!("Kubernetes {version}"), what };
    let places = ["/$defs", "/definitions", "/components/schemas"];
    let named = places.iter().find_map(|place| document.pointer(place)?.as_object());
    let named = named.ok_or_else(|| error("has neither $defs nor definitions nor components.schemas"))?;
    let mut release = Release { version: version.to_owned(), ..Release::default() };
    for (name, schema) in named {
        release.definitions.insert(name.clone(), openapi::read_kubernetes(name, schema)?);
        let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        // A definition of many groups (such as DeleteOptions) is an option of requests, no kind of object.
        if let [kind] = kinds.map(Vec::as_slice).unwrap_or_default() {
            let part = |part: &str| kind.get(part).and_then(Value::as_str).unwrap_or_default().to_owned();
            release.kinds.insert((part("group"), part("version"), part("kind")), name.clone());
        }
    }
    if release.definitions.contains_key(OBJECT_META) { Ok(release) } else { Err(error("lacks ObjectMeta")) }
}

/// The type of a value, inside the schema it belongs to. Cheap to clone.
#[derive(Clone)]
pub struct TypeRef {
    pub(crate) arena: Arc<Arena>,
    pub(crate) id: TypeId,
}

impl TypeRef {
    /// The type of a field of this struct, or of a key of this map; absent where the schema has no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Self> {
        self.arena.get(self.id).map.as_ref()?.type_of(name).map(|id| self.with(id))
    }

    /// The type of the items of this list.
    #[must_use]
    pub fn items(&self) -> Option<Self> {
        Some(self.with(self.arena.get(self.id).list.as_ref()?.element))
    }

    /// Follows field names; a list is stepped into where a name is asked of it.
    #[must_use]
    pub fn at<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        names.into_iter().try_fold(self.clone(), |ty, name| ty.field(name).or_else(|| ty.items()?.field(name)))
    }

    /// The declared fields of this struct, by name: each with its type, whether it is required, and how a strategic
    /// merge patch treats it.
    pub fn fields(&self) -> impl Iterator<Item = FieldInfo<'_>> {
        let map = self.arena.get(self.id).map.as_ref();
        map.into_iter().flat_map(|map| &map.fields).map(|field| self.info(field))
    }

    /// One declared field; absent for a key of a map that is no declared field.
    #[must_use]
    pub fn declared_field(&self, name: &str) -> Option<FieldInfo<'_>> {
        self.arena.get(self.id).map.as_ref()?.field(name).map(|field| self.info(field))
    }

    fn info<'a>(&self, field: &'a types::Field) -> FieldInfo<'a> {
        FieldInfo { name: &field.name, ty: self.with(field.ty), required: field.required, patch: &field.patch }
    }

    /// The name of the definition that this type is, `io.k8s.api.apps.v1.DeploymentSpec`; absent for a type that has
    /// none.
    ///
    /// ```
    /// let schema = structured_merge::schema::Schema::kubernetes();
    /// let spec = schema.kind("apps", "v1", "Deployment").and_then(|kind| kind.field("spec"));
    /// assert_eq!(spec.as_ref().and_then(|spec| spec.definition()), Some("io.k8s.api.apps.v1.DeploymentSpec"));
    /// ```
    #[must_use]
    pub fn definition(&self) -> Option<&str> {
        self.arena.name_of(self.id)
    }

    /// Whether a value may be an object.
    #[must_use]
    pub fn is_map(&self) -> bool {
        self.arena.get(self.id).map.is_some()
    }

    /// Whether a value may be a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.arena.get(self.id).list.is_some()
    }

    /// What kind of scalar a value may be.
    #[must_use]
    pub fn scalar(&self) -> Option<Scalar> {
        self.arena.get(self.id).scalar
    }

    /// What a scalar stands for.
    #[must_use]
    pub fn format(&self) -> Format {
        self.arena.get(self.id).format
    }

    /// Whether the object or list is owned whole.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        let ty = self.arena.get(self.id);
        ty.map.as_ref().is_some_and(|map| map.atomic)
            || (ty.map.is_none() && ty.list.as_ref().is_some_and(|list| matches!(list.items, Items::Atomic)))
    }

    /// Whether this is a list whose items are told apart by themselves.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.arena.get(self.id).list.as_ref().is_some_and(|list| matches!(list.items, Items::Set))
    }

    /// The fields that tell the items of this list apart; absent for another list, and for what is no list.
    #[must_use]
    pub fn list_map_keys(&self) -> Option<Vec<&str>> {
        match &self.arena.get(self.id).list.as_ref()?.items {
            Items::Keyed(keys) => Some(keys.iter().map(|key| key.name.as_str()).collect()),
            Items::Atomic | Items::Set => None,
        }
    }

    /// The defaults of the key fields of this list, by name; only those that have one.
    #[must_use]
    pub fn list_key_defaults(&self) -> Vec<(&str, &Value)> {
        match self.arena.get(self.id).list.as_ref().map(|list| &list.items) {
            Some(Items::Keyed(keys)) => {
                keys.iter().filter_map(|key| Some((key.name.as_str(), key.default.as_ref()?))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the object may hold keys that are no declared field.
    #[must_use]
    pub fn allows_unknown(&self) -> bool {
        self.arena.get(self.id).map.as_ref().is_some_and(|map| map.element.is_some())
    }

    fn with(&self, id: TypeId) -> Self {
        Self { arena: Arc::clone(&self.arena), id }
    }
}

/// Two references are the same type when they are one place of one schema.
impl PartialEq for TypeRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.arena, &other.arena) && self.id == other.id
    }
}

impl Eq for TypeRef {}

impl fmt::Debug for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeRef").field(&self.id).finish()
    }
}

/// A declared field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub ty: TypeRef,
    /// Whether an object without it is invalid.
    pub required: bool,
    /// How a strategic merge patch treats it.
    pub patch: &'a PatchRule,
}

#[cfg(test)]
mod tests {
    use super::definition::{Definition, Reference, UNTYPED_ATOMIC};
    use super::*;

    /// Names that a definition refers to.
    fn references(definition: &Definition) -> Vec<&str> {
        let list = definition.list.iter().map(|list| &list.element);
        let map =
            definition.map.iter().flat_map(|map| map.element.iter().chain(map.fields.iter().map(|f| &f.reference)));
        list.chain(map)
            .flat_map(|reference| match reference {
                Reference::Named { name, .. } => vec![name.as_str()],
                Reference::Inline(definition) => references(definition),
            })
            .collect()
    }

    #[test]
    fn every_reference_of_the_shipped_types_leads_somewhere() {
        for version in archive::versions(SHIPPED).unwrap_or_default() {
            let release = archive::read(SHIPPED, Some(&version)).ok().flatten().unwrap_or_default();
            assert!(!release.definitions.is_empty(), "Kubernetes {version} has no definitions");
            for (name, definition) in &release.definitions {
                for target in references(definition) {
                    let known = release.definitions.contains_key(target) || [DEDUCED, UNTYPED_ATOMIC].contains(&target);
                    assert!(known, "Kubernetes {version}: {name} refers to {target}");
                }
            }
        }
    }
}
