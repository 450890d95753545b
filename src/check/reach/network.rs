//! What decides who can talk to whom, read from objects as they will be in force: namespaces, pods by their
//! templates, Services and NetworkPolicies. Nothing is known here of stacks, or of what was meant.
//!
//! The pods of one workload are alike, so that a workload stands for all of them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, ServiceSpec};
use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde_json::Value;

use super::addresses::Addresses;
use super::mesh::{Authentication, Authorization};
use super::ports::Protocol;
use super::selector::{Labels, Selector};

/// The label with its own name that every namespace carries.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Everything that decides who can talk to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The labels of namespaces, by name. A namespace that is not among them has its name as its only label.
    pub namespaces: BTreeMap<String, Labels>,
    /// The pods, those of one workload as one.
    pub pods: Vec<Pods>,
    /// The Services, by namespace and name.
    pub services: BTreeMap<(String, String), Service>,
    /// The policies, in the order they were read.
    pub policies: Vec<Policy>,
    /// Where a mesh demands mutual TLS.
    pub authentications: Vec<Authentication>,
    /// Whom a mesh authorises.
    pub authorizations: Vec<Authorization>,
    /// The namespace whose policies hold for the whole mesh; `istio-system` where nothing is said.
    pub mesh_root: Option<String>,
}

/// Pods that are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// Where they come from, for people: `Deployment shop/cart-mcp`.
    pub name: String,
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub labels: Labels,
    /// The ports that their containers name.
    pub ports: Vec<NamedPort>,
    /// Whether they use the network of their node, where policies do not hold.
    pub host_network: bool,
    /// The ServiceAccount they run as; nothing where that is not known.
    pub service_account: Option<String>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// A Service, as far as connections need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What its pods are; nothing for a Service without a selector.
    pub selector: Option<Selector>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
    /// The port of the pods behind it.
    pub target: Target,
}

/// A port, by number or by a name that each pod resolves for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// A NetworkPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which, for people: `NetworkPolicy shop/cart-mcp`.
    pub name: String,
    /// Its namespace, whose pods alone it can select.
    pub namespace: String,
    /// The pods it holds for.
    pub pods: Selector,
    /// What may come in; nothing where the policy does not speak of that direction.
    pub ingress: Option<Vec<Rule>>,
    /// What may go out; nothing where the policy does not speak of that direction.
    pub egress: Option<Vec<Rule>>,
}

/// One rule of a policy: a connection that fits both lists is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The other ends; nothing for any.
    pub peers: Option<Vec<Peer>>,
    /// The ports of the end that is connected to; nothing for any.
    pub ports: Option<Vec<PortRule>>,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Pods: of the policy's own namespace where no namespaces are selected.
    Pods {
        /// Which namespaces.
        namespaces: Option<Selector>,
        /// Which of their pods.
        pods: Selector,
    },
    /// Addresses.
    Block(Addresses),
}

/// Ports that a rule names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortRule {
    /// From the first to the last.
    Range(Protocol, u16, u16),
    /// Those that a container gives this name.
    Named(Protocol, String),
}

impl PortRule {
    fn read(port: NetworkPolicyPort) -> Option<Self> {
        let protocol = Protocol::named(port.protocol.as_deref())?;
        Some(match port.port {
            None => Self::Range(protocol, 1, u16::MAX),
            Some(IntOrString::String(name)) => Self::Named(protocol, name),
            Some(IntOrString::Int(first)) => {
                let first = u16::try_from(first).ok()?;
                let last = port.end_port.map_or(Some(first), |last| u16::try_from(last).ok())?;
                Self::Range(protocol, first, last)
            }
        })
    }
}

impl Peer {
    fn read(peer: NetworkPolicyPeer) -> Option<Self> {
        if let Some(block) = peer.ip_block {
            let all = Addresses::block(&block.cidr)?;
            let except = block.except.unwrap_or_default();
            let left = except.iter().filter_map(|one| Addresses::block(one)).fold(all, |left, one| left.without(&one));
            return Some(Self::Block(left));
        }
        // A peer of nothing at all is refused by a server.
        (peer.namespace_selector.is_some() || peer.pod_selector.is_some()).then(|| Self::Pods {
            namespaces: peer.namespace_selector.map(Selector::from),
            pods: peer.pod_selector.map(Selector::from).unwrap_or_default(),
        })
    }
}

/// An empty list is none: it leaves no restriction.
fn listed<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|list| !list.is_empty())
}

fn rule(peers: Option<Vec<NetworkPolicyPeer>>, ports: Option<Vec<NetworkPolicyPort>>) -> Rule {
    Rule {
        peers: listed(peers).map(|peers| peers.into_iter().filter_map(Peer::read).collect()),
        ports: listed(ports).map(|ports| ports.into_iter().filter_map(PortRule::read).collect()),
    }
}

impl Policy {
    /// Reads a policy. Which directions it speaks of is decided as the API server decides it: where `policyTypes`
    /// is left out, of ingress always, and of egress when it has rules for it
    /// (<https://kubernetes.io/docs/concepts/services-networking/network-policies/#default-policies>).
    fn read(name: String, namespace: String, spec: NetworkPolicySpec) -> Self {
        let types = listed(spec.policy_types);
        let egress = spec.egress.unwrap_or_default();
        let speaks_of = |direction: &str| match &types {
            Some(types) => types.iter().any(|one| one == direction),
            None => direction == "Ingress" || !egress.is_empty(),
        };
        let (of_ingress, of_egress) = (speaks_of("Ingress"), speaks_of("Egress"));
        let ingress = spec.ingress.unwrap_or_default().into_iter().map(|one| rule(one.from, one.ports));
        Self {
            name,
            namespace,
            pods: spec.pod_selector.map(Selector::from).unwrap_or_default(),
            ingress: of_ingress.then(|| ingress.collect()),
            egress: of_egress.then(|| egress.into_iter().map(|one| rule(one.to, one.ports)).collect()),
        }
    }
}

/// An object, as far as every kind has it.
#[derive(Deserialize)]
struct Head {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: ObjectMeta,
}

fn part<'a, T: Deserialize<'a>>(object: &'a Value, pointer: &str) -> Option<T> {
    object.pointer(pointer).and_then(|value| T::deserialize(value).ok())
}

/// Where the kinds of workloads keep their pod template.
fn template_pointer(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            Some("/spec/template")
        }
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        "Pod" => Some(""),
        _ => None,
    }
}

impl Network {
    /// Reads objects. Those that have no say in who can talk to whom are passed over.
    #[must_use]
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut network = Self::default();
        for object in objects {
            network.add(object);
        }
        network
    }

    /// Reads one more object.
    pub fn add(&mut self, object: &Value) {
        let Ok(Head { api_version, kind, metadata }) = Head::deserialize(object) else { return };
        let name = metadata.name.unwrap_or_default();
        let namespace = metadata.namespace.unwrap_or_else(|| "default".to_owned());
        match (api_version.as_str(), kind.as_str()) {
            ("v1", "Namespace") => {
                let mut labels = metadata.labels.unwrap_or_default();
                labels.insert(NAMESPACE_NAME.to_owned(), name.clone());
                self.namespaces.insert(name, labels);
            }
            ("v1", "Service") => {
                if let Some(spec) = part(object, "/spec") {
                    self.services.insert((namespace, name), Service::read(spec));
                }
            }
            ("networking.k8s.io/v1", "NetworkPolicy") => {
                if let Some(spec) = part(object, "/spec") {
                    let shown = format!("NetworkPolicy {namespace}/{name}");
                    self.policies.push(Policy::read(shown, namespace, spec));
                }
            }
            ("security.istio.io/v1" | "security.istio.io/v1beta1", "PeerAuthentication") => {
                let spec = object.get("spec").unwrap_or(&Value::Null);
                let shown = format!("PeerAuthentication {namespace}/{name}");
                self.authentications.push(Authentication::read(shown, namespace, spec));
            }
            ("security.istio.io/v1" | "security.istio.io/v1beta1", "AuthorizationPolicy") => {
                let spec = object.get("spec").unwrap_or(&Value::Null);
                let shown = format!("AuthorizationPolicy {namespace}/{name}");
                self.authorizations.extend(Authorization::read(shown, namespace, spec));
            }
            _ => {
                let template = template_pointer(&kind).and_then(|at| part::<PodTemplateSpec>(object, at));
                if let Some(PodTemplateSpec { metadata, spec: Some(spec) }) = template {
                    let labels = metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
                    self.pods.push(Pods::read(format!("{kind} {namespace}/{name}"), namespace, labels, spec));
                }
            }
        }
    }

    /// The labels of a namespace.
    #[must_use]
    pub fn labels_of(&self, namespace: &str) -> Labels {
        let own = || Labels::from([(NAMESPACE_NAME.to_owned(), namespace.to_owned())]);
        self.namespaces.get(namespace).cloned().unwrap_or_else(own)
    }
}

impl Service {
    fn read(spec: ServiceSpec) -> Self {
        let port = |port: k8s_openapi::api::core::v1::ServicePort| {
            let number = u16::try_from(port.port).ok()?;
            Some(ServicePort {
                name: port.name.unwrap_or_default(),
                protocol: Protocol::named(port.protocol.as_deref())?,
                port: number,
                target: match port.target_port {
                    None => Target::Number(number),
                    Some(IntOrString::Int(target)) => Target::Number(u16::try_from(target).ok()?),
                    Some(IntOrString::String(target)) => Target::Name(target),
                },
            })
        };
        Self {
            selector: spec.selector.filter(|labels| !labels.is_empty()).map(|labels| Selector::from(&labels)),
            ports: spec.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
        }
    }
}

impl Pods {
    fn read(name: String, namespace: String, labels: Labels, spec: PodSpec) -> Self {
        // A container that is started first and kept serves its ports like the others.
        let kept = spec.init_containers.unwrap_or_default().into_iter();
        let kept = kept.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let ports = spec.containers.into_iter().chain(kept).flat_map(|container| container.ports.unwrap_or_default());
        let ports = ports.filter_map(|port| {
            Some(NamedPort {
                name: port.name.unwrap_or_default(),
                protocol: Protocol::named(port.protocol.as_deref())?,
                port: u16::try_from(port.container_port).ok()?,
            })
        });
        Self {
            name,
            namespace,
            labels,
            ports: ports.collect(),
            host_network: spec.host_network.unwrap_or_default(),
            service_account: Some(spec.service_account_name.unwrap_or_else(|| "default".to_owned())),
        }
    }

    /// The number of a port of these pods.
    #[must_use]
    pub fn resolve(&self, protocol: Protocol, target: &Target) -> Option<u16> {
        match target {
            Target::Number(port) => Some(*port),
            Target::Name(name) => {
                let named = |port: &&NamedPort| port.protocol == protocol && port.name == *name;
                self.ports.iter().find(named).map(|port| port.port)
            }
        }
    }
}
