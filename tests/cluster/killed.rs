//! The program is killed at every write it makes, one after the other, when it is carried out and not yet answered. At
//! that moment everything it has made is marked and in the inventory; running it again, in this process and in simulated
//! time, makes the same of the cluster as if nobody had been killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::discovery::{Discovery, verbs};
use kube::{Api, Client};
use kube_embedded::Webhooks;
use kube_embedded::faults::Faults;
use serde_json::{Value, json};
use strata::apply::{self, apply};
use strata::components::compose::compose;
use strata::components::desired::Desired;
use strata::load::Root;
use strata::observe::Look;
use strata::plan::verify::verify;
use strata::plan::{Plan, Policy, plan};
use strata::provider::Provider;
use strata::report::plan::View;
use tokio::sync::watch;

use super::blue_green::beside;
use super::faults::{cluster_with, provider, while_time_stands_still};
use super::support::victim::{Ended, Hook, Station, killed_at, unharmed};
use super::support::{ENVIRONMENT, NAME, STACK, draft_of};
use crate::story;

const WHERE: &str = "killed";
const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// One service is renamed, one changes so that something of it goes, and one changes its colour.
fn changed() -> String {
    let text = first().replace("  ai_memory:\n", "  recall:\n    was: ai_memory\n");
    text.replace("    replicas: 3\n", "    replicas: 1\n").replace("mcp/gong:1", "mcp/gong:2")
}

/// Beside the two services, one that goes from one colour to the other.
fn first() -> String {
    beside(&STACK.replace(NAME, WHERE), "1")
}

/// What is done to the cluster, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// Everything comes to be.
    Up,
    /// Something is updated, replaced, moved, created and deleted.
    Change,
    /// Everything goes.
    Destroy,
}

const ACTS: [Act; 3] = [Act::Up, Act::Change, Act::Destroy];

impl Act {
    fn words(self) -> &'static str {
        match self {
            Act::Up => "up killed -e testing --yes --quiet",
            Act::Change => "up killed -e testing --yes --quiet --allow-replace --force-conflicts",
            Act::Destroy => "destroy killed -e testing --yes --quiet --delete Namespace/killed",
        }
    }

    /// The same as a plan is asked for it.
    fn policy(self) -> Policy {
        match self {
            Act::Up => Policy::default(),
            Act::Change => Policy { allow_replace: true, force_conflicts: true, ..Policy::default() },
            Act::Destroy => Policy { destroy: true, delete: vec!["Namespace/killed".to_owned()], ..Policy::default() },
        }
    }
}

/// The files of the stack before and after the change.
pub(super) struct Stage {
    files: story::Story,
}

impl Stage {
    pub(super) fn new() -> Self {
        let files = story::Story::new();
        files.file("environments/testing.yaml", ENVIRONMENT);
        Self { files }
    }

    pub(super) fn path(&self) -> &Path {
        self.files.path()
    }

    pub(super) fn set(&self, act: Act) {
        let text = if act == Act::Up { first() } else { changed() };
        self.files.file("stacks/killed.yaml", text);
    }

    pub(super) fn desired(&self, act: Act) -> Desired {
        let loaded = Root::open(self.files.path()).unwrap().load(WHERE, "testing").unwrap();
        let desired = compose(&loaded.stack, &loaded.environment, "local", None).unwrap();
        if act == Act::Destroy {
            return Desired { resources: Vec::new(), claims: Default::default(), ..desired };
        }
        desired
    }
}

/// What is stored, as far as it does not depend on chance or on the way there: for each object what it is made of; of
/// what a controller has made, how many there are.
type Stored = BTreeMap<String, Value>;

async fn stored(client: &Client) -> Stored {
    let mut found = Stored::new();
    for object in objects(client).await {
        let id = format!("{} {}", text(&object, "/kind"), named(&object));
        let owner = object.pointer("/metadata/ownerReferences/0").cloned();
        match (text(&object, "/kind"), owner) {
            ("Event", _) => {}
            // Each run has a record of its own, a killed one too.
            ("ConfigMap", None) if object.pointer("/metadata/labels/strata.dev~1history").is_some() => {}
            (kind, Some(owner)) => {
                let many = found.entry(format!("{kind} of {} {}", text(&owner, "/kind"), text(&owner, "/name")));
                let many = many.or_insert_with(|| 0.into());
                *many = (many.as_u64().unwrap() + 1).into();
            }
            ("Lease", None) if named(&object).starts_with("strata-system/") => {
                // A killed run gives nothing back, and who has nothing left to do takes nothing.
                found.insert(id, Value::Null);
            }
            ("Node" | "Lease" | "Endpoints" | "EndpointSlice", None) => {}
            (_, None) => {
                found.insert(id, settled(object));
            }
        }
    }
    found
}

/// The object without what the server makes of it.
fn settled(mut object: Value) -> Value {
    let metadata = &object["metadata"];
    object["metadata"] = json!({"labels": metadata["labels"], "annotations": metadata["annotations"]});
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = Value::Null;
    object["status"] = Value::Null;
    for address in ["clusterIP", "clusterIPs"] {
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove(address);
        }
    }
    object
}

/// What is in one and not, or otherwise, in the other.
fn differing(found: &Stored, expected: &Stored) -> Vec<String> {
    let ids: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differs = ids.into_iter().filter(|id| found.get(*id) != expected.get(*id));
    differs.map(|id| format!("{id}: {:?} instead of {:?}", found.get(id), expected.get(id))).collect()
}

pub(super) async fn objects(client: &Client) -> Vec<Value> {
    let mut found = Vec::new();
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        if capabilities.supports_operation(verbs::LIST) {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for object in api.list(&ListParams::default()).await.unwrap() {
                let mut object = serde_json::to_value(object).unwrap();
                object["kind"] = resource.kind.as_str().into();
                object["group"] = resource.group.as_str().into();
                found.push(object);
            }
        }
    }
    found
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn named(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// Whatever the program has written is marked as the instance's, and its kind and namespace are in the inventory.
async fn nothing_is_lost(client: &Client, when: &str) {
    let objects = objects(client).await;
    let parent = objects
        .iter()
        .find(|object| text(object, "/kind") == "ConfigMap" && named(object) == "strata-system/strata-killed-testing");
    let listed = |annotation: &str| -> Vec<String> {
        let annotations = parent.and_then(|parent| parent.pointer("/metadata/annotations"));
        let list = annotations.and_then(|annotations| annotations.get(annotation)?.as_str()).unwrap_or_default();
        list.split(',').map(str::to_owned).collect()
    };
    let kinds = listed("applyset.kubernetes.io/contains-group-kinds");
    let namespaces = listed("applyset.kubernetes.io/additional-namespaces");
    for object in &objects {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        if !entries.into_iter().flatten().any(|entry| entry["manager"] == "strata-killed") {
            continue;
        }
        let what = format!("{when}: {} {}", text(object, "/kind"), named(object));
        let labels = object.pointer("/metadata/labels").unwrap();
        assert!(labels.get(PART_OF).is_some(), "{what} is not marked");
        let (kind, group) = (text(object, "/kind"), text(object, "/group"));
        let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        assert!(kinds.contains(&kind), "{what} is of no kind of the inventory: {kinds:?}");
        let namespace = text(object, "/metadata/namespace");
        assert!(namespace.is_empty() || namespaces.iter().any(|one| one == namespace), "{what}: {namespaces:?}");
    }
}

/// Somebody makes a PriorityClass and a Deployment anew, with fields that can never change.
pub(super) async fn made_anew(client: &Client) {
    let classes: Api<PriorityClass> = Api::all(client.clone());
    let mut class = classes.get("killed-testing-high").await.unwrap();
    classes.delete("killed-testing-high", &DeleteParams::default()).await.unwrap();
    class.value = class.value.map(|value| value + 1);
    class.metadata = fresh(class.metadata);
    classes.create(&PostParams::default(), &class).await.unwrap();

    let deployments: Api<Deployment> = Api::namespaced(client.clone(), WHERE);
    let name = "redis-cache-mcp";
    let mut deployment = deployments.get(name).await.unwrap();
    deployments.delete(name, &DeleteParams::background()).await.unwrap();
    let spec = deployment.spec.as_mut().unwrap();
    for labels in [&mut spec.selector.match_labels, &mut spec.template.metadata.as_mut().unwrap().labels] {
        labels.get_or_insert_default().insert("flavour".to_owned(), "plain".to_owned());
    }
    deployment.metadata = fresh(deployment.metadata);
    deployment.status = None;
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let rolled_out = kube::runtime::wait::await_condition(deployments, name, |found: Option<&Deployment>| {
        found.and_then(|one| one.status.as_ref()?.available_replicas) == Some(3)
    });
    rolled_out.await.unwrap();
}

fn fresh(metadata: kube::api::ObjectMeta) -> kube::api::ObjectMeta {
    kube::api::ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        labels: metadata.labels,
        annotations: metadata.annotations,
        ..kube::api::ObjectMeta::default()
    }
}

/// Goes through all acts on a cluster of its own. In each the program is stopped as `hook` says, and run again where it
/// was. Returns what was stored after each act, and how each first run ended.
async fn play(hook: impl Fn(Act) -> Hook, more: &str, when: &str) -> BTreeMap<Act, (Stored, Ended)> {
    let stage = Stage::new();
    let cluster = cluster_with(Webhooks::default()).await;
    let client = Client::new(cluster.router().layer(axum::middleware::from_fn(while_time_stands_still)), "default");
    let station = Station::open(cluster.router().layer(axum::middleware::from_fn(while_time_stands_still))).await;
    let mut told = BTreeMap::new();
    for act in ACTS {
        let when = format!("{when} in {act:?}");
        stage.set(act);
        if act == Act::Change {
            made_anew(&client).await;
        }
        let ended = station.run(stage.path(), &format!("{} {more}", act.words()), hook(act)).await;
        if ended.code.is_none() {
            nothing_is_lost(&client, &when).await;
            made_good(&provider(&cluster, &Faults::seeded(0), "again"), &stage.desired(act), act, &when).await;
        } else {
            assert_eq!(ended.code, Some(0), "{when}: {ended:#?}");
        }
        told.insert(act, (stored(&client).await, ended));
    }
    told
}

/// Runs once more, and leaves nothing to do.
pub(super) async fn made_good(again: &dyn Provider, desired: &Desired, act: Act, when: &str) {
    let plan = planned(again, desired, act).await;
    let (_go_on, interrupt) = watch::channel(false);
    let draft = draft_of(&plan);
    let outcome = apply(again, &plan, &draft, &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap();
    assert!(outcome.is_complete(), "{when}: {outcome:#?}");
    let plan = planned(again, desired, act).await;
    assert!(plan.is_empty(), "{when}: {}", strata::report::plan::terminal(&plan, &View::default()));
}

async fn planned(provider: &dyn Provider, desired: &Desired, act: Act) -> Plan {
    let snapshot = provider.observe(desired, &Look::default()).await.unwrap();
    let plan = plan(desired, &snapshot, &act.policy());
    assert_eq!(verify(desired, &snapshot, &act.policy(), &plan), [], "{act:?}");
    plan
}

pub(super) fn in_simulated_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// Kills the program at the chosen ones of its writes, and compares what comes of it with a run that nobody has stopped.
///
/// That a write is committed and not answered leaves the same as that it is answered and the next one is not sent: what a
/// process has heard goes with it.
#[track_caller]
fn check(committed: bool, more: &str, chosen: impl Fn(usize) -> bool) {
    let whole = in_simulated_time(play(|_| unharmed(), more, "unharmed"));
    let writes: BTreeMap<Act, usize> = whole.iter().map(|(act, (_, ended))| (*act, ended.writes)).collect();
    let most = *writes.values().max().unwrap();
    assert!(writes.values().all(|writes| (15..40).contains(writes)), "{writes:?}");
    for number in (1..=most).filter(|number| chosen(*number)) {
        let when = format!("killed at write {number}, committed: {committed}");
        let played = in_simulated_time(play(|_| killed_at(number, committed), more, &when));
        for act in ACTS {
            let (stored, ended) = &played[&act];
            // With many writes at once, what was about to be sent can differ.
            let sure = more == "--parallel 1" && number <= writes[&act];
            assert!(ended.code.is_none() || !sure, "{when} in {act:?}: {ended:#?}");
            assert_eq!(differing(stored, &whole[&act].0), [""; 0], "{when} in {act:?}");
        }
    }
}

#[test]
fn at_every_odd_write_before_it_is_answered() {
    check(true, "--parallel 1", |number| number % 2 == 1);
}

#[test]
fn at_every_even_write_before_it_is_answered() {
    check(true, "--parallel 1", |number| number % 2 == 0);
}

#[test]
fn while_many_writes_are_under_way() {
    check(false, "", |number| number % 6 == 5);
}
