//! The few things every Kubernetes object has, whatever its kind: the facts about `metadata` that the algorithm rests
//! on.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::path::FieldPath;
use crate::schema::types::{Arena, TypeId};
use crate::schema::{Scalar, TypeRef};
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

/// The object before it exists: of a built-in type, what its own form has even when nothing set it.
///
/// `like` is the object as it came to be; a null in it is such a thing, since nobody can set one.
pub(crate) fn before_creation(ty: &TypeRef, like: &Value) -> Value {
    let mut before = zero_fields(&ty.arena, ty.id, Some(like), DEEPEST);
    for key in ["apiVersion", "kind"] {
        if let Some(value) = like.get(key) {
            before.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(before)
}

/// How many structs may lie inside each other in an object that does not exist yet.
const DEEPEST: u8 = 16;

fn zero_fields(arena: &Arena, id: TypeId, like: Option<&Value>, depth: u8) -> Map<String, Value> {
    let fields = arena.get(id).map.as_ref().map(|map| map.fields.as_slice()).unwrap_or_default();
    let built_in = fields.iter().any(|field| field.always_present);
    let mut zero = Map::new();
    for field in fields {
        let like = like.and_then(|like| like.get(&field.name));
        if field.always_present {
            zero.insert(field.name.clone(), zero_value(arena, field.ty, like, depth));
        } else if built_in && like.is_some_and(Value::is_null) {
            zero.insert(field.name.clone(), Value::Null);
        }
    }
    zero
}

fn zero_value(arena: &Arena, id: TypeId, like: Option<&Value>, depth: u8) -> Value {
    let ty = arena.get(id);
    let is_struct = ty.map.as_ref().is_some_and(|map| !map.fields.is_empty());
    match ty.scalar {
        None if is_struct && depth > 0 => Value::Object(zero_fields(arena, id, like, depth - 1)),
        Some(Scalar::String) => Value::from(""),
        Some(Scalar::Integer | Scalar::Number) => Value::from(0),
        Some(Scalar::Boolean) => Value::from(false),
        Some(Scalar::Any) | None => Value::Null,
    }
}
