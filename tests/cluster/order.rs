//! In which order writes reach the cluster, and how many at once: read from what goes over the line, for the whole fleet on
//! its way up and down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use kube::Client;
use kube_embedded::{NodeSpec, Options, Storage, TestClock};
use strata::apply::{self, apply};
use strata::cluster::Cluster;
use strata::components::compose::compose;
use strata::components::desired::{Desired, Resource};
use strata::history::{Command, Draft};
use strata::load::Root;
use strata::observe::Look;
use strata::plan::{Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;

use super::faults::settings;
use super::support::victim::is_write;

/// What went over the line.
#[derive(Default)]
struct Line {
    /// The writes, in the order in which they came: object, when it came and when it was answered.
    writes: Vec<(String, usize, usize)>,
    /// How many things have happened.
    moment: usize,
    under_way: usize,
    most: usize,
}

/// Passes a request on, and notes it where it writes an object of the fleet.
async fn pass(line: Arc<Mutex<Line>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if !is_write(&request) || path.contains("/strata-system") {
        return next.run(request).await;
    }
    let number = {
        let mut line = line.lock().unwrap();
        line.moment += 1;
        line.under_way += 1;
        line.most = line.most.max(line.under_way);
        let moment = line.moment;
        line.writes.push((path, moment, usize::MAX));
        line.writes.len() - 1
    };
    // Others are let in before it is carried out, as many as there are.
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    let response = next.run(request).await;
    let mut line = line.lock().unwrap();
    line.moment += 1;
    line.under_way -= 1;
    line.writes[number].2 = line.moment;
    response
}

/// The first and the last moment of each service's writes; what belongs to none is the ground, by no name.
fn moments(line: &Line, desired: &Desired) -> BTreeMap<String, (usize, usize)> {
    let mut found: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (path, came, answered) in &line.writes {
        let (rest, name) = path.rsplit_once('/').unwrap();
        let plural = rest.rsplit_once('/').unwrap().1;
        let fits = |resource: &&Resource| {
            // `classes` and `policies` are two letters longer than their kinds, and others one.
            let kind = resource.id.kind.kind.to_lowercase();
            resource.id.name == name && plural.starts_with(&kind[..kind.len() - 1]) && plural.len() <= kind.len() + 2
        };
        let mut of = desired.resources.iter().filter(fits);
        let resource = of.next().unwrap_or_else(|| panic!("{path} is of no object of the fleet"));
        let entry = found.entry(resource.service.clone().unwrap_or_default()).or_insert((*came, *answered));
        *entry = (entry.0.min(*came), entry.1.max(*answered));
    }
    found
}

/// What each service waits for, and the ground.
fn dependencies(desired: &Desired) -> BTreeSet<(String, String)> {
    let of = |resource: &Resource| {
        let service = resource.service.clone().unwrap_or_default();
        let mut on: Vec<String> = resource.depends_on.clone();
        on.extend((!service.is_empty()).then(String::new));
        on.into_iter().map(move |other| (service.clone(), other)).collect::<Vec<_>>()
    };
    desired.resources.iter().flat_map(of).collect()
}

/// Goes towards `desired`, with so many steps at once.
async fn go(cluster: &kube_embedded::Cluster, desired: &Desired, policy: &Policy, parallel: usize) -> Line {
    let line: Arc<Mutex<Line>> = Arc::default();
    let heard = line.clone();
    let router = cluster.router().layer(from_fn(move |request, next| pass(heard.clone(), request, next)));
    let provider = Cluster::new(Client::new(router, "default"), settings("one"));
    let snapshot = provider.observe(desired, &Look::default()).await.unwrap();
    let plan = plan(desired, &snapshot, policy);
    let (_go_on, interrupt) = watch::channel(false);
    let draft = Draft::new(Command::Up, desired.clone());
    let settings = apply::Settings { parallel, ..apply::Settings::default() };
    let outcome = apply(&provider, &plan, &draft, &settings, Arc::new(|_| ()), interrupt).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:#?}");
    std::mem::take(&mut line.lock().unwrap())
}

/// Brings the fleet up and takes it down, with so many steps at once.
#[track_caller]
fn check(parallel: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let loaded = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().load("sophia", "development").unwrap();
    let desired = compose(&loaded.stack, &loaded.environment, "local", None).unwrap();
    let (up, down) = runtime.block_on(async {
        let large =
            NodeSpec { cpu: "2000".into(), memory: "8Ti".into(), pods: 500, gpus: 64, ..NodeSpec::named("large") };
        let clock = Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()));
        let options = Options { nodes: vec![large], clock, ready_after: Duration::from_secs(1), ..Options::default() };
        let cluster = kube_embedded::Cluster::open(Storage::Memory, options).await.unwrap();
        let up = go(&cluster, &desired, &Policy::default(), parallel).await;
        let nothing = Desired { resources: Vec::new(), claims: Default::default(), ..desired.clone() };
        let delete = vec!["Namespace/mcp-servers-development".to_owned()];
        let policy = Policy { destroy: true, delete, ..Policy::default() };
        (up, go(&cluster, &nothing, &policy, parallel).await)
    });
    assert_eq!((up.most, down.most), (parallel, parallel), "as many as there may be, and no more");
    let (on_the_way_up, on_the_way_down) = (moments(&up, &desired), moments(&down, &desired));
    for (service, on) in dependencies(&desired) {
        let (first, last) = (&on_the_way_up[&on], &on_the_way_up[&service]);
        assert!(first.1 < last.0, "up: {service:?} {last:?} depends on {on:?} {first:?}");
        let (first, last) = (&on_the_way_down[&service], &on_the_way_down[&on]);
        assert!(first.1 < last.0, "down: {service:?} {first:?} depends on {on:?} {last:?}");
    }
    assert_eq!((up.writes.len(), down.writes.len()), (desired.resources.len(), desired.resources.len()));
}

#[test]
fn what_others_need_comes_first_and_goes_last_however_many_are_at_work() {
    [1, 5, 16].into_iter().for_each(check);
}
