//! Consul: what it registers, how it asks for health, and what it cannot be told.

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};

/// A Consul with these settings, which registers a server, one that serves its health elsewhere, and a store.
fn try_composed(more: Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    let mut consul = json!({"storage": {"size": "1Gi", "class": "fast"}});
    consul.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let redis = json!({"redis": {"storage": {"size": "1Gi"}, "password": {"secret": "cache", "key": "password"}}});
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "same",
        "tiers": {"front": {"ports": "9000-9009", "critical": true}, "back": {"ports": "9010-9019", "namespace": "back"}},
        "services": {
            "discovery": {
                "tier": "front", "port": 9008, "depends_on": ["shop_cart", "mail", "cache"],
                "component": {"consul": consul},
            },
            "shop_cart": {"tier": "back", "port": 9010, "health_path": "/ready"},
            "mail": {"tier": "back", "port": 9011, "health_port": "+100", "image": "registry.example:5000/mail"},
            "cache": {"tier": "back", "port": 9012, "component": redis},
        },
    }))
    .unwrap();
    let environment: Environment = serde_json::from_value(json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "port_offset": 200, "replicas": {"critical_min": 2},
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    }))
    .unwrap();
    let problems = |problem: &strata_components::compose::Problem| (problem.path(), problem.to_string());
    compose(&stack, &environment, "local", None).map_err(|error| error.problems.iter().map(problems).collect())
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest
}

#[test]
fn services_are_registered_with_checks_and_metadata() {
    let told =
        json!({"shop_cart": {"tags": ["orders", "back"], "metadata": {"capabilities": "buy, sell", "tier": "own"}}});
    let desired = try_composed(json!({"services": told, "interval": "30s", "datacenter": "shop"})).unwrap();
    let file = manifest(&desired, "shop/discovery/config")["data"]["server.json"].as_str().unwrap();
    let read: Value = serde_json::from_str(file).unwrap();
    let expect = json!({
        "server": true, "bootstrap_expect": 1, "datacenter": "shop", "node_name": "discovery",
        "data_dir": "/consul/data", "bind_addr": "127.0.0.1", "client_addr": "0.0.0.0",
        "ports": {"http": 9208, "https": -1, "dns": -1, "grpc": -1, "grpc_tls": -1, "serf_wan": -1},
        "ui_config": {"enabled": true}, "disable_update_check": true, "log_json": true,
        "telemetry": {"prometheus_retention_time": "60s", "disable_hostname": true},
        "services": [
            {
                "id": "cache", "name": "cache", "address": "cache.back.svc.cluster.local", "port": 9212,
                "tags": ["back"], "meta": {"tier": "back", "protocol": "redis", "version": "8.2.9"},
                "checks": [{
                    "id": "cache-health", "name": "health of cache", "interval": "30000ms", "timeout": "2s",
                    "tcp": "cache.back.svc.cluster.local:9212",
                }],
            },
            {
                "id": "mail", "name": "mail", "address": "mail-mcp.back.svc.cluster.local", "port": 9211,
                "tags": ["back"], "meta": {"tier": "back", "protocol": "mcp"},
                "checks": [{
                    "id": "mail-health", "name": "health of mail", "interval": "30000ms", "timeout": "2s",
                    "tcp": "mail-mcp.back.svc.cluster.local:9211",
                }],
            },
            {
                "id": "shop-cart", "name": "shop-cart", "address": "shop-cart-mcp.back.svc.cluster.local", "port": 9210,
                "tags": ["back", "orders"],
                "meta": {"tier": "own", "protocol": "mcp", "version": "1.0.0", "capabilities": "buy, sell"},
                "checks": [{
                    "id": "shop-cart-health", "name": "health of shop-cart", "interval": "30000ms", "timeout": "2s",
                    "http": "http://shop-cart-mcp.back.svc.cluster.local:9210/ready",
                }],
            },
        ],
    });
    assert_eq!(read, expect);
}

#[test]
fn it_is_one_pod_that_keeps_its_data() {
    let desired = try_composed(json!({})).unwrap();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("discovery"));
    let own: Vec<String> = own.map(|resource| resource.id.to_string()).collect();
    assert_eq!(
        own,
        [
            "ConfigMap shop/discovery-config",
            "NetworkPolicy shop/discovery",
            "Service shop/discovery",
            "ServiceAccount shop/discovery",
            "StatefulSet shop/discovery",
        ]
    );
    let spec = &manifest(&desired, "shop/discovery/stateful-set")["spec"];
    assert_eq!((&spec["replicas"], &spec["serviceName"]), (&json!(1), &json!("discovery")));
    let pod = &spec["template"]["spec"];
    let user = |field: &str| pod["securityContext"][field].clone();
    assert_eq!([user("runAsUser"), user("runAsGroup"), user("fsGroup")], [100, 100, 100].map(Value::from));
    let container = &pod["containers"][0];
    assert_eq!(container["image"], json!("docker.io/hashicorp/consul:2.0.4"));
    assert_eq!(container["command"], json!(["consul"]));
    assert_eq!(container["args"], json!(["agent", "-config-file=/consul/config/server.json"]));
    assert_eq!(container["ports"], json!([{"name": "http", "containerPort": 9208}]));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/v1/catalog/nodes", "port": "http"}));
    assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/v1/agent/self", "port": "http"}));
}

#[test]
fn what_it_cannot_be_told_is_refused() {
    let at = "services.discovery.component.consul";
    let refused = |more: Value, path: &str, said: &str| {
        let path = format!("{at}.{path}");
        assert_eq!(try_composed(more).unwrap_err(), [(Some(path.clone()), format!("{path}: {said}"))]);
    };
    let unknown = json!({"services": {"web": {}}});
    refused(unknown, "services.web", "discovery does not depend on web");
    refused(json!({"interval": "999ms"}), "interval", "999ms is too short, 1000ms are the least");
}
