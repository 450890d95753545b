//! Two services that depend on each other come up from nothing; a change of one figure changes just that.

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("up-from-nothing", cluster);
    story.strata("plan up-from-nothing -e testing");
    story.strata("status up-from-nothing -e testing");
    story.succeed("up", "--yes");
    story.settled("");
    story.strata("status up-from-nothing -e testing");
    story.tell("One more pod for the cache.");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");
    story.strata("plan up-from-nothing -e testing --detailed-exitcode");
    story.up("");
    story.strata("status up-from-nothing -e testing");
    story.end();
}
