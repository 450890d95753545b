//! The device plugin of a stack, held against the nodes that the environment describes and what pods ask for there.

use std::collections::BTreeMap;

use strata_components::model::{Cluster, DevicePlugin, GpuSettings, NodeGroup};

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::{field, index};

/// What is wrong with the device plugin of the stack on a cluster of the environment.
pub(super) fn check(loaded: &Loaded, target: &str) -> Vec<Finding> {
    let Some(plugin) = &loaded.stack.device_plugin else { return Vec::new() };
    let mut findings = beside(loaded);
    let environment = &loaded.environment;
    let clusters = environment.clusters.iter().filter(|(name, _)| name.as_str() == target);
    for (name, cluster) in clusters {
        let Cluster::Embedded(cluster) = cluster else { continue };
        let base = field(&field(&field("clusters", name.as_str()), "embedded"), "nodes");
        for (at, node) in cluster.nodes.iter().enumerate().filter(|(_, node)| node.gpus.get() > 0) {
            let path = index(&base, at);
            let finding = of_node(plugin, node, &path, environment.gpu.resource_name());
            findings.extend(finding.map(|finding| finding.at(loaded.places.environment_value(&path)).path(path)));
        }
    }
    findings
}

fn of_node(plugin: &DevicePlugin, node: &NodeGroup, path: &str, asked: Option<&str>) -> Option<Finding> {
    let labels: BTreeMap<String, String> =
        node.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let Some((name, group)) = plugin.group_of(&labels) else {
        let groups: Vec<&str> = plugin.groups.keys().map(|group| group.as_str()).collect();
        let message = format!("{path}: nodes {} have GPUs, and no group of the device plugin takes them", node.name);
        let help = format!("label them {} with one of {}", DevicePlugin::LABEL, super::in_words(&groups));
        return Some(Finding::new(&rules::UNKNOWN_GROUP, message).help(help));
    };
    let given = node.gpu_resource.as_ref().map_or(GpuSettings::USUAL, |resource| resource.as_str());
    let slices = group.slices.get();
    let message = if given != group.resource() {
        format!("{path}: nodes {} give out {given}, and their group {name} gives out {}", node.name, group.resource())
    } else if !node.gpus.get().is_multiple_of(slices) {
        format!("{path}: nodes {} give out {} shares, which is no multiple of {slices}", node.name, node.gpus.get())
    } else if asked.is_some_and(|asked| asked != given) {
        let asked = asked.unwrap_or_default();
        format!("{path}: nodes {} give out {given}, and pods ask for {asked} here", node.name)
    } else {
        return None;
    };
    let help = "let `gpu.policy`, `gpu_resource` of the nodes, and the slices of their group agree".to_owned();
    Some(Finding::new(&rules::GIVEN_OTHERWISE, message).help(help))
}

/// Services in the plugin's own namespace.
fn beside(loaded: &Loaded) -> Vec<Finding> {
    let (stack, environment) = (&loaded.stack, &loaded.environment);
    let own = environment.own_namespace(stack);
    let mut findings = Vec::new();
    for (name, service) in &stack.services {
        let tier = stack.tiers.get_key_value(&service.tier);
        if tier.is_some_and(|tier| environment.namespace_of(stack, tier) == own) {
            let path = field("services", name.as_str());
            let message = format!("{path}: {name} would live in {}, beside the device plugin", own.here);
            let help = "put the device plugin into a stack of its own, or the tier into another namespace".to_owned();
            let finding = Finding::new(&rules::BESIDE_PLUGIN, message).help(help);
            findings.push(finding.at(loaded.places.stack_key(&path)).path(path));
        }
    }
    findings
}
