//! A store and something outside of the cluster, beside a server that calls both: one `up` makes them ready, the volume
//! outlives the store, and what depends on it waits for it.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::support::{Cluster, Story};

const OTHERS: &str = "services:\n";
const WITH: &str = "  data: {ports: 6370-6379, title: Data}

services:
  cache:
    tier: data
    port: 6379
    component:
      redis:
        storage: {size: 1Gi}
        password: {secret: cache, key: password}
  vectors:
    tier: data
    port: 443
    component: {external: {host: vectors.example.com}}
";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("stores", cluster);
    story.tell("The memory keeps what it learns in a store, and in a service outside.");
    story.edit(&story.stack(), OTHERS, WITH);
    story.edit(&story.stack(), "depends_on: [redis_cache]", "depends_on: [redis_cache, cache, vectors]");
    story.meanwhile(volume);
    story.strata("check stores -e testing");
    story.up("");
    assert_eq!(story.meanwhile(claims), ["data-cache-0"]);

    story.tell("A setting of the store rolls its pod; a field that means nothing to it is refused.");
    story.edit(
        &story.stack(),
        "        storage: {size: 1Gi}",
        "        storage: {size: 1Gi}\n        max_memory: 100Mi",
    );
    story.strata("plan stores -e testing");
    story.up("");
    story.edit(&story.stack(), "    port: 6379\n", "    port: 6379\n    replicas: 2\n");
    story.strata("check stores -e testing");
    story.edit(&story.stack(), "    port: 6379\n    replicas: 2\n", "    port: 6379\n");

    story.tell("The store goes; what it kept stays.");
    story.edit(
        &story.stack(),
        "        storage: {size: 1Gi}\n        max_memory: 100Mi",
        "        storage: {size: 1Gi}",
    );
    story.edit(&story.stack(), WITH, "  data: {ports: 6370-6379, title: Data}\n\nservices:\n");
    story.edit(&story.stack(), "[redis_cache, cache, vectors]", "[redis_cache]");
    story.up("");
    assert_eq!(story.meanwhile(claims), ["data-cache-0"]);
    story.end();
}

/// A volume that the claim of the store can have, for a cluster where nobody makes volumes.
async fn volume(client: kube::Client) {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "stores-data-cache-0"},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/var/lib/stores"},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "stores", "name": "data-cache-0"},
        },
    });
    let volumes: Api<PersistentVolume> = Api::all(client);
    let (name, settings) = ("stores-data-cache-0", PatchParams::apply("story"));
    volumes.patch(name, &settings, &Patch::Apply(volume)).await.unwrap();
}

/// The names of the claims that there are.
async fn claims(client: kube::Client) -> Vec<String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, "stores");
    claims.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|claim| claim.metadata.name).collect()
}
