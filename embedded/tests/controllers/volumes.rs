//! Claims and the volumes they are bound to.

use kube::api::DeleteParams;
use kube_embedded::NodeSpec;
use serde_json::{Value, json};

use crate::world::{World, pod, text};

fn claim(name: &str, class: Option<&str>) -> Value {
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    if let Some(class) = class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    claim
}

fn mounting(claim: &str) -> Value {
    json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]})
}

fn volume(name: &str, storage: &str, node: &str) -> Value {
    let here = json!([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]);
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": storage},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/x"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": here}},
        },
    })
}

#[tokio::test]
async fn a_claim_without_a_class_takes_the_smallest_volume_that_suits_and_its_pod_follows_it() {
    let world = World::new(vec![NodeSpec::named("a"), NodeSpec::named("b")]).await;
    world.create(claim("c", Some(""))).await.unwrap();
    world.create(pod("it", mounting("c"))).await.unwrap();
    let waiting = world.wait("Pod", "it", |pod| !crate::world::conditions(pod).is_empty()).await;
    let expected = "PodScheduled=False Unschedulable: 0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    assert_eq!(crate::world::conditions(&waiting), [expected]);
    let told = "FailedBinding: no persistent volumes available for this claim and no storage class is set";
    assert_eq!(world.told("c").await, [told]);
    for (name, storage, node) in [("small", "512Mi", "a"), ("right", "2Gi", "b"), ("large", "9Gi", "a")] {
        world.create(volume(name, storage, node)).await.unwrap();
    }
    let placed = world.wait("Pod", "it", |pod| text(pod, "/status/phase") == "Running").await;
    assert_eq!(text(&placed, "/spec/nodeName"), "b");
    let bound = world.get("PersistentVolumeClaim", "c").await.unwrap();
    assert_eq!(
        bound["status"],
        json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}})
    );
    assert_eq!(
        bound["metadata"]["annotations"],
        json!({"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"})
    );
    world.create(volume("middle", "3Gi", "a")).await.unwrap();
    for name in ["large", "middle"] {
        world.wait("PersistentVolume", name, |v| text(v, "/status/phase") == "Available").await;
    }
    world.create(claim("d", Some(""))).await.unwrap();
    let other = world.wait("PersistentVolumeClaim", "d", |c| text(c, "/status/phase") == "Bound").await;
    assert_eq!(text(&other, "/spec/volumeName"), "middle", "the smallest that is large enough");

    // A claim that is mounted stays until it is not.
    world.delete("PersistentVolumeClaim", "c", &DeleteParams::default()).await;
    assert!(world.get("PersistentVolumeClaim", "c").await.is_some());
    world.delete("Pod", "it", &DeleteParams::default()).await;
    world.gone("PersistentVolumeClaim", "c").await;
    world.wait("PersistentVolume", "right", |v| text(v, "/status/phase") == "Released").await;
}

#[tokio::test]
async fn a_claim_that_waits_for_its_first_pod_is_bound_when_that_is_placed() {
    let world = World::new(vec![NodeSpec::named("a")]).await;
    world
        .apply(json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "wait"},
            "provisioner": "example.com/disk",
            "volumeBindingMode": "WaitForFirstConsumer",
        }))
        .await;
    world.create(claim("c", Some("wait"))).await.unwrap();
    while world.told("c").await.is_empty() {
        tokio::task::yield_now().await;
    }
    let told = "WaitForFirstConsumer: waiting for first consumer to be created before binding";
    assert_eq!(world.told("c").await, [told]);
    assert_eq!(text(&world.get("PersistentVolumeClaim", "c").await.unwrap(), "/status/phase"), "Pending");
    world.create(pod("it", mounting("c"))).await.unwrap();
    world.wait("Pod", "it", |pod| text(pod, "/status/phase") == "Running").await;
    let bound = world.get("PersistentVolumeClaim", "c").await.unwrap();
    assert_eq!(text(&bound, "/status/phase"), "Bound");
    assert_eq!(text(&bound, "/metadata/annotations/volume.kubernetes.io~1selected-node"), "a");
}
