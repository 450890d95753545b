//! Names that fit nothing.

use super::*;
use crate::plan::names::unknown_names;

/// What is said of these names in a stack with the services `cache` and `memory`, of which the cluster holds the first,
/// beside something that left the stack and something of another instance.
#[track_caller]
fn check_names(targets: &[&str], delete: &[&str], forget: &[&str], expect: &[&str]) {
    let mut desired = desired(&[("cache", 1), ("memory", 1)]);
    desired.phases[1].services = vec!["cache".to_owned(), "memory".to_owned()];
    let objects = vec![
        live(id("ConfigMap", "cache"), Owner::This, 1),
        live(id("ConfigMap", "gone"), Owner::This, 1),
        live(id("Service", "old-memory"), Owner::This, 1),
        live(id("Service", "foreign"), Owner::Other("t-e".to_owned()), 1),
    ];
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let policy = Policy { targets: own(targets), delete: own(delete), forget: own(forget), ..Policy::default() };
    let unknown = unknown_names(&desired, &snapshot(&desired, objects, created), &policy);
    let lines: Vec<String> = unknown.iter().map(|one| format!("{one}: {}", one.help())).collect();
    assert_eq!(lines, expect);
}

#[test]
fn names_that_fit_something_are_no_matter() {
    check_names(&[], &[], &[], &[]);
    check_names(&["memory"], &["Namespace/ns", "ConfigMap/memory"], &["ConfigMap/gone", "Service/old-memory"], &[]);
}

#[test]
fn names_that_fit_nothing_are_told_all_at_once() {
    check_names(
        &["cache", "memroy", "zoo"],
        &["Namespace/nss", "Service/foreign", "Service/foreign", "gone"],
        &["ConfigMap/gnoe", "ConfgMap/gone", "Pod/x", "Service/foreign", "/", ""],
        &[
            "there is no service memroy in stack s: did you mean `memory`?",
            "there is no service zoo in stack s: services here: cache, memory",
            "nothing of s-e is called Namespace/nss: did you mean `Namespace/ns`?",
            "nothing of s-e is called Service/foreign: what it has of kind Service: old-memory",
            "nothing of s-e is called gone: name it as KIND/NAME",
            "nothing of s-e is called ConfigMap/gnoe: did you mean `ConfigMap/gone`?",
            "nothing of s-e is called ConfgMap/gone: did you mean `ConfigMap/gone`?",
            "nothing of s-e is called Pod/x: kinds it has: ConfigMap, Namespace, Service",
            "nothing of s-e is called /: kinds it has: ConfigMap, Namespace, Service",
            "nothing of s-e is called : name it as KIND/NAME",
        ],
    );
}
