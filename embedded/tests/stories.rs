//! Stories told with kube's own client against a cluster in memory or on a file, on a clock that leaps.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Client, Error};
use kube_embedded::{Cluster, NodeSpec, OpenError, Options, Storage, TestClock};
use serde_json::{Value, json};

fn options() -> Options {
    let gpu = NodeSpec { gpus: 1, ..NodeSpec::named("gpu-1") };
    Options {
        nodes: vec![gpu, NodeSpec::named("cpu-1")],
        clock: Arc::new(TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap())),
        ..Options::default()
    }
}

async fn cluster() -> (Cluster, Client) {
    let cluster = Cluster::open(Storage::Memory, options()).await.unwrap();
    let client = Client::new(cluster.router(), "default");
    (cluster, client)
}

fn deployment(replicas: Option<u32>, gpus: u32) -> Value {
    let mut deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "example.com/web:1", "ports": [{"containerPort": 80}]}]},
            },
        },
    });
    if let Some(replicas) = replicas {
        deployment["spec"]["replicas"] = json!(replicas);
    }
    if gpus > 0 {
        deployment["spec"]["template"]["spec"]["containers"][0]["resources"] =
            json!({"limits": {"nvidia.com/gpu": gpus}});
    }
    deployment
}

async fn until<K>(api: &Api<K>, name: &str, condition: impl Condition<K>)
where
    K: Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + kube::Resource + 'static,
{
    await_condition(api.clone(), name, condition).await.unwrap();
}

fn ready(wanted: i32) -> impl Condition<Deployment> {
    move |deployment: Option<&Deployment>| {
        deployment.is_some_and(|d| {
            let status = d.status.clone().unwrap_or_default();
            status.available_replicas == Some(wanted)
                && status.updated_replicas == Some(wanted)
                && status.replicas == Some(wanted)
                && status.observed_generation == d.metadata.generation
        })
    }
}

#[track_caller]
fn refused(error: Error) -> (u16, String, String) {
    match error {
        Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("not an answer of the server: {other}"),
    }
}

#[tokio::test]
async fn a_deployment_becomes_ready_and_its_pods_follow_it() {
    let (_cluster, client) = cluster().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let mine = PatchParams::apply("mine");
    deployments.patch("web", &mine, &Patch::Apply(deployment(Some(3), 0))).await.unwrap();
    until(&deployments, "web", ready(3)).await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let list = pods.list(&ListParams::default().labels("app=web").fields("status.phase=Running")).await.unwrap();
    assert_eq!(list.items.len(), 3);

    let mut next = deployment(Some(3), 0);
    next["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/web:2");
    deployments.patch("web", &mine, &Patch::Apply(next)).await.unwrap();
    until(&deployments, "web", ready(3)).await;
    let list = pods.list(&ListParams::default().labels("app=web")).await.unwrap();
    let images: Vec<_> =
        list.items.iter().map(|pod| pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap()).collect();
    assert_eq!(images, vec!["example.com/web:2"; 3]);
    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    until(&deployments, "web", |d: Option<&Deployment>| d.is_none()).await;
    for pod in list.items {
        until(&pods, &pod.metadata.name.unwrap(), |p: Option<&Pod>| p.is_none()).await;
    }
}

#[tokio::test]
async fn an_apply_that_changes_nothing_leaves_the_object_alone_and_a_dry_run_writes_nothing() {
    let (_cluster, client) = cluster().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let mine = PatchParams::apply("mine");
    deployments.patch("web", &mine, &Patch::Apply(deployment(Some(1), 0))).await.unwrap();
    until(&deployments, "web", ready(1)).await;
    let before = deployments.get("web").await.unwrap();
    let again = deployments.patch("web", &mine, &Patch::Apply(deployment(Some(1), 0))).await.unwrap();
    assert_eq!(again, before);
    let dry = PatchParams { dry_run: true, ..mine.clone() };
    let shown = deployments.patch("web", &dry, &Patch::Apply(deployment(Some(2), 0))).await.unwrap();
    assert_eq!(shown.spec.unwrap().replicas, Some(2));
    assert_eq!(deployments.get("web").await.unwrap(), before);
}

#[tokio::test]
async fn two_managers_conflict_over_a_field() {
    let (_cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": value}});
    maps.patch("m", &PatchParams::apply("one"), &Patch::Apply(map("a"))).await.unwrap();
    let error = maps.patch("m", &PatchParams::apply("two"), &Patch::Apply(map("b"))).await.unwrap_err();
    let text = "Apply failed with 1 conflict: conflict with \"one\": .data.k";
    assert_eq!(refused(error), (409, "Conflict".to_owned(), text.to_owned()));
    let forced = maps.patch("m", &PatchParams::apply("two").force(), &Patch::Apply(map("b"))).await.unwrap();
    assert_eq!(forced.data.unwrap()["k"], "b");
}

#[tokio::test]
async fn an_update_of_an_older_version_is_refused() {
    let (_cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "m"}})).unwrap();
    let old = maps.create(&PostParams::default(), &map).await.unwrap();
    let mut new = old.clone();
    new.data = Some([("a".to_owned(), "b".to_owned())].into());
    maps.replace("m", &PostParams::default(), &new).await.unwrap();
    let error = maps.replace("m", &PostParams::default(), &old).await.unwrap_err();
    let text = "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!(refused(error), (409, "Conflict".to_owned(), text.to_owned()));
}

#[tokio::test]
async fn an_autoscaler_holds_its_minimum() {
    let (_cluster, client) = cluster().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let mine = PatchParams::apply("mine");
    let autoscalers: Api<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler> = Api::default_namespaced(client);
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    });
    autoscalers.patch("web", &mine, &Patch::Apply(autoscaler)).await.unwrap();
    deployments.patch("web", &mine, &Patch::Apply(deployment(None, 0))).await.unwrap();
    until(&deployments, "web", ready(2)).await;
    let live = deployments.get("web").await.unwrap();
    let owners: Vec<_> = live
        .metadata
        .managed_fields
        .unwrap()
        .into_iter()
        .filter(|entry| entry.subresource.as_deref() == Some("scale"))
        .map(|entry| (entry.manager.unwrap(), entry.fields_v1.unwrap().0))
        .collect();
    assert_eq!(owners, [("kube-controller-manager".to_owned(), json!({"f:spec": {"f:replicas": {}}}))]);
    // The autoscaler's number is not taken back by applying again.
    deployments.patch("web", &mine, &Patch::Apply(deployment(None, 0))).await.unwrap();
    assert_eq!(deployments.get("web").await.unwrap().spec.unwrap().replicas, Some(2));
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_says_why() {
    let (_cluster, client) = cluster().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.patch("web", &PatchParams::apply("mine"), &Patch::Apply(deployment(Some(1), 2))).await.unwrap();
    let events: Api<Event> = Api::default_namespaced(client);
    let seen = await_event(&events, "FailedScheduling").await;
    let expected = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert_eq!(seen, expected);
}

async fn await_event(events: &Api<Event>, reason: &str) -> String {
    let mut stream = events.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    while let Some(event) = stream.try_next().await.unwrap() {
        if let WatchEvent::Added(event) = event
            && event.reason.as_deref() == Some(reason)
        {
            return event.message.unwrap_or_default();
        }
    }
    panic!("the watch ended without {reason}");
}

#[tokio::test]
async fn a_watch_goes_on_from_a_version_and_an_old_one_is_gone() {
    let settings = Options { watch_window: 8, ..options() };
    let cluster = Cluster::open(Storage::Memory, settings).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(cluster.router(), "default"));
    let make = |name: String| serde_json::from_value::<ConfigMap>(json!({"metadata": {"name": name}})).unwrap();
    let first = maps.create(&PostParams::default(), &make("m0".to_owned())).await.unwrap();
    maps.create(&PostParams::default(), &make("m1".to_owned())).await.unwrap();
    let from = first.metadata.resource_version.unwrap();
    let mut stream = maps.watch(&WatchParams::default(), &from).await.unwrap().boxed();
    match stream.try_next().await.unwrap().unwrap() {
        WatchEvent::Added(map) => assert_eq!(map.metadata.name.as_deref(), Some("m1")),
        other => panic!("{other:?}"),
    }
    for number in 2..20 {
        maps.create(&PostParams::default(), &make(format!("m{number}"))).await.unwrap();
    }
    let mut stream = maps.watch(&WatchParams::default(), &from).await.unwrap().boxed();
    match stream.try_next().await.unwrap().unwrap() {
        WatchEvent::Error(status) => assert_eq!((status.code, status.reason.as_str()), (410, "Expired")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_namespace_is_emptied_before_it_goes() {
    let (_cluster, client) = cluster().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let named = |name: &str| serde_json::from_value::<Namespace>(json!({"metadata": {"name": name}})).unwrap();
    namespaces.create(&PostParams::default(), &named("demo")).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "demo");
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "m", "finalizers": ["example.com/hold"]}})).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    namespaces.delete("demo", &DeleteParams::default()).await.unwrap();
    let other: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
    let (code, reason, message) = refused(maps.create(&PostParams::default(), &other).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        message,
        "configmaps \"late\" is forbidden: unable to create new content in namespace demo because it is being terminated"
    );
    let free = json!({"metadata": {"finalizers": null}});
    maps.patch("m", &PatchParams::default(), &Patch::Merge(free)).await.unwrap();
    until(&namespaces, "demo", |n: Option<&Namespace>| n.is_none()).await;
    let (code, ..) = refused(maps.create(&PostParams::default(), &other).await.unwrap_err());
    assert_eq!(code, 404);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_cluster_that_was_never_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.redb");
    let uid = {
        let cluster = Cluster::open(Storage::File(path.clone()), options()).await.unwrap();
        let client = Client::new(cluster.router(), "default");
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "kept"}})).unwrap();
        let made = maps.create(&PostParams::default(), &map).await.unwrap();
        match Cluster::open(Storage::File(path.clone()), options()).await.unwrap_err() {
            OpenError::Held { holder: Some(holder), .. } => assert_eq!(holder.pid, std::process::id()),
            other => panic!("{other}"),
        }
        // A copy of the file as it is now is what a killed process would leave.
        std::fs::copy(&path, directory.path().join("killed.redb")).unwrap();
        drop(cluster);
        made.metadata.uid
    };
    let killed = directory.path().join("killed.redb");
    let cluster = Cluster::open(Storage::File(killed), options()).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(cluster.router(), "default"));
    assert_eq!(maps.get("kept").await.unwrap().metadata.uid, uid);
    cluster.close().await;
}

#[tokio::test]
async fn a_torn_store_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.redb");
    std::fs::write(&path, vec![7_u8; 8192]).unwrap();
    assert!(matches!(Cluster::open(Storage::File(path), options()).await, Err(OpenError::Torn { .. })));
}

#[tokio::test]
async fn a_fault_is_shown_as_the_kubelet_shows_it() {
    let (_cluster, client) = cluster().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let mut broken = deployment(Some(1), 0);
    broken["spec"]["template"]["metadata"]["annotations"] = json!({"kube-embedded/fault": "image-pull"});
    deployments.patch("web", &PatchParams::apply("mine"), &Patch::Apply(broken)).await.unwrap();
    let events: Api<Event> = Api::default_namespaced(client.clone());
    assert_eq!(await_event(&events, "BackOff").await, "Back-off pulling image \"example.com/web:1\"");
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    let status = pod.status.unwrap();
    let waiting = status.container_statuses.unwrap().remove(0).state.unwrap().waiting.unwrap();
    assert_eq!((status.phase.as_deref(), waiting.reason.as_deref()), (Some("Pending"), Some("ImagePullBackOff")));
}

#[tokio::test]
async fn many_deployments_come_up_in_few_commits_and_stay_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.redb");
    let many = Options { nodes: vec![NodeSpec { pods: 500, ..NodeSpec::named("large") }], ..options() };
    let cluster = Cluster::open(Storage::File(path.clone()), many.clone()).await.unwrap();
    let deployments: Api<Deployment> = Api::default_namespaced(Client::new(cluster.router(), "default"));
    let apply = |number: usize| {
        let (deployments, name) = (deployments.clone(), format!("web-{number}"));
        async move {
            let mut wanted = deployment(Some(1), 0);
            wanted["metadata"]["name"] = json!(name);
            for pointer in ["/spec/selector/matchLabels/app", "/spec/template/metadata/labels/app"] {
                *wanted.pointer_mut(pointer).unwrap() = json!(name);
            }
            deployments.patch(&name, &PatchParams::apply("mine"), &Patch::Apply(wanted)).await.unwrap();
            until(&deployments, &name, ready(1)).await;
        }
    };
    futures::future::join_all((0..60).map(apply)).await;
    let before = deployments.list(&ListParams::default()).await.unwrap();
    drop(deployments);
    cluster.close().await;
    let cluster = Cluster::open(Storage::File(path), many).await.unwrap();
    let deployments: Api<Deployment> = Api::default_namespaced(Client::new(cluster.router(), "default"));
    assert_eq!(deployments.list(&ListParams::default()).await.unwrap().items, before.items);
}

#[tokio::test]
async fn a_pod_of_higher_priority_takes_the_place_of_one_that_is_made_again() {
    let (_cluster, client) = cluster().await;
    let classes: Api<k8s_openapi::api::scheduling::v1::PriorityClass> = Api::all(client.clone());
    let mine = PatchParams::apply("mine");
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "urgent"},
        "value": 1000,
    });
    classes.patch("urgent", &mine, &Patch::Apply(class)).await.unwrap();
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    deployments.patch("web", &mine, &Patch::Apply(deployment(Some(1), 1))).await.unwrap();
    until(&deployments, "web", ready(1)).await;
    let mut urgent = deployment(Some(1), 1);
    urgent["metadata"]["name"] = json!("urgent");
    urgent["spec"]["selector"]["matchLabels"]["app"] = json!("urgent");
    urgent["spec"]["template"]["metadata"]["labels"]["app"] = json!("urgent");
    urgent["spec"]["template"]["spec"]["priorityClassName"] = json!("urgent");
    deployments.patch("urgent", &mine, &Patch::Apply(urgent)).await.unwrap();
    until(&deployments, "urgent", ready(1)).await;
    until(&deployments, "web", |d: Option<&Deployment>| {
        d.is_some_and(|d| d.status.as_ref().is_some_and(|s| s.unavailable_replicas == Some(1)))
    })
    .await;
}

#[tokio::test]
async fn pods_that_are_refused_are_tried_again_and_come_once_they_are_allowed() {
    let (_cluster, client) = cluster().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let mut wanted = deployment(Some(1), 0);
    wanted["spec"]["template"]["spec"]["serviceAccountName"] = json!("late");
    deployments.patch("web", &PatchParams::apply("mine"), &Patch::Apply(wanted)).await.unwrap();
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let told = await_event(&events, "FailedCreate").await;
    let name = told.split('"').nth(1).unwrap().to_owned();
    let expected = format!(
        "Error creating: pods \"{name}\" is forbidden: error looking up service account default/late: serviceaccount \"late\" not found"
    );
    assert_eq!(told, expected);
    assert!(name.starts_with("web-") && name.ends_with('-'), "{name}");
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::default_namespaced(client);
    let account = serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    until(&deployments, "web", ready(1)).await;
}
