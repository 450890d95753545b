//! The objects that a live cluster is measured with: a quarter each of Services, ConfigMaps, NetworkPolicies, and
//! Deployments without pods.

use serde_json::{Value, json};
use strata::components::claims::Claims;
use strata::components::desired::{
    ADDRESS_ANNOTATION, Desired, INSTANCE_LABEL, Instance, KUBERNETES, Kind, PHASE_ANNOTATION, Phase, Resource,
    ResourceId,
};

/// What a group of namespaced objects is in a path.
pub(crate) struct Collection {
    /// Its kind.
    pub(crate) kind: &'static str,
    /// The path before the namespace.
    pub(crate) prefix: &'static str,
    /// Its name in a path.
    pub(crate) plural: &'static str,
}

/// The four kinds.
pub(crate) const COLLECTIONS: [Collection; 4] = [
    Collection { kind: "Service", prefix: "/api/v1", plural: "services" },
    Collection { kind: "ConfigMap", prefix: "/api/v1", plural: "configmaps" },
    Collection { kind: "NetworkPolicy", prefix: "/apis/networking.k8s.io/v1", plural: "networkpolicies" },
    Collection { kind: "Deployment", prefix: "/apis/apps/v1", plural: "deployments" },
];

impl Collection {
    /// Group and version, as an object says them.
    pub(crate) fn api_version(&self) -> &'static str {
        self.prefix.trim_start_matches("/apis/").trim_start_matches("/api/")
    }

    /// The path of all its objects in a namespace.
    pub(crate) fn path(&self, namespace: &str) -> String {
        format!("{}/namespaces/{namespace}/{}", self.prefix, self.plural)
    }

    /// The collection of a manifest.
    pub(crate) fn of(manifest: &Value) -> &'static Self {
        COLLECTIONS.iter().find(|known| manifest["kind"] == known.kind).expect("it is one of the four kinds")
    }
}

/// A stack of a namespace and `count` objects in it. `round` is in every object: another round changes them all.
pub(crate) fn desired(namespace: &str, count: usize, round: u32) -> Desired {
    let instance = Instance { stack: "bench".to_owned(), environment: "live".to_owned(), suffix: None };
    let mut resources = vec![resource(&instance, 0, None, "namespace", namespace_manifest(namespace))];
    for at in 0..count {
        let service = format!("server-{:05}", at / COLLECTIONS.len());
        let (component, manifest) = match at % COLLECTIONS.len() {
            0 => ("service", service_manifest(namespace, &service)),
            1 => ("config-map", config_map(namespace, &service)),
            2 => ("network-policy", network_policy(namespace, &service)),
            _ => ("deployment", deployment(namespace, &service)),
        };
        resources.push(resource(&instance, 1, Some(&service), component, manifest));
    }
    for resource in &mut resources[1..] {
        resource.manifest["metadata"]["labels"]["bench/round"] = round.to_string().into();
    }
    let phase = |number: u32| Phase { number, name: format!("phase {number}"), services: Vec::new() };
    Desired {
        instance,
        namespaces: vec![namespace.to_owned()],
        phases: vec![phase(0), phase(1)],
        resources,
        claims: Claims::default(),
        ownership: Default::default(),
        needs: Default::default(),
        outputs: Default::default(),
        blue_green: Default::default(),
        notes: Vec::new(),
    }
}

fn resource(instance: &Instance, phase: u32, service: Option<&str>, component: &str, mut manifest: Value) -> Resource {
    let address = match service {
        Some(service) => format!("bench/{service}/{component}"),
        None => format!("bench/{component}"),
    };
    let metadata = &mut manifest["metadata"];
    metadata["labels"] = json!({
        "app.kubernetes.io/name": service.unwrap_or("bench"),
        INSTANCE_LABEL: instance.name(),
        "app.kubernetes.io/managed-by": "strata",
    });
    metadata["annotations"] = json!({ADDRESS_ANNOTATION: address, PHASE_ANNOTATION: phase.to_string()});
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let api_version = text("/apiVersion").unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    Resource {
        id: ResourceId {
            provider: KUBERNETES.to_owned(),
            target: "live".to_owned(),
            kind: Kind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: text("/kind").unwrap_or_default(),
            },
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").unwrap_or_default(),
        },
        address,
        phase,
        service: service.map(str::to_owned),
        tier: service.map(|_| "core".to_owned()),
        depends_on: Vec::new(),
        manifest,
        meanwhile: None,
        ready_within: None,
        was: None,
    }
}

fn namespace_manifest(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
}

fn named(kind: &str, namespace: &str, name: &str, rest: (&str, Value)) -> Value {
    let known = COLLECTIONS.iter().find(|known| known.kind == kind).expect("it is one of the four kinds");
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": known.api_version(), "kind": kind, "metadata": metadata, rest.0: rest.1})
}

fn service_manifest(namespace: &str, name: &str) -> Value {
    let ports = json!([
        {"name": "mcp-protocol", "port": 9000, "targetPort": "mcp-protocol", "protocol": "TCP"},
        {"name": "health-metrics", "port": 9100, "targetPort": "health-metrics", "protocol": "TCP"},
    ]);
    named("Service", namespace, name, ("spec", json!({"selector": {"app.kubernetes.io/name": name}, "ports": ports})))
}

fn config_map(namespace: &str, name: &str) -> Value {
    let settings = "log_level: info\nlisten: 0.0.0.0:9000\n".repeat(8);
    named("ConfigMap", namespace, name, ("data", json!({"settings.yaml": settings, "name": name})))
}

fn network_policy(namespace: &str, name: &str) -> Value {
    let peer = json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "orchestrator"}}});
    let spec = json!({
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [peer.clone()], "ports": [{"port": 9000, "protocol": "TCP"}]}],
        "egress": [{"to": [peer], "ports": [{"port": 9000, "protocol": "TCP"}]}],
    });
    named("NetworkPolicy", namespace, name, ("spec", spec))
}

/// Without pods, so that only the API server works.
fn deployment(namespace: &str, name: &str) -> Value {
    let probe = json!({"httpGet": {"path": "/health", "port": "health-metrics"}});
    let container = json!({
        "name": "server",
        "image": "registry.example/bench/server:1.0.0",
        "ports": [{"name": "mcp-protocol", "containerPort": 9000}, {"name": "health-metrics", "containerPort": 9100}],
        "env": [{"name": "MCP_PORT", "value": "9000"}, {"name": "MCP_HEALTH_PORT", "value": "9100"}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    let spec = json!({
        "replicas": 0,
        "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": name}},
            "spec": {"containers": [container], "securityContext": {"runAsNonRoot": true, "runAsUser": 10001}},
        },
    });
    named("Deployment", namespace, name, ("spec", spec))
}
