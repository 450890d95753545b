//! What an object that is made anew is, in a line: enough to see that it is what was meant. Everything that it says is in its
//! manifest, and of a kind that is not known here nothing is said.

use serde_json::{Map, Value};
use strata_components::model::GpuSettings;

/// Names that are told of many.
const NAMED: usize = 4;

/// The object in a few words; empty where there is nothing to say.
pub(in crate::report) fn brief(manifest: &Value) -> String {
    let kind = manifest.get("kind").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "Deployment" | "StatefulSet" => workload(manifest, &format!("{} of", pods(manifest.pointer("/spec/replicas")))),
        "DaemonSet" => workload(manifest, "on each node a pod of"),
        "Job" => workload(manifest, "runs"),
        "CronJob" => {
            let job = manifest.pointer("/spec/jobTemplate").unwrap_or(&Value::Null);
            workload(job, &format!("at {}, runs", text(manifest.pointer("/spec/schedule"))))
        }
        "Service" => service(manifest),
        "ConfigMap" | "Secret" => keys(manifest),
        "NetworkPolicy" => policy(manifest),
        "HorizontalPodAutoscaler" => {
            let at = |pointer: &str| text(manifest.pointer(pointer));
            let least = manifest.pointer("/spec/minReplicas").map_or_else(|| "1".to_owned(), |least| text(Some(least)));
            let (kind, name) = (at("/spec/scaleTargetRef/kind"), at("/spec/scaleTargetRef/name"));
            format!("{least} to {} pods of {kind} {name}", at("/spec/maxReplicas"))
        }
        "PodDisruptionBudget" => {
            match (manifest.pointer("/spec/maxUnavailable"), manifest.pointer("/spec/minAvailable")) {
                (Some(most), _) => format!("at most {} unavailable", text(Some(most))),
                (_, Some(least)) => format!("at least {} available", text(Some(least))),
                _ => String::new(),
            }
        }
        "PriorityClass" => format!("value {}", text(manifest.get("value"))),
        "ResourceQuota" => pairs(manifest.pointer("/spec/hard")),
        "PersistentVolumeClaim" => pairs(manifest.pointer("/spec/resources/requests")),
        "Ingress" => each(manifest.pointer("/spec/rules"), |rule| rule.get("host").map(|host| text(Some(host)))),
        "HTTPRoute" => each(manifest.pointer("/spec/hostnames"), |host| Some(text(Some(host)))),
        "Role" | "ClusterRole" => counted(manifest.get("rules"), "rule"),
        "Namespace" => {
            let enforced = manifest.pointer("/metadata/labels/pod-security.kubernetes.io~1enforce");
            enforced.map(|level| format!("pod security {}", text(Some(level)))).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// A value as it stands, without quotes.
fn text(value: Option<&Value>) -> String {
    match value {
        None => "?".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// So many, and how many more.
fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let named = names.join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

fn each(values: Option<&Value>, name: impl Fn(&Value) -> Option<String>) -> String {
    listed(items(values).iter().filter_map(name).collect())
}

fn counted(values: Option<&Value>, one: &str) -> String {
    match items(values).len() {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    }
}

fn pairs(values: Option<&Value>) -> String {
    let members = values.and_then(Value::as_object);
    listed(members.into_iter().flatten().map(|(name, value)| format!("{name} {}", text(Some(value)))).collect())
}

fn pods(replicas: Option<&Value>) -> String {
    match replicas.and_then(Value::as_u64) {
        // Whoever decides it is not the stack.
        None => "pods".to_owned(),
        Some(1) => "1 pod".to_owned(),
        Some(many) => format!("{many} pods"),
    }
}

/// `2 pods of registry.example/cart:1, 100m to 1 CPU, 64Mi memory, 1 GPU`.
fn workload(object: &Value, runs: &str) -> String {
    let containers = items(object.pointer("/spec/template/spec/containers"));
    let images = each(object.pointer("/spec/template/spec/containers"), |one| Some(text(one.get("image"))));
    if images.is_empty() {
        return images;
    }
    let mut parts = vec![format!("{runs} {images}")];
    // Of several containers no one speaks for the pod.
    if let [container] = containers {
        let at = |when: &str, what: &str| container.pointer(&format!("/resources/{when}/{what}"));
        for (what, words) in [("cpu", "CPU"), ("memory", "memory")] {
            match (at("requests", what), at("limits", what)) {
                (Some(least), Some(most)) if least != most => {
                    parts.push(format!("{} to {} {words}", text(Some(least)), text(Some(most))));
                }
                (Some(one), _) | (None, Some(one)) => parts.push(format!("{} {words}", text(Some(one)))),
                (None, None) => {}
            }
        }
        let limits = container.pointer("/resources/limits").and_then(Value::as_object);
        let gpus = limits.into_iter().flatten().filter(|(name, _)| GpuSettings::gives(name));
        parts.extend(gpus.map(|(_, many)| match text(Some(many)).as_str() {
            "1" => "1 GPU".to_owned(),
            many => format!("{many} GPUs"),
        }));
    }
    parts.join(", ")
}

fn service(manifest: &Value) -> String {
    let ports = items(manifest.pointer("/spec/ports"));
    let numbers = each(manifest.pointer("/spec/ports"), |port| Some(text(port.get("port"))));
    let mut parts = match ports.len() {
        0 => Vec::new(),
        1 => vec![format!("port {numbers}")],
        _ => vec![format!("ports {numbers}")],
    };
    let of = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
    parts.extend(of("/spec/type").filter(|kind| *kind != "ClusterIP").map(str::to_owned));
    parts.extend(of("/spec/clusterIP").filter(|address| *address == "None").map(|_| "headless".to_owned()));
    parts.join(", ")
}

fn keys(manifest: &Value) -> String {
    let members = ["data", "stringData", "binaryData"].into_iter().filter_map(|name| manifest.get(name)?.as_object());
    let name = |(name, value): (&String, &Value)| match value.as_str().map_or(0, |text| text.lines().count()) {
        0 | 1 => name.clone(),
        lines => format!("{name} ({lines} lines)"),
    };
    let names: Vec<String> = members.flat_map(Map::iter).map(name).collect();
    if names.is_empty() { "empty".to_owned() } else { listed(names) }
}

fn policy(manifest: &Value) -> String {
    let kinds = items(manifest.pointer("/spec/policyTypes"));
    let direction = |kind: &str, member: &str, way: &str| {
        kinds.iter().any(|one| one == kind).then(|| match items(manifest.pointer(member)).len() {
            0 => format!("nothing {way}"),
            1 => format!("1 rule {way}"),
            rules => format!("{rules} rules {way}"),
        })
    };
    let ways = [direction("Ingress", "/spec/ingress", "in"), direction("Egress", "/spec/egress", "out")];
    let all = manifest.pointer("/spec/podSelector").and_then(Value::as_object).is_some_and(Map::is_empty);
    let mut parts: Vec<String> = ways.into_iter().flatten().collect();
    parts.extend(all.then(|| "for every pod".to_owned()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(manifest: Value, expect: &str) {
        assert_eq!(brief(&manifest), expect);
    }

    fn pod(container: Value) -> Value {
        json!({"spec": {"containers": [container]}})
    }

    #[test]
    fn workloads_say_what_runs_and_on_what() {
        let server = json!({"image": "example/a:1", "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "64Mi", "nvidia.com/gpu": "2"}}});
        check(
            json!({"kind": "Deployment", "spec": {"replicas": 2, "template": pod(server.clone())}}),
            "2 pods of example/a:1, 100m to 1 CPU, 64Mi memory, 2 GPUs",
        );
        check(json!({"kind": "StatefulSet", "spec": {"template": pod(json!({"image": "b"}))}}), "pods of b");
        check(
            json!({"kind": "DaemonSet", "spec": {"template": pod(json!({"image": "b"}))}}),
            "on each node a pod of b",
        );
        check(json!({"kind": "Job", "spec": {"template": pod(json!({"image": "b"}))}}), "runs b");
        let job = json!({"spec": {"template": pod(json!({"image": "b"}))}});
        check(
            json!({"kind": "CronJob", "spec": {"schedule": "0 3 * * *", "jobTemplate": job}}),
            "at 0 3 * * *, runs b",
        );
        let two = json!({"spec": {"containers": [server, {"image": "c"}]}});
        check(json!({"kind": "Deployment", "spec": {"replicas": 1, "template": two}}), "1 pod of example/a:1, c");
        check(json!({"kind": "Deployment"}), "");
    }

    #[test]
    fn other_kinds_say_what_matters() {
        let ports = json!([{"port": 80}, {"port": 81, "name": "x"}]);
        check(json!({"kind": "Service", "spec": {"ports": ports, "clusterIP": "None"}}), "ports 80, 81, headless");
        check(json!({"kind": "Service", "spec": {"ports": [{"port": 80}], "type": "NodePort"}}), "port 80, NodePort");
        check(json!({"kind": "ConfigMap", "data": {"a": "1", "b": "x\ny\n"}}), "a, b (2 lines)");
        check(
            json!({"kind": "Secret", "data": {"a": "", "b": "", "c": "", "d": "", "e": ""}}),
            "a, b, c, d and 1 more",
        );
        check(json!({"kind": "ConfigMap"}), "empty");
        check(
            json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
            "nothing in, nothing out, for every pod",
        );
        check(
            json!({"kind": "NetworkPolicy", "spec": {"podSelector": {"matchLabels": {"a": "b"}},
                "policyTypes": ["Ingress"], "ingress": [{}, {}]}}),
            "2 rules in",
        );
        let target = json!({"kind": "Deployment", "name": "x"});
        check(
            json!({"kind": "HorizontalPodAutoscaler", "spec": {"maxReplicas": 5, "scaleTargetRef": target}}),
            "1 to 5 pods of Deployment x",
        );
        check(json!({"kind": "PodDisruptionBudget", "spec": {"minAvailable": "50%"}}), "at least 50% available");
        check(json!({"kind": "PriorityClass", "value": 7}), "value 7");
        check(json!({"kind": "ResourceQuota", "spec": {"hard": {"pods": "7"}}}), "pods 7");
        check(json!({"kind": "Ingress", "spec": {"rules": [{"host": "a.example"}, {}]}}), "a.example");
        check(json!({"kind": "Role", "rules": [{}]}), "1 rule");
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        check(json!({"kind": "Namespace", "metadata": {"labels": labels}}), "pod security restricted");
        check(json!({"kind": "Gizmo", "spec": {"size": 3}}), "");
        check(json!(null), "");
    }
}
