//! Bodies as kubectl sends them, and objects there and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::*;

/// An object goes into bytes and comes back the same.
#[track_caller]
fn check(value: Value) {
    let bytes = encode(&value).unwrap();
    assert_eq!(decode(&bytes), Ok(value));
}

#[test]
fn objects_go_there_and_back() {
    check(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {}, "status": {}}));
    check(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "labels": {"x": "y", "z": ""}},
        "data": {"k": "AAEC", "empty": ""}, "type": "Opaque",
    }));
    check(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "a", "creationTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}, "time": "2026-01-02T03:04:05Z"}],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "template": {"metadata": {}, "spec": {
                "containers": [{
                    "name": "c", "resources": {"limits": {"cpu": "500m"}},
                    "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}],
                    "ports": [{"containerPort": 80, "name": "http"}],
                    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
                }],
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
                "securityContext": {"runAsUser": -1},
            }},
        },
        "status": {},
    }));
    check(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a"},
        "spec": {
            "group": "x", "scope": "Namespaced", "names": {"plural": "a", "kind": "A"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true, "required": ["a"],
                "properties": {
                    "a": {"type": "array", "items": {"type": "number", "maximum": 1.5, "minimum": 2}, "default": [1]},
                    "b": {"additionalProperties": {"type": "string"}, "enum": ["x", 1, null]},
                    "c": {"additionalProperties": true},
                },
            }}}],
        },
        "status": {"acceptedNames": {"plural": "x", "kind": "X"}, "storedVersions": ["v1"]},
    }));
    check(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"},
        "spec": {"renewTime": "2026-01-02T03:04:05.678900Z"},
    }));
    check(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {},
        "status": {"userInfo": {"username": "u", "extra": {"k": ["a", "b"]}}},
    }));
    check(json!({
        "apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"},
        "items": [{"metadata": {"name": "a"}, "data": {"x": "y"}}, {"metadata": {"name": "b"}}],
    }));
    check(json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan", "gracePeriodSeconds": 0}));
    check(json!({"apiVersion": "policy/v1", "kind": "DeleteOptions", "dryRun": ["All"]}));
    check(json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 404}));
}

#[test]
fn a_custom_resource_and_a_table_have_no_bytes() {
    assert_eq!(encode(&json!({"apiVersion": "t.example/v1", "kind": "Widget"})), None);
    assert_eq!(encode(&json!({"apiVersion": "meta.k8s.io/v1", "kind": "Table"})), None);
}

/// What `kubectl create namespace a` (1.36) sends: empty `spec` and `status`, no time.
#[test]
fn a_body_of_kubectl_is_read() {
    let about = b"\n\x0f\n\x02v1\x12\tNamespace";
    let raw = b"\x12\x19\n\x11\n\x01a\x12\0\x1a\0\"\0*\x002\x008\0B\0\x12\0\x1a\x02\n\0\x1a\0\"\0";
    let body = [&b"k8s\0"[..], about, raw].concat();
    let expected =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {}, "status": {}});
    assert_eq!(decode(&body), Ok(expected));
}

#[track_caller]
fn refused(body: &[u8], expected: Malformed) {
    assert_eq!(decode(body), Err(expected));
}

#[test]
fn what_is_no_body_is_refused() {
    refused(b"{}", Malformed::Prefix);
    refused(b"k8s\0\n\x0f\n", Malformed::Short);
    refused(b"k8s\0\n\x02\x08\x01", Malformed::Type("TypeMeta".to_owned()));
    let unknown = Malformed::Unknown { api_version: "v9".to_owned(), kind: "X".to_owned() };
    refused(b"k8s\0\n\x07\n\x02v9\x12\x01X", unknown);
    let mut deep = Vec::new();
    for _ in 0..300 {
        let mut outer = Vec::new();
        wire::write_bytes(&mut outer, 28, &deep);
        deep = outer;
    }
    let nest = |inner: &[u8], number: u32| {
        let mut out = Vec::new();
        wire::write_bytes(&mut out, number, inner);
        out
    };
    let schema = nest(&nest(&nest(&nest(&deep, 1), 4), 7), 2);
    let mut body = MAGIC.to_vec();
    let about = [nest(b"apiextensions.k8s.io/v1", 1), nest(b"CustomResourceDefinition", 2)].concat();
    body.extend(nest(&about, 1));
    body.extend(nest(&schema, 2));
    refused(&body, Malformed::Deep);
}

#[test]
fn an_event_is_framed_by_its_length() {
    let framed =
        encode_event("ADDED", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})).unwrap();
    let (length, body) = framed.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, body.len());
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
    assert_eq!(decode(body), Ok(json!({"apiVersion": "v1", "kind": "WatchEvent", "type": "ADDED", "object": object})));
}
