//! Records: what is kept of them and let go, how they are split and joined, what two of them differ in, and what is
//! desired again.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::collections::BTreeSet;
use std::slice::from_ref;

use proptest::prelude::*;
use serde_json::{Value, json};
use strata_components::desired::{Desired, Resource};

use super::difference::Difference;
use super::kept::let_go;
use super::pack::{PART_BYTES, UnpackError, pack, unpack};
use super::record::without_variables;
use super::restore::{Restored, restored};
use super::*;

/// A head of a record.
fn head(revision: u64, command: Command, state: State) -> Head {
    Head {
        format: HISTORY_FORMAT.to_owned(),
        revision,
        instance: desired(&[]).instance,
        target: serde_json::from_value(json!({"name": "here", "identity": "i", "version": "v1"})).unwrap(),
        command,
        back_to: None,
        targets: Vec::new(),
        by: "somebody".to_owned(),
        program: "strata".to_owned(),
        begun: "2026-11-21T09:00:00Z".to_owned(),
        ended: None,
        commit: None,
        inputs: String::new(),
        plan: String::new(),
        summary: crate::plan::Summary::default(),
        state,
        done: 0,
        failed: 0,
        not_tried: 0,
    }
}

/// A record whose head cannot be read.
fn unreadable(revision: u64) -> Entry {
    Entry::Unreadable { revision, why: "it was altered".to_owned() }
}

/// A resource of the ground: kind, name and a member of its manifest with its value.
fn resource((kind, name, member, value): (&str, &str, &str, Value)) -> Resource {
    let mut manifest = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "ns"}});
    manifest[member] = value;
    let id = json!({"provider": "kubernetes", "target": "then", "group": "", "version": "v1", "kind": kind,
        "namespace": "ns", "name": name});
    let address = format!("shop/{name}");
    serde_json::from_value(json!({"id": id, "address": address, "phase": 0, "manifest": manifest})).unwrap()
}

fn desired(resources: &[(&str, &str, &str, Value)]) -> Desired {
    let nothing = json!({
        "instance": {"stack": "shop", "environment": "dev"}, "namespaces": ["ns"], "phases": [],
        "claims": {"ports": [], "edges": [], "compute": []}, "resources": [],
    });
    let resources = resources.iter().cloned().map(resource).collect();
    Desired { resources, ..serde_json::from_value(nothing).unwrap() }
}

fn record(head: Head, resources: &[(&str, &str, &str, Value)]) -> Record {
    Record {
        head,
        made: Made { changes: Vec::new(), desired: redacted(&desired(resources)), stack: None },
        ending: None,
    }
}

#[test]
fn the_oldest_go_and_the_newest_that_was_done_stays() {
    use Command::{Destroy, Rollback, Up};
    use State::{Done, Failed, Unfinished};
    let known = |(at, (command, state)): (usize, &(Command, State))| {
        Entry::Known(Box::new(head(at as u64 + 1, *command, *state)))
    };
    let check = |runs: &[(Command, State)], keep: usize, expect: &[u64]| {
        let entries: Vec<Entry> = runs.iter().enumerate().map(known).collect();
        assert_eq!(let_go(&entries, keep), expect.iter().copied().collect(), "{runs:?}, {keep}");
    };
    check(&[], 3, &[]);
    check(&[(Up, Done); 3], 3, &[]);
    check(&[(Up, Done); 4], 3, &[1]);
    check(&[(Up, Done), (Up, Failed), (Up, Failed), (Up, Unfinished)], 2, &[2]);
    check(&[(Up, Done), (Rollback, Done), (Up, Failed), (Destroy, Done)], 1, &[1, 3]);
    check(&[(Up, Done), (Destroy, Done)], 1, &[]);
    check(&[(Up, Done), (Up, Done)], 0, &[1]);
    let entries = [unreadable(3), unreadable(2), unreadable(1)];
    assert_eq!(let_go(&entries, 1), BTreeSet::from([1, 2]));
}

/// What may be recorded of one run: readable or not, what it was and how it ended.
fn entry() -> impl Strategy<Value = Option<(Command, State)>> {
    let command = prop_oneof![Just(Command::Up), Just(Command::Destroy), Just(Command::Rollback)];
    let state = prop_oneof![Just(State::Done), Just(State::Failed), Just(State::Unfinished), Just(State::Interrupted)];
    prop::option::weighted(0.9, (command, state))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_more_are_kept_than_asked_for_and_what_there_is_to_go_back_to(
        runs in prop::collection::vec(entry(), 0..30), keep in 0usize..12,
    ) {
        let entries: Vec<Entry> = runs.iter().enumerate().map(|(at, run)| match run {
            Some((command, state)) => Entry::Known(Box::new(head(at as u64 + 1, *command, *state))),
            None => unreadable(at as u64 + 1),
        }).collect();
        let gone = let_go(&entries, keep);
        let good = |entry: &&Entry| entry.head().is_some_and(|head| {
            head.state == State::Done && head.command != Command::Destroy
        });
        let newest_good = entries.iter().filter(good).map(Entry::revision).max();
        let keep = keep.max(1);
        let stay: Vec<u64> = entries.iter().map(Entry::revision).filter(|one| !gone.contains(one)).collect();
        // The newest `keep` stay, and beside them at the most the one to go back to.
        prop_assert!(stay.len() <= keep + 1);
        prop_assert!(entries.iter().rev().take(keep).all(|entry| stay.contains(&entry.revision())));
        prop_assert!(newest_good.is_none_or(|one| stay.contains(&one)));
        if stay.len() > keep {
            prop_assert_eq!(stay.first().copied(), newest_good);
        }
    }

    #[test]
    fn any_record_splits_below_the_limit_and_joins_back(
        names in prop::collection::vec(("[a-z]{1,8}", "\\PC{0,200}"), 0..20), bytes in 16usize..4096, lost in any::<prop::sample::Index>(),
    ) {
        let resources: Vec<_> = names.iter().map(|(name, text)| ("ConfigMap", name.as_str(), "data", json!({"text": text}))).collect();
        let made = record(head(1, Command::Up, State::Done), &resources).made;
        let packed = pack(&made, bytes);
        prop_assert!(!packed.parts.is_empty());
        prop_assert!(packed.parts.iter().all(|part| part.len() <= bytes && !part.is_empty()));
        prop_assert_eq!(packed.digests.len(), packed.parts.len());
        let mut parts: Vec<Option<Vec<u8>>> = packed.parts.iter().cloned().map(Some).collect();
        prop_assert_eq!(unpack::<Made>(&parts, &packed.digests), Ok(made));

        // Whichever part is altered, or lost, is named.
        let (at, of) = (lost.index(parts.len()), parts.len());
        if let Some(byte) = parts[at].as_mut().and_then(|part| part.last_mut()) {
            *byte ^= 1;
        }
        let altered = UnpackError::Altered { part: at + 1, parts: of };
        prop_assert_eq!(unpack::<Made>(&parts, &packed.digests), Err(altered));
        parts[at] = None;
        let missing = UnpackError::Missing { part: at + 1, parts: of };
        prop_assert_eq!(unpack::<Made>(&parts, &packed.digests), Err(missing));
    }
}

#[test]
fn a_stack_is_recorded_without_what_its_variables_hold() {
    let stack = json!({
        "stack": "shop", "namespace": "shop", "health_port": "+100", "tiers": {"all": {"ports": "9000-9009"}},
        "services": {"cart": {"tier": "all", "port": 9000, "env": {"TOKEN": "canary"}}},
    });
    let bare = serde_json::to_value(without_variables(serde_json::from_value(stack).unwrap())).unwrap();
    assert_eq!(bare.pointer("/services/cart/port"), Some(&json!(9000)));
    assert!(!bare.to_string().contains("canary"), "{bare}");
    // It is read back as the same stack.
    let again: strata_components::model::Stack = serde_json::from_value(bare.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), bare);
}

#[test]
fn a_part_with_all_around_it_fits_into_an_object() {
    // Base64 makes four bytes of three; an object holds a mebibyte.
    assert!(PART_BYTES.div_ceil(3) * 4 + (256 << 10) < 1 << 20);
}

#[test]
fn what_was_packed_is_no_more_than_that() {
    let packed = pack(&json!({"changes": 3}), PART_BYTES);
    let parts: Vec<Option<Vec<u8>>> = packed.parts.iter().cloned().map(Some).collect();
    let malformed = unpack::<Made>(&parts, &packed.digests).unwrap_err().to_string();
    assert_eq!(
        malformed,
        "what it holds cannot be read: invalid type: integer `3`, expected a sequence at line 1 column 12"
    );
    let digest = crate::plan::sha256(b"no such stream");
    let malformed = unpack::<Made>(&[Some(b"no such stream".to_vec())], &[digest]).unwrap_err();
    assert!(matches!(malformed, UnpackError::Malformed(_)), "{malformed}");
}

#[test]
fn a_difference_names_objects_and_fields_but_nothing_that_secrets_hold() {
    let map = |name, text: &str| ("ConfigMap", name, "data", json!({"text": text}));
    let secret = |value: &str| ("Secret", "key", "data", json!({"password": value}));
    let typed = ("Secret", "token", "type", json!("Opaque"));
    let one = desired(&[map("a", "1"), map("b", "1"), map("c", "1"), secret("b25l"), typed.clone()]);
    let two = desired(&[map("b", "2"), map("c", "1"), map("d", "1"), secret("dHdv")]);
    let difference = Difference::between((1, &one), (Some(2), &two));
    let told: Vec<String> = difference
        .changes
        .iter()
        .map(|Change { action, id, fields }| {
            let paths: Vec<String> =
                fields.iter().map(|field| format!("{}{:?}{:?}", field.path, field.before, field.after)).collect();
            format!("{action:?} {id} {}", paths.join(" "))
        })
        .collect();
    let expect = [
        "Delete ConfigMap ns/a ",
        "Update ConfigMap ns/b .data.textSome(String(\"1\"))Some(String(\"2\"))",
        "Create ConfigMap ns/d ",
        "Delete Secret ns/token ",
    ];
    assert_eq!(told, expect);
    assert_eq!((difference.same, difference.not_compared.len()), (2, 1));
    let text = serde_json::to_string(&difference).unwrap();
    assert!(!text.contains("b25l") && !text.contains("dHdv"), "{text}");

    // What the cluster is called makes no difference.
    let mut elsewhere = one.clone();
    elsewhere.resources.iter_mut().for_each(|resource| resource.id.target = "there".to_owned());
    assert_eq!(Difference::between((1, &one), (None, &elsewhere)).changes, []);
}

#[track_caller]
fn check(record: &Record, today: Option<&Desired>, targets: &[&str], expect: Result<&[(&str, Option<Value>)], &str>) {
    let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
    let found = restored(record, today, "today", &targets).map_err(|error| error.to_string());
    let found = found.map(|Restored { desired, from_source }| {
        assert!(desired.resources.iter().all(|resource| resource.id.target == "today"));
        assert!(from_source.iter().all(|id| id.kind.kind == "Secret"));
        let held = |resource: &Resource| (resource.id.to_string(), resource.manifest.get("data").cloned());
        desired.resources.iter().map(held).collect::<Vec<_>>()
    });
    let expect = expect.map(|objects| objects.iter().map(|(id, data)| ((*id).to_owned(), data.clone())).collect());
    assert_eq!(found, expect.map_err(str::to_owned));
}

#[test]
fn what_was_desired_is_desired_again_with_secrets_from_their_source() {
    let (map, key) = (("ConfigMap", "a", "data", json!({"x": "1"})), ("Secret", "key", "data", json!({"p": "b25l"})));
    let up = |resources: &[_]| record(head(3, Command::Up, State::Done), resources);
    check(&up(from_ref(&map)), None, &[], Ok(&[("ConfigMap ns/a", Some(json!({"x": "1"})))]));
    let today = desired(&[("Secret", "key", "data", json!({"p": "dHdv"}))]);
    check(&up(from_ref(&key)), Some(&today), &[], Ok(&[("Secret ns/key", Some(json!({"p": "dHdv"})))]));
    let missing = Err("revision 3 has Secrets that have no source today: Secret ns/key");
    check(&up(&[key.clone(), map.clone()]), None, &[], missing);
    check(&up(from_ref(&key)), Some(&desired(&[("ConfigMap", "key", "data", json!({}))])), &[], missing);

    let destroyed = record(head(4, Command::Destroy, State::Done), &[]);
    check(&destroyed, None, &[], Err("revision 4 is a destroy: there is nothing to go back to"));
    let mut partial = up(from_ref(&map));
    partial.head.targets = vec!["cart".to_owned(), "store".to_owned()];
    let alone = Err("revision 3 was about cart, store alone: what else was desired then was not applied");
    check(&partial, None, &[], alone);
    check(&partial, None, &["cart", "web"], alone);
    check(&partial, None, &["store"], Ok(&[("ConfigMap ns/a", Some(json!({"x": "1"})))]));
}
