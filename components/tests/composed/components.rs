//! What is no MCP server: a store with its volume, something outside of the cluster, and what neither can follow.

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};

fn redis() -> Value {
    json!({"redis": {
        "storage": {"size": "2Gi", "class": "fast"}, "password": {"secret": "keys", "key": "redis"},
        "eviction": "allkeys-lru",
    }})
}

/// A server that calls a store and something outside, with `more` about each, in an environment with `here`.
fn try_composed(store: &Value, outside: &Value, here: &Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    let whole = |mut least: Value, more: &Value| {
        least.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        least
    };
    let vectors = json!({"tier": "data", "port": 443, "component": {"external": {"host": "vectors.example.com"}}});
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "+100",
        "tiers": {"data": {"ports": "8990-8999", "critical": true}, "front": {"ports": "9000-9009"}},
        "services": {
            "cart": {"tier": "front", "port": 9000, "depends_on": ["cache", "vectors"]},
            "cache": whole(json!({"tier": "data", "port": 6379, "component": redis()}), store),
            "vectors": whole(vectors, outside),
        },
    }))
    .unwrap();
    let environment = json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "port_offset": 200, "replicas": {"critical_min": 2},
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    });
    let environment: Environment = serde_json::from_value(whole(environment, here)).unwrap();
    let problems = |problem: &strata_components::compose::Problem| (problem.path(), problem.to_string());
    compose(&stack, &environment, "local", None).map_err(|error| error.problems.iter().map(problems).collect())
}

fn composed() -> Desired {
    try_composed(&json!({}), &json!({}), &json!({})).unwrap()
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest
}

#[test]
fn a_store_is_one_pod_that_keeps_its_data() {
    let desired = composed();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("cache"));
    let own: Vec<String> = own.map(|resource| resource.id.to_string()).collect();
    assert_eq!(
        own,
        [
            "ConfigMap shop/cache-config",
            "NetworkPolicy shop/cache",
            "Service shop/cache",
            "ServiceAccount shop/cache",
            "StatefulSet shop/cache",
        ]
    );
    let spec = &manifest(&desired, "shop/cache/stateful-set")["spec"];
    // Two pods of what is critical are for servers.
    assert_eq!((&spec["replicas"], &spec["serviceName"]), (&json!(1), &json!("cache")));
    let claim = json!([{
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": "2Gi"}},
        },
    }]);
    assert_eq!(spec["volumeClaimTemplates"], claim);
    let pod = &spec["template"]["spec"];
    let security = json!({
        "fsGroup": 999, "fsGroupChangePolicy": "OnRootMismatch", "runAsGroup": 999, "runAsNonRoot": true,
        "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(pod["securityContext"], security);
    let container = &pod["containers"][0];
    let password = json!([{
        "name": "REDISCLI_AUTH", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "redis"}},
    }]);
    assert_eq!(container["env"], password);
    assert_eq!(container["ports"], json!([{"name": "redis", "containerPort": 6579}]));
    let file = &manifest(&desired, "shop/cache/config")["data"]["redis.conf"];
    let limit = 512 * 1024 * 1024 / 4 * 3;
    assert_eq!(
        file.as_str().unwrap(),
        format!("port 6579\ndir /data\nappendonly yes\nmaxmemory {limit}\nmaxmemory-policy allkeys-lru\n")
    );
}

#[test]
fn what_lies_outside_has_a_name_and_its_callers_have_the_way_there() {
    let desired = composed();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("vectors"));
    assert_eq!(own.count(), 1);
    let spec = &manifest(&desired, "shop/vectors/service")["spec"];
    // Its port is not ours to move.
    let expect = json!({"type": "ExternalName", "externalName": "vectors.example.com", "ports": [{"port": 443}]});
    assert_eq!(*spec, expect);
    let ways: Vec<_> = desired.claims.egress.iter().map(|way| (way.service.as_str(), way.to.as_str())).collect();
    assert_eq!(ways, [("cart", "internet:443")]);
    let edges: Vec<_> = desired.claims.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
    assert_eq!(edges, [("cart", "cache")]);
    let counted: Vec<_> = desired.claims.compute.iter().map(|claim| claim.service.as_str()).collect();
    assert_eq!(counted, ["cache", "cart"]);

    let known = json!({"component": {"external": {
        "host": "vectors.example.com", "addresses": ["203.0.113.0/28:443"],
    }}});
    let desired = try_composed(&json!({}), &known, &json!({})).unwrap();
    assert_eq!(desired.claims.egress[0].to, "203.0.113.0/28:443");
    let out = &manifest(&desired, "shop/cart/network-policy")["spec"]["egress"];
    assert_eq!(out[1]["to"], json!([{"ipBlock": {"cidr": "203.0.113.0/28"}}]));
}

#[track_caller]
fn check(store: Value, outside: Value, here: Value, expect: &[(Option<&str>, &str)]) {
    let found = try_composed(&store, &outside, &here).unwrap_err();
    let end = |field: &str, component: &str| {
        format!("has `{field}`, which has no meaning for the component {component}: take it out")
    };
    let expect: Vec<_> = expect
        .iter()
        .map(|(path, text)| {
            let (service, field) = text.split_once('.').unwrap();
            let component = if service == "cache" { "redis" } else { "external" };
            (path.map(str::to_owned), format!("{service} {}", end(field, component)))
        })
        .collect();
    assert_eq!(found, expect);
}

#[test]
fn fields_without_a_meaning_are_refused() {
    let nothing = || json!({});
    let one = |path, text| [(Some(path), text)];
    check(json!({"replicas": 2}), nothing(), nothing(), &one("services.cache.replicas", "cache.replicas"));
    check(json!({"gpu": 1}), nothing(), nothing(), &one("services.cache.gpu", "cache.gpu"));
    check(json!({"sessions": true}), nothing(), nothing(), &one("services.cache.sessions", "cache.sessions"));
    let growing = json!({"autoscale": {"min": 1, "max": 1, "cpu": 70}});
    check(growing, nothing(), nothing(), &one("services.cache.autoscale", "cache.autoscale"));
    let image = json!({"image": "registry.example/vectors:1"});
    check(nothing(), image, nothing(), &one("services.vectors.image", "vectors.image"));
    check(nothing(), json!({"env": {"A": "b"}}), nothing(), &one("services.vectors.env", "vectors.env"));
    let here = json!({"services": {"cache": {"replicas": 3}, "vectors": {"env": {"A": "b"}}}});
    check(nothing(), nothing(), here, &[(None, "cache.replicas"), (None, "vectors.env")]);
    try_composed(
        &json!({"image": "registry.example/redis:8", "env": {"A": "b"}, "run_as_user": 70}),
        &nothing(),
        &nothing(),
    )
    .unwrap();
}

#[test]
fn a_component_is_of_one_kind() {
    let of = |component: Value| {
        let component: Result<strata_components::model::Component, _> = serde_json::from_value(component);
        component.map_err(|error| error.to_string())
    };
    let said = Err("a component is exactly one of `redis` and `external`: name one".to_owned());
    assert_eq!(of(json!({})), said);
    let mut both = redis();
    both["external"] = json!({"host": "example.com"});
    assert_eq!(of(both), said);
    let written = serde_json::to_value(of(redis()).unwrap()).unwrap();
    assert_eq!(written, redis());
}
