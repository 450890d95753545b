//! `Table` answers: the columns that `kubectl get` shows, for the kinds people look at, and name and age for the rest.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::body;
use crate::object;
use crate::registry::Resource;
use crate::selector::LabelSelector;

/// How a table is asked for.
pub(crate) struct TableOptions {
    /// What each row holds beside its cells: `None`, `Metadata` (also empty) or `Object`.
    pub(crate) include: String,
    /// Are the columns described? A watch describes them only once.
    pub(crate) headers: bool,
}

/// The columns of a kind, in order; a `+` before one shows it only with `-o wide`.
///
/// Source: the printers of `k8s.io/kubernetes/pkg/printers/internalversion`.
fn columns(resource: &Resource) -> Vec<(&'static str, bool)> {
    let text = match resource.kind.as_str() {
        _ if resource.custom.is_some() => "Name|Age",
        "Pod" => "Name|Ready|Status|Restarts|Age|+IP|+Node",
        "Deployment" => "Name|Ready|Up-to-date|Available|Age|+Containers|+Images|+Selector",
        "ReplicaSet" => "Name|Desired|Current|Ready|Age",
        "StatefulSet" => "Name|Ready|Age",
        "DaemonSet" => "Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age",
        "Job" => "Name|Status|Completions|Duration|Age",
        "Service" => "Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector",
        "Node" => "Name|Status|Roles|Age|Version",
        "Namespace" => "Name|Status|Age",
        "ConfigMap" => "Name|Data|Age",
        "Secret" => "Name|Type|Data|Age",
        "HorizontalPodAutoscaler" => "Name|Reference|Targets|MinPods|MaxPods|Replicas|Age",
        "PodDisruptionBudget" => "Name|Min Available|Max Unavailable|Allowed Disruptions|Age",
        "Ingress" => "Name|Class|Hosts|Address|Ports|Age",
        "NetworkPolicy" => "Name|Pod-Selector|Age",
        "PriorityClass" => "Name|Value|Global-Default|Age|PreemptionPolicy",
        "Lease" => "Name|Holder|Age",
        "Event" => "Last Seen|Type|Reason|Object|Message",
        "CustomResourceDefinition" => "Name|Created At",
        "PersistentVolumeClaim" => "Name|Status|Volume|Capacity|Access Modes|StorageClass|Age",
        _ => "Name|Age",
    };
    text.split('|').map(|name| name.strip_prefix('+').map_or((name, false), |wide| (wide, true))).collect()
}

/// A table of objects.
pub(crate) fn table<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    options: TableOptions,
    now: Timestamp,
) -> Value {
    let columns = columns(resource);
    let mut version = String::new();
    let rows: Vec<Value> = objects
        .map(|value| {
            version = object::text(value, "/metadata/resourceVersion").to_owned();
            let cells: Vec<Value> = columns.iter().map(|(name, ..)| cell(resource, value, name, now)).collect();
            match options.include.as_str() {
                "None" => json!({"cells": cells}),
                "Object" => json!({"cells": cells, "object": value}),
                _ => json!({"cells": cells, "object": body::metadata_only(value)}),
            }
        })
        .collect();
    let definitions: Vec<Value> = columns
        .iter()
        .filter(|_| options.headers)
        .map(|(name, wide)| {
            let kind = if *name == "Created At" { "date" } else { "string" };
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": "", "priority": i32::from(*wide)})
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// How long ago, in the short form: `5s`, `3m20s`, `4h`, `12d`.
fn age(from: Option<Timestamp>, now: Timestamp) -> String {
    let Some(from) = from else { return "<unknown>".to_owned() };
    let seconds = now.duration_since(from).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, name: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{name}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ => format!("{}y", days / 365),
    }
}

fn shown(value: Option<&Value>, nothing: &str) -> String {
    match value {
        None | Some(Value::Null) => nothing.to_owned(),
        Some(Value::String(text)) if text.is_empty() => nothing.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn cell(resource: &Resource, value: &Value, column: &str, now: Timestamp) -> Value {
    let number = |pointer: &str| object::number(value, pointer).unwrap_or(0);
    let made = object::time(value, "/metadata/creationTimestamp");
    match (resource.kind.as_str(), column) {
        (_, "Name") => json!(object::name(value)),
        (_, "Age") => json!(age(made, now)),
        (_, "Created At") => json!(object::text(value, "/metadata/creationTimestamp")),
        ("Pod", _) => pod(value, column),
        ("Deployment", "Ready") | ("StatefulSet", "Ready") => {
            json!(format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas")))
        }
        ("Deployment", "Up-to-date") => json!(number("/status/updatedReplicas")),
        ("Deployment", "Available") => json!(number("/status/availableReplicas")),
        ("Deployment", "Containers" | "Images") => {
            let field = if column == "Images" { "/image" } else { "/name" };
            let all = object::items(value, "/spec/template/spec/containers").iter().map(|c| object::text(c, field));
            json!(all.collect::<Vec<_>>().join(","))
        }
        ("Deployment", "Selector") => {
            json!(LabelSelector::of(value.pointer("/spec/selector")).map(|s| s.to_string()).unwrap_or_default())
        }
        ("Service", "Selector") => {
            json!(
                value
                    .pointer("/spec/selector")
                    .map(LabelSelector::of_map)
                    .map_or("<none>".to_owned(), |s| s.to_string())
            )
        }
        ("ReplicaSet", "Desired") => json!(number("/spec/replicas")),
        ("ReplicaSet", "Current") => json!(number("/status/replicas")),
        ("ReplicaSet", "Ready") => json!(number("/status/readyReplicas")),
        ("DaemonSet", "Desired") => json!(number("/status/desiredNumberScheduled")),
        ("DaemonSet", "Current") => json!(number("/status/currentNumberScheduled")),
        ("DaemonSet", "Ready") => json!(number("/status/numberReady")),
        ("DaemonSet", "Up-to-date") => json!(number("/status/updatedNumberScheduled")),
        ("DaemonSet", "Available") => json!(number("/status/numberAvailable")),
        ("DaemonSet", "Node Selector") => {
            let selector = value.pointer("/spec/template/spec/nodeSelector").map(LabelSelector::of_map);
            json!(selector.map_or("<none>".to_owned(), |s| s.to_string()))
        }
        ("Job", "Status") => {
            let ended = ["Complete", "Failed"].into_iter().find(|kind| object::condition_is_true(value, kind));
            json!(ended.unwrap_or("Running"))
        }
        ("Job", "Completions") => json!(format!("{}/{}", number("/status/succeeded"), number("/spec/completions"))),
        ("Job", "Duration") => {
            let until = object::time(value, "/status/completionTime").unwrap_or(now);
            json!(object::time(value, "/status/startTime").map_or(String::new(), |from| age(Some(from), until)))
        }
        ("Service", "Type") => json!(object::text(value, "/spec/type")),
        ("Service", "Cluster-IP") => json!(shown(value.pointer("/spec/clusterIP"), "<none>")),
        ("Service", "External-IP") => json!(match object::text(value, "/spec/type") {
            "LoadBalancer" => "<pending>",
            "ExternalName" => object::text(value, "/spec/externalName"),
            _ => "<none>",
        }),
        ("Service", "Port(s)") => {
            let all: Vec<String> = object::items(value, "/spec/ports")
                .iter()
                .map(|port| {
                    let (number, protocol) = (shown(port.get("port"), ""), object::text(port, "/protocol"));
                    match object::number(port, "/nodePort") {
                        Some(node) => format!("{number}:{node}/{protocol}"),
                        None => format!("{number}/{protocol}"),
                    }
                })
                .collect();
            json!(if all.is_empty() { "<none>".to_owned() } else { all.join(",") })
        }
        ("Node", "Status") => {
            let ready = if object::condition_is_true(value, "Ready") { "Ready" } else { "NotReady" };
            let closed = if object::truth(value, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" };
            json!(format!("{ready}{closed}"))
        }
        ("Node", "Roles") => json!("<none>"),
        ("Node", "Version") => json!(object::text(value, "/status/nodeInfo/kubeletVersion")),
        ("Namespace" | "PersistentVolumeClaim", "Status") => json!(object::text(value, "/status/phase")),
        ("ConfigMap" | "Secret", "Data") => {
            json!(object::entries(value, "/data").count() + object::entries(value, "/binaryData").count())
        }
        ("Secret" | "Event", "Type") => json!(object::text(value, "/type")),
        ("HorizontalPodAutoscaler", "Reference") => json!(format!(
            "{}/{}",
            object::text(value, "/spec/scaleTargetRef/kind"),
            object::text(value, "/spec/scaleTargetRef/name")
        )),
        ("HorizontalPodAutoscaler", "Targets") => {
            let all: Vec<String> = object::items(value, "/spec/metrics")
                .iter()
                .map(|metric| {
                    let target = metric.pointer("/resource/target").unwrap_or(&Value::Null);
                    let wanted = match target.get("averageUtilization") {
                        Some(percent) => format!("{percent}%"),
                        None => shown(target.get("averageValue"), "<auto>"),
                    };
                    format!("{}: <unknown>/{wanted}", object::text(metric, "/resource/name"))
                })
                .collect();
            json!(all.join(", "))
        }
        ("HorizontalPodAutoscaler", "MinPods") => json!(shown(value.pointer("/spec/minReplicas"), "<unset>")),
        ("HorizontalPodAutoscaler", "MaxPods") => json!(number("/spec/maxReplicas")),
        ("HorizontalPodAutoscaler", "Replicas") => json!(number("/status/currentReplicas")),
        ("PodDisruptionBudget", "Min Available") => json!(shown(value.pointer("/spec/minAvailable"), "N/A")),
        ("PodDisruptionBudget", "Max Unavailable") => json!(shown(value.pointer("/spec/maxUnavailable"), "N/A")),
        ("PodDisruptionBudget", "Allowed Disruptions") => json!(number("/status/disruptionsAllowed")),
        ("Ingress", "Class") => json!(shown(value.pointer("/spec/ingressClassName"), "<none>")),
        ("Ingress", "Hosts") => {
            let hosts = object::items(value, "/spec/rules").iter().map(|r| object::text(r, "/host"));
            let hosts: Vec<&str> = hosts.filter(|h| !h.is_empty()).collect();
            json!(if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") })
        }
        ("Ingress", "Address") => json!(""),
        ("Ingress", "Ports") => json!(if object::items(value, "/spec/tls").is_empty() { "80" } else { "80, 443" }),
        ("NetworkPolicy", "Pod-Selector") => {
            let text = LabelSelector::of(value.pointer("/spec/podSelector")).map(|s| s.to_string()).unwrap_or_default();
            json!(if text.is_empty() { "<none>".to_owned() } else { text })
        }
        ("PriorityClass", "Value") => json!(number("/value")),
        ("PriorityClass", "Global-Default") => json!(object::truth(value, "/globalDefault")),
        ("PriorityClass", "PreemptionPolicy") => json!(object::text(value, "/preemptionPolicy")),
        ("Lease", "Holder") => json!(object::text(value, "/spec/holderIdentity")),
        ("Event", "Last Seen") => json!(age(object::time(value, "/lastTimestamp").or(made), now)),
        ("Event", "Reason") => json!(object::text(value, "/reason")),
        ("Event", "Object") => json!(format!(
            "{}/{}",
            object::text(value, "/involvedObject/kind").to_lowercase(),
            object::text(value, "/involvedObject/name")
        )),
        ("Event", "Message") => json!(object::text(value, "/message")),
        ("PersistentVolumeClaim", "Volume") => json!(object::text(value, "/spec/volumeName")),
        ("PersistentVolumeClaim", "Capacity") => json!(object::text(value, "/status/capacity/storage")),
        ("PersistentVolumeClaim", "StorageClass") => json!(object::text(value, "/spec/storageClassName")),
        ("PersistentVolumeClaim", "Access Modes") => {
            let short = object::items(value, "/status/accessModes")
                .iter()
                .filter_map(Value::as_str)
                .map(|mode| mode.chars().filter(char::is_ascii_uppercase).collect::<String>());
            json!(short.collect::<Vec<_>>().join(","))
        }
        _ => json!(""),
    }
}

fn pod(value: &Value, column: &str) -> Value {
    let statuses = object::items(value, "/status/containerStatuses");
    match column {
        "Ready" => {
            let ready = statuses.iter().filter(|s| object::truth(s, "/ready")).count();
            json!(format!("{ready}/{}", object::items(value, "/spec/containers").len()))
        }
        "Status" => {
            if object::is_deleting(value) {
                return json!("Terminating");
            }
            let reason = statuses.iter().find_map(|s| {
                ["/state/waiting/reason", "/state/terminated/reason"]
                    .into_iter()
                    .map(|pointer| object::text(s, pointer))
                    .find(|reason| !reason.is_empty())
            });
            json!(reason.unwrap_or_else(|| object::text(value, "/status/phase")))
        }
        "Restarts" => {
            let all = statuses.iter().map(|s| object::number(s, "/restartCount").unwrap_or(0));
            json!(all.sum::<i64>().to_string())
        }
        "IP" => json!(shown(value.pointer("/status/podIP"), "<none>")),
        "Node" => json!(shown(value.pointer("/spec/nodeName"), "<none>")),
        _ => json!(""),
    }
}
