//! What stays up and learns what it needs: promises of availability, and vertical autoscalers.

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};

/// A service of a small stack in an environment, each with more than the smallest has.
fn shop(service: Value, environment: Value) -> Desired {
    let whole = |mut least: Value, more: Value| {
        least.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        least
    };
    let cart = whole(json!({"tier": "all", "port": 9000}), service);
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "tiers": {"all": {"ports": "9000-9009"}}, "services": {"cart": cart},
    }))
    .unwrap();
    let least = json!({
        "environment": "lab", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "image": {"registry": "registry.example", "tag": "1"}, "monitoring": {},
    });
    let here: Environment = serde_json::from_value(whole(least, environment)).unwrap();
    compose(&stack, &here, "local", None).unwrap()
}

fn spec(desired: &Desired, address: &str) -> Option<Value> {
    desired.resources.iter().find(|one| one.address == address).map(|one| one.manifest["spec"].clone())
}

/// The share that the service is held to, whether its spread must be kept, and the alerts for it.
#[track_caller]
fn check_promise(service: Value, environment: Value, expect: Option<(&str, &str)>) {
    let desired = shop(service, environment);
    let claimed: Vec<_> = desired.claims.availability.iter().map(|claim| claim.target.as_str()).collect();
    assert_eq!(claimed, expect.iter().map(|(target, _)| *target).collect::<Vec<_>>());
    let deployment = spec(&desired, "shop/cart/deployment").unwrap();
    let spread = &deployment["template"]["spec"]["topologySpreadConstraints"][0];
    let kept = json!({"DoNotSchedule": expect.is_some(), "hash": expect.is_some()});
    let found = json!({
        "DoNotSchedule": spread["whenUnsatisfiable"] == "DoNotSchedule",
        "hash": spread["matchLabelKeys"] == json!(["pod-template-hash"]) && spread["nodeTaintsPolicy"] == "Honor",
    });
    assert_eq!(found, kept);
    let rules = spec(&desired, "shop/alerts-all").unwrap()["groups"][0]["rules"].clone();
    let of = |rule: &&Value| rule["alert"] == "McpAvailabilityAtRisk";
    let alerts: Vec<_> = rules.as_array().unwrap().iter().filter(of).collect();
    assert_eq!(alerts.len(), usize::from(expect.is_some()));
    for (alert, (target, most)) in alerts.into_iter().zip(expect) {
        assert_eq!(alert["labels"]["target"], target);
        let up = "max by (service) (up{namespace=\"shop\", service=~\"cart-mcp\"})";
        let away = |time: &str| format!("(1 - avg_over_time(({up})[{time}:1m]) > {most})");
        assert_eq!(alert["expr"], format!("{} and {}", away("1h"), away("5m")));
    }
}

#[test]
fn a_promise_holds_for_critical_services_and_those_that_name_one() {
    let promised = || json!({"availability": "99.9%"});
    check_promise(json!({}), promised(), None);
    check_promise(json!({"critical": true}), promised(), Some(("99.9%", "0.0144")));
    check_promise(json!({"critical": true, "availability": "99.95%"}), promised(), Some(("99.95%", "0.0072")));
    check_promise(json!({"availability": "99%"}), promised(), Some(("99%", "0.144")));
    check_promise(json!({"critical": true, "availability": "99.95%"}), json!({}), None);
}

/// How the vertical autoscaler acts, on what, and up to what.
#[track_caller]
fn check_vertical(mode: &str, autoscale: Option<Value>, expect: (&str, Value, Value)) {
    let service = autoscale.map_or_else(|| json!({}), |figures| json!({"autoscale": figures}));
    let desired = shop(service, json!({"vertical_autoscaling": mode, "autoscaling": true}));
    let found = spec(&desired, "shop/cart/vertical-autoscaler").unwrap();
    assert_eq!(found["targetRef"], json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart-mcp"}));
    let [own, others] = found["resourcePolicy"]["containerPolicies"].as_array().unwrap().as_slice() else {
        panic!("{found}")
    };
    assert_eq!((&own["containerName"], &own["controlledValues"]), (&json!("server"), &json!("RequestsOnly")));
    assert_eq!(others, &json!({"containerName": "*", "mode": "Off"}));
    let found = (&found["updatePolicy"]["updateMode"], &own["controlledResources"], &own["maxAllowed"]);
    assert_eq!(found, (&json!(expect.0), &expect.1, &expect.2));
}

#[test]
fn a_vertical_autoscaler_leaves_alone_what_another_steers_by() {
    let both = || json!(["cpu", "memory"]);
    let steered = |by: Value| {
        let mut figures = json!({"min": 1, "max": 3});
        figures.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
        Some(figures)
    };
    check_vertical("recommend", None, ("Off", both(), Value::Null));
    check_vertical("recommend", steered(json!({"cpu": 70})), ("Off", both(), Value::Null));
    check_vertical("initial", None, ("Initial", both(), json!({"cpu": "250m", "memory": "256Mi"})));
    check_vertical("initial", steered(json!({"cpu": 70})), ("Initial", json!(["memory"]), json!({"memory": "256Mi"})));
    check_vertical("initial", steered(json!({"memory": 80})), ("Initial", json!(["cpu"]), json!({"cpu": "250m"})));
    check_vertical("initial", steered(json!({"cpu": 70, "memory": 80})), ("Off", both(), Value::Null));
    let none = shop(json!({}), json!({}));
    assert_eq!(spec(&none, "shop/cart/vertical-autoscaler"), None);
}

#[test]
fn services_with_a_gpu_are_watched_at_work() {
    let alerts = |environment: Value| -> Vec<String> {
        let rules = spec(&shop(json!({"gpu": 1}), environment), "shop/alerts-all").unwrap();
        let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
        let names = rules.iter().filter_map(|rule| rule["alert"].as_str().map(str::to_owned));
        names.filter(|name| name.starts_with("McpGpu")).collect()
    };
    assert_eq!(alerts(json!({})), ["McpGpuIdle", "McpGpuSaturated", "McpGpuMemoryFull"]);
    assert_eq!(alerts(json!({"gpu": {"policy": "none"}})), Vec::<String>::new());
}
