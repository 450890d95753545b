//! What is not meant, or not known, is not done: an error says so, and nothing is changed.

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("refusals", cluster);
    story.tell("Nobody can be asked, and nobody said yes.");
    story.strata("up refusals -e testing --quiet");
    story.strata("status refusals -e testing");
    story.up("");

    story.tell("A cluster that does not answer holds nothing that could be told absent.");
    story.write("nobody-home.yaml", NOBODY_HOME);
    for command in ["plan", "up", "destroy", "status"] {
        let yes = if matches!(command, "up" | "destroy") { " --yes" } else { "" };
        story.strata_elsewhere(&format!("{command} refusals -e testing{yes} --cluster kubeconfig:nobody-home.yaml"));
    }
    story.settled("");

    story.tell("A kubeconfig that is not there, and a cluster that is none.");
    story.strata_elsewhere("plan refusals -e testing --cluster kubeconfig:nowhere.yaml");
    story.strata_elsewhere("plan refusals -e testing --cluster somewhere");
    story.end();
}

/// Port 1 of the loopback is never listened on.
pub(super) const NOBODY_HOME: &str = "apiVersion: v1
kind: Config
current-context: nobody
clusters: [{name: nobody, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
users: [{name: nobody, user: {}}]
";
