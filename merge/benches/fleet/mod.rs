//! Deployments of the size that a fleet's services have, and their live copies, for what is measured.

use serde_json::{Value, json};
use structured_merge::{ApplyOptions, TypeRef, UpdateOptions, apply, update};

/// Who applies them.
pub(crate) const MANAGER: &str = "strata-fleet";
const NOW: &str = "2026-01-01T00:00:00Z";

/// A Deployment of the size that a fleet's service has.
pub(crate) fn config(number: usize) -> Value {
    let name = format!("service-{number}");
    let labels = json!({
        "app.kubernetes.io/name": name, "app.kubernetes.io/instance": "fleet", "app.kubernetes.io/part-of": "fleet",
        "app.kubernetes.io/managed-by": "strata", "tier": "core",
    });
    let selector = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "fleet"});
    let probe = |period: u32| json!({"httpGet": {"path": "/health", "port": "health"}, "periodSeconds": period});
    let environment: Vec<Value> =
        (0..12).map(|at| json!({"name": format!("SETTING_{at}"), "value": format!("value-{at}")})).collect();
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "fleet", "labels": labels, "annotations": {"strata.dev/phase": "2"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": name,
                    "automountServiceAccountToken": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "server",
                        "image": format!("registry.example.com/{name}:1.0.0"),
                        "ports": [{"name": "http", "containerPort": 9000}, {"name": "health", "containerPort": 9100}],
                        "env": environment,
                        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": "1"}},
                        "startupProbe": probe(5), "readinessProbe": probe(10), "livenessProbe": probe(20),
                        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
                        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                    }],
                    "volumes": [{"name": "scratch", "emptyDir": {}}],
                    "topologySpreadConstraints": [{
                        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": selector}}],
                },
            },
        },
    })
}

/// The live copy: applied, given defaults as a server gives them, and with the status a controller wrote.
pub(crate) fn live(ty: &TypeRef, config: &Value) -> Value {
    let mut live = apply(ty, None, config, &ApplyOptions::new(MANAGER, NOW)).expect("a new object");
    let template = &mut live["spec"]["template"]["spec"];
    template["dnsPolicy"] = json!("ClusterFirst");
    template["restartPolicy"] = json!("Always");
    template["containers"][0]["imagePullPolicy"] = json!("IfNotPresent");
    for port in template["containers"][0]["ports"].as_array_mut().expect("two ports") {
        port["protocol"] = json!("TCP");
    }
    let mut reported = live.clone();
    reported["status"] = json!({"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "conditions": [
        {"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}]});
    let options = UpdateOptions { subresource: "status", ..UpdateOptions::new("kube-controller-manager", NOW) };
    update(ty, Some(&live), &reported, &options).expect("a status")
}
