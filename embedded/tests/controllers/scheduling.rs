//! Where pods go, and what is said of those that go nowhere.

use std::collections::BTreeMap;

use kube_embedded::{NodeSpec, Taint};
use serde_json::{Value, json};

use crate::world::{World, conditions, container, gpu_node, pod, text, workload};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Two arm64 nodes with two GPUs in two zones, and a plain one that is tainted.
fn nodes() -> Vec<NodeSpec> {
    let taint = Taint { key: "dedicated".to_owned(), value: "cpu".to_owned(), effect: "NoSchedule".to_owned() };
    let zone = |name: &str| BTreeMap::from([("zone".to_owned(), name.to_owned())]);
    vec![
        NodeSpec { architecture: "arm64".to_owned(), labels: zone("a"), ..gpu_node("gpu-1") },
        NodeSpec { architecture: "arm64".to_owned(), labels: zone("b"), ..gpu_node("gpu-2") },
        NodeSpec { taints: vec![taint], ..NodeSpec::named("plain-1") },
    ]
}

/// Where a pod goes on those nodes, or what its condition says; `there` are pods that are placed before it.
async fn place(there: &[(&str, &str)], spec: Value) -> String {
    let world = World::new(nodes()).await;
    for (name, node) in there {
        let before = pod(name, json!({"nodeName": node, "containers": container(json!({"cpu": "1"}))}));
        world.create(before).await.unwrap();
    }
    world.create(pod("it", spec)).await.unwrap();
    let placed = world.wait("Pod", "it", |pod| !conditions(pod).is_empty()).await;
    match text(&placed, "/spec/nodeName") {
        "" => conditions(&placed).remove(0),
        node => node.to_owned(),
    }
}

#[track_caller]
fn refused(found: &str, why: &str, after: &str) {
    let expected = format!(
        "PodScheduled=False Unschedulable: 0/3 nodes are available: {why}. no new claims to deallocate, preemption: 0/3 nodes are available: {after}."
    );
    assert_eq!(found, expected);
}

const HELPLESS: &str = "3 Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod";

#[tokio::test]
async fn a_pod_that_fits_nowhere_is_told_why() {
    let taint = "1 node(s) had untolerated taint(s)";
    let gpus = json!({"containers": container(json!({"nvidia.com/gpu": "4"}))});
    refused(&place(&[], gpus).await, &format!("{taint}, 2 Insufficient nvidia.com/gpu"), HELPLESS);

    let much = json!({"containers": container(json!({"cpu": "9", "ephemeral-storage": "2Ti"}))});
    let why = format!("{taint}, 2 Insufficient cpu, 2 Insufficient ephemeral-storage");
    refused(&place(&[], much).await, &why, HELPLESS);

    let selected = json!({"nodeSelector": {"kubernetes.io/arch": "s390x"}});
    refused(
        &place(&[], selected).await,
        &format!("{taint}, 2 node(s) didn't match Pod's node affinity/selector"),
        HELPLESS,
    );

    let named = json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["nowhere"]}]}]}}}});
    refused(&place(&[], named).await, "3 node(s) didn't satisfy plugin(s) [NodeAffinity]", HELPLESS);

    let near = |kind: &str, app: &str, key: &str| json!({"affinity": {kind: {REQUIRED: [{"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}]}}});
    let why = format!("{taint}, 2 node(s) didn't match pod affinity rules");
    refused(&place(&[], near("podAffinity", "nobody", "zone")).await, &why, HELPLESS);
    let why = format!("{taint}, 2 node(s) didn't match pod anti-affinity rules");
    refused(&place(&[("a", "gpu-1")], near("podAntiAffinity", "a", "kubernetes.io/arch")).await, &why, NO_VICTIMS);

    let spread = |key: &str| {
        json!({"topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "it"}}}]})
    };
    let why = format!("{taint}, 2 node(s) didn't match pod topology spread constraints (missing required label)");
    refused(&place(&[], spread("rack")).await, &why, HELPLESS);

    let port = json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]}],
        "nodeSelector": {"zone": "a"}});
    assert_eq!(place(&[], port).await, "gpu-1");

    let claim = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "missing"}}]});
    let expected = "PodScheduled=False Unschedulable: 0/3 nodes are available: persistentvolumeclaim \"missing\" not found. not found";
    assert_eq!(place(&[], claim).await, expected);

    let gated = json!({"schedulingGates": [{"name": "example.com/hold"}]});
    let expected = "PodScheduled=False SchedulingGated: Scheduling is blocked due to non-empty scheduling gates";
    assert_eq!(place(&[], gated).await, expected);
}

#[tokio::test]
async fn a_pod_goes_where_it_is_wanted() {
    let tolerates = json!({"tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/arch": "amd64"}});
    assert_eq!(place(&[], tolerates).await, "plain-1");
    // Of equal nodes the first, and then the one with fewer of its kind, or with more room.
    assert_eq!(place(&[], json!({})).await, "gpu-1");
    assert_eq!(place(&[("a", "gpu-1")], json!({})).await, "gpu-2");
    let preferred = json!({"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference":
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}}]}}});
    assert_eq!(place(&[], preferred).await, "gpu-2");
    let company = |kind: &str| {
        json!({"affinity": {kind: {PREFERRED: [{"weight": 100, "podAffinityTerm":
            {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "a"}}}}]}}})
    };
    assert_eq!(place(&[("a", "gpu-2")], company("podAffinity")).await, "gpu-2");
    assert_eq!(place(&[("a", "gpu-1")], company("podAntiAffinity")).await, "gpu-2");
    let spread = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "a"}}}]});
    assert_eq!(place(&[("a", "gpu-1")], spread).await, "gpu-2");
}

#[tokio::test]
async fn pods_that_hold_each_other_off_get_a_node_each() {
    let world = World::new(nodes()).await;
    let mut apart = workload("Deployment", "apart", 3);
    apart["spec"]["template"]["spec"]["affinity"] = json!({"podAntiAffinity": {REQUIRED: [{
        "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "apart"}}}]}});
    world.apply(apart).await;
    world.wait("Deployment", "apart", |d| d["status"]["availableReplicas"] == json!(2)).await;
    let pods = world.list("Pod", "app=apart").await;
    let mut placed: Vec<&str> = pods.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    placed.sort_unstable();
    assert_eq!(placed, ["", "gpu-1", "gpu-2"]);
    let left = pods.iter().find(|pod| text(pod, "/spec/nodeName").is_empty()).unwrap();
    let why = "1 node(s) had untolerated taint(s), 2 node(s) didn't match pod anti-affinity rules";
    refused(&conditions(left)[0], why, NO_VICTIMS);
}

#[tokio::test]
async fn a_cordoned_node_takes_no_pod_until_it_is_freed() {
    let world = World::new(vec![NodeSpec::named("only")]).await;
    world.patch("Node", "only", json!({"spec": {"unschedulable": true}})).await;
    world.create(pod("it", json!({}))).await.unwrap();
    let waiting = world.wait("Pod", "it", |pod| !conditions(pod).is_empty()).await;
    let expected = "PodScheduled=False Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    assert_eq!(conditions(&waiting), [expected]);
    let node = world.wait("Node", "only", |node| node["spec"]["taints"].is_array()).await;
    assert_eq!(text(&node, "/spec/taints/0/key"), "node.kubernetes.io/unschedulable");
    world.patch("Node", "only", json!({"spec": {"unschedulable": null}})).await;
    world.wait("Pod", "it", |pod| text(pod, "/status/phase") == "Running").await;
    let node = world.wait("Node", "only", |node| node["spec"]["taints"].is_null()).await;
    assert_eq!(node["spec"], json!({}));
}

fn priority(name: &str, value: i64, policy: &str) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "preemptionPolicy": policy,
    })
}

#[tokio::test]
async fn the_more_important_pod_gets_the_room() {
    let world = World::new(vec![gpu_node("gpu-1")]).await;
    world.apply(priority("high", 1000, "PreemptLowerPriority")).await;
    world.apply(priority("polite", 1000, "Never")).await;
    let mut low = workload("Deployment", "low", 2);
    low["spec"]["template"]["spec"]["containers"] = container(json!({"nvidia.com/gpu": "1"}));
    low["spec"]["template"]["metadata"]["annotations"] = json!({"kube-embedded/stops-after": "7s"});
    world.apply(low).await;
    world.wait("Deployment", "low", |d| d["status"]["availableReplicas"] == json!(2)).await;

    let wants =
        |class: &str| json!({"priorityClassName": class, "containers": container(json!({"nvidia.com/gpu": "1"}))});
    world.create(pod("waits", wants("polite"))).await.unwrap();
    let waiting = world.wait("Pod", "waits", |pod| !conditions(pod).is_empty()).await;
    let why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.";
    let expected = format!(
        "PodScheduled=False Unschedulable: {why} no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."
    );
    assert_eq!(conditions(&waiting), [expected]);

    world.create(pod("vip", wants("high"))).await.unwrap();
    let hopes = world.wait("Pod", "vip", |pod| !text(pod, "/status/nominatedNodeName").is_empty()).await;
    assert_eq!(conditions(&hopes), [format!("PodScheduled=False Unschedulable: {why}")]);
    let placed = world.wait("Pod", "vip", |pod| text(pod, "/status/phase") == "Running").await;
    assert_eq!(placed.pointer("/status/nominatedNodeName"), None);
    let events = world.list("Event", "").await;
    let told: Vec<&str> =
        events.iter().filter(|e| text(e, "/reason") == "Preempted").map(|e| text(e, "/message")).collect();
    assert_eq!(told, [format!("Preempted by pod {} on node gpu-1", text(&placed, "/metadata/uid"))]);
    let low = world.wait("Deployment", "low", |d| d["status"]["unavailableReplicas"] == json!(1)).await;
    assert_eq!(low["status"]["readyReplicas"], json!(1));
}

#[tokio::test]
async fn of_two_nodes_the_one_whose_pods_no_budget_protects_is_cleared() {
    let world = World::new(vec![gpu_node("gpu-1"), gpu_node("gpu-2")]).await;
    world.apply(priority("high", 1000, "PreemptLowerPriority")).await;
    for (name, node) in [("kept", "gpu-1"), ("spared", "gpu-2")] {
        let both = container(json!({"nvidia.com/gpu": "2"}));
        world.create(pod(name, json!({"nodeName": node, "containers": both}))).await.unwrap();
        world.wait("Pod", name, |pod| text(pod, "/status/phase") == "Running").await;
    }
    world
        .apply(json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "kept"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}},
        }))
        .await;
    world.wait("PodDisruptionBudget", "kept", |budget| budget["status"]["expectedPods"] == json!(1)).await;
    let wants = json!({"priorityClassName": "high", "containers": container(json!({"nvidia.com/gpu": "1"}))});
    world.create(pod("vip", wants)).await.unwrap();
    let placed = world.wait("Pod", "vip", |pod| text(pod, "/status/phase") == "Running").await;
    assert_eq!(text(&placed, "/spec/nodeName"), "gpu-2");
    assert!(world.get("Pod", "kept").await.is_some() && world.get("Pod", "spared").await.is_none());
}
