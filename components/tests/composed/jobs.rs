//! Jobs: the whole object, what names it anew and what does not, and names that would be taken for others.

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::{Desired, Resource};
use strata_components::jobs::name_jobs;
use strata_components::model::{Environment, Stack};

fn try_composed(cart: &Value) -> Result<Desired, String> {
    let mut all = json!({"tier": "all", "port": 9000, "depends_on": ["store"], "env": {"CITY": "Rome"}});
    all.as_object_mut().unwrap().extend(cart.as_object().unwrap().clone());
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "+100", "tiers": {"all": {"ports": "9000-9009"}},
        "services": {"cart": all, "store": {"tier": "all", "port": 9001}},
    }))
    .unwrap();
    let environment: Environment = serde_json::from_value(json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    }))
    .unwrap();
    compose(&stack, &environment, "local", None).map_err(|error| error.to_string())
}

fn job_of(desired: &Desired) -> &Resource {
    desired.resources.iter().find(|resource| resource.id.kind.kind == "Job").unwrap()
}

/// The job of the cart, which is described like this beside its command, while the service is like that.
fn composed(job: Value, cart: Value) -> Desired {
    let mut all = json!({"command": ["/bin/migrate", "up"]});
    all.as_object_mut().unwrap().extend(job.as_object().unwrap().clone());
    let mut described = json!({"jobs": {"migrate": all}});
    described.as_object_mut().unwrap().extend(cart.as_object().unwrap().clone());
    try_composed(&described).unwrap()
}

fn name(job: Value, cart: Value) -> String {
    job_of(&composed(job, cart)).id.name.clone()
}

#[test]
fn a_job_is_hardened_as_its_service_and_has_a_name_of_its_own() {
    let desired = composed(json!({"env": {"CITY": "Oslo", "STEPS": "all"}, "retries": 2}), json!({}));
    let job = job_of(&desired);
    let digest = job.id.name.strip_prefix("cart-migrate-").unwrap();
    assert_eq!((digest.len(), job.phase, job.service.as_deref()), (8, 2, Some("cart")));
    assert_eq!(job.address, format!("shop/cart/job-migrate-{digest}"));
    assert_eq!(job.ready_within.map(|limit| limit.as_std().as_secs()), Some(630));
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let amounts = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory});
    let expect = json!({
        "activeDeadlineSeconds": 600,
        "backoffLimit": 2,
        "template": {
            "metadata": {"labels": {
                "app.kubernetes.io/component": "all", "app.kubernetes.io/instance": "shop-dev",
                "app.kubernetes.io/managed-by": "strata", "app.kubernetes.io/name": "cart-migrate",
                "app.kubernetes.io/part-of": "shop", "gpu-required": "false", "priority": "low",
                "strata.dev/job-of": "cart-mcp", "tier": "all",
            }},
            "spec": {
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "job",
                    "image": "registry.example/shop/cart:1.0.0",
                    "command": ["/bin/migrate", "up"],
                    "env": [
                        variable("MCP_PORT", "9000"), variable("MCP_HEALTH_PORT", "9100"), variable("MCP_TIER", "all"),
                        variable("MCP_GPU_ENABLED", "false"), variable("MCP_PRIORITY", "low"),
                        variable("CITY", "Oslo"), variable("STEPS", "all"),
                    ],
                    "resources": {"requests": amounts("250m", "256Mi"), "limits": amounts("500m", "512Mi")},
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": true,
                    },
                    "volumeMounts": [{"mountPath": "/tmp", "name": "tmp"}],
                }],
                "enableServiceLinks": false,
                "priorityClassName": "shop-dev-low",
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsGroup": 65532, "runAsNonRoot": true, "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "serviceAccountName": "cart-mcp",
                "volumes": [{"emptyDir": {"sizeLimit": "256Mi"}, "name": "tmp"}],
            },
        },
    });
    assert_eq!(job.manifest["spec"], expect);
}

#[test]
fn another_template_is_another_job() {
    let plain = || name(json!({}), json!({}));
    let rollout = json!({"rerun": "on_rollout"});
    assert_eq!(plain(), plain());
    // How long it may take, and how often it is tried, is none of its template; nor are the service's own affairs.
    assert_eq!(name(json!({"limit": "1h", "retries": 3}), json!({"startup_limit": "3m"})), plain());
    for other in [json!({"command": ["/bin/other"]}), json!({"image": "registry.example/tool:1"}), rollout.clone()] {
        assert_ne!(name(other.clone(), json!({})), plain(), "{other}");
    }
    assert_ne!(name(json!({}), json!({"env": {"CITY": "Bern"}})), plain());
    assert_ne!(name(rollout.clone(), json!({"startup_limit": "3m"})), name(rollout.clone(), json!({})));
    assert_eq!(name(rollout.clone(), json!({"replicas": 3})), name(rollout, json!({})));
}

#[test]
fn jobs_are_named_once_and_for_all() {
    for rerun in ["on_change", "on_rollout"] {
        let desired = composed(json!({"rerun": rerun}), json!({}));
        let mut again = desired.clone();
        name_jobs(&mut again);
        assert_eq!(again, desired);
    }
}

#[test]
fn a_job_is_let_through_to_what_its_service_calls() {
    let desired = composed(json!({}), json!({"egress": ["internet:443"]}));
    let spec = |address: &str| &desired.resources.iter().find(|one| one.address == address).unwrap().manifest["spec"];
    let labels =
        |key: &str, value: &str| json!({"matchLabels": {key: value, "app.kubernetes.io/instance": "shop-dev"}});
    let (own, jobs) = (spec("shop/cart/network-policy"), spec("shop/cart/jobs-network-policy"));
    let expect = json!({
        "podSelector": labels("strata.dev/job-of", "cart-mcp"), "policyTypes": ["Ingress", "Egress"],
        "egress": own["egress"],
    });
    assert_eq!(*jobs, expect);
    let callers = json!([
        {"podSelector": labels("app.kubernetes.io/name", "cart-mcp")},
        {"podSelector": labels("strata.dev/job-of", "cart-mcp")},
    ]);
    assert_eq!(spec("shop/store/network-policy")["ingress"][0]["from"], callers);
}

#[test]
fn names_that_would_be_taken_for_others_are_refused() {
    let refused = |jobs: Value| try_composed(&json!({"jobs": jobs})).err().unwrap_or_default();
    assert_eq!(
        refused(json!({"mcp": {"command": ["run"]}})),
        "composing stack shop for environment dev: job mcp of cart: its pods would be called cart-mcp, as others are: \
         give it another name"
    );
    assert!(refused(json!({"a": {"command": ["run"], "env": {"MCP_PORT": "1"}}})).contains("MCP_PORT"));
    assert_eq!(refused(json!({"a": {"command": ["run"]}, "b": {"command": ["run"]}})), "");
}
