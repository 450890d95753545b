//! Fields that an API server changes on no object once it exists, as far as they are known without asking it. The list
//! serves where a change is predicted; a server that is asked says so itself.
//!
//! It is the list of Kubernetes 1.36. A field that another version holds fast and this list does not is told as an
//! ordinary change, which the server then refuses.

use serde_json::Value;
use strata_components::desired::Kind;

use crate::observe::FieldChange;

/// Fields of a kind that stay as they are.
struct Fixed {
    group: &'static str,
    kind: &'static str,
    /// Where the values stay.
    fields: &'static [&'static str],
    /// Where below they may change all the same.
    free: &'static [&'static str],
    /// Those that take a value once where they had none.
    once: &'static [&'static str],
    /// Those that the server fills in again when they are taken away.
    comes_back: &'static [&'static str],
}

const NOTHING: Fixed = Fixed { group: "", kind: "", fields: &[], free: &[], once: &[], comes_back: &[] };

/// As validation of updates in `pkg/apis` and `apiextensions-apiserver` has it.
const FIXED: &[Fixed] = &[
    Fixed { group: "apps", kind: "Deployment", fields: &[".spec.selector"], ..NOTHING },
    Fixed { group: "apps", kind: "ReplicaSet", fields: &[".spec.selector"], ..NOTHING },
    Fixed { group: "apps", kind: "DaemonSet", fields: &[".spec.selector"], ..NOTHING },
    Fixed {
        group: "apps",
        kind: "StatefulSet",
        fields: &[".spec"],
        free: &[
            ".spec.minReadySeconds",
            ".spec.ordinals",
            ".spec.persistentVolumeClaimRetentionPolicy",
            ".spec.replicas",
            ".spec.revisionHistoryLimit",
            ".spec.template",
            ".spec.updateStrategy",
        ],
        comes_back: &[".spec.podManagementPolicy"],
        ..NOTHING
    },
    Fixed {
        group: "batch",
        kind: "Job",
        fields: &[
            ".spec.backoffLimitPerIndex",
            ".spec.completionMode",
            ".spec.completions",
            ".spec.managedBy",
            ".spec.podFailurePolicy",
            ".spec.selector",
            ".spec.successPolicy",
            ".spec.template",
        ],
        comes_back: &[".spec.completionMode", ".spec.completions", ".spec.selector", ".spec.template.metadata.labels"],
        ..NOTHING
    },
    Fixed {
        group: "",
        kind: "Service",
        fields: &[".spec.clusterIP", ".spec.clusterIPs", ".spec.healthCheckNodePort"],
        once: &[".spec.clusterIP", ".spec.clusterIPs", ".spec.healthCheckNodePort"],
        comes_back: &[".spec.clusterIP", ".spec.clusterIPs", ".spec.healthCheckNodePort"],
        ..NOTHING
    },
    Fixed {
        group: "",
        kind: "PersistentVolumeClaim",
        fields: &[".spec"],
        free: &[".spec.resources.requests", ".spec.volumeAttributesClassName"],
        once: &[".spec.storageClassName", ".spec.volumeName"],
        comes_back: &[".spec.storageClassName", ".spec.volumeMode", ".spec.volumeName"],
    },
    Fixed { group: "", kind: "Secret", fields: &[".type"], comes_back: &[".type"], ..NOTHING },
    Fixed { group: "", kind: "ResourceQuota", fields: &[".spec.scopes"], ..NOTHING },
    Fixed {
        group: "scheduling.k8s.io",
        kind: "PriorityClass",
        fields: &[".preemptionPolicy", ".value"],
        comes_back: &[".preemptionPolicy"],
        ..NOTHING
    },
    Fixed { group: "rbac.authorization.k8s.io", kind: "RoleBinding", fields: &[".roleRef"], ..NOTHING },
    Fixed { group: "rbac.authorization.k8s.io", kind: "ClusterRoleBinding", fields: &[".roleRef"], ..NOTHING },
    Fixed {
        group: "storage.k8s.io",
        kind: "StorageClass",
        fields: &[".parameters", ".provisioner", ".reclaimPolicy", ".volumeBindingMode"],
        comes_back: &[".reclaimPolicy", ".volumeBindingMode"],
        ..NOTHING
    },
    Fixed { group: "node.k8s.io", kind: "RuntimeClass", fields: &[".handler"], ..NOTHING },
    Fixed { group: "networking.k8s.io", kind: "IngressClass", fields: &[".spec.controller"], ..NOTHING },
    Fixed { group: "discovery.k8s.io", kind: "EndpointSlice", fields: &[".addressType"], ..NOTHING },
    Fixed { group: "resource.k8s.io", kind: "ResourceClaim", fields: &[".spec"], ..NOTHING },
    Fixed { group: "resource.k8s.io", kind: "ResourceClaimTemplate", fields: &[".spec"], ..NOTHING },
    Fixed {
        group: "apiextensions.k8s.io",
        kind: "CustomResourceDefinition",
        fields: &[".spec.group", ".spec.names.kind", ".spec.scope"],
        ..NOTHING
    },
];

/// What a ConfigMap or Secret that is marked as immutable keeps.
const SEALED: [&str; 4] = [".binaryData", ".data", ".immutable", ".stringData"];

/// The paths among the changes of a live object towards `wanted` of which it is known that the server makes none.
pub(super) fn paths(kind: &Kind, live: &Value, wanted: &Value, changes: &[FieldChange]) -> Vec<String> {
    let is_sealed = kind.group.is_empty()
        && matches!(kind.kind.as_str(), "ConfigMap" | "Secret")
        && live.get("immutable").is_some_and(|immutable| immutable == true);
    let fixed = FIXED.iter().find(|fixed| fixed.group == kind.group && fixed.kind == kind.kind);
    let stays = |change: &&FieldChange| {
        (is_sealed && is_within(&change.path, &SEALED))
            || fixed.is_some_and(|fixed| fixed.holds(change) && !excepted(fixed.kind, &change.path, live, wanted))
    };
    changes.iter().filter(stays).map(|change| change.path.clone()).collect()
}

impl Fixed {
    fn holds(&self, change: &FieldChange) -> bool {
        let FieldChange { path, before, after, .. } = change;
        let was_set = before.as_ref().is_some_and(|before| before != "" && before != 0);
        let same_items = before.as_ref().zip(after.as_ref()).is_some_and(|(before, after)| covers(before, after));
        is_within(path, self.fields)
            && !is_within(path, self.free)
            && (was_set || !is_within(path, self.once))
            && (after.is_some() || !is_within(path, self.comes_back))
            && !same_items
    }
}

/// Whether a field may change although its kind holds it fast, because of what else the object says.
fn excepted(kind: &str, path: &str, live: &Value, wanted: &Value) -> bool {
    let says = |pointer: &str, value: &str| [live, wanted].iter().any(|object| is(object, pointer, value));
    match kind {
        // A name for something outside has no address.
        "Service" => says("/spec/type", "ExternalName"),
        "Job" => match path {
            // As many as run at once, where each has a number of its own.
            ".spec.completions" => {
                let both = ["/spec/completions", "/spec/parallelism"].map(|pointer| wanted.pointer(pointer));
                is(live, "/spec/completionMode", "Indexed") && both[0] == both[1]
            }
            // Before it starts, where its pods go is still open.
            _ => path.starts_with(".spec.template") && live.pointer("/spec/suspend").is_some_and(|held| held == true),
        },
        "CustomResourceDefinition" => path != ".spec.group" && !is_established(live),
        _ => false,
    }
}

fn is(object: &Value, pointer: &str, value: &str) -> bool {
    object.pointer(pointer).is_some_and(|found| found == value)
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|one| one["type"] == "Established" && one["status"] == "True")
}

/// Whether a live value is the wanted one with defaults filled in: a list that is owned whole is written without them.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| live.get(name).is_some_and(|live| covers(live, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

/// Whether a path is one of the fields, or leads below it.
fn is_within(path: &str, fields: &[&str]) -> bool {
    let below =
        |field: &&str| path.strip_prefix(*field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    fields.iter().any(below)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of these fields, which change from what is live to what is wanted, those that never do.
    #[track_caller]
    fn check(of: &str, live: Value, wanted: Value, changed: &[&str], expect: &[&str]) {
        let (group, kind) = of.split_once('/').unwrap_or(("", of));
        let kind = Kind { group: group.into(), version: "v1".into(), kind: kind.into() };
        let change = |path: &&str| FieldChange {
            path: (*path).to_owned(),
            before: live.pointer(&path.replace('.', "/")).cloned(),
            after: wanted.pointer(&path.replace('.', "/")).cloned(),
            owner: None,
        };
        let changes: Vec<FieldChange> = changed.iter().map(change).collect();
        assert_eq!(paths(&kind, &live, &wanted, &changes), expect);
    }

    #[test]
    fn what_stays_is_known_by_kind() {
        let none = || json!({});
        let label = ".spec.selector.matchLabels.app";
        check("apps/Deployment", none(), none(), &[label, ".spec.replicas", ".spec.selectors"], &[label]);
        check(
            "apps/StatefulSet",
            none(),
            none(),
            &[".spec.template.spec", ".spec.serviceName"],
            &[".spec.serviceName"],
        );
        check("scheduling.k8s.io/PriorityClass", none(), none(), &[".value", ".description"], &[".value"]);
        check(
            "rbac.authorization.k8s.io/RoleBinding",
            none(),
            none(),
            &[".roleRef.name", ".subjects"],
            &[".roleRef.name"],
        );
        check("ResourceQuota", none(), none(), &[".spec.scopes", ".spec.hard.pods"], &[".spec.scopes"]);
        check("ResourceQuota", none(), none(), &[".spec.scopeSelector"], &[]);
        check("Deployment", none(), none(), &[label], &[]);
    }

    #[test]
    fn what_is_sealed_keeps_what_it_holds() {
        let sealed = || json!({"immutable": true, "data": {"a": "1"}});
        let open = || json!({"data": {"a": "1"}});
        let fields = [".data.a", ".immutable", ".metadata.labels.b"];
        for kind in ["ConfigMap", "Secret"] {
            check(kind, sealed(), open(), &fields, &[".data.a", ".immutable"]);
            check(kind, open(), sealed(), &fields, &[]);
        }
        check("example.com/ConfigMap", sealed(), open(), &fields, &[]);
    }

    #[test]
    fn an_address_stays_once_it_is_set() {
        let spec = |spec: Value| json!({"spec": spec});
        let address = ".spec.clusterIP";
        check(
            "Service",
            spec(json!({"clusterIP": "10.0.0.1"})),
            spec(json!({"clusterIP": "None"})),
            &[address],
            &[address],
        );
        check("Service", spec(json!({})), spec(json!({"clusterIP": "10.0.0.1"})), &[address], &[]);
        check("Service", spec(json!({"clusterIP": ""})), spec(json!({"clusterIP": "10.0.0.1"})), &[address], &[]);
        check("Service", spec(json!({"clusterIP": "None"})), spec(json!({})), &[address], &[]);
        let outside = spec(json!({"type": "ExternalName", "clusterIP": "x"}));
        check("Service", outside, spec(json!({"clusterIP": "10.0.0.1"})), &[address], &[]);
    }

    #[test]
    fn what_a_job_runs_is_open_until_it_starts() {
        let job = |completions: u32, mode: &str, suspend: bool| {
            let spec =
                json!({"completions": completions, "parallelism": 3, "completionMode": mode, "suspend": suspend});
            json!({"spec": spec})
        };
        let (count, pods) = (".spec.completions", ".spec.template.spec.nodeSelector.zone");
        check("batch/Job", job(2, "NonIndexed", false), job(3, "NonIndexed", false), &[count, pods], &[count, pods]);
        check("batch/Job", job(2, "Indexed", false), job(3, "Indexed", false), &[count, pods], &[pods]);
        check("batch/Job", job(2, "Indexed", true), job(4, "Indexed", true), &[count, pods], &[count]);
    }

    #[test]
    fn a_claim_template_with_its_defaults_is_the_same() {
        let set = |templates: Value| json!({"spec": {"volumeClaimTemplates": templates}});
        let path = ".spec.volumeClaimTemplates";
        let live = || set(json!([{"metadata": {"name": "a"}, "spec": {"volumeMode": "Filesystem"}, "status": {}}]));
        check("apps/StatefulSet", live(), set(json!([{"metadata": {"name": "a"}}])), &[path], &[]);
        check("apps/StatefulSet", live(), set(json!([{"metadata": {"name": "b"}}])), &[path], &[path]);
        check("apps/StatefulSet", live(), set(json!([])), &[path], &[path]);
    }

    #[test]
    fn the_scope_of_a_definition_is_open_until_it_is_established() {
        let live = |status: &str| json!({"status": {"conditions": [{"type": "Established", "status": status}]}});
        let fields = [".spec.scope", ".spec.names.shortNames"];
        check("apiextensions.k8s.io/CustomResourceDefinition", live("True"), json!({}), &fields, &[".spec.scope"]);
        check("apiextensions.k8s.io/CustomResourceDefinition", live("False"), json!({}), &fields, &[]);
    }
}
