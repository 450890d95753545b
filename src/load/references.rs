//! References between the parts of a stack and an environment: whether each leads to something. Pure; what a reference
//! means in time (cycles, phases) is [`crate::check`]'s. Those to other stacks are [`across`]'s.

use std::collections::{BTreeMap, BTreeSet};

use strata_components::model::{Environment, Stack};
use strata_components::phases::{PhaseError, schedule};

use super::across;
use super::decode::Decoded;
use super::loaded::Places;
use super::rules;
use super::spans::{field, index};
use super::suggest::instead;
use crate::finding::Finding;

/// References inside a stack: dependencies, tiers and phases; and references to other stacks, of which `others` must be
/// all there are for `complete` to be true.
pub(super) fn of_stack(stack: &Stack, others: &[Decoded<Stack>], complete: bool, places: &Places) -> Vec<Finding> {
    let mut findings = Vec::new();
    for error in schedule(stack).err().unwrap_or_default() {
        let path = error.path();
        let (rule, message, help) = match &error {
            PhaseError::UnknownDependency { dependency, .. } => (
                &rules::UNKNOWN_SERVICE,
                format!("there is no service `{}` in stack {}", dependency.service(), stack.stack),
                instead(dependency.service(), "services here", stack.services.keys().map(|name| name.as_str())),
            ),
            PhaseError::UnknownTier { tier, .. } => (
                &rules::UNKNOWN_TIER,
                format!("there is no tier `{tier}`"),
                instead(tier.as_str(), "tiers here", stack.tiers.keys().map(|name| name.as_str())),
            ),
            PhaseError::UnknownPhase { phase, .. } => (
                &rules::UNKNOWN_PHASE,
                format!("there is no phase `{phase}`"),
                instead(phase.as_str(), "phases here", stack.phases.iter().map(|name| name.as_str())),
            ),
            // What follows from dependencies that exist is a matter of `check`.
            PhaseError::SamePhaseName { .. } | PhaseError::Cycle { .. } | PhaseError::PinTooEarly { .. } => continue,
        };
        findings
            .push(Finding::new(rule, format!("{path}: {message}")).at(places.stack_value(&path)).path(path).help(help));
    }
    findings.extend(earlier_names(stack, places));
    for (name, tier) in &stack.tiers {
        for (position, accepted) in tier.accepts.iter().enumerate().filter(|(_, tier)| !stack.tiers.contains_key(*tier))
        {
            let path = index(&field(&field("tiers", name.as_str()), "accepts"), position);
            let help = instead(accepted.as_str(), "tiers here", stack.tiers.keys().map(|name| name.as_str()));
            let finding = Finding::new(&rules::UNKNOWN_TIER, format!("{path}: there is no tier `{accepted}`"));
            findings.push(finding.at(places.stack_value(&path)).path(path).help(help));
        }
    }
    findings.extend(across::check(stack, others, complete, places));
    findings
}

/// Earlier names of services that are those of others.
fn earlier_names(stack: &Stack, places: &Places) -> Vec<Finding> {
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for (name, service) in &stack.services {
        let Some(was) = service.was.as_ref().map(|was| was.as_str()) else { continue };
        let path = field(&field("services", name.as_str()), "was");
        let what = match said.get(was) {
            _ if was == name.as_str() => "it is called that now".to_owned(),
            _ if stack.services.contains_key(was) => format!("there is a service `{was}`"),
            Some(other) => format!("`{other}` was called `{was}` too"),
            None => {
                said.insert(was, name.as_str());
                continue;
            }
        };
        findings.push(
            Finding::new(&rules::NAME_IN_USE, format!("{path}: {what}"))
                .at(places.stack_value(&path))
                .help(
                    "`was` names what the service was called before it got its name; remove it, or correct it"
                        .to_owned(),
                )
                .path(path),
        );
    }
    findings
}

/// The reference of an environment to one of its own clusters.
pub(super) fn default_cluster(environment: &Environment, places: &Places) -> Option<Finding> {
    let name = environment.default_cluster.as_str();
    (!environment.clusters.contains_key(&environment.default_cluster)).then(|| {
        Finding::new(&rules::UNKNOWN_CLUSTER, format!("default_cluster: there is no cluster `{name}`"))
            .at(places.environment_value("default_cluster"))
            .path("default_cluster")
            .help(instead(name, "clusters here", environment.clusters.keys().map(|name| name.as_str())))
    })
}

/// References of an environment: its default cluster, and the services and namespaces it changes, which belong to
/// one of `stacks`, all those it admits.
pub(super) fn of_environment(environment: &Environment, stacks: &[&Stack], places: &Places) -> Vec<Finding> {
    let mut findings: Vec<Finding> = default_cluster(environment, places).into_iter().collect();
    let names = || stacks.iter().map(|stack| stack.stack.as_str()).collect::<Vec<_>>().join(", ");
    for reference in environment.services.keys() {
        let meant: Vec<&&Stack> =
            stacks.iter().filter(|stack| reference.stack().is_none_or(|named| named == stack.stack.as_str())).collect();
        let services: BTreeSet<&str> =
            meant.iter().flat_map(|stack| stack.services.keys()).map(|name| name.as_str()).collect();
        if services.contains(reference.service()) {
            continue;
        }
        let path = field("services", reference.as_str());
        let (message, help) = match reference.stack().filter(|_| meant.is_empty()) {
            Some(named) => (
                format!("{path}: there is no stack `{named}` among those admitted here ({})", names()),
                instead(named, "stacks admitted here", stacks.iter().map(|stack| stack.stack.as_str())),
            ),
            None => (
                format!(
                    "{path}: there is no service `{}` in the stacks admitted here ({})",
                    reference.service(),
                    names()
                ),
                instead(reference.service(), "services there", services.iter().copied()),
            ),
        };
        findings.push(
            Finding::new(&rules::UNKNOWN_SERVICE, message).at(places.environment_key(&path)).help(help).path(path),
        );
    }
    let namespaces: BTreeSet<&str> = stacks
        .iter()
        .flat_map(|stack| {
            std::iter::once(&stack.namespace).chain(stack.tiers.values().filter_map(|t| t.namespace.as_ref()))
        })
        .map(|name| name.as_str())
        .collect();
    for name in environment.namespaces.keys().map(|name| name.as_str()).filter(|name| !namespaces.contains(name)) {
        let path = field("namespaces", name);
        let message = format!("{path}: no stack admitted here ({}) uses the namespace `{name}`", names());
        findings.push(
            Finding::new(&rules::UNKNOWN_NAMESPACE, message)
                .at(places.environment_key(&path))
                .help(instead(name, "namespaces there", namespaces.iter().copied()))
                .path(path),
        );
    }
    findings
}

/// Whether stack and environment admit each other.
pub(super) fn admission(stack: &Stack, environment: &Environment, places: &Places) -> Option<Finding> {
    let (name, place) = (&stack.stack, &environment.environment);
    if !environment.stacks.is_empty() && !environment.stacks.contains(name) {
        let admitted: Vec<&str> = environment.stacks.iter().map(|stack| stack.as_str()).collect();
        return Some(
            Finding::new(&rules::NOT_ADMITTED, format!("the environment {place} does not admit the stack {name}"))
                .at(places.environment_key("stacks"))
                .path("stacks")
                .help(format!("it admits {}: choose another environment, or add `{name}`", admitted.join(", "))),
        );
    }
    if !stack.environments.is_empty() && !stack.environments.contains(place) {
        let allowed: Vec<&str> = stack.environments.iter().map(|environment| environment.as_str()).collect();
        return Some(
            Finding::new(&rules::NOT_ADMITTED, format!("the stack {name} may not be deployed to {place}"))
                .at(places.stack_key("environments"))
                .path("environments")
                .help(format!("it may be deployed to {}: choose one of them, or add `{place}`", allowed.join(", "))),
        );
    }
    None
}
