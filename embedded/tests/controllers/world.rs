//! A cluster in memory on a clock that leaps, and few words to speak with it.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use kube::{Client, Error};
use kube_embedded::{Cluster, NodeSpec, Options, Storage, TestClock};
use serde_json::{Value, json};

/// The moment at which every test begins.
pub(crate) const BEGIN: &str = "2026-01-01T00:00:00Z";

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    pub(crate) clock: TestClock,
}

/// A node with two GPUs of its own sort, beside what every node has.
pub(crate) fn gpu_node(name: &str) -> NodeSpec {
    NodeSpec { gpus: 2, ..NodeSpec::named(name) }
}

impl World {
    /// A cluster with these nodes, whose clock jumps to the next moment something is to happen.
    pub(crate) async fn new(nodes: Vec<NodeSpec>) -> World {
        World::on(nodes, TestClock::leaping(BEGIN.parse().unwrap())).await
    }

    /// A cluster with these nodes, whose clock stands still until it is moved.
    pub(crate) async fn still(nodes: Vec<NodeSpec>) -> World {
        World::on(nodes, TestClock::at(BEGIN.parse().unwrap())).await
    }

    async fn on(nodes: Vec<NodeSpec>, clock: TestClock) -> World {
        let ready_after = Duration::from_secs(1);
        let options = Options { nodes, ready_after, clock: Arc::new(clock.clone()), ..Options::default() };
        let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
        let client = Client::new(cluster.router(), "default");
        World { cluster, client, clock }
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = match kind {
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "ControllerRevision" => ("apps", "v1"),
            "Job" | "CronJob" => ("batch", "v1"),
            "PodDisruptionBudget" => ("policy", "v1"),
            "HorizontalPodAutoscaler" => ("autoscaling", "v2"),
            "EndpointSlice" => ("discovery.k8s.io", "v1"),
            "PriorityClass" => ("scheduling.k8s.io", "v1"),
            "StorageClass" => ("storage.k8s.io", "v1"),
            _ => ("", "v1"),
        };
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if kind == "Endpoints" {
            "endpoints".clone_into(&mut resource.plural);
        }
        match kind {
            "Node" | "Namespace" | "PersistentVolume" | "PriorityClass" | "StorageClass" => {
                Api::all_with(self.client.clone(), &resource)
            }
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    /// Server-side apply.
    pub(crate) async fn apply(&self, object: Value) -> Value {
        let (kind, name) = (text(&object, "/kind").to_owned(), text(&object, "/metadata/name").to_owned());
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_owned();
        let params = PatchParams::apply("test").force();
        value(&self.api(&kind, &namespace).patch(&name, &params, &Patch::Apply(object)).await.unwrap())
    }

    pub(crate) async fn create(&self, object: Value) -> Result<Value, Error> {
        let kind = text(&object, "/kind").to_owned();
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_owned();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        self.api(&kind, &namespace).create(&PostParams::default(), &object).await.map(|object| value(&object))
    }

    /// A merge patch.
    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value) -> Value {
        let patched = self.api(kind, "default").patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        value(&patched.unwrap())
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str, params: &DeleteParams) {
        self.api(kind, "default").delete(name, params).await.unwrap();
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.api(kind, "default").get_opt(name).await.unwrap().map(|object| value(&object))
    }

    /// The objects of a kind in the namespace `default`, by name.
    pub(crate) async fn list(&self, kind: &str, labels: &str) -> Vec<Value> {
        let list = self.api(kind, "default").list(&ListParams::default().labels(labels)).await.unwrap();
        list.items.iter().map(value).collect()
    }

    /// The object, once the condition holds of it.
    pub(crate) async fn wait(&self, kind: &str, name: &str, holds: impl Fn(&Value) -> bool + Send) -> Value {
        let condition = |object: Option<&DynamicObject>| object.is_some_and(|object| holds(&value(object)));
        let found = await_condition(self.api(kind, "default"), name, condition).await.unwrap();
        value(&found.unwrap())
    }

    /// Ends when the object is gone.
    pub(crate) async fn gone(&self, kind: &str, name: &str) {
        let condition = |object: Option<&DynamicObject>| object.is_none();
        await_condition(self.api(kind, "default"), name, condition).await.unwrap();
    }

    /// Reasons and messages of what was told about an object, in the order of their texts.
    pub(crate) async fn told(&self, name: &str) -> Vec<String> {
        let events = self.list("Event", "").await;
        let about = events.iter().filter(|event| text(event, "/involvedObject/name") == name);
        let mut texts: Vec<String> =
            about.map(|event| format!("{}: {}", text(event, "/reason"), text(event, "/message"))).collect();
        texts.sort();
        texts
    }
}

fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap()
}

/// The text at a pointer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a pointer; nought where there is none.
pub(crate) fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// `TYPE=STATUS REASON: MESSAGE` of each condition.
pub(crate) fn conditions(object: &Value) -> Vec<String> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let shown = conditions.iter().map(|condition| {
        let part = |field: &str| text(condition, field).to_owned();
        format!("{}={} {}: {}", part("/type"), part("/status"), part("/reason"), part("/message"))
    });
    shown.collect()
}

/// Does the condition have this reason?
pub(crate) fn has_reason(object: &Value, kind: &str, reason: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    conditions.iter().any(|c| text(c, "/type") == kind && text(c, "/reason") == reason)
}

/// The status without its conditions, and with each time as `T`.
pub(crate) fn numbers(object: &Value) -> Value {
    let mut status = object["status"].clone();
    status.as_object_mut().unwrap().remove("conditions");
    for time in ["startTime", "completionTime", "lastScheduleTime", "lastSuccessfulTime", "lastScaleTime"] {
        if let Some(at) = status.get_mut(time) {
            *at = json!("T");
        }
    }
    status
}

/// A container that asks for something.
pub(crate) fn container(requests: Value) -> Value {
    json!([{"name": "main", "image": "example.com/main:1", "resources": {"requests": requests.clone(), "limits": requests}}])
}

/// A workload of a kind: `replicas` pods labelled `app=NAME`.
pub(crate) fn workload(kind: &str, name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": container(json!({}))}},
        },
    })
}

/// A pod with a spec.
pub(crate) fn pod(name: &str, mut spec: Value) -> Value {
    if spec.get("containers").is_none() {
        spec["containers"] = container(json!({}));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec})
}
