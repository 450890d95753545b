//! A migration is run before the service that needs it: once for each form of it, again after it has failed, and on every
//! rollout where that is asked for. What depends on the service waits for it.

use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::ListParams;

use super::support::{Cluster, Story};

const SAID: &str = "    purpose: Fast caching layer";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("jobs", cluster);
    story.tell("The cache is to be prepared before it starts.");
    let jobs = format!("{SAID}\n    jobs:\n      prepare: {{command: [/bin/prepare, --all], limit: 60s}}");
    story.edit(&story.stack(), SAID, &jobs);
    story.strata("plan jobs -e testing");
    story.up("");
    assert_eq!(story.meanwhile(jobs_there).len(), 1);

    story.tell("What changes the cache alone does not run it again; another command does.");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 3\n    startup_limit: 90s");
    story.strata("plan jobs -e testing");
    story.edit(&story.stack(), "    startup_limit: 90s\n", "");
    story.edit(&story.stack(), "--all]", "--all, --fast]");
    let before = story.meanwhile(jobs_there);
    story.up("");
    let after = story.meanwhile(jobs_there);
    assert!(after.len() == 1 && after != before, "{after:?} after {before:?}");

    story.tell("A job that fails stops its service, and what depends on that.");
    story.edit(&story.stack(), "limit: 60s}", "limit: 60s, image: \"registry.example/mcp/tool:fault-crash-loop\"}");
    story.edit(&story.stack(), "    replicas: 2", "    replicas: 1");
    story.strata("up jobs -e testing --yes --quiet");
    story.tell("It is run again by the next run, as the plan says.");
    story.strata("plan jobs -e testing");
    story.strata("up jobs -e testing --yes --quiet");
    story.edit(&story.stack(), "fault-crash-loop", "2.0.0");
    story.up("");
    assert_eq!(story.meanwhile(jobs_there).len(), 1);

    story.tell("It is to be run on every rollout from now on.");
    story.edit(&story.stack(), "limit: 60s,", "limit: 60s, rerun: on_rollout,");
    story.up("");
    let before = story.meanwhile(jobs_there);
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 3\n    startup_limit: 90s");
    story.strata("plan jobs -e testing");
    story.up("");
    let after = story.meanwhile(jobs_there);
    assert!(after.len() == 1 && after != before, "{after:?} after {before:?}");
    story.end();
}

/// The names of the Jobs that there are.
async fn jobs_there(client: kube::Client) -> Vec<String> {
    let jobs: Api<Job> = Api::namespaced(client, "jobs");
    jobs.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|job| job.metadata.name).collect()
}
