//! The way back: what was desired when a run was recorded is desired again, whatever has happened since, with the same
//! guards as any plan; and what differs between then and now is shown before and after.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube_embedded::Webhooks;
use kube_embedded::faults::Faults;
use serde_json::{Value, json};
use strata::apply::{self, apply};
use strata::cluster::Cluster as Provided;
use strata::components::desired::Desired;
use strata::history::difference::Difference;
use strata::history::restore::restored;
use strata::history::{Command, Draft};
use strata::observe::PreviewMode;
use strata::provider::Provider;
use strata::secrets::Secrets;
use tokio::sync::watch;

use super::config_rolls::{changes, greeting, planned, pods};
use super::faults::{WHERE, cluster_with, provider};
use super::killed::in_simulated_time;
use super::support::{Cluster, Story};

/// The service that others need, and the one that needs it.
const CALLER: &str = "  ai_memory:
    tier: core
    port: 9000
    purpose: Core AI memory and vector storage
    replicas: 2
    depends_on: [redis_cache]
";

/// Another stack, which has taken a port.
const OTHER: &str = "stack: other
namespace: other
health_port: \"+100\"
tiers:
  more: {ports: 9020-9029, title: More of them}
services:
  taker: {tier: more, port: 9000}
";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("rollback", cluster);
    let file = story.stack();
    story.up("");
    story.tell("A second version is another size, and has lost a service.");
    story.edit(&file, "    replicas: 3", "    replicas: 4");
    story.edit(&file, CALLER, "");
    story.strata("diff rollback -e testing 1 --detailed-exitcode");
    story.up("--allow-prune");
    story.strata("diff rollback -e testing 1 2");
    story.strata("diff rollback -e testing 2 --detailed-exitcode");

    story.tell("Nobody can be asked whether to go back. Then it is looked at first, and only that is carried out.");
    story.strata("rollback rollback -e testing 1 --quiet");
    story.strata("rollback rollback -e testing 1 --save back.plan --summary");
    story.strata("rollback rollback -e testing 1 --plan back.plan --adopt --yes");
    story.strata("up rollback -e testing --plan back.plan --yes --quiet");
    story.strata("rollback rollback -e testing 2 --plan back.plan --yes --quiet");
    story.strata("rollback rollback -e testing 1 --plan back.plan --yes --quiet");
    story.tell("What is desired now is what was desired then, and the files go on saying something else.");
    story.strata("diff rollback -e testing 1 3 --detailed-exitcode");
    story.strata("plan rollback -e testing --detailed-exitcode");
    story.strata("history rollback -e testing 3");
    story.tell("There is nothing left to go back to.");
    story.strata("rollback rollback -e testing 1 --yes --quiet");
    story.tell("What the way back needs was given to another meanwhile.");
    story.write("stacks/other.yaml", OTHER);
    story.up("--allow-prune");
    story.strata("rollback rollback -e testing 1 --yes --quiet");
    story.strata("rollback rollback -e testing 1 --yes --quiet --allow-findings");
    story.write("stacks/other.yaml", &OTHER.replace("9000", "9001"));
    story.tell("The files win again.");
    story.up("--allow-prune");

    story.tell("A version that cannot start, and files that cannot even be read: neither is in the way.");
    let purpose = "    purpose: Fast caching layer";
    let fault = format!("{purpose}\n    image: registry.example/redis:fault-image-pull");
    story.edit(&file, purpose, &fault);
    story.strata("up rollback -e testing --yes --quiet");
    let text = story.text(&file);
    story.write(&file, "stack: rollback\nservices: {redis_cache: {tier: coer\n");
    story.strata("rollback rollback -e testing 6 --yes --quiet");
    story.write(&file, &text);
    story.edit(&file, &fault, purpose);
    story.settled("");

    story.tell("Back to what failed.");
    story.strata("rollback rollback -e testing 7 --quiet");
    story.tell("A run that was about one service, and one that nobody knows.");
    story.edit(&file, "    replicas: 4", "    replicas: 2");
    story.succeed("up", "--yes --quiet --target redis_cache");
    story.edit(&file, "    replicas: 2", "    replicas: 1");
    story.up("");
    story.strata("rollback rollback -e testing 9 --yes --quiet");
    story.strata("diff rollback -e testing 9");
    story.strata("rollback rollback -e testing 9 --yes --quiet --target redis_cache");
    story.strata("rollback rollback -e testing 70 --yes --quiet");
    story.strata("diff rollback -e testing 9 70");

    story.tell("What was taken down comes back, but not by the record that took it down.");
    story.strata("destroy rollback -e testing --yes --quiet");
    story.strata("rollback rollback -e testing 12 --yes --quiet");
    story.strata("rollback rollback -e testing 6 --yes --quiet");
    story.strata("diff rollback -e testing 6 13 --detailed-exitcode");
    story.strata("history rollback -e testing");

    story.tell("A record that lost a part of itself, one that was altered, and one of a later program.");
    story.meanwhile(async |client| {
        let maps: Api<ConfigMap> = Api::namespaced(client, "strata-system");
        let patch = async |name: &str, change: Value| {
            maps.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        };
        patch("strata-rollback-testing.r1", json!({"binaryData": {"body": null}})).await;
        patch("strata-rollback-testing.r2", json!({"binaryData": {"body": "AAAA"}})).await;
        let later = json!({"format": "strata.history/v7", "program": "strata 9.0.0"}).to_string();
        patch("strata-rollback-testing.r3", json!({"metadata": {"annotations": {"strata.dev/head": later}}})).await;
    });
    for revision in 1..=3 {
        story.strata(&format!("rollback rollback -e testing {revision} --yes --quiet"));
    }
    story.strata("diff rollback -e testing 1");
    let text = story.output_here("diff rollback -e testing 6 -o json");
    let difference: Value = serde_json::from_str(&text).unwrap();
    let told = (&difference["format"], &difference["from"], &difference["changes"][0]["fields"][0]["path"]);
    assert_eq!(told, (&json!("strata.diff/v1"), &json!(6), &json!(".spec.replicas")), "{text}");
    story.end();
}

/// A service that reads a greeting, and a Secret, whose value is withheld.
fn with_secret(text: &str, password: ByteString) -> (Desired, Secrets) {
    let mut desired = greeting(text);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": WHERE},
        "data": {"password": password},
    });
    desired.add(Some("ai_memory"), "key", secret).unwrap();
    let secrets = Secrets::withhold(&mut desired);
    (desired, secrets)
}

/// Brings the cluster to what is desired, and records that.
async fn recorded(provider: &Provided, command: Command, desired: &Desired) {
    let plan = planned(provider, &provider.seal(desired).await.unwrap(), PreviewMode::Auto).await;
    let (_go_on, interrupt) = watch::channel(false);
    let draft = Draft::new(command, desired.clone());
    let told = Arc::new(|_| ());
    let outcome = apply(provider, &plan, &draft, &apply::Settings::default(), told, interrupt).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:#?}");
}

#[test]
fn pods_roll_back_with_their_config_map_and_secrets_come_from_their_source() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        let client = kube::Client::new(cluster.router(), "default");
        let run_with = |secrets| provider(&cluster, &Faults::seeded(0), "one").withholding(secrets);
        let password = |text: &str| ByteString(text.as_bytes().to_vec());
        let (first, secrets) = with_secret("hello", password("canary-one"));
        recorded(&run_with(secrets), Command::Up, &first).await;
        let (today, secrets) = with_secret("welcome", password("canary-two"));
        let provider = run_with(secrets);
        recorded(&provider, Command::Up, &today).await;
        let (readers, others) = (pods(&client, "ai-memory").await, pods(&client, "redis-cache").await);

        let record = provider.record(&today.instance, 1).await.unwrap().unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains(json!(password("canary-one")).as_str().unwrap()), "{text}");
        assert_eq!(restored(&record, None, "local", &[]).unwrap_err().to_string(), MISSING);
        let again = restored(&record, Some(&today), "local", &[]).unwrap();
        let sealed = provider.seal(&again.desired).await.unwrap();
        let plan = planned(&provider, &sealed, PreviewMode::Auto).await;
        let annotation = ".spec.template.metadata.annotations.strata.dev/config-maps";
        let expect = [
            ("ConfigMap faults/words".to_owned(), vec![".data.GREETING".to_owned()]),
            ("Deployment faults/ai-memory-mcp".to_owned(), vec![annotation.to_owned()]),
        ];
        let mut found = changes(&plan);
        found.sort();
        assert_eq!(found, expect);

        recorded(&provider, Command::Rollback, &again.desired).await;
        let (now, others_now) = (pods(&client, "ai-memory").await, pods(&client, "redis-cache").await);
        assert_eq!((now.len(), now.intersection(&readers).count()), (2, 0), "{now:?} after {readers:?}");
        assert_eq!(others_now, others);
        let secret = Api::<Secret>::namespaced(client, WHERE).get("key").await.unwrap();
        assert_eq!(secret.data.unwrap()["password"], password("canary-two"));
        let back = provider.record(&today.instance, 3).await.unwrap().unwrap();
        let difference = Difference::between((1, &record.made.desired), (Some(3), &back.made.desired));
        assert_eq!((difference.changes.len(), difference.not_compared.len()), (0, 1));
    });
}

const MISSING: &str = "revision 1 has Secrets that have no source today: Secret faults/key";
