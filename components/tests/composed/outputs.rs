//! What stacks tell each other: outputs, variables that are outputs, and what is waited for in another stack.

use serde_json::{Value, json};
use strata_components::compose::{ComposeError, compose_among};
use strata_components::desired::Desired;
use strata_components::model::{Environment, ServiceValue, Stack};

fn platform() -> Stack {
    serde_json::from_value(json!({
        "stack": "platform", "namespace": "platform", "health_port": "+50",
        "tiers": {"data": {"ports": "9000-9009", "namespace": "stores"}, "all": {"ports": "9010-9019"}},
        "services": {
            "cache": {"tier": "data", "port": 6379, "component": {"redis": {
                "storage": {"size": "1Gi"}, "password": {"secret": "keys", "key": "redis"},
            }}},
            "search_index": {"tier": "all", "port": 9010},
            "vectors": {"tier": "all", "port": 443, "component": {"external": {"host": "vectors.example.com"}}},
        },
        "outputs": {
            "cache_url": {"service": "cache", "value": "url"},
            "index_url": {"service": "search_index", "value": "url", "description": "Where the index answers"},
            "index_address": {"service": "search_index", "value": "address"},
            "index_port": {"service": "search_index", "value": "port"},
            "index_name": {"service": "search_index", "value": "name"},
            "index_namespace": {"service": "search_index", "value": "namespace"},
            "vectors_host": {"service": "vectors", "value": "host"},
            "vectors_address": {"service": "vectors", "value": "address"},
            "region": {"literal": "eu-central"},
        },
    }))
    .unwrap()
}

fn environment(more: &Value) -> Environment {
    let mut least = json!({
        "environment": "staging", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "port_offset": 100, "namespaces": {"platform": "platform-staging"},
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    });
    least.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(least).unwrap()
}

fn composed(cart: &Value, suffix: Option<&str>, here: &Value) -> Result<Desired, ComposeError> {
    let mut service = json!({"tier": "all", "port": 9500});
    service.as_object_mut().unwrap().extend(cart.as_object().unwrap().clone());
    let shop: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "tiers": {"all": {"ports": "9500-9509"}}, "services": {"cart": service},
        "outputs": {"own_port": {"service": "cart", "value": "port"}},
    }))
    .unwrap();
    compose_among(&shop, &environment(here), "local", suffix, &[&platform()])
}

#[track_caller]
fn told(suffix: Option<&str>, expect: &[(&str, &str)]) {
    let desired = compose_among(&platform(), &environment(&json!({})), "local", suffix, &[]).unwrap();
    let told: Vec<(&str, &str)> =
        desired.outputs.iter().map(|(name, output)| (name.as_str(), output.value.as_str())).collect();
    assert_eq!(told, expect);
}

#[test]
fn an_output_is_what_it_is_in_the_environment() {
    told(
        None,
        &[
            ("cache_url", "redis://cache.stores.svc:6479"),
            ("index_address", "search-index-mcp.platform-staging.svc:9110"),
            ("index_name", "search-index-mcp"),
            ("index_namespace", "platform-staging"),
            ("index_port", "9110"),
            ("index_url", "http://search-index-mcp.platform-staging.svc:9110"),
            ("region", "eu-central"),
            ("vectors_address", "vectors.example.com:443"),
            ("vectors_host", "vectors.example.com"),
        ],
    );
    let named = compose_among(&platform(), &environment(&json!({})), "local", Some("run-7"), &[]).unwrap();
    assert_eq!(named.outputs["index_url"].value, "http://search-index-mcp.platform-staging-run-7.svc:9110");
    assert_eq!(named.outputs["index_url"].description.as_deref(), Some("Where the index answers"));
}

/// Variables of the only server of the shop that the platform does not set.
fn variables(desired: &Desired) -> Vec<(String, String)> {
    let deployment = desired.resources.iter().find(|resource| resource.id.kind.kind == "Deployment").unwrap();
    let all = deployment.manifest["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let text = |variable: &Value, key: &str| variable[key].as_str().unwrap_or_default().to_owned();
    let all = all.iter().map(|variable| (text(variable, "name"), text(variable, "value")));
    all.filter(|(name, _)| !name.starts_with("MCP_")).collect()
}

#[test]
fn a_variable_can_be_an_output() {
    let cart = json!({"env": {"LEVEL": "info"}, "env_from": {
        "INDEX": "platform.index_url", "REGION": "platform.region", "PORT": "own_port", "SAME": "shop.own_port",
    }});
    let expect = |region: &str| {
        let index = "http://search-index-mcp.platform-staging.svc:9110";
        let all = [("INDEX", index), ("LEVEL", "info"), ("PORT", "9600"), ("REGION", region), ("SAME", "9600")];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    assert_eq!(variables(&composed(&cart, None, &json!({})).unwrap()), expect("eu-central"));
    let here = json!({"services": {"cart": {"env": {"REGION": "here"}}}});
    assert_eq!(variables(&composed(&cart, None, &here).unwrap()), expect("here"), "an environment says otherwise");
}

#[test]
fn what_cannot_be_told_is_a_problem() {
    let problems = |cart: Value| -> Vec<(Option<String>, String)> {
        let error = composed(&cart, None, &json!({})).unwrap_err();
        error.problems.iter().map(|problem| (problem.path(), problem.to_string())).collect()
    };
    let path = |text: &str| Some(text.to_owned());
    assert_eq!(
        problems(json!({"env": {"A": "b"}, "env_from": {"A": "own_port", "B": "ledger.url", "MCP_PORT": "own_port"}})),
        [
            (
                path("services.cart.env.MCP_PORT"),
                "service cart sets MCP_PORT, which the platform sets itself".to_owned()
            ),
            (path("services.cart.env_from.A"), "service cart sets A in `env` and in `env_from`".to_owned()),
            (
                path("services.cart.env_from.B"),
                "B of cart is the output ledger.url, which is not known here".to_owned()
            ),
        ]
    );
    let mut stack = platform();
    for (name, output) in
        [("a", json!({"service": "vectors", "value": "url"})), ("b", json!({"service": "gone", "value": "port"}))]
    {
        stack.outputs.insert(name.parse().unwrap(), serde_json::from_value(output).unwrap());
    }
    let error = compose_among(&stack, &environment(&json!({})), "local", None, &[]).unwrap_err();
    assert_eq!(
        error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "the output b is of a service gone, which is not in the stack",
            "the output a is the url of vectors, which has none",
        ]
    );
}

#[test]
fn a_service_of_another_stack_is_waited_for() {
    let needs = |cart: Value, suffix: Option<&str>| -> Vec<String> {
        let desired = composed(&cart, suffix, &json!({})).unwrap();
        let needs = desired.needs.values().flatten();
        needs.map(|need| format!("{need} {:?}", need.within.map(|within| within.to_string()))).collect()
    };
    let depends = json!(["platform/cache", "platform/search_index", "platform/vectors"]);
    assert_eq!(
        needs(json!({"depends_on": depends}), None),
        [
            "a ready endpoint of Service platform-staging/search-index-mcp of the stack platform None",
            "a ready endpoint of Service stores/cache of the stack platform None",
        ]
    );
    let limit = json!({"services": [{"namespace": "stores-pr", "name": "cache", "within": "30s"}]});
    assert_eq!(
        needs(json!({"depends_on": ["platform/cache"], "needs": limit}), Some("pr")),
        ["a ready endpoint of Service stores-pr/cache of the stack platform Some(\"30s\")"],
        "how long is the service's own word"
    );
}

#[test]
fn a_program_has_outputs_too() {
    let stack = Stack::builder("shop", "shop")
        .tier("all", "9500-9509", |tier| tier)
        .service("cart", "all", 9500, |cart| cart.env_from("INDEX", "platform.index_url"))
        .output("region", "eu-central")
        .output_of("url", "cart", ServiceValue::Url)
        .build()
        .unwrap();
    let desired = compose_among(&stack, &environment(&json!({})), "local", None, &[&platform()]).unwrap();
    assert_eq!(desired.outputs["url"].value, "http://cart-mcp.shop.svc:9600");
    let error =
        Stack::builder("shop", "shop").output("Region", "").output_of("url", "cart mcp", ServiceValue::Url).build();
    assert_eq!(error.unwrap_err().problems.len(), 2);
}
