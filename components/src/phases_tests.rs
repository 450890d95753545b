//! Tests of the phases: tables of small stacks, and a property against a slow oracle.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn stack(tiers: Value, services: &[(&str, Value)]) -> Stack {
    let services: BTreeMap<_, _> = services
        .iter()
        .enumerate()
        .map(|(index, (name, more))| {
            let mut service = json!({"tier": "all", "port": 9000 + index});
            service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            (*name, service)
        })
        .collect();
    serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "phases": ["one", "two", "three"], "tiers": tiers, "services": services,
    }))
    .unwrap()
}

fn one_tier() -> Value {
    json!({"all": {"ports": "9000-9099"}})
}

#[track_caller]
fn check(tiers: Value, services: &[(&str, Value)], expected: &[(&str, u32)]) {
    let schedule = schedule(&stack(tiers, services)).unwrap();
    let found: Vec<_> = schedule.phases.iter().map(|(name, phase)| (name.as_str(), *phase)).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_errors(tiers: Value, services: &[(&str, Value)], expected: &[(&str, &str)]) {
    let errors = schedule(&stack(tiers, services)).unwrap_err();
    let found: Vec<_> = errors.iter().map(|error| (error.path(), error.to_string())).collect();
    let expected: Vec<_> = expected.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_longest_path_decides() {
    check(one_tier(), &[], &[]);
    check(one_tier(), &[("a", json!({})), ("b", json!({}))], &[("a", 1), ("b", 1)]);
    check(
        one_tier(),
        &[
            ("a", json!({"depends_on": ["b", "d"]})),
            ("b", json!({"depends_on": ["c"]})),
            ("c", json!({"depends_on": ["d"]})),
            ("d", json!({})),
        ],
        &[("a", 4), ("b", 3), ("c", 2), ("d", 1)],
    );
}

#[test]
fn a_pin_moves_a_service_and_what_waits_for_it() {
    check(
        one_tier(),
        &[("a", json!({"phase": "two"})), ("b", json!({"depends_on": ["a"]})), ("c", json!({"phase": "three"}))],
        &[("a", 2), ("b", 3), ("c", 3)],
    );
    check(
        json!({"all": {"ports": "9000-9099", "phase": "three"}}),
        &[("a", json!({})), ("b", json!({"phase": "one"}))],
        &[("a", 3), ("b", 1)],
    );
}

#[test]
fn a_tier_waits_but_not_for_its_own_service() {
    check(
        json!({"all": {"ports": "9000-9099", "depends_on": ["shop/a", "other/x"]}}),
        &[("a", json!({})), ("b", json!({}))],
        &[("a", 1), ("b", 2)],
    );
}

#[test]
fn errors_come_all_at_once() {
    check_errors(
        json!({"all": {"ports": "9000-9099", "depends_on": ["nothing"], "phase": "never"}}),
        &[("a", json!({"depends_on": ["b", "shop/none"]})), ("b", json!({"phase": "four", "tier": "lost"}))],
        &[
            ("services.b.tier", "service b belongs to tier lost, which the stack does not have"),
            ("services.a.depends_on[1]", "service a depends on shop/none, which the stack does not have"),
            ("tiers.all.depends_on[0]", "tier all depends on nothing, which the stack does not have"),
            ("services.b.phase", "service b is pinned to phase four, which the stack does not name"),
            ("tiers.all.phase", "tier all is pinned to phase never, which the stack does not name"),
        ],
    );
}

#[test]
fn cycles_are_shown_as_paths() {
    check_errors(
        one_tier(),
        &[
            ("a", json!({"depends_on": ["a"]})),
            ("b", json!({"depends_on": ["c", "e"]})),
            ("c", json!({"depends_on": ["d"]})),
            ("d", json!({"depends_on": ["b"]})),
            ("e", json!({"depends_on": ["b"]})),
            ("f", json!({"depends_on": ["b"]})),
        ],
        &[
            ("services.a.depends_on", "services wait for each other: a -> a"),
            ("services.b.depends_on", "services wait for each other: b -> e -> b"),
        ],
    );
}

#[test]
fn a_pin_against_the_graph_shows_what_forbids_it() {
    check_errors(
        json!({"all": {"ports": "9000-9099"}, "early": {"ports": "9100-9199", "phase": "one"}}),
        &[
            ("a", json!({"phase": "two", "depends_on": ["b"]})),
            ("b", json!({"depends_on": ["c", "d"]})),
            ("c", json!({})),
            ("d", json!({})),
            ("e", json!({"tier": "early", "depends_on": ["c"]})),
        ],
        &[
            (
                "services.a.phase",
                "a is pinned to phase two (2) by service a, but its dependencies allow 3 at the earliest: a -> b -> c",
            ),
            (
                "tiers.early.phase",
                "e is pinned to phase one (1) by tier early, but its dependencies allow 2 at the earliest: e -> c",
            ),
        ],
    );
}

#[test]
fn two_phases_of_one_name_are_refused() {
    let mut stack = stack(one_tier(), &[]);
    stack.phases.push(PhaseName::new("one").unwrap());
    let errors = schedule(&stack).unwrap_err();
    assert_eq!(
        errors.iter().map(|error| (error.path(), error.to_string())).collect::<Vec<_>>(),
        [("phases[3]".to_owned(), "the phases 1 and 4 are both called one".to_owned())]
    );
}

#[test]
fn phases_have_names() {
    let schedule = schedule(&stack(one_tier(), &[("a", json!({}))])).unwrap();
    assert_eq!([0, 1, 3, 4].map(|phase| schedule.name_of(phase)), ["foundation", "one", "three", "phase 4"]);
}

proptest! {
    /// Against an oracle that relaxes edge by edge until nothing changes: with a cycle it never settles.
    #[test]
    fn phases_agree_with_relaxation(edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..16)) {
        let names: Vec<_> = (0..8).map(|index| format!("s{index}")).collect();
        let services: Vec<_> = (0..8)
            .map(|index| {
                let to: Vec<_> = edges.iter().filter(|edge| edge.0 == index).map(|edge| &names[edge.1]).collect();
                (names[index].as_str(), json!({"depends_on": to}))
            })
            .collect();
        let mut expected = [1_u32; 8];
        let mut settled = false;
        for _ in 0..10 {
            settled = true;
            for (from, to) in &edges {
                if expected[*from] <= expected[*to] {
                    expected[*from] = expected[*to] + 1;
                    settled = false;
                }
            }
        }
        match schedule(&stack(one_tier(), &services)) {
            Ok(schedule) => {
                prop_assert!(settled);
                prop_assert_eq!(schedule.phases.values().copied().collect::<Vec<_>>(), expected.to_vec());
            }
            Err(errors) => {
                prop_assert!(!settled);
                for error in errors {
                    let PhaseError::Cycle { path } = error else { panic!("{error}") };
                    prop_assert_eq!(path.first(), path.last());
                    for pair in path.windows(2) {
                        let edge = [&pair[0], &pair[1]].map(|name| names.iter().position(|n| n == name.as_str()).unwrap());
                        prop_assert!(edges.contains(&(edge[0], edge[1])));
                    }
                }
            }
        }
    }
}
