//! Two instances of one stack on one cluster do not touch each other, and nobody's objects are taken unasked.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("side-by-side", cluster);
    story.up("--instance a");
    let before = story.meanwhile(versions);
    story.up("--instance b");
    story.settled("--instance a");
    story.strata("destroy side-by-side -e testing --instance b --yes --quiet --delete Namespace/side-by-side-b");
    assert_eq!(story.meanwhile(versions), before, "nothing of a was written");
    story.settled("--instance a");

    story.tell("Somebody hands one of a's objects to an instance of their own.");
    story.meanwhile(async |client| {
        let labels = json!({"metadata": {"labels": {
            "applyset.kubernetes.io/part-of": "applyset-of-somebody-else-v1",
            "app.kubernetes.io/instance": "somebody-else",
        }}});
        let maps: Api<ConfigMap> = Api::namespaced(client, "side-by-side-a");
        maps.patch("mcp-port-registry", &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    });
    story.strata("plan side-by-side -e testing --instance a --detailed-exitcode");
    story.strata("up side-by-side -e testing --instance a --yes --quiet --adopt --force-conflicts");

    story.tell("A Service of nobody's stands where c wants to put its own.");
    story.meanwhile(async |client| {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": "side-by-side-c"}})).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        let services: Api<Service> = Api::namespaced(client, "side-by-side-c");
        let service =
            json!({"metadata": {"name": "redis-cache-mcp"}, "spec": {"ports": [{"port": 9006, "name": "http"}]}});
        let service = serde_json::from_value(service).unwrap();
        services.create(&PostParams::default(), &service).await.unwrap();
    });
    story.strata("up side-by-side -e testing --instance c --yes --quiet");
    story.strata("plan side-by-side -e testing --instance c --adopt --force-conflicts");
    story.up("--instance c --adopt --force-conflicts");
    story.end();
}

/// Of every ConfigMap and Service of the instance a: its name, and what its last write made of it.
async fn versions(client: kube::Client) -> Vec<String> {
    async fn of<K>(api: Api<K>) -> Vec<String>
    where
        K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let objects = api.list(&Default::default()).await.unwrap();
        objects.into_iter().map(|o| format!("{} {}", o.name_any(), o.resource_version().unwrap_or_default())).collect()
    }
    let mut all = of::<ConfigMap>(Api::namespaced(client.clone(), "side-by-side-a")).await;
    all.extend(of::<Service>(Api::namespaced(client, "side-by-side-a")).await);
    all
}
