//! What has another name than before.

use super::*;

/// One service, which was called `old` before.
fn renamed() -> Desired {
    let mut desired = desired(&[("new", 1), ("user", 2)]);
    for resource in &mut desired.resources {
        match resource.id.name.as_str() {
            "new" => resource.was = Some("s/old/config-map".to_owned()),
            "user" => resource.meanwhile = Some(json!({"both": true})),
            _ => {}
        }
    }
    desired
}

fn ground() -> Vec<LiveObject> {
    vec![live(id("Namespace", "ns"), Owner::This, 0), live(id("ConfigMap", "user"), Owner::This, 2)]
}

fn outcome(id: &ResourceId) -> Previewed {
    match id.name.as_str() {
        "new" => created(id),
        "user" => changed("strata-s", true, false),
        _ => unchanged(id),
    }
}

fn plan_with(objects: Vec<LiveObject>, outcome: impl Fn(&ResourceId) -> Previewed, policy: &Policy) -> Plan {
    let desired = renamed();
    plan(&desired, &snapshot(&desired, objects, outcome), policy)
}

#[test]
fn what_is_renamed_moves() {
    let objects = || ground().into_iter().chain([live(id("ConfigMap", "old"), Owner::This, 1)]).collect();
    let plan = plan_with(objects(), outcome, &Policy::default());
    let expect = [
        NS,
        "1 apply move new: moved-from",
        "2 apply update user: stack overlap",
        "1 delete delete old: moved-to",
        "3 close update user: overlap-over",
    ];
    check(&plan, &expect);
    let step = |at: usize| plan.steps().nth(at).expect("a step");
    assert_eq!(step(1).from.as_ref().map(|from| from.name.as_str()), Some("old"));
    assert_eq!(step(2).manifest, Some(json!({"both": true})));
    assert_eq!(step(2).manifest_digest, Some(digest(&json!({"both": true}))));
    let last = json!({"kind": "ConfigMap", "metadata": {"name": "user"}});
    assert_eq!((step(4).manifest.as_ref(), &step(4).waits_for[..]), (Some(&last), &["new".to_owned()][..]));
}

#[test]
fn what_is_left_to_others_is_left_to_them_while_both_names_are_open() {
    let desired = renamed();
    let objects = ground().into_iter().chain([live(id("ConfigMap", "old"), Owner::This, 1)]).collect();
    let mut snapshot = snapshot(&desired, objects, outcome);
    let left = FieldConflict { path: ".data.theirs".to_owned(), manager: "night-shift".to_owned(), take: false };
    for preview in snapshot.previews.iter_mut().filter(|preview| preview.id.name == "user") {
        preview.left = vec![left.clone()];
        preview.applied_as = Some(json!({"narrow": "without theirs"}));
        preview.meanwhile_as = Some(json!({"both": "without theirs"}));
    }
    let plan = plan(&desired, &snapshot, &Policy::default());
    let of_user: Vec<_> = plan.steps().filter(|step| step.id.name == "user").collect();
    let applied: Vec<_> = of_user.iter().filter_map(|step| step.manifest.clone()).collect();
    assert_eq!(applied, [json!({"both": "without theirs"}), json!({"narrow": "without theirs"})]);
    assert_eq!(of_user[0].manifest_digest, Some(digest(&json!({"both": true}))));
    let told = Cause::Left { path: left.path, manager: left.manager };
    assert!(of_user[0].causes.contains(&told), "{:?}", of_user[0].causes);
}

#[test]
fn what_has_moved_stays_where_it_is() {
    let objects = || ground().into_iter().chain([live(id("ConfigMap", "new"), Owner::This, 1)]).collect();
    let plan = plan_with(objects(), unchanged, &Policy::default());
    check(&plan, &[NS, "1 apply unchanged new: ", "2 apply unchanged user: "]);
    let changed =
        plan_with(objects(), |id| if id.name == "user" { outcome(id) } else { unchanged(id) }, &Policy::default());
    check(&changed, &[NS, "1 apply unchanged new: ", "2 apply update user: stack"]);
}

#[test]
fn a_move_that_was_interrupted_goes_on() {
    let both = ["old", "new"].map(|name| live(id("ConfigMap", name), Owner::This, 1));
    let plan = plan_with(ground().into_iter().chain(both).collect(), unchanged, &Policy::default());
    check(&plan, &[NS, "1 apply unchanged new: ", "2 apply unchanged user: ", "1 delete delete old: moved-to"]);
}

#[test]
fn only_what_is_ours_and_of_the_same_kind_moves() {
    let others = vec![live(id("ConfigMap", "old"), Owner::Nobody, 1), live(id("Service", "old"), Owner::This, 1)];
    let plan = plan_with(ground().into_iter().chain(others).collect(), outcome, &Policy::default());
    let expect = [NS, "1 apply create new: absent", "2 apply update user: stack", "1 delete delete old: left-stack"];
    check(&plan, &expect);
}

#[test]
fn nothing_moves_while_something_is_left_out() {
    let objects = ground().into_iter().chain([live(id("ConfigMap", "old"), Owner::This, 1)]).collect();
    let policy = Policy { targets: vec!["new".to_owned()], ..Policy::default() };
    let plan = plan_with(objects, outcome, &policy);
    check(&plan, &[NS, "1 apply blocked new: moved-from guarded"]);
}

#[test]
fn an_object_moves_with_its_address() {
    let desired = desired(&[("a", 1)]);
    let mut elsewhere = live(id("ConfigMap", "a-before"), Owner::This, 1);
    elsewhere.address = Some("s/a/config-map".to_owned());
    let objects = vec![live(id("Namespace", "ns"), Owner::This, 0), elsewhere];
    let outcome = |id: &ResourceId| if id.name == "a" { created(id) } else { unchanged(id) };
    let plan = plan(&desired, &snapshot(&desired, objects, outcome), &Policy::default());
    check(&plan, &[NS, "1 apply move a: moved-from", "1 delete delete a-before: moved-to"]);
}
