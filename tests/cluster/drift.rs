//! Somebody changes things behind the stack's back: the plan tells what, who and where, and `up` puts it right,
//! but takes nothing out of another's hands unasked.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("drift", cluster);
    story.up("");

    story.tell("Somebody takes the replica count into their own hands.");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client, "drift");
        let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 5}});
        let manager = PatchParams::apply("night-shift").force();
        deployments.patch("ai-memory-mcp", &manager, &Patch::Apply(scaled)).await.unwrap();
    });
    story.strata("plan drift -e testing --detailed-exitcode");
    story.strata("up drift -e testing --yes --quiet");
    story.strata("plan drift -e testing --force-conflicts");
    story.up("--force-conflicts");

    story.tell("A label goes, and a Service is deleted.");
    story.meanwhile(async |client| {
        let manager = PatchParams { field_manager: Some("tidy-up".to_owned()), ..PatchParams::default() };
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "drift");
        let unlabelled = json!({"metadata": {"labels": {"app.kubernetes.io/component": null}}});
        deployments.patch("redis-cache-mcp", &manager, &Patch::Merge(unlabelled)).await.unwrap();
        let services: Api<Service> = Api::namespaced(client, "drift");
        services.delete("redis-cache-mcp", &DeleteParams::default()).await.unwrap();
    });
    story.strata("plan drift -e testing --detailed-exitcode");
    story.up("");

    story.tell("An object loses the mark that says whose it is.");
    story.meanwhile(async |client| {
        let maps: Api<ConfigMap> = Api::namespaced(client, "drift");
        let unmarked = json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null}}});
        maps.patch("mcp-port-registry", &PatchParams::default(), &Patch::Merge(unmarked)).await.unwrap();
    });
    story.strata("plan drift -e testing --detailed-exitcode");
    story.up("--adopt");

    story.tell("What others add, and the stack says nothing of, is no drift.");
    story.meanwhile(async |client| {
        let services: Api<Service> = Api::namespaced(client, "drift");
        let note = json!({"metadata": {"annotations": {"example/note": "seen"}}});
        services.patch("ai-memory-mcp", &PatchParams::default(), &Patch::Merge(note)).await.unwrap();
    });
    story.settled("");
    story.end();
}
