//! What surrounds an instance on its cluster: the nodes with what others have taken of them, and objects of others
//! that have a say in who can talk to whom. Proofs read it; plans have no need of it, so that the right to make one
//! needs no right to list the pods of others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format that [`Surroundings`] serialises as.
pub const SURROUNDINGS_FORMAT: &str = "strata.surroundings/v1";

/// What surrounds an instance on its cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Always [`SURROUNDINGS_FORMAT`].
    pub format: String,
    /// The nodes, by name.
    pub nodes: Vec<LiveNode>,
    /// Policies that are not the instance's own, as they are: NetworkPolicies in its namespaces, and where there is a
    /// mesh the objects that say what that demands of calls and whom it authorises, in the mesh's own namespace too.
    pub policies: Vec<Value>,
    /// Policies that could not be read.
    pub unread: Vec<Unread>,
}

/// Objects that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unread {
    /// Their kind.
    pub kind: String,
    /// Their namespace.
    pub namespace: String,
    /// Why not, as the cluster said it.
    pub reason: String,
}

/// A node of a live cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveNode {
    /// Its name.
    pub name: String,
    /// What pods can have of it, by resource: CPU in thousandths of a core, memory in bytes, everything else counted.
    pub allocatable: BTreeMap<String, u64>,
    /// What the pods of others ask of it, in the same units.
    pub taken: BTreeMap<String, u64>,
    /// The share of that which a new node like it would carry as well: what the pods of DaemonSets ask, and those that
    /// a node starts by itself.
    #[serde(default)]
    pub daemons: BTreeMap<String, u64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<NodeTaint>,
    /// Whether it takes no more pods.
    pub unschedulable: bool,
    /// The version of its kernel, such as `6.8.0-1013-nvidia-64k`.
    pub kernel: String,
}

/// A taint of a live node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeTaint {
    /// Its key.
    pub key: String,
    /// Its value; empty where it has none.
    pub value: String,
    /// What it does: `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}
