//! What a plan takes on a real cluster, held against what the cluster itself takes: `cargo bench --bench live`.
//!
//! `-- --kubeconfig FILE` names the cluster; without it the one inside the program is served on loopback. Everything is
//! measured in one run, interleaved, and given as ratios, because seconds say more of the machine than of the program.
//! What came out is in docs/benchmarks.md. The namespaces `strata-bench` and `strata-bench-raw` are deleted before and
//! afterwards; nothing else is touched but `strata-system`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "kubectl and parts of the benchmark are processes of their own")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

mod objects;
mod raw;
mod served;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use strata::apply::{self, Event, apply};
use strata::cluster::connect::{Choice, Connection};
use strata::cluster::{Cluster, Settings};
use strata::components::desired::Desired;
use strata::history::{self, Draft};
use strata::observe::Look;
use strata::plan::{Action, Plan, Policy, plan};
use strata::provider::Provider;
use structured_merge::extract;
use structured_merge::schema::Schema;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const NAMESPACE: &str = "strata-bench";
const RAW_NAMESPACE: &str = "strata-bench-raw";

#[derive(Parser)]
struct Args {
    /// The cluster to measure on; without it, the one inside the program, served on loopback
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// How many objects
    #[arg(long, default_value_t = 2000)]
    objects: usize,
    /// How often each figure is taken; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Make one plan in this process towards this round of the objects, and print the most memory it took
    #[arg(long, hide = true)]
    plan_once: Option<u32>,
    /// What cargo gives every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let runtime = Runtime::new().unwrap();
    if let (Some(round), Some(kubeconfig)) = (args.plan_once, &args.kubeconfig) {
        let client = runtime.block_on(connect(kubeconfig));
        let plan = runtime.block_on(planned(&client, &objects::desired(NAMESPACE, args.objects, round)));
        println!("{} {}", plan.summary.changes(), peak_memory());
        return;
    }
    let embedded = args.kubeconfig.is_none().then(served::Embedded::start);
    let kubeconfig = args.kubeconfig.clone().unwrap_or_else(|| embedded.as_ref().expect("it was started").kubeconfig());
    runtime.block_on(measure(&args, &kubeconfig));
}

async fn measure(args: &Args, kubeconfig: &Path) {
    let client = connect(kubeconfig).await;
    raw::delete_namespace(&client, NAMESPACE).await;
    raw::delete_namespace(&client, RAW_NAMESPACE).await;
    let count = args.objects;
    let first = objects::desired(NAMESPACE, count, 1);
    let second = objects::desired(NAMESPACE, count, 2);

    // Both begin with an empty namespace, so that each creates its objects.
    let up = bring_up(&client, &first).await;
    let raw_up = raw_up(&client, count).await;

    let changed: Vec<Value> = second.resources.iter().skip(1).map(|resource| resource.manifest.clone()).collect();
    let mut figures = Figures::default();
    for _ in 0..args.rounds {
        figures.take("lists", async || drop(raw::lists(&client, NAMESPACE).await)).await;
        figures
            .take("plan, nothing changed", async || {
                let plan = planned(&client, &first).await;
                assert!(plan.is_empty(), "{:?}", plan.summary);
            })
            .await;
        figures.take("dry runs", async || raw::apply(&client, &changed, true).await).await;
        figures
            .take("plan, everything changed", async || {
                let plan = planned(&client, &second).await;
                assert_eq!(plan.summary.update, count, "{:?}", plan.summary);
            })
            .await;
    }
    let dir = tempfile::tempdir().unwrap();
    let owned = owned(&client).await;
    let kubectl = raw::kubectl_diff(kubeconfig, &owned, dir.path());
    let [same, other] = [1, 2].map(|round| memory(kubeconfig, count, round));

    let [lists, unchanged, dry_runs, all_changed] =
        ["lists", "plan, nothing changed", "dry runs", "plan, everything changed"].map(|name| figures.median(name));
    println!("{count} objects, medians of {} rounds", args.rounds);
    println!("| what | seconds | ratio | goal |\n|---|---|---|---|");
    row("four LISTs at once, raw", lists, None);
    row("plan where nothing changed", unchanged, Some((unchanged, lists, "LISTs", "at most 2.5")));
    if let Some(kubectl) = kubectl {
        row("kubectl diff --server-side", kubectl, Some((kubectl, unchanged, "such plans", "at least 30")));
    }
    row("dry run of each object, raw", dry_runs, None);
    row("plan where everything changed", all_changed, Some((all_changed, dry_runs, "dry runs", "at most 1.3")));
    row("each object created by a patch, raw", raw_up, None);
    row("up of the same, readiness aside", up, Some((up, raw_up, "patches", "at most 1.3")));
    println!("| memory of a plan where nothing changed | {} MB | | 120 MB at 2,000 objects |", same / 1000);
    println!("| memory of a plan where everything changed | {} MB | | 120 MB at 2,000 objects |", other / 1000);
    raw::delete_namespace(&client, NAMESPACE).await;
    raw::delete_namespace(&client, RAW_NAMESPACE).await;
}

fn row(what: &str, took: Duration, ratio: Option<(Duration, Duration, &str, &str)>) {
    let (ratio, goal) = match ratio {
        Some((one, other, of, goal)) => (format!("{:.2} {of}", one.as_secs_f64() / other.as_secs_f64()), goal),
        None => (String::new(), ""),
    };
    println!("| {what} | {:.3} | {ratio} | {goal} |", took.as_secs_f64());
}

/// How long each thing took, every time.
#[derive(Default)]
struct Figures(Vec<(&'static str, Duration)>);

impl Figures {
    async fn take(&mut self, name: &'static str, work: impl AsyncFnOnce()) {
        let began = Instant::now();
        work().await;
        self.0.push((name, began.elapsed()));
    }

    fn median(&self, name: &str) -> Duration {
        let mut all: Vec<Duration> = self.0.iter().filter(|(of, _)| *of == name).map(|(_, took)| *took).collect();
        all.sort();
        all[all.len() / 2]
    }
}

async fn connect(kubeconfig: &Path) -> kube::Client {
    // The program's own way to a cluster, so that both sides of a ratio have the same client.
    let choice = Choice::Kubeconfig(kubeconfig.to_owned(), None);
    Connection::open(&choice, Path::new("unused")).await.unwrap().client
}

/// As in each run of the program, the provider is a new one: discovery is asked again.
fn provider(client: &kube::Client) -> Cluster {
    let settings = Settings {
        name: "live".to_owned(),
        control_namespace: "strata-system".to_owned(),
        guard: None,
        holder: "benchmark".to_owned(),
    };
    Cluster::new(client.clone(), settings)
}

async fn planned(client: &kube::Client, desired: &Desired) -> Plan {
    let snapshot = provider(client).observe(desired, &Look::default()).await.unwrap();
    plan(desired, &snapshot, &Policy::default())
}

/// Carries a plan out, and says how long the objects took from the first request to the last answer.
async fn bring_up(client: &kube::Client, desired: &Desired) -> Duration {
    let provider = provider(client);
    let whole = planned(client, desired).await;
    assert_eq!(whole.summary.create, desired.resources.len(), "{:?}", whole.summary);
    let moments: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let heard = moments.clone();
    let tell = Arc::new(move |event: Event| {
        if let Event::Started { action: Action::Create, .. } | Event::Acknowledged { .. } = event {
            heard.lock().unwrap().push(Instant::now());
        }
    });
    let (_go_on, interrupt) = watch::channel(false);
    let draft = Draft::new(history::Command::Up, desired.clone());
    let outcome = apply(&provider, &whole, &draft, &apply::Settings::default(), tell, interrupt).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:#?}");
    let moments = moments.lock().unwrap();
    moments.last().unwrap().duration_since(moments[0])
}

async fn raw_up(client: &kube::Client, count: usize) -> Duration {
    let desired = objects::desired(RAW_NAMESPACE, count, 1);
    let manifests: Vec<Value> = desired.resources.into_iter().map(|resource| resource.manifest).collect();
    let namespace = http::Request::post("/api/v1/namespaces").body(serde_json::to_vec(&manifests[0]).unwrap()).unwrap();
    client.request::<Value>(namespace).await.unwrap();
    let began = Instant::now();
    raw::apply(client, &manifests[1..], false).await;
    began.elapsed()
}

/// Of each live object just what the stack has applied: what a user would hand to kubectl.
async fn owned(client: &kube::Client) -> Vec<Value> {
    let schema = Schema::kubernetes();
    let mut owned = Vec::new();
    for (of, list) in objects::COLLECTIONS.iter().zip(raw::lists(client, NAMESPACE).await) {
        let (group, version) = of.api_version().split_once('/').unwrap_or(("", of.api_version()));
        let ty = schema.kind(group, version, of.kind).unwrap();
        for item in list["items"].as_array().unwrap() {
            let mut item = item.clone();
            (item["apiVersion"], item["kind"]) = (json!(of.api_version()), json!(of.kind));
            // What a cluster puts into every namespace is nobody's.
            let Some(mut mine) = extract(&ty, &item, "strata-bench", "").unwrap() else { continue };
            for name in ["name", "namespace"] {
                mine["metadata"][name] = item["metadata"][name].clone();
            }
            owned.push(mine);
        }
    }
    owned
}

/// The most memory in kB of a process that plans towards this round of the objects.
fn memory(kubeconfig: &Path, objects: usize, round: u32) -> u64 {
    let out = Command::new(std::env::current_exe().unwrap())
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--objects", &objects.to_string(), "--plan-once", &round.to_string()])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8(out.stdout).unwrap();
    said.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The most memory this process has had, in kB; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
