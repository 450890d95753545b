//! What kubelets would do on a control plane that has none: nodes are registered, pods that were placed on them run
//! and are ready at once, and pods that are being deleted go. Nothing is run. An image whose tag says so fails.

use std::path::PathBuf;

use control_plane::client;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

/// Nodes, as the environments of the stories describe them for the embedded cluster.
const NODES: [&str; 2] = ["cpu-1", "cpu-2"];

/// Registers the nodes, then serves pods in the background until the process ends.
pub(crate) fn start(kubeconfig: PathBuf) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let client = client(&kubeconfig).await;
        for name in NODES {
            register(&client, name).await;
        }
        client
    });
    std::thread::spawn(move || runtime.block_on(serve(client)));
}

async fn register(client: &Client, name: &str) {
    let nodes: Api<Node> = Api::all(client.clone());
    let room = json!({"cpu": "64", "memory": "256Gi", "pods": "500", "nvidia.com/gpu": "8"});
    let node = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "gpu": "true"}}});
    nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    let status = json!({"status": {
        "capacity": room,
        "allocatable": room,
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    }});
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

async fn serve(client: Client) {
    let mut events = watcher(Api::<Pod>::all(client.clone()), Config::default().fields("spec.nodeName!=")).boxed();
    while let Some(event) = events.next().await {
        // A watch that broke begins anew by itself.
        if let Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) = event {
            tend(&client, &pod).await;
        }
    }
}

/// Does for one pod what is due. A pod that has changed or gone meanwhile is heard of again.
async fn tend(client: &Client, pod: &Pod) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        let _ = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
    } else if pod.status.as_ref().is_none_or(|status| status.container_statuses.is_none()) {
        let _ = pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status(pod))).await;
        for event in warnings(pod) {
            let events: Api<Event> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
            let _ = events.create(&PostParams::default(), &event).await;
        }
    }
}

fn status(pod: &Pod) -> Value {
    let now = now();
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let statuses: Vec<Value> = containers
        .map(|container| {
            let image = container.image.clone().unwrap_or_default();
            let mut status = json!({"name": container.name, "image": image, "imageID": image, "restartCount": 0});
            let more = state(&image, &now);
            status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            status
        })
        .collect();
    if ends(pod) {
        return ended(pod, &now);
    }
    let runs = statuses.iter().all(|status| status["ready"] == true);
    let truth = if runs { "True" } else { "False" };
    let condition = |name: &str, truth: &str| json!({"type": name, "status": truth, "lastTransitionTime": now});
    // Without an address no controller counts a pod among the endpoints of a Service.
    let address = address(&pod.metadata.uid.clone().unwrap_or_default());
    json!({"status": {
        "phase": if runs { "Running" } else { "Pending" },
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "containerStatuses": statuses,
        "conditions": [
            condition("PodScheduled", "True"),
            condition("Initialized", "True"),
            condition("ContainersReady", truth),
            condition("Ready", truth),
        ],
    }})
}

/// An address of a network of pods that follows from the pod's UID. Nothing is reached at it.
fn address(uid: &str) -> String {
    let sum = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let [_, two, three, four] = sum.to_be_bytes();
    format!("10.{two}.{three}.{}", four.clamp(1, 254))
}

/// Whether a pod need not run for ever.
fn ends(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("Never")
}

/// A pod that need not run for ever ends at once, in the way that its images ask for.
fn ended(pod: &Pod, now: &str) -> Value {
    let mut phase = "Succeeded";
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| {
        let image = container.image.clone().unwrap_or_default();
        let (code, reason) = match fault(&image) {
            Some("crash-loop") => (1, "Error"),
            _ => (0, "Completed"),
        };
        if code > 0 {
            phase = "Failed";
        }
        let end = json!({"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now});
        json!({"name": container.name, "image": image, "imageID": image, "restartCount": 0, "ready": false,
            "state": {"terminated": end}})
    });
    let statuses: Vec<Value> = containers.collect();
    let condition = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": now});
    json!({"status": {"phase": phase, "startTime": now, "containerStatuses": statuses, "conditions": [condition]}})
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The fault that an image asks for by its tag, as it would ask the embedded cluster.
fn fault(image: &str) -> Option<&str> {
    image.rsplit_once(":fault-").map(|(_, fault)| fault)
}

fn not_found(image: &str) -> String {
    format!("rpc error: code = NotFound desc = simulated: {image}: not found")
}

/// The state of a container.
fn state(image: &str, now: &str) -> Value {
    match fault(image) {
        Some("image-pull") => {
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {}", not_found(image));
            json!({"ready": false, "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}})
        }
        Some("crash-loop") => json!({
            "ready": false,
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}},
        }),
        Some("never-ready") => json!({"ready": false, "started": true, "state": {"running": {"startedAt": now}}}),
        _ => json!({"ready": true, "started": true, "state": {"running": {"startedAt": now}}}),
    }
}

/// What a kubelet would say of a pod that cannot start.
fn warnings(pod: &Pod) -> Vec<Event> {
    let (now, uid) = (now(), pod.uid().unwrap_or_default());
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let mut told = Vec::new();
    for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
        let image = container.image.as_deref().unwrap_or_default();
        match fault(image) {
            Some("image-pull") => {
                told.push(("Failed", format!("Failed to pull image \"{image}\": {}", not_found(image))));
                told.push(("Failed", "Error: ErrImagePull".to_owned()));
                told.push(("Failed", "Error: ImagePullBackOff".to_owned()));
            }
            Some("crash-loop") if !ends(pod) => {
                let what = format!("failed container {} in pod {name}_{namespace}({uid})", container.name);
                told.push(("BackOff", format!("Back-off restarting {what}")));
            }
            _ => {}
        }
    }
    let event = |(at, (reason, message)): (usize, (&str, String))| {
        let event = json!({
            "metadata": {"name": format!("{name}.{at}")},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": uid},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        serde_json::from_value(event).unwrap()
    };
    told.into_iter().enumerate().map(event).collect()
}
