//! Levels of pod security, and which of them the labels of a namespace ask for. Knows nothing of pods.

use std::fmt;

use serde_json::Value;

use crate::object;

const PREFIX: &str = "pod-security.kubernetes.io/";

/// How little a pod may do, from everything to little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Level> {
        match text {
            "privileged" => Some(Level::Privileged),
            "baseline" => Some(Level::Baseline),
            "restricted" => Some(Level::Restricted),
            _ => None,
        }
    }
}

/// A level as it was understood in a minor version of Kubernetes 1; none: as it is understood now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grade {
    pub(super) level: Level,
    pub(super) version: Option<u32>,
}

impl Grade {
    /// The minor version whose checks apply.
    pub(super) fn minor(self) -> u32 {
        self.version.unwrap_or(u32::MAX)
    }
}

impl fmt::Display for Grade {
    /// `baseline:latest`, `restricted:v1.30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            None => write!(f, "{level}:latest"),
            Some(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

/// A label that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) why: &'static str,
}

/// What a namespace asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) enforce: Grade,
    pub(super) warn: Grade,
}

impl Policy {
    /// Reads the labels. Where a level cannot be read, the strictest is enforced and none is warned of; where no level
    /// of warnings is named, it is the enforced one.
    pub(super) fn of(namespace: &Value) -> (Policy, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut read = |mode: &str| -> (Option<Result<Level, ()>>, Option<Option<u32>>) {
            let mut fault =
                |label: String, value: &str, why| faults.push(Fault { label, value: value.to_owned(), why });
            let label = format!("{PREFIX}{mode}");
            let level = object::label(namespace, &label).map(|value| {
                Level::parse(value)
                    .ok_or_else(|| fault(label, value, "must be one of privileged, baseline, restricted"))
            });
            let label = format!("{PREFIX}{mode}-version");
            let version = object::label(namespace, &label).map(|value| match version(value) {
                Some(version) => version,
                None => {
                    fault(label, value, "must be \"latest\" or \"v1.x\"");
                    None
                }
            });
            (level, version)
        };
        let (enforce, enforce_version) = read("enforce");
        // Read for its faults.
        let _audit = read("audit");
        let (warn, warn_version) = read("warn");
        let enforced = Grade {
            level: enforce.map_or(Level::Privileged, |level| level.unwrap_or(Level::Restricted)),
            version: enforce_version.flatten(),
        };
        let mut warned =
            Grade { level: warn.and_then(Result::ok).unwrap_or(Level::Privileged), version: warn_version.flatten() };
        if warn.is_none() && enforce.is_some_and(|level| level.is_ok()) && enforced.level > warned.level {
            warned.level = enforced.level;
            if warn_version.is_none() {
                warned.version = enforced.version;
            }
        }
        (Policy { enforce: enforced, warn: warned }, faults)
    }
}

/// `latest` (nothing), or the minor of `v1.x`.
fn version(text: &str) -> Option<Option<u32>> {
    if text == "latest" {
        return Some(None);
    }
    let digits = text.strip_prefix("v1.")?;
    let sound = digits.chars().all(|c| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let minor = digits.parse().ok()?;
    sound.then_some(Some(minor))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(labels: Value, expected: [&str; 2], faults: usize) {
        let labels: serde_json::Map<String, Value> =
            object::entries(&labels, "").map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
        let (policy, found) = Policy::of(&json!({"metadata": {"labels": labels}}));
        assert_eq!([policy.enforce.to_string(), policy.warn.to_string()], expected, "{labels:?}");
        assert_eq!(found.len(), faults, "{labels:?}: {found:?}");
    }

    #[test]
    fn labels() {
        check(json!({}), ["privileged:latest", "privileged:latest"], 0);
        check(json!({"enforce": "baseline"}), ["baseline:latest", "baseline:latest"], 0);
        check(
            json!({"enforce": "restricted", "enforce-version": "v1.20"}),
            ["restricted:v1.20", "restricted:v1.20"],
            0,
        );
        check(json!({"enforce": "baseline", "warn": "restricted"}), ["baseline:latest", "restricted:latest"], 0);
        check(json!({"enforce": "restricted", "warn": "privileged"}), ["restricted:latest", "privileged:latest"], 0);
        check(json!({"enforce": "strict"}), ["restricted:latest", "privileged:latest"], 1);
        check(json!({"warn": "strict", "warn-version": "1.20"}), ["privileged:latest", "privileged:latest"], 2);
        check(json!({"audit": "strict"}), ["privileged:latest", "privileged:latest"], 1);
        check(json!({"enforce": "baseline", "warn-version": "v1.01"}), ["baseline:latest", "baseline:latest"], 1);
    }
}
