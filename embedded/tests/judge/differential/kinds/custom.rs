//! A custom resource: its objects, and its definition as dry runs change it.

use super::Kind;

/// The definition that a sequence begins with.
#[rustfmt::skip]
pub(super) const DEFINITION: &str = r#"{
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "lamps.exchange.example.com"},
    "spec": {
        "group": "exchange.example.com", "names": {"kind": "Lamp", "plural": "lamps"}, "scope": "Namespaced",
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "colour": {"type": "string", "enum": ["red", "blue"]},
                    "count": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
                    "ratio": {"type": "number"},
                    "lit": {"type": "boolean"},
                    "maybe": {"type": "string", "nullable": true},
                    "port": {"x-kubernetes-int-or-string": true},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "x-kubernetes-list-type": "set"},
                    "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
                        "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}
                    }}
                }},
                "status": {"type": "object", "properties": {"count": {"type": "integer"}, "phase": {"type": "string", "maxLength": 5}}}
            }}},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count"}}
        }]
    }
}"#;

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "/apis/exchange.example.com/v1/namespaces/exchange/lamps",
        r#"{"apiVersion": "exchange.example.com/v1", "kind": "Lamp", "metadata": {"name": "NAME"}, "spec": {"colour": "red"}}"#,
        &[
            ("/spec/colour", r#""blue""#), ("/spec/colour", r#""green""#), ("/spec/count", "2"), ("/spec/count", "11"), ("/spec/count", r#""two""#),
            ("/spec/ratio", "0.5"), ("/spec/ratio", "2"), ("/spec/lit", "true"), ("/spec/lit", "false"), ("/spec/lit", "1"), ("/spec/maybe", "null"), ("/spec/maybe", r#""so""#),
            ("/spec/port", "80"), ("/spec/port", r#""http""#), ("/spec/port", "true"), ("/spec/labels/a", r#""1""#), ("/spec/labels/b", r#""2""#), ("/spec/labels", "{}"),
            ("/spec/free/a/b", "1"), ("/spec/free", r#"{"c": [1, {"d": null}]}"#), ("/spec/whole", r#"{"a": "1"}"#), ("/spec/whole/b", r#""2""#),
            ("/spec/tags", r#"["a"]"#), ("/spec/tags", r#"["b", "a"]"#), ("/spec/tags", r#"["a", "a"]"#), ("/spec/tags", r#"["a", "b", "c"]"#), ("/spec/tags", "[]"),
            ("/spec/parts", r#"[{"name": "a", "size": 1}]"#), ("/spec/parts", r#"[{"name": "b"}, {"name": "a", "size": 2}]"#), ("/spec/parts", r#"[{"name": "a"}, {"name": "a"}]"#),
            ("/spec/parts", r#"[{"size": 1}]"#), ("/spec/unknown", "1"), ("/status/phase", r#""off""#),
        ],
    )
    .status(&[("/status/count", "1"), ("/status/phase", r#""on""#), ("/status/phase", r#""blinking""#), ("/status/unknown", "1"), ("/status", "{}")])
    .scales(),
    Kind {
        name: "lamps.exchange.example.com",
        dry: true,
        ..Kind::new(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            DEFINITION,
            &[
                ("/spec/names/shortNames", r#"["lp"]"#), ("/spec/names/categories", r#"["all"]"#), ("/spec/names/plural", r#""lights""#), ("/spec/names/kind", r#""Light""#),
                ("/spec/scope", r#""Cluster""#), ("/spec/scope", r#""Odd""#), ("/spec/group", r#""other.example.com""#), ("/spec/versions/0/served", "false"),
                ("/spec/versions/0/deprecated", "true"),
                ("/spec/versions/0/additionalPrinterColumns", r#"[{"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}]"#),
                ("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size", r#"{"type": "integer"}"#),
                ("/spec/versions/0/subresources", "{}"), ("/spec/unknown", "1"),
            ],
        )
    },
];
