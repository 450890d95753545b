//! Promises that are broken on purpose, and all that is said about them.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use serde_json::{Value, json};
use snapbox::str;

use super::super::tests::{check_environment, check_nodes, check_promised, object};

const TWO: (&str, &str) = ("cart: {tier: back", "cart: {critical: true, replicas: 2, tier: back");
const PROMISED: &str = "availability: 99.9%";

#[test]
fn a_promise_that_is_borne_is_not_spoken_of() {
    check_environment(PROMISED, TWO, str![""]);
    check_environment(PROMISED, ("", ""), str![""]);
    let one = ("cart: {tier: back", "cart: {availability: 99.95%, tier: back");
    check_environment("", one, str![""]);
}

#[test]
fn one_pod_bears_no_promise() {
    let one = ("cart: {tier: back", "cart: {availability: 99.95%, tier: back");
    check_environment(
        PROMISED,
        one,
        str![[r#"
error S-availability-001 shop:10:3 cart has to answer 99.95% of the time: Deployment shop/cart-mcp may be down to one pod <production:6:15 what the environment promises> [run two pods or more: raise `replicas`, or `replicas.critical_min` of the environment]

"#]],
    );
    let scaled = ("cart: {tier: back", "cart: {critical: true, autoscale: {min: 1, max: 4, cpu: 70}, tier: back");
    check_environment(
        "autoscaling: true\navailability: 99.9%",
        scaled,
        str![[r#"
error S-availability-001 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp may be down to one pod <production:7:15 what the environment promises> [run two pods or more: raise `replicas`, or `replicas.critical_min` of the environment]

"#]],
    );
}

#[test]
fn something_takes_all_pods_away() {
    check_promised(
        |desired| desired.resources.retain(|resource| resource.address != "shop/cart/disruption-budget"),
        str![[r#"
error S-availability-002 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp has no disruption budget <production:6:15 what the environment promises> [add a budget with `maxUnavailable: 1`]
warning S-hardening-008 shop:10:3 Deployment shop/cart-mcp: it has 2 pods and no disruption budget, so that a drain may take all at once [add a PodDisruptionBudget]

"#]],
    );
    check_promised(
        |desired| object(desired, "shop/cart/disruption-budget").manifest["spec"]["maxUnavailable"] = "100%".into(),
        str![[r#"
error S-availability-002 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp has a budget that keeps none of its 2 pods: PodDisruptionBudget shop/cart-mcp <production:6:15 what the environment promises> [add a budget with `maxUnavailable: 1`]

"#]],
    );
    check_promised(
        |desired| object(desired, "shop/cart/deployment").manifest["spec"]["strategy"] = json!({"type": "Recreate"}),
        str![[r#"
error S-availability-003 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp may stop all of its 2 pods in a rollout <production:6:15 what the environment promises> [let `maxUnavailable` of the rollout be 0 or 1]

"#]],
    );
}

#[test]
fn pods_may_share_a_node() {
    let spread = "/spec/template/spec/topologySpreadConstraints/0";
    for (field, value) in [
        ("whenUnsatisfiable", json!("ScheduleAnyway")),
        ("topologyKey", json!("topology.kubernetes.io/zone")),
        ("labelSelector", json!({"matchLabels": {"app": "other"}})),
        ("maxSkew", json!(2)),
    ] {
        check_promised(
            |desired| object(desired, "shop/cart/deployment").manifest.pointer_mut(spread).unwrap()[field] = value,
            str![[r#"
error S-availability-004 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp does not insist that its pods are on several nodes <production:6:15 what the environment promises> [insist on a spread over `kubernetes.io/hostname`: `whenUnsatisfiable: DoNotSchedule`]

"#]],
        );
    }
    check_nodes(
        "- {name: one, cpu: 8, memory: 8Gi}",
        PROMISED,
        TWO,
        str![[r#"
error S-availability-004 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp may go to one of the nodes alone <production:11:15 what the environment promises> [describe, or add, a second node that takes its pods]

"#]],
    );
    let tainted = "- {name: one, cpu: 8, memory: 8Gi}\n- {name: two, cpu: 8, memory: 8Gi, taints: [{key: gpu, effect: NoSchedule}]}";
    check_nodes(
        tainted,
        PROMISED,
        TWO,
        str![[r#"
error S-availability-004 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp may go to one of the nodes alone <production:12:15 what the environment promises> [describe, or add, a second node that takes its pods]

"#]],
    );
    check_nodes("- {name: one, count: 2, cpu: 8, memory: 8Gi}", PROMISED, TWO, str![""]);
}

#[test]
fn nothing_finds_out() {
    check_promised(
        |desired| {
            let container = "/spec/template/spec/containers/0/readinessProbe";
            *object(desired, "shop/cart/deployment").manifest.pointer_mut(container).unwrap() = Value::Null;
        },
        str![[r#"
error S-availability-005 shop:10:3 cart has to answer 99.9% of the time: Deployment shop/cart-mcp has a container server with no readinessProbe <production:6:15 what the environment promises> [probe the health port]
error S-hardening-006 shop:10:3 Deployment shop/cart-mcp: container server has no readinessProbe [probe the health port]

"#]],
    );
}
