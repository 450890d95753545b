//! The planner, case by case: what is desired and what is live on one side, the steps on the other.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use serde_json::json;
use strata_components::claims::Claims;
use strata_components::desired::{Desired, Instance, KUBERNETES, Kind, Phase, Resource, ResourceId};

use super::verify::verify;
use super::*;

use crate::observe::{
    Confirmation, FieldChange, FieldConflict, FieldOwner, Health, LiveObject, Owner, Preview, Previewed, Readiness,
    SNAPSHOT_FORMAT, Snapshot, Target, UnlistedKind,
};

mod blue_green;
mod leaving;
mod moves;
mod names;
mod replace;
mod targets;

fn kind(name: &str) -> Kind {
    Kind { group: String::new(), version: "v1".to_owned(), kind: name.to_owned() }
}

pub(super) fn id(kind_name: &str, name: &str) -> ResourceId {
    ResourceId {
        provider: KUBERNETES.to_owned(),
        target: "local".to_owned(),
        kind: kind(kind_name),
        namespace: (kind_name != "Namespace").then(|| "ns".to_owned()),
        name: name.to_owned(),
    }
}

fn instance() -> Instance {
    Instance { stack: "s".to_owned(), environment: "e".to_owned(), suffix: None }
}

/// A stack with a namespace in phase 0 and these config maps, each in its phase.
pub(super) fn desired(services: &[(&str, u32)]) -> Desired {
    let resource = |id: ResourceId, phase, service: Option<&str>| Resource {
        address: match service {
            Some(service) => format!("s/{service}/config-map"),
            None => "s/namespace".to_owned(),
        },
        manifest: json!({"kind": id.kind.kind, "metadata": {"name": id.name}}),
        phase,
        service: service.map(str::to_owned),
        tier: service.map(|_| "core".to_owned()),
        depends_on: Vec::new(),
        was: None,
        meanwhile: None,
        ready_within: None,
        id,
    };
    let mut resources = vec![resource(id("Namespace", "ns"), 0, None)];
    resources.extend(services.iter().map(|(name, phase)| resource(id("ConfigMap", name), *phase, Some(name))));
    let phase = |number: u32| Phase { number, name: format!("p{number}"), services: Vec::new() };
    Desired {
        instance: instance(),
        namespaces: vec!["ns".to_owned()],
        phases: (0..3).map(phase).collect(),
        resources,
        claims: Claims::default(),
        ownership: Default::default(),
        needs: Default::default(),
        outputs: Default::default(),
        blue_green: Default::default(),
        notes: Vec::new(),
    }
}

pub(super) fn live(id: ResourceId, owner: Owner, phase: u32) -> LiveObject {
    LiveObject {
        uid: format!("uid-{}", id.name),
        resource_version: "7".to_owned(),
        owner,
        address: Some(format!("s/{}/config-map", id.name)),
        phase: Some(phase),
        tier: None,
        applied: Some("sha256:old".to_owned()),
        created: None,
        terminating: false,
        health: Health::Ready(String::new()),
        controlled: false,
        left_by: None,
        guarded: (id.kind.kind == "Namespace").then(|| "everything in it goes too".to_owned()),
        id,
    }
}

pub(super) fn snapshot(
    desired: &Desired,
    objects: Vec<LiveObject>,
    outcome: impl Fn(&ResourceId) -> Previewed,
) -> Snapshot {
    let mut previews: Vec<Preview> = desired
        .resources
        .iter()
        .map(|resource| Preview {
            id: resource.id.clone(),
            digest: digest(&resource.manifest),
            applied_as: None,
            meanwhile_as: None,
            autoscaled: None,
            left: Vec::new(),
            hands_over: Vec::new(),
            altered: Vec::new(),
            stage: u32::from(resource.id.kind.kind != "Namespace"),
            gate: false,
            readiness: Readiness::Exists,
            outcome: outcome(&resource.id),
        })
        .collect();
    previews.sort_by(|a, b| a.id.cmp(&b.id));
    let mut objects = objects;
    objects.sort_by(|a, b| a.id.cmp(&b.id));
    let target = Target { name: "local".to_owned(), identity: "u".to_owned(), version: "v1.36.2".to_owned() };
    Snapshot {
        format: SNAPSHOT_FORMAT.to_owned(),
        target,
        instance: instance(),
        objects,
        previews,
        previewing: Default::default(),
        colours: Vec::new(),
        unlisted: Vec::new(),
        suspicious: Vec::new(),
    }
}

/// The plan, which the checker finds no fault with.
#[track_caller]
pub(super) fn plan(desired: &Desired, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let plan = super::plan(desired, snapshot, policy);
    assert_eq!(verify(desired, snapshot, policy, &plan), [], "{plan:#?}");
    plan
}

pub(super) fn created(_: &ResourceId) -> Previewed {
    Previewed::Create(Confirmation::DryRun)
}

pub(super) fn unchanged(_: &ResourceId) -> Previewed {
    Previewed::Unchanged(Confirmation::Proven)
}

pub(super) fn changed(manager: &str, this: bool, conflict: bool) -> Previewed {
    let owner = Some(FieldOwner { manager: manager.to_owned(), time: None, this });
    let change = FieldChange { path: ".data.a".to_owned(), before: Some(json!("1")), after: Some(json!("2")), owner };
    let conflicts = if conflict {
        vec![FieldConflict { path: ".data.a".to_owned(), manager: manager.to_owned(), take: false }]
    } else {
        Vec::new()
    };
    Previewed::Change { changes: vec![change], conflicts, confirmation: Confirmation::DryRun }
}

/// Each step as `phase order action name: causes`.
#[track_caller]
fn check(plan: &Plan, expect: &[&str]) {
    let mut lines = Vec::new();
    for phase in &plan.phases {
        for step in &phase.steps {
            let causes: Vec<&str> = step.causes.iter().map(cause).collect();
            let order = format!("{:?}", phase.order).to_lowercase();
            let action = format!("{:?}", step.action).to_lowercase();
            lines.push(format!("{} {order} {action} {}: {}", phase.number, step.id.name, causes.join(" ")));
        }
    }
    assert_eq!(lines, expect);
    assert_eq!(plan.summary, super::types::Summary::of(&plan.phases));
}

fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Absent => "absent",
        Cause::Stack { .. } => "stack",
        Cause::Drift { .. } => "drift",
        Cause::Ownership => "ownership",
        Cause::Conflict { .. } => "conflict",
        Cause::Left { .. } => "left",
        Cause::HandedOver { .. } => "handed-over",
        Cause::NotOurs => "not-ours",
        Cause::BelongsTo { .. } => "belongs-to",
        Cause::Terminating => "terminating",
        Cause::Unknown { .. } => "unknown",
        Cause::Unreadable { .. } => "unreadable",
        Cause::Unserved { .. } => "unserved",
        Cause::Refused { .. } => "refused",
        Cause::LeftStack => "left-stack",
        Cause::Destroy => "destroy",
        Cause::Unlisted => "unlisted",
        Cause::Immutable { .. } => "immutable",
        Cause::MovedFrom { .. } => "moved-from",
        Cause::MovedTo { .. } => "moved-to",
        Cause::Overlap { over: false } => "overlap",
        Cause::Overlap { over: true } => "overlap-over",
        Cause::Turn { .. } => "turn",
        Cause::OtherColour { .. } => "other-colour",
        Cause::Released { .. } => "released",
        Cause::Failed { .. } => "failed",
        Cause::Rerun { .. } => "rerun",
        Cause::LeftBy { .. } => "left-by",
        Cause::Guarded { .. } => "guarded",
    }
}

#[test]
fn an_empty_cluster_gets_everything_in_phase_order() {
    let desired = desired(&[("b", 2), ("a", 1)]);
    let plan = plan(&desired, &snapshot(&desired, vec![], created), &Policy::default());
    check(&plan, &["0 apply create ns: absent", "1 apply create a: absent", "2 apply create b: absent"]);
    assert!(plan.steps().all(|step| step.manifest.is_some() && step.uid.is_none()));
}

#[test]
fn nothing_to_do_is_an_empty_plan() {
    let desired = desired(&[("a", 1)]);
    let objects = desired.resources.iter().map(|r| live(r.id.clone(), Owner::This, r.phase)).collect();
    let plan = plan(&desired, &snapshot(&desired, objects, unchanged), &Policy::default());
    check(&plan, &["0 apply unchanged ns: ", "1 apply unchanged a: "]);
    assert!(plan.is_empty() && plan.steps().all(|step| step.manifest.is_none()));
}

pub(super) fn with_one(object: impl FnOnce(&mut LiveObject), outcome: Previewed, policy: &Policy) -> Plan {
    let desired = desired(&[("a", 1)]);
    let mut one = live(id("ConfigMap", "a"), Owner::This, 1);
    object(&mut one);
    let objects = vec![live(id("Namespace", "ns"), Owner::This, 0), one];
    let outcome = |id: &ResourceId| if id.name == "a" { outcome.clone() } else { unchanged(id) };
    plan(&desired, &snapshot(&desired, objects, outcome), policy)
}

const NS: &str = "0 apply unchanged ns: ";

#[test]
fn a_changed_stack_is_an_update() {
    let plan = with_one(|_| {}, changed("strata-s", true, false), &Policy::default());
    check(&plan, &[NS, "1 apply update a: stack"]);
}

#[test]
fn what_was_applied_and_differs_is_drift() {
    let applied = |object: &mut LiveObject| object.applied = Some(digest(&desired(&[("a", 1)]).resources[1].manifest));
    let plan = with_one(applied, changed("kubectl-edit", false, false), &Policy::default());
    check(&plan, &[NS, "1 apply update a: drift"]);
}

#[test]
fn a_conflict_blocks_until_it_is_forced() {
    let outcome = || changed("kubectl-edit", false, true);
    check(&with_one(|_| {}, outcome(), &Policy::default()), &[NS, "1 apply blocked a: stack conflict"]);
    let force = Policy { force_conflicts: true, ..Policy::default() };
    let plan = with_one(|_| {}, outcome(), &force);
    check(&plan, &[NS, "1 apply update a: stack"]);
    assert_eq!(plan.steps().filter(|step| step.force).count(), 1);
}

#[test]
fn what_belongs_to_others_is_never_taken() {
    let adopt = Policy { adopt: true, ..Policy::default() };
    let other = |object: &mut LiveObject| object.owner = Owner::Other("t-e".to_owned());
    check(&with_one(other, changed("x", false, false), &adopt), &[NS, "1 apply blocked a: belongs-to"]);
    let nobody = |object: &mut LiveObject| object.owner = Owner::Nobody;
    check(&with_one(nobody, changed("x", false, false), &Policy::default()), &[NS, "1 apply blocked a: not-ours"]);
    check(&with_one(nobody, changed("x", false, false), &adopt), &[NS, "1 apply adopt a: not-ours stack"]);
}

#[test]
fn the_stack_says_what_it_takes_and_what_it_adopts() {
    let mut outcome = changed("kubectl-edit", false, true);
    if let Previewed::Change { conflicts, .. } = &mut outcome {
        conflicts[0].take = true;
        conflicts.push(FieldConflict { path: ".data.b".to_owned(), manager: "x".to_owned(), take: false });
    }
    let plan = with_one(|_| {}, outcome.clone(), &Policy::default());
    check(&plan, &[NS, "1 apply blocked a: stack conflict"]);
    assert!(
        plan.steps()
            .flat_map(|step| &step.causes)
            .any(|cause| { matches!(cause, Cause::Conflict { path, .. } if path == ".data.b") })
    );
    if let Previewed::Change { conflicts, .. } = &mut outcome {
        conflicts.pop();
    }
    let plan = with_one(|_| {}, outcome, &Policy::default());
    check(&plan, &[NS, "1 apply update a: stack"]);
    assert_eq!(plan.steps().filter(|step| step.force).count(), 1);

    let mut desired = desired(&[("a", 1)]);
    desired.ownership = serde_json::from_value(json!({"adopt": [{"object": "ConfigMap/a"}]})).unwrap();
    let mut nobodys = live(id("ConfigMap", "a"), Owner::Nobody, 1);
    nobodys.applied = None;
    let objects = vec![live(id("Namespace", "ns"), Owner::This, 0), nobodys];
    let mut snapshot = snapshot(&desired, objects, |id| match id.kind.kind.as_str() {
        "Namespace" => unchanged(id),
        _ => changed("helm", false, false),
    });
    for preview in snapshot.previews.iter_mut().filter(|preview| preview.id.name == "a") {
        preview.hands_over = vec!["helm".to_owned()];
        preview.left = vec![FieldConflict { path: ".data.c".to_owned(), manager: "y".to_owned(), take: false }];
    }
    let plan = super::plan(&desired, &snapshot, &Policy::default());
    check(&plan, &[NS, "1 apply adopt a: not-ours stack left handed-over"]);
    assert!(plan.steps().any(|step| step.hands_over == ["helm"]));
}

#[test]
fn what_cannot_be_done_is_blocked_with_its_reason() {
    let policy = Policy::default();
    check(
        &with_one(|_| {}, Previewed::Unserved { remedy: String::new() }, &policy),
        &[NS, "1 apply blocked a: unserved"],
    );
    let refused = Previewed::Refused { reason: "immutable".to_owned() };
    check(&with_one(|_| {}, refused, &policy), &[NS, "1 apply blocked a: refused"]);
    let leaving = |object: &mut LiveObject| object.terminating = true;
    check(&with_one(leaving, unchanged(&id("ConfigMap", "a")), &policy), &[NS, "1 apply blocked a: terminating"]);
}

#[test]
fn what_left_the_stack_is_deleted_last_and_in_reverse() {
    let desired = desired(&[]);
    let objects = vec![
        live(id("Namespace", "ns"), Owner::This, 0),
        live(id("ConfigMap", "a"), Owner::This, 1),
        live(id("ConfigMap", "b"), Owner::This, 2),
        live(id("ConfigMap", "foreign"), Owner::Nobody, 2),
    ];
    let snapshot = snapshot(&desired, objects, unchanged);
    let plan = plan(&desired, &snapshot, &Policy::default());
    check(&plan, &[NS, "2 delete delete b: left-stack", "1 delete delete a: left-stack"]);
    assert!(plan.steps().filter(|step| step.action == Action::Delete).all(|step| step.uid.is_some()));
}

#[test]
fn nothing_is_deleted_while_something_may_be_unknown() {
    let desired = desired(&[]);
    let objects = vec![live(id("Namespace", "ns"), Owner::This, 0), live(id("ConfigMap", "a"), Owner::This, 1)];
    let mut snapshot = snapshot(&desired, objects, unchanged);
    snapshot.unlisted = vec![UnlistedKind { kind: kind("Widget"), namespace: None, reason: "gone".to_owned() }];
    check(&plan(&desired, &snapshot, &Policy::default()), &[NS, "1 delete blocked a: left-stack unlisted"]);
}

#[test]
fn a_namespace_goes_only_when_it_is_named() {
    let mut desired = desired(&[]);
    desired.resources.clear();
    let snapshot = snapshot(&desired, vec![live(id("Namespace", "ns"), Owner::This, 0)], unchanged);
    let destroy = Policy { destroy: true, ..Policy::default() };
    let kept = plan(&desired, &snapshot, &destroy);
    check(&kept, &[]);
    assert_eq!(kept.kept.len(), 1);
    let named = Policy { delete: vec!["Namespace/ns".to_owned()], ..destroy };
    check(&plan(&desired, &snapshot, &named), &["0 delete delete ns: destroy"]);
}

#[test]
fn a_plan_survives_its_serialisation_and_its_digest_holds_all_of_it() {
    let plan = with_one(|_| {}, changed("strata-s", true, false), &Policy::default());
    let text = serde_json::to_string(&plan).expect("plain data");
    let back: Plan = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(back, plan);
    assert_eq!(digest(&Plan { digest: String::new(), ..back }), plan.digest);
}
