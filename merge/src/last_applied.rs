//! The annotation of client-side `kubectl apply`, as far as server-side apply minds it.
//!
//! Only the manager named `kubectl` is treated so; any other name opts out.

use serde_json::Value;

use crate::conflict::Conflict;
use crate::json_text::Encoder;
use crate::object;
use crate::schema::TypeRef;
use crate::typed;

/// Holds the configuration that client-side apply saw last.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager of `kubectl apply --server-side`.
const KUBECTL: &str = "kubectl";
/// All annotations of an object together may be this long, in bytes; the server's own limit.
const MOST_ANNOTATION_BYTES: usize = 256 << 10;

/// The conflicts that remain when `kubectl` takes over from its own client-side apply: a field that the annotation has
/// with its live value is no conflict.
pub(crate) fn open_conflicts(
    ty: &TypeRef,
    live: &Value,
    config: &Value,
    manager: &str,
    conflicts: Vec<Conflict>,
) -> Vec<Conflict> {
    if manager != KUBECTL {
        return conflicts;
    }
    let Some(last) = annotation(live).and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return conflicts;
    };
    if object::api_version(&last) != object::api_version(config)
        || typed::validate(ty, &last, typed::Duplicates::Refuse).is_err()
        // Here the server puts up with no duplicates in what is live either.
        || typed::validate(ty, live, typed::Duplicates::Refuse).is_err()
    {
        return conflicts;
    }
    let difference = typed::compare(ty, &last, live);
    let ours = typed::fields(ty, &last)
        .difference(&difference.modified)
        .difference(&difference.added)
        .difference(&difference.removed);
    conflicts.into_iter().filter(|conflict| !ours.contains(&conflict.path)).collect()
}

/// Whether an apply by this manager may write the annotation.
pub(crate) fn is_minded(live: &Value, manager: &str) -> bool {
    manager == KUBECTL && annotation(live).is_some()
}

/// Keeps the annotation, where there is one, in step with what `kubectl` applies.
pub(crate) fn refresh(object: &mut Value, config: &Value, manager: &str) {
    if manager != KUBECTL || annotation(object).is_none() {
        return;
    }
    let mut applied = config.clone();
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
        if annotations.is_empty()
            && let Some(metadata) = applied.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("annotations");
        }
    }
    let text = Encoder::Object.text(&applied) + "\n";
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    annotations.insert(ANNOTATION.to_owned(), Value::from(text));
    let bytes = annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum::<usize>();
    if bytes > MOST_ANNOTATION_BYTES {
        annotations.remove(ANNOTATION);
    }
}

fn annotation(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    (!text.is_empty()).then_some(text)
}
