//! What an Istio mesh adds to policies: which pods are in it, where it demands mutual TLS, and whom it authorises.
//!
//! Read are the labels that put pods into the mesh, PeerAuthentication and AuthorizationPolicy
//! (<https://istio.io/latest/docs/reference/config/security/>). Between two pods of an ambient mesh what the network
//! sees is a tunnel to port 15008 (<https://istio.io/latest/docs/ambient/usage/networkpolicy/>). Rules about requests
//! (methods, paths, conditions) are not evaluated: what depends on them is possible, and never certain.

use serde::Deserialize;
use serde_json::Value;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::network::{Network, Pods};
use super::ports::{PortSet, Protocol};
use super::selector::{Labels, Selector};

/// The port of the tunnels of an ambient mesh.
pub const TUNNEL: u16 = 15008;
/// The namespace whose policies hold for the whole mesh, as Istio is installed unless told otherwise.
const ROOT: &str = "istio-system";

/// How pods take part in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// Through the proxy of their node.
    Ambient,
    /// Through a proxy of their own.
    Sidecar,
}

/// A PeerAuthentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    namespace: String,
    /// The pods it is for; nothing for all of its namespace.
    pods: Option<Selector>,
    /// Whether mutual TLS is demanded; nothing where that is left to a wider one.
    strict: Option<bool>,
    /// The same for single ports.
    ports: Vec<(u16, bool)>,
}

/// An AuthorizationPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Which, for people: `AuthorizationPolicy shop/cart-mcp`.
    pub name: String,
    namespace: String,
    pods: Option<Selector>,
    /// Whether it denies what it names, and does not allow it.
    denies: bool,
    rules: Vec<Access>,
}

/// A rule of an AuthorizationPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    /// Who calls; nothing for anybody.
    sources: Option<Vec<Source>>,
    /// The ports that are called, and whether nothing beside them is asked of the call.
    ports: PortSet,
    plain: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    principals: Vec<String>,
    not_principals: Vec<String>,
    namespaces: Vec<String>,
    not_namespaces: Vec<String>,
    /// What is not evaluated.
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Operation {
    ports: Vec<String>,
    not_ports: Vec<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Whether something holds, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Perhaps,
    Yes,
}

fn pods(spec: &Value) -> Option<Selector> {
    let selector = spec.get("selector").and_then(|selector| LabelSelector::deserialize(selector).ok())?;
    Some(Selector::from(selector))
}

fn strict(mode: Option<&Value>) -> Option<bool> {
    match mode.and_then(Value::as_str)? {
        "STRICT" => Some(true),
        "PERMISSIVE" | "DISABLE" => Some(false),
        _ => None,
    }
}

impl Authentication {
    pub(super) fn read(namespace: String, spec: &Value) -> Self {
        let ports = spec.get("portLevelMtls").and_then(Value::as_object).into_iter().flatten();
        let port = |(port, tls): (&String, &Value)| Some((port.parse().ok()?, strict(tls.get("mode"))?));
        Self {
            namespace,
            pods: pods(spec),
            strict: strict(spec.pointer("/mtls/mode")),
            ports: ports.filter_map(port).collect(),
        }
    }

    fn is_for(&self, pods: &Pods) -> bool {
        let place = self.namespace == pods.namespace || (self.namespace == ROOT && self.pods.is_none());
        place && self.pods.as_ref().is_none_or(|selector| selector.matches(&pods.labels))
    }
}

impl Authorization {
    pub(super) fn read(name: String, namespace: String, spec: &Value) -> Option<Self> {
        let denies = match spec.get("action").and_then(Value::as_str) {
            None | Some("ALLOW") => false,
            Some("DENY") => true,
            // An audit decides nothing, and what a custom provider says is not known: it can only refuse more.
            Some(_) => return None,
        };
        // What is bound to a gateway or a waypoint is not for the pods.
        if spec.get("targetRefs").or_else(|| spec.get("targetRef")).is_some() {
            return None;
        }
        let rules = spec.get("rules").and_then(Value::as_array).into_iter().flatten().flat_map(Access::read);
        Some(Self { name, namespace, pods: pods(spec), denies, rules: rules.collect() })
    }

    fn is_for(&self, pods: &Pods) -> bool {
        let place = self.namespace == pods.namespace || self.namespace == ROOT;
        place && self.pods.as_ref().is_none_or(|selector| selector.matches(&pods.labels))
    }
}

impl Access {
    /// One for each operation of a rule: any of them will do.
    fn read(rule: &Value) -> Vec<Self> {
        let list = |key: &str| rule.get(key).and_then(Value::as_array).filter(|list| !list.is_empty());
        let sources = list("from").map(|from| {
            let source = |one: &Value| one.get("source").and_then(|source| Source::deserialize(source).ok());
            from.iter().map(|one| source(one).unwrap_or_default()).collect::<Vec<_>>()
        });
        let conditional = list("when").is_some();
        let whole = || PortSet::whole(Protocol::Tcp);
        let Some(operations) = list("to") else {
            return vec![Self { sources, ports: whole(), plain: !conditional }];
        };
        let access = |one: &Value| {
            let operation = one.get("operation").and_then(|one| Operation::deserialize(one).ok()).unwrap_or_default();
            let set = |ports: &[String]| {
                let mut set = PortSet::default();
                ports
                    .iter()
                    .filter_map(|port| port.parse().ok())
                    .for_each(|port| set.insert(Protocol::Tcp, port, port));
                set
            };
            let named = if operation.ports.is_empty() { whole() } else { set(&operation.ports) };
            let ports = named.without(&set(&operation.not_ports));
            Self { sources: sources.clone(), ports, plain: !conditional && operation.rest.is_empty() }
        };
        operations.iter().map(access).collect()
    }

    fn fits(&self, caller: Option<&Identity<'_>>) -> Holds {
        let source = match &self.sources {
            None => Holds::Yes,
            Some(sources) => sources.iter().map(|source| source.fits(caller)).max().unwrap_or(Holds::No),
        };
        if self.plain { source } else { source.min(Holds::Perhaps) }
    }
}

/// Who calls.
struct Identity<'a> {
    namespace: &'a str,
    principal: String,
}

/// A pattern of Istio: a text, or the beginning or the end of one.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => !text.is_empty(),
        (Some(end), _) => text.ends_with(end),
        (_, Some(beginning)) => text.starts_with(beginning),
        _ => pattern == text,
    }
}

impl Source {
    fn fits(&self, caller: Option<&Identity<'_>>) -> Holds {
        let any = |patterns: &[String], text: Option<&str>| {
            text.is_some_and(|text| patterns.iter().any(|pattern| matches(pattern, text)))
        };
        let principal = caller.map(|caller| caller.principal.as_str());
        let namespace = caller.map(|caller| caller.namespace);
        let wanted = (self.principals.is_empty() || any(&self.principals, principal))
            && (self.namespaces.is_empty() || any(&self.namespaces, namespace));
        let unwanted = any(&self.not_principals, principal) || any(&self.not_namespaces, namespace);
        match wanted && !unwanted {
            false => Holds::No,
            true if self.rest.is_empty() => Holds::Yes,
            true => Holds::Perhaps,
        }
    }
}

impl Pods {
    /// How the pods take part in the mesh, if they do; `of_namespace` are the labels of their namespace.
    #[must_use]
    pub fn member(&self, of_namespace: &Labels) -> Option<Member> {
        let own = |key: &str| self.labels.get(key).map(String::as_str);
        let of_namespace = |key: &str| of_namespace.get(key).map(String::as_str);
        let injected = match own("sidecar.istio.io/inject") {
            Some("true") => true,
            Some(_) => false,
            None => of_namespace("istio-injection") == Some("enabled") || of_namespace("istio.io/rev").is_some(),
        };
        let mode = own("istio.io/dataplane-mode").or_else(|| of_namespace("istio.io/dataplane-mode"));
        match (injected, mode) {
            _ if self.host_network => None,
            (true, _) => Some(Member::Sidecar),
            (false, Some("ambient")) => Some(Member::Ambient),
            _ => None,
        }
    }
}

/// What the mesh does for pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Guard {
    member: Option<Member>,
    /// The ports on which mutual TLS is demanded.
    strict: PortSet,
    /// The policies that hold for them, by their place in the network.
    policies: Vec<usize>,
}

impl Guard {
    /// What the mesh does for the pods at each place of a network.
    pub(super) fn all(network: &Network) -> Vec<Self> {
        if network.authentications.is_empty() && network.authorizations.is_empty() {
            // Tunnels need no policy to be there.
            let member = |pods: &Pods| pods.member(&network.labels_of(&pods.namespace));
            return network.pods.iter().map(|pods| Self { member: member(pods), ..Self::default() }).collect();
        }
        let of = |pods: &Pods| {
            let member = pods.member(&network.labels_of(&pods.namespace));
            if member.is_none() {
                return Self::default();
            }
            let policies = network.authorizations.iter().enumerate().filter(|(_, policy)| policy.is_for(pods));
            Self { member, strict: strictly(network, pods), policies: policies.map(|(at, _)| at).collect() }
        };
        network.pods.iter().map(of).collect()
    }
}

/// The ports on which mutual TLS is demanded of whoever calls pods. The narrowest object that says something holds.
fn strictly(network: &Network, pods: &Pods) -> PortSet {
    let fitting = || network.authentications.iter().filter(|one| one.is_for(pods));
    let own = fitting().find(|one| one.pods.is_some());
    let wider = [
        own.and_then(|one| one.strict),
        fitting().filter(|one| one.pods.is_none() && one.namespace == pods.namespace).find_map(|one| one.strict),
        fitting().filter(|one| one.pods.is_none() && one.namespace == ROOT).find_map(|one| one.strict),
    ];
    let whole = wider.into_iter().flatten().next().unwrap_or(false);
    let mut ports = if whole { PortSet::whole(Protocol::Tcp) } else { PortSet::default() };
    for (port, demanded) in own.into_iter().flat_map(|one| &one.ports) {
        let one = PortSet::of(Protocol::Tcp, *port, *port);
        if *demanded { ports.extend(&one) } else { ports = ports.without(&one) }
    }
    ports
}

/// What is left of the ports that policies let through, once the mesh has had its say. `sure` asks for what is certain,
/// otherwise for what is possible.
pub(super) fn filter(
    network: &Network,
    guards: &[Guard],
    from: usize,
    to: usize,
    open: PortSet,
    sure: bool,
) -> PortSet {
    let (Some(guard), Some(caller)) = (guards.get(to), network.pods.get(from)) else { return open };
    let Some(member) = guard.member else { return open };
    let theirs = guards.get(from).and_then(|guard| guard.member);
    let tcp = PortSet::whole(Protocol::Tcp);
    let mut transport = open.and(&tcp);
    if member == Member::Ambient && theirs == Some(Member::Ambient) {
        let tunnel = open.contains(Protocol::Tcp, TUNNEL);
        if sure {
            transport = PortSet::default();
        }
        if tunnel {
            transport.extend(&tcp);
        }
    }
    if sure && theirs.is_none() {
        transport = transport.without(&guard.strict);
    }
    // Who is not in the mesh has no identity; but that of somebody who is not known might be anything of its namespace.
    let identity = (theirs.is_some() || !sure).then(|| Identity {
        namespace: &caller.namespace,
        principal: format!("cluster.local/ns/{}/sa/{}", caller.namespace, caller.service_account),
    });
    let policies = || guard.policies.iter().filter_map(|at| network.authorizations.get(*at));
    let named = |denies: bool, least: Holds| {
        let mut ports = PortSet::default();
        let rules = policies().filter(|policy| policy.denies == denies).flat_map(|policy| &policy.rules);
        rules.filter(|rule| rule.fits(identity.as_ref()) >= least).for_each(|rule| ports.extend(&rule.ports));
        ports
    };
    if policies().any(|policy| !policy.denies) {
        transport = transport.and(&named(false, if sure { Holds::Yes } else { Holds::Perhaps }));
    }
    transport = transport.without(&named(true, if sure { Holds::Perhaps } else { Holds::Yes }));
    let mut left = open.without(&tcp);
    left.extend(&transport);
    left
}

#[cfg(test)]
mod tests {
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
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
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
}
