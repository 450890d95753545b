//! Whatever comes in, nothing panics: random JSON for every public function, as schema, object, configuration, owners and
//! field set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use structured_merge::client_side::hand_over;
use structured_merge::owners::owners_of;
use structured_merge::predict::predict_with;
use structured_merge::scale::{ReplicasPaths, to_object, to_scale};
use structured_merge::schema::write_archive;
use structured_merge::typed::{self, Duplicates};
use structured_merge::{
    ApplyOptions, FieldPath, FieldPattern, FieldSet, Managed, PathElement, Schema, ServedVersions, TypeRef,
    UpdateOptions, apply, diff, extract, owners, predict, update, value,
};

/// Words that mean something to one part or another, so that random documents get past the first look.
const WORDS: [&str; 44] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "labels",
    "managedFields",
    "spec",
    "status",
    "containers",
    "ports",
    "protocol",
    "containerPort",
    "manager",
    "operation",
    "Apply",
    "Update",
    "v1",
    "fieldsType",
    "FieldsV1",
    "fieldsV1",
    "time",
    "subresource",
    "f:spec",
    "k:{\"name\":\"a\"}",
    "v:1",
    "i:0",
    ".",
    "",
    "type",
    "object",
    "array",
    "string",
    "properties",
    "items",
    "additionalProperties",
    "required",
    "$ref",
    "x-kubernetes-list-type",
    "map",
    "set",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "kubectl",
    "\u{2028}\u{0}é",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::sample::select(WORDS.to_vec()).prop_map(ToOwned::to_owned), 1 => any::<String>()]
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// An object that is one at first sight, with anything in it.
fn object() -> impl Strategy<Value = Value> {
    let entry = (word(), word(), document(), document()).prop_map(|(manager, operation, fields, time)| {
        json!({"manager": manager, "operation": operation,
            "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields, "time": time})
    });
    let named = (document(), document(), prop::collection::vec(entry, 0..3), document()).prop_map(
        |(spec, item, managed, status)| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "managedFields": managed},
                "spec": {"containers": [item], "volumes": spec}, "status": status})
        },
    );
    prop_oneof![document(), named]
}

static POD: LazyLock<TypeRef> = LazyLock::new(|| Schema::kubernetes().kind("", "v1", "Pod").unwrap());

/// Everything that takes a type and objects.
fn everything(ty: &TypeRef, live: &Value, config: &Value, manager: &str, fields: &FieldSet) {
    for duplicates in [Duplicates::Allow, Duplicates::Refuse] {
        let _ = typed::validate(ty, config, duplicates).map_err(|errors| errors.to_string());
    }
    let comparison = typed::compare(ty, live, config);
    let _ = comparison.is_same();
    let _ = comparison.without(fields);
    let merged = typed::merge(ty, live, config);
    let _ = typed::fields(ty, &merged).to_string();
    let _ = typed::remove(ty, &merged, fields);
    let _ = typed::extract(ty, &merged, fields);
    let _ = (typed::settled(ty, fields), typed::with_named_fields(ty, fields));
    let _ = diff(ty, live, config).into_iter().map(|change| change.path.to_string()).collect::<Vec<_>>();
    let prediction = predict(ty, live, config, manager);
    let _ = prediction.changes(ty, live);
    let _ = prediction.despite([manager]);
    let _ = extract(ty, live, manager, "");
    let served = ServedVersions::from_iter([("v1".to_owned(), ty.clone())]);
    let only = [FieldPattern(vec![None, Some(PathElement::field("name"))])];
    for force in [false, true] {
        let options = ApplyOptions {
            force,
            subresource: manager,
            ignored: Some(fields),
            only: Some(&only),
            versions: Some(&served),
            ..ApplyOptions::new(manager, "2026-01-01T00:00:00Z")
        };
        let _ = predict_with(ty, live, config, &options);
        for live in [None, Some(live)] {
            let _ = apply(ty, live, config, &options).map_err(|error| error.to_string());
            let plain = ApplyOptions { force, ..ApplyOptions::new(manager, "") };
            let _ = apply(ty, live, config, &plain).map_err(|error| error.to_string());
        }
    }
    for live in [None, Some(live)] {
        let options = UpdateOptions { ignored: Some(fields), ..UpdateOptions::new(manager, "2026-01-01T00:00:00Z") };
        let _ = update(ty, live, config, &options).map_err(|error| error.to_string());
        let _ = update(ty, live, config, &UpdateOptions { versions: Some(&served), ..options });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn objects(live in object(), config in object(), manager in word(), fields in document()) {
        let fields = FieldSet::from_fields_v1(&fields).unwrap_or_default();
        everything(&POD, &live, &config, &manager, &fields);
        everything(&Schema::deduced(), &live, &config, &manager, &fields);
        let _ = owners(&live);
        let _ = owners_of(&live, &FieldPath::of_fields(["spec"]));
        let _ = hand_over(&live, &manager, "me").map_err(|error| error.to_string());
        let _ = (value::compare(&live, &config), value::equal(&live, &config));
        if let Ok(managed) = Managed::of_object(&live) {
            let paths = ReplicasPaths::from_iter([("v1".to_owned(), ReplicasPaths::spec_replicas())]);
            let scale = to_scale(&managed, &paths);
            let _ = to_object(&managed, &scale, "v1", &paths).to_value();
        }
    }

    #[test]
    fn schemas(schema in document(), spec in document(), live in object(), config in object()) {
        let whole = json!({"type": "object", "properties": {"spec": spec, "status": schema}});
        for schema in [&schema, &whole] {
            for preserve in [false, true] {
                if let Ok(ty) = Schema::from_crd_version(schema, preserve) {
                    everything(&ty, &live, &config, "me", &FieldSet::new());
                    let _ = (ty.at(["spec", "name"]), ty.is_atomic(), ty.list_map_keys(), ty.list_key_defaults());
                    let _ = ty.fields().map(|field| field.required).collect::<Vec<_>>();
                }
            }
        }
        let meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        let document = json!({"$defs": {meta: whole, "spec": spec, "": schema}});
        let _ = Schema::from_openapi("1.0", &document).map(|schema| schema.kinds().count());
        let _ = Schema::from_openapi("1.0", &schema).map_err(|error| error.to_string());
        let _ = write_archive([("1.0", &document)]);
    }

    #[test]
    fn field_sets(left in document(), right in document(), manager in word()) {
        let (left_set, right_set) = (FieldSet::from_fields_v1(&left), FieldSet::from_fields_v1(&right));
        let _ = left_set.as_ref().map_err(ToString::to_string);
        let (l, r) = (left_set.unwrap_or_default(), right_set.unwrap_or_default());
        let _ = (l.union(&r), l.intersection(&r), l.difference(&r), l.difference_with_below(&r), l.leaves());
        let _ = (l.is_subset(&r), l.len(), l.to_fields_v1_text(), l.to_string(), l.below(&PathElement::field(&manager[..])));
        let _ = l.matching(&[FieldPattern(vec![None])]);
        let _ = manager.parse::<FieldPattern>().map(|pattern| l.matching(&[pattern]).to_string());
        let _ = l.to_string().parse::<FieldPattern>().map_err(|error| error.to_string());
        let _ = Managed::from_value(&left).map(|managed| managed.to_value());
        let _ = Managed::from_value(&json!([right])).map_err(|error| error.to_string());
        let _ = (Schema::of_kubernetes(&manager), Schema::for_server(&manager).version().to_owned());
    }
}
