//! Reads, lists and watches asked of the router, whole answers compared. What is expected here was answered by
//! kube-apiserver 1.36.2, but for versions, times and uids.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, header};
use http_body_util::BodyExt;
use kube_embedded::{Cluster, Options, Storage, TestClock};
use serde_json::{Value, json};
use tower::ServiceExt;

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

/// A cluster with five ConfigMaps `m0` … `m4` in the namespace `ns` and one in `ns-b`, and what is asked of it.
struct Asker {
    router: Router,
    /// The versions of `m0` … `m4`.
    versions: Vec<u64>,
    /// The last version.
    last: u64,
    _cluster: Cluster,
}

impl Asker {
    async fn new(window: usize) -> Asker {
        let clock = Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()));
        let options = Options { clock, watch_window: window, nodes: Vec::new(), ..Options::default() };
        let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
        let mut asker = Asker { router: cluster.router(), versions: Vec::new(), last: 0, _cluster: cluster };
        for namespace in ["ns", "ns-b"] {
            asker.send("POST", "/api/v1/namespaces", json!({"metadata": {"name": namespace}})).await;
            // Its account and its certificate come a moment later, and would come between what follows.
            let account = format!(
                "/api/v1/namespaces/{namespace}/configmaps?watch=1&fieldSelector=metadata.name=kube-root-ca.crt"
            );
            asker.events(&account, 1).await;
        }
        for number in 0..5 {
            let made = asker.create(&format!("m{number}"), if number % 2 == 0 { "even" } else { "odd" }).await;
            asker.versions.push(version(&made));
        }
        let body = json!({"metadata": {"name": "x", "labels": {"kind": "even"}}});
        asker.last = version(&asker.send("POST", "/api/v1/namespaces/ns-b/configmaps", body).await);
        asker
    }

    async fn create(&self, name: &str, kind: &str) -> Value {
        self.send("POST", MAPS, json!({"metadata": {"name": name, "labels": {"kind": kind}}})).await
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content);
        let response = self.router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    async fn answer(&self, path: &str, accept: &str) -> (u16, Value) {
        let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&text).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.answer(path, "application/json").await
    }

    /// The names and the metadata of a list; a `continue` as what it says.
    async fn list(&self, path: &str) -> (Vec<String>, Value) {
        let (code, mut list) = self.get(path).await;
        assert_eq!(code, 200, "{path}: {list}");
        let names = list["items"].as_array().unwrap().iter();
        let names = names.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        if let Some(token) = list["metadata"].get_mut("continue") {
            let said = URL_SAFE_NO_PAD.decode(token.as_str().unwrap()).unwrap();
            *token = serde_json::from_slice(&said).unwrap();
        }
        (names, list["metadata"].take())
    }

    #[track_caller]
    fn tokens(&self, version: Value, start: &str) -> String {
        token(&json!({"v": "meta.k8s.io/v1", "rv": version, "start": start}))
    }

    /// The first events of a watch: type, name and version.
    async fn events(&self, path: &str, count: usize) -> Vec<Value> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let (mut body, mut events) = (response.into_body(), Vec::new());
        while events.len() < count {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(frame.ends_with(b"\n"), "an event is one line");
            events.push(serde_json::from_slice(&frame).unwrap());
        }
        events
    }

    async fn told(&self, path: &str, expect: &[String]) {
        let told: Vec<String> = self.events(path, expect.len()).await.iter().map(in_short).collect();
        assert_eq!(told, expect, "{path}");
    }
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn token(said: &Value) -> String {
    URL_SAFE_NO_PAD.encode(said.to_string())
}

fn in_short(event: &Value) -> String {
    let metadata = &event["object"]["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = [
        text(&event["type"]),
        text(&metadata["name"]),
        text(&metadata["labels"]["kind"]),
        text(&metadata["resourceVersion"]),
    ];
    parts.join(" ").trim().to_owned()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code});
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    status
}

fn too_large(asked: u64, current: u64) -> Value {
    let mut status =
        status(504, "Timeout", &format!("Timeout: Too large resource version: {asked}, current: {current}"));
    let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    status["details"] = json!({"causes": [cause], "retryAfterSeconds": 1});
    status
}

/// The refusal of options that do not go together: the fields, and what is wrong with each.
fn invalid(causes: &[(&str, &str)]) -> Value {
    let reason = |message: &str| match message.split(':').next() {
        Some("Forbidden") => "FieldValueForbidden",
        _ => "FieldValueNotSupported",
    };
    let listed: Vec<Value> = causes
        .iter()
        .map(|(field, message)| json!({"reason": reason(message), "message": message, "field": field}))
        .collect();
    let texts: Vec<String> = causes.iter().map(|(field, message)| format!("{field}: {message}")).collect();
    let all = if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(", ")) };
    let mut status = status(422, "Invalid", &format!("ListOptions.meta.k8s.io \"\" is invalid: {all}"));
    status["details"] = json!({"group": "meta.k8s.io", "kind": "ListOptions", "causes": listed});
    status
}

const MATCH: &str = "resourceVersionMatch";
const UNLESS_VERSION: (&str, &str) =
    (MATCH, "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
const WHEN_CONTINUED: (&str, &str) = (MATCH, "Forbidden: resourceVersionMatch is forbidden when continue is provided");
const UNKNOWN_MATCH: (&str, &str) =
    (MATCH, "Unsupported value: \"Bogus\": supported values: \"Exact\", \"NotOlderThan\", \"\"");
const NEEDS_NOT_OLDER: (&str, &str) =
    (MATCH, "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
const UNLESS_INITIAL: (&str, &str) =
    (MATCH, "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
const INITIAL_OF_LIST: (&str, &str) = ("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list");

#[tokio::test]
async fn a_list_is_whole_and_in_the_order_of_paths() {
    let asker = Asker::new(100).await;
    let (code, list) = asker.get("/api/v1/configmaps?labelSelector=kind%3Deven").await;
    let item = async |namespace: &str, name: &str| {
        let (_, mut object) = asker.get(&format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).await;
        object.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion"));
        object
    };
    let items = [item("ns-b", "x").await, item("ns", "m0").await, item("ns", "m2").await, item("ns", "m4").await];
    let metadata = json!({"resourceVersion": asker.last.to_string()});
    assert_eq!(
        (code, list),
        (200, json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items}))
    );
    let (_, empty) = asker.get("/api/v1/namespaces/nowhere/configmaps").await;
    assert_eq!(empty, json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": []}));
    let (_, partial) = asker
        .answer(
            &format!("{MAPS}?limit=1&labelSelector=kind%3Dodd"),
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        )
        .await;
    assert_eq!(
        (&partial["kind"], &partial["items"][0]["kind"]),
        (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata"))
    );
}

#[tokio::test]
async fn pages_are_of_one_version() {
    let asker = Asker::new(100).await;
    let (last, third) = (asker.last, asker.versions[2]);
    let check = async |query: &str, names: &str, metadata: Value| {
        let (found, said) = asker.list(&format!("{MAPS}?{query}")).await;
        assert_eq!((found.join(" ").as_str(), said), (names, metadata), "{query}");
    };
    let at = |version: u64| json!({"resourceVersion": version.to_string()});
    let goes_on = |version: u64, start: &str, remaining: Option<u64>| {
        let mut said = at(version);
        said["continue"] = json!({"v": "meta.k8s.io/v1", "rv": version, "start": start});
        if let Some(remaining) = remaining {
            said["remainingItemCount"] = json!(remaining);
        }
        said
    };
    let labelled = "labelSelector=kind";
    check("limit=2", "kube-root-ca.crt m0", goes_on(last, "/m0\0", Some(4))).await;
    check(&format!("{labelled}&limit=2"), "m0 m1", goes_on(last, "/m1\0", None)).await;
    check("limit=2&labelSelector=kind%3Dodd", "m1 m3", goes_on(last, "/m3\0", None)).await;
    check("limit=3&labelSelector=kind%3Deven", "m0 m2 m4", at(last)).await;
    check("limit=1&fieldSelector=metadata.name%3Dm1", "m1", at(last)).await;
    check(&format!("{labelled}&limit=0"), "m0 m1 m2 m3 m4", at(last)).await;
    check(&format!("{labelled}&limit=-1"), "m0 m1 m2 m3 m4", at(last)).await;
    // What may be older comes whole, what has to be exact may not be older.
    check(&format!("{labelled}&limit=2&resourceVersion=0"), "m0 m1 m2 m3 m4", at(last)).await;
    check(&format!("{labelled}&limit=2&resourceVersion={third}"), "m0 m1", goes_on(third, "/m1\0", None)).await;
    check(&format!("{labelled}&resourceVersion={third}"), "m0 m1 m2 m3 m4", at(last)).await;
    let exact = format!("{labelled}&resourceVersion={third}&resourceVersionMatch=Exact");
    check(&exact, "m0 m1 m2", at(third)).await;
    check(&format!("{exact}&limit=2"), "m0 m1", goes_on(third, "/m1\0", None)).await;
    let not_older = format!("{labelled}&limit=2&resourceVersion={third}&resourceVersionMatch=NotOlderThan");
    check(&not_older, "m0 m1", goes_on(last, "/m1\0", None)).await;

    let first = asker.tokens(json!(last), "/m1\0");
    let (deleted, made) = (format!("{MAPS}/m2"), "m33");
    asker.send("DELETE", &deleted, json!({})).await;
    let newest = version(&asker.create(made, "odd").await);
    check(&format!("{labelled}&limit=2&continue={first}"), "m2 m3", goes_on(last, "/m3\0", None)).await;
    check(&format!("{labelled}&limit=3&continue={first}"), "m2 m3 m4", at(last)).await;
    check(&format!("{labelled}&continue={first}&limit=2&resourceVersion=0"), "m2 m3 m4", at(last)).await;
    let newest_from_there = asker.tokens(json!(-1), "/m1\0");
    check(&format!("{labelled}&limit=2&continue={newest_from_there}"), "m3 m33", goes_on(newest, "/m33\0", None)).await;
    check(
        &format!("{labelled}&limit=2&continue={}", asker.tokens(json!(-1), "m1\0")),
        "m3 m33",
        goes_on(newest, "/m33\0", None),
    )
    .await;
    let everywhere = format!("/api/v1/configmaps?{labelled}&limit=1");
    let (names, said) = asker.list(&everywhere).await;
    assert_eq!((names.join(" ").as_str(), said), ("x", goes_on(newest, "/ns-b/x\0", None)));
    let (names, _) = asker.list(&format!("{everywhere}&continue={}", asker.tokens(json!(newest), "/ns-b/x\0"))).await;
    assert_eq!(names, ["m0"]);
}

#[tokio::test]
async fn versions_that_have_been_forgotten_are_gone() {
    let asker = Asker::new(3).await;
    let first = asker.versions[0];
    let mut page = status(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    let (code, mut found) =
        asker.get(&format!("{MAPS}?limit=2&continue={}", asker.tokens(json!(first), "/m1\0"))).await;
    let resume = found["metadata"]["continue"].take();
    page["metadata"] = json!({"continue": null});
    assert_eq!((code, &found), (410, &page));
    let (names, _) = asker.list(&format!("{MAPS}?limit=2&continue={}", resume.as_str().unwrap())).await;
    assert_eq!(names, ["m2", "m3"]);
    let gone = status(410, "Expired", "The resourceVersion for the provided list is too old.");
    assert_eq!(asker.get(&format!("{MAPS}?resourceVersion={first}&resourceVersionMatch=Exact")).await, (410, gone));
    let events = asker.events(&format!("{MAPS}?watch=1&resourceVersion={first}"), 1).await;
    let oldest = asker.versions[2];
    let gone = status(410, "Expired", &format!("too old resource version: {first} ({oldest})"));
    assert_eq!(events, [json!({"type": "ERROR", "object": gone})]);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let asker = Asker::new(100).await;
    let last = asker.last;
    let check = async |query: &str, code: u16, expect: Value| {
        assert_eq!(asker.get(&format!("{MAPS}?{query}")).await, (code, expect), "{query}");
    };
    let token = |said: Value| format!("continue={}", token(&said));
    let wrong =
        |why: &str| status(400, "BadRequest", &format!("invalid continue token: continue key is not valid: {why}"));
    check("continue=!!!", 400, wrong("illegal base64 data at input byte 0")).await;
    check("continue=abc", 400, wrong("invalid character 'i' looking for beginning of value")).await;
    check(&token(json!({})), 400, wrong("server does not recognize this encoded version ")).await;
    check(&token(json!({"v": "x", "rv": 1})), 400, wrong("server does not recognize this encoded version x")).await;
    let no_version = "incorrect encoded start resourceVersion (version meta.k8s.io/v1)";
    check(&token(json!({"v": "meta.k8s.io/v1", "rv": 0, "start": "a"})), 400, wrong(no_version)).await;
    let no_start = "encoded start key empty (version meta.k8s.io/v1)";
    check(&token(json!({"v": "meta.k8s.io/v1", "rv": 3, "start": ""})), 400, wrong(no_start)).await;
    check(&token(json!({"v": "meta.k8s.io/v1", "rv": 3, "start": "../a"})), 400, wrong("../a")).await;
    let sound = format!("continue={}", asker.tokens(json!(last), "/m1\0"));
    let both = status(400, "BadRequest", "specifying resource version is not allowed when using continue");
    check(&format!("{sound}&resourceVersion={last}"), 400, both).await;
    check(&format!("continue={}", asker.tokens(json!(9_999_999), "/m1\0")), 504, too_large(9_999_999, last)).await;
    check("resourceVersion=9999999", 504, too_large(9_999_999, last)).await;
    check("resourceVersion=9999999&resourceVersionMatch=Exact", 504, too_large(9_999_999, last)).await;
    let number =
        |text: &str, why: &str| status(400, "BadRequest", &format!("strconv.ParseInt: parsing \"{text}\": {why}"));
    check("limit=x", 400, number("x", "invalid syntax")).await;
    check("limit=99999999999999999999", 400, number("99999999999999999999", "value out of range")).await;
    check("timeoutSeconds=x", 400, number("x", "invalid syntax")).await;
    for text in ["abc", "-1"] {
        let why = format!(
            "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        );
        check(
            &format!("resourceVersion={text}"),
            400,
            status(400, "BadRequest", &format!("invalid resource version: {why}")),
        )
        .await;
        check(&format!("watch=1&resourceVersion={text}"), 500, status(500, "", &why)).await;
        assert_eq!(asker.get(&format!("{MAPS}/m0?resourceVersion={text}")).await, (500, status(500, "", &why)));
    }
    assert_eq!(asker.get(&format!("{MAPS}/m0?resourceVersion=9999999")).await, (504, too_large(9_999_999, last)));
}

#[tokio::test]
async fn options_that_do_not_go_together_are_refused() {
    let asker = Asker::new(100).await;
    let check = async |query: &str, causes: &[(&str, &str)]| {
        assert_eq!(asker.get(&format!("{MAPS}?{query}")).await, (422, invalid(causes)), "{query}");
    };
    check("resourceVersionMatch=Exact", &[UNLESS_VERSION]).await;
    check("resourceVersionMatch=Bogus", &[UNLESS_VERSION, UNKNOWN_MATCH]).await;
    check("resourceVersionMatch=Bogus&resourceVersion=3", &[UNKNOWN_MATCH]).await;
    check("resourceVersionMatch=Exact&continue=x", &[UNLESS_VERSION, WHEN_CONTINUED]).await;
    let exact_zero = (MATCH, "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    check("resourceVersionMatch=Exact&resourceVersion=0", &[exact_zero]).await;
    check("sendInitialEvents=true", &[INITIAL_OF_LIST]).await;
    check("sendInitialEvents=x&resourceVersionMatch=Bogus&resourceVersion=0", &[UNKNOWN_MATCH, INITIAL_OF_LIST]).await;
    let not_for_watch = |value: &str| format!("Unsupported value: \"{value}\": supported values: \"NotOlderThan\"");
    let (exact, bogus) = (not_for_watch("Exact"), not_for_watch("Bogus"));
    check("watch=1&sendInitialEvents=false", &[NEEDS_NOT_OLDER]).await;
    check("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", &[NEEDS_NOT_OLDER, (MATCH, &exact)]).await;
    check("watch=1&resourceVersionMatch=NotOlderThan", &[UNLESS_INITIAL]).await;
    check("watch=1&resourceVersionMatch=Bogus", &[UNLESS_INITIAL, (MATCH, &bogus)]).await;
    check("watch=1&continue=x", &[WHEN_CONTINUED]).await;
    check("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", &[WHEN_CONTINUED]).await;
}

#[tokio::test]
async fn a_watch_tells_what_comes_into_a_selection_and_what_leaves_it() {
    let asker = Asker::new(100).await;
    let from = asker.last;
    let label = |kind: &str| json!({"metadata": {"labels": {"kind": kind}}});
    let path = |name: &str| format!("{MAPS}/{name}");
    asker.send("PATCH", &path("m0"), label("odd")).await;
    asker.send("PATCH", &path("m1"), json!({"data": {"a": "b"}})).await;
    asker.send("PATCH", &path("m0"), label("even")).await;
    asker.send("DELETE", &path("m0"), json!({})).await;
    asker.create("m9", "even").await;
    let lines = |lines: &[(&str, u64)]| -> Vec<String> {
        lines.iter().map(|(line, after)| format!("{line} {}", from + after)).collect()
    };
    let after = format!("{MAPS}?watch=1&resourceVersion={from}");
    let all = [
        ("MODIFIED m0 odd", 1),
        ("MODIFIED m1 odd", 2),
        ("MODIFIED m0 even", 3),
        ("DELETED m0 even", 4),
        ("ADDED m9 even", 5),
    ];
    asker.told(&after, &lines(&all)).await;
    let even = [("DELETED m0 even", 1), ("ADDED m0 even", 3), ("DELETED m0 even", 4), ("ADDED m9 even", 5)];
    asker.told(&format!("{after}&labelSelector=kind%3Deven"), &lines(&even)).await;
    let odd = [("ADDED m0 odd", 1), ("MODIFIED m1 odd", 2), ("DELETED m0 odd", 3)];
    asker.told(&format!("{after}&labelSelector=kind%3Dodd"), &lines(&odd)).await;
    asker.told(&format!("{after}&fieldSelector=metadata.name%3Dm1"), &lines(&[("MODIFIED m1 odd", 2)])).await;
    // A version that is yet to come is waited for.
    let future = format!("{MAPS}?watch=1&resourceVersion={}", from + 6);
    let (told, ()) = futures::join!(asker.events(&future, 1), async {
        asker.create("n0", "even").await;
        asker.create("n1", "even").await;
    });
    assert_eq!(in_short(&told[0]), format!("ADDED n1 even {}", from + 7));
}

#[tokio::test]
async fn a_watch_begins_with_what_there_is() {
    let asker = Asker::new(100).await;
    let odd = "labelSelector=kind%3Dodd";
    let listed: Vec<String> = [1, 3].map(|number| format!("ADDED m{number} odd {}", asker.versions[number])).into();
    for query in [
        "watch=1",
        "watch",
        "watch=yes",
        "watch=1&resourceVersion=0",
        "watch=1&limit=1",
        "watch=1&sendInitialEvents=x&resourceVersionMatch=NotOlderThan",
    ] {
        asker.told(&format!("{MAPS}?{odd}&{query}"), &listed).await;
    }
    let initial = format!("{MAPS}?{odd}&watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    let events =
        asker.events(&format!("{initial}&allowWatchBookmarks=true&resourceVersion={}", asker.versions[0]), 3).await;
    assert_eq!(events[..2].iter().map(in_short).collect::<Vec<_>>(), listed);
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    let metadata = json!({"resourceVersion": asker.last.to_string(), "annotations": annotations});
    let bookmark = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata});
    assert_eq!(events[2], json!({"type": "BOOKMARK", "object": bookmark}));
    // Not older than a version that is yet to come: nobody waits for it.
    let events = asker.events(&format!("{initial}&resourceVersion=9999999"), 1).await;
    assert_eq!(events, [json!({"type": "ERROR", "object": too_large(9_999_999, asker.last)})]);
    let deployments = "/apis/apps/v1/deployments?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let metadata = json!({"resourceVersion": asker.last.to_string(), "annotations": annotations});
    let template = json!({"metadata": {}, "spec": {"containers": null}});
    let spec = json!({"replicas": 0, "selector": null, "template": template, "strategy": {}});
    let empty =
        json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata, "spec": spec, "status": {}});
    assert_eq!(asker.events(deployments, 1).await, [json!({"type": "BOOKMARK", "object": empty})]);
    // Without the events of what there is, the first is what comes next.
    let silent = format!("{MAPS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
    let (told, _) = futures::join!(asker.events(&silent, 1), asker.create("next", "odd"));
    assert_eq!(in_short(&told[0]), format!("ADDED next odd {}", asker.last + 1));
}

#[tokio::test]
async fn a_watch_ends_when_it_was_told_to_and_is_told_the_version_each_minute() {
    let asker = Asker::new(100).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let request = Request::get(format!(
        "{MAPS}?watch=1&resourceVersion={}&allowWatchBookmarks=true&timeoutSeconds=150",
        asker.last
    ));
    let response = asker.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let bookmark = json!({"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": asker.last.to_string()}}});
    let told: Vec<Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!((told, began.elapsed().as_secs()), (vec![bookmark.clone(), bookmark], 150));
}

#[tokio::test]
async fn one_object_is_read_whatever_a_collection_would_be_asked() {
    let asker = Asker::new(100).await;
    let one = asker.get(&format!("{MAPS}/m3")).await;
    assert_eq!((one.0, &one.1["metadata"]["name"]), (200, &json!("m3")));
    for query in
        ["watch=1", "resourceVersion=0", "limit=x", "resourceVersionMatch=Exact", "fieldSelector=metadata.name%3Dm9"]
    {
        assert_eq!(asker.get(&format!("{MAPS}/m3?{query}")).await, one, "{query}");
    }
    let mut missing = status(404, "NotFound", "configmaps \"nope\" not found");
    missing["details"] = json!({"name": "nope", "kind": "configmaps"});
    assert_eq!(asker.get(&format!("{MAPS}/nope?watch=1")).await, (404, missing));
}
