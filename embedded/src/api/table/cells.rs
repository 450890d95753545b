//! What the cells of a built-in kind hold, in the order of its columns. Pods and what lies on the network have files of
//! their own.
//!
//! Source: `k8s.io/kubernetes/pkg/printers/internalversion/printers.go`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::{duration, since};
use super::{network, pod};
use crate::object;
use crate::selector::LabelSelector;

/// The cells of an object that is stored under this name.
pub(super) fn of(storage: &str, value: &Value, now: Timestamp) -> Vec<Value> {
    let name = json!(object::name(value));
    let age = json!(since(value, "/metadata/creationTimestamp", now));
    let number = |pointer: &str| object::number(value, pointer).unwrap_or(0);
    let count = |pointer: &str| json!(object::items(value, pointer).len());
    let text = |pointer: &str| object::text(value, pointer);
    match storage {
        "pods" => pod::cells(value, now),
        "services" => network::service(value, name, age),
        "endpoints" => vec![name, json!(network::endpoints(value)), age],
        "discovery.k8s.io/endpointslices" => network::endpoint_slice(value, name, age),
        "networking.k8s.io/ingresses" => network::ingress(value, name, age),
        "networking.k8s.io/ingressclasses" => network::ingress_class(value, age),
        "networking.k8s.io/networkpolicies" => vec![name, json!(selector(value, "/spec/podSelector")), age],
        "configmaps" => vec![name, json!(entries(value, &["/data", "/binaryData"])), age],
        "secrets" => vec![name, json!(text("/type")), json!(entries(value, &["/data"])), age],
        "serviceaccounts" => vec![name, age],
        "namespaces" => vec![name, json!(text("/status/phase")), age],
        "nodes" => node(value, name, age),
        "events" => event(value, name, now),
        "resourcequotas" => quota(value, name, age),
        "persistentvolumes" => volume(value, name, age),
        "persistentvolumeclaims" => claim(value, name, age),
        "apps/controllerrevisions" => vec![name, json!(owner(value)), json!(number("/revision")), age],
        "apps/deployments" => {
            let ready = format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas"));
            let (names, images) = containers(value, "/spec/template/spec/containers");
            let selects = LabelSelector::of(value.pointer("/spec/selector")).map(|s| s.to_string());
            vec![
                name,
                json!(ready),
                json!(number("/status/updatedReplicas")),
                json!(number("/status/availableReplicas")),
                age,
                names,
                images,
                json!(selects.unwrap_or_default()),
            ]
        }
        "apps/replicasets" => {
            let (names, images) = containers(value, "/spec/template/spec/containers");
            let numbers = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(|at| json!(number(at)));
            let [desired, current, ready] = numbers;
            vec![name, desired, current, ready, age, names, images, json!(selector(value, "/spec/selector"))]
        }
        "apps/statefulsets" => {
            let ready = format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas"));
            let (names, images) = containers(value, "/spec/template/spec/containers");
            vec![name, json!(ready), age, names, images]
        }
        "apps/daemonsets" => {
            let mut cells = vec![name];
            for field in ["desiredNumberScheduled", "currentNumberScheduled", "numberReady"] {
                cells.push(json!(number(&format!("/status/{field}"))));
            }
            for field in ["updatedNumberScheduled", "numberAvailable"] {
                cells.push(json!(number(&format!("/status/{field}"))));
            }
            let (names, images) = containers(value, "/spec/template/spec/containers");
            let places = json!(labels(value.pointer("/spec/template/spec/nodeSelector")));
            cells.extend([places, age, names, images, json!(selector(value, "/spec/selector"))]);
            cells
        }
        "batch/jobs" => job(value, name, age, now),
        "batch/cronjobs" => {
            let template = "/spec/jobTemplate/spec/template/spec/containers";
            let (names, images) = containers(value, template);
            let last = object::time(value, "/status/lastScheduleTime").map(|from| duration(from, now));
            vec![
                name,
                json!(text("/spec/schedule")),
                json!(or(text("/spec/timeZone"), "<none>")),
                json!(value.pointer("/spec/suspend").and_then(Value::as_bool).map_or("<unset>", spoken)),
                count("/status/active"),
                json!(last.unwrap_or_else(|| "<none>".to_owned())),
                age,
                names,
                images,
                json!(selector(value, "/spec/jobTemplate/spec/selector")),
            ]
        }
        "autoscaling/horizontalpodautoscalers" => autoscaler(value, name, age),
        "autoscaling/scales" => vec![name, json!(number("/spec/replicas")), json!(number("/status/replicas")), age],
        "policy/poddisruptionbudgets" => {
            let bound = |pointer: &str| value.pointer(pointer).map_or_else(|| "N/A".to_owned(), plain);
            vec![
                name,
                json!(bound("/spec/minAvailable")),
                json!(bound("/spec/maxUnavailable")),
                json!(number("/status/disruptionsAllowed")),
                age,
            ]
        }
        "rbac.authorization.k8s.io/rolebindings" | "rbac.authorization.k8s.io/clusterrolebindings" => {
            let role = format!("{}/{}", text("/roleRef/kind"), text("/roleRef/name"));
            let subjects = |kind: &str| {
                let of_kind = object::items(value, "/subjects").iter().filter(|s| object::text(s, "/kind") == kind);
                let shown = of_kind.map(|subject| match (kind, object::text(subject, "/name")) {
                    ("ServiceAccount", name) => format!("{}/{name}", object::text(subject, "/namespace")),
                    (_, name) => name.to_owned(),
                });
                json!(shown.collect::<Vec<_>>().join(", "))
            };
            vec![name, json!(role), age, subjects("User"), subjects("Group"), subjects("ServiceAccount")]
        }
        "storage.k8s.io/csidrivers" => csi_driver(value, name, age),
        "storage.k8s.io/csinodes" => vec![name, count("/spec/drivers"), age],
        "storage.k8s.io/storageclasses" => vec![
            json!(marked_default(
                value,
                &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            )),
            json!(text("/provisioner")),
            json!(or(text("/reclaimPolicy"), "Delete")),
            json!(or(text("/volumeBindingMode"), "Immediate")),
            json!(object::truth(value, "/allowVolumeExpansion")),
            age,
        ],
        "storage.k8s.io/volumeattachments" => vec![
            name,
            json!(text("/spec/attacher")),
            json!(text("/spec/source/persistentVolumeName")),
            json!(text("/spec/nodeName")),
            json!(object::truth(value, "/status/attached")),
            age,
        ],
        "admissionregistration.k8s.io/mutatingwebhookconfigurations"
        | "admissionregistration.k8s.io/validatingwebhookconfigurations" => vec![name, count("/webhooks"), age],
        "admissionregistration.k8s.io/validatingadmissionpolicies" => {
            let of = value.pointer("/spec/paramKind");
            let kind = of.map(|kind| format!("{}/{}", object::text(kind, "/apiVersion"), object::text(kind, "/kind")));
            vec![name, count("/spec/validations"), json!(kind.unwrap_or_else(|| "<unset>".to_owned())), age]
        }
        "admissionregistration.k8s.io/validatingadmissionpolicybindings" => {
            let parameter = match (text("/spec/paramRef/namespace"), text("/spec/paramRef/name")) {
                (_, "") => selector_or(value, "/spec/paramRef/selector", "<unset>"),
                (namespace, name) => format!("{}/{name}", or(namespace, "*")),
            };
            vec![name, json!(text("/spec/policyName")), json!(parameter), age]
        }
        "scheduling.k8s.io/priorityclasses" => {
            let default = object::truth(value, "/globalDefault");
            vec![name, json!(number("/value")), json!(default), age, json!(text("/preemptionPolicy"))]
        }
        "coordination.k8s.io/leases" => vec![name, json!(text("/spec/holderIdentity")), age],
        "node.k8s.io/runtimeclasses" => vec![name, json!(text("/handler")), age],
        _ => vec![name, json!(text("/metadata/creationTimestamp"))],
    }
}

/// The text, or what stands in place of an empty one.
pub(super) fn or<'a>(text: &'a str, nothing: &'a str) -> &'a str {
    if text.is_empty() { nothing } else { text }
}

fn spoken(truth: bool) -> &'static str {
    if truth { "True" } else { "False" }
}

/// A text without quotes, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Labels in order; `<none>` where there are none.
pub(super) fn labels(map: Option<&Value>) -> String {
    let text = map.map(|map| LabelSelector::of_map(map).to_string()).unwrap_or_default();
    or(&text, "<none>").to_owned()
}

fn selector(value: &Value, pointer: &str) -> String {
    selector_or(value, pointer, "<none>")
}

fn selector_or(value: &Value, pointer: &str, nothing: &str) -> String {
    let text = LabelSelector::of(value.pointer(pointer)).map(|selector| selector.to_string()).unwrap_or_default();
    or(&text, nothing).to_owned()
}

fn entries(value: &Value, pointers: &[&str]) -> usize {
    pointers.iter().map(|pointer| object::entries(value, pointer).count()).sum()
}

fn containers(value: &Value, pointer: &str) -> (Value, Value) {
    let all = object::items(value, pointer);
    let join = |field: &str| all.iter().map(|c| object::text(c, field)).collect::<Vec<_>>().join(",");
    (json!(join("/name")), json!(join("/image")))
}

/// The name of the default of its kind says so.
pub(super) fn marked_default(value: &Value, annotations: &[&str]) -> String {
    let default = annotations.iter().any(|key| object::annotation(value, key) == Some("true"));
    format!("{}{}", object::name(value), if default { " (default)" } else { "" })
}

fn owner(value: &Value) -> String {
    let Some(owner) = object::controller(value) else { return "<none>".to_owned() };
    let group = object::text(owner, "/apiVersion").rsplit_once('/').map(|(group, _)| format!(".{group}"));
    let kind = object::text(owner, "/kind").to_lowercase();
    format!("{kind}{}/{}", group.unwrap_or_default(), object::text(owner, "/name"))
}

fn node(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let info = |field: &str| object::text(value, &format!("/status/nodeInfo/{field}"));
    let ready = match object::condition(value, "Ready") {
        Some(condition) if object::text(condition, "/status") == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let closed = if object::truth(value, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" };
    let mut roles: Vec<&str> = object::entries(value, "/metadata/labels")
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| {
        let all = object::items(value, "/status/addresses");
        let found = all.iter().find(|address| object::text(address, "/type") == kind);
        json!(found.map_or("<none>", |address| object::text(address, "/address")))
    };
    let kernel = or(info("kernelVersion"), "<unknown>");
    let kernel = match info("architecture") {
        "" => kernel.to_owned(),
        architecture => format!("{kernel} ({architecture})"),
    };
    vec![
        name,
        json!(format!("{ready}{closed}")),
        json!(or(&roles.join(","), "<none>")),
        age,
        json!(info("kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        json!(or(info("osImage"), "<unknown>")),
        json!(kernel),
        json!(or(info("containerRuntimeVersion"), "<unknown>")),
    ]
}

fn event(value: &Value, name: Value, now: Timestamp) -> Vec<Value> {
    let text = |pointer: &str| object::text(value, pointer);
    let at = |pointer: &str| object::time(value, pointer);
    let unknown = || "<unknown>".to_owned();
    let first = at("/firstTimestamp").or_else(|| at("/eventTime")).map(|from| duration(from, now));
    let first = first.unwrap_or_else(unknown);
    let last = at("/lastTimestamp").map_or_else(|| first.clone(), |from| duration(from, now));
    let count = object::number(value, "/count").filter(|count| *count != 0).unwrap_or(1);
    let (last, count) = match value.get("series") {
        Some(series) if !series.is_null() => {
            (since(series, "/lastObservedTime", now), object::number(series, "/count").unwrap_or(0))
        }
        _ => (last, count),
    };
    let kind = text("/involvedObject/kind").to_lowercase();
    let about = match text("/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = or(text("/source/component"), text("/reportingComponent"));
    let source = match or(text("/source/host"), text("/reportingInstance")) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    };
    vec![
        json!(last),
        json!(text("/type")),
        json!(text("/reason")),
        json!(about),
        json!(text("/involvedObject/fieldPath")),
        json!(source),
        json!(text("/message").trim()),
        json!(first),
        json!(count),
        name,
    ]
}

fn quota(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in object::entries(value, "/status/hard") {
        let used = value.pointer("/status/used").and_then(|used| used.get(resource));
        let entry = format!("{resource}: {}/{}", used.map_or_else(|| "0".to_owned(), plain), plain(hard));
        if resource.starts_with("limits.") { limits.push(entry) } else { requests.push(entry) }
    }
    requests.sort_unstable();
    limits.sort_unstable();
    vec![name, json!(requests.join(", ")), json!(limits.join(", ")), age]
}

/// Access modes in their short form and fixed order.
fn modes(value: &Value, pointer: &str) -> Value {
    let all = object::items(value, pointer);
    let known =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let short = known.iter().filter(|(mode, _)| all.iter().any(|m| m.as_str() == Some(mode))).map(|(_, short)| *short);
    json!(short.collect::<Vec<_>>().join(","))
}

fn phase(value: &Value) -> Value {
    json!(if object::is_deleting(value) { "Terminating" } else { object::text(value, "/status/phase") })
}

fn volume(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let text = |pointer: &str| object::text(value, pointer);
    let claim = value.pointer("/spec/claimRef").map_or_else(String::new, |claim| {
        format!("{}/{}", object::text(claim, "/namespace"), object::text(claim, "/name"))
    });
    vec![
        name,
        json!(or(text("/spec/capacity/storage"), "0")),
        modes(value, "/spec/accessModes"),
        json!(text("/spec/persistentVolumeReclaimPolicy")),
        phase(value),
        json!(claim),
        json!(text("/spec/storageClassName")),
        json!(or(text("/spec/volumeAttributesClassName"), "<unset>")),
        json!(text("/status/reason")),
        age,
        json!(or(text("/spec/volumeMode"), "<unset>")),
    ]
}

fn claim(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let text = |pointer: &str| object::text(value, pointer);
    let bound = !text("/spec/volumeName").is_empty();
    let (capacity, access) = match bound {
        true => (or(text("/status/capacity/storage"), "0"), modes(value, "/status/accessModes")),
        false => ("", json!("")),
    };
    vec![
        name,
        phase(value),
        json!(text("/spec/volumeName")),
        json!(capacity),
        access,
        json!(text("/spec/storageClassName")),
        json!(or(text("/spec/volumeAttributesClassName"), "<unset>")),
        age,
        json!(or(text("/spec/volumeMode"), "<unset>")),
    ]
}

fn job(value: &Value, name: Value, age: Value, now: Timestamp) -> Vec<Value> {
    let number = |pointer: &str| object::number(value, pointer);
    let succeeded = number("/status/succeeded").unwrap_or(0);
    let completions = match (number("/spec/completions"), number("/spec/parallelism").unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, 0 | 1) => format!("{succeeded}/1"),
        (None, parallel) => format!("{succeeded}/1 of {parallel}"),
    };
    let is = |condition: &str| object::condition_is_true(value, condition);
    let status = match object::is_deleting(value) {
        _ if is("Complete") => "Complete",
        _ if is("Failed") => "Failed",
        true => "Terminating",
        false => ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|c| is(c)).unwrap_or("Running"),
    };
    let until = object::time(value, "/status/completionTime").unwrap_or(now);
    let took = object::time(value, "/status/startTime").map(|from| duration(from, until));
    let (names, images) = containers(value, "/spec/template/spec/containers");
    vec![
        name,
        json!(status),
        json!(completions),
        json!(took.unwrap_or_default()),
        age,
        names,
        images,
        json!(selector(value, "/spec/selector")),
    ]
}

fn autoscaler(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let metrics = object::items(value, "/spec/metrics");
    let current = object::items(value, "/status/currentMetrics");
    let shown: Vec<String> =
        metrics.iter().enumerate().map(|(at, metric)| metric_text(metric, current.get(at))).take(2).collect();
    let targets = match metrics.len() {
        0 => "<none>".to_owned(),
        1 | 2 => shown.join(", "),
        many => format!("{} + {} more...", shown.join(", "), many - 2),
    };
    let target = format!(
        "{}/{}",
        object::text(value, "/spec/scaleTargetRef/kind"),
        object::text(value, "/spec/scaleTargetRef/name")
    );
    let least = value.pointer("/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), plain);
    let number = |pointer: &str| json!(object::number(value, pointer).unwrap_or(0));
    let (most, now) = (number("/spec/maxReplicas"), number("/status/currentReplicas"));
    vec![name, json!(target), json!(targets), json!(least), most, now, age]
}

/// One metric of an autoscaler: what it is now, and what it should be.
fn metric_text(metric: &Value, current: Option<&Value>) -> String {
    let source = match object::text(metric, "/type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field: &str| metric.pointer(&format!("/{source}/target/{field}")).map(plain);
    let is = |field: &str| {
        let value = current.and_then(|current| current.pointer(&format!("/{source}/current/{field}")));
        value.map_or_else(|| "<unknown>".to_owned(), plain)
    };
    let percent = |text: String| if text.starts_with('<') { text } else { format!("{text}%") };
    let prefix = match source {
        "resource" | "containerResource" => format!("{}: ", object::text(metric, &format!("/{source}/name"))),
        _ => String::new(),
    };
    match (source, target("averageValue")) {
        ("external" | "object", Some(average)) => format!("{}/{average} (avg)", is("averageValue")),
        ("external" | "object", None) => format!("{}/{}", is("value"), target("value").unwrap_or_default()),
        (_, Some(average)) => format!("{prefix}{}/{average}", is("averageValue")),
        (_, None) => {
            let wanted = target("averageUtilization").map_or_else(|| "<auto>".to_owned(), percent);
            format!("{prefix}{}/{wanted}", percent(is("averageUtilization")))
        }
    }
}

fn csi_driver(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let truth = |field: &str, otherwise: bool| {
        json!(value.pointer(&format!("/spec/{field}")).and_then(Value::as_bool).unwrap_or(otherwise))
    };
    let modes: Vec<&str> =
        object::items(value, "/spec/volumeLifecycleModes").iter().filter_map(Value::as_str).collect();
    let tokens = value.pointer("/spec/tokenRequests").map_or_else(
        || "<unset>".to_owned(),
        |_| {
            let all = object::items(value, "/spec/tokenRequests").iter().map(|t| object::text(t, "/audience"));
            all.collect::<Vec<_>>().join(",")
        },
    );
    vec![
        name,
        truth("attachRequired", true),
        truth("podInfoOnMount", false),
        truth("storageCapacity", false),
        json!(tokens),
        truth("requiresRepublish", false),
        json!(or(&modes.join(","), "<none>")),
        age,
    ]
}
