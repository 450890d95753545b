//! The few things every Kubernetes object has, whatever its kind: the facts about `metadata` that the algorithm rests
//! on.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::path::FieldPath;
use crate::schema::TypeRef;
use crate::schema::types::{Arena, TypeId};
use crate::set::FieldSet;

/// The `apiVersion` of an object; empty where it has none.
pub(crate) fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// An object as the server's messages name it: `namespace/name; group/version, Kind=kind`.
pub(crate) fn shown(object: &Value) -> String {
    let metadata = |key: &str| {
        object.get("metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_str).unwrap_or_default()
    };
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let api_version = api_version(object);
    // The core group is written as an empty one.
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{}/{}; {slash}{api_version}, Kind={kind}", metadata("namespace"), metadata("name"))
}

/// Fields that nobody ever owns: what names the object, and what the server itself sets.
///
/// From `stripmeta.go` of k8s.io/apimachinery/pkg/util/managedfields/internal.
pub(crate) static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    [["apiVersion"], ["kind"], ["metadata"]]
        .into_iter()
        .map(FieldPath::of_fields)
        .chain(metadata.into_iter().map(|field| FieldPath::of_fields(["metadata", field])))
        .collect()
});

/// The object before it exists: of a built-in type, the structs, maps and lists that its own form always has.
pub(crate) fn before_creation(ty: &TypeRef, like: &Value) -> Value {
    let mut empty = skeleton(&ty.arena, ty.id, DEEPEST);
    for key in ["apiVersion", "kind"] {
        if let Some(value) = like.get(key) {
            empty.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(empty)
}

/// How many structs may lie inside each other in an object that does not exist yet.
const DEEPEST: u8 = 16;

fn skeleton(arena: &Arena, id: TypeId, depth: u8) -> Map<String, Value> {
    let mut present = Map::new();
    let fields = arena.get(id).map.iter().flat_map(|map| &map.fields);
    for field in fields.filter(|field| field.always_present) {
        let ty = arena.get(field.ty);
        let is_struct = ty.map.as_ref().is_some_and(|map| !map.fields.is_empty());
        if is_struct && depth > 0 {
            present.insert(field.name.clone(), Value::Object(skeleton(arena, field.ty, depth - 1)));
        } else if ty.map.is_some() || ty.list.is_some() {
            present.insert(field.name.clone(), Value::Null);
        }
    }
    present
}
