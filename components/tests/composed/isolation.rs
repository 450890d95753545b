//! What the policies open: read back from policies and labels alone, and compared with what the files declare.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use strata_components::compose::compose_among;
use strata_components::desired::{Desired, Resource};
use strata_components::model::{Environment, Stack};

use crate::fleet::{ENVIRONMENTS, composed, environment, sophia};

/// A connection, as `from -> to:port`.
type Open = BTreeSet<String>;

fn of_kind<'a>(desired: &'a Desired, kind: &str) -> impl Iterator<Item = &'a Resource> {
    desired.resources.iter().filter(move |resource| resource.id.kind.kind == kind)
}

/// Whether a selector matches labels; an absent one matches nothing here, an empty one everything.
fn matches(selector: Option<&Value>, labels: &Value) -> bool {
    let Some(selector) = selector else { return false };
    assert!(selector.get("matchExpressions").is_none());
    selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a peer of a policy in `namespace` names pods with these labels in `pods_namespace`.
fn names(peer: &Value, namespace: &str, labels: &Value, pods_namespace: &str) -> bool {
    let in_namespace = match peer.get("namespaceSelector") {
        Some(selector) => selector["matchLabels"]["kubernetes.io/metadata.name"] == pods_namespace,
        None => namespace == pods_namespace,
    };
    in_namespace && matches(peer.get("podSelector"), labels)
}

/// The pods of a Deployment, and the rules of the policies that select them; no list where none does.
struct Pods<'a> {
    deployment: &'a Resource,
    labels: &'a Value,
    namespace: &'a str,
    ingress: Option<Vec<&'a Value>>,
    egress: Option<Vec<&'a Value>>,
}

impl<'a> Pods<'a> {
    fn new(deployment: &'a Resource, policies: &[&'a Resource]) -> Self {
        let labels = &deployment.manifest["spec"]["template"]["metadata"]["labels"];
        let namespace = deployment.id.namespace.as_deref().unwrap();
        let specs = policies.iter().filter(|policy| policy.id.namespace.as_deref() == Some(namespace));
        let specs: Vec<_> = specs.map(|policy| &policy.manifest["spec"]).collect();
        let rules = |direction: &str, list: &str| {
            let selecting: Vec<_> = specs
                .iter()
                .filter(|spec| spec["policyTypes"].as_array().unwrap().iter().any(|one| one == direction))
                .filter(|spec| matches(spec.get("podSelector"), labels))
                .collect();
            let rules = selecting.iter().flat_map(|spec| spec[list].as_array().into_iter().flatten());
            (!selecting.is_empty()).then(|| rules.collect())
        };
        let (ingress, egress) = (rules("Ingress", "ingress"), rules("Egress", "egress"));
        Self { deployment, labels, namespace, ingress, egress }
    }

    /// Whether rules of these pods let through what is exchanged with others on a port.
    fn allows(&self, rules: Option<&Vec<&Value>>, side: &str, other: &Self, port: &Value) -> bool {
        let Some(rules) = rules else { return true };
        rules.iter().any(|rule| {
            let listed = |peer: &Value| names(peer, self.namespace, other.labels, other.namespace);
            let to_port = |one: &Value| one["port"] == *port && one["protocol"] == "TCP";
            rule["ports"].as_array().unwrap().iter().any(to_port) && rule[side].as_array().unwrap().iter().any(listed)
        })
    }
}

/// Every connection between pods of the fleet that policies let through, on every port that is served.
fn open(desired: &[&Desired]) -> Open {
    let all = |kind: &'static str| desired.iter().flat_map(move |one| of_kind(one, kind)).collect::<Vec<_>>();
    let policies = all("NetworkPolicy");
    let pods: Vec<_> = all("Deployment").into_iter().map(|deployment| Pods::new(deployment, &policies)).collect();
    let mut found = Open::new();
    for from in &pods {
        for to in &pods {
            let container = &to.deployment.manifest["spec"]["template"]["spec"]["containers"][0];
            for port in container["ports"].as_array().unwrap().iter().map(|port| &port["containerPort"]) {
                let out = from.allows(from.egress.as_ref(), "to", to, port);
                if out && to.allows(to.ingress.as_ref(), "from", from, port) {
                    found.insert(format!("{} -> {}:{port}", name(from.deployment), name(to.deployment)));
                }
            }
        }
    }
    found
}

fn name(deployment: &Resource) -> String {
    deployment.address.trim_end_matches("/deployment").to_owned()
}

/// The connections that are declared, by the claims of the stacks.
fn declared(desired: &[&Desired]) -> Open {
    let full = |stack: &str, service: &str| {
        if service.contains('/') { service.to_owned() } else { format!("{stack}/{service}") }
    };
    let ports: BTreeMap<String, u16> = desired
        .iter()
        .flat_map(|one| one.claims.ports.iter().map(|claim| (full(&one.instance.stack, &claim.service), claim)))
        .filter(|(_, claim)| serde_json::to_value(claim.purpose).unwrap() == "protocol")
        .map(|(name, claim)| (name, claim.port))
        .collect();
    let edges = desired.iter().flat_map(|one| one.claims.edges.iter().map(|edge| (&one.instance.stack, edge)));
    edges
        .map(|(stack, edge)| {
            let (from, to) = (full(stack, &edge.from), full(stack, &edge.to));
            format!("{from} -> {to}:{}", ports[&to])
        })
        .collect()
}

/// Asserts that what is open is what is declared.
#[track_caller]
pub(crate) fn check(desired: &[&Desired]) {
    assert_eq!(open(desired), declared(desired));
}

#[test]
fn what_is_declared_is_open_and_nothing_else() {
    for name in ENVIRONMENTS {
        let desired = composed(name);
        assert_eq!(declared(&[&desired]).len(), 26, "{name}");
        check(&[&desired]);
    }
}

/// Takes away one policy after the other: each of them matters.
#[test]
fn without_any_one_policy_something_is_wrong() {
    let whole = composed("development");
    let policies: Vec<_> = of_kind(&whole, "NetworkPolicy").map(|policy| policy.address.clone()).collect();
    assert_eq!(policies.len(), 37);
    for address in policies.iter().filter(|address| !["sophia/default-deny", "sophia/dns"].contains(&address.as_str()))
    {
        let mut less = whole.clone();
        less.resources.retain(|resource| resource.address != *address);
        // The pods are still closed by the default; what they declare is closed with it.
        let calls = declared(&[&whole]).iter().any(|edge| edge.contains(address.trim_end_matches("/network-policy")));
        assert_eq!(open(&[&less]) != declared(&[&less]), calls, "{address}");
    }
    let mut less = whole.clone();
    let gone = ["sophia/default-deny", "sophia/dns", "sophia/gong/network-policy", "sophia/slack/network-policy"];
    less.resources.retain(|resource| !gone.contains(&resource.address.as_str()));
    assert!(open(&[&less]).contains("sophia/gong -> sophia/slack:9222"));
}

fn policy<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest["spec"]
}

#[test]
fn names_are_asked_for_over_both_protocols() {
    let desired = composed("production");
    let kube_dns = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    });
    let ports = json!([{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]);
    assert_eq!(
        *policy(&desired, "sophia/dns"),
        json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [kube_dns], "ports": ports}]})
    );
    assert_eq!(
        *policy(&desired, "sophia/default-deny"),
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    );
}

#[test]
fn the_ways_out_leave_out_what_is_not_public() {
    let desired = composed("production");
    let rules = &policy(&desired, "sophia/gong/network-policy")["egress"];
    let outside = rules.as_array().unwrap().last().unwrap();
    assert_eq!(outside["ports"], json!([{"port": 443, "protocol": "TCP"}]));
    let [four, six] = outside["to"].as_array().unwrap().as_slice() else { panic!("{outside}") };
    assert_eq!((&four["ipBlock"]["cidr"], &six["ipBlock"]), (&json!("0.0.0.0/0"), &json!({"cidr": "2000::/3"})));
    let except: Vec<_> =
        four["ipBlock"]["except"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for reserved in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"]
    {
        assert!(except.contains(&reserved), "{reserved} is open");
    }
    let ops = &policy(&desired, "sophia/kubernetes_ops/network-policy")["egress"];
    let api = ops.as_array().unwrap().last().unwrap();
    let to = json!([{"ipBlock": {"cidr": "10.148.0.0/16"}}]);
    assert_eq!(*api, json!({"to": to, "ports": [{"port": 6443, "protocol": "TCP"}]}));
    // A service that declares no way out has none.
    let closed = &policy(&desired, "sophia/redis_cache/network-policy");
    assert_eq!(closed.get("egress"), None);
}

#[test]
fn the_gateway_alone_takes_traffic_from_the_ingress_controller() {
    for name in ENVIRONMENTS {
        let desired = composed(name);
        let text = "app.kubernetes.io/name\":\"traefik";
        let open: Vec<_> = of_kind(&desired, "NetworkPolicy")
            .filter(|policy| policy.manifest.to_string().contains(text))
            .map(|policy| policy.address.as_str())
            .collect();
        let expected: &[&str] = if name == "testing" { &[] } else { &["sophia/mcp_orchestrator/network-policy"] };
        assert_eq!(open, expected, "{name}");
    }
}

fn stack(value: Value) -> Stack {
    serde_json::from_value(value).unwrap()
}

#[test]
fn stacks_reach_each_other_over_what_is_declared() {
    let here: Environment = serde_json::from_value(json!({
        "environment": "staging", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "image": {"registry": "registry.example", "tag": "1"}, "port_offset": 100, "namespaces": {"stores": "stores-staging"},
    }))
    .unwrap();
    let stores = stack(json!({
        "stack": "stores", "namespace": "stores", "tiers": {"all": {"ports": "9000-9009"}},
        "services": {"cache": {"tier": "all", "port": 9000}, "files": {"tier": "all", "port": 9001}},
    }));
    let shop = stack(json!({
        "stack": "shop", "namespace": "shop",
        "tiers": {"all": {"ports": "9010-9019"}, "late": {"ports": "9020-9029", "depends_on": ["stores/files"]}},
        "services": {
            "cart": {"tier": "all", "port": 9010, "depends_on": ["stores/cache"]}, "mail": {"tier": "late", "port": 9020},
        },
    }));
    let one = compose_among(&stores, &here, "local", None, &[&shop]).unwrap();
    let other = compose_among(&shop, &here, "local", None, &[&stores]).unwrap();
    check(&[&one, &other]);
    let expected = ["shop/cart -> stores/cache:9100", "shop/mail -> stores/files:9101"];
    assert_eq!(open(&[&one, &other]), expected.map(str::to_owned).into());

    let error = compose_among(&shop, &here, "local", None, &[]).unwrap_err();
    let paths: Vec<_> = error.problems.iter().map(|problem| problem.path().unwrap()).collect();
    assert_eq!(paths, ["services.cart.depends_on", "services.mail.depends_on"]);
}

#[test]
fn the_api_server_must_be_somewhere() {
    let mut nowhere = environment("production");
    nowhere.network.kube_api.clear();
    let error = compose_among(&sophia(), &nowhere, "local", None, &[]).unwrap_err();
    assert_eq!(
        error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["kubernetes_ops connects to kube-api, and the environment does not say where that is reached"]
    );
}
