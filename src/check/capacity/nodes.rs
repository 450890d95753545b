//! The nodes that pods are held against: those that an environment describes, or those of a live cluster with what
//! others have taken of them.

use std::collections::BTreeMap;

use strata_components::model::{Cluster, Environment, NodeGroup, PageSize, TaintEffect};

use super::super::reach::Labels;
use crate::observe::LiveNode;

/// The label with a node's processor architecture.
pub(in crate::check) const ARCHITECTURE: &str = "kubernetes.io/arch";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// A node, as far as placing pods needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Node {
    pub(in crate::check) name: String,
    /// What is free of each resource, by its Kubernetes name: CPU in thousandths of a core, memory in bytes.
    pub(in crate::check) free: BTreeMap<String, u64>,
    /// The same of a new node like it: with nothing on it but what comes with every such node.
    pub(in crate::check) whole: BTreeMap<String, u64>,
    pub(in crate::check) labels: Labels,
    /// Keys, values and effects of taints that keep pods away; those that only prefer other nodes are left out.
    pub(in crate::check) taints: Vec<(String, String, String)>,
    /// Whether its kernel deals memory out in pages of 64 KiB.
    pub(in crate::check) large_pages: bool,
}

impl Node {
    pub(in crate::check) fn architecture(&self) -> &str {
        self.labels.get(ARCHITECTURE).map_or("", String::as_str)
    }

    /// A new node like it.
    pub(super) fn fresh(&self) -> Self {
        // No node has a name in capital letters, so that nothing asks for this one.
        let name = format!("NEW-{}", self.name);
        let mut labels = self.labels.clone();
        labels.insert(HOSTNAME.to_owned(), name.clone());
        Self { name, labels, free: self.whole.clone(), ..self.clone() }
    }
}

/// The nodes that the environment describes for a cluster; nothing where it describes none.
pub(in crate::check) fn described(environment: &Environment, target: &str) -> Option<Vec<Node>> {
    match environment.clusters.get(target)? {
        Cluster::Embedded(cluster) if !cluster.nodes.is_empty() => {
            Some(cluster.nodes.iter().flat_map(of_group).collect())
        }
        Cluster::Embedded(_) | Cluster::Context(_) => None,
    }
}

fn of_group(group: &NodeGroup) -> Vec<Node> {
    let mut free = BTreeMap::from([
        ("cpu".to_owned(), group.cpu.millis()),
        ("memory".to_owned(), group.memory.bytes()),
        ("pods".to_owned(), group.pods.get().into()),
    ]);
    if group.gpus.get() > 0 {
        let resource = group.gpu_resource.as_ref().map_or("nvidia.com/gpu", |resource| resource.as_str());
        free.insert(resource.to_owned(), group.gpus.get().into());
    }
    let taints = group.taints.iter().filter_map(|taint| {
        let effect = match taint.effect {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::NoExecute => "NoExecute",
            TaintEffect::PreferNoSchedule => return None,
        };
        let value = taint.value.as_ref().map_or_else(String::new, ToString::to_string);
        Some((taint.key.to_string(), value, effect.to_owned()))
    });
    let taints: Vec<_> = taints.collect();
    let node = |name: String| {
        let mut labels: Labels = group.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        labels.insert(ARCHITECTURE.to_owned(), group.architecture.as_str().to_owned());
        labels.insert(HOSTNAME.to_owned(), name.clone());
        let large_pages = group.page_size == PageSize::Large;
        Node { name, free: free.clone(), whole: free.clone(), labels, taints: taints.clone(), large_pages }
    };
    group.node_names().into_iter().map(node).collect()
}

/// The nodes of a live cluster that take pods, with what others have left of them.
pub(in crate::check) fn live(nodes: &[LiveNode]) -> Vec<Node> {
    let node = |node: &LiveNode| {
        let less = |taken: &BTreeMap<String, u64>| {
            let left = |(resource, amount): (&String, &u64)| {
                (resource.clone(), amount.saturating_sub(taken.get(resource).copied().unwrap_or(0)))
            };
            node.allocatable.iter().map(left).collect()
        };
        let taints = node.taints.iter().filter(|taint| taint.effect != "PreferNoSchedule");
        Node {
            name: node.name.clone(),
            free: less(&node.taken),
            whole: less(&node.daemons),
            labels: node.labels.clone(),
            taints: taints.map(|taint| (taint.key.clone(), taint.value.clone(), taint.effect.clone())).collect(),
            // Kernels with large pages are called so: 6.8.0-1013-nvidia-64k.
            large_pages: node.kernel.split('-').any(|part| part == "64k"),
        }
    };
    nodes.iter().filter(|node| !node.unschedulable).map(node).collect()
}
