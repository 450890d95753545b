//! What each fault looks like to a client, in this process and over a socket, and kube's watchers going through all of
//! them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use http::{Request, header};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::reflector::store;
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use kube_embedded::faults::{Fault, Faults, Injected, On, Verb, serve};
use kube_embedded::{Clock, Cluster, Options, Storage, TestClock};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn clock() -> TestClock {
    TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap())
}

async fn cluster() -> Cluster {
    Cluster::open(Storage::Memory, Options { clock: Arc::new(clock()), ..Options::default() }).await.unwrap()
}

fn map(name: &str, labels: Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap()
}

/// Asks a service for a path, and tells what came: the status, some headers, the body and how that ended.
async fn answer<S, E>(service: S, method: &str, path: &str, body: Body) -> String
where
    S: Service<Request<Body>, Response = http::Response<Body>, Error = E>,
    E: std::fmt::Display,
{
    let request = Request::builder().method(method).uri(path).body(body).unwrap();
    let response = match service.oneshot(request).await {
        Ok(response) => response,
        Err(error) => return format!("error: {error}"),
    };
    let mut told = response.status().as_u16().to_string();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&name) {
            told.push_str(&format!(" {name}={}", value.to_str().unwrap()));
        }
    }
    let mut body = response.into_body();
    let mut text = Vec::new();
    let end = loop {
        match body.frame().await {
            None => break "end",
            Some(Err(_)) => break "broken",
            Some(Ok(frame)) => text.extend_from_slice(&frame.into_data().unwrap()),
        }
    };
    format!("{told}\n{}\n{end}", String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn refusals_are_worded_as_the_server_words_them() {
    let cluster = cluster().await;
    let check = async |fault: Fault, expect: &str| {
        let faults = Faults::seeded(0).with(On::every(), fault);
        let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(cluster.router(), "default"));
        let body = Body::from(json!({"metadata": {"name": "refused"}}).to_string());
        assert_eq!(answer(faults.layer(cluster.router()), "POST", MAPS, body).await, expect, "{fault:?}");
        let injected = Injected { verb: Verb::Create, path: MAPS.to_owned(), fault };
        assert_eq!(faults.injected(), [injected]);
        assert_eq!(maps.get_opt("refused").await.unwrap(), None, "{fault:?}");
    };
    let status = |code: u16, reason: &str, message: &str| {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "code": code});
        if !reason.is_empty() {
            status["reason"] = json!(reason);
        }
        format!("{code} content-type=application/json\n{status}\nend")
    };
    check(
        Fault::TooManyRequests { retry_after: 3 },
        "429 content-type=text/plain; charset=utf-8 retry-after=3\nToo many requests, please try again later.\n\nend",
    )
    .await;
    check(Fault::InternalError, &status(500, "", "etcdserver: leader changed")).await;
    let unavailable = "the server is currently unable to handle the request";
    check(Fault::Unavailable, &status(503, "ServiceUnavailable", unavailable)).await;
    check(Fault::Unauthorized, &status(401, "Unauthorized", "Unauthorized")).await;
    let unknown = "the server rejected our request for an unknown reason";
    check(Fault::BadRequest, &status(400, "BadRequest", unknown)).await;
    check(
        Fault::Forbidden,
        &status(403, "Forbidden", "forbidden: not from here").replace("\"kind\"", "\"details\":{},\"kind\""),
    )
    .await;
    let page = "<!doctype html>\n<title>Sign in</title>\n<p>Sign in to go on.</p>\n";
    check(Fault::HtmlPage, &format!("200 content-type=text/html; charset=utf-8\n{page}\nend")).await;
    let told = status(503, "ServiceUnavailable", unavailable).replacen("503", "200", 1);
    check(Fault::FailureAsSuccess, &told).await;
    check(Fault::Gone, &status(410, "Expired", "too old resource version: 0 (1)")).await;
    check(Fault::ResetBefore, "error: connection reset").await;
}

#[tokio::test]
async fn what_a_reset_hides_has_been_done() {
    let cluster = cluster().await;
    let faults = Faults::seeded(0).with(On::every().verb(Verb::Create), Fault::ResetAfter);
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(faults.layer(cluster.router()), "default"));
    maps.create(&PostParams::default(), &map("m", json!({}))).await.unwrap_err();
    assert_eq!(maps.get("m").await.unwrap().name_any(), "m");
}

#[tokio::test]
async fn bodies_are_cut_emptied_and_broken() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = Api::namespaced(Client::new(cluster.router(), "default"), "kube-system");
    maps.create(&PostParams::default(), &map("m", json!({"a": "b"}))).await.unwrap();
    let path = "/api/v1/configmaps?labelSelector=a=b&limit=1";
    let whole = answer(cluster.router(), "GET", path, Body::empty()).await;
    let (head, rest) = whole.split_once('\n').unwrap();
    let body = rest.strip_suffix("\nend").unwrap();
    let half = &body[..body.len() / 2];
    let mut list: Value = serde_json::from_str(body).unwrap();
    list["items"] = json!([]);

    let check = async |fault: Fault, path: &str, expect: String| {
        let faults = Faults::seeded(0).with(On::every(), fault);
        let found = answer(faults.layer(cluster.router()), "GET", path, Body::empty()).await;
        assert_eq!(found, expect, "{fault:?}");
    };
    check(Fault::BrokenBody, path, format!("{head}\n{half}\nbroken")).await;
    check(Fault::ShortBody, path, format!("{head}\n{half}\nend")).await;
    check(Fault::EmptyList, path, format!("{head}\n{list}\nend")).await;
    let one = answer(cluster.router(), "GET", "/api/v1/namespaces/default", Body::empty()).await;
    check(Fault::EmptyList, "/api/v1/namespaces/default", one).await;
    check(Fault::WatchEnds { after: 0 }, path, whole.clone()).await;
    list["items"] = Value::Null;
    check(Fault::NullItems, path, format!("{head}\n{list}\nend")).await;
    list["items"] = serde_json::from_str::<Value>(body).unwrap()["items"].take();
    list.as_object_mut().unwrap().remove("metadata");
    check(Fault::NoMetadata, path, format!("{head}\n{list}\nend")).await;
    let html = head.replace("application/json", "text/html; charset=utf-8");
    check(Fault::WrongContentType, path, format!("{html}\n{body}\nend")).await;

    let watch = "/api/v1/configmaps?watch=1&labelSelector=a=b&resourceVersion=0";
    let event = json!({"type": "ADDED", "object": maps.get("m").await.unwrap()});
    let head = "200 content-type=application/json";
    let check_watch = async |fault: Fault, expect: &str| {
        let faults = Faults::seeded(0).with(On::every(), fault);
        let found = answer(faults.layer(cluster.router()), "GET", watch, Body::empty()).await;
        let (found_head, rest) = found.split_once('\n').unwrap();
        let (events, end) = rest.rsplit_once('\n').unwrap();
        let told = match serde_json::from_str::<Value>(events) {
            Ok(found) if found == event => "the event",
            _ if events.is_empty() => "nothing",
            Err(_) if events.starts_with('{') => "a piece",
            other => panic!("{other:?}"),
        };
        assert_eq!((found_head, format!("{told}, {end}").as_str()), (head, expect), "{fault:?}");
    };
    check_watch(Fault::WatchEnds { after: 0 }, "nothing, end").await;
    check_watch(Fault::WatchEnds { after: 1 }, "the event, end").await;
    check_watch(Fault::ShortBody, "a piece, end").await;
    check_watch(Fault::BrokenBody, "a piece, broken").await;
    let gone = "{\"object\":{\"apiVersion\":\"v1\",\"code\":410,\"kind\":\"Status\",\"message\":\"too old resource version: 0 (1)\",\"metadata\":{},\"reason\":\"Expired\",\"status\":\"Failure\"},\"type\":\"ERROR\"}\n";
    check(Fault::Gone, watch, format!("{head}\n{gone}\nend")).await;
}

#[tokio::test]
async fn discovery_says_of_one_group_that_it_is_stale() {
    let cluster = cluster().await;
    let faults = Faults::seeded(0).with(On::every(), Fault::StaleGroup("apps"));
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = Request::get("/apis").header(header::ACCEPT, accept).body(Body::empty()).unwrap();
    let response = faults.layer(cluster.router()).oneshot(request).await.unwrap();
    let list: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let stale = |group: &&Value| group["versions"].as_array().unwrap().iter().any(|one| one["freshness"] == "Stale");
    let names = |found: Vec<&Value>| found.iter().map(|one| one["metadata"]["name"].clone()).collect::<Vec<_>>();
    let groups = list["items"].as_array().unwrap();
    assert_eq!(names(groups.iter().filter(stale).collect()), [json!("apps")]);
    assert!(groups.len() > 5, "{list:#}");
}

#[tokio::test]
async fn latency_adds_up_on_the_clock_that_was_given_and_other_faults_come_after_it() {
    let (cluster, clock) = (cluster().await, clock());
    let faults = Faults::seeded(0)
        .on_clock(Arc::new(clock.clone()))
        .with(On::every(), Fault::Latency(Duration::from_secs(40)))
        .with(On::every().resource("/version").nth(2), Fault::Unavailable)
        .with(On::every().verb(Verb::Get), Fault::Latency(Duration::from_secs(2)));
    let began = clock.now();
    let mut codes = Vec::new();
    for _ in 0..3 {
        let told = answer(faults.layer(cluster.router()), "GET", "/version", Body::empty()).await;
        codes.push(told.split(' ').next().unwrap().to_owned());
    }
    assert_eq!((codes.join(" ").as_str(), clock.now().duration_since(began).as_secs()), ("200 503 200", 126));
    faults.stop();
    answer(faults.layer(cluster.router()), "GET", "/version", Body::empty()).await;
    assert_eq!(clock.now().duration_since(began).as_secs(), 126);
}

/// The codes of so many requests for each of these paths, asked in turn (`true`) or one path after the other.
async fn codes(cluster: &Cluster, seed: u64, paths: &[&str], in_turn: bool) -> BTreeMap<String, String> {
    let faults = Faults::seeded(seed).with(On::every().chance(0.4), Fault::InternalError);
    let mut order: Vec<&str> = paths.iter().flat_map(|path| [*path; 12]).collect();
    if in_turn {
        order = [paths; 12].concat();
    }
    let mut codes: BTreeMap<String, String> = BTreeMap::new();
    for path in order {
        let told = answer(faults.layer(cluster.router()), "GET", path, Body::empty()).await;
        codes.entry(path.to_owned()).or_default().push(if told.starts_with("200") { '.' } else { 'x' });
    }
    codes
}

#[tokio::test]
async fn chance_depends_on_the_seed_and_not_on_what_else_is_asked() {
    let cluster = cluster().await;
    let paths = ["/version", "/api/v1/nodes", "/api/v1/pods"];
    let found = codes(&cluster, 1, &paths, false).await;
    assert_eq!(found, codes(&cluster, 1, &paths, true).await);
    assert_ne!(found, codes(&cluster, 2, &paths, true).await);
    assert!(found.values().all(|codes| codes.contains('.') && codes.contains('x')), "{found:?}");
}

/// Serves the cluster with its faults on a socket, for as long as the future given back is kept.
async fn served(cluster: &Cluster, faults: &Faults) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = faults.layer(cluster.router());
    let task = tokio::spawn(async move { serve(listener, service, std::future::pending()).await.unwrap() });
    (address, task)
}

/// What a plain socket reads after it has sent a request: the answer's first line, and how the reading ended.
fn over_a_socket(address: SocketAddr, path: &str) -> (String, Result<(), ErrorKind>) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut read = Vec::new();
    let end = stream.read_to_end(&mut read).map(drop).map_err(|error| error.kind());
    let text = String::from_utf8(read).unwrap();
    (text.lines().next().unwrap_or_default().to_owned(), end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_over_a_socket_is_one_of_the_connection() {
    let cluster = cluster().await;
    let faults = Faults::seeded(0)
        .with(On::every().resource("/version").nth(2), Fault::ResetBefore)
        .with(On::every().resource("nodes"), Fault::ResetAfter);
    let (address, task) = served(&cluster, &faults).await;
    let check = async |path: &'static str, expect: (&str, Result<(), ErrorKind>)| {
        let (line, end) = tokio::task::spawn_blocking(move || over_a_socket(address, path)).await.unwrap();
        assert_eq!((line.as_str(), end), expect, "{path}");
    };
    check("/version", ("HTTP/1.1 200 OK", Ok(()))).await;
    check("/version", ("", Err(ErrorKind::ConnectionReset))).await;
    check("/api/v1/nodes", ("", Err(ErrorKind::ConnectionReset))).await;
    check("/version", ("HTTP/1.1 200 OK", Ok(()))).await;
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubes_client_meets_the_same_faults_over_a_socket() {
    let cluster = cluster().await;
    let faults = Faults::seeded(0)
        .with(On::every().verb(Verb::Create).nth(1), Fault::ResetAfter)
        .with(On::every().verb(Verb::List).nth(1), Fault::BrokenBody)
        .with(On::every().verb(Verb::List).nth(2), Fault::EmptyList);
    let (address, task) = served(&cluster, &faults).await;
    let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).unwrap());
    maps.create(&PostParams::default(), &map("m", json!({}))).await.unwrap_err();
    maps.list(&ListParams::default()).await.unwrap_err();
    let count = async || maps.list(&ListParams::default()).await.unwrap().items.len();
    assert_eq!((count().await, count().await > 0), (0, true));
    assert_eq!(maps.get("m").await.unwrap().name_any(), "m");
    task.abort();
}

#[tokio::test]
async fn a_list_that_came_empty_is_believed_until_the_next_one() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = Api::namespaced(Client::new(cluster.router(), "default"), "kube-system");
    maps.create(&PostParams::default(), &map("m", json!({}))).await.unwrap();
    let faults = Faults::seeded(0)
        .with(On::every().verb(Verb::List).nth(1), Fault::EmptyList)
        .with(On::every().verb(Verb::Watch).nth(2), Fault::Gone)
        .with(On::every().verb(Verb::Watch).nth(1), Fault::WatchEnds { after: 0 });
    let client = Client::new(faults.layer(cluster.router()), "default");
    let config = watcher::Config::default().fields("metadata.name=m");
    let mut events = pin!(watcher(Api::<ConfigMap>::namespaced(client, "kube-system"), config));
    let mut told = Vec::new();
    while told.len() < 6 {
        told.push(match events.next().await.unwrap() {
            Ok(event) => event.to_string(),
            Err(error) => error.to_string(),
        });
    }
    let version = maps.get("m").await.unwrap().resource_version().unwrap().parse::<u64>().unwrap();
    let gone = format!(
        "error returned by apiserver during watch: too old resource version: {version} ({}): Expired",
        version + 1
    );
    assert_eq!(told, ["Init", "InitDone", &gone, "Init", "InitApply(m)", "InitDone"]);
}

#[tokio::test]
async fn a_condition_is_awaited_through_watches_that_end() {
    let cluster = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(cluster.router(), "default"));
    let faults = Faults::seeded(0)
        .with(On::every().verb(Verb::Watch).nth(2), Fault::ShortBody)
        .with(On::every().verb(Verb::Watch).at_most(4), Fault::WatchEnds { after: 0 });
    let watched = Api::default_namespaced(Client::new(faults.layer(cluster.router()), "default"));
    let has_data = |object: Option<&ConfigMap>| object.is_some_and(|map| map.data.is_some());
    let write = async {
        maps.create(&PostParams::default(), &map("m", json!({}))).await.unwrap();
        maps.patch("m", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "v"}}))).await.unwrap();
    };
    let (found, ()) = futures::join!(await_condition(watched, "m", has_data), write);
    assert_eq!(found.unwrap().unwrap().data.unwrap()["k"], "v");
}

/// Names and versions.
fn seen<'a>(maps: impl Iterator<Item = &'a ConfigMap>) -> BTreeMap<String, String> {
    maps.map(|map| (map.name_any(), map.resource_version().unwrap())).collect()
}

/// One step of somebody who changes things: create, change, take out of or into the selection, delete.
async fn write(maps: &Api<ConfigMap>, (action, number): (u8, u8)) {
    let name = format!("m{number}");
    let labels = json!({"metadata": {"labels": {"keep": if action == 2 { "no" } else { "yes" }}}});
    let done = match action {
        0 => maps.create(&PostParams::default(), &map(&name, json!({"keep": "yes"}))).await.map(drop),
        3 => maps.delete(&name, &DeleteParams::default()).await.map(drop),
        _ => maps.patch(&name, &PatchParams::default(), &Patch::Merge(labels)).await.map(drop),
    };
    // What is not there cannot be changed, what is there cannot be made: both are part of the game.
    assert!(matches!(done, Ok(()) | Err(kube::Error::Api(_))), "{done:?}");
    tokio::task::yield_now().await;
}

/// A reflector lists and watches through faults while somebody writes; afterwards, without faults, it has to come to
/// hold what the API lists.
async fn reflect(seed: u64, actions: &[(u8, u8)], config: watcher::Config) {
    let options = Options { clock: Arc::new(clock()), watch_window: 16, ..Options::default() };
    let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(cluster.router(), "default"));
    let watches = || On::every().verb(Verb::Watch);
    let faults = Faults::seeded(seed)
        .with(watches().chance(0.15), Fault::WatchEnds { after: 0 })
        .with(watches().chance(0.15), Fault::WatchEnds { after: 2 })
        .with(watches().chance(0.1), Fault::Stall)
        .with(On::every().chance(0.1), Fault::Gone)
        .with(On::every().chance(0.1), Fault::ShortBody)
        .with(On::every().chance(0.1), Fault::BrokenBody)
        .with(On::every().chance(0.1), Fault::Unavailable)
        .with(On::every().chance(0.05), Fault::Unauthorized)
        .with(On::every().chance(0.1), Fault::ResetBefore)
        .with(On::every().chance(0.1), Fault::ResetAfter);
    let watched: Api<ConfigMap> = Api::default_namespaced(Client::new(faults.layer(cluster.router()), "default"));
    let (reader, writer) = store();
    let mut events = pin!(watcher(watched, config).reflect(writer));
    let act = async {
        for action in actions {
            write(&maps, *action).await;
        }
    };
    let mut act = pin!(act);
    loop {
        tokio::select! {
            () = &mut act => break,
            _ = events.next() => {}
        }
    }
    faults.stop();
    let kept = ListParams::default().labels("keep=yes");
    let wanted = seen(maps.list(&kept).await.unwrap().items.iter());
    while seen(reader.state().iter().map(|map| &**map)) != wanted {
        // Ends with the clock, which the runtime moves on when all wait: a watch that says nothing is given up.
        let event = tokio::time::timeout(Duration::from_secs(3600), events.next()).await;
        assert!(event.is_ok(), "{wanted:?} is never held, but {:?}", seen(reader.state().iter().map(|map| &**map)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_reflector_ends_with_what_the_api_lists(
        seed: u64,
        actions in prop::collection::vec((0_u8..4, 0_u8..6), 1..60),
        streaming: bool,
        page_size in 1_u32..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut config = watcher::Config::default().labels("keep=yes").page_size(page_size);
            if streaming {
                config = config.streaming_lists();
            }
            reflect(seed, &actions, config).await;
        });
    }
}
