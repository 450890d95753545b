//! An autoscaler takes a running service over: no pod is lost on the way, and what it does afterwards is no drift.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("autoscaler", cluster);
    story.up("");
    let before = story.meanwhile(async |client| replicas(client).await);

    story.tell("The memory is to grow with its load from now on.");
    story.edit(
        &story.stack(),
        "    purpose: Core AI memory and vector storage",
        "    purpose: Core AI memory and vector storage\n    autoscale: {min: 2, max: 5, cpu: 70}",
    );
    story.edit("environments/testing.yaml", "image:", "autoscaling: true\n\nimage:");
    story.strata("plan autoscaler -e testing");
    story.up("");
    let after = story.meanwhile(async |client| replicas(client).await);
    assert_eq!((before, after), (Some(2), Some(2)), "no pod was lost on the way");

    story.tell("The load grows, and the autoscaler adds a pod.");
    story.meanwhile(async |client| {
        let more = json!({"spec": {"replicas": 3}});
        let scaler = PatchParams { field_manager: Some("kube-controller-manager".to_owned()), ..Default::default() };
        deployments(client).patch_scale("ai-memory-mcp", &scaler, &Patch::Merge(more)).await.unwrap();
    });
    story.settled("");
    story.up("");
    let grown = story.meanwhile(async |client| replicas(client).await);
    assert_eq!(grown, Some(3), "what the autoscaler wants stays");
    story.end();
}

async fn replicas(client: kube::Client) -> Option<i32> {
    deployments(client).get("ai-memory-mcp").await.unwrap().spec.unwrap().replicas
}

fn deployments(client: kube::Client) -> Api<Deployment> {
    Api::namespaced(client, "autoscaler")
}
