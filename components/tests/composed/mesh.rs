//! What an environment's mesh makes of a stack, in each of its modes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::{Desired, Resource};
use strata_components::model::{Environment, Stack};

use crate::fleet::{composed, environment, sophia};
use crate::isolation;

fn of_kind<'a>(desired: &'a Desired, kind: &str) -> Vec<&'a Resource> {
    desired.resources.iter().filter(|resource| resource.id.kind.kind == kind).collect()
}

/// Production with another mesh.
fn production(mesh: Value) -> Environment {
    let mut fields = serde_json::to_value(environment("production")).unwrap();
    fields["mesh"] = mesh;
    serde_json::from_value(fields).unwrap()
}

/// How many objects of each kind of the mesh there are.
fn counts(desired: &Desired) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for resource in &desired.resources {
        if resource.id.kind.group.ends_with("istio.io") {
            *counts.entry(resource.id.kind.kind.as_str()).or_default() += 1;
        }
    }
    counts
}

#[track_caller]
fn refused(stack: &Stack, environment: &Environment, expected: &[(&str, &str)]) {
    let error = compose(stack, environment, "local", None).unwrap_err();
    let found: Vec<_> =
        error.problems.iter().map(|problem| (problem.path().unwrap_or_default(), problem.to_string())).collect();
    let expected: Vec<_> = expected.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn without_a_mesh_there_is_nothing_of_it() {
    let desired = composed("development");
    assert_eq!(counts(&desired), BTreeMap::new());
    for resource in &desired.resources {
        assert!(!resource.manifest.to_string().contains("istio"), "{}", resource.id);
    }
    // Sessions do not need one.
    let affinity = |name: &str| {
        let service = of_kind(&desired, "Service").into_iter().find(|one| one.service.as_deref() == Some(name));
        service.unwrap().manifest["spec"].get("sessionAffinity").cloned()
    };
    assert_eq!((affinity("unified_chat"), affinity("gong")), (Some(json!("ClientIP")), None));
}

#[test]
fn sidecars_enforce_all_of_it() {
    let desired = composed("production");
    let expected =
        [("AuthorizationPolicy", 35), ("DestinationRule", 35), ("EnvoyFilter", 1), ("PeerAuthentication", 36)];
    assert_eq!(counts(&desired), BTreeMap::from(expected));
    for deployment in of_kind(&desired, "Deployment") {
        let template = &deployment.manifest["spec"]["template"]["metadata"];
        assert_eq!(template["labels"]["sidecar.istio.io/inject"], "true");
        assert_eq!(template["annotations"]["sidecar.istio.io/proxyCPU"], "100m");
        assert_eq!(deployment.manifest["spec"]["selector"]["matchLabels"].get("sidecar.istio.io/inject"), None);
    }
    isolation::check(&[&desired]);
}

/// The mesh and the network let the same services through to each other.
#[test]
fn identities_and_labels_admit_the_same_callers() {
    let desired = composed("production");
    let mut by_identity = BTreeSet::new();
    for policy in of_kind(&desired, "AuthorizationPolicy") {
        let spec = &policy.manifest["spec"];
        assert_eq!(spec["action"], "ALLOW");
        assert_eq!(spec["selector"]["matchLabels"]["app.kubernetes.io/name"], policy.id.name);
        for rule in spec["rules"].as_array().unwrap() {
            for principal in rule.pointer("/from/0/source/principals").and_then(Value::as_array).into_iter().flatten() {
                let account = principal.as_str().unwrap().strip_prefix("cluster.local/ns/mcp-servers/sa/").unwrap();
                let port = rule["to"][0]["operation"]["ports"][0].as_str().unwrap().to_owned();
                by_identity.insert((account.to_owned(), policy.id.name.clone(), port));
            }
        }
    }
    let object_name = |service: &str| format!("{}-mcp", service.replace('_', "-"));
    let ports: BTreeMap<_, _> =
        sophia().services.into_iter().map(|(name, service)| (name.to_string(), service.port.to_string())).collect();
    let declared: BTreeSet<_> = desired
        .claims
        .edges
        .iter()
        .map(|edge| (object_name(&edge.from), object_name(&edge.to), ports[&edge.to].clone()))
        .collect();
    assert_eq!(by_identity, declared);
}

#[test]
fn ambient_takes_what_it_can_and_refuses_the_rest() {
    let cannot = |what| format!("a mesh in mode ambient cannot enforce {what}");
    refused(
        &sophia(),
        &production(json!({"mode": "ambient"})),
        &[
            ("circuit_breaker", &format!("circuit_breaker: {}", cannot("a circuit breaker"))),
            (
                "services.mcp_orchestrator.rate_limit",
                &format!("services.mcp_orchestrator.rate_limit: {}", cannot("a rate limit")),
            ),
            (
                "services.mcp_orchestrator.sessions",
                &format!("services.mcp_orchestrator.sessions: {}", cannot("sessions")),
            ),
            ("services.unified_chat.sessions", &format!("services.unified_chat.sessions: {}", cannot("sessions"))),
        ],
    );

    let without = production(json!({"mode": "ambient", "limits": false}));
    let desired = compose(&sophia(), &without, "local", None).unwrap();
    assert_eq!(counts(&desired), BTreeMap::from([("AuthorizationPolicy", 35), ("PeerAuthentication", 36)]));
    assert_eq!(of_kind(&desired, "Namespace")[0].manifest["metadata"]["labels"]["istio.io/dataplane-mode"], "ambient");
    isolation::check(&[&desired]);
    let tunnel = json!({"port": 15008, "protocol": "TCP"});
    let probes = json!([{"ipBlock": {"cidr": "169.254.7.127/32"}}]);
    for policy in of_kind(&desired, "NetworkPolicy").into_iter().filter(|policy| policy.service.is_some()) {
        let rules = |list: &str| policy.manifest["spec"][list].as_array().cloned().unwrap_or_default();
        assert!(rules("ingress").iter().any(|rule| rule["from"] == probes), "{}", policy.id);
        for (rule, peers) in rules("ingress")
            .iter()
            .map(|rule| (rule, &rule["from"]))
            .chain(rules("egress").iter().map(|rule| (rule, &rule["to"])))
        {
            // The tunnel is open between pods of the fleet, and to nothing else.
            let text = peers.to_string();
            let within = text.contains("sophia-production");
            assert_eq!(rule["ports"].as_array().unwrap().contains(&tunnel), within, "{}: {text}", policy.id);
        }
    }
}

#[test]
fn what_a_mesh_cannot_be_told_is_refused() {
    refused(
        &sophia(),
        &production(json!({"mode": "sidecar"})),
        &[("", "a mesh of sidecars needs istio-cni: without it each pod has an init container that is refused here")],
    );
    let mut hasty = serde_json::to_value(sophia()).unwrap();
    hasty["services"]["gong"]["rate_limit"] = json!({"requests": 5, "per": "49ms"});
    hasty["circuit_breaker"]["ejection"] = json!("0s");
    refused(
        &serde_json::from_value(hasty).unwrap(),
        &environment("development"),
        &[
            ("circuit_breaker.ejection", "circuit_breaker.ejection: 0s is too short, 1ms are the least"),
            ("services.gong.rate_limit.per", "services.gong.rate_limit.per: 49ms is too short, 50ms are the least"),
        ],
    );
}
