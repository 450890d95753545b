//! "No" is never wrong: over random types, objects and histories, with a server that writes what it stores in a form of
//! its own.
//!
//! The server here does after every write what a real one does with a built-in kind: amounts get their canonical form,
//! moments are written in UTC, base64 loses its line breaks, nulls go, some empty values go, and fields with a default get
//! it back. It tracks owners by what was asked for, before all of that, as a real one does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Map, Value, json};

use crate::apply::decide;
use crate::managed::{Managed, without_managed_fields};
use crate::predict::predict;
use crate::proof::is_unchanged;
use crate::quantity;
use crate::schema::{Format, Scalar, Schema, TypeRef};
use crate::typed::{self, Duplicates};
use crate::{ApplyError, ApplyOptions, Prediction, UpdateOptions, apply, update};

const NAMES: [&str; 4] = ["a", "b", "c", "name"];
const MANAGERS: [&str; 3] = ["one", "two", "kubectl"];

/// Draws schemas and values.
struct Draw(TestRng);

impl Draw {
    fn new(seed: [u8; 32]) -> Self {
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u32()).unwrap() % bound
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn scalar_schema(&mut self) -> Value {
        let reference = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
        self.pick(&[
            json!({"type": "string"}),
            json!({"type": "integer"}),
            json!({"type": "boolean"}),
            json!({"type": "string", "format": "byte"}),
            json!({"type": "string", "format": "date-time"}),
            reference("io.k8s.apimachinery.pkg.api.resource.Quantity"),
            reference("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
        ])
    }

    fn schema(&mut self, depth: usize) -> Value {
        if depth == 0 || self.chance(35) {
            return self.scalar_schema();
        }
        match self.below(6) {
            0 | 1 => {
                let mut schema = json!({"type": "object", "properties": self.properties(depth - 1)});
                if self.chance(25) {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            2 => json!({"type": "object", "additionalProperties": self.schema(depth - 1)}),
            3 => json!({"type": "array", "items": self.schema(depth - 1), "x-kubernetes-list-type": "atomic"}),
            4 => json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
            _ => {
                let mut properties = self.properties(depth - 1);
                properties["name"] = json!({"type": "string"});
                json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"], "properties": properties}})
            }
        }
    }

    fn properties(&mut self, depth: usize) -> Value {
        let count = 1 + self.below(3);
        Value::Object(NAMES.iter().take(count).map(|name| ((*name).to_owned(), self.schema(depth))).collect())
    }

    fn ty(&mut self) -> TypeRef {
        let spec = json!({"type": "object", "properties": self.properties(3)});
        let text = json!({"type": "string"});
        let meta = json!({"type": "object", "properties": {
            "name": text, "labels": {"type": "object", "additionalProperties": text},
            "annotations": {"type": "object", "additionalProperties": text}}});
        let document = json!({"definitions": {
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": meta,
            "io.k8s.apimachinery.pkg.api.resource.Quantity": text,
            "io.k8s.apimachinery.pkg.util.intstr.IntOrString": text,
            "io.k8s.api.test.v1.Thing": {"type": "object",
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Thing"}],
                "properties": {"apiVersion": text, "kind": text, "spec": spec,
                    "metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}}},
        }});
        Schema::from_openapi("1.0", &document).unwrap().kind("", "v1", "Thing").unwrap()
    }

    fn value(&mut self, ty: &TypeRef) -> Value {
        if self.chance(4) {
            return Value::Null;
        }
        if ty.is_map() {
            let mut map = Map::new();
            for field in ty.fields() {
                if self.chance(60) {
                    map.insert(field.name.to_owned(), self.value(&field.ty));
                }
            }
            if let Some(element) = ty.field("k").filter(|_| ty.allows_unknown()) {
                for key in ["k", "l"] {
                    if self.chance(50) {
                        map.insert(key.to_owned(), self.value(&element));
                    }
                }
            }
            return Value::Object(map);
        }
        if let Some(item) = ty.items() {
            if ty.is_set() {
                return ["x", "y", "z"].iter().filter(|_| self.chance(50)).map(|text| json!(text)).collect();
            }
            if ty.list_map_keys().is_some() {
                let mut items = Vec::new();
                for name in ["x", "y"] {
                    if self.chance(60) {
                        let mut value = self.value(&item);
                        if !value.is_object() {
                            value = json!({});
                        }
                        value["name"] = json!(name);
                        items.push(value);
                    }
                }
                return Value::Array(items);
            }
            return (0..self.below(3)).map(|_| self.value(&item)).collect();
        }
        match (ty.format(), ty.scalar()) {
            (Format::Quantity, _) => {
                self.pick(&[json!("1"), json!("1000m"), json!("1Ki"), json!(1024), json!("0.5"), json!("x")])
            }
            (Format::IntOrString, _) => self.pick(&[json!(1), json!("1"), json!(0)]),
            (Format::Time, _) => self.pick(&[json!("2026-01-01T00:00:00Z"), json!("2026-01-01T01:00:00+01:00")]),
            (Format::Bytes, _) => self.pick(&[json!("YWJj"), json!("YW\nJj\n"), json!("")]),
            (_, Some(Scalar::Boolean)) => json!(self.chance(50)),
            (_, Some(Scalar::Integer)) => json!(self.below(3)),
            _ => self.pick(&[json!(""), json!("x"), json!("y")]),
        }
    }

    fn config(&mut self, ty: &TypeRef) -> Value {
        let mut config = json!({"spec": {}});
        if let Some(ty) = ty.field("spec") {
            for field in ty.fields() {
                if self.chance(80) {
                    config["spec"][field.name] = self.value(&field.ty);
                }
            }
        }
        config["apiVersion"] = json!("v1");
        config["kind"] = json!("Thing");
        config["metadata"] = json!({"name": "thing"});
        if self.chance(40) {
            config["metadata"]["labels"] = json!({"a": self.pick(&["1", "2"])});
        }
        config
    }
}

impl Draw {
    /// Draws one place of a value anew.
    fn nudge(&mut self, ty: &TypeRef, value: &mut Value) {
        let below: Option<(TypeRef, &mut Value)> = match value {
            Value::Object(map) if !map.is_empty() && self.chance(95) => {
                let chosen = self.below(map.len());
                map.iter_mut().nth(chosen).and_then(|(key, value)| Some((ty.field(key)?, value)))
            }
            Value::Array(items) if !items.is_empty() && self.chance(95) => {
                let chosen = self.below(items.len());
                ty.items().zip(items.get_mut(chosen))
            }
            _ => None,
        };
        match below {
            Some((ty, value)) => self.nudge(&ty, value),
            None => *value = self.value(ty),
        }
    }

    /// A configuration much like another.
    fn like(&mut self, ty: &TypeRef, config: &Value) -> Value {
        let mut like = config.clone();
        if let (Some(spec), Some(ty)) = (like.get_mut("spec"), ty.field("spec")) {
            self.nudge(&ty, spec);
        }
        like
    }
}

/// What a server stores of an object; the form of owners is its own already.
fn stored(ty: &TypeRef, object: &Value) -> Value {
    let mut stored = in_stored_form(ty, &without_managed_fields(object)).unwrap_or_else(|| json!({}));
    Managed::of_object(object).unwrap().write_into(&mut stored);
    stored
}

/// A value as it is stored, or nothing where the server drops it.
fn in_stored_form(ty: &TypeRef, value: &Value) -> Option<Value> {
    let any = Schema::deduced();
    Some(match value {
        Value::Null => return None,
        Value::Object(map) => {
            let mut kept = Map::new();
            for (key, value) in map {
                let below = ty.field(key).unwrap_or_else(|| any.clone());
                if let Some(value) = in_stored_form(&below, value) {
                    kept.insert(key.clone(), value);
                }
            }
            // A truth value called b is on unless somebody says otherwise, an a is not kept when it is empty.
            if ty.declared_field("b").is_some_and(|field| field.ty.scalar() == Some(Scalar::Boolean)) {
                kept.entry("b").or_insert(json!(true));
            }
            let is_empty = |value: &Value| [json!(""), json!(0), json!([]), json!({}), json!(false)].contains(value);
            if ty.declared_field("a").is_some() && kept.get("a").is_some_and(is_empty) {
                kept.remove("a");
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let item = ty.items().unwrap_or(any);
            items.iter().map(|value| in_stored_form(&item, value).unwrap_or(Value::Null)).collect()
        }
        scalar => match (ty.format(), scalar.as_str()) {
            (Format::Quantity, _) => quantity::canonical(scalar).map_or_else(|| scalar.clone(), Value::from),
            (Format::Time, Some("2026-01-01T01:00:00+01:00")) => json!("2026-01-01T00:00:00Z"),
            (Format::Bytes, Some(text)) => Value::from(text.replace('\n', "")),
            _ => scalar.clone(),
        },
    })
}

/// An object after a random history, as the server has it, and the configurations that were applied.
fn history(draw: &mut Draw, ty: &TypeRef) -> (Value, Vec<(&'static str, Value)>) {
    let mut live: Option<Value> = None;
    let mut applied: Vec<(&'static str, Value)> = Vec::new();
    for second in 0..1 + draw.below(4) {
        let now = format!("2026-01-01T00:00:{second:02}Z");
        let manager = draw.pick(&MANAGERS);
        let next = match &live {
            // Whoever updates an object changes one place of it.
            Some(live) if draw.chance(30) => {
                let mut object = draw.like(ty, live);
                if draw.chance(30) {
                    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
                    object["metadata"]["annotations"] = annotations;
                }
                update(ty, Some(live), &object, &UpdateOptions::new(manager, &now)).ok()
            }
            _ => {
                let config = match applied.last() {
                    Some((_, last)) if draw.chance(60) => draw.like(ty, &last.clone()),
                    _ => draw.config(ty),
                };
                let options = ApplyOptions { force: true, ..ApplyOptions::new(manager, &now) };
                applied.push((manager, config.clone()));
                apply(ty, live.as_ref(), &config, &options).ok()
            }
        };
        // What a server gives out fits its type.
        let fits = |object: &Value| typed::validate(ty, &without_managed_fields(object), Duplicates::Allow).is_ok();
        live = next.map(|next| stored(ty, &next)).filter(fits).or(live);
    }
    (live.unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "thing"}})), applied)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_is_never_wrong(seed in any::<[u8; 32]>()) {
        let mut draw = Draw::new(seed);
        let ty = draw.ty();
        let (live, applied) = history(&mut draw, &ty);
        let mut tries: Vec<(&str, Value)> = applied;
        if let Some((manager, config)) = tries.last().cloned() {
            tries.extend((0..8).map(|_| (manager, draw.like(&ty, &config))));
        }
        tries.push((draw.pick(&MANAGERS), draw.config(&ty)));
        for (manager, config) in tries {
            let options = ApplyOptions::new(manager, "2026-01-01T00:01:00Z");
            let after = apply(&ty, Some(&live), &config, &options);
            if is_unchanged(&ty, &live, &config, &options) {
                let whole = decide(&ty, &live, &config, &options).unwrap();
                prop_assert_eq!(&whole.object, &live, "{} applies {}", manager, config);
            }
            match predict(&ty, &live, &config, manager) {
                Prediction::Unchanged => {
                    let after = stored(&ty, &after.unwrap());
                    prop_assert_eq!(without_times(&after), without_times(&live), "{} applies {}", manager, config);
                }
                Prediction::Changed { conflicts, .. } if !conflicts.is_empty() => {
                    prop_assert!(matches!(after, Err(ApplyError::Conflicts(_))), "{after:?}");
                }
                Prediction::Changed { after: predicted, .. } => {
                    let after = after.unwrap();
                    prop_assert_eq!(without_times(&predicted), without_times(&after), "{} applies {}", manager, config);
                }
                Prediction::Unknown { .. } => {}
            }
        }
    }
}

/// The object without the times of its managers, which a server leaves alone where nothing else changes.
fn without_times(object: &Value) -> Value {
    let mut managed = Managed::of_object(object).unwrap();
    managed.entries_mut().for_each(|entry| entry.manager.time = None);
    let mut object = object.clone();
    managed.write_into(&mut object);
    object
}
