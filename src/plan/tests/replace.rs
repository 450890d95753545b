//! What the server changes on no object that exists.

use super::*;
use crate::observe::{Leftover, ReplaceOrder};

fn replaced(order: ReplaceOrder, leaves: &[&str], conflict: bool) -> Previewed {
    let Previewed::Change { changes, conflicts, confirmation } = changed("strata-s", true, conflict) else {
        panic!("a change");
    };
    let leaves = leaves.iter().map(|name| Leftover {
        id: id("ReplicaSet", name),
        uid: format!("uid-{name}"),
        resource_version: "3".to_owned(),
    });
    Previewed::Replace {
        reason: "field is immutable".to_owned(),
        paths: vec![".data.a".to_owned()],
        changes,
        conflicts,
        order,
        leaves: leaves.collect(),
        confirmation,
    }
}

fn allowed() -> Policy {
    Policy { allow_replace: true, ..Policy::default() }
}

#[test]
fn a_replacement_has_to_be_allowed() {
    let outcome = || replaced(ReplaceOrder::DeleteFirst, &[], false);
    check(&with_one(|_| {}, outcome(), &Policy::default()), &[NS, "1 apply blocked a: stack immutable guarded"]);
    let plan = with_one(|_| {}, outcome(), &allowed());
    check(&plan, &[NS, "1 apply replace a: stack immutable"]);
    let step = plan.steps().find(|step| step.action == Action::Replace).expect("a replace");
    assert_eq!((step.replace, step.uid.as_deref()), (Some(ReplaceOrder::DeleteFirst), Some("uid-a")));
    assert!(step.manifest.is_some() && step.leaves.is_empty() && !step.force);
}

#[test]
fn a_field_that_another_holds_is_not_taken_by_replacing() {
    let outcome = || replaced(ReplaceOrder::DeleteFirst, &[], true);
    check(&with_one(|_| {}, outcome(), &allowed()), &[NS, "1 apply blocked a: stack immutable conflict"]);
    let forced = Policy { force_conflicts: true, ..allowed() };
    check(&with_one(|_| {}, outcome(), &forced), &[NS, "1 apply replace a: stack immutable"]);
}

#[test]
fn what_belongs_to_nobody_is_replaced_only_when_it_may_be_adopted_too() {
    let outcome = || replaced(ReplaceOrder::DeleteFirst, &[], false);
    let nobody = |object: &mut LiveObject| object.owner = Owner::Nobody;
    check(&with_one(nobody, outcome(), &allowed()), &[NS, "1 apply blocked a: not-ours"]);
    let both = Policy { adopt: true, ..allowed() };
    check(&with_one(nobody, outcome(), &both), &[NS, "1 apply replace a: not-ours stack immutable"]);
}

#[test]
fn what_is_guarded_is_replaced_only_when_it_is_named() {
    let outcome = || replaced(ReplaceOrder::DeleteFirst, &[], false);
    let guarded = |object: &mut LiveObject| object.guarded = Some("its data may go with it".to_owned());
    let plan = with_one(guarded, outcome(), &allowed());
    check(&plan, &[NS, "1 apply blocked a: stack immutable guarded"]);
    let named = Policy { delete: vec!["ConfigMap/a".to_owned()], ..Policy::default() };
    check(&with_one(guarded, outcome(), &named), &[NS, "1 apply blocked a: stack immutable guarded"]);
    let both = Policy { allow_replace: true, ..named };
    check(&with_one(guarded, outcome(), &both), &[NS, "1 apply replace a: stack immutable"]);
}

#[test]
fn what_is_left_behind_goes_when_the_new_object_is_ready() {
    let plan = with_one(|_| {}, replaced(ReplaceOrder::CreateFirst, &["a-1", "a-2"], false), &allowed());
    let expect =
        [NS, "1 apply replace a: stack immutable", "1 delete delete a-1: left-by", "1 delete delete a-2: left-by"];
    check(&plan, &expect);
    let left: Vec<&Step> = plan.steps().filter(|step| step.action == Action::Delete).collect();
    assert!(left.iter().all(|step| step.condition == Some(Condition::Unowned) && step.uid.is_some()));
    let leaves = plan.steps().flat_map(|step| &step.leaves).collect::<Vec<_>>();
    assert_eq!(leaves, left.iter().map(|step| &step.id).collect::<Vec<_>>());
}

#[test]
fn what_an_earlier_run_left_behind_is_found_again() {
    let mut desired = desired(&[]);
    desired.resources.clear();
    let mut left = live(id("ReplicaSet", "a-1"), Owner::This, 1);
    left.left_by = Some("Deployment ns/a".to_owned());
    let plan_of =
        |left: &LiveObject| plan(&desired, &snapshot(&desired, vec![left.clone()], created), &Policy::default());
    check(&plan_of(&left), &["1 delete delete a-1: left-by"]);
    assert!(plan_of(&left).steps().all(|step| step.condition == Some(Condition::Unowned)));
    left.controlled = true;
    check(&plan_of(&left), &["1 delete forget a-1: left-by"]);
}

#[test]
fn what_a_killed_run_has_marked_is_left_behind_once() {
    for controlled in [true, false] {
        let desired = desired(&[("a", 1)]);
        let mut marked = live(id("ReplicaSet", "a-1"), Owner::This, 1);
        (marked.left_by, marked.controlled) = (Some("ConfigMap ns/a".to_owned()), controlled);
        marked.resource_version = "3".to_owned();
        let namespace = live(id("Namespace", "ns"), Owner::This, 0);
        let objects = vec![namespace, live(id("ConfigMap", "a"), Owner::This, 1), marked];
        let replace = |id: &ResourceId| match id.name.as_str() {
            "a" => replaced(ReplaceOrder::CreateFirst, &["a-1"], false),
            _ => unchanged(id),
        };
        let plan = plan(&desired, &snapshot(&desired, objects, replace), &allowed());
        check(&plan, &[NS, "1 apply replace a: stack immutable", "1 delete delete a-1: left-by"]);
    }
}
