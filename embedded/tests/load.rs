//! Many objects and many clients at once: everything is answered, correctly, and a list that many read is in memory
//! once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use futures::future::join_all;
use futures::{StreamExt, stream};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kube_embedded::{Cluster, Options, Storage, TestClock};
use serde_json::{Value, json};
use tower::ServiceExt;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn cluster() -> Cluster {
    let clock = Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()));
    let options = Options { clock, nodes: Vec::new(), watch_window: 1_000, ..Options::default() };
    Cluster::open(Storage::Memory, options).await.unwrap()
}

async fn ask(router: &Router, method: &str, path: &str, body: Value) -> (StatusCode, Body) {
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content);
    let response = router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    (response.status(), response.into_body())
}

async fn json_of(body: Body) -> Value {
    serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
}

/// So many ConfigMaps, `m0` and so on.
async fn fill(router: &Router, count: usize) {
    let writes = (0..count).map(|number| async move {
        let body = json!({"metadata": {"name": format!("m{number}")}, "data": {"number": number.to_string()}});
        assert_eq!(ask(router, "POST", MAPS, body).await.0, StatusCode::CREATED);
    });
    stream::iter(writes).buffer_unordered(500).collect::<Vec<()>>().await;
}

/// The pieces a body comes in.
async fn pieces(mut body: Body) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    pieces
}

#[tokio::test]
async fn twenty_thousand_objects_are_listed() {
    let cluster = cluster().await;
    let router = cluster.router();
    fill(&router, 20_000).await;
    a_list_that_many_read_is_in_memory_once(&router).await;
    pages_are_of_one_version(&router, 20_000).await;
}

async fn a_list_that_many_read_is_in_memory_once(router: &Router) {
    const OBJECTS: usize = 5_000;
    const READERS: usize = 20;
    let path = format!("{MAPS}?fieldSelector=metadata.name!%3Dkube-root-ca.crt&limit={OBJECTS}");
    let lists =
        join_all((0..READERS).map(|_| async { pieces(ask(router, "GET", &path, Value::Null).await.1).await })).await;

    // Where each reader's bytes lie: all but the head of a list lie where those of the others do.
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for list in &lists {
        for piece in list {
            *places.entry(piece.as_ptr() as usize).or_default() += piece.len();
        }
    }
    let sent: usize = lists.iter().flatten().map(Bytes::len).sum();
    let held: usize = lists[0].iter().map(Bytes::len).sum();
    let heads: usize = lists.iter().map(|list| list[0].len()).sum();
    let distinct: usize = lists
        .iter()
        .flatten()
        .map(|piece| (piece.as_ptr() as usize, piece.len()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|(_, length)| length)
        .sum();
    assert_eq!(sent, held * READERS);
    assert!(distinct <= held + heads, "{distinct} bytes are held for {READERS} readers of {held}");
    assert_eq!(places.values().filter(|read| **read > 0).count(), OBJECTS + READERS + 2);

    // And the text is a list of them all, each once.
    let list: Value = serde_json::from_slice(&lists[7].concat()).unwrap();
    let names: BTreeSet<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!((list["items"].as_array().unwrap().len(), names.len()), (OBJECTS, OBJECTS));
    // A single object is sent from the same memory.
    let one = pieces(ask(router, "GET", &format!("{MAPS}/m0"), Value::Null).await.1).await;
    let again = pieces(ask(router, "GET", &format!("{MAPS}/m0"), Value::Null).await.1).await;
    assert_eq!((one.len(), one[0].as_ptr()), (1, again[0].as_ptr()));
}

async fn pages_are_of_one_version(router: &Router, objects: usize) {
    let (mut names, mut after, mut versions) = (BTreeSet::new(), String::new(), BTreeSet::new());
    loop {
        let path = format!("{MAPS}?limit=500&continue={after}");
        let list = json_of(ask(router, "GET", &path, Value::Null).await.1).await;
        let items = list["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()));
        versions.insert(list["metadata"]["resourceVersion"].to_string());
        // Whatever is written meanwhile is not in it.
        let late = json!({"metadata": {"name": format!("late-{}", names.len())}});
        assert_eq!(ask(router, "POST", MAPS, late).await.0, StatusCode::CREATED);
        match list["metadata"]["continue"].as_str() {
            Some(token) => {
                let remaining = list["metadata"]["remainingItemCount"].as_u64().unwrap();
                assert_eq!(names.len() + remaining as usize, objects + 1);
                after = token.to_owned();
            }
            None => break,
        }
    }
    assert_eq!((names.len(), versions.len()), (objects + 1, 1));
    assert!(!names.iter().any(|name| name.starts_with("late-")));
}

#[tokio::test]
async fn five_hundred_requests_at_once_are_all_answered() {
    const AT_ONCE: usize = 500;
    let cluster = cluster().await;
    let router = cluster.router();
    fill(&router, AT_ONCE).await;
    // Each changes its own object, all of them one more, and some read meanwhile.
    let counter = json!({"metadata": {"name": "counter"}, "data": {}});
    assert_eq!(ask(&router, "POST", MAPS, counter).await.0, StatusCode::CREATED);
    let request = async |number: usize| {
        let own = format!("{MAPS}/m{number}");
        let counted = json!({"data": {(format!("k{number}")): "1"}});
        let (own, all, read) = futures::join!(
            ask(&router, "PATCH", &own, json!({"data": {"changed": "yes"}})),
            ask(&router, "PATCH", "/api/v1/namespaces/default/configmaps/counter", counted),
            ask(&router, "GET", &own, Value::Null),
        );
        let read = json_of(read.1).await;
        assert_eq!(read["data"]["number"], json!(number.to_string()));
        (own.0, all.0)
    };
    let codes = join_all((0..AT_ONCE).map(request)).await;
    assert_eq!(codes, [(StatusCode::OK, StatusCode::OK); AT_ONCE]);
    let counter = json_of(ask(&router, "GET", &format!("{MAPS}/counter"), Value::Null).await.1).await;
    assert_eq!(counter["data"].as_object().unwrap().len(), AT_ONCE);
    let (mut changed, mut versions) = (0, BTreeSet::new());
    let list = json_of(ask(&router, "GET", MAPS, Value::Null).await.1).await;
    for item in list["items"].as_array().unwrap() {
        changed += usize::from(item["data"]["changed"] == "yes");
        assert!(versions.insert(item["metadata"]["resourceVersion"].to_string()), "two objects have one version");
    }
    assert_eq!(changed, AT_ONCE);
}

#[tokio::test]
async fn a_change_is_told_to_every_watcher_once_and_in_order() {
    const WATCHERS: usize = 200;
    const CHANGES: usize = 20;
    let cluster = cluster().await;
    let router = cluster.router();
    assert_eq!(ask(&router, "POST", MAPS, json!({"metadata": {"name": "m"}})).await.0, StatusCode::CREATED);
    let from = json_of(ask(&router, "GET", MAPS, Value::Null).await.1).await["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{MAPS}?watch=1&resourceVersion={from}");
    let watch = async || {
        let mut body = ask(&router, "GET", &path, Value::Null).await.1;
        let mut told = Vec::new();
        while told.len() < CHANGES {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            let event: Value = serde_json::from_slice(&frame).unwrap();
            told.push(event["object"]["data"]["at"].as_str().unwrap().parse::<usize>().unwrap());
        }
        told
    };
    let change = async {
        for at in 0..CHANGES {
            let body = json!({"data": {"at": at.to_string()}});
            assert_eq!(ask(&router, "PATCH", &format!("{MAPS}/m"), body).await.0, StatusCode::OK);
        }
    };
    let (told, ()) = futures::join!(join_all((0..WATCHERS).map(|_| watch())), change);
    let order: Vec<usize> = (0..CHANGES).collect();
    assert!(told.iter().all(|told| *told == order), "{told:?}");
}
