//! Who may talk to whom: NetworkPolicies made of what services declare. Nothing else is open, in either direction.
//!
//! Every namespace of an instance denies all traffic, and lets its pods ask the cluster's DNS. Each service then has
//! one policy for its pods: in from the services that depend on it, out to those it depends on and to the ways out it
//! declares. Ports are those of pods, because policies are enforced after a Service's address has been translated.
//! The kubelet's probes need no rule: traffic from a pod's own node is always let in
//! (<https://kubernetes.io/docs/concepts/services-networking/network-policies/>), but for an ambient mesh, which gives
//! them an address of its own. A Prometheus that scrapes gets to the health ports, and an ingress controller to the
//! gateway's.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::{Context, backup_labels, job_labels, named};
use crate::mesh::{ambient, sidecar};
use crate::model::egress::{left_out, public};
use crate::model::{AddressRange, Egress, Peer, Port};
use crate::neighbours::{Neighbour, Neighbours};
use crate::spec::ServiceSpec;

/// The label that every namespace carries with its own name, set by the API server.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The port of DNS, and the protocols it is asked over.
const DNS: (i32, [&str; 2]) = (53, ["TCP", "UDP"]);
/// The port of the tunnels between the proxies of an ambient mesh (HBONE,
/// <https://istio.io/latest/docs/ambient/usage/networkpolicy/>).
const AMBIENT_TUNNEL: i32 = 15008;
/// Where the kubelet's probes come from, as seen by a pod of an ambient mesh (same page).
const AMBIENT_PROBES: &str = "169.254.7.127/32";
/// The port at which the control plane of a mesh gives sidecars their certificates and configuration
/// (<https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio>).
const CONTROL_PLANE_PORT: i32 = 15012;

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

/// Lets the sidecars of a namespace talk to the control plane of the mesh, for certificates and configuration.
pub(crate) fn mesh(context: &Context<'_>, namespace: &str) -> Option<NetworkPolicy> {
    let mesh = sidecar(context)?;
    let talk = NetworkPolicyEgressRule {
        to: Some(vec![pods(&mesh.control_plane)]),
        ports: Some(vec![port_of("TCP", CONTROL_PLANE_PORT)]),
    };
    Some(policy("allow-mesh", namespace, LabelSelector::default(), (Vec::new(), vec![talk]), &["Egress"]))
}

/// What the pods of a service may do: be called by those that depend on it, and call what it declares.
pub(crate) fn service_policy(context: &Context<'_>, spec: &ServiceSpec, neighbours: &Neighbours<'_>) -> NetworkPolicy {
    let mut ingress = Vec::new();
    let callers: Vec<_> = neighbours.callers(spec).flat_map(|caller| caller_peers(spec, caller)).collect();
    if !callers.is_empty() {
        ingress.push(come_in(callers, between(context, &spec.called_on())));
    }
    if spec.backup().is_some() {
        let copying = labelled(backup_labels(&spec.object_name(), context.instance));
        let peer = NetworkPolicyPeer { pod_selector: Some(copying), ..NetworkPolicyPeer::default() };
        ingress.push(come_in(vec![peer], between(context, &[spec.port])));
    }
    if let Some(settings) = context.environment.gateway.as_ref().filter(|_| spec.gateway.is_some()) {
        ingress.push(come_in(vec![pods(&settings.controller)], plain(spec.port)));
    }
    if let Some(monitoring) = &context.environment.monitoring {
        ingress.push(come_in(vec![pods(&monitoring.prometheus)], plain(spec.health_port)));
    }
    if ambient(context) {
        ingress.push(come_in(vec![addresses(AMBIENT_PROBES.to_owned(), Vec::new())], plain(spec.health_port)));
    }
    let rules = (ingress, ways_out(context, spec, neighbours));
    policy(&spec.object_name(), &spec.namespace, context.selector(spec), rules, &["Ingress", "Egress"])
}

/// What the pods of a service's jobs may do: call what the service does. Nobody calls them.
pub(crate) fn jobs_policy(
    context: &Context<'_>,
    spec: &ServiceSpec,
    neighbours: &Neighbours<'_>,
) -> Option<NetworkPolicy> {
    let name = spec.jobs_name()?;
    let selector = labelled(job_labels(&spec.object_name(), context.instance));
    let rules = (Vec::new(), ways_out(context, spec, neighbours));
    Some(policy(&name, &spec.namespace, selector, rules, &["Ingress", "Egress"]))
}

/// What the pods of a store's backup may do: call the store. Nobody calls them.
pub(crate) fn backup_policy(context: &Context<'_>, spec: &ServiceSpec) -> NetworkPolicy {
    let selector = labelled(backup_labels(&spec.object_name(), context.instance));
    let store = NetworkPolicyPeer { pod_selector: Some(context.selector(spec)), ..NetworkPolicyPeer::default() };
    let rules = (Vec::new(), vec![go_out(vec![store], between(context, &[spec.port]))]);
    policy(&spec.backup_name(), &spec.namespace, selector, rules, &["Ingress", "Egress"])
}

/// What a service calls, in the fleet and outside.
fn ways_out(context: &Context<'_>, spec: &ServiceSpec, neighbours: &Neighbours<'_>) -> Vec<NetworkPolicyEgressRule> {
    let called = neighbours.called(spec);
    let called = called.map(|called| go_out(vec![service_peer(spec, called)], between(context, &called.ports)));
    let outside = spec.egress.iter().flat_map(|way| outside(context, *way));
    called.chain(outside).collect()
}

/// The rules that open a way out.
fn outside(context: &Context<'_>, way: Egress) -> Vec<NetworkPolicyEgressRule> {
    let range = |range: &AddressRange| go_out(vec![addresses(range.cidr(), left_out(range))], plain(range.port()));
    match way {
        Egress::Internet(port) => {
            vec![go_out(public().into_iter().map(|(cidr, except)| addresses(cidr, except)).collect(), plain(port))]
        }
        Egress::Range(declared) => vec![range(&declared)],
        Egress::KubeApi => context.environment.network.kube_api.iter().map(range).collect(),
    }
}

fn come_in(from: Vec<NetworkPolicyPeer>, ports: Vec<NetworkPolicyPort>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from: Some(from), ports: Some(ports) }
}

fn go_out(to: Vec<NetworkPolicyPeer>, ports: Vec<NetworkPolicyPort>) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: Some(to), ports: Some(ports) }
}

/// The port of a pod, for what is no part of a mesh.
fn plain(port: Port) -> Vec<NetworkPolicyPort> {
    vec![port_of("TCP", port.get().into())]
}

/// The ports between two pods of the fleet. In an ambient mesh what arrives is the tunnel of the node's proxy; which
/// port it leads to is for the policies of the mesh.
fn between(context: &Context<'_>, ports: &[Port]) -> Vec<NetworkPolicyPort> {
    let tunnel = ambient(context).then(|| port_of("TCP", AMBIENT_TUNNEL));
    ports.iter().flat_map(|port| plain(*port)).chain(tunnel).collect()
}

fn addresses(cidr: String, except: Vec<String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr, except: Some(except).filter(|except| !except.is_empty()) }),
        ..NetworkPolicyPeer::default()
    }
}

/// The pods of a service that calls, and those of its jobs.
fn caller_peers(spec: &ServiceSpec, caller: &Neighbour) -> impl Iterator<Item = NetworkPolicyPeer> {
    let jobs = caller.jobs.as_ref().map(|labels| peer(spec, caller, labels));
    std::iter::once(service_peer(spec, caller)).chain(jobs)
}

/// The pods of a service, as a policy beside `spec` names them.
fn service_peer(spec: &ServiceSpec, neighbour: &Neighbour) -> NetworkPolicyPeer {
    peer(spec, neighbour, &neighbour.labels)
}

/// Pods with these labels. A namespace is named only where it is another one.
fn peer(spec: &ServiceSpec, neighbour: &Neighbour, labels: &BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(labelled(labels.clone())),
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
pub(crate) fn policy(
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
