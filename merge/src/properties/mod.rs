//! Properties of the algorithm, over generated objects and histories.
//!
//! The type has every sort of list and map. A history is a sequence of applies and updates by several managers, so that
//! fields are shared, taken over, given up and left behind. No set and no list map is applied empty: on the server, too,
//! nobody owns an empty one, so that applying it is not idempotent (`tests/cases/server-quirks.yaml` has it as a case).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stored;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::apply::decide;
use crate::predict::predict;
use crate::proof::is_unchanged;
use crate::schema::{Schema, TypeRef};
use crate::set::FieldSet;
use crate::{
    ApplyError, ApplyOptions, Conflict, FieldPath, Managed, Operation, PathElement, Prediction, UpdateOptions, apply,
    diff, owners, typed, update,
};

static TYPE: LazyLock<TypeRef> = LazyLock::new(|| {
    let item = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "protocol": {"type": "string", "default": "TCP"}, "value": {"type": "integer"},
        "inner": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-list-type": "set"}}});
    let pair = json!({"x": {"type": "integer"}, "y": {"type": "integer"}});
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "number": {"type": "integer"},
        "struct": {"type": "object", "properties": pair},
        "whole": {"type": "object", "properties": pair, "x-kubernetes-map-type": "atomic"},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": pair}},
        "list": {"type": "array", "items": {"type": "integer"}},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "keyed": {"type": "array", "items": item, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "protocol"]},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}}});
    Schema::from_crd_version(&schema, false).unwrap()
});

/// An object whose entries are there or not.
fn object(entries: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    entries
        .into_iter()
        .map(|(key, value)| prop::option::of(value).prop_map(move |value| value.map(|value| (key.to_owned(), value))))
        .collect::<Vec<_>>()
        .prop_map(|entries| Value::Object(entries.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

fn small() -> BoxedStrategy<Value> {
    (0..3).prop_map(Value::from).boxed()
}

fn pair() -> BoxedStrategy<Value> {
    object(vec![("x", small()), ("y", small())])
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(names, 1..=names.len()).prop_shuffle()
}

fn keyed(name: &'static str) -> BoxedStrategy<Value> {
    let protocol = prop::sample::select(vec!["TCP", "UDP"]).prop_map(Value::from).boxed();
    let inner = prop::sample::subsequence(vec![1, 2, 3], 1..=3).prop_map(Value::from).boxed();
    object(vec![("protocol", protocol), ("value", small()), ("inner", inner)])
        .prop_map(move |mut item| {
            item["name"] = json!(name);
            item
        })
        .boxed()
}

fn free() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![small(), Just(json!("text")), Just(json!([1])), Just(json!({}))];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| map.into_iter().collect())
    })
    .prop_map(|value| if value.is_object() { value } else { json!({"a": value}) })
    .boxed()
}

/// An object that may be applied or written.
fn config() -> BoxedStrategy<Value> {
    let list = prop::collection::vec(0..3, 0..3).prop_map(Value::from).boxed();
    let set = some_of(&["a", "b", "c"]).prop_map(Value::from).boxed();
    let items = some_of(&["a", "b", "c"])
        .prop_flat_map(|names| names.into_iter().map(keyed).collect::<Vec<_>>())
        .prop_map(Value::from)
        .boxed();
    let map = some_of(&["a", "b"])
        .prop_flat_map(|keys| {
            keys.into_iter().map(|key| pair().prop_map(move |v| (key.to_owned(), v))).collect::<Vec<_>>()
        })
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
        .boxed();
    let labels = some_of(&["a", "b"])
        .prop_flat_map(|keys| {
            keys.into_iter().map(|k| (0..2).prop_map(move |v: i32| (k.to_owned(), v.to_string()))).collect::<Vec<_>>()
        })
        .prop_map(|entries| entries.into_iter().map(|(key, value)| (key, Value::from(value))).collect())
        .boxed();
    let spec = object(vec![
        ("number", small()),
        ("struct", pair()),
        ("whole", pair()),
        ("map", map),
        ("list", list),
        ("set", set),
        ("keyed", items),
        ("free", free()),
    ]);
    (object(vec![("spec", spec)]), prop::option::of(labels))
        .prop_map(|(mut config, labels): (Value, Option<Value>)| {
            config["apiVersion"] = json!("example.com/v1");
            config["kind"] = json!("Thing");
            config["metadata"] = json!({"name": "thing"});
            if let Some(labels) = labels {
                config["metadata"]["labels"] = labels;
            }
            config
        })
        .boxed()
}

#[derive(Debug, Clone)]
struct Step {
    applies: bool,
    manager: &'static str,
    object: Value,
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    let step = (prop::bool::weighted(0.7), prop::sample::select(vec!["one", "two", "three"]), config())
        .prop_map(|(applies, manager, object)| Step { applies, manager, object });
    prop::collection::vec(step, 1..6)
}

/// The object after a history, every step of it forced and at its own second.
fn replay(history: &[Step]) -> Value {
    let mut live: Option<Value> = None;
    for (second, Step { applies, manager, object }) in history.iter().enumerate() {
        let now = time(second);
        live = Some(if *applies {
            let options = ApplyOptions { force: true, ..ApplyOptions::new(manager, &now) };
            apply(&TYPE, live.as_ref(), object, &options).unwrap()
        } else {
            update(&TYPE, live.as_ref(), object, &UpdateOptions::new(manager, &now)).unwrap()
        });
    }
    live.unwrap()
}

fn time(second: usize) -> String {
    format!("2026-01-01T00:00:{second:02}Z")
}

/// The object with the times of its managers left out.
fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
        entry.remove("time");
    }
    if let Some(entries) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
        entries.sort_by_key(ToString::to_string);
    }
    object
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_prediction_is_what_an_apply_does(history in history(), next in config(), again in any::<bool>()) {
        let live = replay(&history);
        // Half of the time what was applied last is applied again, so that many applies change nothing.
        let last = history.iter().rev().find(|step| step.applies && step.manager == "one");
        let next = last.filter(|_| again).map_or(next, |step| step.object.clone());
        let now = time(30);
        let options = ApplyOptions::new("one", &now);
        let forced = apply(&TYPE, Some(&live), &next, &ApplyOptions { force: true, ..options }).unwrap();
        let refused = match apply(&TYPE, Some(&live), &next, &options) {
            Ok(object) => {
                prop_assert_eq!(&object, &forced);
                Vec::new()
            }
            Err(ApplyError::Conflicts(conflicts)) => conflicts,
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        match predict(&TYPE, &live, &next, "one") {
            Prediction::Unchanged => prop_assert_eq!(&forced, &live),
            Prediction::Changed { after, conflicts } => {
                prop_assert_ne!(&forced, &live);
                prop_assert_eq!(timeless(&after), timeless(&forced));
                let shown = |conflicts: Vec<Conflict>| conflicts.iter().map(ToString::to_string).collect::<Vec<_>>();
                prop_assert_eq!(shown(conflicts), shown(refused));
            }
            // An empty container may be dropped by the server; nothing else is uncertain in this type.
            Prediction::Unknown { .. } => {
                let changes = diff(&TYPE, &live, &forced);
                let is_empty = |value: &Option<Value>| value.as_ref().is_none_or(|v| v == &json!({}) || v == &json!([]));
                prop_assert!(changes.iter().all(|change| is_empty(&change.before) || is_empty(&change.after)
                    || change.path.to_string().starts_with(".spec.whole")), "{:?}", changes);
            }
        }
    }

    #[test]
    fn the_short_proof_agrees_with_the_whole_algorithm(history in history(), next in config(), again in any::<bool>()) {
        let live = replay(&history);
        let last = history.iter().rev().find(|step| step.applies && step.manager == "one");
        let next = last.filter(|_| again).map_or(next, |step| step.object.clone());
        let options = ApplyOptions::new("one", "2026-01-01T00:00:30Z");
        let whole = decide(&TYPE, &live, &next, &options).unwrap();
        let proven = is_unchanged(&TYPE, &live, &next, &options);
        let owns = owners(&live).iter().any(|(manager, _)| manager.name == "one" && manager.operation == Operation::Apply);
        // An apply that owns nothing before and after is left to the whole algorithm.
        prop_assert_eq!(proven, owns && whole.object == live);
    }

    #[test]
    fn applying_twice_is_applying_once(history in history(), next in config()) {
        let live = replay(&history);
        let now = [time(30), time(31)];
        let options = |now| ApplyOptions { force: true, ..ApplyOptions::new("one", now) };
        let once = apply(&TYPE, Some(&live), &next, &options(&now[0])).unwrap();
        let twice = apply(&TYPE, Some(&once), &next, &options(&now[1])).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_is_applied_is_there_and_owned(history in history(), next in config()) {
        let live = replay(&history);
        let now = time(30);
        let options = ApplyOptions { force: true, ..ApplyOptions::new("one", &now) };
        let after = apply(&TYPE, Some(&live), &next, &options).unwrap();
        prop_assert_eq!(&typed::merge(&TYPE, &after, &next), &after);
        for entry in Managed::of_object(&after).unwrap().iter() {
            let there = typed::with_named_fields(&TYPE, &typed::fields(&TYPE, &after));
            let lost = entry.fields.difference(&there);
            // An emptied set or list map is nobody's field, but who put it there is remembered.
            let empty = lost.iter().all(|path| path.to_string().ends_with("keyed") || path.to_string().ends_with("set")
                || path.to_string().ends_with("inner"));
            prop_assert!(empty, "{} owns what is not there: {lost}", entry.manager);
        }
    }

    #[test]
    fn managers_are_read_as_they_are_written(history in history()) {
        let live = replay(&history);
        let managed = Managed::of_object(&live).unwrap();
        let written = live.pointer("/metadata/managedFields").cloned();
        prop_assert_eq!(managed.to_value(), written.unwrap_or_else(|| json!([])));
    }

    #[test]
    fn comparing_and_diffing_agree(before in config(), after in config()) {
        let comparison = typed::compare(&TYPE, &before, &after);
        prop_assert_eq!(comparison.is_same(), diff(&TYPE, &before, &after).is_empty());
        let back = typed::compare(&TYPE, &after, &before);
        prop_assert_eq!(&comparison.added, &back.removed);
        prop_assert_eq!(&comparison.modified, &back.modified);
        prop_assert!(typed::compare(&TYPE, &before, &before).is_same());
        let merged = typed::merge(&TYPE, &before, &after);
        let removed = typed::compare(&TYPE, &before, &merged).removed;
        // What a value of no known type held goes when another takes its place.
        prop_assert!(removed.iter().all(|path| path.to_string().starts_with(".spec.free")), "removed: {removed}");
        prop_assert_eq!(&typed::merge(&TYPE, &merged, &after), &merged);
    }

    #[test]
    fn all_fields_of_an_object_are_the_object(object in config()) {
        let fields = typed::with_named_fields(&TYPE, &typed::fields(&TYPE, &object));
        let taken = typed::extract(&TYPE, &object, &fields);
        prop_assert!(typed::compare(&TYPE, &object, &taken).modified.is_empty());
        let left = typed::remove(&TYPE, &object, &fields);
        let left = typed::fields(&TYPE, &left);
        prop_assert!(left.is_empty(), "left over: {left}");
    }
}

fn element() -> impl Strategy<Value = PathElement> {
    prop_oneof![
        "[a-c]".prop_map(PathElement::Field),
        ("[ab]", 0..2).prop_map(|(name, value)| PathElement::key(name, value)),
        ("[ab]", "[<a]").prop_map(|(name, value)| PathElement::key(name, value)),
        (0..3).prop_map(|value| PathElement::Value(json!(value))),
        "[\"a&]".prop_map(|value| PathElement::Value(json!(value))),
        (0..2_usize).prop_map(PathElement::Index),
    ]
}

fn paths() -> impl Strategy<Value = BTreeSet<FieldPath>> {
    let path = prop::collection::vec(element(), 1..4).prop_map(FieldPath);
    prop::collection::btree_set(path, 0..12)
}

fn set(paths: &BTreeSet<FieldPath>) -> FieldSet {
    paths.iter().cloned().collect()
}

#[track_caller]
fn same(found: &FieldSet, expected: impl Iterator<Item = FieldPath>) {
    let expected: BTreeSet<FieldPath> = expected.collect();
    assert_eq!(found.iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(found, &set(&expected));
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.is_empty(), expected.is_empty());
}

proptest! {
    #[test]
    fn sets_are_sets_of_paths(left in paths(), right in paths()) {
        let (l, r) = (set(&left), set(&right));
        same(&l, left.iter().cloned());
        same(&l.union(&r), left.union(&right).cloned());
        same(&l.intersection(&r), left.intersection(&right).cloned());
        same(&l.difference(&r), left.difference(&right).cloned());
        let covered = |path: &FieldPath| right.iter().any(|prefix| path.starts_with(prefix));
        same(&l.difference_with_below(&r), left.iter().filter(|path| !covered(path)).cloned());
        let leads_on = |path: &FieldPath| left.iter().any(|other| other != path && other.starts_with(path));
        same(&l.leaves(), left.iter().filter(|path| !leads_on(path)).cloned());
        prop_assert_eq!(l.is_subset(&r), left.is_subset(&right));
        prop_assert!(left.iter().all(|path| l.contains(path)));
        prop_assert!(right.difference(&left).all(|path| !l.contains(path)));
    }

    #[test]
    fn sets_obey_their_laws(a in paths(), b in paths(), c in paths()) {
        let (a, b, c) = (set(&a), set(&b), set(&c));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.leaves().leaves(), a.leaves());
    }

    #[test]
    fn fields_v1_is_read_as_it_is_written(paths in paths()) {
        let set = set(&paths);
        let written = set.to_fields_v1();
        prop_assert_eq!(&FieldSet::from_fields_v1(&written).unwrap(), &set);
        let text: Value = serde_json::from_str(&set.to_fields_v1_text()).unwrap();
        prop_assert_eq!(text, written);
    }
}
