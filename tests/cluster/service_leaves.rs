//! A service leaves the stack: the plan shows what is deleted, and `up` deletes just that.

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("service-leaves", cluster);
    story.up("");
    story.tell("Nobody needs the memory any more.");
    let service = "  ai_memory:
    tier: core
    port: 9000
    purpose: Core AI memory and vector storage
    replicas: 2
    depends_on: [redis_cache]
";
    story.edit(&story.stack(), service, "");
    story.strata("plan service-leaves -e testing --detailed-exitcode");
    story.up("");
    story.strata("status service-leaves -e testing");
    story.end();
}
