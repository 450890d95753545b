//! Whether what is open is what was declared: who can talk to whom, computed by [`reach`](super::reach) from the
//! rendered policies alone, held against the claims of the stack.
//!
//! Proven are both directions. What is declared (dependencies, DNS, the gateway, ways out) is certainly open, and on
//! its own ports only; everything else is certainly closed, also towards pods that nobody described and addresses.

mod cast;
mod inside;
mod matrix;
mod outside;
mod words;

use serde_json::Value;
use strata_components::desired::Desired;

pub use self::cast::{Cast, Part};
pub use self::matrix::{Direction, Matrix, Opened, Outside, Participant};
use super::reach::{Network, Reach};
use super::rules;
use crate::finding::{Finding, Rule};
use crate::load::Loaded;
use crate::load::spans::field;

/// What a proof of isolation looks at.
struct Proof<'a> {
    loaded: &'a Loaded,
    desired: &'a Desired,
    cast: &'a Cast,
    reach: Reach<'a>,
}

/// Everything in which what is open differs from what is declared. `foreign` are policies of others that are in force
/// in the same namespaces.
pub(super) fn check(desired: &Desired, loaded: &Loaded, foreign: &[Value]) -> Vec<Finding> {
    let (network, cast) = cast::assemble(desired, loaded, foreign);
    let proof = Proof { loaded, desired, cast: &cast, reach: Reach::of(&network) };
    let mut findings = proof.free();
    findings.extend(proof.newcomers());
    findings.extend(proof.dependencies());
    findings.extend(proof.undeclared());
    findings.extend(proof.neighbours());
    findings.extend(proof.ways_out());
    findings.extend(proof.ways_in());
    findings
}

/// The network that a stack's proof looks at, and who is who in it; for explaining single connections. `foreign` are
/// policies of others that are in force in the same namespaces.
#[must_use]
pub fn network(desired: &Desired, loaded: &Loaded, foreign: &[Value]) -> (Network, Cast) {
    cast::assemble(desired, loaded, foreign)
}

impl Proof<'_> {
    /// A finding about a service of the stack, or about what belongs to none.
    fn finding(&self, rule: &Rule, pods: usize, message: String, help: &str) -> Finding {
        let found = Finding::new(rule, message).help(help.to_owned());
        match self.cast.service_of(pods).map(|service| field("services", service)) {
            Some(path) => found.at(self.loaded.places.stack_key(&path)).path(path),
            None => found,
        }
    }

    /// What pods are called: their service, or else their own name.
    fn called(&self, pods: usize) -> &str {
        let own = || self.reach.network().pods.get(pods).map_or("", |pods| pods.name.as_str());
        self.cast.name_of(pods).unwrap_or_else(own)
    }

    /// Pods that no policy closes in one direction or the other.
    fn free(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for at in self.cast.own() {
            let incoming = self.reach.incoming(at).is_some_and(super::reach::Side::is_free);
            let outgoing = self.reach.outgoing(at).is_some_and(super::reach::Side::is_free);
            let on_host = self.reach.network().pods.get(at).is_some_and(|pods| pods.host_network);
            let what = match (on_host, incoming, outgoing) {
                (true, ..) => "is on the network of its node, where policies do not hold",
                (_, true, true) => "is closed by no policy, neither for what comes in nor for what goes out",
                (_, true, false) => "is closed by no policy for what comes in",
                (_, false, true) => "is closed by no policy for what goes out",
                (_, false, false) => continue,
            };
            let pods = self.reach.network().pods.get(at).map_or("", |pods| pods.name.as_str());
            let message = format!("{}: {pods} {what}", self.called(at));
            findings.push(self.finding(
                &rules::NOT_ISOLATED,
                at,
                message,
                "select its pods by a policy that denies all",
            ));
        }
        findings
    }

    /// Pods that somebody else puts into a namespace of the stack are closed too.
    fn newcomers(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for at in self.cast.newcomers() {
            let ways = [(self.reach.incoming(*at), "comes in"), (self.reach.outgoing(*at), "goes out")];
            for (side, way) in ways {
                if side.is_some_and(super::reach::Side::is_free) {
                    let pods = self.called(*at);
                    let message = format!("{pods} is closed by no policy for what {way}");
                    let help = "add a policy that selects every pod of the namespace and opens nothing";
                    findings.push(self.finding(&rules::OPEN_BY_DEFAULT, *at, message, help));
                }
            }
        }
        findings
    }

    /// Whether what comes in to pods, or goes out of them, is closed by some policy at all.
    fn closed_in(&self, pods: usize) -> bool {
        let host = self.reach.network().pods.get(pods).is_some_and(|pods| pods.host_network);
        !host && self.reach.incoming(pods).is_some_and(|side| !side.is_free())
    }

    fn closed_out(&self, pods: usize) -> bool {
        let host = self.reach.network().pods.get(pods).is_some_and(|pods| pods.host_network);
        !host && self.reach.outgoing(pods).is_some_and(|side| !side.is_free())
    }
}

#[cfg(test)]
mod tests;
