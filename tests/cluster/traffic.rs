//! Traffic goes on while a service moves to another name and while a workload is replaced: at every change of an
//! EndpointSlice, enough pods are ready behind one name or the other.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use kube_embedded::{NodeSpec, Options, Storage, TestClock};
use strata::cluster::Cluster;

use super::faults::settings;
use super::killed::{Act, Stage, made_anew, made_good};

/// How many ready addresses each Service has, by its name.
type Ready = BTreeMap<String, usize>;

/// Follows the slices of a namespace; what was ready at each change of one of them.
async fn follow(slices: Api<EndpointSlice>, seen: Arc<Mutex<Vec<Ready>>>) {
    let mut all: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut events = pin!(watcher(slices, watcher::Config::default()));
    while let Some(event) = events.next().await {
        match event.unwrap() {
            watcher::Event::Apply(slice) | watcher::Event::InitApply(slice) => {
                let name = slice.metadata.name.clone().unwrap();
                let service = slice.metadata.labels.as_ref().unwrap()["kubernetes.io/service-name"].clone();
                let is_ready = |one: &&k8s_openapi::api::discovery::v1::Endpoint| {
                    one.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true)
                };
                let ready = slice.endpoints.iter().flatten().filter(is_ready).map(|one| one.addresses.len()).sum();
                all.insert(name, (service, ready));
            }
            watcher::Event::Delete(slice) => {
                all.remove(&slice.metadata.name.unwrap());
            }
            watcher::Event::Init => all.clear(),
            watcher::Event::InitDone => {}
        }
        let mut now = Ready::new();
        for (service, ready) in all.values() {
            *now.entry(service.clone()).or_default() += ready;
        }
        seen.lock().unwrap().push(now);
    }
}

#[test]
fn goes_on_while_a_service_moves_and_a_workload_is_replaced() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen: Arc<Mutex<Vec<Ready>>> = Arc::default();
    runtime.block_on(async {
        let large = NodeSpec { cpu: "64".into(), memory: "256Gi".into(), ..NodeSpec::named("large") };
        let clock = Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()));
        let options = Options { nodes: vec![large], clock, ready_after: Duration::from_secs(20), ..Options::default() };
        let cluster = kube_embedded::Cluster::open(Storage::Memory, options).await.unwrap();
        let client = Client::new(cluster.router(), "default");
        let provider = Cluster::new(client.clone(), settings("one"));
        let stage = Stage::new();
        stage.set(Act::Up);
        made_good(&provider, &stage.desired(Act::Up), Act::Up, "up").await;
        // A selector that is another can only be had by a new Deployment.
        made_anew(&client).await;
        let before = Api::<EndpointSlice>::namespaced(client.clone(), "killed");
        stage.set(Act::Change);
        let desired = stage.desired(Act::Change);
        tokio::select! {
            () = follow(before, seen.clone()) => unreachable!("a watch has no end"),
            () = made_good(&provider, &desired, Act::Change, "change") => {}
        }
    });
    let seen = seen.lock().unwrap();
    // Both names of the memory, and both sets of pods of the cache, were there at some time.
    assert!(seen.iter().any(|ready| ready.get("ai-memory-mcp").is_some_and(|many| *many > 0)), "{seen:#?}");
    let last = seen.last().unwrap();
    assert_eq!(last.get("recall-mcp"), Some(&2), "{seen:#?}");
    let whole = |ready: &&Ready| ready.contains_key("ai-memory-mcp") || ready.contains_key("recall-mcp");
    for ready in seen.iter().skip_while(|ready| ready.len() < 3).filter(whole) {
        let of = |names: &[&str]| names.iter().filter_map(|name| ready.get(*name)).sum::<usize>();
        assert!(of(&["ai-memory-mcp", "recall-mcp"]) >= 2, "{ready:?} in {seen:#?}");
        assert!(of(&["redis-cache-mcp"]) >= 1, "{ready:?} in {seen:#?}");
    }
}
