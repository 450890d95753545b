//! The evaluator against an oracle that asks, for one connection at a time, what the definition of policies says, and
//! networks written by hand.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::strangers::invite;
use super::*;

const PODS: [(&str, &str); 5] =
    [("shop", "cart"), ("shop", "web"), ("shop", "mail"), ("ops", "cart"), ("ops", "scraper")];

fn workload(namespace: &str, app: &str, host_network: bool) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app, "namespace": namespace},
        "spec": {"template": {
            "metadata": {"labels": {"app": app, "in": namespace}},
            "spec": {"hostNetwork": host_network, "containers": [{"name": "server", "ports": [
                {"name": "http", "containerPort": 80},
                {"name": if app == "web" { "other" } else { "metrics" }, "containerPort": 90},
                {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            ]}]},
        }},
    })
}

fn namespaces() -> [Value; 2] {
    ["shop", "ops"].map(
        |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name}}}),
    )
}

fn policy(name: &str, namespace: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

// The oracle: no sets, no indexes, one connection at a time, straight from the JSON.

fn matches(selector: &Value, labels: &Labels) -> bool {
    let plain = selector["matchLabels"].as_object().into_iter().flatten();
    let mut plain = plain.map(|(key, value)| labels.get(key).map(String::as_str) == value.as_str());
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|one| {
        let value = labels.get(one["key"].as_str().unwrap());
        let listed =
            one["values"].as_array().is_some_and(|list| list.iter().any(|v| v.as_str() == value.map(String::as_str)));
        match one["operator"].as_str().unwrap() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    });
    plain.all(|holds| holds) && expressions.all(|holds| holds)
}

/// One end of a connection: pods, by namespace and application, or an address.
#[derive(Clone, Copy)]
enum Other<'a> {
    Pods(&'a str, &'a str),
    Address(std::net::Ipv4Addr),
}

fn labels(namespace: &str, app: &str) -> Labels {
    [("app", app), ("in", namespace)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn in_block(block: &Value, address: std::net::Ipv4Addr) -> bool {
    let within = |cidr: &str| {
        let (first, bits) = cidr.split_once('/').unwrap();
        let bits: u32 = bits.parse().unwrap();
        let first: std::net::Ipv4Addr = first.parse().unwrap();
        bits == 0 || u32::from(first) >> (32 - bits) == u32::from(address) >> (32 - bits)
    };
    let except = block["except"].as_array().into_iter().flatten();
    within(block["cidr"].as_str().unwrap()) && !except.map(|one| one.as_str().unwrap()).any(within)
}

fn peer_fits(peer: &Value, own_namespace: &str, end: Other<'_>) -> bool {
    match (peer.get("ipBlock"), end) {
        (Some(block), Other::Address(address)) => in_block(block, address),
        (None, Other::Pods(namespace, app)) => {
            let namespace_fits = peer.get("namespaceSelector").map_or(namespace == own_namespace, |selector| {
                let mut of_namespace = Labels::from([("team".to_owned(), namespace.to_owned())]);
                of_namespace.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
                matches(selector, &of_namespace)
            });
            namespace_fits && peer.get("podSelector").is_none_or(|selector| matches(selector, &labels(namespace, app)))
        }
        _ => false,
    }
}

fn port_fits(rule: &Value, protocol: &str, port: u16, server: Other<'_>) -> bool {
    let Some(ports) = rule["ports"].as_array().filter(|ports| !ports.is_empty()) else { return true };
    ports.iter().any(|one| {
        let number = match &one["port"] {
            Value::Null => return one["protocol"].as_str().unwrap_or("TCP") == protocol,
            Value::String(name) => match (server, name.as_str()) {
                (Other::Pods(..), "http") => Some(("TCP", 80)),
                (Other::Pods(_, app), "metrics") => (app != "web").then_some(("TCP", 90)),
                (Other::Pods(_, app), "other") => (app == "web").then_some(("TCP", 90)),
                (Other::Pods(..), "dns") => Some(("UDP", 53)),
                _ => None,
            },
            number => {
                let (first, last) =
                    (number.as_u64().unwrap(), one["endPort"].as_u64().unwrap_or(number.as_u64().unwrap()));
                return one["protocol"].as_str().unwrap_or("TCP") == protocol && (first..=last).contains(&port.into());
            }
        };
        let wanted = one["protocol"].as_str().unwrap_or("TCP");
        number == Some((protocol, port)) && wanted == protocol
    })
}

/// Whether the policies of one direction let `own` talk to `other`; `server` is the end that is connected to.
fn lets(
    policies: &[(&str, Value)],
    ingress: bool,
    own: (&str, &str),
    other: Other<'_>,
    protocol: &str,
    port: u16,
) -> bool {
    let (direction, rules, peers) = if ingress { ("Ingress", "ingress", "from") } else { ("Egress", "egress", "to") };
    let server = if ingress { Other::Pods(own.0, own.1) } else { other };
    let mut isolated = false;
    for (namespace, spec) in policies {
        let speaks = match spec["policyTypes"].as_array().filter(|types| !types.is_empty()) {
            Some(types) => types.iter().any(|one| one == direction),
            None => ingress || spec["egress"].as_array().is_some_and(|rules| !rules.is_empty()),
        };
        if !speaks || *namespace != own.0 || !matches(&spec["podSelector"], &labels(own.0, own.1)) {
            continue;
        }
        isolated = true;
        for rule in spec[rules].as_array().into_iter().flatten() {
            let peer = match rule[peers].as_array().filter(|list| !list.is_empty()) {
                None => true,
                Some(list) => list.iter().any(|peer| peer_fits(peer, namespace, other)),
            };
            if peer && port_fits(rule, protocol, port, server) {
                return true;
            }
        }
    }
    !isolated
}

// Policies at random.

fn selector() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["app", "in", "team", NAMESPACE_NAME]);
    let values = prop::sample::subsequence(vec!["cart", "web", "mail", "scraper", "shop", "ops"], 0..3);
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression = (key.clone(), operator, values)
        .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values}));
    let plain = (key, prop::sample::select(vec!["cart", "web", "shop", "ops"]));
    prop_oneof![
        2 => Just(json!({})),
        3 => plain.prop_map(|(key, value)| json!({"matchLabels": {key: value}})),
        2 => prop::collection::vec(expression, 1..3).prop_map(|list| json!({"matchExpressions": list})),
    ]
}

fn peer() -> impl Strategy<Value = Value> {
    let block = prop::sample::select(vec![
        json!({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "192.0.2.0/24"]}),
        json!({"cidr": "203.0.113.0/24"}),
        json!({"cidr": "10.1.0.0/16", "except": ["10.1.2.0/24"]}),
    ]);
    prop_oneof![
        2 => selector().prop_map(|pods| json!({"podSelector": pods})),
        2 => selector().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        2 => (selector(), selector()).prop_map(|(namespaces, pods)| json!({"namespaceSelector": namespaces, "podSelector": pods})),
        1 => block.prop_map(|block| json!({"ipBlock": block})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    let protocol = prop::sample::select(vec!["TCP", "UDP"]);
    prop_oneof![
        1 => protocol.clone().prop_map(|protocol| json!({"protocol": protocol})),
        2 => prop::sample::select(vec!["http", "metrics", "other", "nothing"]).prop_map(|name| json!({"port": name})),
        1 => Just(json!({"port": "dns", "protocol": "UDP"})),
        2 => (prop::sample::select(vec![53, 80, 85, 90]), protocol).prop_map(|(port, protocol)| json!({"port": port, "protocol": protocol})),
        2 => (50_u16..95, 0_u16..20).prop_map(|(first, more)| json!({"port": first, "endPort": first + more})),
    ]
}

fn rules(peers: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let rule =
        (prop::option::of(prop::collection::vec(peer(), 0..3)), prop::option::of(prop::collection::vec(port(), 0..3)));
    let rule = rule.prop_map(move |(list, ports)| {
        let mut rule = json!({});
        if let Some(list) = list {
            rule[peers] = list.into();
        }
        if let Some(ports) = ports {
            rule["ports"] = ports.into();
        }
        rule
    });
    prop::collection::vec(rule, 0..3)
}

fn spec() -> impl Strategy<Value = (&'static str, Value)> {
    let types = prop::option::of(prop::sample::subsequence(vec!["Ingress", "Egress"], 0..=2));
    let parts = (
        prop::sample::select(vec!["shop", "ops"]),
        selector(),
        prop::option::of(rules("from")),
        prop::option::of(rules("to")),
        types,
    );
    parts.prop_map(|(namespace, pods, ingress, egress, types)| {
        let mut spec = json!({"podSelector": pods});
        for (key, value) in [("ingress", ingress), ("egress", egress)] {
            if let Some(rules) = value {
                spec[key] = rules.into();
            }
        }
        if let Some(types) = types {
            spec["policyTypes"] = types.into();
        }
        (namespace, spec)
    })
}

fn network(policies: &[(&str, Value)]) -> Network {
    let objects = policies.iter().enumerate().map(|(at, (namespace, spec))| policy(&format!("p{at}"), namespace, spec));
    let pods = PODS.iter().map(|(namespace, app)| workload(namespace, app, false));
    let objects: Vec<Value> = namespaces().into_iter().chain(pods).chain(objects).collect();
    Network::of(&objects)
}

const ASKED: [u16; 9] = [1, 50, 53, 79, 80, 85, 90, 95, 65535];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_connection_is_as_the_definition_says(policies in prop::collection::vec(spec(), 0..5)) {
        let network = network(&policies);
        let reach = Reach::of(&network);
        for (from, source) in PODS.iter().enumerate() {
            for (to, server) in PODS.iter().enumerate() {
                let found = reach.certain(from, to);
                for (name, protocol) in [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp)] {
                    for port in ASKED {
                        let out = lets(&policies, false, *source, Other::Pods(server.0, server.1), name, port);
                        let into = lets(&policies, true, *server, Other::Pods(source.0, source.1), name, port);
                        let open = found.contains(protocol, port);
                        prop_assert_eq!(open, out && into, "{:?} to {:?} on {} {}", source, server, name, port);
                    }
                }
                let possible = reach.possible(from, to);
                prop_assert!(found.without(&possible).is_empty(), "what is certain is possible");
                let why = explain(&reach, End::Pods(from), End::Pods(to)).unwrap();
                prop_assert_eq!((&why.open, &why.perhaps), (&found, &possible.without(&found)));
            }
        }
        // What is listed is just what is possible, and nothing twice.
        let pairs = reach.pairs();
        for from in 0..PODS.len() {
            for to in 0..PODS.len() {
                let listed: Vec<&Pair> = pairs.iter().filter(|pair| pair.from == from && pair.to == to).collect();
                let possible = reach.possible(from, to);
                prop_assert_eq!(listed.len(), usize::from(!possible.is_empty()));
                prop_assert!(listed.iter().all(|pair| pair.possible == possible));
            }
        }
    }

    #[test]
    fn addresses_are_as_the_definition_says(policies in prop::collection::vec(spec(), 0..5)) {
        let network = network(&policies);
        let reach = Reach::of(&network);
        for (at, own) in PODS.iter().enumerate() {
            for address in ["8.8.8.8", "203.0.113.9", "192.0.2.1", "10.1.2.3", "10.1.3.3"] {
                let ip: std::net::Ipv4Addr = address.parse().unwrap();
                for (ingress, side) in [(true, reach.incoming(at).unwrap()), (false, reach.outgoing(at).unwrap())] {
                    for port in ASKED {
                        let expect = lets(&policies, ingress, *own, Other::Address(ip), "TCP", port);
                        let mut open = side.addresses().filter(|(block, _)| block.contains(ip.into()));
                        let found = open.any(|(_, ports)| ports.contains(Protocol::Tcp, port));
                        prop_assert_eq!(found, expect, "{:?} {} {} ingress {}", own, address, port, ingress);
                        let (pods, ip) = (End::Pods(at), End::Address(ip.into()));
                        let (from, to) = if ingress { (ip, pods) } else { (pods, ip) };
                        prop_assert_eq!(explain(&reach, from, to).unwrap().open.contains(Protocol::Tcp, port), expect);
                    }
                }
            }
        }
    }
}

// By hand.

/// The ports that are certainly and possibly open from the first to the second pods of [`PODS`].
#[track_caller]
fn check(policies: &[(&str, Value)], expect: &str) {
    let network = network(policies);
    let reach = Reach::of(&network);
    let (certain, possible) = (reach.certain(0, 1), reach.possible(0, 1));
    let found = if certain == possible { certain.to_string() } else { format!("{certain}; perhaps {possible}") };
    assert_eq!(found, expect);
}

#[test]
fn policy_types_default_as_the_server_does_it() {
    check(&[], "every port");
    check(&[("shop", json!({"podSelector": {}}))], "no port");
    // Without a type and without egress rules, egress stays free.
    check(&[("shop", json!({"podSelector": {"matchLabels": {"app": "cart"}}, "egress": []}))], "every port");
    check(
        &[("shop", json!({"podSelector": {"matchLabels": {"app": "cart"}}, "egress": [{"ports": [{"port": 1}]}]}))],
        "TCP 1",
    );
    check(&[("shop", json!({"podSelector": {}, "policyTypes": ["Egress"]}))], "no port");
    check(&[("shop", json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}))], "every port");
    check(&[("ops", json!({"podSelector": {}}))], "every port");
}

#[test]
fn ports_are_those_of_the_server() {
    let into =
        |ports: Value| ("shop", json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": ports}]}));
    check(&[into(json!([{"port": "http"}, {"port": "metrics"}]))], "TCP 80");
    check(&[into(json!([{"port": "other"}, {"port": "dns"}]))], "TCP 90");
    check(
        &[into(json!([{"port": "dns", "protocol": "UDP"}, {"port": 9000, "endPort": 9009}]))],
        "TCP 9000-9009, UDP 53",
    );
    check(&[into(json!([{"protocol": "SCTP"}]))], "every SCTP port");
    let out =
        |ports: Value| ("shop", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": ports}]}));
    check(&[out(json!([{"port": "other"}, {"port": "metrics"}]))], "TCP 90");
    check(&[out(json!([{"port": 70, "endPort": 90}])), into(json!([{"port": 80, "endPort": 95}]))], "TCP 80-90");
}

#[test]
fn a_block_of_addresses_may_hold_pods() {
    let out = |cidr: &str| {
        let rules = json!([{"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": 80}]}]);
        ("shop", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rules}))
    };
    check(&[out("0.0.0.0/0")], "no port; perhaps TCP 80");
    check(&[out("10.42.0.0/16")], "no port; perhaps TCP 80");
    check(&[out("203.0.113.0/24")], "no port");
}

#[test]
fn pods_on_the_network_of_their_node_are_beyond_policies() {
    let closed = policy("closed", "shop", &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    let objects = [workload("shop", "cart", true), workload("shop", "web", false), closed];
    let network = Network::of(&objects);
    let reach = Reach::of(&network);
    assert_eq!(
        (reach.certain(0, 1).to_string(), reach.possible(0, 1).to_string()),
        ("no port".into(), "every port".into())
    );
    assert_eq!(reach.pairs().len(), 3, "the closed pods do not reach themselves");
}

#[test]
fn a_service_leads_to_the_ports_of_its_pods() {
    let service = |target: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "web", "port": 443, "targetPort": target}]},
        })
    };
    for (target, expect) in
        [(json!("http"), Some(80)), (json!(8080), Some(8080)), (Value::Null, Some(443)), (json!("metrics"), None)]
    {
        let objects = [workload("shop", "web", false), workload("ops", "web", false), service(target)];
        let network = Network::of(&objects);
        let reach = Reach::of(&network);
        assert_eq!(reach.behind("shop", "web", "web"), [(0, expect)]);
        assert_eq!(reach.behind("shop", "web", "443"), [(0, expect)]);
        assert_eq!(reach.behind("ops", "web", "web"), []);
    }
}

/// Which strangers reach the pods of a policy's rules.
#[track_caller]
fn strangers_reach(from: Value, expect: &[&str]) {
    let spec = json!({"podSelector": {}, "ingress": [{"from": from, "ports": [{"port": 80}]}]});
    let mut network = network(&[("shop", spec)]);
    let own: BTreeSet<String> = ["shop".to_owned()].into();
    let invited = invite(&mut network, &own);
    let reach = Reach::of(&network);
    let let_in = invited.iter().filter(|at| !reach.possible(**at, 0).is_empty());
    let found: Vec<&str> = let_in.map(|at| network.pods[*at].name.as_str()).collect();
    assert_eq!(found, expect);
}

#[test]
fn strangers_are_made_to_fit() {
    strangers_reach(json!([{"podSelector": {}}]), &[]);
    strangers_reach(json!([]), &["any pod of another namespace"]);
    let named = |name: &str| json!({"matchLabels": {NAMESPACE_NAME: name}});
    strangers_reach(json!([{"namespaceSelector": named("shop")}]), &[]);
    strangers_reach(
        json!([{"namespaceSelector": named("kube-system"), "podSelector": {"matchLabels": {"app": "proxy"}}}]),
        &["a pod of namespace kube-system with app=proxy"],
    );
    strangers_reach(
        json!([{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]),
        &["any pod of namespace elsewhere-0", "any pod of namespace ops"],
    );
    strangers_reach(
        json!([{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["ops"]}]}}]),
        &["any pod of namespace elsewhere-0", "any pod of another namespace"],
    );
    let expressions = json!([{"key": NAMESPACE_NAME, "operator": "In", "values": ["a", "shop", "b"]}]);
    strangers_reach(
        json!([{"namespaceSelector": {"matchExpressions": expressions}}]),
        &["any pod of namespace a", "any pod of namespace b"],
    );
    strangers_reach(json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}]), &["any pod of another namespace"]);
}
