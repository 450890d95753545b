//! Meshes written by hand, and random ones held against an oracle.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use serde_json::json;

use super::super::{Network, Protocol, Reach};
use super::*;

fn pods(name: &str, mode: &str) -> Value {
    let label = match mode {
        "sidecar" => "sidecar.istio.io/inject",
        _ => "other",
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name, label: "true"}},
        "spec": {"serviceAccountName": name, "containers": [{"name": "server"}]},
    })
}

fn object(kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": kind,
        "metadata": {"name": "one", "namespace": "shop"}, "spec": spec,
    })
}

/// What `web` reaches of `cart`, certainly and perhaps, where each takes part so and these objects hold.
#[track_caller]
fn check(web: &str, cart: &str, objects: &[Value], expect: &str) {
    let labels = if cart == "ambient" { json!({"istio.io/dataplane-mode": "ambient"}) } else { json!({}) };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
    let pods = [pods("web", web), pods("cart", cart), namespace];
    let network = Network::of(pods.iter().chain(objects));
    let reach = Reach::of(&network);
    let (certain, possible) = (reach.certain(0, 1), reach.possible(0, 1));
    let tcp = |ports: &PortSet| ports.and(&PortSet::whole(Protocol::Tcp)).to_string();
    let found =
        if certain == possible { tcp(&certain) } else { format!("{}; perhaps {}", tcp(&certain), tcp(&possible)) };
    assert_eq!(found, expect);
    assert!(certain.contains(Protocol::Udp, 53), "a mesh is about TCP alone");
}

#[test]
fn mutual_tls_is_demanded_where_it_is_said() {
    let strict = |ports: Value| {
        object(
            "PeerAuthentication",
            &json!({"mtls": {"mode": "STRICT"}, "selector": {"matchLabels": {"app": "cart"}}, "portLevelMtls": ports}),
        )
    };
    check("sidecar", "sidecar", &[strict(json!({}))], "every TCP port");
    check("none", "sidecar", &[strict(json!({}))], "no port; perhaps every TCP port");
    check("none", "sidecar", &[strict(json!({"90": {"mode": "PERMISSIVE"}}))], "TCP 90; perhaps every TCP port");
    check("none", "none", &[strict(json!({}))], "every TCP port");
    let whole = object("PeerAuthentication", &json!({"mtls": {"mode": "STRICT"}}));
    check("none", "sidecar", &[whole], "no port; perhaps every TCP port");
}

#[test]
fn callers_are_authorised_by_identity_and_port() {
    let allow = |rules: Value| {
        object("AuthorizationPolicy", &json!({"selector": {"matchLabels": {"app": "cart"}}, "rules": rules}))
    };
    let from = |principal: &str| json!([{"source": {"principals": [principal]}}]);
    let to = json!([{"operation": {"ports": ["80"]}}]);
    check("sidecar", "sidecar", &[allow(json!([]))], "no port");
    check("sidecar", "sidecar", &[allow(json!([{}]))], "every TCP port");
    let web = "cluster.local/ns/shop/sa/web";
    check("sidecar", "sidecar", &[allow(json!([{"from": from(web), "to": to}]))], "TCP 80");
    check("sidecar", "sidecar", &[allow(json!([{"from": from("cluster.local/ns/shop/*"), "to": to}]))], "TCP 80");
    check("sidecar", "sidecar", &[allow(json!([{"from": from("*/sa/mail"), "to": to}]))], "no port");
    check("none", "sidecar", &[allow(json!([{"from": from(web), "to": to}]))], "no port; perhaps TCP 80");
    check("none", "sidecar", &[allow(json!([{"to": to}]))], "TCP 80");
    let get = json!([{"operation": {"ports": ["80"], "methods": ["GET"]}}]);
    check("sidecar", "sidecar", &[allow(json!([{"to": get}]))], "no port; perhaps TCP 80");
    let deny = object(
        "AuthorizationPolicy",
        &json!({"action": "DENY", "rules": [{"to": [{"operation": {"notPorts": ["80"]}}]}]}),
    );
    check("sidecar", "sidecar", &[deny], "TCP 80");
}

#[test]
fn an_ambient_mesh_talks_through_tunnels() {
    let closed = |port: u16| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"podSelector": {"matchLabels": {"app": "cart"}}, "ingress": [{"ports": [{"port": port}, {"port": 53, "protocol": "UDP"}]}]},
        })
    };
    check("ambient", "ambient", &[closed(80)], "no port; perhaps TCP 80");
    check("ambient", "ambient", &[closed(TUNNEL)], "every TCP port");
    let allow = object("AuthorizationPolicy", &json!({"rules": [{"to": [{"operation": {"ports": ["80"]}}]}]}));
    check("ambient", "ambient", &[closed(TUNNEL), allow], "TCP 80");
}

#[test]
fn what_is_called_in_the_clear_shows_no_identity() {
    let plain = object("PeerAuthentication", &json!({"mtls": {"mode": "DISABLE"}}));
    let web = json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}, {"to": [{"operation": {"ports": ["80"]}}]}]);
    let allow = object("AuthorizationPolicy", &json!({"rules": web}));
    check("sidecar", "sidecar", std::slice::from_ref(&allow), "every TCP port");
    check("sidecar", "sidecar", &[allow, plain], "TCP 80");
}

// The oracle: one call at a time, straight from the JSON.

const CALLERS: [(&str, &str); 3] = [("web", "sidecar"), ("cart", "sidecar"), ("mail", "none")];

fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => text.ends_with(end) && !text.is_empty(),
        (_, Some(beginning)) => text.starts_with(beginning),
        _ => pattern == text,
    }
}

fn source_fits(source: &Value, caller: Option<&str>) -> bool {
    let names = |key: &str, text: Option<String>| {
        let patterns = source[key].as_array().filter(|list| !list.is_empty())?;
        Some(text.is_some_and(|text| patterns.iter().any(|pattern| fits(pattern.as_str().unwrap(), &text))))
    };
    let principal = || caller.map(|account| format!("cluster.local/ns/shop/sa/{account}"));
    let namespace = || caller.map(|_| "shop".to_owned());
    names("principals", principal()).unwrap_or(true)
        && names("namespaces", namespace()).unwrap_or(true)
        && !names("notPrincipals", principal()).unwrap_or(false)
        && !names("notNamespaces", namespace()).unwrap_or(false)
}

fn rule_fits(rule: &Value, caller: Option<&str>, port: u16) -> bool {
    let any = |key: &str, fits: &dyn Fn(&Value) -> bool| {
        rule[key].as_array().filter(|list| !list.is_empty()).is_none_or(|list| list.iter().any(fits))
    };
    let listed = |list: &Value| list.as_array().map(|list| list.iter().any(|one| one == &json!(port.to_string())));
    any("from", &|from| source_fits(&from["source"], caller))
        && any("to", &|to| {
            let operation = &to["operation"];
            listed(&operation["ports"]).unwrap_or(true) && !listed(&operation["notPorts"]).unwrap_or(false)
        })
}

/// What the first object of a width says of TLS.
fn mode(objects: &[Value], selecting: bool, port: u16) -> Option<&str> {
    let mut of_width = objects.iter().filter(|one| one["kind"] == "PeerAuthentication");
    let found = of_width.find(|one| one["spec"].get("selector").is_some() == selecting)?;
    let own = found["spec"]["portLevelMtls"][port.to_string()]["mode"].as_str().filter(|_| selecting);
    own.or_else(|| found["spec"]["mtls"]["mode"].as_str())
}

/// Whether `cart` answers a caller on a port.
fn answers(objects: &[Value], (account, member): (&str, &str), port: u16) -> bool {
    let mode = mode(objects, true, port).or_else(|| mode(objects, false, port)).unwrap_or("PERMISSIVE");
    let caller = (member == "sidecar" && mode != "DISABLE").then_some(account);
    if mode == "STRICT" && caller.is_none() {
        return false;
    }
    let policies = |action: &'static str| {
        let all = objects.iter().filter(|one| one["kind"] == "AuthorizationPolicy");
        all.filter(move |one| one["spec"]["action"].as_str().unwrap_or("ALLOW") == action)
    };
    let named = |action| {
        let mut rules = policies(action).flat_map(|one| one["spec"]["rules"].as_array().into_iter().flatten());
        rules.any(|rule| rule_fits(rule, caller, port))
    };
    !named("DENY") && (policies("ALLOW").next().is_none() || named("ALLOW"))
}

fn patterns() -> impl Strategy<Value = Vec<&'static str>> {
    let all = vec![
        "*",
        "cluster.local/ns/shop/sa/web",
        "cluster.local/ns/shop/sa/cart",
        "cluster.local/ns/shop/sa/*",
        "cluster.local/ns/shop/sa/c*",
        "cluster.local/ns/ops/*",
        "*/sa/mail",
        "*b",
    ];
    prop::sample::subsequence(all, 1..3)
}

fn source() -> impl Strategy<Value = Value> {
    let namespaces = || prop::sample::subsequence(vec!["shop", "ops", "s*"], 1..3);
    let parts = (
        prop::option::of(patterns()),
        prop::option::weighted(0.3, patterns()),
        prop::option::weighted(0.3, namespaces()),
        prop::option::weighted(0.2, namespaces()),
    );
    parts.prop_map(|(principals, not_principals, namespaces, not_namespaces)| {
        let mut source = json!({});
        for (key, list) in [
            ("principals", principals),
            ("notPrincipals", not_principals),
            ("namespaces", namespaces),
            ("notNamespaces", not_namespaces),
        ] {
            if let Some(list) = list {
                source[key] = json!(list);
            }
        }
        json!({"source": source})
    })
}

fn authorization() -> impl Strategy<Value = Value> {
    let ports = || prop::option::of(prop::sample::subsequence(vec!["80", "90"], 1..=2));
    let operation = (ports(), ports()).prop_map(|(ports, not_ports)| {
        let mut operation = json!({});
        for (key, list) in [("ports", ports), ("notPorts", not_ports)] {
            if let Some(list) = list {
                operation[key] = json!(list);
            }
        }
        json!({"operation": operation})
    });
    let rule = (prop::collection::vec(source(), 0..3), prop::collection::vec(operation, 0..3))
        .prop_map(|(from, to)| json!({"from": from, "to": to}));
    let action = prop::sample::select(vec!["ALLOW", "ALLOW", "DENY", "AUDIT"]);
    (action, prop::collection::vec(rule, 0..3))
        .prop_map(|(action, rules)| object("AuthorizationPolicy", &json!({"action": action, "rules": rules})))
}

fn authentication() -> impl Strategy<Value = Value> {
    let modes = || prop::sample::select(vec!["STRICT", "PERMISSIVE", "DISABLE", "UNSET"]);
    (modes(), modes(), any::<bool>()).prop_map(|(whole, one, selecting)| {
        let tls = |mode: &str| if mode == "UNSET" { json!({}) } else { json!({"mode": mode}) };
        let mut spec = json!({"mtls": tls(whole)});
        if selecting {
            spec["selector"] = json!({"matchLabels": {"app": "cart"}});
            spec["portLevelMtls"] = json!({"90": tls(one)});
        }
        object("PeerAuthentication", &spec)
    })
}

fn objects() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(prop_oneof![2 => authorization(), 1 => authentication()], 0..5)
}

fn mesh(objects: &[Value]) -> Network {
    let callers: Vec<Value> = CALLERS.iter().map(|(name, member)| pods(name, member)).collect();
    Network::of(callers.iter().chain(objects))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_call_is_answered_as_the_mesh_defines_it(objects in objects()) {
        let network = mesh(&objects);
        let reach = Reach::of(&network);
        for (from, caller) in CALLERS.iter().enumerate() {
            let open = reach.certain(from, 1);
            for port in [80, 90, 100] {
                let expect = answers(&objects, *caller, port);
                prop_assert_eq!(open.contains(Protocol::Tcp, port), expect, "{:?} on {}", caller, port);
            }
            prop_assert!(open.without(&reach.possible(from, 1)).is_empty(), "what is certain is possible");
        }
    }

    #[test]
    fn who_may_be_anybody_is_bounded_by_those_it_may_be(objects in objects()) {
        let network = mesh(&objects);
        let reach = Reach::of(&network);
        let cart = reach.guard(1).unwrap();
        let admitted = |account: Option<&str>, sure: bool| {
            let caller = Identity { namespace: "shop".to_owned(), account: account.map(str::to_owned) };
            cart.authorised(&network, Some(&caller), sure)
        };
        for account in ["web", "cart", "mail", "crab", "other"] {
            let known = admitted(Some(account), true);
            prop_assert_eq!(&known, &admitted(Some(account), false), "nothing is left open of {}", account);
            prop_assert!(admitted(None, true).without(&known).is_empty(), "certain for all: {}", account);
            prop_assert!(known.without(&admitted(None, false)).is_empty(), "possible for some: {}", account);
        }
    }
}
