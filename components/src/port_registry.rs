//! The port registry: a ConfigMap in every namespace of an instance, in which pods and people can look up the ranges
//! of environments and tiers, and the ports and the address of every service.
//!
//! Entries: `production_range` for each environment (the whole stack's range after its offset), `core_ai_range` for
//! each tier, `ai_memory.port`, `ai_memory.health-port` and `ai_memory.address` for each service; all but the first
//! with the ports that hold here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::compose::Problem;
use crate::context::{Context, named};
use crate::model::{PortOffset, PortRange};
use crate::spec::ServiceSpec;

/// The name of the ConfigMap.
pub(crate) const NAME: &str = "mcp-port-registry";

/// The entries of the registry, the same in every namespace.
///
/// # Errors
/// When two environments or tiers would have the same entry, or a range would pass the highest port.
pub(crate) fn entries(context: &Context<'_>, specs: &[ServiceSpec]) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let (stack, here) = (context.stack, context.environment);
    let mut entries = BTreeMap::new();
    let mut problems = Vec::new();
    let mut ranges: BTreeMap<String, String> = BTreeMap::new();
    let mut range = |key: String, owner: String, range: PortRange, offset: PortOffset| {
        let key = format!("{key}_range");
        match range.plus(offset) {
            Some(range) => {
                if let Some(first) = ranges.insert(key.clone(), owner.clone()) {
                    problems.push(Problem::SameRegistryEntry { entry: key.clone(), first, second: owner });
                }
                entries.insert(key, range.to_string());
            }
            None => problems.push(Problem::NoSuchRange { owner, range, offset }),
        }
    };
    if let Some(whole) = stack.port_range() {
        let mut offsets = stack.port_offsets.clone();
        offsets.entry(here.environment.clone()).or_insert(here.port_offset);
        for (environment, offset) in offsets {
            range(environment.as_str().replace('-', "_"), format!("environment {environment}"), whole, offset);
        }
    }
    for (name, tier) in &stack.tiers {
        let key = tier.range_name.as_ref().map_or_else(|| name.as_str().replace('-', "_"), ToString::to_string);
        range(key, format!("tier {name}"), tier.ports, here.port_offset);
    }
    for spec in specs {
        let name = &spec.name;
        entries.insert(format!("{name}.port"), spec.port.to_string());
        entries.insert(format!("{name}.health-port"), spec.health_port.to_string());
        entries.insert(format!("{name}.address"), format!("{}.{}.svc", spec.object_name(), spec.namespace));
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

pub(crate) fn port_registry(namespace: &str, entries: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap { metadata: named(NAME, Some(namespace)), data: Some(entries), ..ConfigMap::default() }
}
