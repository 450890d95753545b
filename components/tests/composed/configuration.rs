//! The configuration of servers: typed values, some of them told by the stack, in a file that their pods read.

use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{ConfigValue, Environment, Stack};
use strata_components::rolling::CONFIG_MAPS_ANNOTATION;

/// A cart with this configuration, beside a menu with another, a store and something outside.
fn try_composed(config: &Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    try_changed(config, &json!({}))
}

/// The same where the environment changes the cart's configuration.
fn try_changed(config: &Value, changes: &Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "+100", "config_map": "shop-config",
        "tiers": {"all": {"ports": "9000-9009"}},
        "outputs": {"region": {"literal": "north"}},
        "services": {
            "cart": {
                "tier": "all", "port": 9000, "depends_on": ["store", "bank"], "config": config,
                "jobs": {"prepare": {"command": ["/bin/prepare"]}},
            },
            "menu": {"tier": "all", "port": 9001, "config": {"open": true}},
            "plain": {"tier": "all", "port": 9002},
            "store": {"tier": "all", "port": 6379, "component": {"redis": {
                "storage": {"size": "1Gi"}, "password": {"secret": "store", "key": "password"},
            }}},
            "bank": {"tier": "all", "port": 443, "component": {"external": {"host": "bank.example.com"}}},
        },
    }))
    .unwrap();
    let environment: Environment = serde_json::from_value(json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local", "port_offset": 200,
        "namespaces": {"shop": "shop-dev"}, "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
        "services": {"cart": {"config": changes}},
    }))
    .unwrap();
    let problems = |problem: &strata_components::compose::Problem| (problem.path(), problem.to_string());
    compose(&stack, &environment, "local", None).map_err(|error| error.problems.iter().map(problems).collect())
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address.starts_with(address)).unwrap().manifest
}

fn config() -> Value {
    json!({
        "sources": ["a", "b"], "limits": {"batch": 100, "share": 0.5, "strict": false},
        "store": {"url": {"service": "store", "value": "url"}, "port": {"service": "store", "value": "port"}},
        "bank": {"service": "bank", "value": "address"}, "region": {"output": "region"},
    })
}

#[test]
fn a_configuration_is_a_document_that_its_server_alone_reads() {
    let desired = try_composed(&config()).unwrap();
    let map = manifest(&desired, "shop/config");
    assert_eq!(map["metadata"]["name"], "shop-config");
    let data = map["data"].as_object().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["cart_config.json", "menu_config.json"]);
    let document: Value = serde_json::from_str(data["cart_config.json"].as_str().unwrap()).unwrap();
    let expect = json!({
        "sources": ["a", "b"], "limits": {"batch": 100, "share": 0.5, "strict": false},
        "store": {"url": "redis://store.shop-dev.svc:6579", "port": 6579},
        "bank": "bank.example.com:443", "region": "north",
    });
    assert_eq!(document, expect);

    let volume = json!({"name": "configuration", "configMap": {
        "name": "shop-config", "items": [{"key": "cart_config.json", "path": "config.json"}],
    }});
    let mount = json!({"name": "configuration", "mountPath": "/etc/mcp", "readOnly": true});
    let variable = json!({"name": "MCP_CONFIG", "value": "/etc/mcp/config.json"});
    for address in ["shop/cart/deployment", "shop/cart/job-prepare"] {
        let pod = &manifest(&desired, address)["spec"]["template"]["spec"];
        let has = |list: &Value, one: &Value| list.as_array().unwrap().contains(one);
        assert!(has(&pod["volumes"], &volume), "{address}");
        assert!(has(&pod["containers"][0]["volumeMounts"], &mount), "{address}");
        assert!(has(&pod["containers"][0]["env"], &variable), "{address}");
    }
    let plain = manifest(&desired, "shop/plain/deployment").to_string();
    assert!(!plain.contains("MCP_CONFIG") && !plain.contains("shop-config"), "{plain}");
}

#[test]
fn another_configuration_rolls_the_pods_that_read_it_and_no_others() {
    let digest = |desired: &Desired, of: &str| {
        let template = &manifest(desired, &format!("shop/{of}/deployment"))["spec"]["template"]["metadata"];
        template["annotations"][CONFIG_MAPS_ANNOTATION].as_str().map(str::to_owned)
    };
    let (before, mut changed) = (try_composed(&config()).unwrap(), config());
    changed["limits"]["batch"] = json!(200);
    let after = try_composed(&changed).unwrap();
    assert_ne!(digest(&before, "cart"), digest(&after, "cart"));
    assert_eq!(digest(&before, "menu"), digest(&after, "menu"));
    assert!(digest(&before, "menu").is_some_and(|digest| digest.starts_with("shop-config=")));
    assert_eq!(digest(&before, "plain"), None);
}

/// What the cart reads where an environment makes these changes.
#[track_caller]
fn changed(config: Value, changes: Value, expect: Result<Value, &str>) {
    let found = try_changed(&config, &changes).map(|desired| {
        let map = manifest(&desired, "shop/config");
        serde_json::from_str::<Value>(map["data"]["cart_config.json"].as_str().unwrap()).unwrap()
    });
    let refused = |expect: &str| vec![(expect.split(": ").next().map(str::to_owned), expect.to_owned())];
    assert_eq!(found, expect.map_err(refused));
}

#[test]
fn an_environment_changes_single_values() {
    let pipeline =
        || json!({"name": "main", "pipeline": {"batch": 100, "sizes": [1, 2], "retry": {"times": 3, "wait": "1s"}}});
    let retry = |times: u32, wait: &str| json!({"times": times, "wait": wait});
    changed(
        pipeline(),
        json!({"pipeline": {"batch": 20, "retry": {"times": 1}}}),
        Ok(json!({"name": "main", "pipeline": {"batch": 20, "sizes": [1, 2], "retry": retry(1, "1s")}})),
    );
    changed(
        pipeline(),
        json!({"pipeline": {"sizes": [3]}, "region": {"output": "region"}}),
        Ok(json!({
            "name": "main", "pipeline": {"batch": 100, "sizes": [3], "retry": retry(3, "1s")}, "region": "north",
        })),
    );
    changed(json!({}), json!({"a": {"b": true}}), Ok(json!({"a": {"b": true}})));
    changed(json!({"sizes": []}), json!({"sizes": ["s"]}), Ok(json!({"sizes": ["s"]})));
    let port = json!({"service": "store", "value": "port"});
    changed(json!({"port": port}), json!({"port": 7000}), Ok(json!({"port": 7000})));

    let path = "services.cart.config";
    let refused = |at: &str, here: &str, stack: &str| {
        format!("{path}{at}: the environment says {here} where the stack says {stack}")
    };
    changed(pipeline(), json!({"name": 1}), Err(&refused(".name", "numbers", "texts")));
    changed(
        pipeline(),
        json!({"pipeline": {"batch": {"of": 1}}}),
        Err(&refused(".pipeline.batch", "documents", "numbers")),
    );
    changed(
        pipeline(),
        json!({"pipeline": {"sizes": ["a"]}}),
        Err(&refused(".pipeline.sizes", "lists of texts", "lists of numbers")),
    );
    changed(pipeline(), json!({"pipeline": 1}), Err(&refused(".pipeline", "numbers", "documents")));
    changed(json!({"a.b": {"c": 1}}), json!({"a.b": {"c": "d"}}), Err(&refused("[\"a.b\"].c", "texts", "numbers")));
}

#[track_caller]
fn refused(value: Value, expect: &str) {
    let problems = try_composed(&json!({"at": {"one": value}})).unwrap_err();
    let path = "services.cart.config.at.one";
    assert_eq!(problems, [(Some(path.to_owned()), format!("{path}: {expect}"))]);
}

#[track_caller]
fn unread(value: Value, expect: &str) {
    let error = serde_json::from_value::<ConfigValue>(value).unwrap_err();
    assert_eq!(error.to_string(), expect);
}

#[test]
fn what_a_configuration_cannot_be_told_is_refused() {
    let of = |service: &str, value: &str| json!({"service": service, "value": value});
    let closed = "cart is told where menu is, and does not depend on it, so that no way is open";
    refused(of("menu", "url"), closed);
    refused(of("bank", "url"), "bank has no url to tell, or is not in the stack");
    refused(of("menus", "port"), "menus has no port to tell, or is not in the stack");
    refused(json!({"output": "regions"}), "the output regions has no value here");
    // What is no address opens nothing and needs nothing.
    try_composed(&json!({"one": of("menu", "name")})).unwrap();

    unread(json!(null), "a configuration holds no empty values: leave the key out");
    unread(json!([1, "two"]), "a list holds values of one type, and this one holds numbers and texts");
    unread(
        json!([of("a", "port"), of("a", "host")]),
        "a list holds values of one type, and this one holds numbers and texts",
    );
    unread(
        json!({"1a": 1}),
        "`1a` is no configuration key: expected letters, digits, `_`, `.` and `-`, a letter or `_` first, at most 128 characters",
    );
    unread(
        json!({"output": 1}),
        "`` is no reference to an output: expected the name of an output, after the name of its stack and `.` where it is another stack's",
    );
    for whole in [config(), json!({"a": [[1, 2], [3]], "b": [{"c": 1}, {"d": true}]})] {
        let read: ConfigValue = serde_json::from_value(whole.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), whole);
    }
}
