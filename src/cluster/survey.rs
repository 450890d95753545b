//! Looking at what surrounds an instance: nodes, the pods of others on them, and policies of others in the instance's
//! namespaces. Only proofs ask for it, and only when they are told to. Nothing is written.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::Deserialize;
use serde_json::Value;
use strata_components::desired::{Desired, INSTANCE_LABEL};

use super::Cluster;
use crate::check::capacity::placement::{quantity, requests};
use crate::observe::{LiveNode, NodeTaint, SURROUNDINGS_FORMAT, Surroundings};
use crate::provider::ProviderError;

impl Cluster {
    /// What surrounds the instance on the cluster.
    ///
    /// # Errors
    /// When the cluster cannot be reached, is not the one that is meant, or refuses to list nodes, pods or policies.
    pub async fn survey(&self, desired: &Desired) -> Result<Surroundings, ProviderError> {
        self.target().await?;
        let (nodes, pods) = futures::try_join!(self.list("Node", "/api/v1/nodes"), self.list("Pod", "/api/v1/pods"))?;
        let mut policies = Vec::new();
        for namespace in &desired.namespaces {
            let path = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
            policies.extend(self.list("NetworkPolicy", &path).await?);
        }
        let instance = desired.instance.name();
        let own = |object: &Value| object["metadata"]["labels"][INSTANCE_LABEL].as_str() == Some(instance.as_str());
        policies.retain(|policy| !own(policy));
        for policy in &mut policies {
            policy["apiVersion"] = "networking.k8s.io/v1".into();
            policy["kind"] = "NetworkPolicy".into();
        }
        let of_others: Vec<Pod> =
            pods.iter().filter(|pod| !own(pod)).filter_map(|pod| Pod::deserialize(pod).ok()).collect();
        let mut nodes: Vec<LiveNode> = nodes
            .iter()
            .filter_map(|node| Node::deserialize(node).ok())
            .map(|node| live_node(node, &of_others))
            .collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Surroundings { format: SURROUNDINGS_FORMAT.to_owned(), nodes, policies })
    }
}

fn live_node(node: Node, pods: &[Pod]) -> LiveNode {
    let name = node.metadata.name.unwrap_or_default();
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| runs_on(pod, &name)) {
        for (resource, amount) in pod.spec.as_ref().map(requests).unwrap_or_default() {
            let sum = taken.entry(resource).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    let allocatable = status.allocatable.unwrap_or_default();
    let taints = spec.taints.unwrap_or_default().into_iter().map(|taint| NodeTaint {
        key: taint.key,
        value: taint.value.unwrap_or_default(),
        effect: taint.effect,
    });
    LiveNode {
        name,
        allocatable: allocatable.iter().map(|(name, amount)| (name.clone(), quantity(name, amount))).collect(),
        taken,
        labels: node.metadata.labels.unwrap_or_default(),
        taints: taints.collect(),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        kernel: status.node_info.map(|info| info.kernel_version).unwrap_or_default(),
    }
}

/// Whether a pod takes room on a node: it is placed there, and has not ended.
fn runs_on(pod: &Pod, node: &str) -> bool {
    let placed = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    placed && !matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_has_what_others_have_left() {
        let node = json!({
            "metadata": {"name": "gh200", "labels": {"kubernetes.io/arch": "arm64"}},
            "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
            "status": {
                "allocatable": {"cpu": "64", "memory": "420Gi", "nvidia.com/gpu": "8", "pods": "110"},
                "nodeInfo": {"kernelVersion": "6.8.0-1013-nvidia-64k"},
            },
        });
        let pod = |node: &str, phase: &str| {
            let resources = json!({"requests": {"cpu": "1500m", "nvidia.com/gpu": "1"}});
            json!({
                "spec": {"nodeName": node, "containers": [{"name": "a", "resources": resources}]},
                "status": {"phase": phase},
            })
        };
        let pods =
            [pod("gh200", "Running"), pod("gh200", "Succeeded"), pod("other", "Running"), pod("gh200", "Pending")];
        let pods: Vec<Pod> = pods.iter().map(|pod| Pod::deserialize(pod).unwrap()).collect();
        let live = live_node(Node::deserialize(&node).unwrap(), &pods);
        let amounts =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
        assert_eq!(live.taken, amounts(&[("cpu", 3000), ("nvidia.com/gpu", 2), ("pods", 2)]));
        assert_eq!(
            live.allocatable,
            amounts(&[("cpu", 64_000), ("memory", 420 << 30), ("nvidia.com/gpu", 8), ("pods", 110)])
        );
        assert_eq!((live.kernel.as_str(), live.taints.len()), ("6.8.0-1013-nvidia-64k", 1));
    }
}
