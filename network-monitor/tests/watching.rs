//! The monitor against services that are there, on ports of this machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use network_monitor::check::{Failure, check};
use network_monitor::serve::serve;
use network_monitor::settings::{Settings, Target};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(60);

/// A listener on a free port, and the port.
async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A service that is well on `/health`, leads on from `/moved`, and is not well on `/ill`.
async fn service() -> u16 {
    let (listener, port) = listener().await;
    let router = Router::new()
        .route("/health", get(async || "well"))
        .route("/moved", get(async || StatusCode::FOUND))
        .route("/ill", get(async || StatusCode::SERVICE_UNAVAILABLE));
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// A service that says `words` to whoever connects, and closes the connection.
async fn saying(words: &'static str) -> u16 {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(words.as_bytes()).await.unwrap();
        }
    });
    port
}

/// A port on which nobody listens.
async fn closed() -> u16 {
    listener().await.1
}

fn target(port: u16, path: Option<&str>) -> Target {
    Target { name: "a".to_owned(), host: "127.0.0.1".to_owned(), port, path: path.map(str::to_owned) }
}

/// What came of a check, without what the system says in words of its own.
fn said(outcome: Result<Duration, Failure>) -> String {
    outcome.map_or_else(|failure| first(&failure.to_string()).to_owned(), |_| "well".to_owned())
}

fn first(text: &str) -> &str {
    text.split(':').next().unwrap_or_default()
}

#[tokio::test]
async fn services_are_well_or_say_why_not() {
    let (service, closed) = (service().await, closed().await);
    for (port, path, expect) in [
        (service, Some("/health"), "well"),
        (service, Some("/moved"), "well"),
        (service, None, "well"),
        (service, Some("/ill"), "answers with status 503"),
        (service, Some("/nowhere"), "answers with status 404"),
        (closed, Some("/health"), "cannot connect"),
        (closed, None, "cannot connect"),
    ] {
        assert_eq!(said(check(&target(port, path), LONG).await), expect, "{path:?}");
    }
    let garbled = target(saying("no HTTP at all\r\n\r\n").await, Some("/"));
    assert_eq!(said(check(&garbled, LONG).await), "cannot be understood");
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up() {
    // Connections are taken by the system, and nobody ever looks at them.
    let (_listener, port) = listener().await;
    let outcome = check(&target(port, Some("/health")), Duration::from_millis(20)).await;
    assert_eq!(said(outcome), "no answer within 20 ms");
}

/// Status, type and text of what the monitor on `port` answers.
async fn ask(port: u16, path: &str, accept: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: monitor\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), kind.to_owned(), body.to_owned())
}

#[tokio::test]
async fn people_and_prometheus_are_told() {
    let (well, gone) = (service().await, closed().await);
    let text = format!(
        r#"{{"interval_ms": 5, "timeout_ms": 60000, "targets": [
            {{"name": "files", "host": "127.0.0.1", "port": {well}, "path": "/health"}},
            {{"name": "memory", "host": "127.0.0.1", "port": {gone}, "path": "/health"}}
        ]}}"#
    );
    let (listener, port) = listener().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let monitor = serve(Settings::parse(&text).unwrap(), listener, async move { drop(stopped.await) });
    let monitor = tokio::spawn(monitor);

    // Until the first round is over, nothing is known.
    let report = loop {
        let (status, kind, body) = ask(port, "/metrics", "*/*").await;
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        let report: Value = serde_json::from_str(&body).unwrap();
        if report["summary"]["unknown"] == 0 {
            break report;
        }
    };
    let summary = &report["summary"];
    assert_eq!([&summary["total"], &summary["healthy"], &summary["unhealthy"]], [2, 1, 1]);
    assert_eq!(report["services"][0]["healthy"], true);
    assert_eq!(first(report["services"][1]["error"].as_str().unwrap()), "cannot connect");

    let (status, kind, body) = ask(port, "/metrics", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1").await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let up = "network_monitor_target_up{target=\"files\"} 1\nnetwork_monitor_target_up{target=\"memory\"} 0\n";
    assert!(body.contains(up), "{body}");
    assert_eq!(ask(port, "/metrics?format=prometheus", "application/json").await.1, kind);
    assert_eq!(ask(port, "/metrics?format=json", "text/plain").await.1, "application/json");
    assert_eq!(ask(port, "/metrics?format=xml", "*/*").await.0, 400);

    let (status, _, body) = ask(port, "/health", "*/*").await;
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &health["status"], &health["summary"]["total"]), (200, &"ok".into(), &2.into()));

    stop.send(()).unwrap();
    monitor.await.unwrap().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
