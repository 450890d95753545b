//! What an Istio mesh adds to policies: which pods are in it, where it demands mutual TLS, and whom it authorises.
//!
//! Read are the labels that put pods into the mesh, PeerAuthentication and AuthorizationPolicy
//! (<https://istio.io/latest/docs/reference/config/security/>). Between two pods of an ambient mesh what the network
//! sees is a tunnel to port 15008 (<https://istio.io/latest/docs/ambient/usage/networkpolicy/>).

mod authentication;
mod authorization;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

pub use self::authentication::Authentication;
use self::authentication::{Chosen, Transport};
use self::authorization::Holds;
pub use self::authorization::{Authorization, Identity};
use super::index::Index;
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

/// The pods that an object of the mesh is for.
fn pods_of(spec: &Value) -> Option<Selector> {
    let selector = spec.get("selector").and_then(|selector| LabelSelector::deserialize(selector).ok())?;
    Some(Selector::from(selector))
}

impl Pods {
    /// Who the pods are in a mesh that they take part in.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { namespace: self.namespace.clone(), account: self.service_account.clone() }
    }

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
pub struct Guard {
    member: Option<Member>,
    transport: Transport,
    /// The PeerAuthentications that have a say for them, the narrowest first.
    authentications: Vec<String>,
    /// The policies that hold for them, by their place in the network.
    policies: Vec<usize>,
}

impl Guard {
    /// What the mesh does for the pods at each place of a network.
    pub(super) fn all(index: &Index<'_>) -> Vec<Self> {
        let network = index.network();
        let root = network.mesh_root.as_deref().unwrap_or(ROOT);
        let member = |pods: &Pods| pods.member(&network.labels_of(&pods.namespace));
        let mut guards: Vec<Self> =
            network.pods.iter().map(|pods| Self { member: member(pods), ..Self::default() }).collect();
        for (place, policy) in network.authorizations.iter().enumerate() {
            let everywhere = policy.namespace == root;
            let all = Selector::default();
            let pods = policy.pods.as_ref().unwrap_or(&all);
            for at in index.select(pods, |namespace| everywhere || namespace == policy.namespace) {
                if let Some(guard) = guards.get_mut(at) {
                    guard.policies.push(place);
                }
            }
        }
        let mut chosen: Vec<Chosen<'_>> = vec![Chosen::default(); guards.len()];
        for one in &network.authentications {
            let mesh = one.pods.is_none() && one.namespace == root;
            let all = Selector::default();
            for at in index.select(one.pods.as_ref().unwrap_or(&all), |space| mesh || space == one.namespace) {
                let (Some(chosen), Some(pods)) = (chosen.get_mut(at), network.pods.get(at)) else { continue };
                if one.pods.is_some() {
                    chosen.own.get_or_insert(one);
                    continue;
                }
                if pods.namespace == one.namespace {
                    chosen.namespace.get_or_insert(one);
                }
                if mesh {
                    chosen.mesh.get_or_insert(one);
                }
            }
        }
        for (guard, chosen) in guards.iter_mut().zip(&chosen) {
            guard.transport = chosen.transport();
            guard.authentications = chosen.names();
        }
        guards
    }

    /// How the pods take part in the mesh, if they do.
    #[must_use]
    pub fn member(&self) -> Option<Member> {
        self.member
    }

    /// The ports that are open in the clear, as far as TLS decides that.
    #[must_use]
    pub fn in_the_clear(&self) -> PortSet {
        PortSet::whole(Protocol::Tcp).without(&self.transport.strict)
    }

    /// The PeerAuthentications that have a say for the pods, the narrowest first.
    #[must_use]
    pub fn authentications(&self) -> &[String] {
        &self.authentications
    }

    fn policies<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = &'a Authorization> + 'a {
        self.policies.iter().filter_map(|at| network.authorizations.get(*at))
    }

    /// The ports on which a caller is authorised: certainly, or possibly.
    #[must_use]
    pub fn authorised(&self, network: &Network, caller: Option<&Identity>, sure: bool) -> PortSet {
        let (allow, deny) = if sure { (Holds::Yes, Holds::Perhaps) } else { (Holds::Perhaps, Holds::Yes) };
        let to = |caller: Option<&Identity>| {
            let named = |denies: bool, least: Holds| {
                let mut ports = PortSet::default();
                let policies = self.policies(network).filter(|policy| policy.denies == denies);
                policies.for_each(|policy| ports.extend(&policy.names(caller, least)));
                ports
            };
            // Where no policy allows anything, everything is.
            let allowed = match self.policies(network).any(|policy| !policy.denies) {
                true => named(false, allow),
                false => PortSet::whole(Protocol::Tcp),
            };
            allowed.without(&named(true, deny))
        };
        let mut ports = to(caller).without(&self.transport.plain);
        if !self.transport.plain.is_empty() {
            ports.extend(&to(None).and(&self.transport.plain));
        }
        ports
    }

    /// The policy that authorises a caller on some of these ports; nothing where that needs no policy.
    #[must_use]
    pub fn authoriser<'a>(
        &'a self,
        network: &'a Network,
        caller: Option<&Identity>,
        ports: &PortSet,
    ) -> Option<&'a str> {
        let names = |policy: &&Authorization| !policy.names(caller, Holds::Perhaps).and(ports).is_empty();
        let mut allowing = self.policies(network).filter(|policy| !policy.denies);
        allowing.find(names).map(|policy| policy.name.as_str())
    }

    /// The identities that policies name as callers; nothing where some policy fits others than those too.
    #[must_use]
    pub fn callers(&self, network: &Network) -> Option<Vec<Identity>> {
        let mut callers = Vec::new();
        for policy in self.policies(network) {
            callers.extend(policy.callers()?);
        }
        callers.sort();
        callers.dedup();
        Some(callers)
    }
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
    let anonymous = || guard.in_the_clear().and(&guard.authorised(network, None, sure));
    let as_itself = || guard.authorised(network, Some(&caller.identity()), sure);
    let answered = match (theirs, sure) {
        (Some(_), _) => as_itself(),
        // Who is not in the mesh has no identity.
        (None, true) => anonymous(),
        // But somebody who is not known might be in it.
        (None, false) => {
            let mut either = as_itself();
            either.extend(&anonymous());
            either
        }
    };
    let mut left = open.without(&tcp);
    left.extend(&transport.and(&answered));
    left
}

#[cfg(test)]
mod tests;
