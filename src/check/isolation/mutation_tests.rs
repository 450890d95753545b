//! Every policy of a stack, with every mode of the mesh: without any one of them the proof fails, and so it does when
//! any one of them is wider.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use serde_json::{Value, json};
use strata_components::desired::Desired;

use super::super::prove;
use super::super::tests::composed;
use super::check as isolation;
use super::tests::shipped;
use crate::load::Loaded;

/// A stack with all that policies are made for: callers, ways out of every kind, a gateway, and health on a port of its
/// own. Nobody depends on the gateway: its port is open in the clear, so that who is named there adds nothing.
const SHOP: &str = "stack: shop
namespace: shop
health_port: \"+100\"
tiers:
  back: {ports: 9000-9009, namespace: stock}
  front: {ports: 9010-9011}
services:
  cart: {tier: back, port: 9000, egress: [\"internet:443\", \"203.0.113.0/24:5432\"]}
  mail: {tier: back, port: 9001}
  web: {tier: front, port: 9010, depends_on: [cart], gateway: {}, egress: [kube-api]}
  shop_window: {tier: front, port: 9011, depends_on: [cart, mail]}
";
const PRODUCTION: &str = "environment: production
clusters: {local: {embedded: {}}}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
gateway: {host: shop.example, ingress_class: nginx}
monitoring: {}
network: {kube_api: [192.0.2.0/24:6443]}
";
const KINDS: [&str; 3] = ["NetworkPolicy", "PeerAuthentication", "AuthorizationPolicy"];

/// A change of a policy that lets more through, and what it is.
type Wider = (String, Value);

/// What can be done to a rule of a NetworkPolicy.
fn wider_rules(manifest: &Value) -> Vec<Wider> {
    let everywhere = [
        json!([]),
        json!([{"podSelector": {}, "namespaceSelector": {}}]),
        json!([{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]),
        json!([{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}}]),
        json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
        json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}]),
        json!([{"ipBlock": {"cidr": "169.254.0.0/16"}}]),
    ];
    let mut wider = Vec::new();
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for at in 0..manifest["spec"][rules].as_array().map_or(0, Vec::len) {
            let mut with = |what: &str, change: &dyn Fn(&mut Value)| {
                let mut changed = manifest.clone();
                change(&mut changed["spec"][rules][at]);
                if changed != *manifest {
                    wider.push((format!("rule {} of {rules}: {what}", at + 1), changed));
                }
            };
            with("every port", &|rule| drop(rule.as_object_mut().unwrap().remove("ports")));
            with("a range of ports", &|rule| rule["ports"] = json!([{"port": 1, "endPort": 65535}]));
            with("one port more", &|rule| rule["ports"].as_array_mut().unwrap().push(json!({"port": 22})));
            with("by UDP too", &|rule| rule["ports"].as_array_mut().unwrap().push(json!({"protocol": "UDP"})));
            with("everybody", &|rule| drop(rule.as_object_mut().unwrap().remove(peers)));
            for more in &everywhere {
                with(&format!("{more} too"), &|rule| {
                    let own = rule[peers].as_array().cloned().unwrap_or_default();
                    let more = more.as_array().unwrap();
                    rule[peers] = if more.is_empty() { json!([]) } else { [own.as_slice(), more].concat().into() };
                });
            }
            for peer in 0..manifest["spec"][rules][at][peers].as_array().map_or(0, Vec::len) {
                with("no exceptions", &|rule| {
                    let block = rule[peers][peer].get_mut("ipBlock").and_then(Value::as_object_mut);
                    block.map(|block| block.remove("except"));
                });
                for selector in ["podSelector", "namespaceSelector"] {
                    with(&format!("any {selector}"), &|rule| {
                        if rule[peers][peer].get(selector).is_some() {
                            rule[peers][peer][selector] = json!({});
                        }
                    });
                }
            }
        }
    }
    wider
}

fn wider_network_policies(manifest: &Value) -> Vec<Wider> {
    let mut wider = wider_rules(manifest);
    let mut with = |what: &str, field: &str, value: Value| {
        let mut changed = manifest.clone();
        changed["spec"][field] = value;
        if changed != *manifest {
            wider.push((what.to_owned(), changed));
        }
    };
    if ["ingress", "egress"].iter().any(|rules| manifest["spec"][rules].is_array()) {
        with("for every pod", "podSelector", json!({}));
    }
    with("for what comes in alone", "policyTypes", json!(["Ingress"]));
    with("for what goes out alone", "policyTypes", json!(["Egress"]));
    wider
}

fn wider_authentications(manifest: &Value) -> Vec<Wider> {
    let mut wider = Vec::new();
    for mode in ["PERMISSIVE", "DISABLE"] {
        let mut changed = manifest.clone();
        changed["spec"]["mtls"]["mode"] = mode.into();
        wider.push((mode.to_owned(), changed));
        if manifest["spec"].get("selector").is_some() {
            let mut changed = manifest.clone();
            changed["spec"]["portLevelMtls"]["22"] = json!({"mode": mode});
            wider.push((format!("{mode} on one port more"), changed));
        }
    }
    wider
}

fn wider_authorizations(manifest: &Value) -> Vec<Wider> {
    let mut wider = Vec::new();
    let mut with = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = manifest.clone();
        change(&mut changed["spec"]);
        if changed != *manifest {
            wider.push((what.to_owned(), changed));
        }
    };
    with("an audit", &|spec| spec["action"] = "AUDIT".into());
    with("everything", &|spec| spec["rules"] = json!([{}]));
    with("everything to one", &|spec| {
        spec["rules"] = json!([{"from": [{"source": {"principals": ["cluster.local/ns/ops/sa/cron"]}}]}]);
    });
    let count = manifest["spec"]["rules"].as_array().map_or(0, Vec::len);
    if count > 0 {
        with("for every pod", &|spec| drop(spec.as_object_mut().unwrap().remove("selector")));
    }
    for at in 0..count {
        let sources = [
            json!({"principals": ["*"]}),
            json!({"principals": ["cluster.local/ns/ops/sa/cron"]}),
            json!({"principals": ["cluster.local/ns/shop/sa/*"]}),
            json!({"principals": ["*/sa/mail-mcp"]}),
            json!({"namespaces": ["shop"]}),
            json!({"notPrincipals": ["cluster.local/ns/shop/sa/mail-mcp"]}),
        ];
        with("every port", &|spec| drop(spec["rules"][at].as_object_mut().unwrap().remove("to")));
        with("one port more", &|spec| {
            spec["rules"][at]["to"].as_array_mut().unwrap().push(json!({"operation": {"ports": ["22"]}}));
        });
        with("all but one port", &|spec| spec["rules"][at]["to"] = json!([{"operation": {"notPorts": ["22"]}}]));
        if manifest["spec"]["rules"][at].get("from").is_none() {
            continue;
        }
        with("anybody", &|spec| drop(spec["rules"][at].as_object_mut().unwrap().remove("from")));
        for source in &sources {
            with(&format!("{source} too"), &|spec| {
                spec["rules"][at]["from"].as_array_mut().unwrap().push(json!({"source": source}));
            });
        }
    }
    wider
}

/// Takes away each policy, and widens each in every way; the proof fails each time. Returns how many policies and how
/// many changes there were.
fn every_change_is_found(loaded: &Loaded, desired: &Desired, widened: bool) -> (usize, usize) {
    assert_eq!(isolation(desired, loaded, &[]), [], "the proof holds as it stands");
    let of_kind = |at: &usize| KINDS.contains(&desired.resources[*at].id.kind.kind.as_str());
    let policies: Vec<usize> = (0..desired.resources.len()).filter(of_kind).collect();
    let mut changed = desired.clone();
    let (mut changes, mut missed) = (0, Vec::new());
    for at in &policies {
        let resource = &desired.resources[*at];
        let manifest = &resource.manifest;
        let wider = match resource.id.kind.kind.as_str() {
            "NetworkPolicy" => wider_network_policies(manifest),
            "PeerAuthentication" => wider_authentications(manifest),
            _ => wider_authorizations(manifest),
        };
        let gone = ("taken away".to_owned(), Value::Null);
        for (what, instead) in std::iter::once(gone).chain(wider.into_iter().filter(|_| widened)) {
            changed.resources[*at].manifest = instead;
            if isolation(&changed, loaded, &[]).is_empty() {
                missed.push(format!("{}: {what}", resource.id));
            }
            changes += 1;
        }
        changed.resources[*at].manifest = manifest.clone();
    }
    assert_eq!(missed, Vec::<String>::new(), "changes that are not found");
    (policies.len(), changes)
}

/// The small stack in an environment with this mesh.
#[track_caller]
fn check(mesh: &str, expect: (usize, usize)) {
    let (loaded, desired) = composed(SHOP, &format!("{PRODUCTION}{mesh}\n"));
    assert_eq!(every_change_is_found(&loaded, &desired, true), expect, "policies and changes");
}

#[test]
fn without_any_one_policy_or_with_a_wider_one_the_proof_fails() {
    check("", (8, 233));
    check("mesh: {mode: ambient}", (18, 362));
    check("mesh: {mode: sidecar, cni: true}", (20, 346));
}

#[test]
fn every_policy_of_the_fleet_is_needed() {
    for (stack, environment) in [("sophia", "testing"), ("sophia", "production"), ("intelligence", "production")] {
        let (loaded, desired) = shipped(stack, environment);
        let (policies, _) = every_change_is_found(&loaded, &desired, false);
        assert!(policies > desired.claims.compute.len(), "each service has a policy, and the namespace its own");
    }
}

/// A pod outside the mesh is beyond the mesh's policies, which is found before they are asked.
#[test]
fn who_leaves_the_mesh_is_found() {
    for (mesh, kind, pointer) in [
        ("mesh: {mode: ambient}", "Namespace", "/metadata/labels"),
        ("mesh: {mode: sidecar, cni: true}", "Deployment", "/spec/template/metadata/labels"),
    ] {
        let (loaded, mut desired) = composed(SHOP, &format!("{PRODUCTION}{mesh}\n"));
        let found = desired.resources.iter_mut().find(|resource| resource.id.kind.kind == kind).unwrap();
        let labels = found.manifest.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        labels.retain(|label, _| !label.contains("istio.io"));
        let rules: Vec<_> = isolation(&desired, &loaded, &[]).iter().map(|finding| finding.rule.clone()).collect();
        assert!(rules.iter().any(|rule| rule == "S-reach-014"), "{mesh}: {rules:?}");
    }
    let (loaded, desired) = composed(SHOP, PRODUCTION);
    assert!(prove(&loaded, "local", None).desired == Some(desired), "without a mesh there is none to leave");
}
