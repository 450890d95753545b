//! Watching and answering: rounds of checks in the background, and two paths over HTTP.
//!
//! `/health` tells whether the monitor itself goes on: 200, or 503 once rounds have stopped. That services are not well
//! is no reason to restart it. `/metrics` has the JSON report, or the text for Prometheus: what the query asks for
//! (`?format=json`, `?format=prometheus`), or else the one that the header `Accept` prefers. Where it prefers neither,
//! as curl and browsers do, it is JSON; Prometheus asks for `text/plain`.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;

use crate::check::check;
use crate::record::Record;
use crate::report::{Report, exposition};
use crate::settings::Settings;

/// What the text for Prometheus is called over HTTP.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The record, as rounds write it and requests read it.
type Shared = Arc<RwLock<Record>>;

/// Watches, and answers on `listener`, until `stop` comes to an end.
///
/// # Errors
/// When nothing can be answered any more.
pub async fn serve(settings: Settings, listener: TcpListener, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    let shared: Shared = Arc::new(RwLock::new(Record::new(&settings, SystemTime::now())));
    let answers = axum::serve(listener, router(Arc::clone(&shared)));
    tokio::select! {
        ended = answers => ended,
        () = watch(&settings, &shared) => Ok(()),
        () = stop => Ok(()),
    }
}

/// Asks all targets at once, again and again; a round that takes longer than the interval is followed by the next one
/// a whole interval later.
async fn watch(settings: &Settings, shared: &Shared) {
    let mut rounds = tokio::time::interval(settings.interval());
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let outcomes = join_all(settings.targets.iter().map(|target| check(target, settings.timeout()))).await;
        // A reader that panicked has changed nothing.
        shared.write().unwrap_or_else(PoisonError::into_inner).note(SystemTime::now(), outcomes);
    }
}

/// Both paths.
pub fn router(shared: Arc<RwLock<Record>>) -> Router {
    Router::new().route("/health", get(health)).route("/metrics", get(metrics)).with_state(shared)
}

async fn health(State(shared): State<Shared>) -> Response {
    let record = shared.read().unwrap_or_else(PoisonError::into_inner);
    let summary = Report::of(&record).summary;
    let (status, word) = match record.goes_on(SystemTime::now()) {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
    };
    (status, Json(json!({"status": word, "summary": summary}))).into_response()
}

/// What is asked of `/metrics`.
#[derive(Debug, Deserialize)]
struct Asked {
    format: Option<String>,
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Prometheus,
}

async fn metrics(State(shared): State<Shared>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let form = match asked.format.as_deref() {
        None => preferred(&headers),
        Some("json") => Form::Json,
        Some("prometheus") => Form::Prometheus,
        Some(_) => return (StatusCode::BAD_REQUEST, "`format` is `json` or `prometheus`\n").into_response(),
    };
    let record = shared.read().unwrap_or_else(PoisonError::into_inner);
    match form {
        Form::Json => Json(Report::of(&record)).into_response(),
        Form::Prometheus => ([(CONTENT_TYPE, PROMETHEUS_TEXT)], exposition(&record)).into_response(),
    }
}

/// The form that headers prefer (RFC 9110, 12.5.1): JSON unless plain text is wanted more.
fn preferred(headers: &HeaderMap) -> Form {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = lines.flat_map(|line| line.split(',')).filter_map(range).collect();
    // The most specific range that matches says how much something is wanted.
    let wanted = |kind: &str| {
        let whole = kind.split_once('/').map_or(String::new(), |(whole, _)| format!("{whole}/*"));
        let found = [kind, &whole, "*/*"].into_iter().find_map(|name| ranges.iter().find(|(range, _)| range == name));
        found.map_or(0.0, |(_, weight)| *weight)
    };
    if wanted("text/plain") > wanted("application/json") { Form::Prometheus } else { Form::Json }
}

/// A media range and its weight: `text/plain` and 0.5 of `text/plain;version=0.0.4;q=0.5`.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(Some(1.0), |weight| weight.parse().ok())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[track_caller]
    fn check(accept: &[&str], expect: Form) {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        assert_eq!(preferred(&headers), expect, "{accept:?}");
    }

    #[test]
    fn plain_text_is_for_those_who_want_it_more() {
        check(&[], Form::Json);
        check(&["*/*"], Form::Json);
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Form::Json);
        check(&["application/json"], Form::Json);
        check(&["text/plain;q=0.5, application/json"], Form::Json);
        check(&["text/plain;q=nonsense"], Form::Json);
        check(&["text/plain"], Form::Prometheus);
        check(&["TEXT/*"], Form::Prometheus);
        check(&["application/json;q=0.1", "text/plain;q=0.2"], Form::Prometheus);
        // What Prometheus sends.
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        check(&[prometheus], Form::Prometheus);
    }
}
