//! Ports: each belongs to one service and lies in its tier's range, over all stacks of the root; and no address has
//! a port twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use strata_components::claims::{PortClaim, PortUse};
use strata_components::desired::Desired;
use strata_components::model::{HealthPort, Port, PortOffset, Service, ServiceName, Stack};

use super::registry::free_ports;
use super::{in_words, rules};
use crate::finding::{Finding, Location};
use crate::load::Loaded;
use crate::load::decode::Decoded;
use crate::load::spans::field;

/// The ranges in which processes on one machine look for a port, unless they are told otherwise, and who they are.
const LOCAL_RANGES: [(&str, u16, u16); 4] = [
    ("the MCP governance server", 8001, 8100),
    ("the HTTP bridge", 8001, 8100),
    ("the backend", 8000, 8099),
    ("the WebSocket server", 8080, 8180),
];

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = ranges(loaded);
    findings.extend(duplicates(loaded));
    findings.extend(limits(loaded));
    findings.extend(tiers(loaded));
    findings.extend(offsets(loaded));
    findings.extend(health_overlap(loaded));
    findings
}

fn port_path(service: &ServiceName) -> String {
    field(&field("services", service.as_str()), "port")
}

fn free_here(stack: &Stack, service: &Service) -> Option<String> {
    let tier = stack.tiers.get(&service.tier)?;
    let free = free_ports(stack, tier.ports);
    Some(match free.as_slice() {
        [] => format!("no port of tier {} is free: widen its range", service.tier),
        free => format!("free in tier {}: {}", service.tier, free.join(", ")),
    })
}

/// Ports outside the range of their tier.
fn ranges(loaded: &Loaded) -> Vec<Finding> {
    let stack = &loaded.stack;
    let of_tiers = stack.services.iter().filter(|(_, service)| service.port_is_of_tier());
    let outside = of_tiers.filter_map(|(name, service)| {
        let tier = stack.tiers.get(&service.tier).filter(|tier| !tier.ports.contains(service.port))?;
        let path = port_path(name);
        let owner = stack.tiers.iter().find(|(_, tier)| tier.ports.contains(service.port));
        let owner = owner.map_or(String::new(), |(owner, _)| format!("; it belongs to tier {owner}"));
        let message =
            format!("{path}: {} lies outside the range {} of tier {}{owner}", service.port, tier.ports, service.tier);
        let tier_path = field(&field("tiers", service.tier.as_str()), "ports");
        Some(
            Finding::new(&rules::OUTSIDE_TIER, message)
                .at(loaded.places.stack_value(&path))
                .related(loaded.places.stack_value(&tier_path), format!("range of tier {}", service.tier))
                .path(path)
                .help(free_here(stack, service)),
        )
    });
    outside.collect()
}

/// Ports with two owners, in this stack or over two stacks.
fn duplicates(loaded: &Loaded) -> Vec<Finding> {
    let mut owners: BTreeMap<Port, (String, Option<Location>)> = BTreeMap::new();
    let mut findings = Vec::new();
    for Decoded { value: stack, spans } in loaded.beside() {
        for (name, service) in stack.services.iter().filter(|(_, service)| !service.is_outside()) {
            let at = spans.value(&port_path(name));
            owners.entry(service.port).or_insert_with(|| (format!("{}/{name}", stack.stack), at));
        }
    }
    for (name, service) in loaded.stack.services.iter().filter(|(_, service)| !service.is_outside()) {
        let path = port_path(name);
        let at = loaded.places.stack_value(&path);
        if let Some((owner, place)) = owners.get(&service.port) {
            findings.push(
                Finding::new(
                    &rules::DUPLICATE_PORT,
                    format!("{path}: {} is the port of {owner} already", service.port),
                )
                .at(at)
                .label(format!("port of {name}"))
                .related(place.clone(), format!("port of {owner}"))
                .path(path)
                .help(free_here(&loaded.stack, service)),
            );
        } else {
            owners.insert(service.port, (name.to_string(), at));
        }
    }
    findings
}

/// Ports that pass the highest one there is.
fn limits(loaded: &Loaded) -> Vec<Finding> {
    let (stack, offset) = (&loaded.stack, loaded.environment.port_offset);
    let mut findings = Vec::new();
    for (name, service) in &stack.services {
        let offset = service.offset(offset);
        let (path, message, help) = if service.port.plus(offset).is_none() {
            let path = port_path(name);
            let message =
                format!("{path}: {} and the offset {offset} of {} pass 65535", service.port, environment(loaded));
            (path, message, "lower the port or the environment's `port_offset`")
        } else if health(stack, service).of(service.port, offset).is_none() {
            let path = field(&field("services", name.as_str()), "health_port");
            let rule = health(stack, service);
            let message = format!(
                "{path}: the health port {rule} of {name} passes 65535 in {} (port {}, offset {offset})",
                environment(loaded),
                service.port
            );
            (path, message, "lower the port, the distance or the environment's `port_offset`")
        } else {
            continue;
        };
        findings.push(
            Finding::new(&rules::PORT_TOO_HIGH, message)
                .at(loaded.places.stack_value(&path))
                .related(loaded.places.environment_value("port_offset"), format!("offset of {}", environment(loaded)))
                .path(path)
                .help(help.to_owned()),
        );
    }
    findings
}

fn environment(loaded: &Loaded) -> &str {
    loaded.environment.environment.as_str()
}

fn health(stack: &Stack, service: &Service) -> HealthPort {
    service.health_rule(stack.health_port)
}

/// Tiers whose ranges overlap, in this stack or over two stacks.
fn tiers(loaded: &Loaded) -> Vec<Finding> {
    let path = |tier: &str| field(&field("tiers", tier), "ports");
    let mut known = Vec::new();
    for Decoded { value: stack, spans } in loaded.beside() {
        for (name, tier) in &stack.tiers {
            known.push((format!("{}/{name}", stack.stack), tier.ports, spans.value(&path(name.as_str()))));
        }
    }
    let mut findings = Vec::new();
    for (name, tier) in &loaded.stack.tiers {
        let here = path(name.as_str());
        let at = loaded.places.stack_value(&here);
        for (other, range, place) in known.iter().filter(|(_, range, _)| range.overlaps(&tier.ports)) {
            findings.push(
                Finding::new(&rules::TIERS_OVERLAP, format!("{here}: {} overlaps {range} of tier {other}", tier.ports))
                    .at(at.clone())
                    .label(format!("range of tier {name}"))
                    .related(place.clone(), format!("range of tier {other}"))
                    .path(here.clone())
                    .help("move one of the ranges".to_owned()),
            );
        }
        known.push((name.to_string(), tier.ports, at));
    }
    findings
}

/// The environment's offset against what the stack tells its pods.
fn offsets(loaded: &Loaded) -> Option<Finding> {
    let (stack, environment) = (&loaded.stack, &loaded.environment);
    let name = &environment.environment;
    match stack.port_offsets.get(name) {
        Some(offset) if *offset != environment.port_offset => {
            let path = field("port_offsets", name.as_str());
            let message = format!("{path}: {offset} here, but {} in the environment itself", environment.port_offset);
            Some(
                Finding::new(&rules::OFFSETS_DIFFER, message)
                    .at(loaded.places.stack_value(&path))
                    .related(loaded.places.environment_value("port_offset"), "offset of the environment")
                    .path(path)
                    .help("write the same offset in both files".to_owned()),
            )
        }
        None if !stack.port_offsets.is_empty() => Some(
            Finding::new(&rules::OFFSET_UNKNOWN, format!("port_offsets: the environment {name} is not in the list"))
                .at(loaded.places.stack_key("port_offsets"))
                .path("port_offsets")
                .help(format!(
                    "add `{name}: {}`, so that pods find its ranges in the registry",
                    environment.port_offset
                )),
        ),
        _ => None,
    }
}

/// Health ports that are service ports of another environment: one note for all of them.
fn health_overlap(loaded: &Loaded) -> Option<Finding> {
    let stack = &loaded.stack;
    let mut offsets: BTreeMap<&str, PortOffset> =
        stack.port_offsets.iter().map(|(name, offset)| (name.as_str(), *offset)).collect();
    offsets.insert(environment(loaded), loaded.environment.port_offset);
    let protocol = |stack: &Stack, offset: PortOffset| -> BTreeSet<Port> {
        stack.services.values().filter_map(|service| service.port.plus(service.offset(offset))).collect()
    };
    let probes = |offset: PortOffset| -> BTreeSet<Port> {
        let health = |service: &Service| {
            let offset = service.offset(offset);
            let port = service.port.plus(offset)?;
            health(stack, service).of(service.port, offset).filter(|health| *health != port)
        };
        stack.services.values().filter_map(health).collect()
    };
    let own = offsets.iter().map(|(at, offset)| ((*at).to_owned(), protocol(stack, *offset)));
    let here = environment(loaded);
    let others = loaded.beside().map(|Decoded { value: other, .. }| {
        (format!("{}'s in {here}", other.stack), protocol(other, loaded.environment.port_offset))
    });
    let serving: Vec<(String, BTreeSet<Port>)> =
        own.map(|(at, ports)| (format!("{at}'s"), ports)).chain(others).collect();
    let pairs: Vec<String> = offsets
        .iter()
        .map(|(of, offset)| (of, probes(*offset)))
        .flat_map(|(of, probes)| {
            serving.iter().filter_map(move |(whose, ports)| {
                let both: Vec<&Port> = probes.intersection(ports).collect();
                Some(format!("{of}'s are {whose} ({})", several(&both)?))
            })
        })
        .collect();
    if pairs.is_empty() {
        return None;
    }
    Some(
        Finding::new(&rules::HEALTH_OVERLAP, format!("health ports are service ports elsewhere: {}", pairs.join("; ")))
            .at(loaded.places.stack_key("health_port"))
            .path("health_port")
            .help(
                "harmless inside a cluster, where each Service has an address of its own; on one shared address (host \
                 network, port-forward) run one environment at a time"
                    .to_owned(),
            ),
    )
}

/// How many ports there are, and between which they lie; nothing where there are none.
fn several<T: PartialEq + fmt::Display>(ports: &[T]) -> Option<String> {
    let (first, last) = (ports.first()?, ports.last()?);
    Some(if first == last { first.to_string() } else { format!("{} in {first}-{last}", ports.len()) })
}

/// Where a port of a service is written.
fn claimed(claim: &PortClaim, loaded: &Loaded) -> Option<Location> {
    let key = match claim.purpose {
        PortUse::Protocol => "port",
        PortUse::Further => "component",
        PortUse::Health => "health_port",
    };
    loaded.places.stack_value(&field(&field("services", &claim.service), key))
}

/// The local processes that may take a port.
fn local(port: u16) -> impl Iterator<Item = &'static (&'static str, u16, u16)> {
    LOCAL_RANGES.iter().filter(move |(_, first, last)| (*first..=*last).contains(&port))
}

/// Ports that processes beside the cluster look for: one note for all of them. On an address that they share with the
/// services, one of the two would not start.
pub(super) fn check_local(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let mut ports: Vec<&PortClaim> =
        desired.claims.ports.iter().filter(|claim| local(claim.port).next().is_some()).collect();
    ports.sort_by_key(|claim| claim.port);
    let (inside, shared): (Vec<&PortClaim>, Vec<&PortClaim>) =
        ports.into_iter().partition(|claim| claim.is_inside_cluster());
    let mut findings: Vec<Finding> = shared
        .into_iter()
        .map(|claim| {
            let (who, first, last) = local(claim.port).next().copied().unwrap_or_default();
            let PortClaim { service, port, address_domain, .. } = claim;
            let message =
                format!("{service} has port {port} on {address_domain}, where {who} may take any of {first}-{last}");
            Finding::new(&rules::SHARED_ADDRESS, message)
                .at(claimed(claim, loaded))
                .path(field("services", service))
                .help("give the service a port outside the range".to_owned())
        })
        .collect();
    if let Some(first) = inside.first() {
        let numbers: Vec<u16> = inside.iter().map(|claim| claim.port).collect();
        let ranges =
            LOCAL_RANGES.iter().filter(|(_, low, high)| numbers.iter().any(|port| (low..=high).contains(&port)));
        let ranges: Vec<String> = ranges.map(|(who, low, high)| format!("{who} ({low}-{high})")).collect();
        let (ports, ranges) = (several(&numbers).unwrap_or_default(), in_words(&ranges));
        let message = format!("processes beside the cluster look for the same ports: {ports}, which {ranges} may take");
        findings.push(
            Finding::new(&rules::LOCAL_RANGE, message)
                .at(claimed(first, loaded))
                .path(field("services", &first.service))
                .help(
                    "harmless inside a cluster; on one host (a local run, a port-forward) choose other ports there"
                        .to_owned(),
                ),
        );
    }
    findings
}

/// Ports that two services claim on one address.
pub(super) fn check_claims(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let mut owners: BTreeMap<(&str, u16), &PortClaim> = BTreeMap::new();
    let mut findings = Vec::new();
    for claim in &desired.claims.ports {
        let Some(first) = owners.insert((&claim.address_domain, claim.port), claim) else { continue };
        if first.service == claim.service {
            // One process answers both uses: `health_port: same`.
            continue;
        }
        findings.push(
            Finding::new(
                &rules::SHARED_ADDRESS,
                format!(
                    "{} and {} share port {} on {}",
                    first.service, claim.service, claim.port, claim.address_domain
                ),
            )
            .at(claimed(claim, loaded))
            .related(claimed(first, loaded), format!("port of {}", first.service))
            .path(field("services", &claim.service))
            .help("give one of the two another port".to_owned()),
        );
    }
    findings
}
