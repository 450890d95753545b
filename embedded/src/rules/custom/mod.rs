//! Custom resources: what their definition's schema does to their objects, and what a definition must be. Rules in CEL
//! (`x-kubernetes-validations`) are not evaluated.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/schema` and `pkg/apis/apiextensions/validation`; wording seen
//! from kube-apiserver 1.36.

mod definition;
mod format;
mod scale;
mod schema;

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub(super) use self::definition::{
    check as check_definition, name as definition_name, unchanged as definition_unchanged,
};
use crate::failure::{Cause, Failure};
use crate::object;
use crate::registry::Resource;

/// The status that a new definition has before its names are looked at.
pub(super) fn first_status(definition: &Value) -> Value {
    let stored: Vec<&Value> = object::items(definition, "/spec/versions")
        .iter()
        .filter(|version| object::truth(version, "/storage"))
        .filter_map(|version| version.get("name"))
        .collect();
    json!({"acceptedNames": {"plural": "", "kind": ""}, "conditions": null, "storedVersions": stored})
}

fn schema_of(resource: &Resource) -> Option<&Value> {
    resource.custom.as_ref()?.pointer("/schema/openAPIV3Schema")
}

/// Is a custom object of the kind and version that its path says?
pub(super) fn check_kind(resource: &Resource, value: &Value) -> Result<(), Failure> {
    if resource.custom.is_none() {
        return Ok(());
    }
    let (kind, version) = (object::text(value, "/kind"), object::text(value, "/apiVersion"));
    let expected = resource.api_version();
    let mut causes = Vec::new();
    if kind != resource.kind {
        causes.push(Cause::invalid("kind", &json!(kind), &format!("must be {}", resource.kind)));
    }
    if version != expected {
        causes.push(Cause::invalid("apiVersion", &json!(version), &format!("must be {expected}")));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(version.split('/').next().unwrap_or_default(), kind, object::name(value), causes))
}

/// What is warned of in the finalizers that a custom object has not had before.
pub(super) fn finalizer_warnings(old: Option<&Value>, new: &Value) -> Vec<String> {
    let known = old.map(object::finalizers).unwrap_or_default();
    let standard = ["orphan", "foregroundDeletion", "kubernetes"];
    let added: BTreeSet<&str> = object::finalizers(new).into_iter().filter(|name| !known.contains(name)).collect();
    let strange = added.into_iter().filter(|name| !name.contains('/') && !standard.contains(name));
    strange
        .map(|name| {
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            format!(
                "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
            )
        })
        .collect()
}

/// Gives an object the defaults of its schema. A null where the schema has none goes, or makes place for the default.
pub(super) fn default(resource: &Resource, value: &mut Value) {
    if let Some(schema) = schema_of(resource) {
        fill(schema, value);
    }
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in object::entries(schema, "/properties") {
                if map.get(name).is_some_and(Value::is_null) && !object::truth(property, "/nullable") {
                    map.remove(name);
                }
                if let Some(default) = property.get("default")
                    && !map.contains_key(name)
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(inner) = map.get_mut(name) {
                    fill(property, inner);
                }
            }
            if let Some(additional) = schema.get("additionalProperties").filter(|additional| additional.is_object()) {
                if !object::truth(additional, "/nullable") {
                    map.retain(|_, inner| !inner.is_null());
                }
                map.values_mut().for_each(|inner| fill(additional, inner));
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        _ => {}
    }
}

/// What is wrong with an object by its schema, and with the numbers of its scale.
pub(super) fn check(resource: &Resource, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some(schema) = schema_of(resource) else { return causes };
    let mut value = value.clone();
    // What every object has is checked elsewhere.
    for field in ["apiVersion", "kind", "metadata"] {
        object::as_map(&mut value).remove(field);
    }
    let mut schema = schema.clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    }
    schema::check(&schema, &value, &mut causes);
    scale::check_spec(resource, &value, &mut causes);
    scale::check_status(resource, &value, &mut causes);
    causes
}

/// What is wrong with a status by its part of the schema. The server names the fields in its sentences from there.
pub(super) fn check_status(resource: &Resource, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let part = schema_of(resource).and_then(|schema| schema.pointer("/properties/status"));
    if let (Some(schema), Some(status)) = (part, value.get("status")) {
        schema::check(schema, status, &mut causes);
    }
    for cause in &mut causes {
        if cause.field != schema::NOWHERE {
            let below = if cause.field.is_empty() || cause.field.starts_with('[') { "" } else { "." };
            cause.field = format!("status{below}{}", cause.field);
        }
    }
    scale::check_status(resource, value, &mut causes);
    causes
}
