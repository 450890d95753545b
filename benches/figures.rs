//! The figures that are to be held, measured: `cargo bench`. What came out is in docs/benchmarks.md.
//!
//! They are goals and no tests: a slow machine is no broken program.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "how long the program takes to start is measured by starting it")]

mod fleet;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use criterion::Criterion;
use kube_embedded::Storage;
use strata::apply::{self, apply};
use strata::check::isolation;
use strata::check::prove;
use strata::check::reach::Reach;
use strata::cluster::connect::{Choice, open_storage};
use strata::cluster::{Cluster, Settings};
use strata::components::compose::compose;
use strata::components::desired::Desired;
use strata::history::{self, Draft};
use strata::load::{Loaded, Places, Root};
use strata::observe::Look;
use strata::plan::{Plan, Policy, plan};
use strata::provider::Provider;
use tokio::runtime::Runtime;
use tokio::sync::watch;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    load(&mut criterion);
    compose_check(&mut criterion);
    fleets(&mut criterion);
    plan_unchanged(&mut criterion);
    help(&mut criterion);
    criterion.final_summary();
}

/// Sophia in production, from the files of this repository.
fn sophia() -> Loaded {
    let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    root.load("sophia", "production").unwrap()
}

/// Reading and decoding both files, the JSON Schema that they are held against included. No goal of its own.
fn load(criterion: &mut Criterion) {
    criterion.bench_function("load", |bench| bench.iter(sophia));
}

/// Composing sophia, and every proof. Goal: 20 ms.
fn compose_check(criterion: &mut Criterion) {
    let loaded = sophia();
    assert!(!prove(&loaded, "local", None).stops(), "sophia proves");
    criterion.bench_function("compose", |bench| {
        bench.iter(|| compose(&loaded.stack, &loaded.environment, black_box("local"), None).unwrap());
    });
    criterion.bench_function("compose_check", |bench| bench.iter(|| prove(&loaded, black_box("local"), None)));
}

/// Composing fleets of 35, 350 and 1,000 services and every proof, and of that who can talk to whom. Goal: 2 s for the
/// largest, 1 s of it for reachability.
fn fleets(criterion: &mut Criterion) {
    for services in [35, 350, 1000] {
        let loaded = Loaded {
            stack: fleet::stack(services),
            environment: fleet::environment(services),
            policies: Vec::new(),
            others: Vec::new(),
            places: Places::default(),
            findings: Vec::new(),
        };
        let proven = prove(&loaded, "local", None);
        assert!(!proven.stops(), "a fleet of {services} services proves: {:#?}", proven.findings.first());
        criterion.bench_function(&format!("check_fleet/{services}"), |bench| {
            bench.iter(|| prove(&loaded, black_box("local"), None));
        });
        let desired = proven.desired.unwrap();
        criterion.bench_function(&format!("check_fleet/{services}/reachability"), |bench| {
            bench.iter(|| {
                let (network, _) = isolation::network(&desired, black_box(&loaded), &[]);
                Reach::of(&network).pairs().len()
            });
        });
    }
}

/// Observing and planning sophia where nothing has changed, on the cluster inside the program, in memory. Goal: 100 ms.
/// The cluster is the one that the environment describes, but its pods are ready at once.
///
/// A client and a provider of their own belong to each round, as to each run of `strata plan`: discovery is asked again.
fn plan_unchanged(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let Loaded { stack, environment, .. } = sophia();
    let desired = compose(&stack, &environment, "local", None).unwrap();
    let (_, Choice::Embedded(mut described)) = Choice::of(Some("local"), &environment).unwrap() else {
        unreachable!("production describes an embedded cluster")
    };
    described.ready_after = "0s".parse().unwrap();
    let cluster = runtime.block_on(async {
        let cluster = open_storage(&described, Storage::Memory).await.unwrap();
        let provider = provider(&cluster);
        let snapshot = provider.observe(&desired, &Look::default()).await.unwrap();
        let whole = plan(&desired, &snapshot, &Policy::default());
        let (_go_on, interrupt) = watch::channel(false);
        let told = Arc::new(|_| ());
        let draft = Draft::new(history::Command::Up, desired.clone());
        let outcome = apply(&provider, &whole, &draft, &apply::Settings::default(), told, interrupt).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:#?}");
        cluster
    });
    let again = runtime.block_on(observe_and_plan(&cluster, &desired));
    assert!(again.is_empty(), "{:#?}", again.summary);

    criterion.bench_function("plan_unchanged", |bench| {
        bench.iter(|| runtime.block_on(observe_and_plan(&cluster, &desired)));
    });
    let snapshot = runtime.block_on(async { provider(&cluster).observe(&desired, &Look::default()).await }).unwrap();
    criterion.bench_function("plan_unchanged/planner", |bench| {
        bench.iter(|| plan(&desired, &snapshot, &Policy::default()));
    });
    runtime.block_on(cluster.close());
}

async fn observe_and_plan(cluster: &kube_embedded::Cluster, desired: &Desired) -> Plan {
    let snapshot = provider(cluster).observe(desired, &Look::default()).await.unwrap();
    plan(desired, &snapshot, &Policy::default())
}

fn provider(cluster: &kube_embedded::Cluster) -> Cluster {
    let settings = Settings {
        name: "local".to_owned(),
        control_namespace: "strata-system".to_owned(),
        guard: None,
        holder: "benchmark".to_owned(),
    };
    Cluster::new(kube::Client::new(cluster.router(), "default"), settings)
}

/// `strata --help`, from starting the process to its end. Goal: 10 ms.
fn help(criterion: &mut Criterion) {
    let run = |argument: &str| {
        let status = Command::new(env!("CARGO_BIN_EXE_strata")).arg(argument).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{argument}: {status}");
    };
    criterion.bench_function("help", |bench| bench.iter(|| run("--help")));
}
