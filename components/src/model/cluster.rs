//! The clusters of an environment: a described one that runs inside the program, or one of a kubeconfig.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::duration::Duration;
use super::label::{LabelKey, LabelValue};
use super::name::ClusterName;
use super::number::number_type;
use super::quantity::{Cpu, Memory};

/// Where an environment can be deployed to.
///
/// In a file: `embedded: {nodes: […]}`, or `context: NAME`, never both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ClusterFields", into = "ClusterFields")]
pub enum Cluster {
    /// The cluster that runs inside the program, with the nodes described here.
    Embedded(EmbeddedCluster),
    /// A context of the user's kubeconfig.
    Context(ContextCluster),
}

/// A cluster of the user's kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextCluster {
    /// The name of the context.
    pub context: String,
    /// What the cluster must be before anything is done to it.
    pub guard: Option<Guard>,
}

/// What a cluster must be before anything is done to it, whatever a kubeconfig calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The UID of the namespace `kube-system`, which a cluster keeps for life
    /// (`kubectl get namespace kube-system -o jsonpath={.metadata.uid}`).
    #[schemars(regex(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"))]
    pub uid: String,
}

/// The cluster that runs inside the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedCluster {
    /// The nodes that it pretends to have; one small node when none is described.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeGroup>,
    /// How long after it was placed a pod becomes ready.
    #[serde(default)]
    pub ready_after: Duration,
    /// What has been installed on it beside Kubernetes: its kinds are served, and nothing acts on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<Provided>,
}

/// Something that a cluster can have beside Kubernetes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provided {
    /// The Gateway API.
    GatewayApi,
    /// Istio.
    Istio,
    /// The Prometheus operator.
    PrometheusOperator,
    /// The VerticalPodAutoscaler.
    VerticalPodAutoscaler,
}

impl Provided {
    /// As it is written in a file: `gateway-api`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GatewayApi => "gateway-api",
            Self::Istio => "istio",
            Self::PrometheusOperator => "prometheus-operator",
            Self::VerticalPodAutoscaler => "vertical-pod-autoscaler",
        }
    }

    /// As it is spoken of in a sentence: `the Gateway API`.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::GatewayApi => "the Gateway API",
            Self::Istio => "Istio",
            Self::PrometheusOperator => "the Prometheus operator",
            Self::VerticalPodAutoscaler => "the VerticalPodAutoscaler",
        }
    }
}

number_type! {
    /// How many nodes are alike.
    NodeCount: u32, what: "node count", min: 1, max: 1000
}

impl Default for NodeCount {
    fn default() -> Self {
        Self(1)
    }
}

number_type! {
    /// How many pods a node takes.
    PodCount: u32, what: "pod count", min: 1, max: 1000
}

impl Default for PodCount {
    /// 110, the kubelet's own default.
    fn default() -> Self {
        Self(110)
    }
}

/// The architecture of a node's processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86.
    #[default]
    Amd64,
    /// 64-bit ARM, as in GH200 nodes.
    Arm64,
}

impl Architecture {
    /// The word that the node label `kubernetes.io/arch` has.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The size of the pages that a node's kernel deals memory out in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PageSize {
    /// 4 KiB, as everywhere on x86.
    #[default]
    #[serde(rename = "4Ki")]
    Small,
    /// 64 KiB, as the kernels for GH200 nodes have it.
    #[serde(rename = "64Ki")]
    Large,
}

/// Nodes that are alike. A group of several is numbered: `gh200-1`, `gh200-2`; a group of one keeps its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeGroup {
    /// The group's name.
    pub name: ClusterName,
    /// How many there are.
    #[serde(default)]
    pub count: NodeCount,
    /// CPU of each that pods can have.
    pub cpu: Cpu,
    /// Memory of each that pods can have.
    pub memory: Memory,
    /// Pods that each can take.
    #[serde(default)]
    pub pods: PodCount,
    /// GPUs of each, or shares of GPUs where they are cut into time slices.
    #[serde(default)]
    pub gpus: GpuShares,
    /// The extended resource that the GPUs are given out as; `nvidia.com/gpu` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_resource: Option<LabelKey>,
    /// The processor's architecture.
    #[serde(default)]
    pub architecture: Architecture,
    /// The size of the kernel's pages: `4Ki` or `64Ki`.
    #[serde(default)]
    pub page_size: PageSize,
    /// Labels beside those that every node has (`kubernetes.io/arch`, `kubernetes.io/hostname`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// Taints that keep pods away which do not tolerate them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

number_type! {
    /// GPUs, or shares of them, that a node gives out.
    #[derive(Default)]
    GpuShares: u32, what: "number of GPUs", min: 0, max: 1000
}

impl NodeGroup {
    /// A group of one node with this CPU and memory, and nothing else said.
    #[must_use]
    pub fn new(name: ClusterName, cpu: Cpu, memory: Memory) -> Self {
        Self {
            name,
            count: NodeCount::default(),
            cpu,
            memory,
            pods: PodCount::default(),
            gpus: GpuShares::default(),
            gpu_resource: None,
            architecture: Architecture::default(),
            page_size: PageSize::default(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }

    /// The names of its nodes, in order.
    ///
    /// ```
    /// use strata_components::model::{Cpu, Memory, NodeGroup};
    /// let one = NodeGroup::new("cpu".try_into()?, Cpu::from_millis(4000), Memory::from_mebibytes(8192));
    /// assert_eq!(one.node_names(), ["cpu"]);
    /// # Ok::<(), strata_components::model::TextError>(())
    /// ```
    #[must_use]
    pub fn node_names(&self) -> Vec<String> {
        match self.count.get() {
            1 => vec![self.name.to_string()],
            count => (1..=count).map(|number| format!("{}-{number}", self.name)).collect(),
        }
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Such pods are not placed there.
    NoSchedule,
    /// Such pods are placed elsewhere when that is possible.
    PreferNoSchedule,
    /// Such pods are not placed there, and those that run are evicted.
    NoExecute,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// Its key.
    pub key: LabelKey,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<LabelValue>,
    /// What it does.
    pub effect: TaintEffect,
}

/// Where an environment can be deployed to: exactly one of `embedded` and `context`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Cluster")]
#[schemars(extend("oneOf" = [{"required": ["embedded"]}, {"required": ["context"]}]))]
struct ClusterFields {
    /// A cluster that runs inside the program, for a machine that has no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embedded: Option<EmbeddedCluster>,
    /// A context of the user's kubeconfig, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    context: Option<String>,
    /// What the cluster of the context must be before anything is done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guard: Option<Guard>,
}

/// A cluster that is neither of the two kinds, or both.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// Neither `embedded` nor `context`.
    #[error("the cluster is neither `embedded` nor a `context`: name one of the two")]
    Neither,
    /// Both.
    #[error("the cluster is both `embedded` and a `context`: name one of the two")]
    Both,
    /// A guard on an embedded cluster.
    #[error("the embedded cluster has a `guard`: only a `context` can have one")]
    Guard,
}

impl TryFrom<ClusterFields> for Cluster {
    type Error = ClusterError;

    fn try_from(fields: ClusterFields) -> Result<Self, Self::Error> {
        match fields {
            ClusterFields { embedded: Some(_), context: Some(_), .. } => Err(ClusterError::Both),
            ClusterFields { embedded: None, context: None, .. } => Err(ClusterError::Neither),
            ClusterFields { embedded: Some(_), guard: Some(_), .. } => Err(ClusterError::Guard),
            ClusterFields { embedded: Some(embedded), .. } => Ok(Self::Embedded(embedded)),
            ClusterFields { context: Some(context), guard, .. } => Ok(Self::Context(ContextCluster { context, guard })),
        }
    }
}

impl From<Cluster> for ClusterFields {
    fn from(cluster: Cluster) -> Self {
        match cluster {
            Cluster::Embedded(embedded) => Self { embedded: Some(embedded), context: None, guard: None },
            Cluster::Context(ContextCluster { context, guard }) => {
                Self { embedded: None, context: Some(context), guard }
            }
        }
    }
}

impl JsonSchema for Cluster {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cluster".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ClusterFields::json_schema(generator)
    }
}
