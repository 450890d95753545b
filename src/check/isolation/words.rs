//! How a counterexample is told: which policies open a connection, or which do not.

use super::super::reach::{End, Explanation, Half, PortSet, explain};
use super::Proof;

impl Proof<'_> {
    /// Which policies open ports between two ends.
    pub(super) fn opened(&self, from: End, to: End, ports: &PortSet) -> String {
        let Some(Explanation { out, into, .. }) = explain(&self.reach, from, to) else { return String::new() };
        let out = out.and_then(|half| openings(&half, ports)).map(|by| format!("{by} lets it out"));
        let into = into.and_then(|half| openings(&half, ports)).map(|by| format!("{by} lets it in"));
        let parts: Vec<String> = [out, into].into_iter().flatten().collect();
        if parts.is_empty() {
            return "a tunnel of the mesh lets it through, and no AuthorizationPolicy keeps it to single ports"
                .to_owned();
        }
        parts.join(" and ")
    }

    /// The policy of either end that opens ports between two kinds of pods.
    pub(super) fn sides_opened(&self, from: usize, to: usize, ports: &PortSet) -> (Option<String>, Option<String>) {
        let found = explain(&self.reach, End::Pods(from), End::Pods(to));
        let (out, into) = found.map_or((None, None), |found| (found.out, found.into));
        (out.and_then(|half| openings(&half, ports)), into.and_then(|half| openings(&half, ports)))
    }

    /// Which policies would have to open a port between two ends, and do not.
    pub(super) fn closed(&self, from: End, to: End, ports: &PortSet) -> String {
        let Some(Explanation { out, into, refused, .. }) = explain(&self.reach, from, to) else { return String::new() };
        let refused = refused.and(ports);
        let mesh = (!refused.is_empty())
            .then(|| format!("the mesh refuses {refused}, because it demands mutual TLS or authorises others only"));
        let lacking = |half: Option<Half>, way: &str| {
            let half = half.filter(|half| !half.policies.is_empty())?;
            let mut certain = PortSet::default();
            for opening in half.policies.iter().flat_map(|ruling| &ruling.opens).filter(|opening| !opening.perhaps) {
                certain.extend(&opening.ports);
            }
            if ports.without(&certain).is_empty() {
                return None;
            }
            let names: Vec<&str> = half.policies.iter().map(|ruling| ruling.policy.as_str()).collect();
            Some(match names.as_slice() {
                [one] => format!("{one} does not let it {way}"),
                many => format!("none of {} lets it {way}", many.join(", ")),
            })
        };
        let parts: Vec<String> = [lacking(out, "out"), lacking(into, "in"), mesh].into_iter().flatten().collect();
        parts.join("; ")
    }
}

/// The policy and rule that open some of these ports; nothing where no policy speaks of that direction.
fn openings(half: &Half, ports: &PortSet) -> Option<String> {
    if half.host_network {
        return Some(format!("the network of the node of {}", half.pods));
    }
    let rulings = half.policies.iter().flat_map(|ruling| ruling.opens.iter().map(move |opening| (ruling, opening)));
    let mut fitting = rulings.filter(|(_, opening)| !opening.ports.and(ports).is_empty());
    fitting.next().map(|(ruling, opening)| format!("{} (rule {})", ruling.policy, opening.rule))
}
