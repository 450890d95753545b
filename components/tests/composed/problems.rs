//! What composing refuses: each reason on its own, and several at once.

use serde_json::{Value, json};
use strata_components::compose::{ComposeError, compose};
use strata_components::model::{Environment, Stack};

/// Lays `more` over `value`, field by field; null takes a field away.
fn over(value: &mut Value, more: &Value) {
    match (value, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, more) in more {
                match more {
                    Value::Null => drop(fields.remove(name)),
                    _ => over(fields.entry(name.clone()).or_insert(json!({})), more),
                }
            }
        }
        (value, more) => *value = more.clone(),
    }
}

fn composed(stack: &Value, environment: &Value, suffix: Option<&str>) -> Result<(), ComposeError> {
    let mut whole_stack = json!({
        "stack": "shop", "namespace": "servers",
        "tiers": {"front": {"ports": "9000-9009"}}, "services": {"cart": {"tier": "front", "port": 9000}},
    });
    let mut whole_environment = json!({
        "environment": "staging", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "image": {"registry": "registry.example", "tag": "1"},
    });
    over(&mut whole_stack, stack);
    over(&mut whole_environment, environment);
    let stack: Stack = serde_json::from_value(whole_stack).unwrap();
    let environment: Environment = serde_json::from_value(whole_environment).unwrap();
    compose(&stack, &environment, "local", suffix).map(drop)
}

#[track_caller]
fn check(stack: Value, environment: Value, suffix: Option<&str>, expected: &[(Option<&str>, &str)]) {
    let error = composed(&stack, &environment, suffix).unwrap_err();
    let found: Vec<_> = error.problems.iter().map(|problem| (problem.path(), problem.to_string())).collect();
    let expected: Vec<_> = expected.iter().map(|(path, text)| (path.map(str::to_owned), (*text).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_smallest_stack_is_composed() {
    composed(&json!({}), &json!({}), Some("7")).unwrap();
}

#[test]
fn stack_and_environment_must_be_for_each_other() {
    check(
        json!({"environments": ["production"], "port_offsets": {"staging": 100}}),
        json!({"stacks": ["other"]}),
        None,
        &[
            (
                Some("environments"),
                "the stack names the environments it may be deployed to, and staging is not among them",
            ),
            (None, "the environment names the stacks it admits, and shop is not among them"),
            (
                Some("port_offsets.staging"),
                "the stack gives the ports of staging an offset of 100, the environment's own file says 0: make them \
                 agree",
            ),
        ],
    );
}

#[test]
fn ports_must_exist() {
    check(
        json!({"services": {"cart": {"port": 9000}, "late": {"tier": "front", "port": 60000}}}),
        json!({"port_offset": 10000}),
        None,
        &[(
            Some("services.late.port"),
            "service late has port 60000, which with the offset 10000 or the distance of its health port passes 65535",
        )],
    );
    check(
        json!({"tiers": {"front": {"ports": "9000-60000"}}}),
        json!({"port_offset": 10000}),
        None,
        &[
            (None, "environment staging has the ports 9000-60000, which with the offset 10000 pass 65535"),
            (None, "tier front has the ports 9000-60000, which with the offset 10000 pass 65535"),
        ],
    );
}

#[test]
fn entries_of_the_registry_must_differ() {
    check(
        json!({"tiers": {"staging": {"ports": "9010-9019"}}}),
        json!({}),
        None,
        &[(
            None,
            "environment staging and tier staging would both have the entry staging_range in the port registry: give a \
             tier a `range_name`",
        )],
    );
}

#[test]
fn an_autoscaler_must_be_able_to_hold_the_floor() {
    check(
        json!({"services": {"cart": {"replicas": 4, "autoscale": {"min": 1, "max": 3, "cpu": 50}}}}),
        json!({"autoscaling": true}),
        None,
        &[(Some("services.cart.autoscale.max"), "cart would begin with 4 pods, and its autoscaler allows at most 3")],
    );
}

#[test]
fn variables_of_the_platform_cannot_be_set() {
    check(
        json!({"services": {"cart": {"env": {"MCP_PORT": "1", "PORT": "2"}}}}),
        json!({}),
        None,
        &[(Some("services.cart.env.MCP_PORT"), "service cart sets MCP_PORT, which the platform sets itself")],
    );
}

#[test]
fn names_are_never_cut() {
    let long = "n".repeat(60);
    check(
        json!({"stack": long, "namespace": long}),
        json!({}),
        Some("pr-7"),
        &[
            (None, &format!("Namespace {long}-pr-7 has a name of 65 characters, and at most 63 are allowed")),
            (
                None,
                &format!(
                    "PriorityClass {long}-staging-pr-7-high has a name of 78 characters, and at most 63 are allowed"
                ),
            ),
            (
                None,
                &format!(
                    "PriorityClass {long}-staging-pr-7-low has a name of 77 characters, and at most 63 are allowed"
                ),
            ),
            (
                None,
                &format!(
                    "PriorityClass {long}-staging-pr-7-medium has a name of 80 characters, and at most 63 are allowed"
                ),
            ),
            (None, &format!("instance {long}-staging-pr-7 has a name of 73 characters, and at most 63 are allowed")),
        ],
    );
    check(
        json!({}),
        json!({}),
        Some("PR 7"),
        &[(
            None,
            "`PR 7` is no instance name: expected lower-case letters and digits, words joined by `-`, at most 40 \
             characters",
        )],
    );
}

#[test]
fn namespaces_must_stay_apart() {
    check(
        json!({"tiers": {"back": {"ports": "9010-9019", "namespace": "others"}}}),
        json!({"namespaces": {"others": "servers"}}),
        None,
        &[(None, "the namespaces others and servers of the stack are both called servers here")],
    );
}

#[test]
fn reasons_come_all_at_once() {
    let error = composed(
        &json!({"services": {"cart": {"depends_on": ["none"], "env": {"MCP_TIER": "x"}}}}),
        &json!({"stacks": ["other"]}),
        None,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "composing stack shop for environment staging: service cart depends on none, which the stack does not have; \
         the environment names the stacks it admits, and shop is not among them"
    );
}
