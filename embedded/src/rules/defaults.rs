//! The values that the server fills in where an object says nothing. Tables of rows (where, what), each group with its
//! source; what cannot be said as a row is a small function. Sets nothing that admission or allocation decides.

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::custom;
use crate::object::{self, default_to};
use crate::registry::Resource;

/// The annotation that older clients read the generation of a DaemonSet's template from.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A row: where the map is that gets the default (`*` means every item or entry), the key in it, and the JSON value.
/// A map that is not there gets nothing.
type Row = (&'static str, &'static str, &'static str);

/// Source: `SetDefaults_PodSpec`, `SetDefaults_Container`, `SetDefaults_Probe` and their like in
/// `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`, seen from kube-apiserver 1.36.
const POD_SPEC: &[Row] = &[
    ("", "dnsPolicy", r#""ClusterFirst""#),
    ("", "restartPolicy", r#""Always""#),
    ("", "schedulerName", r#""default-scheduler""#),
    ("", "securityContext", "{}"),
    ("", "terminationGracePeriodSeconds", "30"),
    ("ephemeralContainers/*", "resources", "{}"),
    ("ephemeralContainers/*", "terminationMessagePath", r#""/dev/termination-log""#),
    ("ephemeralContainers/*", "terminationMessagePolicy", r#""File""#),
    ("volumes/*/configMap", "defaultMode", "420"),
    ("volumes/*/secret", "defaultMode", "420"),
    ("volumes/*/downwardAPI", "defaultMode", "420"),
    ("volumes/*/downwardAPI/items/*/fieldRef", "apiVersion", r#""v1""#),
    ("volumes/*/projected", "defaultMode", "420"),
    ("volumes/*/projected/sources/*/downwardAPI/items/*/fieldRef", "apiVersion", r#""v1""#),
    ("volumes/*/projected/sources/*/serviceAccountToken", "expirationSeconds", "3600"),
    ("volumes/*/hostPath", "type", r#""""#),
    ("volumes/*/ephemeral/volumeClaimTemplate/spec", "volumeMode", r#""Filesystem""#),
];

/// The same for each container and init container.
const CONTAINER: &[Row] = &[
    ("", "resources", "{}"),
    ("", "terminationMessagePath", r#""/dev/termination-log""#),
    ("", "terminationMessagePolicy", r#""File""#),
    ("ports/*", "protocol", r#""TCP""#),
    ("env/*/valueFrom/fieldRef", "apiVersion", r#""v1""#),
    ("env/*/valueFrom/resourceFieldRef", "divisor", r#""0""#),
    ("lifecycle/postStart/httpGet", "path", r#""/""#),
    ("lifecycle/postStart/httpGet", "scheme", r#""HTTP""#),
    ("lifecycle/preStop/httpGet", "path", r#""/""#),
    ("lifecycle/preStop/httpGet", "scheme", r#""HTTP""#),
];

/// The same for each probe.
const PROBE: &[Row] = &[
    ("", "timeoutSeconds", "1"),
    ("", "periodSeconds", "10"),
    ("", "successThreshold", "1"),
    ("", "failureThreshold", "3"),
    ("httpGet", "path", r#""/""#),
    ("httpGet", "scheme", r#""HTTP""#),
    ("grpc", "service", r#""""#),
];

/// Source: `k8s.io/kubernetes/pkg/apis/apps/v1/defaults.go`.
const DEPLOYMENT: &[Row] = &[
    ("spec", "replicas", "1"),
    ("spec", "strategy", "{}"),
    ("spec/strategy", "type", r#""RollingUpdate""#),
    ("spec", "revisionHistoryLimit", "10"),
    ("spec", "progressDeadlineSeconds", "600"),
];
const REPLICA_SET: &[Row] = &[("spec", "replicas", "1")];
const STATEFUL_SET: &[Row] = &[
    ("spec", "podManagementPolicy", r#""OrderedReady""#),
    ("spec", "updateStrategy", "{}"),
    ("spec/updateStrategy", "type", r#""RollingUpdate""#),
    ("spec", "persistentVolumeClaimRetentionPolicy", "{}"),
    ("spec/persistentVolumeClaimRetentionPolicy", "whenDeleted", r#""Retain""#),
    ("spec/persistentVolumeClaimRetentionPolicy", "whenScaled", r#""Retain""#),
    ("spec", "replicas", "1"),
    ("spec", "revisionHistoryLimit", "10"),
    ("spec/volumeClaimTemplates/*/spec", "volumeMode", r#""Filesystem""#),
    ("spec/volumeClaimTemplates/*", "status", "{}"),
    ("spec/volumeClaimTemplates/*/status", "phase", r#""Pending""#),
];
const DAEMON_SET: &[Row] = &[
    ("spec", "updateStrategy", "{}"),
    ("spec/updateStrategy", "type", r#""RollingUpdate""#),
    ("spec", "revisionHistoryLimit", "10"),
];

/// Source: `k8s.io/kubernetes/pkg/apis/batch/v1/defaults.go`.
const JOB: &[Row] = &[
    ("spec", "completionMode", r#""NonIndexed""#),
    ("spec", "suspend", "false"),
    ("spec", "podReplacementPolicy", r#""TerminatingOrFailed""#),
    ("spec", "backoffLimit", "6"),
    ("spec", "manualSelector", "false"),
];
const CRON_JOB: &[Row] = &[
    ("spec", "concurrencyPolicy", r#""Allow""#),
    ("spec", "suspend", "false"),
    ("spec", "successfulJobsHistoryLimit", "3"),
    ("spec", "failedJobsHistoryLimit", "1"),
];

/// Source: `SetDefaults_Service` in `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`.
const SERVICE: &[Row] = &[
    ("spec", "sessionAffinity", r#""None""#),
    ("spec", "type", r#""ClusterIP""#),
    ("spec/ports/*", "protocol", r#""TCP""#),
];

/// Source: the remaining `SetDefaults_*` of `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`.
const SECRET: &[Row] = &[("", "type", r#""Opaque""#)];
const CLAIM: &[Row] = &[("spec", "volumeMode", r#""Filesystem""#)];
const VOLUME: &[Row] =
    &[("spec", "persistentVolumeReclaimPolicy", r#""Retain""#), ("spec", "volumeMode", r#""Filesystem""#)];
const NAMESPACE: &[Row] = &[("", "spec", "{}")];
const POD: &[Row] = &[("spec", "enableServiceLinks", "true")];
const EVENT: &[Row] = &[
    ("", "source", "{}"),
    ("", "firstTimestamp", "null"),
    ("", "lastTimestamp", "null"),
    ("", "eventTime", "null"),
    ("", "reportingComponent", r#""""#),
    ("", "reportingInstance", r#""""#),
];

/// Source: `k8s.io/kubernetes/pkg/apis/autoscaling/v2/defaults.go`.
const AUTOSCALER: &[Row] = &[("spec", "minReplicas", "1")];
/// Source: `k8s.io/kubernetes/pkg/apis/networking/v1/defaults.go`.
const NETWORK_POLICY: &[Row] =
    &[("spec/ingress/*/ports/*", "protocol", r#""TCP""#), ("spec/egress/*/ports/*", "protocol", r#""TCP""#)];
/// Source: `k8s.io/kubernetes/pkg/apis/scheduling/v1/defaults.go`.
const PRIORITY_CLASS: &[Row] = &[("", "preemptionPolicy", r#""PreemptLowerPriority""#)];
/// Source: `k8s.io/kubernetes/pkg/apis/rbac/v1/defaults.go`.
const BINDING: &[Row] = &[("roleRef", "apiGroup", r#""rbac.authorization.k8s.io""#)];
/// Source: `k8s.io/kubernetes/pkg/apis/storage/v1/defaults.go`.
const STORAGE_CLASS: &[Row] = &[("", "reclaimPolicy", r#""Delete""#), ("", "volumeBindingMode", r#""Immediate""#)];
/// Source: `k8s.io/kubernetes/pkg/apis/discovery/v1/defaults.go`.
const ENDPOINT_SLICE: &[Row] = &[("ports/*", "name", r#""""#), ("ports/*", "protocol", r#""TCP""#)];
/// Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go`.
const DEFINITION: &[Row] = &[("spec", "conversion", "{}"), ("spec/conversion", "strategy", r#""None""#)];

/// Fills in what the object leaves out.
pub(super) fn apply(resource: &Resource, value: &mut Value) {
    if resource.custom.is_some() {
        return custom::default(resource, value);
    }
    match resource.kind.as_str() {
        "Pod" => {
            rows(value, POD);
            pod_spec(value.get_mut("spec"));
            requests_from_limits(value);
            // One address stands beside the list of all.
            let address = object::text(value, "/status/podIP").to_owned();
            if !address.is_empty() && object::items(value, "/status/podIPs").is_empty() {
                object::set(value, "/status/podIPs", json!([{"ip": address}]));
            }
            if object::number(value, "/spec/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
                object::set(value, "/spec/terminationGracePeriodSeconds", json!(1));
            }
        }
        "Deployment" => {
            rows(value, DEPLOYMENT);
            rolling_update(value, "/spec/strategy", json!({"maxUnavailable": "25%", "maxSurge": "25%"}));
            template(value);
        }
        "ReplicaSet" => {
            rows(value, REPLICA_SET);
            template(value);
        }
        "StatefulSet" => {
            rows(value, STATEFUL_SET);
            rolling_update(value, "/spec/updateStrategy", json!({"partition": 0}));
            template(value);
            let claims = value.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
            for claim in claims.into_iter().flatten() {
                default_to(object::as_map(claim), "apiVersion", json!("v1"));
                default_to(object::as_map(claim), "kind", json!("PersistentVolumeClaim"));
            }
        }
        "DaemonSet" => {
            rows(value, DAEMON_SET);
            let generation = format!("/metadata/annotations/{TEMPLATE_GENERATION}");
            if value.pointer(&generation).is_none() {
                object::set(value, &generation, json!("1"));
            }
            rolling_update(value, "/spec/updateStrategy", json!({"maxUnavailable": 1, "maxSurge": 0}));
            template(value);
        }
        "Job" => job(value),
        "CronJob" => {
            rows(value, CRON_JOB);
            pod_spec(value.pointer_mut("/spec/jobTemplate/spec/template/spec"));
        }
        "Service" => service(value),
        "Secret" => rows(value, SECRET),
        "PersistentVolumeClaim" => rows(value, CLAIM),
        "PersistentVolume" => rows(value, VOLUME),
        "Namespace" => namespace(value),
        "Event" => rows(value, EVENT),
        "HorizontalPodAutoscaler" => autoscaler(value),
        "NetworkPolicy" => network_policy(value),
        "PriorityClass" => rows(value, PRIORITY_CLASS),
        "IngressClass" => {
            if let Some(Value::Object(parameters)) = value.pointer_mut("/spec/parameters") {
                object::default_to(parameters, "scope", json!("Cluster"));
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            rows(value, BINDING);
            subjects(value);
        }
        "StorageClass" => rows(value, STORAGE_CLASS),
        "EndpointSlice" => rows(value, ENDPOINT_SLICE),
        "CustomResourceDefinition" => definition(value),
        kind => super::defaults_admission::apply(kind, value),
    }
}

/// What the status of a new object is: the fields that the server shows although nothing has set them. Set after field
/// ownership has been worked out, because nobody owns them.
///
/// Source: the Go types of `k8s.io/api` (fields without `omitempty`), seen from kube-apiserver 1.36.
pub(super) fn first_status(resource: &Resource, value: &Value) -> Option<Value> {
    if resource.custom.is_some() {
        return None;
    }
    Some(match resource.kind.as_str() {
        "Pod" => json!({"phase": "Pending", "qosClass": quality(value)}),
        "PersistentVolumeClaim" | "PersistentVolume" => json!({"phase": "Pending"}),
        "Namespace" => json!({"phase": "Active"}),
        "Service" | "Ingress" => json!({"loadBalancer": {}}),
        "Deployment" | "Job" | "CronJob" | "ResourceQuota" => json!({}),
        "ReplicaSet" => json!({"replicas": 0}),
        "StatefulSet" => json!({"replicas": 0, "availableReplicas": 0}),
        "DaemonSet" => json!({
            "currentNumberScheduled": 0,
            "desiredNumberScheduled": 0,
            "numberMisscheduled": 0,
            "numberReady": 0,
        }),
        "HorizontalPodAutoscaler" => json!({"currentMetrics": null, "desiredReplicas": 0}),
        "PodDisruptionBudget" => json!({
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "disruptionsAllowed": 0,
            "expectedPods": 0,
        }),
        _ => return None,
    })
}

/// How a pod is treated when memory runs out. Source: `ComputePodQOS` in `k8s.io/kubernetes/pkg/apis/core/helper/qos`.
fn quality(pod: &Value) -> &'static str {
    let mut asked = false;
    let mut guaranteed = true;
    for list in ["containers", "initContainers"] {
        for container in object::items(pod, &format!("/spec/{list}")) {
            let amount = |kind: &str, name: &str| {
                let text = object::text(container, &format!("/resources/{kind}/{name}"));
                Quantity::parse(text).map(Quantity::nano).unwrap_or(0)
            };
            for name in ["cpu", "memory"] {
                let (request, limit) = (amount("requests", name), amount("limits", name));
                asked |= request > 0 || limit > 0;
                guaranteed &= limit > 0 && request == limit;
            }
        }
    }
    match (asked, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Applies rows to a map.
fn rows(value: &mut Value, rows: &[Row]) {
    for (place, key, text) in rows {
        // A row is a constant of this file; a test reads every one of them.
        let Ok(default) = serde_json::from_str::<Value>(text) else { continue };
        let parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
        at_each(value, &parts, &mut |map| {
            if default.is_null() {
                object::as_map(map).entry((*key).to_owned()).or_insert(Value::Null);
            } else {
                let map = object::as_map(map);
                // An empty text is nothing to a server, which cannot tell the two apart.
                if map.get(*key).is_some_and(|given| *given == json!("")) {
                    map.remove(*key);
                }
                default_to(map, key, default.clone());
            }
        });
    }
}

/// Calls `change` for each map at a place.
fn at_each(value: &mut Value, place: &[&str], change: &mut dyn FnMut(&mut Value)) {
    match place.split_first() {
        None if value.is_object() => change(value),
        None => {}
        Some((&"*", rest)) => match value {
            Value::Array(items) => items.iter_mut().for_each(|item| at_each(item, rest, change)),
            Value::Object(entries) => entries.values_mut().for_each(|entry| at_each(entry, rest, change)),
            _ => {}
        },
        Some((name, rest)) => {
            if let Some(inner) = value.get_mut(*name) {
                at_each(inner, rest, change);
            }
        }
    }
}

fn template(value: &mut Value) {
    pod_spec(value.pointer_mut("/spec/template/spec"));
}

fn rolling_update(value: &mut Value, strategy: &str, fill: Value) {
    let Some(strategy) = value.pointer_mut(strategy) else { return };
    if object::text(strategy, "/type") != "RollingUpdate" {
        return;
    }
    let rolling = object::map_mut(strategy, "rollingUpdate");
    for (key, default) in fill.as_object().into_iter().flatten() {
        default_to(rolling, key, default.clone());
    }
}

fn pod_spec(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    rows(spec, POD_SPEC);
    // The older name of the account stands beside the newer one, each filled from the other.
    let account = [object::text(spec, "/serviceAccountName"), object::text(spec, "/serviceAccount")];
    let account = account.into_iter().find(|name| !name.is_empty()).map(str::to_owned);
    if let Some(account) = account {
        object::set(spec, "/serviceAccountName", json!(account));
        object::set(spec, "/serviceAccount", json!(account));
    }
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        for volume in volumes.iter_mut().filter_map(Value::as_object_mut) {
            if volume.len() == 1 {
                volume.insert("emptyDir".to_owned(), json!({}));
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            rows(container, CONTAINER);
            let policy = pull_policy(object::text(container, "/image"));
            default_to(object::as_map(container), "imagePullPolicy", json!(policy));
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(probe) {
                    rows(probe, PROBE);
                }
            }
        }
    }
}

/// `Always` for an image without a tag or with `latest`, otherwise `IfNotPresent`.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        Some((_, tag)) if tag != "latest" => "IfNotPresent",
        _ => "Always",
    }
}

/// A limit without a request is a request too. Source: `SetDefaults_Pod`; templates are left alone.
fn requests_from_limits(pod: &mut Value) {
    for list in ["containers", "initContainers"] {
        let containers = pod.get_mut("spec").and_then(|s| s.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Some(resources) = container.get_mut("resources") else { continue };
            let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { continue };
            let requests = object::map_mut(resources, "requests");
            for (name, limit) in limits {
                default_to(requests, &name, limit);
            }
        }
    }
}

fn job(value: &mut Value) {
    let Some(spec) = value.get_mut("spec") else { return };
    let unset = |field: &str| spec.get(field).is_none_or(Value::is_null);
    if unset("completions") && unset("parallelism") {
        object::set(spec, "/completions", json!(1));
        object::set(spec, "/parallelism", json!(1));
    } else {
        default_to(object::as_map(spec), "parallelism", json!(1));
    }
    rows(value, JOB);
    template(value);
    label_like_pods(value);
}

/// A client that does not say how many templates a DaemonSet has had says that there were none.
pub(super) fn forget_templates(resource: &Resource, new: &mut Value) {
    if resource.is("apps", "DaemonSet") && object::annotation(new, TEMPLATE_GENERATION).is_none() {
        let metadata = object::map_mut(new, "metadata");
        let annotations = object::as_map(metadata.entry("annotations").or_insert_with(|| json!({})));
        annotations.insert(TEMPLATE_GENERATION.to_owned(), json!("0"));
    }
}

/// A Job without labels has those of its pods. Source: `SetDefaults_Job`.
fn label_like_pods(value: &mut Value) {
    if object::entries(value, "/metadata/labels").next().is_none()
        && let Some(labels) = value.pointer("/spec/template/metadata/labels").cloned()
    {
        object::set(value, "/metadata/labels", labels);
    }
}

/// A Job selects the pods that carry its own identity. Source: `generateSelector` of `registry/batch/job/strategy.go`.
fn select_own_pods(value: &mut Value, bare: bool) {
    if object::truth(value, "/spec/manualSelector") {
        return;
    }
    let (uid, name) = (object::uid(value).to_owned(), object::name(value).to_owned());
    for (key, text) in [("controller-uid", &uid), ("job-name", &name)] {
        for prefix in ["", "batch.kubernetes.io/"] {
            // What its client has set is refused later, where it is something else.
            let pointer = format!("/spec/template/metadata/labels/{}{key}", prefix.replace('/', "~1"));
            if value.pointer(&pointer).is_none() {
                object::set(value, &pointer, json!(text));
            }
        }
    }
    let selected = "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid";
    if value.pointer(selected).is_none() {
        object::set(value, selected, json!(uid));
    }
    // The labels that it has from its pods are theirs, whatever becomes of them.
    if bare {
        object::remove(value, "/metadata/labels");
    }
    label_like_pods(value);
}

fn service(value: &mut Value) {
    rows(value, SERVICE);
    let kind = object::text(value, "/spec/type").to_owned();
    let external = is_reached_from_outside(value);
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if external {
        default_to(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        default_to(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    if kind != "ExternalName" {
        default_to(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if spec.get("sessionAffinity").and_then(Value::as_str) == Some("ClientIP") {
        let mut spec = Value::Object(std::mem::take(spec));
        if spec.pointer("/sessionAffinityConfig/clientIP/timeoutSeconds").is_none() {
            object::set(&mut spec, "/sessionAffinityConfig/clientIP/timeoutSeconds", json!(10_800));
        }
        object::set(value, "/spec", spec);
    }
    if object::text(value, "/spec/sessionAffinity") == "None" {
        object::remove(value, "/spec/sessionAffinityConfig");
    }
    for port in value.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let number = port.get("port").cloned().unwrap_or_default();
        let unset = matches!(port.get("targetPort"), None | Some(Value::Null))
            || port.get("targetPort") == Some(&json!(0))
            || port.get("targetPort") == Some(&json!(""));
        if unset {
            object::set(port, "/targetPort", number);
        }
    }
    if kind == "LoadBalancer" {
        let ingress = value.pointer_mut("/status/loadBalancer/ingress").and_then(Value::as_array_mut);
        for entry in ingress.into_iter().flatten() {
            if !object::text(entry, "/ip").is_empty() {
                default_to(object::as_map(entry), "ipMode", json!("VIP"));
            }
        }
    }
}

/// Can a Service be reached from outside the cluster?
pub(super) fn is_reached_from_outside(service: &Value) -> bool {
    match object::text(service, "/spec/type") {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !object::items(service, "/spec/externalIPs").is_empty(),
        _ => false,
    }
}

fn namespace(value: &mut Value) {
    rows(value, NAMESPACE);
    let name = object::name(value).to_owned();
    if !name.is_empty() {
        let metadata = object::as_map(value).entry("metadata").or_insert(json!({}));
        object::map_mut(metadata, "labels").insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
}

/// What the server sets in a new object after it has worked out who owns what: nobody owns these. `bare` tells whether
/// the object came without labels.
pub(super) fn untracked(resource: &Resource, value: &mut Value, bare: bool) {
    if resource.is("", "Namespace") {
        guard_namespace(value);
    } else if resource.is("batch", "Job") {
        select_own_pods(value, bare);
    }
}

/// Counts the templates that a DaemonSet has had, in its annotation, which no client can set.
///
/// Source: `PrepareForUpdate` of `registry/apps/daemonset/strategy.go`.
pub(super) fn count_templates(resource: &Resource, old: &Value, new: &mut Value) {
    if !resource.is("apps", "DaemonSet") {
        return;
    }
    let known = object::annotation(old, TEMPLATE_GENERATION).and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
    let changed = old.pointer("/spec/template") != new.pointer("/spec/template");
    let count = if changed { known + 1 } else { known };
    object::set(new, &format!("/metadata/annotations/{TEMPLATE_GENERATION}"), json!(count.to_string()));
}

/// A new Namespace does not go before it is emptied.
///
/// Source: `PrepareForCreate` of `registry/core/namespace/strategy.go`.
fn guard_namespace(value: &mut Value) {
    let mut finalizers: Vec<Value> = object::items(value, "/spec/finalizers").to_vec();
    if !finalizers.contains(&json!("kubernetes")) {
        finalizers.push(json!("kubernetes"));
    }
    object::set(value, "/spec/finalizers", json!(finalizers));
}

fn autoscaler(value: &mut Value) {
    rows(value, AUTOSCALER);
    let Some(spec) = value.get_mut("spec") else { return };
    if object::items(spec, "/metrics").is_empty() {
        let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
        object::set(spec, "/metrics", json!([{"type": "Resource", "resource": cpu}]));
    }
    // Source: `GenerateHPAScaleUpRules` and `…DownRules`: only a behaviour that is spoken of is completed.
    let Some(behavior) = spec.get_mut("behavior").and_then(Value::as_object_mut) else { return };
    for (direction, fill) in [
        (
            "scaleUp",
            json!({
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [
                    {"type": "Pods", "value": 4, "periodSeconds": 15},
                    {"type": "Percent", "value": 100, "periodSeconds": 15},
                ],
            }),
        ),
        (
            "scaleDown",
            json!({"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}),
        ),
    ] {
        let entry = behavior.entry(direction).or_insert_with(|| json!({}));
        for (key, default) in fill.as_object().into_iter().flatten() {
            default_to(object::as_map(entry), key, default.clone());
        }
    }
}

fn network_policy(value: &mut Value) {
    rows(value, NETWORK_POLICY);
    let Some(spec) = value.get_mut("spec") else { return };
    if object::items(spec, "/policyTypes").is_empty() {
        let mut types = vec!["Ingress"];
        if !object::items(spec, "/egress").is_empty() {
            types.push("Egress");
        }
        object::set(spec, "/policyTypes", json!(types));
    }
}

fn subjects(value: &mut Value) {
    for subject in value.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if matches!(object::text(subject, "/kind"), "User" | "Group") {
            default_to(object::as_map(subject), "apiGroup", json!("rbac.authorization.k8s.io"));
        }
    }
}

fn definition(value: &mut Value) {
    rows(value, DEFINITION);
    let Some(names) = value.pointer_mut("/spec/names") else { return };
    let kind = object::text(names, "/kind").to_owned();
    let names = object::as_map(names);
    default_to(names, "singular", json!(kind.to_lowercase()));
    default_to(names, "listKind", json!(format!("{kind}List")));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_row_is_json() {
        for rows in [
            POD_SPEC,
            CONTAINER,
            PROBE,
            DEPLOYMENT,
            REPLICA_SET,
            STATEFUL_SET,
            DAEMON_SET,
            JOB,
            CRON_JOB,
            SERVICE,
            SECRET,
            CLAIM,
            VOLUME,
            NAMESPACE,
            POD,
            EVENT,
            AUTOSCALER,
            NETWORK_POLICY,
            PRIORITY_CLASS,
            BINDING,
            STORAGE_CLASS,
            ENDPOINT_SLICE,
            DEFINITION,
        ] {
            for (_, key, text) in rows {
                serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{key}: {error}"));
            }
        }
    }

    #[track_caller]
    fn check_policy(image: &str, policy: &str) {
        assert_eq!(pull_policy(image), policy, "{image}");
    }

    #[test]
    fn the_pull_policy_follows_the_tag() {
        check_policy("nginx", "Always");
        check_policy("nginx:latest", "Always");
        check_policy("nginx:1.25", "IfNotPresent");
        check_policy("registry:5000/nginx", "Always");
        check_policy("registry:5000/nginx:1", "IfNotPresent");
        check_policy("nginx@sha256:00", "IfNotPresent");
    }
}
