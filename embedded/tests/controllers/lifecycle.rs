//! Owners and their dependents, namespaces, and the endpoints of Services.

use kube::api::{DeleteParams, PropagationPolicy};
use kube_embedded::{NodeSpec, PodFault};
use serde_json::{Value, json};

use crate::world::{World, conditions, text, workload};

fn deleting(policy: PropagationPolicy) -> DeleteParams {
    DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() }
}

async fn up(world: &World) -> String {
    world.apply(workload("Deployment", "web", 2)).await;
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(2)).await;
    text(&world.list("ReplicaSet", "app=web").await.remove(0), "/metadata/name").to_owned()
}

#[tokio::test]
async fn dependents_go_before_after_or_not_at_all() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let set = up(&world).await;
    world.delete("Deployment", "web", &deleting(PropagationPolicy::Background)).await;
    assert_eq!(world.get("Deployment", "web").await, None);
    world.gone("ReplicaSet", &set).await;

    let set = up(&world).await;
    world.cluster.simulation().fail_pods("app=web", PodFault::Held).unwrap();
    let pods = world.list("Pod", "app=web").await;
    for pod in &pods {
        world.wait("Pod", text(pod, "/metadata/name"), |pod| pod["metadata"]["finalizers"].is_array()).await;
    }
    world.delete("Deployment", "web", &deleting(PropagationPolicy::Foreground)).await;
    let waiting = world.wait("ReplicaSet", &set, |s| !text(s, "/metadata/deletionTimestamp").is_empty()).await;
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    let owner = world.get("Deployment", "web").await.unwrap();
    assert_eq!(owner["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    world.cluster.simulation().heal_pods("app=web");
    world.gone("Deployment", "web").await;
    assert_eq!((world.get("ReplicaSet", &set).await, world.list("Pod", "app=web").await.len()), (None, 0));

    let set = up(&world).await;
    world.delete("Deployment", "web", &deleting(PropagationPolicy::Orphan)).await;
    world.gone("Deployment", "web").await;
    let left = world.get("ReplicaSet", &set).await.unwrap();
    assert_eq!(left.pointer("/metadata/ownerReferences"), None);
    // A Deployment that is made again takes the orphan over.
    world.apply(workload("Deployment", "web", 2)).await;
    world.wait("ReplicaSet", &set, |s| text(s, "/metadata/ownerReferences/0/name") == "web").await;
    assert_eq!(world.list("ReplicaSet", "app=web").await.len(), 1);
}

#[tokio::test]
async fn what_has_another_owner_stays() {
    let world = World::new(vec![]).await;
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let (one, two) = (world.create(map("one")).await.unwrap(), world.create(map("two")).await.unwrap());
    let reference = |owner: &Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]});
    let mut child = map("child");
    child["metadata"]["ownerReferences"] = json!([reference(&one), reference(&two)]);
    world.create(child).await.unwrap();
    world.delete("ConfigMap", "one", &DeleteParams::default()).await;
    let kept = world
        .wait("ConfigMap", "child", |c| c["metadata"]["ownerReferences"].as_array().is_some_and(|o| o.len() == 1))
        .await;
    assert_eq!(text(&kept, "/metadata/ownerReferences/0/name"), "two");
    world.delete("ConfigMap", "two", &DeleteParams::default()).await;
    world.gone("ConfigMap", "child").await;
    let mut stray = map("stray");
    stray["metadata"]["ownerReferences"] = json!([reference(&one)]);
    world.create(stray).await.unwrap();
    world.gone("ConfigMap", "stray").await;
}

#[tokio::test]
async fn a_namespace_says_what_holds_it() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}})).await.unwrap();
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "going", "finalizers": ["example.com/hold"]}});
    world.create(held).await.unwrap();
    world.delete("Namespace", "going", &DeleteParams::default()).await;
    let going = world.wait("Namespace", "going", |n| conditions(n).len() == 5).await;
    assert_eq!(
        conditions(&going),
        [
            "NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered",
            "NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed",
            "NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization",
            "NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances",
            "NamespaceFinalizersRemaining=True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ]
    );
}

#[tokio::test]
async fn the_endpoints_of_a_service_are_its_ready_pods() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut web = workload("Deployment", "web", 2);
    web["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"containerPort": 8080, "name": "http"}]);
    world.apply(web).await;
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(2)).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}});
    world.create(service).await.unwrap();
    let endpoints = world.wait("Endpoints", "web", |e| e["subsets"].is_array()).await;
    let pods = world.list("Pod", "app=web").await;
    let address = |pod: &Value| {
        json!({
            "ip": pod["status"]["podIP"],
            "nodeName": "n",
            "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": "default", "uid": pod["metadata"]["uid"]},
        })
    };
    let addresses: Vec<Value> = pods.iter().map(address).collect();
    assert_eq!(endpoints["subsets"], json!([{"addresses": addresses, "ports": [{"port": 8080, "protocol": "TCP"}]}]));
    let labels = json!({"endpoints.kubernetes.io/managed-by": "endpoint-controller", "team": "a"});
    assert_eq!(endpoints["metadata"]["labels"], labels);
    let slice = world.list("EndpointSlice", "kubernetes.io/service-name=web").await.remove(0);
    assert_eq!(slice["ports"], json!([{"name": "", "port": 8080, "protocol": "TCP"}]));
    assert_eq!(slice["endpoints"].as_array().unwrap().len(), 2);
    let ips: std::collections::BTreeSet<&str> = pods.iter().map(|pod| text(pod, "/status/podIP")).collect();
    assert_eq!(ips.len(), 2, "each pod has its own address");
    world.delete("Service", "web", &DeleteParams::default()).await;
    world.gone("Endpoints", "web").await;
    assert_eq!(world.list("EndpointSlice", "kubernetes.io/service-name=web").await, Vec::<Value>::new());
}
