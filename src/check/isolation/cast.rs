//! Who is who in the network of a proof: the pods of the stack's services, those of other stacks that they talk to,
//! the cluster's own that the environment names, and strangers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use strata_components::claims::PortUse;
use strata_components::compose::compose_among;
use strata_components::desired::Desired;
use strata_components::model::{LabelKey, LabelValue, MeshMode, Peer, Stack};

use super::super::reach::strangers::invite;
use super::super::reach::{Labels, NAMESPACE_NAME, Network, Pods};
use crate::load::Loaded;

/// Who is who in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cast {
    stack: String,
    /// Pods by the full name of their service, `stack/service`.
    services: BTreeMap<String, Member>,
    /// The full name of the service that pods belong to.
    names: BTreeMap<usize, String>,
    /// Pods of the cluster that the environment names, by what they are.
    cluster: BTreeMap<Part, usize>,
    own: BTreeSet<usize>,
    /// Pods that are run to their end: they call, and nobody calls them.
    jobs: BTreeSet<usize>,
    /// Those among them that are run again and again.
    scheduled: BTreeSet<usize>,
    /// Pods that nobody described, one in each namespace of the stack.
    newcomers: Vec<usize>,
}

/// A service in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Its pods.
    pub(super) pods: Vec<usize>,
    /// Namespace and name of its Service.
    pub(super) service: Option<(String, String)>,
    /// The port that others connect to.
    pub(super) protocol: Option<u16>,
    /// The ports beside it that others connect to.
    pub(super) further: Vec<u16>,
    /// The port of health and metrics.
    pub(super) health: Option<u16>,
}

/// A part that pods of the cluster play for a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// They answer DNS.
    Dns,
    /// They take traffic in.
    Controller,
    /// They scrape health ports.
    Prometheus,
    /// They give sidecars their certificates and configuration.
    MeshControl,
}

impl Part {
    /// The name that a command line has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Controller => "ingress-controller",
            Self::Prometheus => "prometheus",
            Self::MeshControl => "mesh-control",
        }
    }
}

impl Cast {
    /// The pods of a service, by its name or as `stack/service`, or of a part that the cluster plays.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Vec<usize>> {
        let full = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", self.stack) };
        let part = || self.cluster.iter().find(|(part, _)| part.name() == name).map(|(_, at)| vec![*at]);
        self.services.get(&full).map(|member| member.pods.clone()).or_else(part)
    }

    /// The Service of a service, by namespace and name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<(&str, &str)> {
        let full = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", self.stack) };
        let (namespace, name) = self.services.get(&full)?.service.as_ref()?;
        Some((namespace, name))
    }

    /// Everybody that can be asked for by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = format!("{}/", self.stack);
        let services = self.services.keys().map(move |name| name.strip_prefix(&own).unwrap_or(name));
        services.chain(self.cluster.keys().map(|part| part.name()))
    }

    pub(super) fn member(&self, full: &str) -> Option<&Member> {
        self.services.get(full)
    }

    /// The member that pods belong to.
    pub(super) fn member_of(&self, pods: usize) -> Option<&Member> {
        self.services.get(self.names.get(&pods)?)
    }

    pub(super) fn full_name(&self, service: &str) -> String {
        if service.contains('/') { service.to_owned() } else { format!("{}/{service}", self.stack) }
    }

    /// The pods of the stack itself.
    pub(super) fn own(&self) -> impl Iterator<Item = usize> + '_ {
        self.own.iter().copied()
    }

    pub(super) fn is_own(&self, pods: usize) -> bool {
        self.own.contains(&pods)
    }

    /// The member that pods answer for; nothing for those that are run to their end.
    pub(super) fn server_of(&self, pods: usize) -> Option<&Member> {
        self.member_of(pods).filter(|_| !self.jobs.contains(&pods))
    }

    /// The pods of a service, by its full name, that are run again and again.
    pub(super) fn scheduled_of(&self, full: &str) -> impl Iterator<Item = usize> + '_ {
        let pods = self.services.get(full).into_iter().flat_map(|member| &member.pods);
        pods.copied().filter(|at| self.scheduled.contains(at))
    }

    pub(super) fn part(&self, part: Part) -> Option<usize> {
        self.cluster.get(&part).copied()
    }

    /// Pods that nobody described, one in each namespace of the stack.
    pub(super) fn newcomers(&self) -> &[usize] {
        &self.newcomers
    }

    /// The full name of the service that pods belong to.
    pub(super) fn full_name_of(&self, pods: usize) -> Option<&str> {
        self.names.get(&pods).map(String::as_str)
    }

    /// The service of the stack itself that pods belong to.
    pub(super) fn service_of(&self, pods: usize) -> Option<&str> {
        self.names.get(&pods)?.strip_prefix(&format!("{}/", self.stack))
    }

    /// What a command line calls the part that pods play.
    pub(super) fn part_of(&self, pods: usize) -> Option<&'static str> {
        self.cluster.iter().find(|(_, at)| **at == pods).map(|(part, _)| part.name())
    }

    /// What pods are called where a service or a part has a name for them.
    pub(super) fn name_of(&self, pods: usize) -> Option<&str> {
        self.service_of(pods).or_else(|| self.full_name_of(pods))
    }

    fn take_in(&mut self, stack: &str, desired: &Desired, network: &mut Network) -> Vec<usize> {
        let mut added = Vec::new();
        for resource in &desired.resources {
            let first = network.pods.len();
            network.add(&resource.manifest);
            let pods: Vec<usize> = (first..network.pods.len()).collect();
            added.extend(&pods);
            if matches!(resource.id.kind.kind.as_str(), "Job" | "CronJob") {
                self.jobs.extend(&pods);
            }
            if resource.id.kind.kind == "CronJob" {
                self.scheduled.extend(&pods);
            }
            let Some(service) = &resource.service else { continue };
            let full = format!("{stack}/{service}");
            self.names.extend(pods.iter().map(|at| (*at, full.clone())));
            let member = self.services.entry(full).or_default();
            member.pods.extend(pods);
            if resource.id.kind.kind == "Service" {
                let namespace = resource.id.namespace.clone().unwrap_or_default();
                member.service = Some((namespace, resource.id.name.clone()));
            }
        }
        for claim in &desired.claims.ports {
            let Some(member) = self.services.get_mut(&format!("{stack}/{}", claim.service)) else { continue };
            match claim.purpose {
                PortUse::Protocol => member.protocol = Some(claim.port),
                PortUse::Further => member.further.push(claim.port),
                PortUse::Health => member.health = Some(claim.port),
            }
        }
        added
    }
}

/// Pods of the cluster that an environment names.
pub(super) fn pods_of(peer: &Peer, name: &str) -> Pods {
    Pods {
        name: format!("the {name} in {}", peer.namespace),
        namespace: peer.namespace.to_string(),
        labels: peer.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        ..Pods::default()
    }
}

/// Whether pods are such as an environment names: of that namespace, with all of those labels.
pub(super) fn plays(peer: &Peer, pods: &Pods) -> bool {
    let has = |(key, value): (&LabelKey, &LabelValue)| {
        pods.labels.get(key.as_str()).is_some_and(|found| found == value.as_str())
    };
    pods.namespace == peer.namespace.as_str() && peer.labels.iter().all(has)
}

/// Reads a stack, the stacks it is linked with, and the policies of others, and invites strangers.
pub(super) fn assemble(desired: &Desired, loaded: &Loaded, foreign: &[Value]) -> (Network, Cast) {
    let mut network = Network::default();
    let mut cast = Cast { stack: desired.instance.stack.clone(), ..Cast::default() };
    cast.own = cast.take_in(&desired.instance.stack, desired, &mut network).into_iter().collect();
    let mut own: BTreeSet<String> = desired.namespaces.iter().cloned().collect();
    for linked in linked(desired, loaded) {
        own.extend(linked.namespaces.iter().cloned());
        cast.take_in(&linked.instance.stack.clone(), &linked, &mut network);
    }
    foreign.iter().for_each(|policy| network.add(policy));

    let environment = &loaded.environment;
    // Istio's own namespace is that of its control plane.
    network.mesh_root = environment.mesh.as_ref().map(|mesh| mesh.control_plane.namespace.to_string());
    let controller = environment.gateway.as_ref().map(|gateway| &gateway.controller);
    let prometheus = environment.monitoring.as_ref().map(|monitoring| &monitoring.prometheus);
    let sidecars = environment.mesh.as_ref().filter(|mesh| mesh.mode == MeshMode::Sidecar);
    let parts = [
        (Part::Dns, Some(&environment.network.dns), "DNS"),
        (Part::Controller, controller, "ingress controller"),
        (Part::Prometheus, prometheus, "Prometheus"),
        (Part::MeshControl, sidecars.map(|mesh| &mesh.control_plane), "control plane of the mesh"),
    ];
    for (part, peer, name) in parts {
        let Some(peer) = peer else { continue };
        let pods = pods_of(peer, name);
        let label = Labels::from([(NAMESPACE_NAME.to_owned(), pods.namespace.clone())]);
        network.namespaces.entry(pods.namespace.clone()).or_insert(label);
        cast.cluster.insert(part, network.pods.len());
        network.pods.push(pods);
    }
    for namespace in &desired.namespaces {
        cast.newcomers.push(network.pods.len());
        let name = format!("any other pod of namespace {namespace}");
        network.pods.push(Pods { name, namespace: namespace.clone(), ..Pods::default() });
    }
    invite(&mut network, &own);
    (network, cast)
}

/// The other stacks of the environment that this one depends on, or that depend on it, as they are composed there for
/// the instance of the same name.
fn linked(desired: &Desired, loaded: &Loaded) -> Vec<Desired> {
    let neighbours = loaded.neighbours();
    let stack = &loaded.stack;
    let called =
        |other: &Stack| desired.claims.edges.iter().any(|edge| edge.to.starts_with(&format!("{}/", other.stack)));
    let calls = |other: &Stack| {
        let of_services = other.services.values().flat_map(|service| &service.depends_on);
        let of_tiers = other.tiers.values().flat_map(|tier| &tier.depends_on);
        of_services.chain(of_tiers).any(|reference| reference.stack() == Some(stack.stack.as_str()))
    };
    let target = desired.resources.first().map_or("", |resource| resource.id.target.as_str());
    let composed = neighbours.iter().filter(|other| called(other) || calls(other)).filter_map(|other| {
        let rest: Vec<&Stack> =
            neighbours.iter().copied().filter(|one| one.stack != other.stack).chain([stack]).collect();
        compose_among(other, &loaded.environment, target, desired.instance.suffix.as_deref(), &rest).ok()
    });
    composed.collect()
}
