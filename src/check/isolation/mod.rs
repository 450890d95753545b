//! Whether what is open is what was declared: who can talk to whom, computed by [`reach`](super::reach) from the
//! rendered policies alone, held against the claims of the stack.
//!
//! Proven are both directions. What is declared (dependencies, DNS, the gateway, ways out) is certainly open, and on
//! its own ports only; everything else is certainly closed, also towards pods that nobody described and addresses.

mod cast;
mod inside;
mod matrix;
mod mesh;
mod outside;
mod words;

use serde_json::Value;
use strata_components::desired::Desired;

pub use self::cast::{Cast, Part};
pub use self::matrix::{Direction, Matrix, Opened, Outside, Participant};
use super::names::namespace_path;
use super::place::at_service;
use super::reach::{Network, Policy, Reach, Side};
use super::rules;
use crate::finding::{Finding, Rule};
use crate::load::Loaded;
use crate::observe::{Surroundings, Unread};

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
    let declared = proof.declared();
    let mut findings = proof.free();
    findings.extend(proof.newcomers());
    findings.extend(proof.dependencies());
    findings.extend(proof.undeclared(&declared));
    findings.extend(proof.meshed(&declared));
    findings.extend(proof.neighbours());
    findings.extend(proof.ways_out());
    findings.extend(proof.ways_in());
    findings
}

/// What could not be read of the policies of others, and is no part of the proof.
pub(super) fn unread(around: &Surroundings) -> Vec<Finding> {
    let finding = |Unread { kind, namespace, reason }: &Unread| {
        let message = format!("what {kind} objects of namespace {namespace} open or close is not known: {reason}");
        Finding::new(&rules::UNREAD, message)
            .help("run it with the right to list them, or look at them by other means".to_owned())
    };
    around.unread.iter().map(finding).collect()
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
        at_service(found, self.cast.service_of(pods), self.loaded)
    }

    /// What pods are called: their service, or else their own name.
    fn called(&self, pods: usize) -> &str {
        let own = || self.reach.network().pods.get(pods).map_or("", |pods| pods.name.as_str());
        self.cast.name_of(pods).unwrap_or_else(own)
    }

    /// Pods that no policy closes in one direction or the other, or none but that of their whole namespace, so that who
    /// changes this one opens them.
    fn free(&self) -> Vec<Finding> {
        let network = self.reach.network();
        let mut findings = Vec::new();
        let own = |side: &&Side| {
            let policies = side.policies.iter().filter_map(|at| network.policies.get(*at));
            policies.into_iter().any(|policy| !policy.pods.conditions().is_empty())
        };
        for at in self.cast.own() {
            let Some(pods) = network.pods.get(at) else { continue };
            let sides = [(self.reach.incoming(at), "comes in"), (self.reach.outgoing(at), "goes out")];
            let lacking = |enough: &dyn Fn(&&Side) -> bool| -> Vec<&str> {
                sides.iter().filter(|(side, _)| !side.as_ref().is_some_and(enough)).map(|(_, way)| *way).collect()
            };
            let (open, shared) = (lacking(&|side| !side.is_free()), lacking(&own));
            let what = if pods.host_network {
                "is on the network of its node, where policies do not hold".to_owned()
            } else if !open.is_empty() {
                format!("is closed by no policy for what {}", open.join(" and what "))
            } else if !shared.is_empty() {
                let ways = shared.join(" and what ");
                format!("has no policy of its own for what {ways}, and is closed by that of its whole namespace alone")
            } else {
                continue;
            };
            let message = format!("{}: {} {what}", self.called(at), pods.name);
            let help = "select its pods by a policy that names them, and keep them off the node's network";
            findings.push(self.finding(&rules::NOT_ISOLATED, at, message, help));
        }
        findings
    }

    /// Pods that somebody else puts into a namespace of the stack are closed too, by a policy that opens nothing: one
    /// that opens something may be changed or go without anybody thinking of them.
    fn newcomers(&self) -> Vec<Finding> {
        let network = self.reach.network();
        let mut findings = Vec::new();
        for at in self.cast.newcomers() {
            let ways = [(self.reach.incoming(*at), "comes in", true), (self.reach.outgoing(*at), "goes out", false)];
            for (side, way, ingress) in ways {
                let Some(side) = side else { continue };
                let policies = || side.policies.iter().filter_map(|at| network.policies.get(*at));
                let denies = |policy: &Policy| {
                    let rules = if ingress { &policy.ingress } else { &policy.egress };
                    rules.as_ref().is_some_and(Vec::is_empty)
                };
                if policies().any(denies) {
                    continue;
                }
                let pods = self.called(*at);
                let message = match policies().next() {
                    None => format!("{pods} is closed by no policy for what {way}"),
                    Some(policy) => {
                        format!(
                            "{pods} is closed for what {way} by no policy but {}, which opens some of it",
                            policy.name
                        )
                    }
                };
                let help = "add a policy that selects every pod of the namespace and opens nothing";
                findings.push(self.of_namespace(*at, message, help));
            }
        }
        findings
    }

    /// A finding about what anybody may put into a namespace of the stack.
    fn of_namespace(&self, newcomer: usize, message: String, help: &str) -> Finding {
        let found = Finding::new(&rules::OPEN_BY_DEFAULT, message).help(help.to_owned());
        let name = self.reach.network().pods.get(newcomer).map_or("", |pods| pods.namespace.as_str());
        let Loaded { stack, environment, places, .. } = self.loaded;
        let suffix = self.desired.instance.suffix.as_ref().map_or_else(String::new, |suffix| format!("-{suffix}"));
        let named = environment.namespaces_of(stack).into_iter();
        match named.map(|one| (format!("{}{suffix}", one.here), one.written)).find(|(here, _)| here == name) {
            Some((_, written)) => {
                let path = namespace_path(stack, &written);
                found.at(places.stack_value(&path)).path(path)
            }
            None => found,
        }
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
mod mutation_tests;
#[cfg(test)]
mod tests;
