//! What should exist: the result of composing a stack with an environment.
//!
//! A [`Resource`] is one object of one provider, complete but for what only the cluster adds. This file knows
//! nothing of how a resource is applied, nor of what is live.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claims::Claims;
use crate::model::{Duration, Ownership};

/// Annotation that carries a resource's [address](Resource::address), so that what has left the stack can still be named.
pub const ADDRESS_ANNOTATION: &str = "strata.dev/address";
/// Annotation that carries a resource's phase number, so that what has left the stack can still be ordered.
pub const PHASE_ANNOTATION: &str = "strata.dev/phase";
/// Annotation that carries the tier of the service a resource belongs to; absent on what belongs to no service.
pub const TIER_ANNOTATION: &str = "strata.dev/tier";
/// Annotation that carries the services a resource's service depends on, comma-separated; absent when there are none.
pub const DEPENDS_ON_ANNOTATION: &str = "strata.dev/depends-on";
/// The recommended label that carries the instance a resource belongs to.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// One deployment of a stack into an environment.
///
/// ```
/// use strata_components::desired::Instance;
/// let instance = Instance { stack: "sophia".into(), environment: "development".into(), suffix: Some("pr-7".into()) };
/// assert_eq!(instance.name(), "sophia-development-pr-7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// The stack's name.
    pub stack: String,
    /// The environment's name.
    pub environment: String,
    /// What `--instance` named, where one stack stands several times in one environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

impl Instance {
    /// The name that labels, the inventory, the lock and cluster-scoped objects carry.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.suffix {
            Some(suffix) => format!("{}-{}-{suffix}", self.stack, self.environment),
            None => format!("{}-{}", self.stack, self.environment),
        }
    }
}

/// The type of an object in its provider's own words; for Kubernetes group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

impl Kind {
    /// `group/version`, or `version` alone for the core group: the `apiVersion` of a manifest.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// Which object: unique within one plan, and the same from run to run.
///
/// Shown as `Deployment mcp-servers/ai-memory-mcp`, or `Namespace mcp-servers` for an object without a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ResourceId {
    /// Who keeps it; [`KUBERNETES`] today.
    pub provider: String,
    /// Where: the name of the cluster in the environment file.
    pub target: String,
    /// Its type.
    #[serde(flatten)]
    pub kind: Kind,
    /// Its namespace; absent for an object that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The provider of every Kubernetes object.
pub const KUBERNETES: &str = "kubernetes";

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.kind, self.name),
            None => write!(f, "{} {}", self.kind.kind, self.name),
        }
    }
}

/// One object that should exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Which object it is.
    pub id: ResourceId,
    /// Its stable address, `stack/service/component` (`sophia/ai_memory/deployment`), or `stack/component` for
    /// what belongs to no service. It stays when a name changes.
    pub address: String,
    /// The address it had before its service was renamed, where the stack says what that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The phase it is applied in; 0 is the ground everything stands on (namespace, priority classes, registry).
    pub phase: u32,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The tier of that service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The services that its service waits for, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// How long it is waited for until it is ready, where the stack says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Duration>,
    /// The object as it is to be applied: `apiVersion`, `kind`, `metadata` with labels and annotations, and the
    /// rest. Quantities are written in their canonical form, so that a server has nothing to rewrite.
    pub manifest: Value,
    /// What is applied in the manifest's place for as long as a renamed service runs under both names: it lets through
    /// to the old one what it lets through to the new. Absent where that makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<Value>,
}

/// A phase: what is applied together, after everything before it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Its number, from 0.
    pub number: u32,
    /// Its name (`foundation`, `orchestration`), or `phase 6` where the stack names none.
    pub name: String,
    /// The services in it, sorted.
    pub services: Vec<String>,
}

/// Everything that should exist, and what proofs need to know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// What is deployed.
    pub instance: Instance,
    /// The namespaces that belong to the instance, sorted: where its objects live.
    pub namespaces: Vec<String>,
    /// Phases in order, without gaps; phase 0 first.
    pub phases: Vec<Phase>,
    /// Resources, ordered by phase, then address.
    pub resources: Vec<Resource>,
    /// What the resources claim: ports, edges, GPUs, nodes.
    pub claims: Claims,
    /// Who may hold what on live objects, and which existing objects become the instance's.
    #[serde(default, skip_serializing_if = "Ownership::is_empty")]
    pub ownership: Ownership,
    /// Where what was written gave way to something else, sorted: a cap, a higher floor. Shown by `check`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A decision of composing that a reader of the files would not expect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Note {
    /// The value in the stack that gave way, as a path in its model: `services.ai_memory.autoscale.min`.
    pub path: String,
    /// What was decided, and why.
    pub message: String,
}
