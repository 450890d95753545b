//! How long `up` takes until everything is ready, in simulated time: hardly longer than the slowest service of each phase,
//! one phase after the other.
//!
//! The cluster's clock leaps to the next moment at which something becomes ready, and never while a request is under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use kube_embedded::{Clock, NodeSpec, Options, PodFault, Storage, TestClock};
use strata::apply::{self, apply};
use strata::cluster::Cluster;
use strata::components::compose::compose;
use strata::components::desired::Desired;
use strata::history::{Command, Draft};
use strata::load::Root;
use strata::observe::Look;
use strata::plan::{Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;

use super::faults::settings;

/// `up` may take so much longer than its critical path.
const AT_MOST: f64 = 1.15;

/// The seconds that the pods of a workload take to become ready: anything between five seconds and three minutes.
fn delay(seed: u64, name: &str) -> Duration {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let chance = BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, name));
    Duration::from_secs(5 + chance % 176)
}

/// Brings a stack up where pods are as slow as the seed says, and compares how long that takes with the sum of what the
/// slowest workload of each phase takes.
#[track_caller]
fn check(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let loaded = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().load("sophia", "development").unwrap();
    let desired = compose(&loaded.stack, &loaded.environment, "local", None).unwrap();
    let (took, path) = runtime.block_on(async {
        let large =
            NodeSpec { cpu: "2000".into(), memory: "8Ti".into(), pods: 500, gpus: 64, ..NodeSpec::named("large") };
        let clock = Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()));
        let options = Options { nodes: vec![large], clock: clock.clone(), ..Options::default() };
        let cluster = kube_embedded::Cluster::open(Storage::Memory, options).await.unwrap();
        let path = slow_down(&cluster, &desired, seed);
        let client = Client::new(cluster.router(), "default");
        let began = clock.now();
        bring_up(&Cluster::new(client.clone(), settings("one")), &desired).await;
        (Duration::try_from(last_ready(client).await.duration_since(began)).unwrap(), path)
    });
    let ratio = took.as_secs_f64() / path.as_secs_f64();
    assert!((1.0..=AT_MOST).contains(&ratio), "seed {seed}: {took:?} for a path of {path:?}, {ratio:.3} times as long");
}

/// Gives the pods of each workload their delay. Returns how long the phases take at least, one after the other.
fn slow_down(cluster: &kube_embedded::Cluster, desired: &Desired, seed: u64) -> Duration {
    let mut slowest: BTreeMap<u32, Duration> = BTreeMap::new();
    for resource in desired.resources.iter().filter(|resource| resource.id.kind.kind == "Deployment") {
        let name =
            resource.manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"].as_str().unwrap();
        let delay = delay(seed, name);
        let selector = format!("app.kubernetes.io/name={name}");
        cluster.simulation().fail_pods(&selector, PodFault::SlowStart(delay)).unwrap();
        let slowest = slowest.entry(resource.phase).or_default();
        *slowest = delay.max(*slowest);
    }
    slowest.values().sum()
}

async fn bring_up(provider: &Cluster, desired: &Desired) {
    let snapshot = provider.observe(desired, &Look::default()).await.unwrap();
    let plan = plan(desired, &snapshot, &Policy::default());
    let (_go_on, interrupt) = watch::channel(false);
    let draft = Draft::new(Command::Up, desired.clone());
    let outcome =
        apply(provider, &plan, &draft, &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:#?}");
}

/// When the last of all pods became ready.
async fn last_ready(client: Client) -> Timestamp {
    let pods = Api::<Pod>::all(client).list(&ListParams::default()).await.unwrap();
    let conditions =
        pods.into_iter().flat_map(|pod| pod.status.and_then(|status| status.conditions).unwrap_or_default());
    let ready = conditions.filter(|one| one.type_ == "Ready" && one.status == "True");
    ready.filter_map(|one| Some(one.last_transition_time?.0)).max().unwrap()
}

#[test]
fn the_whole_fleet_is_ready_when_the_slowest_of_each_phase_are() {
    (0..2).for_each(check);
}
