//! Where the cluster meets the schema: bringing a body into the form the server stores, and keeping field ownership
//! through `structured_merge`. Decides nothing about kinds beyond the tables below.

use std::fmt;

use axum::body::Bytes;
use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use structured_merge::schema::{Format, Scalar, TypeRef};
use structured_merge::{ApplyError, ApplyOptions, UpdateOptions};

use crate::api::FieldValidation;
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::rules::Author;
use crate::rules::quantity::Quantity;

/// Truth values that the server does not keep when they are false: plain fields with `omitempty`, not pointers.
///
/// Source: the Go types of `k8s.io/api`.
const FALSE_IS_NOTHING: &[&str] = &[
    "globalDefault",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "paused",
    "publishNotReadyAddresses",
    "readOnly",
    "stdin",
    "stdinOnce",
    "tty",
    "unschedulable",
];

/// Numbers that the server does not keep when they are zero. Source: as above.
const ZERO_IS_NOTHING: &[&str] = &[
    "active",
    "availableReplicas",
    "currentReplicas",
    "failed",
    "failureThreshold",
    "hostPort",
    "initialDelaySeconds",
    "minReadySeconds",
    "nodePort",
    "observedGeneration",
    "periodSeconds",
    "readyReplicas",
    "succeeded",
    "successThreshold",
    "timeoutSeconds",
    "unavailableReplicas",
    "updatedReplicas",
];

/// Texts that the server keeps although they are empty: pointers. Source: as above.
const EMPTY_TEXT_IS_KEPT: &[&str] =
    &["storageClassName", "ingressClassName", "service", "reportingInstance", "holderIdentity"];

/// Brings a body into the stored form: unknown fields dropped, refused or reported; nothing in place of `null` and of
/// empty values that the server does not keep; quantities in their canonical form. Gives back warnings.
pub(crate) fn conform(
    resource: &Resource,
    value: &mut Value,
    validation: FieldValidation,
    duplicates: Vec<String>,
) -> Result<Vec<String>, Failure> {
    let mut walk = Walk { unknown: Vec::new(), wrong: None, built_in: resource.custom.is_none() };
    walk.value(&resource.schema, value, &mut String::new(), "");
    let subject =
        format!("{} in version {:?} cannot be handled as a {}", resource.kind, resource.version, resource.kind);
    if let Some(wrong) = walk.wrong {
        return Err(Failure::bad_request(format!("{subject}: {wrong}")));
    }
    let mut faults: Vec<String> = duplicates;
    faults.extend(walk.unknown);
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(faults),
        FieldValidation::Strict if faults.is_empty() => Ok(faults),
        FieldValidation::Strict => {
            Err(Failure::bad_request(format!("{subject}: strict decoding error: {}", faults.join(", "))))
        }
    }
}

struct Walk {
    unknown: Vec<String>,
    wrong: Option<String>,
    built_in: bool,
}

impl Walk {
    fn value(&mut self, ty: &TypeRef, value: &mut Value, path: &mut String, name: &str) {
        match value {
            Value::Object(map) => {
                if !ty.is_map() {
                    if ty.scalar() != Some(Scalar::Any) && ty.scalar().is_some() || ty.is_list() {
                        self.mismatch(ty, "object", path);
                    }
                    return;
                }
                let keys: Vec<String> = map.keys().cloned().collect();
                for key in keys {
                    let length = path.len();
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&key);
                    match ty.field(&key) {
                        // The server's own account of ownership has a form of its own.
                        _ if path == "metadata.managedFields" => {}
                        Some(field) => {
                            if let Some(inner) = map.get_mut(&key) {
                                self.value(&field, inner, path, &key);
                                let required = ty.declared_field(&key).is_some_and(|field| field.required);
                                if self.is_nothing(&field, inner, &key, required || ty.declared_field(&key).is_none()) {
                                    map.remove(&key);
                                }
                            }
                        }
                        None if !self.built_in && matches!(path.as_str(), "apiVersion" | "kind" | "metadata") => {}
                        None => {
                            self.unknown.push(format!("unknown field \"{path}\""));
                            map.remove(&key);
                        }
                    }
                    path.truncate(length);
                }
            }
            Value::Array(items) => {
                let Some(item_type) = ty.items() else {
                    if ty.is_map() || ty.scalar().is_some_and(|scalar| scalar != Scalar::Any) {
                        self.mismatch(ty, "array", path);
                    }
                    return;
                };
                for (at, item) in items.iter_mut().enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{at}]"));
                    self.value(&item_type, item, path, "");
                    path.truncate(length);
                }
            }
            Value::Null => {}
            scalar => self.scalar(ty, scalar, path, name),
        }
    }

    fn scalar(&mut self, ty: &TypeRef, value: &mut Value, path: &str, _name: &str) {
        if ty.format() == Format::Quantity {
            let text = match &*value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            match Quantity::parse(&text) {
                Ok(quantity) => *value = Value::String(quantity.to_string()),
                Err(error) => self.wrong = self.wrong.take().or(Some(error.to_string())),
            }
            return;
        }
        let Some(scalar) = ty.scalar() else {
            if ty.is_map() || ty.is_list() {
                self.mismatch(ty, shape(value), path);
            }
            return;
        };
        let fits = match scalar {
            Scalar::Any => true,
            Scalar::String => value.is_string(),
            Scalar::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            Scalar::Number => value.is_number(),
            Scalar::Boolean => value.is_boolean(),
        };
        if !fits {
            self.mismatch(ty, shape(value), path);
        }
    }

    fn mismatch(&mut self, ty: &TypeRef, found: &str, path: &str) {
        let wanted = match ty.scalar() {
            Some(Scalar::String) => "string",
            Some(Scalar::Integer) => "int32",
            Some(Scalar::Number) => "float64",
            Some(Scalar::Boolean) => "bool",
            _ if ty.is_list() => "[]",
            _ => "map[string]",
        };
        let text = format!("json: cannot unmarshal {found} into Go struct field {path} of type {wanted}");
        self.wrong = self.wrong.take().or(Some(text));
    }

    /// Does the server keep nothing in place of this value?
    fn is_nothing(&self, ty: &TypeRef, value: &Value, name: &str, required: bool) -> bool {
        if !self.built_in {
            return false;
        }
        match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty() && !required,
            Value::Object(map) => map.is_empty() && !required && ty.allows_unknown() && ty.fields().next().is_none(),
            Value::String(text) => {
                text.is_empty() && !required && ty.format() == Format::Plain && !EMPTY_TEXT_IS_KEPT.contains(&name)
            }
            Value::Bool(truth) => !truth && FALSE_IS_NOTHING.contains(&name),
            Value::Number(number) => number.as_i64() == Some(0) && !required && ZERO_IS_NOTHING.contains(&name),
        }
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Fields that a JSON body names twice, as `duplicate field "a.b"`. Nothing for a body that is no JSON.
pub(crate) fn duplicates(body: &Bytes) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    // A body that cannot be read is refused elsewhere.
    let _ = Seen { path: String::new(), found: &mut found }.deserialize(&mut reader);
    found
}

/// Walks a document and notes keys that come twice in one map.
struct Seen<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seen<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seen<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !keys.insert(key) {
                self.found.push(format!("duplicate field \"{path}\""));
            }
            map.next_value_seed(Seen { path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0;
        while seq.next_element_seed(Seen { path: format!("{}[{at}]", self.path), found: self.found })?.is_some() {
            at += 1;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Leaves of a configuration only what this endpoint can set: everything but the status, or the status alone.
pub(crate) fn restrict(resource: &Resource, config: &mut Value, subresource: &str) {
    let Some(map) = config.as_object_mut() else { return };
    match subresource {
        "status" => {
            map.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|key, _| matches!(key.as_str(), "name" | "namespace" | "uid" | "resourceVersion"));
            }
        }
        _ if resource.has("status") => {
            map.remove("status");
        }
        _ => {}
    }
}

/// A server-side apply.
pub(crate) fn apply(
    resource: &Resource,
    live: Option<&Value>,
    config: &Value,
    author: Author<'_>,
    force: bool,
    now: Timestamp,
) -> Result<Value, Failure> {
    let now = object::rfc3339(now);
    let options = ApplyOptions { force, subresource: author.subresource, ..ApplyOptions::new(author.manager, &now) };
    structured_merge::apply(&resource.schema, live, config, &options).map_err(|error| match &error {
        ApplyError::Conflicts(conflicts) => {
            let causes =
                conflicts.iter().map(|c| (c.path.to_string(), format!("conflict with {}", c.owner()))).collect();
            Failure::apply_conflict(error.to_string(), causes)
        }
        ApplyError::ManagedFieldsGiven => Failure::bad_request(error.to_string()),
        ApplyError::Invalid { .. }
        | ApplyError::InvalidLive { .. }
        | ApplyError::BeforeFirstApply(_)
        | ApplyError::Versions(_)
        | ApplyError::LiveManagedFields(_) => Failure::unnamed(error.to_string()),
    })
}

/// Brings field ownership up to date after a plain write. An object that does not fit its schema goes untracked, as on
/// the server.
pub(crate) fn track(
    resource: &Resource,
    live: Option<&Value>,
    new: &Value,
    author: Author<'_>,
    now: Timestamp,
) -> Result<Value, Failure> {
    let now = object::rfc3339(now);
    let options = UpdateOptions { subresource: author.subresource, ..UpdateOptions::new(author.manager, &now) };
    match structured_merge::update(&resource.schema, live, new, &options) {
        Ok(tracked) => Ok(tracked),
        Err(error) => {
            tracing::warn!(%error, kind = resource.kind, name = object::name(new), "field ownership is not tracked");
            let mut untracked = new.clone();
            object::metadata(&mut untracked).remove("managedFields");
            Ok(untracked)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;
    use crate::registry::Registry;

    #[track_caller]
    fn check(version: &str, kind: &str, mut value: Value, expected: Value, warnings: &[&str]) {
        let registry = Registry::new(std::iter::empty());
        let resource = registry.of_kind(version, kind).unwrap();
        let found = conform(resource, &mut value, FieldValidation::Warn, Vec::new()).unwrap();
        assert_eq!(value, expected);
        assert_eq!(found, warnings);
    }

    #[test]
    fn bodies_take_the_stored_form() {
        check(
            "v1",
            "Pod",
            json!({"metadata": {"labels": {}, "creationTimestamp": null}, "spec": {"hostNetwork": false, "foo": 1, "containers": [
                {"name": "a", "args": [], "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}},
                 "livenessProbe": {"initialDelaySeconds": 0, "httpGet": {"port": "x"}}, "baz": {}}]}}),
            json!({"metadata": {}, "spec": {"containers": [
                {"name": "a", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
                 "livenessProbe": {"httpGet": {"port": "x"}}}]}}),
            &["unknown field \"spec.containers[0].baz\"", "unknown field \"spec.foo\""],
        );
        check(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {}, "ingress": [{}], "egress": []}}),
            json!({"spec": {"podSelector": {}, "ingress": [{}]}}),
            &[],
        );
    }

    #[test]
    fn a_strict_body_names_every_fault() {
        let registry = Registry::new(std::iter::empty());
        let resource = registry.of_kind("v1", "ConfigMap").unwrap();
        let body = Bytes::from_static(br#"{"data": {"a": "b", "a": "c"}, "x": 1}"#);
        let mut value = serde_json::from_slice(&body).unwrap();
        let failure = conform(resource, &mut value, FieldValidation::Strict, duplicates(&body)).unwrap_err();
        assert_eq!(
            failure.message,
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: duplicate field \"data.a\", unknown field \"x\""
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        let registry = Registry::new(std::iter::empty());
        let resource = registry.of_kind("apps/v1", "Deployment").unwrap();
        let mut value = json!({"spec": {"replicas": "two"}});
        let failure = conform(resource, &mut value, FieldValidation::Warn, Vec::new()).unwrap_err();
        assert_eq!(
            failure.message,
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field spec.replicas of type int32"
        );
    }
}
