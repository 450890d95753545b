//! How tiers are watched: every server scraped once, on its health port, and dashboards that are JSON.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::{Desired, Resource};
use strata_components::model::{Environment, Stack};

use crate::fleet::{ENVIRONMENTS, composed};

fn of_kind<'a>(desired: &'a Desired, kind: &str) -> Vec<&'a Resource> {
    desired.resources.iter().filter(|resource| resource.id.kind.kind == kind).collect()
}

/// What is scraped by the monitors, as `service:port`, each as often as it is scraped.
fn scraped(desired: &Desired) -> Vec<String> {
    let mut found = Vec::new();
    for monitor in of_kind(desired, "ServiceMonitor") {
        let wanted = monitor.manifest["spec"]["selector"]["matchLabels"].as_object().unwrap();
        for service in of_kind(desired, "Service") {
            let labels = &service.manifest["metadata"]["labels"];
            let selected = wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
            if service.id.namespace != monitor.id.namespace || !selected {
                continue;
            }
            for endpoint in monitor.manifest["spec"]["endpoints"].as_array().unwrap() {
                let kept = endpoint["relabelings"].as_array().into_iter().flatten().all(|rule| {
                    assert_eq!(rule["sourceLabels"], json!(["__meta_kubernetes_service_name"]));
                    Regex::new(&format!("^(?:{})$", rule["regex"].as_str().unwrap()))
                        .unwrap()
                        .is_match(&service.id.name)
                });
                let ports = service.manifest["spec"]["ports"].as_array().unwrap();
                let port = ports.iter().find(|port| port["name"] == endpoint["port"]).filter(|_| kept);
                found.extend(port.map(|port| format!("{}:{}", service.id.name, port["port"])));
            }
        }
    }
    found.sort();
    found
}

/// The health port of every service.
fn health_ports(desired: &Desired) -> Vec<String> {
    let of = |deployment: &Resource| {
        let container = &deployment.manifest["spec"]["template"]["spec"]["containers"][0];
        let env = container["env"].as_array().unwrap();
        let health = env.iter().find(|one| one["name"] == "MCP_HEALTH_PORT").unwrap();
        format!("{}:{}", deployment.id.name, health["value"].as_str().unwrap())
    };
    let mut all: Vec<_> = of_kind(desired, "Deployment").into_iter().map(of).collect();
    all.sort();
    all
}

#[test]
fn every_server_is_scraped_once_on_its_health_port() {
    for name in ENVIRONMENTS {
        let desired = composed(name);
        let expected = if ["production", "staging"].contains(&name) { health_ports(&desired) } else { Vec::new() };
        assert_eq!(scraped(&desired), expected, "{name}");
    }
}

#[test]
fn a_tier_can_mix_its_health_ports() {
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "tiers": {"all": {"ports": "9000-9009"}}, "services": {
            "cart": {"tier": "all", "port": 9000, "health_port": "same"},
            "mail": {"tier": "all", "port": 9001, "health_port": "+100"},
            "mail_2": {"tier": "all", "port": 9002, "health_port": 9500},
        },
    }))
    .unwrap();
    let here: Environment = serde_json::from_value(json!({
        "environment": "lab", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "image": {"registry": "registry.example", "tag": "1"}, "monitoring": {},
    }))
    .unwrap();
    let desired = compose(&stack, &here, "local", None).unwrap();
    assert_eq!(scraped(&desired), ["cart-mcp:9000", "mail-2-mcp:9500", "mail-mcp:9101"]);
}

#[test]
fn every_tier_has_alerts_and_a_dashboard() {
    let desired = composed("production");
    let tiers = ["business", "core", "development", "experimental", "infrastructure"];
    let names: Vec<_> = of_kind(&desired, "PrometheusRule").into_iter().map(|rule| rule.id.name.clone()).collect();
    assert_eq!(names, tiers.map(|tier| format!("sophia-{tier}")));
    let mut absent = BTreeSet::new();
    for rule in of_kind(&desired, "PrometheusRule") {
        assert_eq!(rule.manifest["metadata"]["labels"]["release"], "prometheus");
        for alert in rule.manifest["spec"]["groups"][0]["rules"].as_array().unwrap() {
            assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()));
            if alert["alert"] == "McpServerAbsent" {
                absent.insert(alert["expr"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(absent.len(), 35);

    let dashboards: Vec<_> =
        of_kind(&desired, "ConfigMap").into_iter().filter(|map| map.id.name.ends_with("-dashboard")).collect();
    assert_eq!(dashboards.len(), 5);
    for dashboard in dashboards {
        assert_eq!(dashboard.manifest["metadata"]["labels"]["grafana_dashboard"], "1");
        let [(file, text)] = dashboard.manifest["data"].as_object().unwrap().iter().collect::<Vec<_>>()[..] else {
            panic!("{}", dashboard.id)
        };
        let read: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        let tier = read["tags"][2].as_str().unwrap();
        assert_eq!(*file, format!("sophia-production-{tier}.json"));
        let ids: BTreeSet<_> = read["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), read["panels"].as_array().unwrap().len());
        let gpus = !["infrastructure"].contains(&tier);
        assert_eq!(text.as_str().unwrap().contains("GPUs at work"), gpus, "{tier}");
    }
}

/// A title that would break out of its quotes does not.
#[test]
fn a_title_cannot_break_a_dashboard() {
    let title = "\"}, {{namespace}} \\ \u{7f}";
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "tiers": {"all": {"ports": "9000-9009", "title": title}},
        "services": {"cart": {"tier": "all", "port": 9000}},
    }))
    .unwrap();
    let here: Environment = serde_json::from_value(json!({
        "environment": "lab", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "image": {"registry": "registry.example", "tag": "1"}, "monitoring": {"prometheus": {"namespace": "watchers"}},
    }))
    .unwrap();
    let desired = compose(&stack, &here, "local", None).unwrap();
    let dashboard = desired.resources.iter().find(|one| one.address == "shop/dashboard-all").unwrap();
    let text = dashboard.manifest["data"]["shop-lab-all.json"].as_str().unwrap();
    let read: Value = serde_json::from_str(text).unwrap();
    assert_eq!(read["title"], format!("shop-lab: {title}"));
}
