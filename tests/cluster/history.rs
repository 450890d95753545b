//! What was done to an instance is written down in the cluster, run by run: who, when, from which commit, what changed
//! and how it ended.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube_embedded::Webhooks;
use kube_embedded::faults::Faults;
use serde_json::{Value, json};

use super::faults::{cluster_with, provider, while_time_stands_still};
use super::killed::{Act, Stage, in_simulated_time, made_good};
use super::support::redact::redact;
use super::support::victim::{Hook, Station, unharmed};
use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("history", cluster);
    story.tell("Nothing was done yet.");
    story.strata("history history -e testing");

    story.tell("The first run is of no commit.");
    story.up("");
    story.tell("Then the files come from a repository.");
    story.write(".git/HEAD", "ref: refs/heads/main\n");
    story.write(".git/refs/heads/main", "0123456789abcdef0123456789abcdef01234567\n");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");
    story.strata("up history -e testing --yes");
    story.tell("A run that has nothing to change leaves no record.");
    story.succeed("up", "--yes --quiet");
    story.edit(&story.stack(), "    replicas: 4", "    replicas: 5");
    story.up("--target redis_cache");
    story.strata("history history -e testing");
    story.strata("history history -e testing 2");
    story.strata("history history -e testing 9");
    let text = story.output_here("history history -e testing -o json");
    let list: Value = serde_json::from_str(&text).unwrap();
    let revisions: Vec<&Value> = list["records"].as_array().unwrap().iter().map(|one| &one["revision"]).collect();
    assert_eq!(revisions, [3, 2, 1]);

    story.tell("A record is altered, another loses what it holds, and a third was written by a later program.");
    story.meanwhile(async |client| {
        let maps: Api<ConfigMap> = Api::namespaced(client, "strata-system");
        let patch = async |name: &str, change: Value| {
            maps.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        };
        patch("strata-history-testing.r1", json!({"binaryData": {"body": "AAAA"}})).await;
        patch("strata-history-testing.r2", json!({"binaryData": {"body": null}})).await;
        let later = json!({"format": "strata.history/v7", "program": "strata 9.0.0"}).to_string();
        patch("strata-history-testing.r3", json!({"metadata": {"annotations": {"strata.dev/head": later}}})).await;
    });
    story.strata("history history -e testing");
    story.strata("history history -e testing 1");
    story.strata("history history -e testing 2");
    story.strata("history history -e testing 3");

    story.tell("Runs go on all the same, and only so many are kept.");
    story.edit("environments/testing.yaml", "environment: testing\n", "environment: testing\nhistory: 2\n");
    story.edit(&story.stack(), "    replicas: 5", "    replicas: 6");
    story.up("");
    story.edit(&story.stack(), "    replicas: 6", "    replicas: 7");
    story.up("");
    story.strata("history history -e testing");

    story.tell("The history outlives what it is of.");
    story.strata("destroy history -e testing --yes");
    story.strata("history history -e testing");
    let left = story.meanwhile(async |client| {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "strata-system");
        let ours = ListParams::default().labels("app.kubernetes.io/instance=history-testing,strata.dev/history");
        let mut names: Vec<String> =
            maps.list(&ours).await.unwrap().items.into_iter().filter_map(|map| map.metadata.name).collect();
        names.sort();
        names
    });
    assert_eq!(left, ["strata-history-testing.r5", "strata-history-testing.r6"]);
    story.end();
}

#[test]
fn a_killed_run_is_shown_as_unfinished_and_stops_nobody() {
    let killed: Hook = std::sync::Arc::new(|passing, running| {
        Box::pin(async move {
            if passing.committed && passing.path.ends_with("/configmaps/mcp-port-registry") {
                running.kill();
                std::future::pending::<()>().await;
            }
        })
    });
    let (before, one, after) = in_simulated_time(async {
        let stage = Stage::new();
        stage.set(Act::Up);
        let cluster = cluster_with(Webhooks::default()).await;
        let still = cluster.router().layer(axum::middleware::from_fn(while_time_stands_still));
        let station = Station::open(still).await;
        let ended = station.run(stage.path(), "up killed -e testing --yes --quiet --parallel 1", killed).await;
        assert_eq!(ended.code, None, "{ended:#?}");
        let table = async |more: &str| {
            let ended = station.run(stage.path(), &format!("history killed -e testing {more}"), unharmed()).await;
            assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
            redact(&ended.out)
        };
        let (before, one) = (table("").await, table("1").await);
        let again = provider(&cluster, &Faults::seeded(0), "again");
        made_good(&again, &stage.desired(Act::Up), Act::Up, "killed").await;
        (before, one, table("").await)
    });
    let heading = "REVISION  BEGUN                 RUN  CHANGES  OUTCOME     COMMIT  BY\n";
    let killed = "1         [TIMESTAMP]  up   +21      unfinished  -       [USER]\n";
    assert_eq!(before, format!("{heading}{killed}"));
    let ended: Vec<&str> =
        one.lines().filter(|line| line.starts_with("  ended") || line.starts_with("  outcome")).collect();
    assert_eq!(ended, ["  ended    nobody wrote it down: it goes on, or was killed", "  outcome  unfinished"]);
    let made_good = "2         [TIMESTAMP]  up   +17      done        -       [USER]\n";
    assert_eq!(after, format!("{heading}{made_good}{killed}"));
}
