//! What a stack does not bring is waited for before anything of the service that needs it is applied: until it is there,
//! until the limit is over, or until somebody has waited long enough. A service that stays as it is waits for nothing.

use k8s_openapi::api::core::v1::{Namespace, Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::support::{Cluster, Story, interrupt};

const OUTSIDE: &str = "needs-outside";
const SAID: &str = "    purpose: Fast caching layer";

/// What the cache needs, each of these things for so long.
fn needs(within: &str) -> String {
    format!(
        "{SAID}
    needs:
      services: [{{namespace: {OUTSIDE}, name: postgres, within: {within}}}]
      definitions: [{{name: caches.needs.example.com, within: {within}}}]
      nodes: [{{label: needs.example.com/fast=true, count: 2, within: {within}}}]"
    )
}

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("needs", cluster);
    let served = story.serve();
    story.tell("The cache needs a database, a kind and two fast nodes, and none of these is there.");
    story.edit(&story.stack(), SAID, &needs("1s"));
    story.strata("plan needs -e testing");
    story.strata("up needs -e testing --yes --quiet");

    story.tell("There is a database now that does not answer, and one fast node of two.");
    story.meanwhile(begin);
    story.strata("up needs -e testing --yes --quiet");

    story.tell("Somebody has waited long enough.");
    story.edit(&story.stack(), &needs("1s"), &needs("60s"));
    let waits = "waiting for Service needs-outside/postgres: its one endpoint is not ready";
    let code = story.once_it_says("up needs -e testing --yes", waits, |_, process| interrupt(process));
    assert_eq!(code, 130);

    story.tell("What is missing comes while it is waited for.");
    let waits = "waiting for CustomResourceDefinition caches.needs.example.com";
    let code = story.once_it_says("up needs -e testing --yes", waits, |story, _| story.meanwhile(come));
    assert_eq!(code, 0);
    story.settled("");

    story.tell("The database goes. What stays as it is needs none.");
    story.meanwhile(async |client| {
        Api::<EndpointSlice>::namespaced(client, OUTSIDE).delete("postgres-1", &DeleteParams::default()).await.unwrap();
    });
    story.edit(&story.stack(), "    replicas: 2", "    replicas: 1");
    story.up("");
    story.tell("To be taken down, nothing is needed.");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");
    story.strata("destroy needs -e testing --yes --quiet");
    drop(served);
    story.end();
}

fn made<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

async fn label(client: &kube::Client, node: &str) {
    let patch = json!({"metadata": {"labels": {"needs.example.com/fast": "true"}}});
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.patch(node, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// A database without a pod that is ready, and the first fast node.
async fn begin(client: kube::Client) {
    let create = PostParams::default();
    let namespace = json!({"metadata": {"name": OUTSIDE}});
    Api::<Namespace>::all(client.clone()).create(&create, &made(namespace)).await.unwrap();
    let service = json!({"metadata": {"name": "postgres"}, "spec": {"ports": [{"port": 5432}]}});
    Api::<Service>::namespaced(client.clone(), OUTSIDE).create(&create, &made(service)).await.unwrap();
    let slice = json!({
        "metadata": {"name": "postgres-1", "labels": {"kubernetes.io/service-name": "postgres"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.7"], "conditions": {"ready": false}}],
        "ports": [{"name": "", "port": 5432}],
    });
    Api::<EndpointSlice>::namespaced(client.clone(), OUTSIDE).create(&create, &made(slice)).await.unwrap();
    label(&client, "cpu-1").await;
}

/// All three are there.
async fn come(client: kube::Client) {
    let definition = json!({
        "metadata": {"name": "caches.needs.example.com"},
        "spec": {
            "group": "needs.example.com", "scope": "Namespaced",
            "names": {"plural": "caches", "singular": "cache", "kind": "Cache", "listKind": "CacheList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &made(definition)).await.unwrap();
    label(&client, "cpu-2").await;
    let ready = json!({"endpoints": [{"addresses": ["192.0.2.7"], "conditions": {"ready": true}}]});
    let slices: Api<EndpointSlice> = Api::namespaced(client, OUTSIDE);
    slices.patch("postgres-1", &PatchParams::default(), &Patch::Merge(ready)).await.unwrap();
}
