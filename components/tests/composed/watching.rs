//! The network monitor: what it is told to watch, and by whom it is watched itself.

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};

fn try_composed(monitor: Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    let redis = json!({"redis": {"storage": {"size": "1Gi"}, "password": {"secret": "cache", "key": "password"}}});
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "same",
        "tiers": {"front": {"ports": "9000-9009"}, "back": {"ports": "9010-9019", "namespace": "shop-back"}},
        "services": {
            "watch": {
                "tier": "front", "port": 9001, "replicas": 2, "depends_on": ["cart", "mail", "cache", "balancer"],
                "component": {"network_monitor": monitor},
            },
            "balancer": {"tier": "front", "port": 9002, "depends_on": ["cart"], "component": {"haproxy": {}}},
            "cart": {"tier": "back", "port": 9010, "health_path": "/ready"},
            "mail": {"tier": "back", "port": 9011, "health_port": "+100"},
            "cache": {"tier": "back", "port": 9012, "component": redis},
        },
    }))
    .unwrap();
    let environment: Environment = serde_json::from_value(json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "port_offset": 200, "monitoring": {}, "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    }))
    .unwrap();
    let problems = |problem: &strata_components::compose::Problem| (problem.path(), problem.to_string());
    compose(&stack, &environment, "local", None).map_err(|error| error.problems.iter().map(problems).collect())
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest
}

#[test]
fn what_it_watches_is_what_it_depends_on() {
    let desired = try_composed(json!({"interval": "30s"})).unwrap();
    let file = manifest(&desired, "shop/watch/config")["data"]["targets.json"].as_str().unwrap();
    let read: Value = serde_json::from_str(file).unwrap();
    let expect = json!({
        "interval_ms": 30000, "timeout_ms": 2000,
        "targets": [
            {"name": "balancer", "host": "balancer.shop.svc.cluster.local", "port": 9202, "path": "/health"},
            {"name": "cache", "host": "cache.shop-back.svc.cluster.local", "port": 9212},
            {"name": "cart", "host": "cart-mcp.shop-back.svc.cluster.local", "port": 9210, "path": "/ready"},
            {"name": "mail", "host": "mail-mcp.shop-back.svc.cluster.local", "port": 9211},
        ],
    });
    assert_eq!(read, expect);
    let container = &manifest(&desired, "shop/watch/deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], json!("registry.example/shop/watch:1.0.0"));
    assert_eq!(container["args"], json!(["/etc/network-monitor/targets.json", "--listen", "0.0.0.0:9201"]));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/health", "port": "http"}));
}

#[test]
fn its_image_runs_as_its_pods_do() {
    let desired = try_composed(json!({})).unwrap();
    let pod = &manifest(&desired, "shop/watch/deployment")["spec"]["template"]["spec"];
    let user = &pod["securityContext"]["runAsUser"];
    let containerfile = include_str!("../../../network-monitor/Containerfile");
    assert!(containerfile.contains(&format!("\nUSER {user}:")), "{user}");
    // What is run is the entry point of the image; its arguments are the stack's.
    assert_eq!(pod["containers"][0].get("command"), None);
}

#[test]
fn it_is_scraped_where_it_gives_its_figures() {
    let desired = try_composed(json!({})).unwrap();
    let monitor = &manifest(&desired, "shop/monitor-front")["spec"];
    let expect = json!([{"port": "http", "path": "/metrics", "interval": "30s"}]);
    assert_eq!(monitor["endpoints"], expect);
    let service = &manifest(&desired, "shop/watch/service")["spec"]["ports"];
    assert_eq!(*service, json!([{"name": "http", "port": 9201, "targetPort": "http"}]));
}

#[test]
fn times_that_are_too_short_are_refused() {
    let path = "services.watch.component.network_monitor.timeout";
    let said = format!("{path}: 99ms is too short, 100ms are the least");
    assert_eq!(try_composed(json!({"timeout": "99ms"})).unwrap_err(), [(Some(path.to_owned()), said)]);
}
