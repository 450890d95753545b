//! One object in two versions of its API that name a field differently.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use structured_merge::{ApplyError, ApplyOptions, Schema, TypeRef, UpdateOptions, Versions, apply, owners, update};

/// `v1` calls `spec.count` what `v2` calls `spec.replicas`; `v0` is no longer served.
struct Renamed;

const NAMES: [(&str, &str); 2] = [("example.com/v1", "count"), ("example.com/v2", "replicas")];

fn name_in(version: &str) -> Option<&'static str> {
    NAMES.iter().find(|(served, _)| *served == version).map(|(_, name)| *name)
}

fn type_of(version: &str) -> TypeRef {
    let name = name_in(version).unwrap();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        name: {"type": "integer"}, "image": {"type": "string"}}}}});
    Schema::from_crd_version(&schema, false).unwrap()
}

impl Versions for Renamed {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeRef)> {
        let from = name_in(object["apiVersion"].as_str()?)?;
        let to = name_in(api_version)?;
        let mut converted = object.clone();
        converted["apiVersion"] = json!(api_version);
        if let Some(spec) = converted.get_mut("spec").and_then(Value::as_object_mut)
            && let Some(count) = spec.remove(from)
        {
            spec.insert(to.to_owned(), count);
        }
        Some((converted, type_of(api_version)))
    }
}

fn thing(version: &str, spec: Value) -> Value {
    json!({"apiVersion": version, "kind": "Thing", "metadata": {"name": "thing"}, "spec": spec})
}

fn applied(live: Option<&Value>, manager: &str, version: &str, spec: Value, force: bool) -> Result<Value, ApplyError> {
    let live = live.map(|live| Renamed.convert(live, version).unwrap().0);
    let options =
        ApplyOptions { force, versions: Some(&Renamed), ..ApplyOptions::new(manager, "2026-01-01T00:00:00Z") };
    apply(&type_of(version), live.as_ref(), &thing(version, spec), &options)
}

#[track_caller]
fn check(object: &Value, spec: Value, owned: &[(&str, &str, &str)]) {
    assert_eq!(object["spec"], spec);
    let mut found: Vec<(String, String, String)> = owners(object)
        .into_iter()
        .map(|(manager, fields)| (manager.name, manager.api_version, fields.to_string()))
        .collect();
    found.sort();
    let expected: Vec<(String, String, String)> =
        owned.iter().map(|(name, version, fields)| ((*name).into(), (*version).into(), (*fields).into())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_conflict_is_seen_through_another_name() {
    let live = applied(None, "one", "example.com/v1", json!({"count": 1}), false).unwrap();
    let refused = applied(Some(&live), "two", "example.com/v2", json!({"replicas": 2}), false).unwrap_err();
    assert_eq!(refused.to_string(), r#"Apply failed with 1 conflict: conflict with "one": .spec.count"#);
    let forced = applied(Some(&live), "two", "example.com/v2", json!({"replicas": 2}), true).unwrap();
    check(&forced, json!({"replicas": 2}), &[("two", "example.com/v2", ".spec.replicas")]);
}

#[test]
fn an_applier_moves_to_another_version() {
    let live = applied(None, "one", "example.com/v1", json!({"count": 1, "image": "x"}), false).unwrap();
    let moved = applied(Some(&live), "one", "example.com/v2", json!({"replicas": 1, "image": "x"}), false).unwrap();
    check(&moved, json!({"replicas": 1, "image": "x"}), &[("one", "example.com/v2", ".spec.image\n.spec.replicas")]);
}

#[test]
fn what_is_left_out_in_another_version_goes() {
    let live = applied(None, "one", "example.com/v1", json!({"count": 1, "image": "x"}), false).unwrap();
    let less = applied(Some(&live), "one", "example.com/v2", json!({"image": "x"}), false).unwrap();
    check(&less, json!({"image": "x"}), &[("one", "example.com/v2", ".spec.image")]);
}

#[test]
fn what_another_owns_in_another_version_stays() {
    let live = applied(None, "one", "example.com/v1", json!({"count": 1, "image": "x"}), false).unwrap();
    let both = applied(Some(&live), "two", "example.com/v2", json!({"replicas": 1}), false).unwrap();
    let less = applied(Some(&both), "one", "example.com/v1", json!({"image": "x"}), false).unwrap();
    check(
        &less,
        json!({"count": 1, "image": "x"}),
        &[("one", "example.com/v1", ".spec.image"), ("two", "example.com/v2", ".spec.replicas")],
    );
}

#[test]
fn an_update_takes_a_field_through_another_name() {
    let live = applied(None, "one", "example.com/v1", json!({"count": 1, "image": "x"}), false).unwrap();
    let (live, ty) = Renamed.convert(&live, "example.com/v2").unwrap();
    let options = UpdateOptions { versions: Some(&Renamed), ..UpdateOptions::new("edit", "2026-01-01T00:01:00Z") };
    let new = thing("example.com/v2", json!({"replicas": 3, "image": "x"}));
    let mut new = new;
    new["metadata"] = live["metadata"].clone();
    let edited = update(&ty, Some(&live), &new, &options).unwrap();
    check(
        &edited,
        json!({"replicas": 3, "image": "x"}),
        &[("edit", "example.com/v2", ".spec.replicas"), ("one", "example.com/v1", ".spec.image")],
    );
}

#[test]
fn owners_in_a_version_that_is_no_longer_served_are_forgotten() {
    let mut live = applied(None, "one", "example.com/v1", json!({"count": 1}), false).unwrap();
    live["metadata"]["managedFields"][0]["apiVersion"] = json!("example.com/v0");
    let taken = applied(Some(&live), "two", "example.com/v1", json!({"count": 2}), false).unwrap();
    check(&taken, json!({"count": 2}), &[("two", "example.com/v1", ".spec.count")]);
}
