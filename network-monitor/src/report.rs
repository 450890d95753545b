//! What is known of the services, in two forms: JSON with a summary for people and programs, and the text format of
//! Prometheus (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::record::{Known, Record};

/// What is known, with a summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// All services together.
    pub summary: Summary,
    /// Each by itself, in the order of the settings.
    pub services: Vec<Service>,
}

/// All services together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub total: usize,
    /// How many are well.
    pub healthy: usize,
    /// How many are not.
    pub unhealthy: usize,
    /// How many have not been asked yet.
    pub unknown: usize,
    /// When they were asked last, in seconds since 1970 UTC.
    pub checked_at: Option<f64>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// What it is called.
    pub name: String,
    /// What is asked.
    pub url: String,
    /// Whether it is well; nothing before the first check.
    pub healthy: Option<bool>,
    /// How long its last answer took, in milliseconds, where it is well.
    pub latency_ms: Option<f64>,
    /// Why it is not well.
    pub error: Option<String>,
    /// Since when it has been well, or not, in seconds since 1970 UTC.
    pub since: Option<f64>,
    /// How many checks there were.
    pub checks: u64,
    /// How many of them failed.
    pub failures: u64,
}

impl Report {
    /// The report on a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let is = |healthy: Option<bool>| record.services.iter().filter(|known| is_well(known) == healthy).count();
        let summary = Summary {
            total: record.services.len(),
            healthy: is(Some(true)),
            unhealthy: is(Some(false)),
            unknown: is(None),
            checked_at: record.last_round.map(seconds),
        };
        let service = |known: &Known| Service {
            name: known.name.clone(),
            url: known.url.clone(),
            healthy: is_well(known),
            latency_ms: took(known).map(|seconds| seconds * 1000.0),
            error: known.last.as_ref().and_then(|last| last.as_ref().err()).map(ToString::to_string),
            since: known.since.map(seconds),
            checks: known.checks,
            failures: known.failures,
        };
        Self { summary, services: record.services.iter().map(service).collect() }
    }
}

/// The figures of a record for Prometheus. A service that has not been asked yet has none but its counters.
#[must_use]
pub fn exposition(record: &Record) -> String {
    let mut text = String::new();
    let mut figure = |name: &str, kind: &str, help: &str, samples: Vec<(Option<&str>, f64)>| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (target, value) in samples {
            let label = target.map_or(String::new(), |target| format!("{{target=\"{}\"}}", escaped(target)));
            let _ = writeln!(text, "{name}{label} {value}");
        }
    };
    let each = |value: &dyn Fn(&Known) -> Option<f64>| {
        record.services.iter().filter_map(|known| Some((Some(known.name.as_str()), value(known)?))).collect::<Vec<_>>()
    };
    #[allow(clippy::cast_precision_loss, reason = "figures of Prometheus are floating-point numbers")]
    let count = |count: u64| count as f64;
    figure(
        "network_monitor_target_up",
        "gauge",
        "Whether the last check of the service passed.",
        each(&|known| is_well(known).map(|well| f64::from(u8::from(well)))),
    );
    figure(
        "network_monitor_check_duration_seconds",
        "gauge",
        "How long the last check of the service took, where it passed.",
        each(&took),
    );
    figure(
        "network_monitor_target_changed_timestamp_seconds",
        "gauge",
        "Since when the service has been well, or not.",
        each(&|known| known.since.map(seconds)),
    );
    figure(
        "network_monitor_checks_total",
        "counter",
        "How often the service was asked for its health.",
        each(&|known| Some(count(known.checks))),
    );
    figure(
        "network_monitor_check_failures_total",
        "counter",
        "How many of these checks failed.",
        each(&|known| Some(count(known.failures))),
    );
    figure("network_monitor_rounds_total", "counter", "How often all were asked.", vec![(None, count(record.rounds))]);
    let last = record.last_round.map(|at| (None, seconds(at))).into_iter().collect();
    figure("network_monitor_last_round_timestamp_seconds", "gauge", "When all had been asked last.", last);
    text
}

/// Whether a service is well; nothing before the first check.
fn is_well(known: &Known) -> Option<bool> {
    known.last.as_ref().map(Result::is_ok)
}

/// How many seconds the last answer took.
fn took(known: &Known) -> Option<f64> {
    known.last.as_ref()?.as_ref().ok().map(std::time::Duration::as_secs_f64)
}

/// Seconds since 1970 UTC.
fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What may stand between the quotes of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use std::time::Duration;

    use super::*;
    use crate::check::Failure;
    use crate::settings::Settings;

    fn record() -> Record {
        let target = |name: &str, path: &str| format!(r#"{{"name": {name}, "host": "host", "port": 11100{path}}}"#);
        let files = target(r#""files""#, r#", "path": "/health""#);
        let odd = target(r#""o\"d\\d\nx""#, "");
        let text = format!(r#"{{"interval_ms": 15000, "timeout_ms": 2000, "targets": [{files}, {odd}]}}"#);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut record = Record::new(&Settings::parse(&text).unwrap(), at(1_700_000_000));
        record.note(at(1_700_000_015), vec![Err(Failure::Late(2000)), Ok(Duration::from_millis(1))]);
        record.note(at(1_700_000_030), vec![Ok(Duration::from_micros(2500)), Err(Failure::Status(503))]);
        record
    }

    #[test]
    fn people_get_a_summary() {
        let report = serde_json::to_string_pretty(&Report::of(&record())).unwrap();
        assert_eq!(format!("{report}\n"), include_str!("../tests/golden/report.json"));
    }

    #[test]
    fn prometheus_gets_figures() {
        assert_eq!(exposition(&record()), include_str!("../tests/golden/metrics.txt"));
    }

    #[test]
    fn nothing_is_said_of_what_was_not_asked_yet() {
        let text = r#"{"interval_ms": 1, "timeout_ms": 1, "targets": [{"name": "a", "host": "h", "port": 1}]}"#;
        let record = Record::new(&Settings::parse(text).unwrap(), UNIX_EPOCH);
        let summary = Report::of(&record).summary;
        assert_eq!((summary.total, summary.unknown, summary.checked_at), (1, 1, None));
        assert!(!exposition(&record).contains("network_monitor_target_up{"));
    }
}
