//! A plan is saved, reviewed and carried out later: just that one, or none. What has moved meanwhile is named, and what
//! was done of it already is not done again.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("saved-plans", cluster);
    story.tell("The first plan is saved, and looked at by somebody else.");
    story.strata("plan saved-plans -e testing --save first.plan");
    story.strata("up saved-plans -e testing --quiet --plan first.plan");
    story.succeed("up", "--yes --quiet --plan first.plan");
    story.settled("");
    story.tell("It is done, and doing it again does nothing.");
    story.succeed("up", "--yes --plan first.plan");

    story.tell("Some of what it made is lost, as if its run had been interrupted. The same plan goes on from there.");
    story.meanwhile(async |client| {
        let services: Api<Service> = Api::namespaced(client, "saved-plans");
        services.delete("redis-cache-mcp", &DeleteParams::default()).await.unwrap();
    });
    story.succeed("up", "--yes --plan first.plan");
    story.settled("");

    story.tell("A change is saved. A status that moves, and a note that somebody adds, are no reason against it.");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");
    story.succeed("plan", "--quiet --save change.plan");
    story.strata_elsewhere("show change.plan");
    story.strata_elsewhere("show change.plan --output markdown");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client, "saved-plans");
        let note = json!({"metadata": {"annotations": {"example/note": "seen"}}});
        deployments.patch("redis-cache-mcp", &PatchParams::default(), &Patch::Merge(note)).await.unwrap();
    });
    story.succeed("up", "--yes --quiet --plan change.plan");
    story.settled("");

    story.tell("Another change is saved, and then somebody scales by hand, and changes a port in the registry.");
    story.edit(&story.stack(), "    replicas: 4", "    replicas: 5");
    story.succeed("plan", "--quiet --save change.plan");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "saved-plans");
        let scaled = json!({"spec": {"replicas": 7}});
        let manager = PatchParams { field_manager: Some("night-shift".to_owned()), ..PatchParams::default() };
        deployments.patch("redis-cache-mcp", &manager, &Patch::Merge(scaled)).await.unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(client, "saved-plans");
        let other = json!({"data": {"redis_cache.port": "1"}});
        maps.patch("mcp-port-registry", &manager, &Patch::Merge(other)).await.unwrap();
    });
    assert_eq!(story.strata("up saved-plans -e testing --yes --quiet --plan change.plan"), 3);
    story.up("--force-conflicts");

    story.tell("A Service is replaced by one that looks the same.");
    story.succeed("plan", "--quiet --save same.plan");
    story.meanwhile(async |client| {
        let services: Api<Service> = Api::namespaced(client, "saved-plans");
        let mut service = services.get("redis-cache-mcp").await.unwrap();
        services.delete("redis-cache-mcp", &DeleteParams::default()).await.unwrap();
        service.metadata.uid = None;
        service.metadata.resource_version = None;
        service.metadata.managed_fields = None;
        if let Some(spec) = &mut service.spec {
            (spec.cluster_ip, spec.cluster_ips) = (None, None);
        }
        services.create(&PostParams::default(), &service).await.unwrap();
    });
    assert_eq!(story.strata("up saved-plans -e testing --yes --quiet --plan same.plan"), 3);

    story.tell("The stack says something else than when the plan was made.");
    story.edit(&story.stack(), "    replicas: 5", "    replicas: 6");
    assert_eq!(story.strata("up saved-plans -e testing --yes --quiet --plan same.plan"), 3);

    story.tell("A plan says by itself what may be forced; it is of one instance; and not every file is a plan.");
    story.strata("up saved-plans -e testing --yes --plan same.plan --adopt");
    story.strata("up saved-plans -e testing --yes --quiet --plan same.plan --instance another");
    story.strata("up saved-plans -e testing --yes --quiet --plan stacks/saved-plans.yaml");
    story.strata("up saved-plans -e testing --yes --quiet --plan nowhere.plan");
    story.strata("plan saved-plans -e testing --quiet --save nowhere/saved.plan");
    let text = story.text("same.plan");
    story.write("short.plan", &text[..text.len() / 2]);
    story.strata("up saved-plans -e testing --yes --quiet --plan short.plan");
    story.write("altered.plan", &text.replace("\"force_conflicts\": false", "\"force_conflicts\": true"));
    story.strata("up saved-plans -e testing --yes --quiet --plan altered.plan");
    story.end();
}
