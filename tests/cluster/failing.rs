//! What cannot start is told early and by its cause, what needs it is not tried, and a run after the fix goes on.

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("failing", cluster);
    story.tell("An image that does not exist, a server that ends at once, a pod that no node has room for.");
    story.edit(
        &story.stack(),
        "    purpose: Fast caching layer",
        "    purpose: Fast caching layer\n    image: registry.example/redis:fault-image-pull",
    );
    story.edit(&story.stack(), "services:", OTHERS);
    story.strata("up failing -e testing --yes --quiet");
    story.strata("status failing -e testing");
    story.tell("All three are put right.");
    story.edit(&story.stack(), "    image: registry.example/redis:fault-image-pull\n", "");
    story.edit(&story.stack(), "    image: registry.example/chat:fault-crash-loop\n", "");
    story.edit(
        &story.stack(),
        "    resources: {requests: {cpu: 500, memory: 1Gi}, limits: {cpu: 500, memory: 1Gi}}\n",
        "",
    );
    story.edit(
        &story.stack(),
        "waivers:\n  - {rule: S-capacity-001, service: postgres_manager, reason: a larger node is on its way}\n",
        "",
    );
    story.up("");
    story.end();
}

/// That the pod has no room is known before; the stack asks for it to be tried all the same.
const OTHERS: &str = "waivers:
  - {rule: S-capacity-001, service: postgres_manager, reason: a larger node is on its way}
services:
  unified_chat:
    tier: core
    port: 9004
    image: registry.example/chat:fault-crash-loop
  postgres_manager:
    tier: core
    port: 9007
    resources: {requests: {cpu: 500, memory: 1Gi}, limits: {cpu: 500, memory: 1Gi}}
  qdrant_admin:
    tier: core
    port: 9002";
