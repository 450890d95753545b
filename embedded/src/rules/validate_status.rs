//! What the server refuses with 422 in a status that is written: counts below zero, and counts that contradict each
//! other; and what a Service cannot have. Of other kinds nothing is looked at.
//!
//! Source: `Validate…StatusUpdate` of `k8s.io/kubernetes/pkg/apis/apps/validation`.

use serde_json::{Value, json};

use super::validate::not_negative;
use super::{custom, validate_metadata, validate_service};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;

/// What is counted in the status of a kind, and which of that is a part of what.
struct Counts {
    /// No less than zero, in the order in which the server looks at them.
    fields: &'static [&'static str],
    /// No more than `replicas`, in that order too.
    parts: &'static [&'static str],
    /// How the server calls the pods that are ready, of which no more than all can be available.
    ready: &'static str,
}

const DEPLOYMENT: Counts = Counts {
    fields: &[
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ],
    parts: &["updatedReplicas", "readyReplicas", "availableReplicas"],
    ready: "readyReplicas",
};
const REPLICA_SET: Counts = Counts {
    fields: &[
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ],
    parts: &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    ready: "readyReplicas",
};
const STATEFUL_SET: Counts = Counts {
    fields: &[
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ],
    parts: &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
    ready: "status.readyReplicas",
};
const DAEMON_SET: Counts = Counts {
    fields: &[
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ],
    parts: &[],
    ready: "",
};

/// A status that takes the place of another. `causes` holds what was found in the metadata as in that of any kind.
pub(super) fn on_update(resource: &Resource, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if resource.custom.is_some() {
        validate_metadata::on_update(resource, old, new, causes);
        causes.extend(custom::check_status(resource, new));
        return;
    }
    let counts = match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment") => &DEPLOYMENT,
        ("apps", "ReplicaSet") => &REPLICA_SET,
        ("apps", "StatefulSet") => &STATEFUL_SET,
        ("apps", "DaemonSet") => &DAEMON_SET,
        ("", "Service") => {
            validate_metadata::on_update(resource, old, new, causes);
            return validate_service::status(new, causes);
        }
        // Their strategies leave the metadata out.
        ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => return,
        _ => return validate_metadata::on_update(resource, old, new, causes),
    };
    let late = resource.kind == "StatefulSet";
    if !late {
        validate_metadata::on_update(resource, old, new, causes);
    }
    for field in counts.fields {
        not_negative(new, &format!("/status/{field}"), causes);
    }
    let count = |value: &Value, field: &str| object::number(value, &format!("/status/{field}")).unwrap_or(0);
    let refuse = |field: &str, why: &str| Cause::invalid(format!("status.{field}"), &json!(count(new, field)), why);
    for field in counts.parts {
        if count(new, field) > count(new, "replicas") {
            causes.push(refuse(field, "cannot be greater than status.replicas"));
        }
    }
    if !counts.parts.is_empty() && count(new, "availableReplicas") > count(new, "readyReplicas") {
        causes.push(refuse("availableReplicas", &format!("cannot be greater than {}", counts.ready)));
    }
    if late {
        validate_metadata::on_update(resource, old, new, causes);
    }
    if counts.fields.contains(&"collisionCount") && count(new, "collisionCount") < count(old, "collisionCount") {
        causes.push(refuse("collisionCount", "cannot be decremented"));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use serde_json::{Value, json};

    use crate::registry::Registry;

    #[track_caller]
    fn check(kind: &str, old: &Value, new: &Value, expected: &[&str]) {
        let registry = Registry::new(std::iter::empty());
        let resource = registry.of_kind("apps/v1", kind).unwrap();
        let mut causes = Vec::new();
        super::on_update(resource, &json!({"status": old}), &json!({"status": new}), &mut causes);
        let said: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn counts_agree() {
        let none = json!({});
        check("Deployment", &none, &json!({"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}), &[]);
        check(
            "Deployment",
            &none,
            &json!({"replicas": -1, "readyReplicas": 1}),
            &[
                "status.replicas: Invalid value: -1: must be greater than or equal to 0",
                "status.updatedReplicas: Invalid value: 0: cannot be greater than status.replicas",
                "status.readyReplicas: Invalid value: 1: cannot be greater than status.replicas",
                "status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas",
            ],
        );
        check(
            "ReplicaSet",
            &none,
            &json!({"replicas": 2, "availableReplicas": 2}),
            &["status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"],
        );
        check(
            "StatefulSet",
            &json!({"collisionCount": 2}),
            &json!({"replicas": 2, "availableReplicas": 2, "collisionCount": 1}),
            &[
                "status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas",
                "status.collisionCount: Invalid value: 1: cannot be decremented",
            ],
        );
        check(
            "DaemonSet",
            &json!({"collisionCount": 1}),
            &json!({"numberReady": -3}),
            &[
                "status.numberReady: Invalid value: -3: must be greater than or equal to 0",
                "status.collisionCount: Invalid value: 0: cannot be decremented",
            ],
        );
    }
}
