//! Deployments, StatefulSets, DaemonSets, autoscalers.

use kube::api::DeleteParams;
use kube_embedded::{NodeSpec, PodFault, Usage};
use serde_json::{Value, json};

use crate::world::{World, conditions, container, has_reason, number, numbers, text, workload};

fn image(tag: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": format!("example.com/main:{tag}")}]}}}})
}

async fn sizes(world: &World, app: &str) -> Vec<(i64, String)> {
    let sets = world.list("ReplicaSet", &format!("app={app}")).await;
    let mut sizes: Vec<(i64, String)> = sets
        .iter()
        .map(|set| {
            let revision = text(set, "/metadata/annotations/deployment.kubernetes.io~1revision");
            (number(set, "/spec/replicas"), revision.to_owned())
        })
        .collect();
    sizes.sort_by(|a, b| a.1.cmp(&b.1));
    sizes
}

#[tokio::test]
async fn a_rollout_that_gets_stuck_is_given_up_scaled_in_proportion_and_taken_back() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut web = workload("Deployment", "web", 4);
    web["metadata"]["annotations"] = json!({"note": "hello"});
    world.apply(web).await;
    let whole = json!({"availableReplicas": 4, "observedGeneration": 1, "readyReplicas": 4, "replicas": 4,
        "terminatingReplicas": 0, "updatedReplicas": 4});
    let done = world.wait("Deployment", "web", |d| has_reason(d, "Progressing", "NewReplicaSetAvailable")).await;
    assert_eq!(numbers(&done), whole);
    let first = world.list("ReplicaSet", "app=web").await.remove(0);
    let name = text(&first, "/metadata/name").to_owned();
    assert_eq!(
        conditions(&done),
        [
            "Available=True MinimumReplicasAvailable: Deployment has minimum availability.".to_owned(),
            format!("Progressing=True NewReplicaSetAvailable: ReplicaSet \"{name}\" has successfully progressed."),
        ]
    );
    assert_eq!(
        first["metadata"]["annotations"],
        json!({
            "deployment.kubernetes.io/desired-replicas": "4",
            "deployment.kubernetes.io/max-replicas": "5",
            "deployment.kubernetes.io/revision": "1",
            "note": "hello",
        })
    );

    let mut broken = image("fault-image-pull");
    broken["spec"]["progressDeadlineSeconds"] = json!(5);
    world.patch("Deployment", "web", broken).await;
    let stuck = world.wait("Deployment", "web", |d| has_reason(d, "Progressing", "ProgressDeadlineExceeded")).await;
    let expected = json!({"availableReplicas": 3, "observedGeneration": 2, "readyReplicas": 3, "replicas": 5,
        "terminatingReplicas": 0, "unavailableReplicas": 2, "updatedReplicas": 2});
    assert_eq!(numbers(&stuck), expected);
    assert_eq!(sizes(&world, "web").await, [(3, "1".to_owned()), (2, "2".to_owned())]);

    // A paused Deployment is scaled and not rolled.
    world.patch("Deployment", "web", json!({"spec": {"paused": true, "replicas": 8}})).await;
    let scaled = world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(6)).await;
    let expected = json!({"availableReplicas": 6, "observedGeneration": 3, "readyReplicas": 6, "replicas": 10,
        "terminatingReplicas": 0, "unavailableReplicas": 4, "updatedReplicas": 4});
    assert_eq!(numbers(&scaled), expected);
    assert_eq!(sizes(&world, "web").await, [(6, "1".to_owned()), (4, "2".to_owned())]);

    // Back to the first template: its ReplicaSet becomes the newest and keeps what it was.
    let mut back = image("1");
    back["spec"]["paused"] = json!(false);
    back["spec"]["template"]["spec"]["containers"][0]["resources"] =
        first["spec"]["template"]["spec"]["containers"][0]["resources"].clone();
    world.patch("Deployment", "web", back).await;
    world
        .wait("Deployment", "web", |d| {
            has_reason(d, "Progressing", "NewReplicaSetAvailable") && d["status"]["updatedReplicas"] == json!(8)
        })
        .await;
    assert_eq!(sizes(&world, "web").await, [(0, "2".to_owned()), (8, "3".to_owned())]);
    let again = world.get("ReplicaSet", &name).await.unwrap();
    assert_eq!(text(&again, "/metadata/annotations/deployment.kubernetes.io~1revision-history"), "1");
    let told = world.told("web").await;
    for change in [
        "Scaled up replica set {} from 0 to 4",
        "Scaled down replica set {} from 4 to 3",
        "Scaled up replica set {} from 3 to 6",
    ] {
        assert!(told.contains(&format!("ScalingReplicaSet: {}", change.replace("{}", &name))), "{told:?}");
    }
}

#[tokio::test]
async fn recreating_ends_the_old_pods_before_the_new_ones_begin() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut web = workload("Deployment", "web", 2);
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    web["spec"]["revisionHistoryLimit"] = json!(1);
    web["spec"]["template"]["metadata"]["annotations"] = json!({"kube-embedded/stops-after": "9"});
    world.apply(web).await;
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(2)).await;
    world.patch("Deployment", "web", image("2")).await;
    world.wait("Deployment", "web", |d| number(d, "/status/terminatingReplicas") == 2).await;
    assert_eq!(world.list("ReplicaSet", "app=web").await.len(), 1, "the new one is not there yet");
    world
        .wait("Deployment", "web", |d| {
            d["status"]["observedGeneration"] == json!(2) && d["status"]["availableReplicas"] == json!(2)
        })
        .await;
    world.patch("Deployment", "web", image("3")).await;
    world
        .wait("Deployment", "web", |d| {
            d["status"]["updatedReplicas"] == json!(2)
                && d["status"]["observedGeneration"] == json!(3)
                && has_reason(d, "Progressing", "NewReplicaSetAvailable")
        })
        .await;
    assert_eq!(sizes(&world, "web").await, [(0, "2".to_owned()), (2, "3".to_owned())]);
}

#[tokio::test]
async fn a_replica_set_takes_over_what_it_selects_and_lets_go_what_it_no_longer_does() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut stray = crate::world::pod("stray", json!({}));
    stray["metadata"]["labels"]["app"] = json!("set");
    world.create(stray).await.unwrap();
    world.apply(workload("ReplicaSet", "set", 2)).await;
    world.wait("ReplicaSet", "set", |set| set["status"]["availableReplicas"] == json!(2)).await;
    let owned = world.wait("Pod", "stray", |pod| pod["metadata"]["ownerReferences"].is_array()).await;
    assert_eq!(text(&owned, "/metadata/ownerReferences/0/name"), "set");
    world.patch("Pod", "stray", json!({"metadata": {"labels": {"app": "other"}}})).await;
    world.wait("Pod", "stray", |pod| pod["metadata"].get("ownerReferences").is_none()).await;
    world.wait("ReplicaSet", "set", |set| set["status"]["availableReplicas"] == json!(2)).await;
    assert_eq!(world.list("Pod", "app=set").await.len(), 2);
}

#[tokio::test]
async fn a_stateful_set_is_updated_from_its_last_pod_down_to_its_partition() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut db = workload("StatefulSet", "db", 3);
    db["spec"]["serviceName"] = json!("db");
    db["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    world.apply(db).await;
    let up = world.wait("StatefulSet", "db", |set| set["status"]["availableReplicas"] == json!(3)).await;
    let first = text(&up, "/status/updateRevision").to_owned();
    let expected = json!({"availableReplicas": 3, "collisionCount": 0, "currentReplicas": 3, "currentRevision": first,
        "observedGeneration": 1, "readyReplicas": 3, "replicas": 3, "updateRevision": first, "updatedReplicas": 3});
    assert_eq!(numbers(&up), expected);
    world.patch("StatefulSet", "db", image("2")).await;
    let half = world
        .wait("StatefulSet", "db", |set| {
            set["status"]["updatedReplicas"] == json!(2) && set["status"]["availableReplicas"] == json!(3)
        })
        .await;
    let second = text(&half, "/status/updateRevision").to_owned();
    assert_eq!((text(&half, "/status/currentRevision"), number(&half, "/status/currentReplicas")), (first.as_str(), 1));
    let pods = world.list("Pod", "app=db").await;
    let of: Vec<(&str, &str)> = pods
        .iter()
        .map(|pod| (text(pod, "/metadata/name"), text(pod, "/metadata/labels/controller-revision-hash")))
        .collect();
    assert_eq!(of, [("db-0", first.as_str()), ("db-1", second.as_str()), ("db-2", second.as_str())]);
    let rolling = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}});
    world.patch("StatefulSet", "db", rolling).await;
    let done = world.wait("StatefulSet", "db", |set| text(set, "/status/currentRevision") == second).await;
    assert_eq!((number(&done, "/status/currentReplicas"), number(&done, "/status/updatedReplicas")), (3, 3));
    let revisions: Vec<i64> =
        world.list("ControllerRevision", "app=db").await.iter().map(|r| number(r, "/revision")).collect();
    assert_eq!(revisions.iter().sum::<i64>(), 3);
    let told = world.told("db").await;
    assert_eq!(told[0], "SuccessfulCreate: Create Pod db-0 in StatefulSet db successful");
    assert_eq!(told[3], "SuccessfulDelete: Delete Pod db-0 in StatefulSet db successful");
}

#[tokio::test]
async fn a_stateful_set_waits_for_each_pod_and_its_claims_go_with_it() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut db = workload("StatefulSet", "db", 2);
    db["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
    db["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    world.cluster.simulation().fail_pods("apps.kubernetes.io/pod-index=0", PodFault::NeverReady).unwrap();
    world.apply(db).await;
    world.wait("Pod", "db-0", |pod| text(pod, "/status/phase") == "Running").await;
    assert!(world.get("Pod", "db-1").await.is_none(), "the second waits for the first");
    world.cluster.simulation().heal_pods("apps.kubernetes.io/pod-index=0");
    world.wait("StatefulSet", "db", |set| set["status"]["availableReplicas"] == json!(2)).await;
    let claim = world.get("PersistentVolumeClaim", "data-db-1").await.unwrap();
    assert_eq!(
        (text(&claim, "/status/phase"), text(&claim, "/metadata/ownerReferences/0/kind")),
        ("Bound", "StatefulSet")
    );
    world.patch("StatefulSet", "db", json!({"spec": {"replicas": 1}})).await;
    world.gone("PersistentVolumeClaim", "data-db-1").await;
    assert!(world.get("PersistentVolumeClaim", "data-db-0").await.is_some());
    world.delete("StatefulSet", "db", &DeleteParams::default()).await;
    world.gone("PersistentVolumeClaim", "data-db-0").await;
    assert_eq!(world.list("PersistentVolume", "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_daemon_set_has_a_pod_on_each_node_that_takes_it() {
    let labelled = |name: &str| {
        let labels = std::collections::BTreeMap::from([("role".to_owned(), "worker".to_owned())]);
        NodeSpec { labels, ..NodeSpec::named(name) }
    };
    let world = World::new(vec![labelled("a"), labelled("b"), NodeSpec::named("other")]).await;
    let mut agent = workload("DaemonSet", "agent", 0);
    agent["spec"].as_object_mut().unwrap().remove("replicas");
    agent["spec"]["template"]["spec"]["nodeSelector"] = json!({"role": "worker"});
    world.apply(agent).await;
    let up = world.wait("DaemonSet", "agent", |set| set["status"]["numberAvailable"] == json!(2)).await;
    let expected = json!({"currentNumberScheduled": 2, "desiredNumberScheduled": 2, "numberAvailable": 2,
        "numberMisscheduled": 0, "numberReady": 2, "observedGeneration": 1, "updatedNumberScheduled": 2});
    assert_eq!(numbers(&up), expected);
    world.patch("DaemonSet", "agent", image("2")).await;
    world
        .wait("DaemonSet", "agent", |set| {
            set["status"]["observedGeneration"] == json!(2)
                && set["status"]["updatedNumberScheduled"] == json!(2)
                && set["status"]["numberAvailable"] == json!(2)
        })
        .await;
    // A node that is made fit later, one that ceases to be, and one that is cordoned: daemons do not mind that.
    world.patch("Node", "b", json!({"metadata": {"labels": {"role": null}}, "spec": {"unschedulable": true}})).await;
    world
        .patch("Node", "other", json!({"metadata": {"labels": {"role": "worker"}}, "spec": {"unschedulable": true}}))
        .await;
    world.wait("DaemonSet", "agent", |set| set["status"]["numberAvailable"] == json!(2)).await;
    world.wait("Node", "other", |node| node["spec"]["taints"].is_array()).await;
    let moved = |pods: &[Value]| {
        let mut nodes: Vec<String> = pods.iter().map(|pod| text(pod, "/spec/nodeName").to_owned()).collect();
        nodes.sort();
        nodes == ["a", "other"]
    };
    loop {
        let pods = world.list("Pod", "app=agent").await;
        if moved(&pods) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let tolerations = world.list("Pod", "app=agent").await.remove(0)["spec"]["tolerations"].clone();
    assert_eq!(tolerations.as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn an_autoscaler_follows_the_usage_it_is_shown() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut web = workload("Deployment", "web", 2);
    web["spec"]["template"]["spec"]["containers"] = container(json!({"cpu": "100m"}));
    world.apply(web).await;
    world
        .apply(json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 5,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "metrics": [{"type": "Resource", "resource":
                    {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
            },
        }))
        .await;
    let blind = world
        .wait("HorizontalPodAutoscaler", "web", |h| has_reason(h, "ScalingActive", "FailedGetResourceMetric"))
        .await;
    assert_eq!(
        conditions(&blind),
        [
            "AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale",
            "ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)",
        ]
    );
    world.cluster.simulation().set_usage("default", "Deployment", "web", Usage { cpu: Some(200), memory: None });
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(5)).await;
    let limited =
        world.wait("HorizontalPodAutoscaler", "web", |h| has_reason(h, "ScalingLimited", "TooManyReplicas")).await;
    assert_eq!((number(&limited, "/spec/maxReplicas"), number(&limited, "/status/desiredReplicas")), (5, 5));
    world.cluster.simulation().set_usage("default", "Deployment", "web", Usage { cpu: Some(10), memory: None });
    world.wait("Deployment", "web", |d| d["status"]["replicas"] == json!(2)).await;
    let told = world.told("web").await;
    let sizes: Vec<&String> = told.iter().filter(|told| told.starts_with("SuccessfulRescale")).collect();
    assert_eq!(
        sizes,
        [
            "SuccessfulRescale: New size: 2; reason: All metrics below target",
            "SuccessfulRescale: New size: 5; reason: cpu resource utilization (percentage of request) above target",
        ]
    );
}
