//! How long a cluster takes to answer, in this process and over HTTP on loopback: `cargo bench -p kube-embedded`. What
//! came out is in docs/benchmarks.md.
//!
//! They are figures and no tests: a slow machine is no broken program.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to measure")]

use std::cell::Cell;
use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use futures::future::join_all;
use futures::{AsyncBufReadExt, StreamExt, stream};
use http::Request;
use kube::{Client, Config};
use kube_embedded::{Cluster, Options, Storage};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const LISTED: usize = 5_000;
const WATCHERS: usize = 100;
const AT_ONCE: usize = 500;
const STORED: usize = 20_000;
/// What the next change is told from the last one by.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Runtime::new().unwrap();
    let store = tempfile::tempdir().unwrap();
    for durable in [false, true] {
        let storage = match durable {
            false => Storage::Memory,
            true => Storage::File(store.path().join("cluster.redb")),
        };
        let cluster = runtime.block_on(Cluster::open(storage, options())).unwrap();
        let within = runtime.block_on(async { Client::new(cluster.router(), "default") });
        let name = if durable { "in process, on disk" } else { "in process" };
        requests(&mut criterion, &runtime, name, &within);
        if !durable {
            many(&mut criterion, &runtime, name, &within);
            let (cluster, over) = runtime.block_on(served(cluster));
            requests(&mut criterion, &runtime, "over loopback", &over);
            many(&mut criterion, &runtime, "over loopback", &over);
            drop(cluster);
        }
    }
    open(&mut criterion, &runtime, store.path());
    criterion.final_summary();
}

/// No nodes: what is measured is the API, and pods that are scheduled would be measured with it.
fn options() -> Options {
    Options { nodes: Vec::new(), ..Options::default() }
}

async fn served(cluster: Cluster) -> (tokio::task::JoinHandle<()>, Client) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    config.auth_info = serde_json::from_value(json!({"token": "secret"})).unwrap();
    let task = tokio::spawn(async move { cluster.serve(listener, "secret", pending()).await.unwrap() });
    (task, Client::try_from(config).unwrap())
}

async fn ask(client: &Client, method: &str, path: &str, body: Value) -> String {
    let content = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header("content-type", content);
    client.request_text(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap()
}

fn deployment(name: &str, image: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": name});
    let environment: Vec<Value> =
        (0..12).map(|at| json!({"name": format!("SETTING_{at}"), "value": "value"})).collect();
    let probe = json!({"httpGet": {"path": "/health", "port": "http"}});
    let container = json!({
        "name": "server", "image": image, "env": environment, "ports": [{"name": "http", "containerPort": 9000}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}, "readinessProbe": probe, "livenessProbe": probe,
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    })
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v".repeat(800)}})
}

async fn fill(client: &Client, count: usize, path: &str, object: impl Fn(usize) -> Value) {
    let writes: Vec<Value> = (0..count).map(object).collect();
    stream::iter(writes)
        .for_each_concurrent(256, |object| async move { drop(ask(client, "POST", path, object).await) })
        .await;
}

/// One request at a time.
fn requests(criterion: &mut Criterion, runtime: &Runtime, name: &str, client: &Client) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(30).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    let made = Cell::new(0_u64);
    let place = name.replace([' ', ','], "");
    group.bench_function("create", |bench| {
        bench.iter(|| {
            made.set(made.get() + 1);
            runtime.block_on(ask(client, "POST", MAPS, map(&format!("{place}-{}", made.get()))))
        });
    });
    let path = format!("{DEPLOYMENTS}/{place}?fieldManager=bench");
    runtime.block_on(ask(client, "PATCH", &path, deployment(&place, "server:1")));
    group.bench_function("get", |bench| {
        bench.iter(|| runtime.block_on(ask(client, "GET", &format!("{DEPLOYMENTS}/{place}"), Value::Null)));
    });
    group.bench_function("apply, nothing changes", |bench| {
        bench.iter(|| runtime.block_on(ask(client, "PATCH", &path, deployment(&place, "server:1"))));
    });
    group.bench_function("apply, a change", |bench| {
        bench.iter(|| {
            made.set(made.get() + 1);
            runtime.block_on(ask(client, "PATCH", &path, deployment(&place, &format!("server:{}", made.get()))))
        });
    });
    group.finish();
}

/// Many objects, or many requests.
fn many(criterion: &mut Criterion, runtime: &Runtime, name: &str, client: &Client) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_secs(1));
    let place = name.replace([' ', ','], "");
    let namespace = format!("{place}-many");
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    runtime.block_on(async {
        ask(client, "POST", "/api/v1/namespaces", json!({"metadata": {"name": namespace}})).await;
        fill(client, LISTED, &maps, |number| map(&format!("m{number}"))).await;
    });
    group.throughput(Throughput::Elements(LISTED as u64));
    group.bench_function(format!("list {LISTED}"), |bench| {
        bench.iter(|| runtime.block_on(ask(client, "GET", &maps, Value::Null)));
    });
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    group.bench_function(format!("{AT_ONCE} gets at once"), |bench| {
        let paths: Vec<String> = (0..AT_ONCE).map(|number| format!("{maps}/m{number}")).collect();
        bench.iter(|| runtime.block_on(join_all(paths.iter().map(|path| ask(client, "GET", path, Value::Null)))));
    });
    let made = Cell::new(0);
    group.bench_function(format!("{AT_ONCE} creates at once"), |bench| {
        bench.iter(|| {
            let from = made.replace(made.get() + AT_ONCE);
            let bodies =
                (from..from + AT_ONCE).map(|number| ask(client, "POST", MAPS, map(&format!("{place}-once-{number}"))));
            runtime.block_on(join_all(bodies))
        });
    });
    group.throughput(Throughput::Elements(WATCHERS as u64));
    group.bench_function(format!("a change told to {WATCHERS} watchers"), |bench| {
        fan_out(bench, runtime, client, &maps)
    });
    group.finish();
}

fn fan_out(bench: &mut criterion::Bencher<'_>, runtime: &Runtime, client: &Client, maps: &str) {
    let path = format!("{maps}?watch=1&fieldSelector=metadata.name%3Dwatched&timeoutSeconds=3000");
    let changed = |at: u64| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "watched"}, "data": {"at": at.to_string()}});
    let one = format!("{maps}/watched?fieldManager=bench");
    let mut watchers = runtime.block_on(async {
        ask(client, "PATCH", &one, changed(0)).await;
        let open = || async {
            let request = Request::get(&path).body(Vec::new()).unwrap();
            let mut lines = Box::pin(client.request_stream(request).await.unwrap()).lines();
            lines.next().await.unwrap().unwrap();
            lines
        };
        join_all((0..WATCHERS).map(|_| open())).await
    });
    // No two rounds write the same, also where this is called again.
    let mut at = NEXT.fetch_add(1 << 32, Ordering::Relaxed);
    bench.iter(|| {
        at += 1;
        runtime.block_on(async {
            ask(client, "PATCH", &one, changed(at)).await;
            join_all(watchers.iter_mut().map(|lines| async move { lines.next().await.unwrap().unwrap() })).await
        })
    });
}

/// Opening a store: verified from end to end, and read.
fn open(criterion: &mut Criterion, runtime: &Runtime, directory: &Path) {
    let path = directory.join("many.redb");
    let opened = || async { Cluster::open(Storage::File(path.clone()), options()).await.unwrap() };
    runtime.block_on(async {
        let cluster = opened().await;
        let client = Client::new(cluster.router(), "default");
        fill(&client, STORED, MAPS, |number| map(&format!("m{number}"))).await;
        drop(client);
        cluster.close().await;
    });
    let mut group = criterion.benchmark_group("open");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(STORED as u64));
    group.bench_function(format!("a store with {STORED} objects"), |bench| {
        bench.iter(|| runtime.block_on(async { opened().await.close().await }));
    });
    group.finish();
}
