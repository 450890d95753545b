//! Addresses outside the cluster: the declared ways out are open, no other is, and no address is let in.

use strata_components::model::{AddressRange, Egress, MeshMode};

use super::super::reach::{Addresses, End, PortSet, Protocol, Side};
use super::{Proof, rules};
use crate::finding::Finding;

/// Ports at addresses.
type Ports = (Addresses, PortSet);

/// Ranges that are assigned to no one on the internet beside those inside: this network (RFC 791), protocol
/// assignments (RFC 6890), benchmarks (RFC 2544), multicast and what is reserved (RFC 1112).
const UNASSIGNED: [&str; 5] = ["0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"];
/// The addresses of IPv6 that are routed on the internet (RFC 4291).
const GLOBAL: &str = "2000::/3";

/// What is left of ports at addresses after others are taken away.
fn without(from: Vec<Ports>, taken: &[Ports]) -> Vec<Ports> {
    taken.iter().fold(from, |left, (addresses, ports)| {
        left.into_iter()
            .flat_map(|(block, open)| {
                let beside = (block.without(addresses), open.clone());
                let inside = (block.and(addresses), open.without(ports));
                [beside, inside]
            })
            .filter(|(block, open)| !block.is_empty() && !open.is_empty())
            .collect()
    })
}

/// The addresses that a way out has to open, and those that it may.
fn reached(way: Egress, kube_api: &[AddressRange]) -> (Vec<Ports>, Vec<Ports>) {
    let range = |range: &AddressRange| {
        let port = range.port().get();
        Addresses::block(&range.cidr()).map(|block| (block, PortSet::of(Protocol::Tcp, port, port)))
    };
    let same = |ports: Vec<Ports>| {
        // What lies inside a wider range, and is private, is left out of it.
        let needed = ports.iter().map(|(block, open)| {
            let public = block.without(&Addresses::inside()).without(&unassigned());
            (if public.is_empty() { block.clone() } else { public }, open.clone())
        });
        (needed.collect(), ports.clone())
    };
    match way {
        Egress::Internet(port) => {
            let port = PortSet::of(Protocol::Tcp, port.get(), port.get());
            let v4 = Addresses::block("0.0.0.0/0").unwrap_or_default();
            let mut needed = v4.without(&Addresses::inside()).without(&unassigned());
            needed.extend(&Addresses::block(GLOBAL).unwrap_or_default());
            (vec![(needed, port.clone())], vec![(Addresses::all().without(&Addresses::inside()), port)])
        }
        Egress::Range(declared) => same(range(&declared).into_iter().collect()),
        Egress::KubeApi => same(kube_api.iter().filter_map(range).collect()),
    }
}

fn port_of(port: u16) -> PortSet {
    PortSet::of(Protocol::Tcp, port, port)
}

fn unassigned() -> Addresses {
    let mut set = Addresses::default();
    UNASSIGNED.iter().filter_map(|block| Addresses::block(block)).for_each(|block| set.extend(&block));
    set
}

fn let_through(side: &Side) -> Vec<Ports> {
    side.addresses().collect()
}

impl Proof<'_> {
    /// Every declared way out is open, and no address beside those.
    pub(super) fn ways_out(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for own in self.cast.own().filter(|own| self.closed_out(*own)) {
            let Some(side) = self.reach.outgoing(own) else { continue };
            let service = self.cast.service_of(own).unwrap_or_default();
            let ways = self.desired.claims.egress.iter().filter(|claim| claim.service == service);
            let open = let_through(side);
            let mut may = Vec::new();
            for claim in ways {
                let Ok(way) = claim.to.parse::<Egress>() else { continue };
                let (needed, allowed) = reached(way, &self.loaded.environment.network.kube_api);
                may.extend(allowed);
                if let Some((block, ports)) = without(needed, &open).first() {
                    let names: Vec<&str> = side
                        .policies
                        .iter()
                        .filter_map(|at| self.reach.network().policies.get(*at))
                        .map(|policy| policy.name.as_str())
                        .collect();
                    let message = format!(
                        "{service} declares the way out {way}, and {block} is closed on {ports}: none of {} opens it",
                        names.join(", ")
                    );
                    let help = "let a policy of its pods name the addresses and the port";
                    findings.push(self.finding(&rules::WAY_OUT_CLOSED, own, message, help));
                }
            }
            if let Some(beyond) = without(open, &may).first() {
                let (block, ports) = beyond;
                let by = block.first().map(|address| self.opened(End::Pods(own), End::Address(address), ports));
                let (own_name, by) = (self.called(own), by.unwrap_or_default());
                let message = format!("{own_name} can reach {block} on {ports}, which it does not declare: {by}");
                let help = "declare the way out in `egress`, or narrow the policy";
                findings.push(self.finding(&rules::WAY_OUT_OPEN, own, message, help));
            }
        }
        findings
    }

    /// Where the kubelet's probes come from, as pods of an ambient mesh see them
    /// (<https://istio.io/latest/docs/ambient/usage/networkpolicy/>).
    fn probes(&self) -> Option<Addresses> {
        self.mesh().filter(|mode| *mode == MeshMode::Ambient)?;
        Addresses::block("169.254.7.127/32")
    }

    /// No address is let in, but for the probes of an ambient mesh, which work.
    pub(super) fn ways_in(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for own in self.cast.own().filter(|own| self.closed_in(*own)) {
            let Some(side) = self.reach.incoming(own) else { continue };
            let probed = self.cast.server_of(own).and_then(|member| member.health.or(member.protocol));
            let probes: Vec<Ports> =
                probed.zip(self.probes()).map(|(port, from)| (from, port_of(port))).into_iter().collect();
            if let Some(missing) = without(probes.clone(), &let_through(side)).first() {
                let message = format!("{} cannot be probed from {} on {}", self.called(own), missing.0, missing.1);
                let help = "let the address in that the probes of an ambient mesh come from";
                findings.push(self.finding(&rules::MESH_CLOSED, own, message, help));
            }
            if let Some(beyond) = without(let_through(side), &probes).first() {
                let (block, ports) = beyond;
                let by = block.first().map(|address| self.opened(End::Address(address), End::Pods(own), ports));
                let (own_name, by) = (self.called(own), by.unwrap_or_default());
                let message = format!("{own_name} can be reached from {block} on {ports}: {by}");
                let help = "let nothing in from outside the fleet but through the gateway";
                findings.push(self.finding(&rules::OUTSIDE_REACHES, own, message, help));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    fn ports(block: &str, first: u16, last: u16) -> Ports {
        (Addresses::block(block).unwrap(), PortSet::of(Protocol::Tcp, first, last))
    }

    #[test]
    fn what_is_left_of_ports_at_addresses() {
        let all = || vec![ports("10.0.0.0/8", 1, 100)];
        assert_eq!(without(all(), &[ports("10.0.0.0/8", 1, 100)]), []);
        assert_eq!(without(all(), &[ports("10.0.0.0/9", 1, 100)]), [ports("10.128.0.0/9", 1, 100)]);
        assert_eq!(without(all(), &[ports("0.0.0.0/0", 1, 99)]), [ports("10.0.0.0/8", 100, 100)]);
        assert_eq!(without(all(), &[ports("10.0.0.0/9", 1, 100), ports("10.128.0.0/9", 1, 100)]), []);
        assert_eq!(without(all(), &[ports("11.0.0.0/8", 1, 100)]), all());
    }
}
