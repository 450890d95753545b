//! What resources claim of the world, apart from their manifests: what was meant. Proofs of what will be in force read
//! the manifests, and hold that against the claims.

use serde::{Deserialize, Serialize};

/// All claims of one composed stack, each list sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Ports that are served.
    pub ports: Vec<PortClaim>,
    /// Who depends on whom.
    pub edges: Vec<EdgeClaim>,
    /// What is connected to outside the fleet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<EgressClaim>,
    /// What makes copies of stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupClaim>,
    /// How much of the time services have to answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub availability: Vec<AvailabilityClaim>,
    /// What each service asks of nodes.
    pub compute: Vec<ComputeClaim>,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortUse {
    /// The port a service answers on.
    Protocol,
    /// A port it answers on beside that one.
    Further,
    /// The port its health and metrics are on.
    Health,
}

/// A port on an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortClaim {
    /// The port, 1 to 65535, after the environment's offset.
    pub port: u16,
    /// The service that owns it.
    pub service: String,
    /// What it is for.
    pub purpose: PortUse,
    /// Where it is bound: inside a cluster each Service has an address of its own, named here
    /// (`service/mcp-servers/ai-memory-mcp`). Two owners of one port on one address domain clash.
    pub address_domain: String,
}

impl PortClaim {
    /// Whether the address is that of a Service inside a cluster, which nothing else has.
    #[must_use]
    pub fn is_inside_cluster(&self) -> bool {
        self.address_domain.starts_with("service/")
    }
}

/// A connection that one service needs to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EdgeClaim {
    /// The service that connects.
    pub from: String,
    /// The service that is connected to.
    pub to: String,
}

/// A way out of the fleet that a service needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EgressClaim {
    /// The service that connects.
    pub service: String,
    /// Where to, as the files write it: `internet:443`, `203.0.113.0/24:5432`, `kube-api`.
    pub to: String,
}

/// Pods that are run for a store now and then, and connect to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackupClaim {
    /// The store.
    pub service: String,
}

/// A share of time in which a service has to answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AvailabilityClaim {
    /// The service.
    pub service: String,
    /// The share, as the files write it: `99.9%`.
    pub target: String,
}

/// What the pods of a service ask of nodes. CPU is in thousandths of a core, memory in bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComputeClaim {
    /// The service.
    pub service: String,
    /// Its tier.
    pub tier: String,
    /// Pods at the floor: replicas, or the autoscaler's minimum.
    pub replicas: u32,
    /// Pods at the most: the autoscaler's maximum, or replicas.
    pub replicas_max: u32,
    /// Requested CPU of one pod, in thousandths of a core.
    pub cpu_millis: u64,
    /// Requested memory of one pod, in bytes.
    pub memory_bytes: u64,
    /// Requested GPUs of one pod.
    pub gpus: u32,
    /// The extended resource they are asked as, such as `nvidia.com/gpu`; empty where `gpus` is 0.
    pub gpu_resource: String,
}
