//! PodDisruptionBudgets and eviction.

use kube::Error;
use kube_embedded::NodeSpec;
use serde_json::{Value, json};

use crate::world::{World, conditions, numbers, text, workload};

async fn evict(world: &World, pod: &str) -> Result<Value, Error> {
    let body =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "default"}});
    let request = http::Request::post(format!("/api/v1/namespaces/default/pods/{pod}/eviction"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .unwrap();
    world.client.request(request).await
}

fn budget(name: &str, spec: Value) -> Value {
    let mut budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    });
    for (field, value) in spec.as_object().unwrap() {
        budget["spec"][field] = value.clone();
    }
    budget
}

#[tokio::test]
async fn a_budget_counts_and_is_kept_to() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let mut web = workload("Deployment", "web", 4);
    web["spec"]["template"]["metadata"]["annotations"] = json!({"kube-embedded/stops-after": "20"});
    world.apply(web).await;
    world.wait("Deployment", "web", |d| d["status"]["availableReplicas"] == json!(4)).await;
    world.apply(budget("web", json!({"minAvailable": 3}))).await;
    let able = world.wait("PodDisruptionBudget", "web", |b| b["status"]["disruptionsAllowed"] == json!(1)).await;
    let expected = json!({"currentHealthy": 4, "desiredHealthy": 3, "disruptionsAllowed": 1, "expectedPods": 4, "observedGeneration": 1});
    assert_eq!(numbers(&able), expected);
    assert_eq!(conditions(&able), ["DisruptionAllowed=True SufficientPods: "]);

    let pods = world.list("Pod", "app=web").await;
    let names: Vec<&str> = pods.iter().map(|pod| text(pod, "/metadata/name")).collect();
    let answer = evict(&world, names[0]).await.unwrap();
    assert_eq!(answer, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}));
    let going = world.get("Pod", names[0]).await.unwrap();
    let last = conditions(&going).pop().unwrap();
    assert_eq!(last, "DisruptionTarget=True EvictionByEvictionAPI: Eviction API: evicting");
    let Error::Api(refusal) = evict(&world, names[1]).await.unwrap_err() else { panic!("not an answer of the server") };
    assert_eq!(
        (refusal.code, refusal.reason.as_str(), refusal.message.as_str()),
        (429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    let cause = refusal.details.unwrap().causes.remove(0);
    let expected = ("DisruptionBudget", "The disruption budget web needs 3 healthy pods and has 3 currently");
    assert_eq!((cause.reason.as_str(), cause.message.as_str()), expected);

    world.apply(budget("two", json!({"maxUnavailable": "50%"}))).await;
    let two = world.wait("PodDisruptionBudget", "two", |b| b["status"]["currentHealthy"] == json!(4)).await;
    let expected = json!({"currentHealthy": 4, "desiredHealthy": 2, "disruptionsAllowed": 2, "expectedPods": 4, "observedGeneration": 1});
    assert_eq!(numbers(&two), expected);
    let Error::Api(refusal) = evict(&world, names[2]).await.unwrap_err() else { panic!("not an answer of the server") };
    let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    assert_eq!((refusal.code, refusal.message.as_str()), (500, text));
}

#[tokio::test]
async fn a_budget_without_pods_allows_nothing() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    world.apply(budget("none", json!({"maxUnavailable": 1}))).await;
    let none = world.wait("PodDisruptionBudget", "none", |b| !conditions(b).is_empty()).await;
    let expected = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0, "observedGeneration": 1});
    assert_eq!(numbers(&none), expected);
    assert_eq!(conditions(&none), ["DisruptionAllowed=False InsufficientPods: "]);
    assert_eq!(world.told("none").await, ["NoPods: No matching pods found"]);
}
