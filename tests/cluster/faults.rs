//! A cluster that falters: `up` ends ready or says clearly what went wrong, and running it again on a sound cluster
//! leaves nothing to do. In this process and in simulated time, so that no pause is waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::Api;
use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube_embedded::faults::{Fault, Faults, On, Verb};
use kube_embedded::{NodeSpec, Options, Storage, TestClock, Webhooks};
use strata::apply::{self, Outcome, apply};
use strata::cluster::{Cluster, Settings};
use strata::components::compose::compose;
use strata::components::desired::Desired;
use strata::history::{Command, Draft};
use strata::load::Root;
use strata::observe::{Look, PreviewMode};
use strata::plan::{Plan, Policy, plan};
use strata::provider::{Provider, ProviderError};
use tokio::sync::watch;
use tower::Layer;

use super::support::{ENVIRONMENT, NAME, STACK};
use crate::story;

pub(crate) const WHERE: &str = "faults";

/// What the two services ask of a cluster.
fn desired() -> Desired {
    desired_of(STACK)
}

/// What a stack asks of a cluster.
pub(crate) fn desired_of(stack: &str) -> Desired {
    desired_in(stack, ENVIRONMENT)
}

/// What a stack asks of the cluster of an environment.
pub(crate) fn desired_in(stack: &str, environment: &str) -> Desired {
    let files = story::Story::new();
    files.file(&format!("stacks/{WHERE}.yaml"), stack.replace(NAME, WHERE));
    files.file("environments/testing.yaml", environment);
    let loaded = Root::open(files.path()).unwrap().load(WHERE, "testing").unwrap();
    compose(&loaded.stack, &loaded.environment, "local", None).unwrap()
}

async fn cluster() -> kube_embedded::Cluster {
    cluster_with(Webhooks::default()).await
}

/// A cluster in which these answer for webhooks.
pub(crate) async fn cluster_with(webhooks: Webhooks) -> kube_embedded::Cluster {
    cluster_ready_after(Duration::ZERO, webhooks).await
}

/// The same, with pods that take a while to become ready.
pub(crate) async fn cluster_ready_after(ready_after: Duration, webhooks: Webhooks) -> kube_embedded::Cluster {
    let large = NodeSpec { cpu: "64".to_owned(), memory: "256Gi".to_owned(), ..NodeSpec::named("large") };
    let clock = Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()));
    let options = Options { nodes: vec![large], ready_after, clock, webhooks, ..Options::default() };
    kube_embedded::Cluster::open(Storage::Memory, options).await.unwrap()
}

/// Simulated time moves on when everything waits, and does not know that a cluster works in threads of its own: it
/// stands still for as long as something blocks.
pub(crate) async fn while_time_stands_still(request: Request, next: Next) -> Response {
    let (release, held) = mpsc::channel::<()>();
    let blocked = tokio::task::spawn_blocking(move || held.recv());
    let response = next.run(request).await;
    drop(release);
    blocked.await.unwrap().unwrap_err();
    response
}

/// What a run that goes by this name knows of the cluster before it is asked.
pub(crate) fn settings(holder: &str) -> Settings {
    Settings {
        name: "local".to_owned(),
        control_namespace: "strata-system".to_owned(),
        guard: None,
        holder: holder.to_owned(),
    }
}

/// The cluster as a run sees it that looks through the faults.
pub(crate) fn provider(cluster: &kube_embedded::Cluster, faults: &Faults, holder: &str) -> Cluster {
    let router = cluster.router().layer(axum::middleware::from_fn(while_time_stands_still));
    Cluster::new(kube::Client::new(faults.layer(router), "default"), settings(holder))
}

/// One run of the program against the cluster, as that looks through the faults.
async fn run(
    cluster: &kube_embedded::Cluster,
    faults: &Faults,
    holder: &str,
    desired: &Desired,
) -> Result<(Plan, Outcome), ProviderError> {
    run_by(PreviewMode::Auto, cluster, faults, holder, desired).await
}

/// The same, with a plan that was made in this way.
async fn run_by(
    preview: PreviewMode,
    cluster: &kube_embedded::Cluster,
    faults: &Faults,
    holder: &str,
    desired: &Desired,
) -> Result<(Plan, Outcome), ProviderError> {
    let provider = provider(cluster, faults, holder);
    let snapshot = provider.observe(desired, &Look { preview }).await?;
    let plan = plan(desired, &snapshot, &Policy::default());
    let (_go_on, interrupt) = watch::channel(false);
    let draft = Draft::new(Command::Up, desired.clone());
    let outcome = apply(&provider, &plan, &draft, &apply::Settings::default(), Arc::new(|_| ()), interrupt).await?;
    Ok((plan, outcome))
}

/// Whatever went wrong, in the words that the user sees; none where all went well.
fn told(run: &Result<(Plan, Outcome), ProviderError>) -> Vec<String> {
    match run {
        Ok((_, outcome)) => {
            let failed = outcome.failed.iter().map(|failure| format!("{}: {}", failure.id, failure.reason));
            let told: Vec<String> = failed.chain(outcome.aborted.clone()).collect();
            assert_eq!(told.is_empty(), outcome.is_complete(), "{outcome:#?}");
            told
        }
        Err(error) => vec![error.to_string()],
    }
}

/// Runs through the faults, then twice without: the first has to bring everything up, the second to find no change.
/// Returns what was told of the run through the faults.
#[track_caller]
fn check(faults: &Faults) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let desired = desired();
    let none = Faults::seeded(0);
    runtime.block_on(async {
        let cluster = cluster().await;
        let told_first = told(&run(&cluster, faults, "first", &desired).await);
        let second = run(&cluster, &none, "second", &desired).await;
        assert_eq!(told(&second), [""; 0], "{faults:?}: {:#?}", faults.injected());
        let (plan, _) = run(&cluster, &none, "third", &desired).await.unwrap();
        assert!(plan.is_empty(), "{faults:?}: {:#?}", plan.summary);
        told_first
    })
}

#[test]
fn faults_that_pass_are_outlived() {
    for seed in 0..4 {
        let some = || On::every().chance(0.06).at_most(12);
        let faults = Faults::seeded(seed)
            .with(some(), Fault::TooManyRequests { retry_after: 1 })
            .with(some(), Fault::InternalError)
            .with(some(), Fault::Unavailable)
            .with(some(), Fault::ResetBefore)
            .with(some(), Fault::BrokenBody)
            .with(some(), Fault::ShortBody)
            .with(some().verb(Verb::Watch), Fault::Gone)
            .with(some().verb(Verb::Watch), Fault::WatchEnds { after: 1 })
            .with(some().verb(Verb::Watch), Fault::Stall);
        let told = check(&faults);
        assert!(!faults.injected().is_empty());
        // A request that met a fault at every try within its limit is said to have done so; chance decides.
        let words = [": no answer", "(429)", "(500)", "(503)", "it was cut off"];
        assert!(told.iter().all(|text| words.iter().any(|word| text.contains(word))), "seed {seed}: {told:?}");
    }
}

#[test]
fn what_was_done_although_nobody_said_so_is_no_reason_to_stop() {
    for seed in 0..4 {
        let faults = Faults::seeded(seed)
            .with(On::every().chance(0.3), Fault::ResetAfter)
            .with(On::every().verb(Verb::Patch).resource("deployments").nth(1), Fault::ResetAfter);
        assert_eq!(check(&faults), [""; 0], "seed {seed}");
    }
}

#[test]
fn a_request_that_is_never_answered_is_made_again() {
    let faults = Faults::seeded(0)
        .with(On::every().verb(Verb::List).resource("services").nth(1), Fault::Stall)
        .with(On::every().verb(Verb::Patch).resource("services").nth(2), Fault::Stall);
    assert_eq!(check(&faults), [""; 0]);
}

#[test]
fn a_watch_that_stalls_ends_with_the_limit_of_its_wait_and_names_the_object() {
    let desired = desired();
    for seed in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cluster = cluster_ready_after(Duration::from_secs(20), Webhooks::default()).await;
            let began = tokio::time::Instant::now();
            let stalls = Faults::seeded(seed).with(On::every().verb(Verb::Watch), Fault::Stall);
            let told = told(&run(&cluster, &stalls, "first", &desired).await);
            let [told] = told.as_slice() else { panic!("{told:#?}") };
            // What was seen of it last is up to chance.
            let (ended, _) = told.split_once(" s: ").unwrap();
            assert_eq!(ended, "Deployment faults/redis-cache-mcp: not ready after 600", "seed {seed}");
            assert!(began.elapsed() >= Duration::from_secs(600), "{:?}", began.elapsed());
            assert_eq!(self::told(&run(&cluster, &Faults::seeded(0), "second", &desired).await), [""; 0]);
        });
    }
}

#[test]
fn a_token_that_runs_out_is_named_and_ends_the_run() {
    let faults = Faults::seeded(0).with(On::every().resource("services"), Fault::Unauthorized);
    let told = check(&faults);
    assert_eq!(told, ["listing Service objects at /api/v1/namespaces/faults/services: Unauthorized (401)"]);
}

#[test]
fn what_another_has_made_is_not_taken_although_an_answer_was_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let on = || On::every().resource("priorityclasses");
    let faults = Faults::seeded(0)
        .with(on().verb(Verb::List), Fault::EmptyList)
        .with(on().verb(Verb::Patch).nth(1), Fault::ResetAfter);
    let desired = desired();
    let class = desired.resources.iter().find(|resource| resource.id.kind.kind == "PriorityClass").unwrap();
    runtime.block_on(async {
        let cluster = cluster().await;
        let classes: Api<PriorityClass> = Api::all(kube::Client::new(cluster.router(), "default"));
        let theirs = serde_json::from_value(class.manifest.clone()).unwrap();
        classes.create(&PostParams::default(), &theirs).await.unwrap();
        // A dry run would tell that it is there.
        let told = told(&run_by(PreviewMode::Predict, &cluster, &faults, "first", &desired).await);
        let name = &class.id.name;
        assert_eq!(told, [format!("PriorityClass {name}: PriorityClass {name} appeared since the plan was made")]);
    });
}

/// The uid of each workload.
async fn workloads(cluster: &kube_embedded::Cluster) -> BTreeMap<String, String> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    let client = kube::Client::new(cluster.router(), "default");
    let api: Api<DynamicObject> = Api::namespaced_with(client, WHERE, &resource);
    let list = api.list(&kube::api::ListParams::default()).await.unwrap();
    list.items.into_iter().map(|object| (object.metadata.name.unwrap(), object.metadata.uid.unwrap())).collect()
}

#[test]
fn lists_that_wrongly_come_empty_take_nothing_away() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (desired, none) = (desired(), Faults::seeded(0));
    runtime.block_on(async {
        let cluster = cluster().await;
        assert_eq!(told(&run(&cluster, &none, "first", &desired).await), [""; 0]);
        let before = workloads(&cluster).await;
        let empty = Faults::seeded(0).with(On::every().verb(Verb::List), Fault::EmptyList);
        let told = told(&run(&cluster, &empty, "second", &desired).await);
        let [told] = told.as_slice() else { panic!("{told:#?}") };
        assert!(told.contains(": it was in no list, and is there"), "{told}");
        assert_eq!((workloads(&cluster).await, before.len()), (before, 2));
        let (plan, _) = run(&cluster, &none, "third", &desired).await.unwrap();
        assert!(plan.is_empty(), "{:#?}", plan.summary);
    });
}
