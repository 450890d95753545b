//! Connections inside the fleet: those that are declared are open, and no other.

use std::collections::BTreeMap;

use strata_components::claims::BackupClaim;
use strata_components::model::MeshMode;

use super::super::reach::mesh::TUNNEL;
use super::super::reach::{End, Pair, PortSet, Protocol};
use super::cast::{Part, plays};
use super::mesh::MESH_CONTROL;
use super::{Proof, rules};
use crate::finding::Finding;

/// The ports that are declared between two kinds of pods, by their places in the network.
pub(super) type Declared = BTreeMap<(usize, usize), PortSet>;

/// The ports of DNS.
fn dns_ports() -> PortSet {
    let mut ports = PortSet::of(Protocol::Tcp, 53, 53);
    ports.insert(Protocol::Udp, 53, 53);
    ports
}

impl Proof<'_> {
    /// The ports of pods that belong to a service of this full name, after its Service's translation; nothing where
    /// the Service leads nowhere.
    fn answers(&self, full: &str) -> Vec<(usize, Option<u16>)> {
        let Some(member) = self.cast.member(full) else { return Vec::new() };
        let Some((namespace, name)) = &member.service else { return Vec::new() };
        let ports = member.protocol.iter().chain(&member.further);
        ports.flat_map(|port| self.reach.behind(namespace, name, &port.to_string())).collect()
    }

    /// Every dependency is open, from all pods of the one to all pods of the other.
    pub(super) fn dependencies(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for edge in &self.desired.claims.edges {
            let (from, to) = (self.cast.full_name(&edge.from), self.cast.full_name(&edge.to));
            let Some(callers) = self.cast.member(&from).map(|member| &member.pods) else { continue };
            let called = self.answers(&to);
            let Some(first) = callers.first() else { continue };
            if self.cast.member(&to).is_some() && called.is_empty() {
                let message = format!("{} cannot reach {}: its Service leads to no pods", edge.from, edge.to);
                findings.push(self.finding(&rules::EDGE_CLOSED, *first, message, "let the Service select its pods"));
            }
            for (at, port) in called {
                let Some(port) = port else {
                    let pods = self.called(at);
                    let message =
                        format!("{} cannot reach {}: {pods} has no port that its Service leads to", edge.from, edge.to);
                    findings.push(self.finding(&rules::EDGE_CLOSED, *first, message, "name the port in the pods"));
                    continue;
                };
                let ports = PortSet::of(Protocol::Tcp, port, port);
                for caller in
                    callers.iter().filter(|caller| !self.reach.certain(**caller, at).contains(Protocol::Tcp, port))
                {
                    let why = self.closed(End::Pods(*caller), End::Pods(at), &ports);
                    let message = format!("{} depends on {} and cannot reach it on {ports}: {why}", edge.from, edge.to);
                    let help = "let a policy of each of the two name the other and the port of its pods";
                    findings.push(self.finding(&rules::EDGE_CLOSED, *caller, message, help));
                }
            }
        }
        findings.extend(self.backups().into_iter().filter_map(|(copying, store, port)| {
            if self.reach.certain(copying, store).contains(Protocol::Tcp, port) {
                return None;
            }
            let ports = PortSet::of(Protocol::Tcp, port, port);
            let why = self.closed(End::Pods(copying), End::Pods(store), &ports);
            let message = format!(
                "{} cannot reach {} on {ports}, and so makes no copies of it: {why}",
                self.reach.network().pods.get(copying).map_or("", |pods| pods.name.as_str()),
                self.called(store)
            );
            let help = "let a policy of each of the two name the other and the port of the store";
            Some(self.finding(&rules::EDGE_CLOSED, copying, message, help))
        }));
        findings
    }

    /// The pods that make copies of a store, with the store's own and the port that they call.
    fn backups(&self) -> Vec<(usize, usize, u16)> {
        let of = |claim: &BackupClaim| {
            let full = self.cast.full_name(&claim.service);
            let copying: Vec<usize> = self.cast.scheduled_of(&full).collect();
            let main = self.cast.member(&full).and_then(|member| member.service.as_ref().zip(member.protocol));
            let store = main.map(|((namespace, name), port)| self.reach.behind(namespace, name, &port.to_string()));
            let store = store.into_iter().flatten().filter_map(|(at, port)| Some((at, port?)));
            store
                .flat_map(|(at, port)| copying.iter().map(move |from| (*from, at, port)).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        self.desired.claims.backups.iter().flat_map(of).collect()
    }

    /// The ports that are declared between two kinds of pods.
    pub(super) fn declared(&self) -> Declared {
        let mut declared = Declared::new();
        let ambient = self.mesh() == Some(MeshMode::Ambient);
        let mut open = |from: &str, to: &str| {
            let callers = self.cast.member(from).map(|member| member.pods.clone()).unwrap_or_default();
            for (at, port) in self.answers(to) {
                let Some(port) = port else { continue };
                for caller in &callers {
                    let ports = declared.entry((*caller, at)).or_default();
                    ports.insert(Protocol::Tcp, port, port);
                    if ambient {
                        // The tunnel, through which the port that is scraped in the clear is reached too.
                        ports.insert(Protocol::Tcp, TUNNEL, TUNNEL);
                        let scraped = self.cast.member(to).and_then(|member| member.health);
                        scraped.into_iter().for_each(|port| ports.insert(Protocol::Tcp, port, port));
                    }
                }
            }
        };
        for edge in &self.desired.claims.edges {
            open(&self.cast.full_name(&edge.from), &self.cast.full_name(&edge.to));
        }
        // Other stacks declare whom of this one they depend on.
        let own = &self.loaded.stack.stack;
        for other in self.loaded.neighbours() {
            for (name, service) in &other.services {
                let of_tier = other.tiers.get(&service.tier).into_iter().flat_map(|tier| &tier.depends_on);
                for called in service.depends_on.iter().chain(of_tier).filter(|one| one.stack() == Some(own.as_str())) {
                    open(&format!("{}/{name}", other.stack), &format!("{own}/{}", called.service()));
                }
            }
        }
        for (copying, store, port) in self.backups() {
            let ports = declared.entry((copying, store)).or_default();
            ports.insert(Protocol::Tcp, port, port);
            if ambient {
                ports.insert(Protocol::Tcp, TUNNEL, TUNNEL);
            }
        }
        declared
    }

    /// Nothing else is open: between services, from strangers in, and out to strangers.
    pub(super) fn undeclared(&self, declared: &Declared) -> Vec<Finding> {
        let mut between: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
        let mut from_outside: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
        let mut to_outside: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
        for pair in self.reach.pairs() {
            let (from, to) = (self.cast.is_own(pair.from), self.cast.is_own(pair.to));
            if !from && !to {
                continue;
            }
            // What no policy closes is said once.
            if (from && !self.closed_out(pair.from)) || (to && !self.closed_in(pair.to)) {
                continue;
            }
            let inside = self.are_inside(pair.from, pair.to);
            // Towards strangers, what addresses open is looked at as addresses.
            let open = if inside { pair.possible } else { self.reach.certain(pair.from, pair.to) };
            let possible = open.without(&self.allowed(declared, pair.from, pair.to));
            if possible.is_empty() {
                continue;
            }
            let list = if inside {
                between.entry(pair.to)
            } else if to {
                from_outside.entry(pair.to)
            } else {
                to_outside.entry(pair.from)
            };
            list.or_default().push(Pair { from: pair.from, to: pair.to, possible });
        }
        let mut findings = self.one_sided(declared);
        for (to, pairs) in &between {
            let (help, lead) = ("declare the dependency, or narrow the policy", "which nothing declares");
            findings.extend(self.opening(&rules::UNDECLARED_OPEN, *to, pairs, lead, help));
        }
        for (to, pairs) in &from_outside {
            let help = "let nothing in from outside the fleet but through the gateway";
            findings.extend(self.opening(&rules::OUTSIDE_REACHES, *to, pairs, "from outside the fleet", help));
        }
        for (from, pairs) in &to_outside {
            let help = "declare the way out in `egress`, or narrow the policy";
            findings.extend(self.opening(&rules::WAY_OUT_OPEN, *from, pairs, "outside the fleet, undeclared", help));
        }
        findings
    }

    /// Whether both pods belong to services that are described.
    fn are_inside(&self, from: usize, to: usize) -> bool {
        self.cast.full_name_of(from).is_some() && self.cast.full_name_of(to).is_some()
    }

    /// The ports that are meant to be open from one kind of pods to another.
    fn allowed(&self, declared: &Declared, from: usize, to: usize) -> PortSet {
        if self.are_inside(from, to) {
            declared.get(&(from, to)).cloned().unwrap_or_default()
        } else if self.cast.is_own(to) {
            self.let_in(from, to)
        } else {
            self.let_out(to)
        }
    }

    /// Policies of one end that are wider than what is declared, where the other end's still keep the connection
    /// closed: the next change of those would open it.
    fn one_sided(&self, declared: &Declared) -> Vec<Finding> {
        let mut findings = Vec::new();
        for own in self.cast.own().filter(|own| self.closed_in(*own) && self.closed_out(*own)) {
            let sides = [(self.reach.incoming(own), true), (self.reach.outgoing(own), false)];
            for (side, ingress) in sides {
                let wider = side.into_iter().flat_map(|side| &side.pods).find_map(|(other, ports)| {
                    let (from, to) = if ingress { (*other, own) } else { (own, *other) };
                    let beyond = ports.without(&self.allowed(declared, from, to));
                    let stopped = beyond.without(&self.reach.possible(from, to));
                    (!stopped.is_empty()).then_some((from, to, stopped))
                });
                let Some((from, to, ports)) = wider else { continue };
                let (out, into) = self.sides_opened(from, to, &ports);
                let (by, way, other) = if ingress { (into, "in", from) } else { (out, "out", to) };
                let message = format!(
                    "{} would let {} to {} on {ports}, which nothing declares: {} lets it {way}, and only the policies \
                     of {} stop it",
                    self.called(own),
                    self.called(from),
                    self.called(to),
                    by.unwrap_or_default(),
                    self.called(other)
                );
                let help = "narrow the policy to what is declared";
                findings.push(self.finding(&rules::WIDER_THAN_DECLARED, own, message, help));
            }
        }
        findings
    }

    /// The first of some pairs as a counterexample, and how many there are beside it.
    fn opening(
        &self,
        rule: &crate::finding::Rule,
        pods: usize,
        pairs: &[Pair],
        lead: &str,
        help: &str,
    ) -> Option<Finding> {
        let first = pairs.first()?;
        let (from, to) = (self.called(first.from), self.called(first.to));
        let why = self.opened(End::Pods(first.from), End::Pods(first.to), &first.possible);
        let more = match pairs.len() {
            1 => String::new(),
            2 => "; so can one more".to_owned(),
            count => format!("; so can {} more", count - 1),
        };
        let message = format!("{from} can reach {to} on {}, {lead}: {why}{more}", first.possible);
        Some(self.finding(rule, pods, message, help))
    }

    /// The ports of own pods that are meant to be open to a stranger.
    fn let_in(&self, stranger: usize, own: usize) -> PortSet {
        let mut ports = PortSet::default();
        let Some(pods) = self.reach.network().pods.get(stranger) else { return ports };
        let (Some(member), Some(service)) = (self.cast.server_of(own), self.cast.service_of(own)) else { return ports };
        let is_gateway = self.loaded.stack.services.get(service).is_some_and(|service| service.gateway.is_some());
        let controller = self.loaded.environment.gateway.as_ref().map(|gateway| &gateway.controller);
        if let Some(port) = member.protocol.filter(|_| is_gateway)
            && controller.is_some_and(|peer| plays(peer, pods))
        {
            ports.insert(Protocol::Tcp, port, port);
        }
        let monitoring = self.loaded.environment.monitoring.as_ref();
        if let Some(port) = member.health.or(member.protocol)
            && monitoring.is_some_and(|monitoring| plays(&monitoring.prometheus, pods))
        {
            ports.insert(Protocol::Tcp, port, port);
        }
        ports
    }

    /// The ports of a stranger that are meant to be open to every pod of the stack.
    fn let_out(&self, stranger: usize) -> PortSet {
        let mut ports = PortSet::default();
        let Some(pods) = self.reach.network().pods.get(stranger) else { return ports };
        let environment = &self.loaded.environment;
        if plays(&environment.network.dns, pods) {
            ports.extend(&dns_ports());
        }
        let sidecars = environment.mesh.as_ref().filter(|mesh| mesh.mode == MeshMode::Sidecar);
        if sidecars.is_some_and(|mesh| plays(&mesh.control_plane, pods)) {
            ports.insert(Protocol::Tcp, MESH_CONTROL, MESH_CONTROL);
        }
        ports
    }

    /// What the cluster does for every fleet works: names are answered, and the gateway gets its traffic.
    pub(super) fn neighbours(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(dns) = self.cast.part(Part::Dns) {
            for own in self.cast.own() {
                let missing = dns_ports().without(&self.reach.certain(own, dns));
                if !missing.is_empty() {
                    let why = self.closed(End::Pods(own), End::Pods(dns), &missing);
                    let message = format!("{} cannot ask for names on {missing}: {why}", self.called(own));
                    findings.push(self.finding(
                        &rules::DNS_CLOSED,
                        own,
                        message,
                        "let every pod reach the cluster's DNS",
                    ));
                }
            }
        }
        if let Some(controller) = self.cast.part(Part::Controller) {
            let gateways = self.loaded.stack.services.iter().filter(|(_, service)| service.gateway.is_some());
            for (name, _) in gateways {
                for (at, port) in self.answers(&self.cast.full_name(name.as_str())) {
                    let Some(port) = port else { continue };
                    let ports = PortSet::of(Protocol::Tcp, port, port);
                    if !ports.without(&self.reach.certain(controller, at)).is_empty() {
                        let why = self.closed(End::Pods(controller), End::Pods(at), &ports);
                        let message = format!("the gateway {name} gets no traffic on {ports}: {why}");
                        let help = "let the pods of the ingress controller in";
                        findings.push(self.finding(&rules::GATEWAY_CLOSED, at, message, help));
                    }
                }
            }
        }
        findings.extend(self.scraped());
        findings
    }

    /// Prometheus gets to every health port.
    fn scraped(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some(prometheus) = self.cast.part(Part::Prometheus) else { return findings };
        for own in self.cast.own() {
            let Some(port) = self.cast.server_of(own).and_then(|member| member.health.or(member.protocol)) else {
                continue;
            };
            let ports = PortSet::of(Protocol::Tcp, port, port);
            if !ports.without(&self.reach.certain(prometheus, own)).is_empty() {
                let why = self.closed(End::Pods(prometheus), End::Pods(own), &ports);
                let message = format!("{} cannot be scraped on {ports}: {why}", self.called(own));
                let help = "let the pods in that `monitoring.prometheus` of the environment names";
                findings.push(self.finding(&rules::SCRAPE_CLOSED, own, message, help));
            }
        }
        findings
    }
}
