//! What waits for something outside the stack, and what goes on meanwhile.

use strata_components::needs::{Need, Needed};

use super::*;
use crate::apply::lanes::Lanes;

/// A need of these services, of a definition that is called `name`.
fn need(name: &str, services: &[&str]) -> PlannedNeed {
    let needed = Needed::Definition { name: name.to_owned() };
    let services = services.iter().map(|service| (*service).to_owned()).collect();
    PlannedNeed { id: needed.id("t"), need: Need { needed, within: None, stack: None }, services }
}

fn with(needs: Vec<PlannedNeed>, phases: Vec<(Order, Vec<Step>)>) -> Plan {
    let mut plan = plan_of(phases);
    plan.phases[0].needs = needs;
    plan
}

#[track_caller]
fn check(scribe: Scribe, plan: Plan, expect: &[&str]) -> Outcome {
    let (log, outcome) = run_plan(scribe, plan);
    let log: Vec<&str> = log.iter().map(String::as_str).filter(|line| !matches!(*line, "lock" | "begin")).collect();
    assert_eq!(log, expect);
    outcome.expect("it could begin")
}

#[test]
fn what_has_no_need_goes_on_while_the_rest_waits() {
    let plan = with(vec![need("x", &["a"])], vec![(Order::Apply, vec![create("a"), create("b")])]);
    let outcome = check(
        Scribe::default(),
        plan,
        &["create b", "wait b ready uid-b", "need x", "met x", "create a", "wait a ready uid-a", "finish", "release"],
    );
    assert!(outcome.is_complete());
}

#[test]
fn a_need_that_is_not_met_stops_what_has_it_and_what_depends_on_that() {
    let phases = vec![
        (Order::Apply, vec![create("a"), create("b")]),
        (Order::Apply, vec![after(create("c"), "a"), after(create("d"), "b")]),
        (Order::Delete, vec![delete("old")]),
    ];
    let outcome = check(
        Scribe { never_ready: vec!["x"], ..Scribe::default() },
        with(vec![need("x", &["a"])], phases),
        &["create b", "wait b ready uid-b", "need x", "create d", "wait d ready uid-d", "release"],
    );
    let told: Vec<String> = outcome.failed.iter().map(|one| format!("{}: {}", one.id, one.reason)).collect();
    assert_eq!(
        told,
        ["CustomResourceDefinition x: not ready after 600 s: there is no such thing; a cannot do without it"]
    );
    let not_tried: Vec<String> =
        outcome.not_tried.iter().map(|one| format!("{}: {}", one.id.name, one.reason)).collect();
    let absent = "it waits for CustomResourceDefinition x, which is not there";
    let nothing = "nothing is deleted after a failure (CustomResourceDefinition x)";
    assert_eq!(not_tried, [format!("a: {absent}"), format!("c: {absent}"), format!("old: {nothing}")]);
}

#[test]
fn a_need_is_waited_for_once_and_only_for_those_that_are_tried() {
    let needs = vec![need("x", &["a", "b"]), need("y", &["c"])];
    let phases = vec![(Order::Apply, vec![create("a"), create("b")])];
    check(
        Scribe::default(),
        with(needs, phases),
        &["need x", "met x", "create a", "create b", "wait a ready uid-a", "wait b ready uid-b", "finish", "release"],
    );
}

#[test]
fn an_interrupt_ends_the_wait_for_a_need() {
    let (interrupt, _keep) = watch::channel(false);
    let outcome = check(
        Scribe { interrupts: Some(("x", interrupt)), ..Scribe::default() },
        with(vec![need("x", &["a"])], vec![(Order::Apply, vec![create("a")])]),
        &["need x", "interrupted", "release"],
    );
    assert!(outcome.interrupted && outcome.failed.is_empty());
    let not_tried: Vec<&str> = outcome.not_tried.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(not_tried, ["interrupted"]);
}

/// The lanes of a phase with these needs and steps: `name@stage`, with `!` where it is a gate.
#[track_caller]
fn check_lanes(needs: Vec<PlannedNeed>, steps: &[&str], expect: &str) {
    let steps = steps.iter().map(|text| {
        let (name, stage) = text.trim_end_matches('!').split_once('@').expect("a stage");
        Step { stage: stage.parse().expect("a number"), gate: text.ends_with('!'), ..create(name) }
    });
    let plan = with(needs, vec![(Order::Apply, steps.collect())]);
    let Lanes { free, held } = Lanes::of(&plan.phases[0]);
    let names = |steps: Vec<&Step>| {
        steps.iter().map(|step| format!("{}@{}", step.id.name, step.stage)).collect::<Vec<_>>().join(" ")
    };
    let held: Vec<String> = held.into_iter().map(|(waits, steps)| format!("{waits:?} {}", names(steps))).collect();
    assert_eq!(format!("{} | {}", names(free), held.join(" | ")), expect);
}

#[test]
fn nothing_that_comes_after_a_gate_goes_before_it() {
    let both = || vec![need("x", &["a"]), need("y", &["a", "b"])];
    check_lanes(vec![], &["a@0", "b@1"], "a@0 b@1 | ");
    check_lanes(both(), &["a@0", "b@1", "c@0", "c@1"], "c@0 c@1 | [0, 1] a@0 | [1] b@1");
    check_lanes(both(), &["a@0", "c@0!", "c@1", "a@1"], "c@0 c@1 | [0, 1] a@0 a@1");
    check_lanes(both(), &["a@0!", "b@1", "c@0", "c@1"], "c@0 | [0, 1] a@0 b@1 c@1");
}
