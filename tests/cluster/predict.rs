//! What the merge predicts is what the server answers: over random edits of what is desired and of what is live, a plan
//! that asked nothing is the plan of dry runs, or says of an object that it cannot know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube_embedded::{Controllers, NodeSpec, Options, Storage};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use strata::apply::{self, apply};
use strata::cluster::connect::{Choice, open_storage};
use strata::cluster::{Cluster, Settings};
use strata::components::compose::compose;
use strata::components::desired::{Desired, Kind, Resource, ResourceId};
use strata::load::Root;
use strata::observe::{Confirmation, Look, Preview, PreviewMode};
use strata::plan::{Action, Cause, Plan, Policy, Step, plan};
use strata::provider::{Patience, Provider};
use strata::secrets::Secrets;

use super::say;
use super::support::{ENVIRONMENT, NAME, STACK, draft_of};
use crate::story;

/// One edit, of the object that a number picks.
#[derive(Debug, Clone)]
enum Edit {
    Label(usize, Option<u8>),
    Annotation(usize, u8),
    Image(usize, u8),
    Variable(usize, u8),
    Amount(usize, u8),
    Replicas(usize, u8),
    Port(usize, u16),
    Container(usize),
    Data(usize, Option<u8>),
    Drop(usize, u8),
    Set(usize, u8),
    Rule(usize),
    Selector(usize),
    Leave(usize),
}

/// What happens to what is live, behind the stack's back.
#[derive(Debug, Clone)]
enum Meddling {
    Label(usize, u8),
    Unlabel(usize),
    Image(usize, u8),
    Replicas(usize, u8),
    Variable(usize, u8),
    Data(usize, u8),
    Amount(usize, u8),
    Delete(usize),
    Disown(usize),
    HandOver(usize),
    ForgetOwners(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let (at, few) = (any::<usize>, || 0..4_u8);
    prop_oneof![
        (at(), proptest::option::of(few())).prop_map(|(at, value)| Edit::Label(at, value)),
        (at(), few()).prop_map(|(at, value)| Edit::Annotation(at, value)),
        (at(), few()).prop_map(|(at, value)| Edit::Image(at, value)),
        (at(), few()).prop_map(|(at, value)| Edit::Variable(at, value)),
        (at(), few()).prop_map(|(at, value)| Edit::Amount(at, value)),
        (at(), few()).prop_map(|(at, value)| Edit::Replicas(at, value)),
        (at(), 20_000..30_000_u16).prop_map(|(at, port)| Edit::Port(at, port)),
        at().prop_map(Edit::Container),
        (at(), proptest::option::of(few())).prop_map(|(at, value)| Edit::Data(at, value)),
        (at(), few()).prop_map(|(at, field)| Edit::Drop(at, field)),
        (at(), few()).prop_map(|(at, field)| Edit::Set(at, field)),
        at().prop_map(Edit::Rule),
        at().prop_map(Edit::Selector),
        at().prop_map(Edit::Leave),
    ]
}

fn meddling() -> impl Strategy<Value = Meddling> {
    let (at, few) = (any::<usize>, || 0..4_u8);
    prop_oneof![
        (at(), few()).prop_map(|(at, value)| Meddling::Label(at, value)),
        at().prop_map(Meddling::Unlabel),
        (at(), few()).prop_map(|(at, value)| Meddling::Image(at, value)),
        (at(), few()).prop_map(|(at, value)| Meddling::Replicas(at, value)),
        (at(), few()).prop_map(|(at, value)| Meddling::Variable(at, value)),
        (at(), few()).prop_map(|(at, value)| Meddling::Data(at, value)),
        (at(), few()).prop_map(|(at, value)| Meddling::Amount(at, value)),
        at().prop_map(Meddling::Delete),
        at().prop_map(Meddling::Disown),
        at().prop_map(Meddling::HandOver),
        at().prop_map(Meddling::ForgetOwners),
    ]
}

const AMOUNTS: [&str; 4] = ["1500m", "2000m", "0.5", "1024Mi"];
/// Fields of a Deployment that the stack may say or leave to the server.
const FIELDS: [&str; 4] = ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds", "paused"];

/// The resource that a number picks among those of a kind.
fn pick<'a>(desired: &'a mut Desired, kinds: &[&str], at: usize) -> Option<&'a mut Resource> {
    let mut of: Vec<&mut Resource> = desired
        .resources
        .iter_mut()
        .filter(|resource| kinds.is_empty() || kinds.contains(&resource.id.kind.kind.as_str()))
        .collect();
    let count = of.len();
    (count > 0).then(|| of.swap_remove(at % count))
}

fn first_container(manifest: &mut Value) -> Option<&mut Value> {
    manifest.pointer_mut("/spec/template/spec/containers/0")
}

/// Changes what is desired as a user would who changes the stack.
fn change(desired: &mut Desired, edit: &Edit) -> Option<()> {
    const WORKLOADS: [&str; 2] = ["Deployment", "StatefulSet"];
    match edit {
        Edit::Label(at, value) => {
            let labels = pick(desired, &[], *at)?.manifest["metadata"]["labels"].as_object_mut()?;
            match value {
                Some(value) => drop(labels.insert("example.com/team".to_owned(), format!("team-{value}").into())),
                None => drop(labels.remove("app.kubernetes.io/component")),
            }
        }
        Edit::Annotation(at, value) => {
            pick(desired, &[], *at)?.manifest["metadata"]["annotations"]["example.com/note"] = value.to_string().into();
        }
        Edit::Image(at, value) => {
            first_container(&mut pick(desired, &WORKLOADS, *at)?.manifest)?["image"] =
                format!("registry.example.com/image:{value}").into();
        }
        Edit::Variable(at, value) => {
            let container = first_container(&mut pick(desired, &WORKLOADS, *at)?.manifest)?;
            let variables = container.as_object_mut()?.entry("env").or_insert_with(|| json!([])).as_array_mut()?;
            match value {
                0 => drop(variables.pop()),
                value => variables.push(json!({"name": format!("ADDED_{value}"), "value": value.to_string()})),
            }
            variables.dedup_by(|one, other| one["name"] == other["name"]);
            if variables.is_empty() {
                container.as_object_mut()?.remove("env");
            }
        }
        Edit::Amount(at, value) => {
            let container = first_container(&mut pick(desired, &WORKLOADS, *at)?.manifest)?;
            let name = if *value == 3 { "memory" } else { "cpu" };
            for part in ["requests", "limits"] {
                container["resources"][part][name] = AMOUNTS[usize::from(*value)].into();
            }
        }
        Edit::Replicas(at, value) => {
            pick(desired, &WORKLOADS, *at)?.manifest["spec"]["replicas"] = (value + 1).into();
        }
        Edit::Port(at, port) => {
            let ports = pick(desired, &["Service"], *at)?.manifest["spec"]["ports"].as_array_mut()?;
            ports.push(json!({"name": format!("p{port}"), "port": port}));
        }
        Edit::Container(at) => {
            let manifest = &mut pick(desired, &WORKLOADS, *at)?.manifest;
            let containers = manifest.pointer_mut("/spec/template/spec/containers")?.as_array_mut()?;
            containers.push(json!({"name": "beside", "image": "registry.example.com/beside:1",
                "ports": [{"containerPort": 7000, "name": "beside"}]}));
            containers.dedup_by(|one, other| one["name"] == other["name"]);
        }
        Edit::Data(at, value) => {
            let manifest = &mut pick(desired, &["ConfigMap"], *at)?.manifest;
            let data = manifest["data"].as_object_mut()?;
            match value {
                Some(value) => drop(data.insert("added".to_owned(), value.to_string().into())),
                None => {
                    let key = data.keys().next()?.clone();
                    data.remove(&key);
                }
            }
        }
        Edit::Drop(at, field) => {
            let spec = pick(desired, &["Deployment"], *at)?.manifest["spec"].as_object_mut()?;
            spec.remove(FIELDS[usize::from(*field)]);
        }
        Edit::Set(at, field) => {
            // Less than the deadline that goes by default, and a deadline that is more than that.
            let value = [json!(7), json!(7), json!(700), json!(true)][usize::from(*field)].clone();
            pick(desired, &["Deployment"], *at)?.manifest["spec"][FIELDS[usize::from(*field)]] = value;
        }
        Edit::Rule(at) => {
            let rules = pick(desired, &["NetworkPolicy"], *at)?.manifest["spec"]["ingress"].as_array_mut()?;
            rules.push(json!({"ports": [{"port": 7000}]}));
        }
        Edit::Selector(at) => {
            let manifest = &mut pick(desired, &["Deployment"], *at)?.manifest;
            manifest["spec"]["selector"]["matchLabels"]["example.com/more"] = "yes".into();
            manifest["spec"]["template"]["metadata"]["labels"]["example.com/more"] = "yes".into();
        }
        Edit::Leave(at) => {
            let id = pick(desired, &["ConfigMap", "Service", "NetworkPolicy"], *at)?.id.clone();
            desired.resources.retain(|resource| resource.id != id);
        }
    }
    Some(())
}

fn api(client: &Client, id: &ResourceId) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(&id.kind.group, &id.kind.version, &id.kind.kind);
    let resource = ApiResource::from_gvk(&kind);
    match &id.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Changes what is live, as another manager than the stack. What the server refuses is not done.
async fn meddle(client: &Client, desired: &Desired, meddling: &Meddling) -> Option<()> {
    const DEPLOYMENT: [&str; 1] = ["Deployment"];
    let mut desired = desired.clone();
    let editor = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let merge = async |id: &ResourceId, patch: Value| {
        let _ = api(client, id).patch(&id.name, &editor, &Patch::Merge(patch)).await;
    };
    let strategic = async |id: &ResourceId, patch: Value| {
        let _ = api(client, id).patch(&id.name, &editor, &Patch::Strategic(patch)).await;
    };
    let container = |resource: &mut Resource, more: Value| {
        let mut container = json!({"name": first_container(&mut resource.manifest)?["name"]});
        container.as_object_mut()?.extend(more.as_object()?.clone());
        Some(json!({"spec": {"template": {"spec": {"containers": [container]}}}}))
    };
    match meddling {
        Meddling::Label(at, value) => {
            let labels = json!({"metadata": {"labels": {"example.com/team": format!("night-{value}")}}});
            merge(&pick(&mut desired, &[], *at)?.id, labels).await;
        }
        Meddling::Unlabel(at) => {
            let labels = json!({"metadata": {"labels": {"app.kubernetes.io/component": null}}});
            merge(&pick(&mut desired, &[], *at)?.id, labels).await;
        }
        Meddling::Image(at, value) => {
            let resource = pick(&mut desired, &DEPLOYMENT, *at)?;
            let patch = container(resource, json!({"image": format!("registry.example.com/other:{value}")}))?;
            strategic(&resource.id, patch).await;
        }
        Meddling::Replicas(at, value) => {
            let id = &pick(&mut desired, &DEPLOYMENT, *at)?.id;
            let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": value + 5}});
            let manager = PatchParams::apply("night-shift").force();
            api(client, id).patch(&id.name, &manager, &Patch::Apply(scaled)).await.ok()?;
        }
        Meddling::Variable(at, value) => {
            let resource = pick(&mut desired, &DEPLOYMENT, *at)?;
            let variable = json!({"env": [{"name": format!("ADDED_{value}"), "value": "theirs"}]});
            let patch = container(resource, variable)?;
            strategic(&resource.id, patch).await;
        }
        Meddling::Data(at, value) => {
            let resource = pick(&mut desired, &["ConfigMap"], *at)?;
            let key = resource.manifest["data"].as_object()?.keys().next()?.clone();
            merge(&resource.id, json!({"data": {key: format!("theirs {value}")}})).await;
        }
        Meddling::Amount(at, value) => {
            let resource = pick(&mut desired, &DEPLOYMENT, *at)?;
            let amount = AMOUNTS[usize::from(*value)];
            let patch = container(resource, json!({"resources": {"limits": {"cpu": amount}}}))?;
            strategic(&resource.id, patch).await;
        }
        Meddling::Delete(at) => {
            let id = &pick(&mut desired, &["ConfigMap", "Service", "NetworkPolicy"], *at)?.id;
            api(client, id).delete(&id.name, &DeleteParams::default()).await.ok()?;
        }
        Meddling::Disown(at) => {
            let labels = json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null}}});
            merge(&pick(&mut desired, &[], *at)?.id, labels).await;
        }
        Meddling::HandOver(at) => {
            let labels = json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": "applyset-other-v1"}}});
            merge(&pick(&mut desired, &[], *at)?.id, labels).await;
        }
        Meddling::ForgetOwners(at) => {
            merge(&pick(&mut desired, &[], *at)?.id, json!({"metadata": {"managedFields": [{}]}})).await;
        }
    }
    Some(())
}

fn settings() -> Settings {
    Settings {
        name: "local".to_owned(),
        control_namespace: "strata-system".to_owned(),
        guard: None,
        holder: "predicting".to_owned(),
    }
}

/// The plan as it is made in this mode, by a run of its own.
async fn planned(client: &Client, desired: &Desired, preview: PreviewMode, policy: &Policy) -> Plan {
    let provider = Cluster::new(client.clone(), settings());
    let snapshot = provider.observe(desired, &Look { preview }).await.unwrap();
    plan(desired, &snapshot, policy)
}

/// What a step says, but for how sure it is and when it was looked at.
fn said(step: &Step) -> (Action, Vec<Value>) {
    let causes = step.causes.iter().map(|cause| match cause {
        // In whose words something is refused does not matter.
        Cause::Refused { .. } => json!("refused"),
        Cause::Immutable { .. } => json!("immutable"),
        cause => serde_json::to_value(cause).unwrap(),
    });
    (step.action, causes.collect())
}

/// How many objects were predicted in all, and of how many it was not known.
#[derive(Debug, Default)]
struct Counts {
    objects: usize,
    open: usize,
    reasons: BTreeMap<String, usize>,
}

/// Compares the predicted plan, in which something is open, with that of dry runs.
fn compare((predicted, open): (&Plan, &BTreeSet<ResourceId>), tried: &Plan, counts: &mut Counts) -> Result<(), String> {
    let mut wrong = String::new();
    // What goes from one colour to the other is held, or goes back, after it was applied.
    fn key(step: &Step) -> (&ResourceId, bool) {
        (&step.id, matches!(step.action, Action::Hold | Action::Return))
    }
    let tried: BTreeMap<(&ResourceId, bool), &Step> = tried.steps().map(|step| (key(step), step)).collect();
    counts.objects += predicted.previews.all();
    counts.open += predicted.previews.unconfirmed;
    assert_eq!(predicted.steps().count(), tried.len());
    for step in predicted.steps() {
        if let Some(Confirmation::Unconfirmed(reason)) = &step.confirmation {
            *counts.reasons.entry(reason.clone()).or_default() += 1;
            continue;
        }
        let (mut one, mut other) = (said(step), said(tried[&key(step)]));
        // A blocked step says why, and not how sure it is of the values of fields.
        if open.contains(&step.id) && step.action == Action::Blocked {
            for (_, causes) in [&mut one, &mut other] {
                causes.retain(|cause| !["stack", "drift", "ownership"].map(Value::from).contains(&cause["cause"]));
            }
        }
        if one != other {
            writeln!(wrong, "{}\n  predicted {one:?}\n  tried     {other:?}", step.id).unwrap();
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Applies every step of the plan, and waits for nothing.
async fn carry_out(client: &Client, desired: &Desired) {
    let provider = Cluster::new(client.clone(), settings());
    let whole = planned(client, desired, PreviewMode::Auto, &Policy::default()).await;
    let guard = provider.lock(&desired.instance, Patience::default(), Arc::new(|_| ())).await.unwrap().unwrap();
    guard.release(true).await.unwrap();
    provider.begin(&whole).await.unwrap();
    for step in whole.steps().filter(|step| step.action == Action::Create) {
        provider.carry_out(&whole, step).await.unwrap();
    }
}

async fn embedded() -> kube_embedded::Cluster {
    let options =
        Options { nodes: vec![NodeSpec::named("one")], controllers: Controllers::OfTheServer, ..Options::default() };
    kube_embedded::Cluster::open(Storage::Memory, options).await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn small() -> Desired {
    let files = story::Story::new();
    files.file("stacks/predicted.yaml", STACK.replace(NAME, "predicted"));
    files.file("environments/testing.yaml", ENVIRONMENT);
    let loaded = Root::open(files.path()).unwrap().load("predicted", "testing").unwrap();
    compose(&loaded.stack, &loaded.environment, "local", None).unwrap()
}

/// Both plans after edits on either side, with and without leave to adopt and to take fields.
async fn agree(client: &Client, desired: &Desired, edits: &[Edit], counts: &mut Counts) -> Result<(), String> {
    let mut desired = desired.clone();
    for edit in edits {
        // An edit that fits nothing of the stack is none.
        let _ = change(&mut desired, edit);
    }
    for allowed in [false, true] {
        let policy = Policy { adopt: allowed, force_conflicts: allowed, ..Policy::default() };
        let look = Look { preview: PreviewMode::Predict };
        let snapshot = Cluster::new(client.clone(), settings()).observe(&desired, &look).await.unwrap();
        let unsure = |preview: &&Preview| matches!(preview.outcome.confirmation(), Some(Confirmation::Unconfirmed(_)));
        let open = snapshot.previews.iter().filter(unsure).map(|preview| preview.id.clone()).collect();
        let predicted = plan(&desired, &snapshot, &policy);
        let tried = planned(client, &desired, PreviewMode::DryRun, &policy).await;
        compare((&predicted, &open), &tried, counts)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn a_small_stack_is_predicted(
        edits in proptest::collection::vec(edit(), 0..6),
        meddlings in proptest::collection::vec(meddling(), 0..6),
    ) {
        let told = runtime().block_on(async {
            let cluster = embedded().await;
            let client = Client::new(cluster.router(), "default");
            let desired = small();
            carry_out(&client, &desired).await;
            for meddling in &meddlings {
                meddle(&client, &desired, meddling).await;
            }
            agree(&client, &desired, &edits, &mut Counts::default()).await
        });
        prop_assert_eq!(told, Ok(()));
    }
}

/// Rounds of edits of a whole stack: what others have done stays from round to round.
async fn rounds(client: &Client, desired: &Desired, rounds: usize, edits: usize) -> Counts {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let round = (proptest::collection::vec(edit(), edits), proptest::collection::vec(meddling(), edits / 2));
    let mut counts = Counts::default();
    for _ in 0..rounds {
        let (edits, meddlings) = round.new_tree(&mut runner).unwrap().current();
        for meddling in &meddlings {
            meddle(client, desired, meddling).await;
        }
        if let Err(wrong) = agree(client, desired, &edits, &mut counts).await {
            panic!("{wrong}\n{edits:#?}\n{meddlings:#?}");
        }
    }
    counts
}

/// The same on a real API server, where one is on this machine.
#[test]
fn a_small_stack_is_predicted_of_a_real_server() {
    let cluster = match super::support::Cluster::real() {
        Ok(cluster) => cluster,
        Err(missing) => return say(&format!("nothing predicted of a real API server: {missing}")),
    };
    let files = story::Story::new();
    cluster.with(files.path(), async |client| {
        let desired = small();
        carry_out(&client, &desired).await;
        let Counts { objects, open, reasons: _ } = rounds(&client, &desired, 6, 4).await;
        say(&format!("on a real API server: of {objects} predictions {open} could not be made"));
    });
}

/// Every service there is, predicted in an environment; what cannot be known is less than one in twenty.
fn fleet(environment: &str) {
    let files = story::Story::shipped();
    let loaded = Root::open(files.path()).unwrap().load("sophia", environment).unwrap();
    let desired = compose(&loaded.stack, &loaded.environment, "local", None).unwrap();
    runtime().block_on(async {
        let (_, Choice::Embedded(described)) = Choice::of(Some("embedded"), &loaded.environment).unwrap() else {
            unreachable!("embedded was asked for")
        };
        let cluster = open_storage(&described, Storage::Memory).await.unwrap();
        let client = Client::new(cluster.router(), "default");
        let fresh = planned(&client, &desired, PreviewMode::Predict, &Policy::default()).await;
        assert_eq!((fresh.summary.create, fresh.previews.unconfirmed), (desired.resources.len(), 0));
        carry_out(&client, &desired).await;
        let settled = planned(&client, &desired, PreviewMode::Predict, &Policy::default()).await;
        assert_eq!((settled.is_empty(), settled.previews.unconfirmed), (true, 0), "{:#?}", settled.summary);
        let counts = rounds(&client, &desired, 2, desired.resources.len() / 4).await;
        let Counts { objects, open, reasons } = &counts;
        say(&format!("sophia in {environment}: of {objects} predictions {open} could not be made"));
        assert!(open * 20 < *objects, "{reasons:#?}");
    });
}

#[test]
fn production_is_predicted() {
    fleet("production");
}

#[test]
fn staging_is_predicted() {
    fleet("staging");
}

#[test]
fn development_is_predicted() {
    fleet("development");
}

#[test]
fn testing_is_predicted() {
    fleet("testing");
}

fn resource(desired: &Desired, group: &str, kind: &str, name: &str, manifest: Value) -> Resource {
    let like = desired.resources.iter().find(|resource| resource.id.kind.kind == "ConfigMap").unwrap();
    let kind = Kind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() };
    let namespaced = kind.kind != "CustomResourceDefinition";
    let namespace = like.id.namespace.clone().filter(|_| namespaced);
    let address = format!("{}/{}", like.address, kind.kind.to_lowercase());
    let id = ResourceId { kind, namespace: namespace.clone(), name: name.to_owned(), ..like.id.clone() };
    let mut manifest = manifest;
    manifest["apiVersion"] = id.kind.api_version().into();
    manifest["kind"] = id.kind.kind.clone().into();
    manifest["metadata"] = json!({"name": name, "labels": like.manifest["metadata"]["labels"]});
    if let Some(namespace) = namespace {
        manifest["metadata"]["namespace"] = namespace.into();
    }
    Resource { id, address, manifest, phase: 0, ..like.clone() }
}

/// A server that lets nobody do anything with Secrets.
async fn without_secrets(request: Request, next: Next) -> Response {
    if !request.uri().path().contains("/secrets") {
        return next.run(request).await;
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": "secrets is forbidden: User \"reader\" cannot list resource \"secrets\""});
    (http::StatusCode::FORBIDDEN, axum::Json(status)).into_response()
}

#[test]
fn what_may_not_be_read_is_not_taken_for_absent() {
    runtime().block_on(async {
        let cluster = embedded().await;
        let client = Client::new(cluster.router(), "default");
        let mut desired = small();
        carry_out(&client, &desired).await;
        desired.resources.push(resource(&desired, "", "Secret", "key", json!({"stringData": {"key": "canary"}})));
        Secrets::withhold(&mut desired);
        let left = desired.resources.iter().position(|resource| resource.id.kind.kind == "Service").unwrap();
        desired.resources.remove(left);

        let blind = cluster.router().layer(axum::middleware::from_fn(without_secrets));
        let blind = Client::new(blind, "default");
        for mode in [PreviewMode::Predict, PreviewMode::Auto] {
            let plan = planned(&blind, &desired, mode, &Policy::default()).await;
            let blocked: Vec<String> = plan
                .steps()
                .filter(|step| step.action == Action::Blocked)
                .map(|step| {
                    let last = serde_json::to_value(step.causes.last().unwrap()).unwrap();
                    format!("{} {}", step.id.kind.kind, last["cause"].as_str().unwrap())
                })
                .collect();
            assert_eq!(blocked, ["Secret unreadable", "Service unlisted"], "{:#?}", plan.summary);
            assert!(!serde_json::to_string(&plan.phases).unwrap().contains("canary"));
        }
    });
}

/// A definition with one field, and an object of its kind with this value there.
fn with_definition(value: Value) -> Desired {
    let mut desired = small();
    let definition = json!({"spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        }}}],
    }});
    let group = "apiextensions.k8s.io";
    let definition = resource(&desired, group, "CustomResourceDefinition", "widgets.example.com", definition);
    let widget = resource(&desired, "example.com", "Widget", "one", json!({"spec": {"size": value}}));
    desired.resources.retain(|resource| matches!(resource.id.kind.kind.as_str(), "Namespace" | "ConfigMap"));
    desired.resources.extend([definition, widget]);
    desired
}

#[test]
fn a_definition_and_an_object_of_its_kind_come_with_one_plan() {
    runtime().block_on(async {
        let cluster = embedded().await;
        let client = Client::new(cluster.router(), "default");
        let of = |plan: &Plan| {
            let step = plan.steps().find(|step| step.id.kind.kind == "Widget").unwrap();
            (step.action, step.confirmation.clone(), serde_json::to_value(&step.causes).unwrap())
        };
        let wrong = planned(&client, &with_definition(json!("large")), PreviewMode::Auto, &Policy::default()).await;
        let told = "it does not fit its type: .spec.size: expected numeric (int or float), got string";
        assert_eq!(of(&wrong), (Action::Blocked, None, json!([{"cause": "refused", "reason": told}])));

        let desired = with_definition(json!(3));
        let whole = planned(&client, &desired, PreviewMode::Auto, &Policy::default()).await;
        let reason = "its CustomResourceDefinition widgets.example.com comes with the same plan".to_owned();
        let unconfirmed = Some(Confirmation::Unconfirmed(reason));
        assert_eq!(of(&whole), (Action::Create, unconfirmed, json!([{"cause": "absent"}])));
        let provider = Cluster::new(client.clone(), settings());
        let (_go_on, interrupt) = tokio::sync::watch::channel(false);
        let told = Arc::new(|_| ());
        let outcome =
            apply(&provider, &whole, &draft_of(&whole), &apply::Settings::default(), told, interrupt).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:#?}");
        for mode in [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict] {
            let again = planned(&client, &desired, mode, &Policy::default()).await;
            assert!(again.is_empty(), "{:#?}", again.summary);
        }
    });
}
