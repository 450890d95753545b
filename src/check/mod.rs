//! What can be proven of a stack before anything is applied: pure functions from what was loaded and composed to
//! findings.
//!
//! One file an area; each rule is applied in one place. Syntax, types and references are proven before, by
//! [`crate::load`].

pub(crate) mod across;
mod architecture;
mod availability;
pub(crate) mod capacity;
mod composed;
mod gateway;
mod gpu;
mod hardening;
pub mod isolation;
mod mesh;
mod names;
mod needs;
pub mod order;
mod ownership;
mod place;
pub mod policies;
mod ports;
mod provided;
pub mod reach;
pub mod registry;
pub mod rules;
mod size;
pub mod summary;
mod tiers;
pub mod together;
pub mod waivers;
mod workloads;

use std::convert::Infallible;

use strata_components::compose::{ComposeError, compose_among};
use strata_components::desired::Desired;
use strata_components::rolling::roll_with_config;

use crate::finding::{Finding, Level, settle};
use crate::load::Loaded;
use crate::observe::Surroundings;

/// What a stack composes to where it can be composed, and everything that is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    /// What should exist; absent where the stack cannot be composed, and then there are errors.
    pub desired: Option<Desired>,
    /// Errors first, then by file, line and column. What loading found without stopping is part of it.
    pub findings: Vec<Finding>,
}

impl Proven {
    /// Whether findings stop every command that would go on.
    #[must_use]
    pub fn stops(&self) -> bool {
        stops(&self.findings)
    }
}

/// Composes a stack for the cluster that the environment calls `target`, and proves the result. `suffix` tells apart
/// several instances of the stack in the environment.
#[must_use]
pub fn prove(loaded: &Loaded, target: &str, suffix: Option<&str>) -> Proven {
    match prove_with(loaded, target, suffix, |_| Ok::<(), Infallible>(())) {
        Ok(proven) => proven,
        Err(never) => match never {},
    }
}

/// The same with what a program adds to what its stack composes to: it is proven as the rest is, and ConfigMaps among it
/// roll the pods that use them.
///
/// # Errors
///
/// What `add` says.
pub fn prove_with<E>(
    loaded: &Loaded,
    target: &str,
    suffix: Option<&str>,
    add: impl FnOnce(&mut Desired) -> Result<(), E>,
) -> Result<Proven, E> {
    let composed = compose_with(loaded, target, suffix, add)?;
    let findings = check(loaded, composed.as_ref());
    Ok(Proven { desired: composed.ok(), findings })
}

/// What a stack composes to beside the others of its environment, with what a program adds to it.
///
/// # Errors
///
/// What `add` says. What keeps the stack from being composed is the result within.
pub fn compose_with<E>(
    loaded: &Loaded,
    target: &str,
    suffix: Option<&str>,
    add: impl FnOnce(&mut Desired) -> Result<(), E>,
) -> Result<Result<Desired, ComposeError>, E> {
    let mut composed = compose_among(&loaded.stack, &loaded.environment, target, suffix, &loaded.neighbours());
    if let Ok(desired) = &mut composed {
        add(desired)?;
        roll_with_config(desired);
    }
    Ok(composed)
}

/// Everything that is found in a stack, an environment and what they compose to, or fail to.
#[must_use]
pub fn check(loaded: &Loaded, composed: Result<&Desired, &ComposeError>) -> Vec<Finding> {
    check_among(loaded, composed, None)
}

/// The same on a live cluster: held against its nodes with what others have left of them, and with the policies of
/// others that are in force in the instance's namespaces.
#[must_use]
pub fn check_among(
    loaded: &Loaded,
    composed: Result<&Desired, &ComposeError>,
    around: Option<&Surroundings>,
) -> Vec<Finding> {
    let mut findings = found(loaded, composed, around);
    if let Ok(desired) = composed
        && let Some(nodes) = nodes_of(loaded, desired, around)
    {
        findings.extend(capacity::check(&[(desired, loaded)], &nodes));
    }
    concluded(loaded, findings)
}

/// The nodes that pods are placed on: those of the live cluster, or those that the environment describes, if it does.
fn nodes_of(loaded: &Loaded, desired: &Desired, around: Option<&Surroundings>) -> Option<Vec<capacity::nodes::Node>> {
    let target = desired.resources.first().map_or("", |resource| resource.id.target.as_str());
    let live = around.map(|around| capacity::nodes::live(&around.nodes));
    live.or_else(|| capacity::nodes::described(&loaded.environment, target))
}

/// What is left of findings when what the stack waives is a note, in their order.
fn concluded(loaded: &Loaded, mut findings: Vec<Finding>) -> Vec<Finding> {
    waivers::apply(loaded, &mut findings);
    settle(&mut findings);
    findings
}

/// Everything that is found in a stack by itself, but for whether it fits.
fn found(loaded: &Loaded, composed: Result<&Desired, &ComposeError>, around: Option<&Surroundings>) -> Vec<Finding> {
    let mut findings = loaded.findings.clone();
    findings.extend(across::check(loaded));
    findings.extend(mesh::check(loaded));
    findings.extend(names::check(loaded));
    findings.extend(order::check(loaded));
    findings.extend(ports::check(loaded));
    findings.extend(size::check(loaded));
    findings.extend(tiers::check(loaded));
    findings.extend(gateway::check_stack(loaded));
    findings.extend(hardening::check_stack(loaded));
    findings.extend(policies::check_files(loaded));
    match composed {
        Ok(desired) => {
            findings.extend(composed::notes(desired, loaded));
            findings.extend(ports::check_claims(desired, loaded));
            findings.extend(ports::check_local(desired, loaded));
            findings.extend(mesh::check_objects(desired, loaded));
            findings.extend(gateway::check_objects(desired, loaded));
            findings.extend(hardening::check_objects(desired, loaded));
            findings.extend(needs::check(desired, loaded));
            findings.extend(ownership::check(desired, loaded));
            findings.extend(policies::check(desired, loaded));
            let foreign = around.map(|around| around.policies.as_slice()).unwrap_or_default();
            findings.extend(isolation::check(desired, loaded, foreign));
            findings.extend(around.map(isolation::unread).unwrap_or_default());
            let target = desired.resources.first().map_or("", |resource| resource.id.target.as_str());
            let nodes = nodes_of(loaded, desired, around);
            findings.extend(gpu::check(loaded, target));
            findings.extend(provided::check(desired, loaded, target));
            findings.extend(availability::check(desired, loaded, nodes.as_deref()));
            if let Some(nodes) = nodes {
                findings.extend(architecture::check(desired, loaded, &nodes));
            }
        }
        Err(error) => findings.extend(composed::refusals(error, loaded)),
    }
    findings
}

/// Whether findings stop every command that would go on.
#[must_use]
pub fn stops(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Error)
}

/// Words as a sentence lists them: `a, b and c`.
fn in_words(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests;
