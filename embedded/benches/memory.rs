//! How much memory objects take, and how much more a list takes that many clients read: `cargo bench -p kube-embedded
//! --bench memory`. Known on Linux alone, where the kernel tells.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot begin measures nothing")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

use axum::Router;
use axum::body::{Body, Bytes};
use futures::future::join_all;
use futures::{StreamExt, stream};
use http::{Request, header};
use http_body_util::BodyExt;
use kube_embedded::{Cluster, Options, Storage};
use serde_json::{Value, json};
use tower::ServiceExt;

const READERS: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if resident("VmRSS:").is_none() {
        println!("the kernel does not tell how much memory a process has");
        return;
    }
    println!(
        "ConfigMaps of 1 KiB | KiB per 1,000 | 1 list, KiB more | {READERS} lists held at once, KiB more | one such list, KiB"
    );
    for count in [1_000, 5_000, 20_000] {
        runtime.block_on(measure(count));
    }
}

async fn measure(count: usize) {
    let options = Options { nodes: Vec::new(), watch_window: 1_000, ..Options::default() };
    let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
    let router = cluster.router();
    let before = resident("VmRSS:").unwrap();
    let writes: Vec<usize> = (0..count).collect();
    let make = |number: usize| {
        let body = json!({"metadata": {"name": format!("m{number}")}, "data": {"k": "v".repeat(1024)}});
        ask(&router, "POST", body)
    };
    stream::iter(writes).for_each_concurrent(256, |number| async move { drop(make(number).await) }).await;
    let filled = resident("VmRSS:").unwrap();
    let one = ask(&router, "GET", Value::Null).await;
    let listed = resident("VmRSS:").unwrap();
    let all = join_all((0..READERS).map(|_| ask(&router, "GET", Value::Null))).await;
    let held = resident("VmRSS:").unwrap();
    let size: usize = one.iter().map(Bytes::len).sum();
    println!(
        "{count} | {} | {} | {} | {}",
        filled.saturating_sub(before) * 1_000 / count as u64,
        listed.saturating_sub(filled),
        held.saturating_sub(listed),
        size / 1024,
    );
    drop((one, all, router));
    cluster.close().await;
}

/// Asks for the ConfigMaps or makes one, and gives back the pieces of the answer.
async fn ask(router: &Router, method: &str, body: Value) -> Vec<Bytes> {
    let request = Request::builder().method(method).uri("/api/v1/namespaces/default/configmaps");
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{method}: {}", response.status());
    let (mut body, mut pieces) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    pieces
}

/// A line of what the kernel says about this process, in KiB.
fn resident(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let found = status.lines().find_map(|text| text.strip_prefix(line))?;
    found.trim().trim_end_matches("kB").trim().parse().ok()
}
