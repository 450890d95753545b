//! The one way in: a single gateway, and no Service or route that goes round it.

use serde_json::Value;
use strata_components::desired::{Desired, Resource};
use strata_components::model::ServiceName;

use super::place::at_service;
use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

/// The services that the stack marks as gateway, by name.
fn gateways(loaded: &Loaded) -> Vec<&ServiceName> {
    loaded.stack.services.iter().filter(|(_, service)| service.gateway.is_some()).map(|(name, _)| name).collect()
}

fn gateway_path(name: &str) -> String {
    field(&field("services", name), "gateway")
}

pub(super) fn check_stack(loaded: &Loaded) -> Vec<Finding> {
    let gateways = gateways(loaded);
    let mut findings = Vec::new();
    let Some((first, others)) = gateways.split_first() else { return findings };
    for other in others {
        let path = gateway_path(other.as_str());
        findings.push(
            Finding::new(&rules::TWO_GATEWAYS, format!("{path}: {first} is the gateway of this stack already"))
                .at(loaded.places.stack_key(&path))
                .label("second gateway")
                .related(loaded.places.stack_key(&gateway_path(first.as_str())), "first gateway")
                .path(path)
                .help("keep `gateway` on one service, and let the other be reached through it".to_owned()),
        );
    }
    if loaded.environment.gateway.is_none() {
        let path = gateway_path(first.as_str());
        let environment = &loaded.environment.environment;
        findings.push(
            Finding::new(
                &rules::NO_WAY_IN,
                format!("{first} is the gateway, but nothing leads to it in {environment}"),
            )
            .at(loaded.places.stack_key(&path))
            .path(path)
            .help("add `gateway` with host and ingress class to the environment, if it should be reachable".to_owned()),
        );
    }
    findings
}

/// Objects that let traffic in beside the gateway. The rule holds for any object, whoever composed it, so it reads
/// manifests.
pub(super) fn check_objects(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let gateways: Vec<&str> = gateways(loaded).into_iter().map(ServiceName::as_str).collect();
    let mut findings = Vec::new();
    for resource in &desired.resources {
        let found = match resource.id.kind.kind.as_str() {
            "Service" => exposed(resource).map(|how| (&rules::EXPOSED_SERVICE, format!("{} {how}", resource.id))),
            "Ingress" | "HTTPRoute" if !resource.service.as_deref().is_some_and(|name| gateways.contains(&name)) => {
                let of = resource.service.as_deref().unwrap_or("no service");
                Some((
                    &rules::FOREIGN_INGRESS,
                    format!("{} leads traffic to {of}, which is not the gateway", resource.id),
                ))
            }
            _ => None,
        };
        if let Some((rule, message)) = found {
            let finding = Finding::new(rule, message).help("let traffic in through the gateway alone".to_owned());
            findings.push(at_service(finding, resource.service.as_deref(), loaded));
        }
    }
    findings
}

/// How a Service can be reached from outside the cluster.
fn exposed(service: &Resource) -> Option<String> {
    let spec = service.manifest.get("spec")?;
    let listed = |key: &str| spec.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    match spec.get("type").and_then(Value::as_str) {
        Some(kind @ ("LoadBalancer" | "NodePort")) => Some(format!("is of type {kind}")),
        _ if listed("externalIPs") => Some("has external addresses".to_owned()),
        _ => None,
    }
}
