//! What no file can break, and a program can: it changes what a stack composes to, and is told what is wrong with that,
//! at the service that the object is made for.

use serde_json::{Value, json};
use strata::check::summary::Summary;
use strata::check::{check_among, prove};
use strata::components::desired::{Desired, Resource};
use strata::load::{StackSource, YamlStack};
use strata::observe::{LiveNode, SURROUNDINGS_FORMAT, Surroundings, Unread};
use strata::report::findings::{closing, terminal};

use super::story::golden;
use super::{IMAGE, MAIL, changed};

/// The columns of the terminal that findings are shown on.
const WIDTH: usize = 100;
/// Two pods that are promised to answer, and the promise.
const PROMISED: (&str, &str) =
    ("mail: {tier: back, port: 9001, replicas: 2, critical: true}", "availability: 99.9%\nimage:");
const PLAIN: (&str, &str) = (MAIL, IMAGE);

/// What is found after a program has changed what the stack composes to; `good` is the stack's line about the mail
/// service, and what stands before the image in the environment.
#[track_caller]
fn program(name: &str, good: (&str, &str), change: impl FnOnce(&mut Desired)) {
    around(name, good, change, None);
}

#[track_caller]
fn around(name: &str, good: (&str, &str), change: impl FnOnce(&mut Desired), around: Option<&Surroundings>) {
    let story = changed((MAIL, good.0), (IMAGE, good.1));
    if good.1.contains("mesh:") || good.1.contains("monitoring:") {
        story.edit("environments/production.yaml", "nodes:", "provides: [istio, prometheus-operator]\n      nodes:");
    }
    let loaded = YamlStack("shop".to_owned()).load(story.path(), "production").unwrap();
    let before = prove(&loaded, "local", None);
    assert_eq!(before.findings, [], "the stack is good before it is changed");
    let mut desired = before.desired.unwrap();
    change(&mut desired);
    let findings = check_among(&loaded, Ok(&desired), around);
    let text =
        terminal(&findings, &loaded.sources(), WIDTH) + &closing(&Summary::of(&loaded, Some(&desired)), &findings);
    golden(&format!("proofs/{name}.txt"), anstream::adapter::strip_str(&text).to_string());
}

fn object<'a>(desired: &'a mut Desired, address: &str) -> &'a mut Resource {
    desired.resources.iter_mut().find(|resource| resource.address == address).unwrap()
}

fn spec<'a>(desired: &'a mut Desired, address: &str) -> &'a mut Value {
    &mut object(desired, address).manifest["spec"]
}

/// The template of the pods of the mail service.
fn pod(desired: &mut Desired) -> &mut Value {
    &mut spec(desired, "shop/mail/deployment")["template"]["spec"]
}

fn server(desired: &mut Desired) -> &mut Value {
    &mut pod(desired)["containers"][0]
}

fn remove(desired: &mut Desired, address: &str) {
    let before = desired.resources.len();
    desired.resources.retain(|resource| resource.address != address);
    assert_eq!(desired.resources.len() + 1, before, "{address}");
}

#[test]
fn pods_are_hardened() {
    program("privileged", PLAIN, |desired| server(desired)["securityContext"]["privileged"] = true.into());
    program("no-user", PLAIN, |desired| pod(desired)["securityContext"]["runAsUser"] = Value::Null);
    program("no-limits", PLAIN, |desired| server(desired)["resources"] = json!({"requests": {"cpu": "1"}}));
    program("no-probe", PLAIN, |desired| server(desired)["livenessProbe"] = Value::Null);
    program("writable-root", PLAIN, |desired| {
        server(desired)["securityContext"]["readOnlyRootFilesystem"] = false.into();
    });
}

#[test]
fn pods_can_be_evicted_one_at_a_time() {
    let two = ("mail: {tier: back, port: 9001, replicas: 2}", IMAGE);
    program("no-budget", two, |desired| remove(desired, "shop/mail/disruption-budget"));
    program("stuck-budget", two, |desired| {
        *spec(desired, "shop/mail/disruption-budget") =
            json!({"selector": {"matchLabels": {"app.kubernetes.io/name": "mail-mcp"}}, "minAvailable": "60%"});
    });
}

#[test]
fn promises_are_borne() {
    program("none-kept", PROMISED, |desired| {
        spec(desired, "shop/mail/disruption-budget")["maxUnavailable"] = "100%".into();
    });
    program("all-in-a-rollout", PROMISED, |desired| {
        spec(desired, "shop/mail/deployment")["strategy"] = json!({"type": "Recreate"});
    });
    program("unprobed", PROMISED, |desired| server(desired)["readinessProbe"] = Value::Null);
}

#[test]
fn nothing_goes_round_the_gateway() {
    program("node-port", PLAIN, |desired| spec(desired, "shop/mail/service")["type"] = "NodePort".into());
    let gateway =
        ("mail: {tier: back, port: 9001, gateway: {}}", "gateway: {host: shop.example, ingress_class: nginx}\nimage:");
    program("foreign-ingress", gateway, |desired| {
        object(desired, "shop/mail/ingress").service = Some("web".to_owned());
    });
}

#[test]
fn one_address_has_each_port_once() {
    program("shared-address", PLAIN, |desired| {
        for claim in &mut desired.claims.ports {
            claim.address_domain = "host/laptop".to_owned();
            claim.port = if claim.service == "mail" { 9000 } else { claim.port };
        }
    });
}

#[test]
fn what_is_declared_is_open() {
    program("edge-closed", PLAIN, |desired| spec(desired, "shop/cart/network-policy")["ingress"] = json!([]));
    program("dns-closed", PLAIN, |desired| {
        spec(desired, "shop/dns")["egress"][0]["ports"] = json!([{"port": 53}]);
    });
    let calls_out = ("mail: {tier: back, port: 9001, egress: [\"203.0.113.0/24:5432\"]}", IMAGE);
    program("way-out-closed", calls_out, |desired| {
        spec(desired, "shop/mail/network-policy")["egress"] = json!([]);
    });
    let gateway =
        ("mail: {tier: back, port: 9001, gateway: {}}", "gateway: {host: shop.example, ingress_class: nginx}\nimage:");
    program("gateway-closed", gateway, |desired| {
        spec(desired, "shop/mail/network-policy")["ingress"] = json!([]);
    });
    program("scrape-closed", (MAIL, "monitoring: {}\nimage:"), |desired| {
        spec(desired, "shop/mail/network-policy")["ingress"] = json!([]);
    });
}

#[test]
fn what_is_not_declared_is_closed() {
    program("not-isolated", PLAIN, |desired| pod(desired)["hostNetwork"] = true.into());
    program("own-policy-gone", PLAIN, |desired| remove(desired, "shop/mail/network-policy"));
    program("open-by-default", PLAIN, |desired| remove(desired, "shop/default-deny"));
}

#[test]
fn the_mesh_keeps_to_what_is_declared() {
    let meshed = (MAIL, "mesh: {mode: sidecar, cni: true}\nimage:");
    program("left-the-mesh", meshed, |desired| {
        let labels = &mut spec(desired, "shop/mail/deployment")["template"]["metadata"]["labels"];
        labels.as_object_mut().unwrap().retain(|label, _| !label.contains("istio.io"));
    });
    program("cut-off-from-the-mesh", meshed, |desired| {
        for resource in &mut desired.resources {
            let egress = resource.manifest["spec"].get_mut("egress").and_then(Value::as_array_mut);
            if let Some(rules) = egress {
                rules.retain(|rule| !rule.to_string().contains("istiod"));
            }
        }
    });
}

/// A cluster that does not let everybody see everything.
#[test]
fn what_cannot_be_read_is_said() {
    let figures = [("cpu", 8000), ("memory", 8 << 30), ("pods", 110)];
    let node = LiveNode {
        name: "one".to_owned(),
        allocatable: figures.map(|(resource, amount)| (resource.to_owned(), amount)).into(),
        ..LiveNode::default()
    };
    let unread = Unread {
        kind: "NetworkPolicy".to_owned(),
        namespace: "shop".to_owned(),
        reason: "networkpolicies.networking.k8s.io is forbidden".to_owned(),
    };
    let seen = Surroundings {
        format: SURROUNDINGS_FORMAT.to_owned(),
        nodes: vec![node],
        policies: Vec::new(),
        unread: vec![unread],
    };
    around("unread", PLAIN, |_| (), Some(&seen));
}
