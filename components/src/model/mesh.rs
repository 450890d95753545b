//! The service mesh: how an environment runs it, and the limits on calls that only its proxies can enforce.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::network::Peer;
use super::number::number_type;
use super::resources::Resources;

/// How Istio takes part in the traffic of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeshMode {
    /// One proxy a node: mutual TLS, and who may call whom. It looks at connections and not at requests, so it can
    /// enforce neither circuit breakers nor rate limits.
    Ambient,
    /// A proxy in every pod: all of it.
    Sidecar,
}

impl MeshMode {
    /// The word that files have for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ambient => "ambient",
            Self::Sidecar => "sidecar",
        }
    }
}

/// The Istio mesh of an environment. An environment that does not speak of it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mesh {
    /// How it takes part in the traffic: `ambient` or `sidecar`.
    pub mode: MeshMode,
    /// Whether the cluster has istio-cni. Without it, sidecars bring an init container that the restricted Pod Security
    /// Standard refuses; ambient always comes with it.
    #[serde(default)]
    pub cni: bool,
    /// Whether the circuit breakers, rate limits and sessions of the stack are enforced here. Where the mode cannot
    /// enforce one that is asked for, the stack is refused.
    #[serde(default = "yes")]
    pub limits: bool,
    /// The pods of the control plane, which sidecars talk to.
    #[serde(default = "istiod")]
    pub control_plane: Peer,
    /// CPU and memory of the proxy in each pod, where there is one.
    #[serde(default = "Resources::mesh_proxy")]
    pub proxy: Resources,
}

const fn yes() -> bool {
    true
}

fn istiod() -> Peer {
    Peer::known("istio-system", ("app", "istiod"))
}

impl Mesh {
    /// A mesh of this mode, with every default of the file format.
    #[must_use]
    pub fn new(mode: MeshMode) -> Self {
        Self { mode, cni: false, limits: yes(), control_plane: istiod(), proxy: Resources::mesh_proxy() }
    }
}

number_type! {
    /// How many calls, connections or failures.
    CallCount: u32, what: "number of calls", min: 1, max: 1000000
}

/// When callers stop calling a service, or one of its pods, until it has recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreaker {
    /// The most connections that the pods of one caller have open to the service.
    pub connections: CallCount,
    /// The most requests that wait for a connection; one more is refused at once.
    pub pending: CallCount,
    /// After how many failures (answers from 500 on) in a row a pod is left out.
    pub failures: CallCount,
    /// How long it is left out for the first time.
    pub ejection: Duration,
}

/// How many requests each pod of a service answers; what goes beyond is refused with status 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests.
    pub requests: CallCount,
    /// In which time, 50ms at the least.
    pub per: Duration,
}
