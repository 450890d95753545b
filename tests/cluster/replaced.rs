//! Somebody makes objects anew with fields that can never change: the plan says that they have to be replaced, and does
//! so only when it is allowed. The pods of a workload go on running until the new ones are ready.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::runtime::wait::{await_condition, conditions::is_deleted};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("replaced", cluster);
    story.up("");

    story.tell("A PriorityClass is made anew with another value, a Deployment with another selector.");
    story.meanwhile(async |client| {
        let classes: Api<PriorityClass> = Api::all(client.clone());
        anew(&classes, "replaced-testing-high", |class| class.value = class.value.map(|value| value + 1)).await;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "replaced");
        anew(&deployments, "ai-memory-mcp", |deployment| {
            let spec = deployment.spec.as_mut().unwrap();
            let add = |labels: &mut Option<std::collections::BTreeMap<String, String>>| {
                labels.get_or_insert_default().insert("flavour".to_owned(), "plain".to_owned());
            };
            add(&mut spec.selector.match_labels);
            add(&mut spec.template.metadata.as_mut().unwrap().labels);
        })
        .await;
        await_condition(deployments, "ai-memory-mcp", |found: Option<&Deployment>| {
            found.and_then(|one| one.status.as_ref()?.available_replicas) == Some(2)
        })
        .await
        .unwrap();
    });
    let before = story.meanwhile(replica_sets);
    story.strata("plan replaced -e testing --detailed-exitcode");
    story.strata("up replaced -e testing --yes --quiet --force-conflicts");
    story.strata("plan replaced -e testing --allow-replace --force-conflicts");
    story.succeed("up", "--yes --quiet --allow-replace --force-conflicts");
    story.settled("");
    story.strata("status replaced -e testing");
    let after = story.meanwhile(replica_sets);
    assert!(before.iter().all(|old| after.contains(old)), "what was left was taken over: {before:?} {after:?}");
    story.end();
}

/// Deletes an object with all it owns, and makes it anew after a change.
async fn anew<K>(api: &Api<K>, name: &str, change: impl FnOnce(&mut K))
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let mut object = api.get(name).await.unwrap();
    let uid = object.uid().unwrap();
    api.delete(name, &DeleteParams::foreground()).await.unwrap();
    await_condition(api.clone(), name, is_deleted(&uid)).await.unwrap();
    let metadata = object.meta_mut();
    *metadata = ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        ..ObjectMeta::default()
    };
    change(&mut object);
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// The UIDs of the ReplicaSets of the memory. None carries a mark of ours, unless it is left behind at this moment.
async fn replica_sets(client: kube::Client) -> Vec<String> {
    let sets: Api<ReplicaSet> = Api::namespaced(client, "replaced");
    let mine = ListParams::default().labels("app.kubernetes.io/name=ai-memory-mcp");
    let sets = sets.list(&mine).await.unwrap().items;
    assert!(sets.iter().all(|set| !set.labels().contains_key("applyset.kubernetes.io/part-of")));
    sets.into_iter().filter_map(|set| set.uid()).collect()
}
