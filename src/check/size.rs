//! How big things are: replicas, autoscalers, requests and limits, and what an environment makes of them.

use strata_components::model::{Autoscale, AutoscaleOverride, Resources, Service, ServiceName};

use super::rules;
use crate::finding::{Finding, Location};
use crate::load::Loaded;
use crate::load::spans::field;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = policy(loaded);
    for (name, service) in &loaded.stack.services {
        findings.extend(autoscale(loaded, name, service));
        findings.extend(overridden(loaded, name, service));
    }
    findings.extend(resources(loaded));
    findings
}

fn policy(loaded: &Loaded) -> Vec<Finding> {
    let policy = loaded.environment.replicas;
    match (policy.critical_min, policy.max) {
        (Some(least), Some(most)) if least > most => vec![
            Finding::new(
                &rules::POLICY_RANGE,
                format!("replicas: critical services have at least {least} pods, but no service more than {most}"),
            )
            .at(loaded.places.environment_value("replicas.critical_min"))
            .related(loaded.places.environment_value("replicas.max"), "no service has more")
            .path("replicas")
            .help("lower `critical_min` or raise `max`".to_owned()),
        ],
        _ => Vec::new(),
    }
}

/// An autoscaler as it is in the environment, whose range must not be empty.
fn autoscale(loaded: &Loaded, name: &ServiceName, service: &Service) -> Option<Finding> {
    let own = service.autoscale?;
    let change = loaded.change(name).and_then(|(path, change)| Some((path, change.autoscale?)));
    let Autoscale { min, max, .. } = change.as_ref().map_or(own, |(_, change)| change.over(own));
    if min <= max {
        return None;
    }
    let path = field(&field("services", name.as_str()), "autoscale");
    // A figure stands in the environment where that changes it.
    let place = |key: &str, changed: fn(&AutoscaleOverride) -> bool| -> Option<Location> {
        match &change {
            Some((base, change)) if changed(change) => {
                loaded.places.environment_value(&field(&field(base, "autoscale"), key))
            }
            _ => loaded.places.stack_value(&field(&path, key)),
        }
    };
    Some(
        Finding::new(&rules::AUTOSCALE_RANGE, format!("{path}: the minimum {min} lies above the maximum {max}"))
            .at(place("min", |change| change.min.is_some()))
            .label("the fewest pods")
            .related(place("max", |change| change.max.is_some()), "the most pods")
            .path(path)
            .help("lower `min` or raise `max`".to_owned()),
    )
}

/// What an override says without effect.
fn overridden(loaded: &Loaded, name: &ServiceName, service: &Service) -> Vec<Finding> {
    let Some((base, change)) = loaded.change(name) else { return Vec::new() };
    let warn = |key: &str, message: String, help: &str| {
        let path = field(&base, key);
        Finding::new(&rules::NO_EFFECT, format!("{path}: {message}"))
            .at(loaded.places.environment_value(&path))
            .path(path)
            .help(help.to_owned())
    };
    let mut findings = Vec::new();
    if let (Some(replicas), Some(most)) = (change.replicas, loaded.environment.replicas.max)
        && replicas > most
    {
        let message = format!("{replicas} pods are asked for, but no service has more than {most} here");
        findings.push(warn("replicas", message, "raise `replicas.max` of the environment, or remove the override"));
    }
    if change.autoscale.is_some() && service.autoscale.is_some() && !loaded.environment.autoscaling {
        let message = "autoscalers do not work in this environment".to_owned();
        findings.push(warn("autoscale", message, "set `autoscaling: true`, or remove the override"));
    }
    findings
}

/// Requests above limits, wherever resources are written.
fn resources(loaded: &Loaded) -> Vec<Finding> {
    let stack = &loaded.stack;
    let mut written: Vec<(String, bool, Resources)> =
        vec![("resources".into(), false, stack.resources), ("gpu_resources".into(), false, stack.gpu_resources)];
    let of = |base: &str, name: &str| field(&field(base, name), "resources");
    written.extend(stack.tiers.iter().filter_map(|(name, t)| Some((of("tiers", name.as_str()), false, t.resources?))));
    written.extend(
        stack.services.iter().filter_map(|(name, s)| Some((of("services", name.as_str()), false, s.resources?))),
    );
    let changes = loaded.environment.services.iter();
    written.extend(changes.filter_map(|(name, change)| Some((of("services", name.as_str()), true, change.resources?))));
    let mut findings = Vec::new();
    for (path, changed, Resources { requests, limits }) in written {
        let figures = [
            ("cpu", requests.cpu.millis() > limits.cpu.millis(), requests.cpu.to_string(), limits.cpu.to_string()),
            (
                "memory",
                requests.memory.bytes() > limits.memory.bytes(),
                requests.memory.to_string(),
                limits.memory.to_string(),
            ),
        ];
        for (key, _, request, limit) in figures.into_iter().filter(|(_, above, ..)| *above) {
            let place = |part: &str| {
                let path = field(&field(&path, part), key);
                if changed { loaded.places.environment_value(&path) } else { loaded.places.stack_value(&path) }
            };
            findings.push(
                Finding::new(
                    &rules::REQUEST_ABOVE_LIMIT,
                    format!("{path}: {request} of {key} are requested, but the limit is {limit}"),
                )
                .at(place("requests"))
                .label("the request")
                .related(place("limits"), "the limit")
                .path(path.clone())
                .help("lower the request or raise the limit".to_owned()),
            );
        }
    }
    findings
}
