//! Saved plans held against what there is now.

use serde_json::json;

use super::*;
use crate::observe::{Leftover, LiveObject, Owner, Previewed, ReplaceOrder, UnlistedKind};
use crate::plan::tests::{changed, created, desired, id, live, plan, snapshot, unchanged, with_one};
use crate::plan::{Kept, Policy, digest};

/// What moved, one line each: object, part, planned, now.
#[track_caller]
fn check(saved: &Plan, fresh: &Plan, expect: Result<(usize, usize), &[&str]>) {
    check_of(saved, fresh, &snapshot(&desired(&[]), Vec::new(), unchanged), expect);
}

/// The same where it matters what the fresh plan was made of.
#[track_caller]
fn check_of(saved: &Plan, fresh: &Plan, snapshot: &Snapshot, expect: Result<(usize, usize), &[&str]>) {
    let found = compare(saved, fresh, snapshot).map(|Rest { done, left }| (done, left));
    let line = |moved: &Moved| {
        let Moved { id, part, planned, now } = moved;
        let part = match part {
            Part::Inputs => "inputs".to_owned(),
            Part::Manifest => "manifest".to_owned(),
            Part::Uid => "uid".to_owned(),
            Part::Field(path) => path.clone(),
            Part::Outcome(path) => format!("outcome of {path}"),
            Part::Owner(path) => format!("owner of {path}"),
            Part::Action => "action".to_owned(),
            Part::Obstacle(cause) => format!("{cause:?}").chars().take_while(|c| c.is_alphanumeric()).collect(),
            Part::Member(name) => format!("member {name}"),
        };
        let value = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
        let name = id.as_ref().map_or("plan", |id| id.name.as_str());
        format!("{name}: {part} {} → {}", value(planned), value(now))
    };
    let found = found.map_err(|moved| moved.iter().map(line).collect::<Vec<_>>());
    assert_eq!(found, expect.map_err(|lines| lines.iter().map(|line| (*line).to_owned()).collect()));
}

/// A plan in which the ConfigMap `a` changes, or whatever else its preview says.
fn one(object: impl FnOnce(&mut LiveObject), outcome: Previewed) -> Plan {
    with_one(object, outcome, &Policy::default())
}

fn change() -> Previewed {
    changed("kubectl", false, false)
}

/// The same with another value of one part of its change.
fn change_with(alter: impl FnOnce(&mut crate::observe::FieldChange)) -> Previewed {
    match change() {
        Previewed::Change { mut changes, conflicts, confirmation } => {
            alter(&mut changes[0]);
            Previewed::Change { changes, conflicts, confirmation }
        }
        other => other,
    }
}

fn nothing() -> Previewed {
    unchanged(&id("ConfigMap", "a"))
}

#[test]
fn what_moves_without_a_meaning_is_no_difference() {
    let saved = one(|_| {}, change());
    check(&saved, &saved, Ok((0, 1)));
    check(&saved, &one(|object| object.resource_version = "8".to_owned(), change()), Ok((0, 1)));
    let time = change_with(|change| {
        let owner = change.owner.as_mut().expect("it has one");
        owner.time = Some("2026-01-01T00:00:00Z".to_owned());
    });
    check(&saved, &one(|_| {}, time), Ok((0, 1)));
    let mut sure = change();
    if let Previewed::Change { confirmation, .. } = &mut sure {
        *confirmation = crate::observe::Confirmation::Proven;
    }
    check(&saved, &one(|_| {}, sure), Ok((0, 1)));
}

#[test]
fn what_moved_is_named() {
    let saved = one(|_| {}, change());
    check(&saved, &one(|object| object.uid = "other".to_owned(), change()), Err(&["a: uid \"uid-a\" → \"other\""]));
    let value = change_with(|change| change.before = Some(json!("7")));
    check(&saved, &one(|_| {}, value), Err(&["a: .data.a \"1\" → \"7\""]));
    let value = change_with(|change| change.after = Some(json!("7")));
    check(&saved, &one(|_| {}, value), Err(&["a: outcome of .data.a \"2\" → \"7\""]));
    let owner = changed("somebody", false, false);
    check(&saved, &one(|_| {}, owner), Err(&["a: owner of .data.a \"kubectl\" → \"somebody\""]));
    let path = change_with(|change| change.path = ".data.b".to_owned());
    // As for .data.a, it has become what the plan would have made of it; .data.b was as it should be.
    check(&saved, &one(|_| {}, path), Err(&["a: .data.a \"1\" → \"2\"", "a: .data.b \"2\" → \"1\""]));
    check(&saved, &one(|_| {}, changed("kubectl", false, true)), Err(&["a: Conflict - → -"]));
    check(
        &saved,
        &one(|object| object.terminating = true, change()),
        Err(&["a: .data.a \"1\" → \"2\"", "a: Terminating - → -"]),
    );
    // Something drifted that the plan was to leave alone.
    check(&one(|_| {}, nothing()), &saved, Err(&["a: .data.a \"2\" → \"1\""]));
    let other = one(|_| {}, Previewed::Refused { reason: "no".to_owned() });
    check(&one(|_| {}, nothing()), &other, Err(&["a: Refused - → -"]));
}

/// The plan of a stack with these services, where these of its ConfigMaps are live.
fn stack(services: &[(&str, u32)], there: &[&str]) -> Plan {
    let desired = desired(services);
    let mut objects = vec![live(id("Namespace", "ns"), Owner::This, 0)];
    objects.extend(there.iter().map(|name| live(id("ConfigMap", name), Owner::This, 1)));
    let has = |id: &ResourceId| objects.iter().any(|object| object.id == *id);
    let present: Vec<ResourceId> = objects.iter().map(|object| object.id.clone()).filter(has).collect();
    let outcome = |id: &ResourceId| if present.contains(id) { unchanged(id) } else { created(id) };
    plan(&desired, &snapshot(&desired, objects.clone(), outcome), &Policy::default())
}

#[test]
fn what_came_and_went_is_named() {
    let two = [("a", 1), ("b", 1)];
    check(&stack(&two, &["a", "b"]), &stack(&two, &["a"]), Err(&["b: uid \"uid-b\" → -"]));
    check(&stack(&two, &["a", "b"]), &stack(&two, &["a", "b", "c"]), Err(&["c: action - → \"delete\""]));
    check(&stack(&two, &[]), &stack(&[("a", 1)], &[]), Err(&["plan: inputs - → -", "b: action \"create\" → -"]));
}

#[test]
fn what_is_done_as_planned_is_no_difference() {
    let two = [("a", 1), ("b", 1)];
    check(&stack(&two, &[]), &stack(&two, &["a"]), Ok((1, 1)));
    check(&stack(&two, &["old"]), &stack(&two, &["a", "b"]), Ok((3, 0)));
    check(&stack(&two, &["old"]), &stack(&two, &["old", "a", "b"]), Ok((2, 1)));
    check(&one(|_| {}, change()), &one(|_| {}, nothing()), Ok((1, 0)));
    // The same by another object is not what was planned.
    let other = one(|object| object.uid = "other".to_owned(), nothing());
    check(&one(|_| {}, change()), &other, Err(&["a: uid \"uid-a\" → \"other\""]));
}

#[test]
fn what_is_kept_or_unknown_counts() {
    let saved = stack(&[("a", 1)], &["a"]);
    let mut fresh = saved.clone();
    let kind = id("ConfigMap", "a").kind;
    fresh.unlisted.push(UnlistedKind { kind, namespace: None, reason: "it is not served".to_owned() });
    let unlisted = json!(fresh.unlisted);
    check(&saved, &fresh, Err(&[&format!("plan: member unlisted [] → {unlisted}")]));
    let mut fresh = saved.clone();
    fresh.kept.push(Kept { id: id("Namespace", "x"), reason: "it is full".to_owned() });
    let kept = json!(fresh.kept);
    check(&saved, &fresh, Err(&[&format!("plan: member kept [] → {kept}")]));
}

#[test]
fn a_value_that_is_not_shown_is_seen_to_move_by_its_revision() {
    let hidden = || {
        change_with(|change| {
            change.before = Some(HIDDEN.into());
            change.after = Some(HIDDEN.into());
        })
    };
    let saved = one(|_| {}, hidden());
    check(&saved, &saved, Ok((0, 1)));
    let fresh = one(|object| object.resource_version = "8".to_owned(), hidden());
    check(&saved, &fresh, Err(&["a: member resource_version \"7\" → \"8\""]));
}

/// A service that moves, and what lets it through under both names: the plan, and what it was made of. `there` of its
/// names are live; `user` lets both through where that was applied, and who set its live value says so.
fn moving(there: &[&str], both: bool, by: Option<&str>) -> (Plan, Snapshot) {
    let wide = json!({"both": true});
    let mut desired = desired(&[("new", 1), ("user", 2)]);
    for resource in &mut desired.resources {
        match resource.id.name.as_str() {
            "new" => resource.was = Some("s/old/config-map".to_owned()),
            "user" => resource.meanwhile = Some(wide.clone()),
            _ => {}
        }
    }
    let mut user = live(id("ConfigMap", "user"), Owner::This, 2);
    user.applied = both.then(|| digest(&wide));
    let mut objects = vec![live(id("Namespace", "ns"), Owner::This, 0), user];
    objects.extend(there.iter().map(|name| live(id("ConfigMap", name), Owner::This, 1)));
    let outcome = |id: &ResourceId| match (id.name.as_str(), by) {
        ("new", _) if !there.contains(&"new") => created(id),
        ("user", Some(by)) => changed(by, by == "strata-s", false),
        _ => unchanged(id),
    };
    let mut snapshot = snapshot(&desired, objects, outcome);
    for preview in snapshot.previews.iter_mut().filter(|_| both) {
        if let Previewed::Change { changes, .. } = &mut preview.outcome {
            changes[0].path = ".data.both".to_owned();
        }
    }
    (plan(&desired, &snapshot, &Policy::default()), snapshot)
}

#[test]
fn what_is_open_to_both_names_is_closed_after_a_pause() {
    let us = Some("strata-s");
    let (saved, before) = moving(&["old"], false, us);
    check_of(&saved, &saved, &before, Ok((0, 4)));
    let check = |there: &[&str], both, by, expect| {
        let (fresh, snapshot) = moving(there, both, by);
        check_of(&saved, &fresh, &snapshot, expect);
    };
    // Moved, opened, gone, closed.
    check(&["old", "new"], false, us, Ok((1, 3)));
    check(&["old", "new"], true, us, Ok((2, 2)));
    check(&["new"], true, us, Ok((3, 1)));
    check(&["new"], false, None, Ok((4, 0)));
    // Somebody has set a value of what is open.
    let theirs = &["user: .data.a \"1\" → \"2\"", "user: .data.both \"2\" → \"1\""];
    check(&["old", "new"], true, Some("kubectl"), Err(theirs));
}

/// A workload that is replaced while its pods run on; what it leaves is marked, and may be taken by its successor.
fn replacing(uid: &str, outcome: Previewed, left: Option<(&str, bool)>) -> Plan {
    let desired = desired(&[("a", 1)]);
    let mut workload = live(id("ConfigMap", "a"), Owner::This, 1);
    workload.uid = uid.to_owned();
    let mut objects = vec![live(id("Namespace", "ns"), Owner::This, 0), workload];
    if let Some((by, taken)) = left {
        let mut left = live(id("ReplicaSet", "a-1"), Owner::This, 1);
        (left.phase, left.address) = (None, None);
        (left.left_by, left.controlled) = (Some(by.to_owned()), taken);
        objects.push(left);
    }
    let outcome = |id: &ResourceId| if id.name == "a" { outcome.clone() } else { unchanged(id) };
    let policy = Policy { allow_replace: true, ..Policy::default() };
    plan(&desired, &snapshot(&desired, objects, outcome), &policy)
}

#[test]
fn what_a_replaced_object_leaves_goes_after_a_pause() {
    let Previewed::Change { changes, conflicts, confirmation } = change() else { panic!("a change") };
    let left = Leftover { id: id("ReplicaSet", "a-1"), uid: "uid-a-1".to_owned(), resource_version: "3".to_owned() };
    let (reason, paths, order) = ("it stays".to_owned(), vec![".data".to_owned()], ReplaceOrder::CreateFirst);
    let replace = Previewed::Replace { reason, paths, changes, conflicts, order, leaves: vec![left], confirmation };
    let by = id("ConfigMap", "a").to_string();
    let saved = replacing("uid-a", replace.clone(), None);
    check(&saved, &saved, Ok((0, 2)));
    check(&saved, &replacing("uid-a", replace, Some((&by, false))), Ok((0, 2)));
    for taken in [true, false] {
        check(&saved, &replacing("uid-new", nothing(), Some((&by, taken))), Ok((1, 1)));
    }
    check(&saved, &replacing("uid-new", nothing(), None), Ok((2, 0)));
    let of_another = replacing("uid-new", nothing(), Some(("another", false)));
    let found = compare(&saved, &of_another, &snapshot(&desired(&[]), Vec::new(), unchanged));
    assert!(found.is_err_and(|moved| moved.iter().all(|one| one.id == Some(id("ReplicaSet", "a-1")))));
}
