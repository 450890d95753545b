//! A stack says whose word counts: a field that is left to another, one that is taken back, and an object that kubectl
//! made and the stack takes over with everything in it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("ownership", cluster);
    let file = story.stack();

    story.tell("Somebody made the namespace and the port registry with kubectl apply, and put more into the registry.");
    story.meanwhile(async |client| {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let manager =
            PostParams { field_manager: Some("kubectl-client-side-apply".to_owned()), ..PostParams::default() };
        // The server gives it a label of its own, which then is this manager's.
        let namespace = serde_json::from_value(json!({"metadata": {"name": "ownership"}})).unwrap();
        namespaces.create(&manager, &namespace).await.unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(client, "ownership");
        let data = json!({"metadata": {"name": "mcp-port-registry"}, "data": {"notes": "ask the night shift"}});
        maps.create(&manager, &serde_json::from_value(data).unwrap()).await.unwrap();
    });
    story.strata("up ownership -e testing --yes --quiet");

    story.tell("The stack asks for both objects. What it does not say of them goes.");
    let adopt = "\nownership:\n  adopt:\n    - {object: ConfigMap/mcp-port-registry}\n    - {object: Namespace/ownership}\nservices:\n";
    story.edit(&file, "\nservices:\n", adopt);
    story.strata("plan ownership -e testing --detailed-exitcode");
    story.up("");
    let left = story.meanwhile(async |client| {
        let map = Api::<ConfigMap>::namespaced(client, "ownership").get("mcp-port-registry").await.unwrap();
        let managers = map.metadata.managed_fields.unwrap_or_default().into_iter().filter_map(|entry| entry.manager);
        (map.data.unwrap_or_default().contains_key("notes"), managers.collect::<Vec<_>>())
    });
    assert_eq!(left, (false, vec!["strata-ownership".to_owned()]));

    story.tell("Another controller sizes the server from now on, and somebody edits its image.");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client, "ownership");
        let by = |name: &str| PatchParams { field_manager: Some(name.to_owned()), ..PatchParams::default() };
        let scaled = json!({"spec": {"replicas": 4}});
        deployments.patch("ai-memory-mcp", &by("keda-operator"), &Patch::Merge(scaled)).await.unwrap();
        let containers = json!([{"name": "server", "image": "registry.example/ai_memory:other"}]);
        let image = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        deployments.patch("ai-memory-mcp", &by("kubectl-edit"), &Patch::Strategic(image)).await.unwrap();
    });
    story.strata("plan ownership -e testing --detailed-exitcode");
    let rules = "ownership:\n  fields:\n    - {kind: Deployment, path: .spec.replicas, manager: keda-*, policy: leave}\n    \
                 - {path: '.spec.template.spec.containers[*].image', policy: take}\n";
    story.edit(&file, "ownership:\n", rules);
    story.strata("plan ownership -e testing --detailed-exitcode");
    story.up("");
    let replicas = story.meanwhile(async |client| {
        let deployment = Api::<Deployment>::namespaced(client, "ownership").get("ai-memory-mcp").await.unwrap();
        deployment.spec.and_then(|spec| spec.replicas)
    });
    assert_eq!(replicas, Some(4));
    story.end();
}
