//! A plan about some services only.

use super::*;

/// Three services in a row, and one that nobody needs.
fn chain() -> Desired {
    let mut desired = desired(&[("a", 1), ("b", 2), ("c", 2), ("z", 1)]);
    for resource in &mut desired.resources {
        match resource.id.name.as_str() {
            "b" => resource.depends_on = vec!["a".to_owned()],
            "c" => resource.depends_on = vec!["b".to_owned()],
            _ => {}
        }
    }
    desired
}

#[track_caller]
fn check_targets(targets: &[&str], expect: &[&str], left_out: &[&str]) {
    let desired = chain();
    let objects = vec![live(id("ConfigMap", "gone"), Owner::This, 1)];
    let policy = Policy { targets: targets.iter().map(|one| (*one).to_owned()).collect(), ..Policy::default() };
    let plan = plan(&desired, &snapshot(&desired, objects, created), &policy);
    check(&plan, expect);
    let left: Vec<&str> = plan.left_out.iter().map(|left| left.id.name.as_str()).collect();
    assert_eq!(left, left_out);
    assert!(plan.left_out.iter().all(|left| left.left_stack == (left.id.name == "gone")));
}

#[test]
fn a_target_comes_with_what_it_depends_on() {
    let ground = "0 apply create ns: absent";
    let (a, b, c) = ("1 apply create a: absent", "2 apply create b: absent", "2 apply create c: absent");
    check_targets(&["a"], &[ground, a], &["b", "c", "gone", "z"]);
    check_targets(&["c"], &[ground, a, b, c], &["gone", "z"]);
    check_targets(&["z", "a"], &[ground, a, "1 apply create z: absent"], &["b", "c", "gone"]);
    let all = [ground, a, "1 apply create z: absent", b, c, "1 delete delete gone: left-stack"];
    check_targets(&[], &all, &[]);
}
