//! What the mesh's own policies let through, taken by themselves: who may call whom is said twice, by addresses and by
//! identities, and each of the two has to be right without the other.

use std::collections::BTreeMap;

use strata_components::model::MeshMode;

use super::super::reach::mesh::{Guard, Identity};
use super::super::reach::{End, PortSet, Protocol, Side};
use super::cast::Part;
use super::inside::Declared;
use super::{Proof, rules};
use crate::finding::Finding;

/// The port at which the control plane of a mesh answers sidecars
/// (<https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio>).
pub(super) const MESH_CONTROL: u16 = 15012;
/// A namespace and a ServiceAccount that nobody has: whoever they are let through with is let through as anybody.
const NOBODY: &str = "~";

impl Proof<'_> {
    /// The mode of the environment's mesh, if there is one.
    pub(super) fn mesh(&self) -> Option<MeshMode> {
        self.loaded.environment.mesh.as_ref().map(|mesh| mesh.mode)
    }

    /// Every pod is in the mesh, which lets through what is declared and nothing else.
    pub(super) fn meshed(&self, declared: &Declared) -> Vec<Finding> {
        let Some(mode) = self.mesh() else { return Vec::new() };
        let mut accounts: BTreeMap<Identity, Vec<usize>> = BTreeMap::new();
        for (at, pods) in self.reach.network().pods.iter().enumerate() {
            accounts.entry(pods.identity()).or_default().push(at);
        }
        let mut findings = self.unprotected();
        for own in self.cast.own() {
            let Some(guard) = self.reach.guard(own) else { continue };
            if guard.member().is_none() && self.cast.member_of(own).is_none() && self.talks_to_nobody(own) {
                continue;
            }
            if guard.member().is_none() {
                let message =
                    format!("{} takes no part in the mesh, which is {} here", self.called(own), mode.as_str());
                let help = "label its pods or its namespace as the mode asks, and keep them off the node's network";
                findings.push(self.finding(&rules::NOT_IN_MESH, own, message, help));
                continue;
            }
            findings.extend(self.in_the_clear(own, guard));
            findings.extend(self.authorised(own, guard, declared, &accounts));
        }
        findings.extend(self.mesh_control());
        findings
    }

    /// Whether policies let no service in and out to none: a mesh has nothing to protect there.
    fn talks_to_nobody(&self, own: usize) -> bool {
        let closed = |side: Option<&Side>| {
            side.is_some_and(|side| side.is_closed_but_for(|other| self.cast.member_of(other).is_none()))
        };
        closed(self.reach.incoming(own)) && closed(self.reach.outgoing(own))
    }

    /// Pods that somebody else puts into a namespace of the stack are called with mutual TLS only, too.
    fn unprotected(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for at in self.cast.newcomers() {
            let clear = self.reach.guard(*at).map(Guard::in_the_clear).unwrap_or_default();
            if !clear.is_empty() {
                let message = format!("{} would take calls in the clear, in the mesh too", self.called(*at));
                let help = "add a PeerAuthentication for the whole namespace that demands mutual TLS";
                findings.push(self.of_namespace(*at, message, help));
            }
        }
        findings
    }

    /// The ports that what is outside the mesh calls: for a scrape, and on the gateway.
    fn called_from_outside(&self, own: usize) -> PortSet {
        let mut ports = PortSet::default();
        let (Some(member), Some(service)) = (self.cast.server_of(own), self.cast.service_of(own)) else { return ports };
        let environment = &self.loaded.environment;
        let gateway = self.loaded.stack.services.get(service).is_some_and(|service| service.gateway.is_some());
        let entered = member.protocol.filter(|_| gateway && environment.gateway.is_some());
        let scraped = member.health.or(member.protocol).filter(|_| environment.monitoring.is_some());
        entered.into_iter().chain(scraped).for_each(|port| ports.insert(Protocol::Tcp, port, port));
        ports
    }

    /// Mutual TLS is demanded on every port that nothing outside the mesh calls.
    fn in_the_clear(&self, own: usize, guard: &Guard) -> Option<Finding> {
        let beyond = guard.in_the_clear().without(&self.called_from_outside(own));
        if beyond.is_empty() {
            return None;
        }
        let by = match guard.authentications() {
            [] => "no PeerAuthentication demands mutual TLS".to_owned(),
            [one, ..] => format!("{one} does not demand mutual TLS"),
        };
        let message = format!(
            "{} takes calls in the clear on {beyond}: {by}, and only other policies stop them",
            self.called(own)
        );
        let help = "demand mutual TLS on every port but those that are called from outside the mesh";
        Some(self.finding(&rules::MESH_WIDER, own, message, help))
    }

    /// Only those that declare it are authorised, and on the port that they declare.
    fn authorised(
        &self,
        own: usize,
        guard: &Guard,
        declared: &Declared,
        accounts: &BTreeMap<Identity, Vec<usize>>,
    ) -> Option<Finding> {
        let network = self.reach.network();
        let open = self.called_from_outside(own);
        let here = network.pods.get(own).map(|pods| pods.namespace.clone()).unwrap_or_default();
        let nobody = |namespace: &str| Identity { namespace: namespace.to_owned(), account: Some(NOBODY.to_owned()) };
        // Where a rule is about others than it names, everybody is asked about.
        let named = guard.callers(network).unwrap_or_else(|| accounts.keys().cloned().collect());
        let callers = [nobody(NOBODY), nobody(&here)].into_iter().chain(named);
        let mut wider = callers.filter_map(|caller| {
            let admitted = guard.authorised(network, Some(&caller), false).without(&open);
            let pods = accounts.get(&caller).map(Vec::as_slice).unwrap_or_default();
            let meant = |from: &usize| declared.get(&(*from, own)).cloned().unwrap_or_default();
            // One identity may stand for several kinds of pods, each of which is let through.
            let beyond = match pods {
                [] => admitted,
                pods => {
                    let mut beyond = PortSet::default();
                    pods.iter().for_each(|from| beyond.extend(&admitted.without(&meant(from))));
                    beyond
                }
            };
            (!beyond.is_empty()).then_some((caller, beyond))
        });
        let (caller, beyond) = wider.next()?;
        let who = match (&caller.account, accounts.get(&caller).and_then(|pods| pods.first())) {
            (_, Some(pods)) => self.called(*pods).to_owned(),
            (Some(account), None) if account != NOBODY => {
                format!("whoever runs as {account} in namespace {}", caller.namespace)
            }
            (..) if caller.namespace == NOBODY => "everybody in the mesh".to_owned(),
            (..) => format!("every pod of namespace {}", caller.namespace),
        };
        let by = match guard.authoriser(network, Some(&caller), &beyond) {
            Some(policy) => format!("{policy} lets it"),
            None => "no AuthorizationPolicy keeps it to what is declared".to_owned(),
        };
        let message = format!(
            "the mesh would let {who} call {} on {beyond}, which nothing declares: {by}, and only other policies stop it",
            self.called(own)
        );
        Some(self.finding(&rules::MESH_WIDER, own, message, "narrow the policy to what is declared"))
    }

    /// Sidecars get to the control plane of their mesh.
    fn mesh_control(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some(control) = self.cast.part(Part::MeshControl) else { return findings };
        let ports = PortSet::of(Protocol::Tcp, MESH_CONTROL, MESH_CONTROL);
        for own in self.cast.own().filter(|own| !ports.without(&self.reach.certain(*own, control)).is_empty()) {
            let why = self.closed(End::Pods(own), End::Pods(control), &ports);
            let message =
                format!("the sidecar of {} cannot reach its control plane on {ports}: {why}", self.called(own));
            let help = "let its pods reach those that `mesh.control_plane` of the environment names";
            findings.push(self.finding(&rules::MESH_CLOSED, own, message, help));
        }
        findings
    }
}
