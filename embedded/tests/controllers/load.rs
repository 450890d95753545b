//! Many objects: the controllers' work grows with what changes, not with its square.

use kube_embedded::NodeSpec;
use serde_json::json;

use crate::world::{World, workload};

#[tokio::test]
async fn many_pods_come_up_evenly_and_go() {
    let nodes = (0..10).map(|number| NodeSpec { pods: 200, ..NodeSpec::named(&format!("n{number}")) });
    let world = World::new(nodes.collect()).await;
    let mut web = workload("Deployment", "web", 200);
    web["spec"]["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}}]);
    world.apply(web).await;
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(200)).await;
    let pods = world.list("Pod", "app=web").await;
    for number in 0..10 {
        let node = json!(format!("n{number}"));
        assert_eq!(pods.iter().filter(|pod| pod["spec"]["nodeName"] == node).count(), 20);
    }
    world.patch("Deployment", "web", json!({"spec": {"replicas": 0}})).await;
    world
        .wait("Deployment", "web", |d| d["status"]["replicas"].is_null() && d["status"]["observedGeneration"] == 2)
        .await;
    world.wait("Deployment", "web", |d| d["status"]["terminatingReplicas"] == 0).await;
    assert_eq!(world.list("Pod", "app=web").await.len(), 0);
}
