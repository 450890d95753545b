//! Pods that are never created, and pods that never become ready: each is told by its cause, within the limit that the
//! stack gives it.

use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("not-created", cluster);
    story.up("");
    story.tell("Whoever runs the cluster gives the namespace a quota of memory, and no container more than two cores.");
    story.meanwhile(async |client| {
        let quota = json!({"metadata": {"name": "memory"}, "spec": {"hard": {"limits.memory": "2Gi"}}});
        let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), "not-created");
        quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
        let range =
            json!({"metadata": {"name": "cores"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}});
        let ranges: Api<LimitRange> = Api::namespaced(client, "not-created");
        ranges.create(&PostParams::default(), &serde_json::from_value(range).unwrap()).await.unwrap();
    });
    story.edit(&story.stack(), "services:", OTHERS);
    story.strata("up not-created -e testing --yes --quiet");
    story.tell("All three are made as the cluster wants them.");
    story.edit(&story.stack(), "limits: {cpu: 200m, memory: 8Gi}", "limits: {cpu: 200m, memory: 128Mi}");
    story.edit(&story.stack(), "limits: {cpu: 4, memory: 128Mi}", "limits: {cpu: 2, memory: 128Mi}");
    story.edit(&story.stack(), "    image: registry.example/chat:fault-never-ready\n", "");
    story.up("");
    story.end();
}

const OTHERS: &str = "services:
  unified_chat:
    tier: core
    port: 9004
    image: registry.example/chat:fault-never-ready
    ready_within: 4s
  postgres_manager:
    tier: core
    port: 9007
    resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 200m, memory: 8Gi}}
  qdrant_admin:
    tier: core
    port: 9002
    resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 4, memory: 128Mi}}";
