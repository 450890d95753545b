//! A service gets another name: its objects move, and the old ones stay until the new ones are ready.

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("renamed", cluster);
    story.up("");

    story.tell("The memory gets a better name.");
    story.edit(&story.stack(), "  ai_memory:\n", "  recall:\n    was: ai_memory\n");
    story.strata("plan renamed -e testing --detailed-exitcode");
    story.strata("up renamed -e testing --yes --quiet --target recall");
    story.up("");
    story.strata("status renamed -e testing");

    story.tell("What it was called is soon forgotten.");
    story.edit(&story.stack(), "    was: ai_memory\n", "");
    story.settled("");

    story.tell("A name that is in use is nobody's earlier name.");
    story.edit(&story.stack(), "  recall:\n", "  recall:\n    was: redis_cache\n");
    story.strata("plan renamed -e testing");
    story.end();
}
