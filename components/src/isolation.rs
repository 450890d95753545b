//! Who may talk to whom: NetworkPolicies made of what services declare. Nothing else is open, in either direction.
//!
//! Every namespace of an instance denies all traffic, and lets its pods ask the cluster's DNS. Each service then has
//! one policy for its pods: in from the services that depend on it, out to those it depends on and to the ways out it
//! declares. Ports are those of pods, because policies are enforced after a Service's address has been translated.
//! The kubelet's probes need no rule: traffic from a pod's own node is always let in
//! (<https://kubernetes.io/docs/concepts/services-networking/network-policies/>).

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::{Context, named};
use crate::model::egress::{left_out, public};
use crate::model::{AddressRange, Egress, Peer, Port};
use crate::neighbours::{Neighbour, Neighbours};
use crate::spec::ServiceSpec;

/// The label that every namespace carries with its own name, set by the API server.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The port of DNS, and the protocols it is asked over.
const DNS: (i32, [&str; 2]) = (53, ["TCP", "UDP"]);

/// Denies all traffic of a namespace's pods that no other policy opens.
pub(crate) fn default_deny(namespace: &str) -> NetworkPolicy {
    policy("default-deny", namespace, LabelSelector::default(), (Vec::new(), Vec::new()), &["Ingress", "Egress"])
}

/// Lets the pods of a namespace ask for names.
pub(crate) fn dns(context: &Context<'_>, namespace: &str) -> NetworkPolicy {
    let (port, protocols) = DNS;
    let ask = NetworkPolicyEgressRule {
        to: Some(vec![pods(&context.environment.network.dns)]),
        ports: Some(protocols.iter().map(|protocol| port_of(protocol, port)).collect()),
    };
    policy("allow-dns", namespace, LabelSelector::default(), (Vec::new(), vec![ask]), &["Egress"])
}

/// What the pods of a service may do: be called by those that depend on it, and call what it declares.
pub(crate) fn service_policy(context: &Context<'_>, spec: &ServiceSpec, neighbours: &Neighbours<'_>) -> NetworkPolicy {
    let mut ingress = Vec::new();
    let callers: Vec<_> = neighbours.callers(spec).map(|caller| service_peer(spec, caller)).collect();
    if !callers.is_empty() {
        ingress.push(come_in(callers, spec.port));
    }
    if let Some(settings) = context.environment.gateway.as_ref().filter(|_| spec.gateway.is_some()) {
        ingress.push(come_in(vec![pods(&settings.controller)], spec.port));
    }
    let called = neighbours.called(spec).map(|called| go_out(vec![service_peer(spec, called)], called.port));
    let outside = spec.egress.iter().flat_map(|way| outside(context, *way));
    let rules = (ingress, called.chain(outside).collect());
    policy(&spec.object_name(), &spec.namespace, context.selector(spec), rules, &["Ingress", "Egress"])
}

/// The rules that open a way out.
fn outside(context: &Context<'_>, way: Egress) -> Vec<NetworkPolicyEgressRule> {
    let addresses = |cidr, except: Vec<String>| NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr, except: Some(except).filter(|except| !except.is_empty()) }),
        ..NetworkPolicyPeer::default()
    };
    let range = |range: &AddressRange| go_out(vec![addresses(range.cidr(), left_out(range))], range.port());
    match way {
        Egress::Internet(port) => {
            vec![go_out(public().into_iter().map(|(cidr, except)| addresses(cidr, except)).collect(), port)]
        }
        Egress::Range(declared) => vec![range(&declared)],
        Egress::KubeApi => context.environment.network.kube_api.iter().map(range).collect(),
    }
}

fn come_in(from: Vec<NetworkPolicyPeer>, port: Port) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from: Some(from), ports: Some(vec![port_of("TCP", port.get().into())]) }
}

fn go_out(to: Vec<NetworkPolicyPeer>, port: Port) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: Some(to), ports: Some(vec![port_of("TCP", port.get().into())]) }
}

/// The pods of a service, as a policy beside `spec` names them. A namespace is named only where it is another one.
fn service_peer(spec: &ServiceSpec, neighbour: &Neighbour) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(labelled(neighbour.labels.clone())),
        namespace_selector: (neighbour.namespace != spec.namespace).then(|| namespace(&neighbour.namespace)),
        ip_block: None,
    }
}

/// Pods that belong to the cluster.
fn pods(peer: &Peer) -> NetworkPolicyPeer {
    let labels = peer.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    NetworkPolicyPeer {
        pod_selector: Some(labelled(labels)),
        namespace_selector: Some(namespace(peer.namespace.as_str())),
        ip_block: None,
    }
}

fn namespace(name: &str) -> LabelSelector {
    labelled(BTreeMap::from([(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned())]))
}

fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels).filter(|labels| !labels.is_empty()), match_expressions: None }
}

fn port_of(protocol: &str, port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.to_owned()), port: Some(IntOrString::Int(port)), end_port: None }
}

/// A policy for the pods that `selector` matches. A direction among `types` without a rule is closed.
fn policy(
    name: &str,
    namespace: &str,
    selector: LabelSelector,
    (ingress, egress): (Vec<NetworkPolicyIngressRule>, Vec<NetworkPolicyEgressRule>),
    types: &[&str],
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: named(name, Some(namespace)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector),
            policy_types: Some(types.iter().map(|one| (*one).to_owned()).collect()),
            ingress: Some(ingress).filter(|rules| !rules.is_empty()),
            egress: Some(egress).filter(|rules| !rules.is_empty()),
        }),
    }
}
