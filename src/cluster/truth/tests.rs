//! Answers that are what was planned, and answers that are not.

use serde_json::{Value, json};
use strata_components::desired::{KUBERNETES, Kind, ResourceId};
use structured_merge::{ApplyOptions, apply};

use super::*;
use crate::plan::Action;

const MANAGER: &str = "strata-s";

fn kind(name: &str) -> Kind {
    let group = if name == "Deployment" { "apps" } else { "" };
    let group = if name == "Widget" { "example.com" } else { group };
    Kind { group: group.to_owned(), version: "v1".to_owned(), kind: name.to_owned() }
}

/// A step that applies something, and shows these fields as changing.
fn step(kind_name: &str, confirmation: Confirmation, causes: Vec<Cause>) -> Step {
    let id = ResourceId {
        provider: KUBERNETES.to_owned(),
        target: "local".to_owned(),
        kind: kind(kind_name),
        namespace: Some("ns".to_owned()),
        name: "a".to_owned(),
    };
    let action = if causes.is_empty() { Action::Create } else { Action::Update };
    let value = json!({
        "id": id, "address": "s/a/a", "action": action, "causes": causes, "stage": 0, "confirmation": confirmation,
    });
    serde_json::from_value(value).expect("it is a step")
}

fn change(path: &str, before: Value, after: Value) -> Cause {
    let some = |value: Value| Some(value).filter(|value| !value.is_null());
    Cause::Stack { path: path.to_owned(), before: some(before), after: some(after), owner: None }
}

/// The object as it is stored when it was merely applied.
fn stored(object: &Value) -> Value {
    let ty = Schema::kubernetes();
    let kind = object["kind"].as_str().unwrap_or_default();
    let ty = ty.kind(&self::kind(kind).group, "v1", kind).unwrap_or_else(Schema::deduced);
    apply(&ty, None, object, &ApplyOptions::new(MANAGER, "2026-01-01T00:00:00Z")).expect("it can be applied")
}

/// What is found where `object` was applied and the answer is what that leads to, altered.
#[track_caller]
fn check(step: &Step, object: Value, alter: impl FnOnce(&mut Value), expect: &[&str]) {
    let mut answer = stored(&object);
    alter(&mut answer);
    let ty = fields::built_in(Schema::kubernetes(), &step.id.kind);
    let found = otherwise(step, ty.as_ref(), &object, &answer, MANAGER);
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "ns"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{
                    "name": "server", "image": "x:1",
                    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                }]},
            },
        },
    })
}

fn new() -> Step {
    step("Deployment", Confirmation::DryRun, Vec::new())
}

#[test]
fn what_a_server_adds_or_writes_in_another_form_is_no_difference() {
    check(&new(), deployment(), |_| {}, &[]);
    let defaults = |answer: &mut Value| {
        answer["spec"]["progressDeadlineSeconds"] = json!(600);
        answer["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        answer["metadata"]["uid"] = json!("u");
        answer["status"] = json!({"replicas": 0});
    };
    check(&new(), deployment(), defaults, &[]);
    let amounts = |answer: &mut Value| {
        let container = &mut answer["spec"]["template"]["spec"]["containers"][0];
        container["resources"]["requests"] = json!({"cpu": "1000m", "memory": "1024Mi"});
    };
    check(&new(), deployment(), amounts, &[]);
}

#[test]
fn what_was_applied_and_is_not_there_is_told() {
    let replicas = |answer: &mut Value| answer["spec"]["replicas"] = json!(7);
    check(&new(), deployment(), replicas, &[".spec.replicas: planned 3, answered 7"]);
    let gone = |answer: &mut Value| {
        answer["spec"].as_object_mut().expect("an object").remove("replicas");
        answer["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror/x:1");
    };
    check(
        &new(),
        deployment(),
        gone,
        &[
            ".spec.replicas: planned 3, answered (none)",
            r#".spec.template.spec.containers[name="server"].image: planned "x:1", answered "mirror/x:1""#,
        ],
    );
    // What a dry run has shown already is what was planned; something else again is not.
    let mut known = new();
    let (before, after) = (Some(json!(3)), Some(json!(7)));
    known.altered = vec![FieldChange { path: ".spec.replicas".to_owned(), before, after, owner: None }];
    check(&known, deployment(), replicas, &[]);
    let other = |answer: &mut Value| answer["spec"]["replicas"] = json!(8);
    check(&known, deployment(), other, &[".spec.replicas: planned 3, answered 8"]);
}

#[test]
fn what_the_plan_shows_as_changing_has_to_change() {
    let gone = change(".metadata.labels.old", json!("x"), Value::Null);
    let label = |value: &'static str| move |answer: &mut Value| answer["metadata"]["labels"] = json!({"old": value});
    let owned = |answer: &mut Value| {
        label("x")(answer);
        answer["metadata"]["managedFields"].as_array_mut().expect("there are some").push(json!({
            "manager": "webhook", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {"f:old": {}}}},
        }));
    };
    for confirmation in [Confirmation::DryRun, Confirmation::Unconfirmed("nobody asked".to_owned())] {
        let step = step("Deployment", confirmation, vec![gone.clone()]);
        check(&step, deployment(), |_| {}, &[]);
        check(&step, deployment(), owned, &[r#".metadata.labels.old: planned (none), answered "x""#]);
    }
    // Another value than before may be a default, which only the server knows: it was not asked, or it said so.
    let asked = step("Deployment", Confirmation::DryRun, vec![gone.clone()]);
    check(&asked, deployment(), label("y"), &[r#".metadata.labels.old: planned (none), answered "y""#]);
    let guessed = step("Deployment", Confirmation::Unconfirmed("nobody asked".to_owned()), vec![gone]);
    check(&guessed, deployment(), label("y"), &[]);
    // As is what was there before and is nobody's any more, such as what a server had filled in and another manager held.
    check(&guessed, deployment(), label("x"), &[]);
    check(&asked, deployment(), label("x"), &[r#".metadata.labels.old: planned (none), answered "x""#]);
    let by_webhook =
        step("Deployment", Confirmation::DryRun, vec![change(".metadata.labels.new", Value::Null, json!("1"))]);
    let new = |answer: &mut Value| answer["metadata"]["labels"] = json!({"new": "1"});
    check(&by_webhook, deployment(), new, &[]);
    check(&by_webhook, deployment(), |_| {}, &[r#".metadata.labels.new: planned "1", answered (none)"#]);
}

#[test]
fn what_a_secret_holds_is_never_told() {
    let secret = || {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "ns"},
            "data": {"password": "c2VjcmV0"}, "stringData": {"other": "plain"},
        })
    };
    let step = step("Secret", Confirmation::DryRun, vec![change(".data.password", HIDDEN.into(), HIDDEN.into())]);
    let told = |answer: &mut Value| {
        answer.as_object_mut().expect("an object").remove("stringData");
        answer["data"]["other"] = json!("cGxhaW4=");
    };
    check(&step, secret(), told, &[]);
    let other = |answer: &mut Value| answer["data"]["password"] = json!("b3RoZXI=");
    check(&step, secret(), other, &[r#".data.password: planned "(secret)", answered "(secret)""#]);
}

#[test]
fn without_a_type_lists_are_not_judged() {
    let step = step("Widget", Confirmation::DryRun, Vec::new());
    let widget = || {
        json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "ns"},
            "spec": {"size": 3, "parts": [{"name": "a"}]},
        })
    };
    let more = |answer: &mut Value| answer["spec"]["parts"] = json!([{"name": "a"}, {"name": "b"}]);
    check(&step, widget(), more, &[]);
    let size = |answer: &mut Value| answer["spec"]["size"] = json!(4);
    check(&step, widget(), size, &[".spec.size: planned 3, answered 4"]);
}
