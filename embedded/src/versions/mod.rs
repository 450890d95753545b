//! Kinds that are served in several versions: an object in another of them. Objects are stored in one version; requests
//! may speak any. Looks nothing up and stores nothing.

mod autoscaler;
mod event;

use serde_json::{Value, json};
use structured_merge::schema::TypeRef;

use crate::object;
use crate::registry::Resource;

/// The object in a version of its kind, where it is in another one.
pub(crate) fn convert(storage: &str, object: &Value, api_version: &str) -> Option<Value> {
    if object::text(object, "/apiVersion") == api_version {
        return None;
    }
    let mut converted = match (storage, api_version) {
        ("autoscaling/horizontalpodautoscalers", "autoscaling/v1") => autoscaler::to_v1(object),
        ("autoscaling/horizontalpodautoscalers", _) => autoscaler::to_v2(object),
        ("events", "events.k8s.io/v1") => event::to_events(object),
        ("events", _) => event::to_core(object),
        // The fields of a custom resource are the same in every version.
        _ => object.clone(),
    };
    object::as_map(&mut converted).insert("apiVersion".to_owned(), json!(api_version));
    Some(converted)
}

/// A stored object as a resource's version shows it, where that is not the stored one.
pub(crate) fn seen(resource: &Resource, object: &Value) -> Option<Value> {
    if resource.versions.is_empty() { None } else { convert(&resource.storage, object, &resource.api_version()) }
}

/// An object of a resource's version in the version that is stored.
pub(crate) fn stored(resource: &Resource, object: Value) -> Value {
    if resource.versions.is_empty() {
        return object;
    }
    convert(&resource.storage, &object, &resource.stored_version).unwrap_or(object)
}

impl structured_merge::Versions for Resource {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)> {
        let (_, schema) = self.versions.iter().find(|(version, _)| version == api_version)?;
        let converted = convert(&self.storage, object, api_version).unwrap_or_else(|| object.clone());
        Some((converted, schema.clone()))
    }
}
