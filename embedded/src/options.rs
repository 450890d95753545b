//! What a cluster is made of: its nodes, how quickly pods become ready, whose time it keeps and where its objects are
//! stored. Reads no file and no environment variable; the caller decides.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Identity;
use crate::admission::webhook::Webhooks;
use crate::clock::{Clock, SystemClock};

/// Where the cluster keeps its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone when the cluster is dropped.
    Memory,
    /// In one durable file; made, with its directory, where it is missing.
    File(PathBuf),
}

/// How a cluster is set up when it is opened.
#[derive(Clone)]
pub struct Options {
    /// The nodes that pods are placed on. Nodes that are no longer described are removed at opening.
    pub nodes: Vec<NodeSpec>,
    /// How long after it was placed a pod becomes ready, unless its annotations say otherwise.
    pub ready_after: Duration,
    /// Whose time the cluster keeps.
    pub clock: Arc<dyn Clock>,
    /// The version the cluster says it is, `vMAJOR.MINOR.PATCH`.
    pub kubernetes_version: String,
    /// How many past changes a watch can resume across before it is told that its version is gone.
    pub watch_window: usize,
    /// How long an Event object is kept.
    pub event_lifetime: Duration,
    /// Who works in the cluster beside its clients.
    pub controllers: Controllers,
    /// Users beside the administrator, by the token that each of them shows. What they may do is up to the roles that
    /// are bound to them; to begin with, next to nothing.
    pub identities: BTreeMap<String, Identity>,
    /// Who answers for the webhooks of stored configurations. To begin with nobody: each of them is unreachable.
    pub webhooks: Webhooks,
}

/// Who works in a cluster beside its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Controllers {
    /// Everyone that a cluster has: what workloads ask for comes to be.
    #[default]
    All,
    /// Only what an API server does by itself (definitions of custom resources take effect): objects stay as their
    /// clients wrote them, as on an API server that was started alone.
    OfTheServer,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            nodes: vec![NodeSpec::named("node-1")],
            ready_after: Duration::from_secs(1),
            clock: Arc::new(SystemClock),
            kubernetes_version: "v1.36.2".to_owned(),
            watch_window: 20_000,
            event_lifetime: Duration::from_secs(3600),
            controllers: Controllers::default(),
            identities: BTreeMap::new(),
            webhooks: Webhooks::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("nodes", &self.nodes)
            .field("ready_after", &self.ready_after)
            .field("kubernetes_version", &self.kubernetes_version)
            .field("watch_window", &self.watch_window)
            .field("event_lifetime", &self.event_lifetime)
            .field("controllers", &self.controllers)
            .field("webhooks", &self.webhooks)
            // The tokens must reach no log.
            .field("identities", &self.identities.values().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// One node that pods can be placed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// The node's name, a DNS subdomain.
    pub name: String,
    /// Processors, as a Kubernetes quantity (`64`, `3500m`).
    pub cpu: String,
    /// Memory, as a Kubernetes quantity (`432Gi`).
    pub memory: String,
    /// How many pods the node takes.
    pub pods: u32,
    /// How many GPUs it has.
    pub gpus: u32,
    /// The extended resource the GPUs are offered as (`nvidia.com/gpu`).
    pub gpu_resource: String,
    /// Processor architecture in Kubernetes' words: `amd64`, `arm64`.
    pub architecture: String,
    /// Labels beside those that every node carries.
    pub labels: BTreeMap<String, String>,
    /// What keeps pods away that do not tolerate it.
    pub taints: Vec<Taint>,
}

impl NodeSpec {
    /// An ordinary node: 8 processors, 32 GiB, 110 pods, amd64, no GPU.
    pub fn named(name: &str) -> NodeSpec {
        NodeSpec {
            name: name.to_owned(),
            cpu: "8".to_owned(),
            memory: "32Gi".to_owned(),
            pods: 110,
            gpus: 0,
            gpu_resource: "nvidia.com/gpu".to_owned(),
            architecture: "amd64".to_owned(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }
}

/// What keeps pods off a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// The taint's key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}
