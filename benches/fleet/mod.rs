//! Fleets made up for measuring: as many services as are asked for, in tiers like those of sophia, with dependencies,
//! ways out, GPUs and a gateway.

use serde_json::{Map, Value, json};
use strata_components::model::{Environment, Stack};

/// A stack of `services` services.
#[must_use]
pub(crate) fn stack(services: usize) -> Stack {
    let mut all = Map::new();
    for at in 0..services {
        all.insert(format!("service_{at}"), service(at, services));
    }
    let range = |tier: usize| format!("{}-{}", 9000 + tier * services, 9000 + tier * services + services - 1);
    let value = json!({
        "stack": "fleet", "namespace": "fleet", "health_port": "same",
        "tiers": {
            "core": {"ports": range(0), "critical": true, "priority": "high"},
            "business": {"ports": range(1), "depends_on": ["service_0"]},
            "tools": {"ports": range(2), "depends_on": ["service_0"]},
        },
        "services": all,
    });
    serde_json::from_value(value).expect("a fleet is a stack")
}

/// The first fifth is the core; the rest alternates, and each depends on a few of the core.
fn service(at: usize, services: usize) -> Value {
    let core = services.div_ceil(5);
    let tier = if at < core { 0 } else { 1 + at % 2 };
    let mut service = json!({
        "tier": (["core", "business", "tools"][tier]),
        "port": 9000 + tier * services + at,
        "replicas": 1 + at % 3,
    });
    if at == 0 {
        service["gateway"] = json!({});
    }
    if tier > 0 {
        service["depends_on"] = [1, 2].map(|step| format!("service_{}", (at * step + step) % core)).into();
        if at.is_multiple_of(2) {
            service["egress"] = json!(["internet:443"]);
        }
    }
    if at % 25 == 7 {
        service["gpu"] = 1.into();
    }
    service
}

/// An environment with nodes for that many services, and a mesh and monitoring as in production.
#[must_use]
pub(crate) fn environment(services: usize) -> Environment {
    let value = json!({
        "environment": "large",
        "clusters": {"local": {"embedded": {"nodes": [
            {"name": "cpu", "count": services.div_ceil(20).max(2), "cpu": 64, "memory": "256Gi"},
            {"name": "gpu", "count": services.div_ceil(20).max(2), "cpu": 64, "memory": "256Gi", "gpus": 4},
        ]}}},
        "default_cluster": "local",
        "image": {"registry": "registry.example/fleet", "tag": "1.0.0"},
        "gateway": {"host": "fleet.example", "ingress_class": "traefik"},
        "mesh": {"mode": "sidecar", "cni": true},
        "monitoring": {},
    });
    serde_json::from_value(value).expect("it is an environment")
}
