//! When an object of a kind is ready: pure predicates over what its status says.
//!
//! A status of an older generation says nothing. A workload whose size another object decides is ready at that
//! object's floor.

use serde_json::Value;

use crate::observe::{Health, Readiness};

/// How an object made from this manifest is judged; `floor` is the minimum of an autoscaler that owns its size.
pub(crate) fn rule(manifest: &Value, floor: Option<u32>) -> Readiness {
    let replicas = || manifest.pointer("/spec/replicas").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    match manifest["kind"].as_str().unwrap_or_default() {
        "Deployment" | "StatefulSet" => match (floor, replicas()) {
            (Some(floor), _) => Readiness::Available(floor),
            (None, Some(replicas)) => Readiness::Available(replicas),
            (None, None) => Readiness::Available(1),
        },
        "DaemonSet" | "ReplicaSet" => Readiness::RolledOut,
        "CustomResourceDefinition" => Readiness::Condition("Established".to_owned()),
        "Job" => Readiness::Condition("Complete".to_owned()),
        _ => Readiness::Exists,
    }
}

/// How far a live object is by this rule.
pub(crate) fn health(object: &Value, rule: &Readiness) -> Health {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Health::Progressing("being deleted".to_owned());
    }
    match rule {
        Readiness::Exists => existing(object),
        Readiness::Available(floor) => workload(object, Some(u64::from(*floor))),
        Readiness::RolledOut => workload(object, None),
        Readiness::Condition(name) => condition_rule(object, name),
    }
}

/// What a workload is short of that was ready once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Short {
    /// What is missing.
    pub(crate) missing: String,
    /// Whether nothing of it is left that could serve.
    pub(crate) nothing_left: bool,
}

/// What a workload that was ready by this rule is short of now, where it is: pods that are available. How many more it is to
/// have meanwhile, and of which generation its status is, does not matter: those that it had go on.
pub(crate) fn short_of(object: &Value, rule: &Readiness) -> Option<Short> {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Some(Short { missing: "it is being deleted".to_owned(), nothing_left: true });
    }
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let least = match rule {
        Readiness::Exists | Readiness::Condition(_) => 0,
        Readiness::Available(least) => u64::from(*least),
        Readiness::RolledOut => number("/spec/replicas").unwrap_or(1),
    };
    let available = number("/status/availableReplicas").unwrap_or(0);
    (available < least)
        .then(|| Short { missing: format!("{available}/{least} pods available"), nothing_left: available == 0 })
}

fn existing(object: &Value) -> Health {
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" if object.pointer("/status/phase").is_some_and(|phase| phase != "Active") => {
            Health::Progressing("not active yet".to_owned())
        }
        _ => Health::Ready(String::new()),
    }
}

fn condition_rule(object: &Value, name: &str) -> Health {
    if let Some(failed) = condition(object, "Failed").filter(|condition| condition["status"] == "True") {
        return Health::Failed(reason_of(failed));
    }
    if object["kind"] == "Job" && condition(object, name).is_none() {
        let count = |key: &str| object["status"][key].as_u64().unwrap_or(0);
        return Health::Progressing(match count("failed") {
            0 => format!("{} running", count("active")),
            failed => format!("{} running, {failed} failed", count("active")),
        });
    }
    match condition(object, name) {
        Some(condition) if condition["status"] == "True" => Health::Ready(String::new()),
        Some(condition) => Health::Progressing(format!("{name} is not true: {}", reason_of(condition))),
        None => Health::Progressing(format!("{name} is not known yet")),
    }
}

/// `floor` is how many pods have to be available; without one, as many as the workload itself wants.
fn workload(object: &Value, floor: Option<u64>) -> Health {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let generation = number("/metadata/generation").unwrap_or(0);
    if number("/status/observedGeneration").unwrap_or(0) < generation {
        return Health::Progressing("the newest generation is not observed yet".to_owned());
    }
    if let Some(stuck) = condition(object, "Progressing").filter(|condition| condition["status"] == "False") {
        return Health::Failed(format!("the rollout does not progress: {}", reason_of(stuck)));
    }
    let daemon = object["kind"] == "DaemonSet";
    let status = |deployment: &str, daemon_set: &str| {
        number(&format!("/status/{}", if daemon { daemon_set } else { deployment })).unwrap_or(0)
    };
    let wanted = if daemon { status("", "desiredNumberScheduled") } else { number("/spec/replicas").unwrap_or(1) };
    let exists = status("replicas", "currentNumberScheduled");
    // A ReplicaSet has no template history: all its pods are of the newest one.
    let updated =
        if object["kind"] == "ReplicaSet" { exists } else { status("updatedReplicas", "updatedNumberScheduled") };
    let available = status("availableReplicas", "numberAvailable");
    let target = floor.map_or(wanted, |floor| floor.max(wanted));
    if wanted < target {
        return Health::Progressing(format!("{wanted} of at least {target} pods asked for so far"));
    }
    if updated < target {
        return Health::Progressing(format!("{updated}/{target} pods of the newest template"));
    }
    if exists > updated {
        return Health::Progressing(format!("{} pods of an older template left", exists - updated));
    }
    if available < target {
        return Health::Progressing(format!("{available}/{target} pods available"));
    }
    Health::Ready(format!("{available}/{target}"))
}

/// Why a live Job has failed, where it has: it is not tried again by itself.
pub(crate) fn failed_job(object: &Value) -> Option<String> {
    let failed = condition(object, "Failed").filter(|condition| condition["status"] == "True")?;
    (object["kind"] == "Job").then(|| reason_of(failed))
}

/// Why the newest pods of a workload cannot be created, where its status says.
pub(crate) fn refused_pods(workload: &Value) -> Option<String> {
    let refused = condition(workload, "ReplicaFailure").filter(|condition| condition["status"] == "True")?;
    Some(refused["message"].as_str().unwrap_or_default().to_owned())
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.pointer("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == name)
}

fn reason_of(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: u64, observed: u64, updated: u64, total: u64, available: u64) -> Value {
        json!({
            "kind": "Deployment",
            "metadata": {"generation": 2},
            "spec": {"replicas": replicas},
            "status": {
                "observedGeneration": observed, "updatedReplicas": updated,
                "replicas": total, "availableReplicas": available,
            },
        })
    }

    #[track_caller]
    fn check(object: &Value, rule: &Readiness, expect: Health) {
        assert_eq!(health(object, rule), expect);
    }

    #[test]
    fn a_deployment_is_ready_when_its_newest_template_is_available() {
        let rule = Readiness::Available(2);
        let progress = |text: &str| Health::Progressing(text.to_owned());
        check(&deployment(2, 2, 2, 2, 2), &rule, Health::Ready("2/2".to_owned()));
        check(&deployment(2, 1, 2, 2, 2), &rule, progress("the newest generation is not observed yet"));
        check(&deployment(2, 2, 1, 2, 2), &rule, progress("1/2 pods of the newest template"));
        check(&deployment(2, 2, 2, 3, 2), &rule, progress("1 pods of an older template left"));
        check(&deployment(2, 2, 2, 2, 1), &rule, progress("1/2 pods available"));
    }

    #[test]
    fn an_autoscaled_deployment_is_ready_at_the_floor() {
        let rule = Readiness::Available(2);
        check(
            &deployment(1, 2, 1, 1, 1),
            &rule,
            Health::Progressing("1 of at least 2 pods asked for so far".to_owned()),
        );
        check(&deployment(4, 2, 4, 4, 4), &rule, Health::Ready("4/4".to_owned()));
    }

    #[test]
    fn a_deployment_stays_ready_as_long_as_enough_pods_are_available() {
        let rule = Readiness::Available(2);
        let short = |missing: &str, nothing_left| Some(Short { missing: missing.to_owned(), nothing_left });
        assert_eq!(short_of(&deployment(2, 2, 2, 2, 2), &rule), None);
        assert_eq!(short_of(&deployment(5, 1, 2, 2, 2), &rule), None);
        assert_eq!(short_of(&deployment(2, 2, 2, 2, 1), &rule), short("1/2 pods available", false));
        assert_eq!(short_of(&deployment(2, 2, 2, 2, 0), &rule), short("0/2 pods available", true));
        assert_eq!(short_of(&deployment(3, 2, 2, 2, 2), &Readiness::RolledOut), short("2/3 pods available", false));
        let mut going = deployment(2, 2, 2, 2, 2);
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(short_of(&going, &rule), short("it is being deleted", true));
    }

    #[test]
    fn a_rollout_over_its_deadline_has_failed() {
        let mut object = deployment(2, 2, 1, 2, 1);
        object["status"]["conditions"] = json!([
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
        ]);
        let expect = "the rollout does not progress: ProgressDeadlineExceeded: timed out";
        check(&object, &Readiness::Available(2), Health::Failed(expect.to_owned()));
    }

    #[test]
    fn a_daemon_set_wants_as_many_pods_as_nodes() {
        let object = json!({
            "kind": "DaemonSet", "metadata": {"generation": 1},
            "status": {
                "observedGeneration": 1, "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
                "updatedNumberScheduled": 3, "numberAvailable": 3,
            },
        });
        check(&object, &Readiness::RolledOut, Health::Ready("3/3".to_owned()));
    }

    #[test]
    fn conditions_decide_for_the_kinds_that_have_them() {
        let rule = Readiness::Condition("Established".to_owned());
        let with = |status: &str| json!({"status": {"conditions": [{"type": "Established", "status": status, "reason": "R"}]}});
        check(&with("True"), &rule, Health::Ready(String::new()));
        check(&with("False"), &rule, Health::Progressing("Established is not true: R".to_owned()));
        check(&json!({}), &rule, Health::Progressing("Established is not known yet".to_owned()));
    }
}
