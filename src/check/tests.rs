//! Stacks that break a rule on purpose, and all that is said about them.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::fs;

use snapbox::data::Inline;
use snapbox::str;
use strata_components::desired::{Desired, Resource};

use crate::load::{Loaded, Root};

use super::{Proven, check as all_of, prove};

const SHOP: &str = "stack: shop
namespace: shop
phases: [base, front]
port_offsets: {production: 0}
health_port: same
tiers:
  back: {ports: 9000-9009}
  front: {ports: 9010-9011}
services:
  cart: {tier: back, port: 9000}
  mail: {tier: back, port: 9001}
  web: {tier: front, port: 9010, depends_on: [cart], gateway: {}}
";
const PRODUCTION: &str = "environment: production
clusters: {local: {embedded: {provides: [istio, prometheus-operator]}}}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
gateway: {host: shop.example, ingress_class: nginx}
";

fn loaded(shop: &str, production: &str, other: Option<&str>) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("stacks/shop.yaml", shop);
    write("environments/production.yaml", production);
    if let Some(other) = other {
        write("stacks/other.yaml", other);
    }
    Root::open(dir.path()).unwrap().load("shop", "production").unwrap()
}

fn proven(shop: &str, production: &str, other: Option<&str>, suffix: Option<&str>) -> Proven {
    prove(&loaded(shop, production, other), "local", suffix)
}

/// Each finding in one line: level, rule, place, message, other places, what to do.
fn brief(proven: &Proven) -> Vec<String> {
    let line = |f: &crate::finding::Finding| {
        let file = |at: &crate::finding::Location| {
            let name = at.file.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml");
            format!("{name}:{}:{}", at.line, at.column)
        };
        let at = f.at.as_ref().map(|at| format!("{} ", file(at))).unwrap_or_default();
        let label = f.label.as_ref().map(|label| format!(" <{label}>")).unwrap_or_default();
        let related: String = f.related.iter().map(|r| format!(" <{} {}>", file(&r.at), r.text)).collect();
        let help = f.help.as_ref().map(|help| format!(" [{help}]")).unwrap_or_default();
        format!("{} {} {at}{}{label}{related}{help}", f.level, f.rule, f.message)
    };
    proven.findings.iter().map(line).collect()
}

#[track_caller]
fn compare(proven: &Proven, expect: Inline) {
    let found: String = brief(proven).into_iter().map(|line| line + "\n").collect();
    snapbox::Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV).eq(found, expect);
    assert!(proven.stops() || proven.desired.is_some(), "what cannot be composed has an error");
}

/// Replaces text in the good stack, and compares all that is found.
#[track_caller]
pub(super) fn check(from: &str, to: &str, expect: Inline) {
    let shop = SHOP.replace(from, to);
    assert!(from.is_empty() || shop != SHOP, "nothing was replaced");
    compare(&proven(&shop, PRODUCTION, None, None), expect);
}

/// Gives the good environment an embedded cluster that provides this and more text, and compares all that is found.
#[track_caller]
pub(super) fn check_provided(provides: &str, more: &str, expect: Inline) {
    let production = PRODUCTION.replace("{provides: [istio, prometheus-operator]}", provides);
    assert_ne!(production, PRODUCTION);
    compare(&proven(SHOP, &format!("{production}{more}\n"), None, None), expect);
}

/// Adds text to the good environment, and compares all that is found.
#[track_caller]
pub(super) fn check_environment(more: &str, shop: (&str, &str), expect: Inline) {
    compare(&proven(&SHOP.replace(shop.0, shop.1), &format!("{PRODUCTION}{more}\n"), None, None), expect);
}

/// A stack and an environment, and what they compose to.
pub(super) fn composed(stack: &str, environment: &str) -> (Loaded, Desired) {
    let loaded = loaded(stack, environment, None);
    let desired = prove(&loaded, "local", None).desired.unwrap();
    (loaded, desired)
}

/// The good stack, and what it composes to.
pub(super) fn shop() -> (Loaded, Desired) {
    composed(SHOP, PRODUCTION)
}

/// The good environment with these nodes in its cluster, and more text.
pub(super) fn with_nodes(nodes: &str, more: &str) -> String {
    let nodes: String = nodes.lines().map(|line| format!("        {line}\n")).collect();
    let described = format!("clusters:\n  local:\n    embedded:\n      provides: [istio]\n      nodes:\n{nodes}");
    let clusters = "clusters: {local: {embedded: {provides: [istio, prometheus-operator]}}}\n";
    PRODUCTION.replace(clusters, &described) + more
}

/// Puts the good stack with one change on these nodes, and compares all that is found.
#[track_caller]
pub(super) fn check_nodes(nodes: &str, more: &str, shop: (&str, &str), expect: Inline) {
    compare(&proven(&SHOP.replace(shop.0, shop.1), &with_nodes(nodes, more), None, None), expect);
}

#[test]
fn a_good_stack_has_no_findings() {
    compare(&proven(SHOP, PRODUCTION, None, Some("pr-7")), str![]);
}

#[test]
fn ports() {
    check(
        "port: 9001",
        "port: 9011",
        str![[r#"
error S-ports-001 shop:11:28 services.mail.port: 9011 lies outside the range 9000-9009 of tier back; it belongs to tier front <shop:7:17 range of tier back> [free in tier back: 9001-9009]

"#]],
    );
    check(
        "port: 9001",
        "port: 9000",
        str![[r#"
error S-ports-002 shop:11:28 services.mail.port: 9000 is the port of cart already <port of mail> <shop:10:28 port of cart> [free in tier back: 9001-9009]

"#]],
    );
    check(
        "9010-9011",
        "9009-9011",
        str![[r#"
error S-ports-003 shop:8:18 tiers.front.ports: 9009-9011 overlaps 9000-9009 of tier back <range of tier front> <shop:7:17 range of tier back> [move one of the ranges]

"#]],
    );
    check("9010-9011", "9010-9010", str![]);
    check(
        "mail: {tier: back, port: 9001",
        "mail: {tier: back, port: 9001, health_port: \"+60000\"",
        str![[r#"
error S-ports-004 shop:11:47 services.mail.health_port: the health port +60000 of mail passes 65535 in production (port 9001, offset 0) [lower the port, the distance or the environment's `port_offset`]

"#]],
    );
    check(
        "production: 0",
        "production: 100",
        str![[r#"
error S-ports-007 shop:4:28 port_offsets.production: 100 here, but 0 in the environment itself [write the same offset in both files]

"#]],
    );
    check(
        "production: 0",
        "staging: 100",
        str![[r#"
warning S-ports-008 shop:4:1 port_offsets: the environment production is not in the list [add `production: 0`, so that pods find its ranges in the registry]

"#]],
    );
    check(
        "health_port: same",
        "health_port: \"+1\"",
        str![[r#"
note S-ports-006 shop:5:1 health ports are service ports elsewhere: production's are production's (9001) [harmless inside a cluster, where each Service has an address of its own; on one shared address (host network, port-forward) run one environment at a time]

"#]],
    );
    check_environment(
        "port_offset: 60000",
        ("production: 0", "production: 60000"),
        str![[r#"
error S-ports-004 production:6:14 port_offset: environment production has the ports 9000-9011, which with the offset 60000 pass 65535 [lower the offset or the range]
error S-ports-004 production:6:14 port_offset: tier back has the ports 9000-9009, which with the offset 60000 pass 65535 [lower the offset or the range]
error S-ports-004 production:6:14 port_offset: tier front has the ports 9010-9011, which with the offset 60000 pass 65535 [lower the offset or the range]
error S-ports-004 shop:10:28 services.cart.port: 9000 and the offset 60000 of production pass 65535 <production:6:14 offset of production> [lower the port or the environment's `port_offset`]
error S-ports-004 shop:11:28 services.mail.port: 9001 and the offset 60000 of production pass 65535 <production:6:14 offset of production> [lower the port or the environment's `port_offset`]
error S-ports-004 shop:12:28 services.web.port: 9010 and the offset 60000 of production pass 65535 <production:6:14 offset of production> [lower the port or the environment's `port_offset`]

"#]],
    );
}

#[test]
fn ports_over_several_stacks() {
    let other = "stack: other\nnamespace: other\ntiers: {all: {ports: 9005-9012}}\nservices:\n  gong: {tier: all, port: 9010}\n";
    compare(
        &proven(SHOP, PRODUCTION, Some(other), None),
        str![[r#"
error S-ports-003 shop:7:17 tiers.back.ports: 9000-9009 overlaps 9005-9012 of tier other/all <range of tier back> <other:3:22 range of tier other/all> [move one of the ranges]
error S-ports-003 shop:8:18 tiers.front.ports: 9010-9011 overlaps 9005-9012 of tier other/all <range of tier front> <other:3:22 range of tier other/all> [move one of the ranges]
error S-ports-002 shop:12:28 services.web.port: 9010 is the port of other/gong already <port of web> <other:5:27 port of other/gong> [free in tier front: 9011]

"#]],
    );
    let apart = "stacks: [shop]\n";
    compare(&proven(SHOP, &format!("{PRODUCTION}{apart}"), Some(other), None), str![]);
    // Health ports are held against the services of other stacks too.
    let shop = SHOP.replace("health_port: same", "health_port: \"+100\"");
    let other = other.replace("9005-9012", "9100-9119").replace("9010", "9100");
    compare(
        &proven(&shop, PRODUCTION, Some(&other), None),
        str![[r#"
note S-ports-006 shop:5:1 health ports are service ports elsewhere: production's are other's in production (9100) [harmless inside a cluster, where each Service has an address of its own; on one shared address (host network, port-forward) run one environment at a time]

"#]],
    );
}

#[test]
fn ports_that_local_processes_look_for() {
    let shop =
        SHOP.replace("9000-9009", "8091-8099").replace("port: 9000", "port: 8091").replace("port: 9001", "port: 8094");
    compare(
        &proven(&shop, PRODUCTION, None, None),
        str![[r#"
note S-ports-009 shop:10:28 processes beside the cluster look for the same ports: 2 in 8091-8094, which the MCP governance server (8001-8100), the HTTP bridge (8001-8100), the backend (8000-8099) and the WebSocket server (8080-8180) may take [harmless inside a cluster; on one host (a local run, a port-forward) choose other ports there]

"#]],
    );
    let shop =
        SHOP.replace("9000-9009", "8150-8190").replace("port: 9000", "port: 8180").replace("port: 9001", "port: 8181");
    compare(
        &proven(&shop, PRODUCTION, None, None),
        str![[r#"
note S-ports-009 shop:10:28 processes beside the cluster look for the same ports: 8180, which the WebSocket server (8080-8180) may take [harmless inside a cluster; on one host (a local run, a port-forward) choose other ports there]

"#]],
    );
    // On the address of a machine one of the two would not start.
    let loaded = loaded(&shop, PRODUCTION, None);
    let mut desired = prove(&loaded, "local", None).desired.unwrap();
    for claim in &mut desired.claims.ports {
        claim.address_domain = "host/laptop".to_owned();
    }
    let findings = all_of(&loaded, Ok(&desired));
    compare(
        &Proven { desired: Some(desired), findings },
        str![[r#"
error S-ports-005 shop:10:28 cart has port 8180 on host/laptop, where the WebSocket server may take any of 8080-8180 [give the service a port outside the range]

"#]],
    );
}

#[test]
fn ports_and_users_of_the_mesh() {
    let with = |mesh: &str, (from, to): (&str, &str), expect: Inline| {
        let shop = SHOP
            .replace("9000-9009", "15001-15059")
            .replace("port: 9000", "port: 15021")
            .replace("port: 9001", "port: 15001");
        compare(&proven(&shop.replace(from, to), &format!("{PRODUCTION}mesh: {mesh}\n"), None, None), expect);
    };
    with(
        "{mode: sidecar, cni: true}",
        ("", ""),
        str![[r#"
error S-mesh-005 shop:10:28 services.cart.port: cart answers on 15021, which the proxy of a mesh in mode sidecar has in every pod <production:6:14 the mode> [choose a port outside 15000-15099]
error S-mesh-005 shop:11:28 services.mail.port: mail answers on 15001, which the proxy of a mesh in mode sidecar has in every pod <production:6:14 the mode> [choose a port outside 15000-15099]

"#]],
    );
    with(
        "{mode: ambient}",
        ("port: 15021", "port: 15022, health_port: 15053"),
        str![[r#"
error S-mesh-005 shop:10:48 services.cart.health_port: cart serves health on 15053, which the proxy of a mesh in mode ambient has in every pod <production:6:14 the mode> [choose a port outside 15000-15099]
error S-mesh-005 shop:11:28 services.mail.port: mail answers on 15001, which the proxy of a mesh in mode ambient has in every pod <production:6:14 the mode> [choose a port outside 15000-15099]

"#]],
    );
    // What stays out of the way of the mesh may come near.
    with("{mode: ambient}", ("port: 15001", "port: 15002"), str![]);
    let user = |user: u32| format!("namespace: shop\nrun_as_user: {user}\n");
    let sidecars = format!("{PRODUCTION}mesh: {{mode: sidecar, cni: true}}\n");
    compare(
        &proven(&SHOP.replace("namespace: shop\n", &user(1337)), &sidecars, None, None),
        str![[r#"
error S-mesh-006 shop:11:3 Deployment shop/cart-mcp: its pods run as user 1337, as their sidecars do <production:6:14 the mode> [set `run_as_user` to another number]
error S-mesh-006 shop:12:3 Deployment shop/mail-mcp: its pods run as user 1337, as their sidecars do <production:6:14 the mode> [set `run_as_user` to another number]
error S-mesh-006 shop:13:3 Deployment shop/web-mcp: its pods run as user 1337, as their sidecars do <production:6:14 the mode> [set `run_as_user` to another number]

"#]],
    );
    compare(&proven(&SHOP.replace("namespace: shop\n", &user(1338)), &sidecars, None, None), str![]);
    let ambient = format!("{PRODUCTION}mesh: {{mode: ambient}}\n");
    compare(&proven(&SHOP.replace("namespace: shop\n", &user(1337)), &ambient, None, None), str![]);
}

#[test]
fn order() {
    check(
        "cart: {tier: back, port: 9000",
        "cart: {tier: back, port: 9000, depends_on: [web]",
        str![[r#"
error S-deps-001 shop:10:47 services wait for each other: cart → web → cart <cart waits for web> <shop:12:47 web waits for cart> [remove one of the dependencies on this path]

"#]],
    );
    check(
        "cart: {tier: back, port: 9000",
        "cart: {tier: back, port: 9000, depends_on: [cart]",
        str![[r#"
error S-deps-001 shop:10:47 services wait for each other: cart → cart <cart waits for cart> [remove one of the dependencies on this path]

"#]],
    );
    check(
        "9010-9011",
        "9010-9011, phase: base",
        str![[r#"
error S-phases-001 shop:8:36 web is pinned to base (1), but its dependencies allow front (2) at the earliest <needs web → cart> [pin it to front or a later phase, or remove a dependency on web → cart]

"#]],
    );
    check(
        "[base, front]",
        "[base, base]",
        str![[r#"
error S-phases-002 shop:3:16 phases[1]: the phase `base` stands in the list twice <second time here> <shop:3:10 first time here> [rename one of the two]

"#]],
    );
}

#[test]
fn size() {
    check(
        "cart: {tier: back, port: 9000",
        "cart: {tier: back, port: 9000, autoscale: {min: 3, max: 2, cpu: 70}",
        str![[r#"
error S-replicas-001 shop:10:51 services.cart.autoscale: the minimum 3 lies above the maximum 2 <the fewest pods> <shop:10:59 the most pods> [lower `min` or raise `max`]

"#]],
    );
    check_environment(
        "autoscaling: true",
        (
            "cart: {tier: back, port: 9000",
            "cart: {tier: back, port: 9000, replicas: 3, autoscale: {min: 2, max: 5, cpu: 70}",
        ),
        str![[r#"
note S-replicas-002 shop:10:64 cart has 3 replicas, and an autoscaler that could go down to 2: the higher floor, 3, holds [write the same figure twice to make this note go away]

"#]],
    );
    check_environment(
        "autoscaling: true\nservices: {cart: {replicas: 9}, mail: {autoscale: {min: 2}}}",
        ("cart: {tier: back, port: 9000", "cart: {tier: back, port: 9000, autoscale: {min: 2, max: 5, cpu: 70}"),
        str![[r#"
error S-replicas-005 production:7:40 services.mail.autoscale: the environment changes the autoscaler of mail, which has none in the stack [add `autoscale` to the service in the stack, or remove the override]
error S-replicas-001 shop:10:59 services.cart.autoscale.max: cart would begin with 9 pods, and its autoscaler allows at most 5 [raise `max` of the autoscaler, or lower the replicas]

"#]],
    );
    check_environment(
        "replicas: {critical_min: 3, max: 2}\nservices: {cart: {replicas: 4}}",
        ("", ""),
        str![[r#"
error S-replicas-003 production:6:26 replicas: critical services have at least 3 pods, but no service more than 2 <production:6:34 no service has more> [lower `critical_min` or raise `max`]
warning S-replicas-004 production:7:29 services.cart.replicas: 4 pods are asked for, but no service has more than 2 here [raise `replicas.max` of the environment, or remove the override]

"#]],
    );
    check(
        "mail: {tier: back",
        "mail: {resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 1, memory: 1000Mi}}, tier: back",
        str![[r#"
error S-resources-001 shop:11:38 services.mail.resources: 2 of cpu are requested, but the limit is 1 <the request> <shop:11:69 the limit> [lower the request or raise the limit]
error S-resources-001 shop:11:49 services.mail.resources: 1Gi of memory are requested, but the limit is 1000Mi <the request> <shop:11:80 the limit> [lower the request or raise the limit]

"#]],
    );
}

#[test]
fn names_and_the_gateway() {
    check(
        "cart: {tier: back, port: 9000",
        "cart: {tier: back, port: 9000, gateway: {}",
        str![[r#"
error S-gateway-001 shop:12:54 services.web.gateway: cart is the gateway of this stack already <second gateway> <shop:10:34 first gateway> [keep `gateway` on one service, and let the other be reached through it]

"#]],
    );
    check(
        "namespace: shop",
        "namespace: strata-system",
        str![[r#"
error S-names-002 shop:2:12 namespace: the namespace is called strata-system here, as the control namespace is [map `strata-system` to another name in `namespaces` of the environment]

"#]],
    );
    check("back: {ports", "back: {namespace: other, ports", str![]);
    compare(
        &proven(SHOP, &PRODUCTION.replace("gateway:", "description: no way in #"), None, None),
        str![[r#"
note S-gateway-004 shop:12:54 web is the gateway, but nothing leads to it in production [add `gateway` with host and ingress class to the environment, if it should be reachable]

"#]],
    );
    compare(
        &proven(SHOP, PRODUCTION, None, Some(&"a".repeat(41))),
        str![[r#"
error S-names-001 shop:1:8 stack: PriorityClass shop-production-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-medium has a name of 64 characters, and at most 63 are allowed [shorten the name of stack, environment or --instance]
error S-stack-002 `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is no instance name: expected lower-case letters and digits, words joined by `-`, at most 40 characters [change the value as the message says]

"#]],
    );
    check_environment(
        "services: {cart: {env: {MCP_PORT: \"1\"}}}",
        ("", ""),
        str![[r#"
error S-env-001 production:6:25 services.cart.env.MCP_PORT: service cart sets MCP_PORT, which the platform sets itself [remove the variable, or give it another name]

"#]],
    );
    check(
        &SHOP[SHOP.find("services:").unwrap()..],
        "services: {}\n",
        str![[r#"
error S-stack-001 shop:9:1 the stack shop has no services [add services; to remove a deployment use `strata destroy`]

"#]],
    );
}

/// Changes what the good stack composes to, and compares all that is found.
#[track_caller]
pub(super) fn check_composed(change: impl FnOnce(&mut Desired), expect: Inline) {
    check_changed(&loaded(SHOP, PRODUCTION, None), change, expect);
}

/// The same of the stack with a service that is promised to answer.
#[track_caller]
pub(super) fn check_promised(change: impl FnOnce(&mut Desired), expect: Inline) {
    let shop = SHOP.replace("cart: {tier: back", "cart: {critical: true, replicas: 2, tier: back");
    check_changed(&loaded(&shop, &format!("{PRODUCTION}availability: 99.9%\n"), None), change, expect);
}

#[track_caller]
fn check_changed(loaded: &Loaded, change: impl FnOnce(&mut Desired), expect: Inline) {
    let mut desired = prove(loaded, "local", None).desired.unwrap();
    change(&mut desired);
    let findings = all_of(loaded, Ok(&desired));
    compare(&Proven { desired: Some(desired), findings }, expect);
}

pub(super) fn object<'a>(desired: &'a mut Desired, address: &str) -> &'a mut Resource {
    desired.resources.iter_mut().find(|resource| resource.address == address).unwrap()
}

#[test]
fn nothing_goes_round_the_gateway() {
    check_composed(
        |desired| object(desired, "shop/cart/service").manifest["spec"]["type"] = "NodePort".into(),
        str![[r#"
error S-gateway-002 shop:10:3 Service shop/cart-mcp is of type NodePort [let traffic in through the gateway alone]

"#]],
    );
    check_composed(
        |desired| object(desired, "shop/web/service").manifest["spec"]["type"] = "LoadBalancer".into(),
        str![[r#"
error S-gateway-002 shop:12:3 Service shop/web-mcp is of type LoadBalancer [let traffic in through the gateway alone]

"#]],
    );
    check_composed(
        |desired| object(desired, "shop/mail/service").manifest["spec"]["externalIPs"] = vec!["203.0.113.7"].into(),
        str![[r#"
error S-gateway-002 shop:11:3 Service shop/mail-mcp has external addresses [let traffic in through the gateway alone]

"#]],
    );
    check_composed(
        |desired| object(desired, "shop/web/ingress").service = Some("cart".into()),
        str![[r#"
error S-gateway-003 shop:10:3 Ingress shop/web-mcp leads traffic to cart, which is not the gateway [let traffic in through the gateway alone]

"#]],
    );
}

#[test]
fn one_address_has_each_port_once() {
    check_composed(
        |desired| {
            for claim in &mut desired.claims.ports {
                claim.address_domain = "host".into();
                claim.port = if claim.service == "mail" { 9000 } else { claim.port };
            }
        },
        str![[r#"
error S-ports-005 shop:11:28 cart and mail share port 9000 on host <shop:10:28 port of cart> [give one of the two another port]

"#]],
    );
}

#[test]
fn tiers_bound_what_may_be_declared() {
    check("front: {ports: 9010-9011}", "front: {ports: 9010-9011, accepts: [front]}", str![]);
    check("back: {ports: 9000-9009}", "back: {ports: 9000-9009, accepts: [back, front]}", str![]);
    check(
        "back: {ports: 9000-9009}",
        "back: {ports: 9000-9009, accepts: [back]}",
        str![[r#"
error S-tiers-001 shop:12:47 services.web.depends_on[0]: cart belongs to tier back, which accepts back <from tier front> <shop:7:37 tiers that back accepts> [remove the dependency, or add front to tiers.back.accepts]

"#]],
    );
    let by_tier = SHOP
        .replace("back: {ports: 9000-9009}", "back: {ports: 9000-9009, accepts: [back]}")
        .replace("front: {ports: 9010-9011}", "front: {ports: 9010-9011, depends_on: [mail]}");
    compare(
        &proven(&by_tier, PRODUCTION, None, None),
        str![[r#"
error S-tiers-001 shop:8:42 tiers.front.depends_on[0]: mail belongs to tier back, which accepts back <from tier front> <shop:7:37 tiers that back accepts> [remove the dependency, or add front to tiers.back.accepts]
error S-tiers-001 shop:12:47 services.web.depends_on[0]: cart belongs to tier back, which accepts back <from tier front> <shop:7:37 tiers that back accepts> [remove the dependency, or add front to tiers.back.accepts]

"#]],
    );
}

#[test]
fn what_a_policy_must_name_is_known() {
    check(
        "mail: {tier: back, port: 9001}",
        "mail: {tier: back, port: 9001, egress: [kube-api]}",
        str![[r#"
error S-network-001 shop:11:34 services.mail.egress: mail connects to kube-api, and the environment does not say where that is reached [add the addresses to `network.kube_api` of the environment]

"#]],
    );
    let production = format!("{PRODUCTION}services: {{mail: {{egress: [kube-api]}}}}\n");
    compare(
        &proven(SHOP, &production, None, None),
        str![[r#"
error S-network-001 production:6:19 services.mail.egress: mail connects to kube-api, and the environment does not say where that is reached [add the addresses to `network.kube_api` of the environment]

"#]],
    );
    let known =
        format!("{PRODUCTION}network: {{kube_api: [192.0.2.0/24:6443]}}\nservices: {{mail: {{egress: [kube-api]}}}}\n");
    compare(&proven(SHOP, &known, None, None), str![]);

    let other = "stack: other\nnamespace: other\ntiers: {all: {ports: 9100-9109}}\nservices:\n  gong: {tier: all, port: 9100}\n";
    let shop =
        SHOP.replace("mail: {tier: back, port: 9001}", "mail: {tier: back, port: 9001, depends_on: [other/gong]}");
    compare(&proven(&shop, PRODUCTION, Some(other), None), str![]);
    // An instance with a name belongs to those of the same name.
    compare(&proven(&shop, PRODUCTION, Some(other), Some("run-7")), str![]);
    let called = other.replace("port: 9100", "port: 9100, depends_on: [shop/cart]");
    compare(&proven(SHOP, PRODUCTION, Some(&called), Some("run-7")), str![]);
    let alone = format!("{PRODUCTION}stacks: [shop]\n");
    compare(
        &proven(&shop, &alone, Some(other), None),
        str![[r#"
error S-network-002 shop:11:47 services.mail.depends_on[0]: mail depends on other/gong, and that stack is not known here <production:6:1 production does not admit other> [mend the other stack, or admit it to the environment]

"#]],
    );
}

#[test]
fn the_mesh_enforces_what_is_asked_or_says_so() {
    let limited = SHOP
        .replace(
            "health_port: same\n",
            "health_port: same\ncircuit_breaker: {connections: 9, pending: 9, failures: 3, ejection: 0s}\n",
        )
        .replace(
            "mail: {tier: back, port: 9001}",
            "mail: {tier: back, port: 9001, sessions: true, rate_limit: {requests: 9, per: 9ms}}",
        );
    compare(
        &proven(&limited, PRODUCTION, None, None),
        str![[r#"
error S-mesh-004 shop:6:70 circuit_breaker.ejection: 0s is too short, 1ms are the least [write a longer time]
error S-mesh-004 shop:12:81 services.mail.rate_limit.per: 9ms is too short, 50ms are the least [write a longer time]
note S-mesh-003 shop:6:1 circuit breakers and rate limits are not enforced: production has no mesh [nothing to do, if that is meant; otherwise give the environment a mesh of sidecars]

"#]],
    );
    let sound = limited.replace("ejection: 0s", "ejection: 1s").replace("per: 9ms", "per: 1s");
    compare(
        &proven(&sound, PRODUCTION, None, None),
        str![[r#"
note S-mesh-003 shop:6:1 circuit breakers and rate limits are not enforced: production has no mesh [nothing to do, if that is meant; otherwise give the environment a mesh of sidecars]

"#]],
    );
    let with = |mesh: &str, expect: Inline| {
        compare(&proven(&sound, &format!("{PRODUCTION}mesh: {mesh}\n"), None, None), expect);
    };
    with("{mode: sidecar, cni: true}", str![]);
    with(
        "{mode: ambient, limits: false}",
        str![[r#"
note S-mesh-003 shop:6:1 circuit breakers, rate limits and sessions are not enforced: production tells its mesh to do without [nothing to do, if that is meant; otherwise give the environment a mesh of sidecars]

"#]],
    );
    with(
        "{mode: ambient}",
        str![[r#"
error S-mesh-001 shop:6:1 circuit_breaker: a mesh in mode ambient cannot enforce a circuit breaker <asks for a circuit breaker> <production:6:14 the mode> [use a mesh of sidecars, or set `mesh.limits: false` to do without]
error S-mesh-001 shop:12:34 services.mail.sessions: a mesh in mode ambient cannot enforce sessions <asks for sessions> <production:6:14 the mode> [use a mesh of sidecars, or set `mesh.limits: false` to do without]
error S-mesh-001 shop:12:50 services.mail.rate_limit: a mesh in mode ambient cannot enforce a rate limit <asks for a rate limit> <production:6:14 the mode> [use a mesh of sidecars, or set `mesh.limits: false` to do without]

"#]],
    );
    with(
        "{mode: sidecar}",
        str![[r#"
error S-mesh-002 production:6:14 mesh.mode: a mesh of sidecars needs istio-cni: without it each pod has an init container that is refused here [install istio-cni and set `mesh.cni: true`]

"#]],
    );
}
