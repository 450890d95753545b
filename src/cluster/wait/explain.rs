//! What explains that a wait ended without what it waited for: events, and the last lines that a container wrote.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::super::Cluster;
use super::super::pods::has_failed;
use super::super::request::Call;

/// How long collecting events for a failure may take, and again log lines.
const LIMIT: Duration = Duration::from_secs(5);
/// Last lines of a log that are shown.
const LOG_LINES: &str = "8";

impl Cluster {
    /// Warnings about an object and, where it is a pod, its last log lines, as far as they can be had.
    pub(super) async fn explain(&self, object: &Value, reason: &str) -> Vec<String> {
        let at = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (at("namespace"), at("name"));
        let mut details = self.warnings(namespace, (name, at("uid")), reason).await;
        details.extend(endings(object));
        if object["kind"] == "Pod" {
            let log = timeout(LIMIT, self.last_lines(namespace, name)).await.unwrap_or_default();
            details.extend(log.lines().map(|line| format!("log: {line}")));
        }
        details
    }

    async fn warnings(&self, namespace: &str, (name, uid): (&str, &str), reason: &str) -> Vec<String> {
        let mut details = Vec::new();
        let events = Call::get(format!("/api/v1/namespaces/{namespace}/events"), format!("reading events of {name}"))
            .query("fieldSelector", format!("involvedObject.name={name}"));
        if let Ok(Ok(list)) = timeout(LIMIT, self.requests.ok(&events)).await {
            let about = |event: &&Value| {
                event["type"] != "Normal" && event.pointer("/involvedObject/uid").is_none_or(|of| of == uid)
            };
            let mut warnings: Vec<&Value> = list["items"].as_array().into_iter().flatten().filter(about).collect();
            warnings.sort_by_key(|event| (text(event, "lastTimestamp"), text(event, "message")));
            for event in warnings {
                let told = format!("event {}: {}", text(event, "reason"), text(event, "message"));
                // What was said in the reason needs no second telling; a repeated event none either.
                if !reason.contains(text(event, "message")) && !details.contains(&told) {
                    details.push(told);
                }
            }
        }
        details
    }

    /// The last lines of what the pod wrote before it ended or, where it never did, of what it writes now.
    async fn last_lines(&self, namespace: &str, pod: &str) -> String {
        let before = self.log(namespace, pod, "true").await;
        if before.is_empty() { self.log(namespace, pod, "false").await } else { before }
    }

    async fn log(&self, namespace: &str, pod: &str, previous: &str) -> String {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?tailLines={LOG_LINES}&previous={previous}");
        match http::Request::get(uri).body(Vec::new()) {
            Ok(request) => self.requests.streams().request_text(request).await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

/// How the containers of a pod have ended that were not to be started again.
fn endings(pod: &Value) -> Vec<String> {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let ended = statuses.filter(|_| has_failed(pod)).filter_map(|status| {
        let end = status.pointer("/state/terminated")?;
        let (name, code) = (text(status, "name"), end["exitCode"].as_i64()?);
        Some(format!("container {name} ended with exit code {code} ({})", text(end, "reason")))
    });
    ended.collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
