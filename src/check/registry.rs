//! The port registry of a stack in an environment: which port belongs to whom, and what is free.

use std::collections::BTreeSet;

use serde::Serialize;
use strata_components::model::{Environment, Port, PortOffset, PortRange, Stack};

/// The ports of a stack in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registry {
    /// The form of this document.
    pub format: &'static str,
    /// The stack.
    pub stack: String,
    /// The environment.
    pub environment: String,
    /// What the environment adds to every port of the stack file; ports below have it added.
    pub offset: u16,
    /// The tiers, by their ports.
    pub tiers: Vec<TierPorts>,
}

/// The form of a [`Registry`] as JSON.
pub const FORMAT: &str = "strata.ports/v1";

/// The ports of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierPorts {
    /// The tier.
    pub tier: String,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its lowest port.
    pub first: u16,
    /// Its highest port.
    pub last: u16,
    /// The ports that services have, lowest first.
    pub taken: Vec<TakenPort>,
    /// The ports that are free, as single ports and ranges, lowest first.
    pub free: Vec<String>,
    /// How many ports are free.
    pub free_count: usize,
}

/// A port that a service has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenPort {
    /// The port.
    pub port: u16,
    /// The service.
    pub service: String,
    /// Where it serves health and metrics.
    pub health_port: u16,
    /// How many GPUs each of its pods asks for in the stack file.
    pub gpu: u32,
    /// How many pods the stack file asks for.
    pub replicas: u32,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

impl Registry {
    /// The ports of a stack in an environment. Ports that pass 65535 there are left out: they are findings.
    #[must_use]
    pub fn of(stack: &Stack, environment: &Environment) -> Self {
        let offset = environment.port_offset;
        let mut tiers: Vec<TierPorts> = stack
            .tiers
            .iter()
            .filter_map(|(name, tier)| {
                let range = tier.ports.plus(offset)?;
                let mut taken: Vec<TakenPort> = stack
                    .services
                    .iter()
                    .filter(|(_, service)| service.tier == *name)
                    .filter_map(|(name, service)| {
                        let (health, offset) = (service.health_rule(stack.health_port), service.offset(offset));
                        Some(TakenPort {
                            port: service.port.plus(offset)?.get(),
                            service: name.to_string(),
                            health_port: health.of(service.port, offset)?.get(),
                            gpu: service.gpu.get(),
                            replicas: service.replicas.get(),
                            purpose: service.purpose.clone(),
                        })
                    })
                    .collect();
                taken.sort_by(|a, b| (a.port, &a.service).cmp(&(b.port, &b.service)));
                let (free, free_count) = free_with(stack, tier.ports, offset);
                Some(TierPorts {
                    tier: name.to_string(),
                    title: tier.title.clone(),
                    first: range.first().get(),
                    last: range.last().get(),
                    taken,
                    free,
                    free_count,
                })
            })
            .collect();
        tiers.sort_by(|a, b| (a.first, &a.tier).cmp(&(b.first, &b.tier)));
        Self {
            format: FORMAT,
            stack: stack.stack.to_string(),
            environment: environment.environment.to_string(),
            offset: offset.get(),
            tiers,
        }
    }
}

/// The ports of a range that no service of the stack has, as single ports and ranges, without any offset.
pub(super) fn free_ports(stack: &Stack, range: PortRange) -> Vec<String> {
    free_with(stack, range, PortOffset::default()).0
}

fn free_with(stack: &Stack, range: PortRange, offset: PortOffset) -> (Vec<String>, usize) {
    let taken: BTreeSet<Port> = stack.services.values().map(|service| service.port).collect();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in range.first().get()..=range.last().get() {
        let free = Port::new(port).is_ok_and(|port| !taken.contains(&port));
        let Some(shifted) = port.checked_add(offset.get()).filter(|_| free) else { continue };
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(shifted) => *last = shifted,
            _ => runs.push((shifted, shifted)),
        }
    }
    let count = runs.iter().map(|(first, last)| usize::from(last - first) + 1).sum();
    let shown =
        runs.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    (shown.collect(), count)
}
