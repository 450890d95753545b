//! Bodies of built-in kinds, and what becomes of them.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{conform, faults};
use crate::registry::Registry;

#[track_caller]
fn check(version: &str, kind: &str, mut value: Value, expected: Value, unknown: &[&str]) {
    let registry = Registry::new(std::iter::empty());
    let resource = registry.of_kind(version, kind).expect("a kind of the table");
    let found = conform(resource, &mut value);
    assert!(found.wrong.is_none());
    assert_eq!(value, expected);
    assert_eq!(found.unknown, unknown);
}

#[test]
fn bodies_take_the_stored_form() {
    check(
        "v1",
        "Pod",
        json!({"metadata": {"labels": {}, "creationTimestamp": null}, "spec": {"hostNetwork": false, "foo": 1, "containers": [
            {"name": "a", "args": [], "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}},
             "livenessProbe": {"initialDelaySeconds": 0, "httpGet": {"port": "x"}}, "baz": {}}]}}),
        json!({"metadata": {}, "status": {}, "spec": {"containers": [
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
    check("v1", "ConfigMap", json!({"data": {"a": null}}), json!({"data": {"a": ""}}), &[]);
    check("rbac.authorization.k8s.io/v1", "Role", json!({}), json!({"rules": null}), &[]);
}

#[test]
fn a_strict_reading_names_every_fault_in_order() {
    let registry = Registry::new(std::iter::empty());
    let resource = registry.of_kind("v1", "ConfigMap").expect("a kind of the table");
    let body = Bytes::from_static(br#"{"x": 1, "data": {"a": "b", "a": "c"}, "b": 2}"#);
    let expected = ["unknown field \"x\"", "duplicate field \"data.a\"", "unknown field \"b\""];
    assert_eq!(faults(resource, &body), expected);
}

#[track_caller]
fn check_wrong(version: &str, kind: &str, mut value: Value, expected: &str) {
    let registry = Registry::new(std::iter::empty());
    let resource = registry.of_kind(version, kind).expect("a kind of the table");
    assert_eq!(conform(resource, &mut value).wrong.map(|wrong| wrong.decoded).as_deref(), Some(expected));
}

#[test]
fn a_value_of_the_wrong_type_is_named_as_go_names_it() {
    check_wrong(
        "apps/v1",
        "Deployment",
        json!({"spec": {"replicas": "two"}}),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check_wrong(
        "v1",
        "ConfigMap",
        json!({"data": {"a": 1}}),
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
    );
    check_wrong(
        "v1",
        "Pod",
        json!({"spec": {"containers": ["a"]}}),
        "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
    );
}
