//! What a run is about can be chosen: some services only, and objects that leave the stack and stay on the cluster.

use k8s_openapi::api::core::v1::Service;
use kube::{Api, ResourceExt};

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("chosen", cluster);
    story.tell("The cache first, and a slip of the pen.");
    story.strata("up chosen -e testing --yes --quiet --target rediscache");
    story.up("--target redis_cache");
    story.strata("plan chosen -e testing --detailed-exitcode");
    story.tell("Every slip is told at once, and nothing is done of the rest.");
    story.strata("up chosen -e testing --yes --quiet --target redis --delete Namespace/chosn --forget Service/memory");
    story.strata("destroy chosen -e testing --yes --quiet --delete Namespaces/chosen --delete chosen");
    story.tell("The memory needs the cache, so nothing is left out with it.");
    story.strata("plan chosen -e testing --target ai_memory --detailed-exitcode");
    story.up("");

    story.tell("The memory leaves the stack, and somebody goes on using its Service.");
    let service = "  ai_memory:
    tier: core
    port: 9000
    purpose: Core AI memory and vector storage
    replicas: 2
    depends_on: [redis_cache]
";
    story.strata("plan chosen -e testing --forget Service/ai-memory-mcp");
    story.edit(&story.stack(), service, "");
    story.up("--target redis_cache");
    story.strata("plan chosen -e testing --forget Service/ai-memory-mcp");
    story.succeed("up", "--yes --quiet --forget Service/ai-memory-mcp");
    story.settled("");
    let left = story.meanwhile(async |client| {
        let services: Api<Service> = Api::namespaced(client, "chosen");
        services.get("ai-memory-mcp").await.unwrap()
    });
    let ours = |key: &String| key.contains("strata") || key.contains("applyset");
    assert!(!left.labels().keys().any(ours) && !left.annotations().keys().any(ours), "{:#?}", left.metadata);
    assert!(left.managed_fields().iter().all(|entry| entry.manager.as_deref() != Some("strata-chosen")));
    assert!(left.spec.is_some_and(|spec| spec.ports.is_some_and(|ports| ports.len() == 2)), "it is as it was");
    story.end();
}
