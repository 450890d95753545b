//! Nodes that fall silent or go, taints, and what becomes of pods.

use kube::api::DeleteParams;
use kube_embedded::{NodeFault, NodeSpec, PodFault};
use serde_json::{Value, json};

use crate::world::{World, conditions, number, pod, text, workload};

#[tokio::test]
async fn a_silent_node_is_tainted_and_its_pods_are_made_elsewhere() {
    let world = World::new(vec![NodeSpec::named("a"), NodeSpec::named("b")]).await;
    let mut web = workload("Deployment", "web", 1);
    web["spec"]["template"]["spec"]["nodeName"] = json!("a");
    world.apply(web).await;
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(1)).await;
    let first = world.list("Pod", "app=web").await.remove(0);
    let name = text(&first, "/metadata/name").to_owned();
    world.cluster.simulation().fail_node("a", NodeFault::Unreachable);
    let node = world.wait("Node", "a", |node| node["spec"]["taints"].as_array().is_some_and(|t| t.len() == 2)).await;
    let taints: Vec<(&str, &str)> = node["spec"]["taints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|taint| (text(taint, "/key"), text(taint, "/effect")))
        .collect();
    let key = "node.kubernetes.io/unreachable";
    assert_eq!(taints, [(key, "NoSchedule"), (key, "NoExecute")]);
    assert_eq!(
        conditions(&node).pop().unwrap(),
        "Ready=Unknown NodeStatusUnknown: Kubelet stopped posting node status."
    );
    assert_eq!(text(&node, "/spec/taints/0/timeAdded"), "2026-01-01T00:00:51Z");
    let unready = world.wait("Pod", &name, |pod| conditions(pod).contains(&"Ready=False : ".to_owned())).await;
    assert_eq!(text(&unready, "/status/phase"), "Running");
    // Five minutes later it is given up, but nobody is there who could end it.
    let marked = world.wait("Pod", &name, |pod| !text(pod, "/metadata/deletionTimestamp").is_empty()).await;
    let last = conditions(&marked).pop().unwrap();
    assert_eq!(last, "DisruptionTarget=True DeletionByTaintManager: Taint manager: deleting due to NoExecute taint");
    assert!(
        world.told(&name).await.contains(&format!("TaintManagerEviction: Marking for deletion Pod default/{name}"))
    );
    assert!(world.told("a").await.contains(&"NodeNotReady: Node a status is now: NodeNotReady".to_owned()));
    world.cluster.simulation().heal_node("a");
    world.gone("Pod", &name).await;
    let node = world.wait("Node", "a", |node| node["spec"]["taints"].is_null()).await;
    assert_eq!(conditions(&node).pop().unwrap(), "Ready=True KubeletReady: simulated node: no kubelet runs");
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(1)).await;
}

#[tokio::test]
async fn the_pods_of_a_node_that_is_gone_go_too() {
    let world = World::new(vec![NodeSpec::named("a")]).await;
    world.create(pod("it", json!({}))).await.unwrap();
    world.wait("Pod", "it", |pod| text(pod, "/status/phase") == "Running").await;
    world.delete("Node", "a", &DeleteParams::default()).await;
    world.gone("Pod", "it").await;
}

#[tokio::test]
async fn a_taint_drives_away_what_does_not_tolerate_it() {
    let world = World::new(vec![NodeSpec::named("a")]).await;
    let tolerates = |seconds: Value| {
        let mut toleration = json!({"key": "out", "operator": "Exists", "effect": "NoExecute"});
        if !seconds.is_null() {
            toleration["tolerationSeconds"] = seconds;
        }
        json!({"tolerations": [toleration]})
    };
    for (name, spec) in [("none", json!({})), ("some", tolerates(json!(30))), ("always", tolerates(Value::Null))] {
        world.create(pod(name, spec)).await.unwrap();
        world.wait("Pod", name, |pod| text(pod, "/status/phase") == "Running").await;
    }
    world.patch("Node", "a", json!({"spec": {"taints": [{"key": "out", "effect": "NoExecute"}]}})).await;
    world.gone("Pod", "none").await;
    world.gone("Pod", "some").await;
    assert!(world.get("Pod", "always").await.is_some());
}

#[tokio::test]
async fn a_pod_shows_its_faults_as_a_kubelet_does() {
    let world = World::new(vec![NodeSpec::named("a")]).await;
    let simulation = world.cluster.simulation();
    simulation.fail_pods("app=crashes", PodFault::CrashLoop).unwrap();
    simulation.fail_pods("app=slow", PodFault::SlowStart(std::time::Duration::from_secs(40))).unwrap();
    simulation.fail_pods("app=held", PodFault::Held).unwrap();
    for name in ["crashes", "slow", "held"] {
        world.create(pod(name, json!({}))).await.unwrap();
    }
    let crashes =
        world.wait("Pod", "crashes", |pod| number(pod, "/status/containerStatuses/0/restartCount") == 2).await;
    let state = &crashes["status"]["containerStatuses"][0];
    assert_eq!(
        (text(state, "/state/waiting/reason"), number(state, "/lastState/terminated/exitCode")),
        ("CrashLoopBackOff", 1)
    );
    let after = |pod: &Value, at: &str| {
        let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        time(at).duration_since(time(text(pod, "/status/startTime"))).as_secs()
    };
    assert_eq!(after(&crashes, text(state, "/lastState/terminated/finishedAt")), 30);
    let slow = world.wait("Pod", "slow", |pod| conditions(pod).iter().any(|c| c.starts_with("Ready=True"))).await;
    let ready = slow["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready").unwrap();
    assert_eq!(after(&slow, text(ready, "/lastTransitionTime")), 40);
    world.wait("Pod", "held", |pod| text(pod, "/metadata/finalizers/0") == "kube-embedded/held").await;
    world.delete("Pod", "held", &DeleteParams::default()).await;
    assert!(world.get("Pod", "held").await.is_some());
    simulation.heal_pods("app=held");
    world.gone("Pod", "held").await;
    let error = simulation.fail_pods("a b", PodFault::NeverReady).unwrap_err();
    assert_eq!(error.to_string(), "\"a b\" is no label selector; write it as `key=value,other in (a, b),!absent`");
}

#[tokio::test]
async fn init_containers_and_sidecars_are_shown() {
    let world = World::new(vec![NodeSpec::named("a")]).await;
    let spec = json!({
        "containers": [{"name": "a", "image": "e/a:1"}],
        "initContainers": [{"name": "i", "image": "e/i:1"}, {"name": "s", "image": "e/s:1", "restartPolicy": "Always"}],
        "readinessGates": [{"conditionType": "example.com/open"}],
    });
    world.create(pod("it", spec)).await.unwrap();
    let it = world.wait("Pod", "it", |pod| conditions(pod).iter().any(|c| c.starts_with("ContainersReady=True"))).await;
    let inits: Vec<(&str, bool, Option<&Value>)> = it["status"]["initContainerStatuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|status| (text(status, "/name"), status["started"] == true, status.pointer("/state/terminated/exitCode")))
        .collect();
    assert_eq!(inits, [("i", false, Some(&json!(0))), ("s", true, None)]);
    let gate = "Ready=False ReadinessGatesNotReady: corresponding condition of pod readiness gate \"example.com/open\" does not exist.";
    assert!(conditions(&it).contains(&gate.to_owned()), "{:?}", conditions(&it));
}
