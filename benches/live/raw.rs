//! What the cluster itself takes: requests with nothing around them, and the program that everybody has.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use http::{Method, Request, header};
use serde_json::Value;

use super::objects::{COLLECTIONS, Collection};

/// Requests in flight at once: as many as the program has.
const IN_FLIGHT: usize = 16;

fn request(method: Method, path: String, body: &Value) -> Request<Vec<u8>> {
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/apply-patch+yaml")
        .body(body)
        .unwrap()
}

async fn send(client: &kube::Client, request: Request<Vec<u8>>) -> Value {
    client.request(request).await.unwrap()
}

/// The four collections, each in one LIST, all at once.
pub(crate) async fn lists(client: &kube::Client, namespace: &str) -> Vec<Value> {
    let lists = COLLECTIONS.iter().map(|of| send(client, request(Method::GET, of.path(namespace), &Value::Null)));
    futures::future::join_all(lists).await
}

/// Every object sent once by server-side apply, as a dry run or in earnest.
pub(crate) async fn apply(client: &kube::Client, manifests: &[Value], dry: bool) {
    let options = "fieldManager=strata-bench&fieldValidation=Strict&force=true";
    let dry = if dry { "&dryRun=All" } else { "" };
    let requests: Vec<_> = manifests
        .iter()
        .map(|manifest| {
            let namespace = manifest["metadata"]["namespace"].as_str().unwrap_or_default();
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{}/{name}?{options}{dry}", Collection::of(manifest).path(namespace));
            send(client, request(Method::PATCH, path, manifest))
        })
        .collect();
    stream::iter(requests).buffer_unordered(IN_FLIGHT).for_each(async |_| ()).await;
}

/// Deletes a namespace with all that is in it, and waits until it is gone.
pub(crate) async fn delete_namespace(client: &kube::Client, namespace: &str) {
    let path = format!("/api/v1/namespaces/{namespace}");
    let _ = client.request_text(request(Method::DELETE, path.clone(), &Value::Null)).await;
    while client.request_text(request(Method::GET, path.clone(), &Value::Null)).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How long `kubectl diff --server-side` takes over the same objects; `None` where there is no kubectl.
pub(crate) fn kubectl_diff(kubeconfig: &Path, manifests: &[Value], dir: &Path) -> Option<Duration> {
    let file: PathBuf = dir.join("manifests.json");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": manifests});
    serde_json::to_writer(&mut out, &list).unwrap();
    out.flush().unwrap();
    let began = Instant::now();
    let status = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["diff", "--server-side", "--force-conflicts", "--field-manager=strata-bench", "-f"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    // 1 says that there are differences, as `diff` does; anything above that it could not compare.
    assert!(status.code().is_some_and(|code| code <= 1), "kubectl diff: {status}");
    Some(began.elapsed())
}
