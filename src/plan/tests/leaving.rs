//! What left the stack: deleted, forgotten, or refused to be deleted at once.

use super::*;

/// So many objects in the stack, and so many that left it, beside the namespace.
fn plan_with(stay: usize, leave: usize, change: impl FnOnce(&mut Snapshot), policy: &Policy) -> Plan {
    let names: Vec<String> = (0..stay).map(|at| format!("stays-{at:02}")).collect();
    let services: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let desired = desired(&services);
    let mut objects = vec![live(id("Namespace", "ns"), Owner::This, 0)];
    objects.extend(names.iter().map(|name| live(id("ConfigMap", name), Owner::This, 1)));
    objects.extend((0..leave).map(|at| live(id("ConfigMap", &format!("leaves-{at:02}")), Owner::This, 1)));
    let mut snapshot = snapshot(&desired, objects, unchanged);
    change(&mut snapshot);
    plan(&desired, &snapshot, policy)
}

/// How many steps delete, and how many are blocked.
#[track_caller]
fn counts(plan: &Plan, deleted: usize, blocked: usize) {
    assert_eq!((plan.summary.delete, plan.summary.blocked), (deleted, blocked), "{:#?}", plan.summary);
}

#[test]
fn much_at_once_is_asked_about() {
    let policy = Policy::default();
    let as_it_is = |_: &mut Snapshot| {};
    counts(&plan_with(0, 10, as_it_is, &policy), 10, 0);
    counts(&plan_with(20, 11, as_it_is, &policy), 0, 11);
    counts(&plan_with(21, 11, as_it_is, &policy), 11, 0);
    let plan = plan_with(4, 12, as_it_is, &policy);
    let reason = "12 of the 17 objects of the instance would be deleted; allow it with --allow-prune";
    let guarded = Cause::Guarded { reason: reason.to_owned() };
    assert!(plan.steps().filter(|step| step.action == Action::Blocked).all(|step| step.causes.contains(&guarded)));
    counts(&plan_with(4, 12, as_it_is, &Policy { allow_prune: true, ..policy.clone() }), 12, 0);
    counts(&plan_with(0, 12, as_it_is, &Policy { destroy: true, ..policy }), 12, 0);
}

#[test]
fn a_list_that_is_suspiciously_empty_deletes_nothing() {
    let suspicious = |snapshot: &mut Snapshot| {
        let reason = "the inventory counts 2, and the list holds none".to_owned();
        snapshot.suspicious = vec![UnlistedKind { kind: kind("Service"), namespace: None, reason }];
    };
    counts(&plan_with(4, 1, suspicious, &Policy::default()), 0, 1);
    counts(&plan_with(4, 1, suspicious, &Policy { destroy: true, ..Policy::default() }), 0, 1);
    counts(&plan_with(4, 1, suspicious, &Policy { allow_prune: true, ..Policy::default() }), 1, 0);
}

#[test]
fn what_could_not_be_listed_deletes_nothing_whatever_is_allowed() {
    let unlisted = |snapshot: &mut Snapshot| {
        let kind = kind("Service");
        snapshot.unlisted = vec![UnlistedKind { kind, namespace: None, reason: "timeout".to_owned() }];
    };
    let all = Policy { allow_prune: true, destroy: true, ..Policy::default() };
    counts(&plan_with(4, 2, unlisted, &all), 0, 2);
}

#[test]
fn what_is_forgotten_stays() {
    let policy = Policy { forget: vec!["ConfigMap/leaves-00".to_owned()], ..Policy::default() };
    let plan = plan_with(0, 2, |_| {}, &policy);
    check(&plan, &[NS, "1 delete forget leaves-00: left-stack", "1 delete delete leaves-01: left-stack"]);
    let step = plan.steps().find(|step| step.action == Action::Forget).expect("a forget");
    assert_eq!((step.uid.as_deref(), step.resource_version.as_deref()), (Some("uid-leaves-00"), Some("7")));
}

#[test]
fn what_is_in_the_stack_is_not_forgotten() {
    let policy = Policy { forget: vec!["ConfigMap/stays-00".to_owned()], ..Policy::default() };
    check(&plan_with(1, 0, |_| {}, &policy), &[NS, "1 apply blocked stays-00: guarded"]);
}

#[test]
fn what_a_controller_has_comes_and_goes_with_it() {
    let controlled = |snapshot: &mut Snapshot| {
        snapshot.objects.iter_mut().filter(|one| one.id.name == "leaves-00").for_each(|one| one.controlled = true);
    };
    check(&plan_with(0, 1, controlled, &Policy::default()), &[NS]);
}
