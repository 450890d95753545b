//! Stores and something outside of the cluster, beside a server that calls them: one `up` makes them ready, the volume
//! outlives the store, and what depends on it waits for it.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::ListParams;

use super::support::provided::volumes;
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
  database:
    tier: data
    port: 5432
    component:
      postgresql:
        storage: {size: 1Gi}
        password: {secret: database, key: password}
        backup: {schedule: \"30 2 * * *\", storage: {size: 2Gi}}
  nearby:
    tier: data
    port: 8080
    component:
      weaviate:
        storage: {size: 1Gi}
        api_key: {secret: nearby, key: clients}
        backup: {schedule: \"0 */6 * * *\", keep: 4, storage: {size: 2Gi}}
  vectors:
    tier: data
    port: 443
    component: {external: {host: vectors.example.com}}
";

/// What makes copies of the database.
const BACKUP: &str = "        backup: {schedule: \"30 2 * * *\", storage: {size: 2Gi}}\n";
/// What the stores and their copies are kept on.
const CLAIMS: [&str; 5] = ["data-cache-0", "data-database-0", "data-nearby-0", "database-backup", "nearby-backup"];

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("stores", cluster);
    story.tell("The memory keeps what it learns in stores, and in a service outside.");
    story.edit(&story.stack(), OTHERS, WITH);
    story.edit(
        &story.stack(),
        "depends_on: [redis_cache]",
        "depends_on: [redis_cache, cache, database, nearby, vectors]",
    );
    story.meanwhile(async |client| volumes(client, "stores", &CLAIMS).await);
    story.strata("check stores -e testing");
    story.up("");
    assert_eq!(story.meanwhile(claims), CLAIMS);

    story.tell("A setting of the store rolls its pod; a field that means nothing to it is refused.");
    story.edit(
        &story.stack(),
        "        password: {secret: cache, key: password}",
        "        password: {secret: cache, key: password}\n        max_memory: 100Mi",
    );
    story.strata("plan stores -e testing");
    story.up("");
    story.edit(&story.stack(), "    port: 6379\n", "    port: 6379\n    replicas: 2\n");
    story.strata("check stores -e testing");
    story.edit(&story.stack(), "    port: 6379\n    replicas: 2\n", "    port: 6379\n");

    story.tell("Copies of the database are no longer wanted; those that there are stay until their volume is named.");
    story.edit(&story.stack(), BACKUP, "");
    story.strata("plan stores -e testing");
    story.strata("up stores -e testing --yes --quiet");
    assert_eq!(story.meanwhile(claims), CLAIMS);

    story.tell("The stores go; what they kept stays.");
    story.edit(
        &story.stack(),
        "        password: {secret: cache, key: password}\n        max_memory: 100Mi",
        "        password: {secret: cache, key: password}",
    );
    let rest = WITH.replace(BACKUP, "");
    story.edit(&story.stack(), &rest, "  data: {ports: 6370-6379, title: Data}\n\nservices:\n");
    story.edit(&story.stack(), "[redis_cache, cache, database, nearby, vectors]", "[redis_cache]");
    story.up("--allow-prune");
    assert_eq!(story.meanwhile(claims), CLAIMS);
    story.end();
}

/// The names of the claims that there are.
async fn claims(client: kube::Client) -> Vec<String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, "stores");
    claims.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|claim| claim.metadata.name).collect()
}
