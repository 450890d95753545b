//! A service: one MCP server, or what stands in the place of one, and all that a stack says of it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscale::Autoscale;
use super::availability::Availability;
use super::cluster::Architecture;
use super::component::Component;
use super::config::{ConfigKey, ConfigValue};
use super::duration::Duration;
use super::egress::Egress;
use super::env_var::EnvName;
use super::gateway::{Gateway, UrlPath};
use super::gpu::GpuCount;
use super::health::HealthPort;
use super::image::ImageReference;
use super::job::{Job, JobName};
use super::mesh::{CircuitBreaker, RateLimit};
use super::name::{PhaseName, ServiceName, TierName};
use super::needs::Needs;
use super::number::number_type;
use super::output::OutputRef;
use super::port::{Port, PortOffset};
use super::priority::Priority;
use super::reference::ServiceRef;
use super::replicas::Replicas;
use super::resources::Resources;
use super::rollout::Rollout;
use super::stack::Stack;

number_type! {
    /// The numeric user that a container runs as. Never 0: Pod Security's restricted standard forbids root.
    UserId: u32, what: "user id", min: 1, max: 2147483647
}

impl UserId {
    /// A user that is known to be one when the program is built; at least 1.
    pub(crate) const fn known(user: u32) -> Self {
        Self(user)
    }
}

impl Default for UserId {
    /// 65532, the user called `nonroot` in the images without a distribution.
    fn default() -> Self {
        Self(65532)
    }
}

/// One MCP server of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The tier it belongs to; its port lies in that tier's range.
    pub tier: TierName,
    /// The port it answers on in production; other environments add their offset.
    pub port: Port,
    /// What it is, where it is no MCP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
    /// What it was called before: its objects move to the new name, and the old ones go when the new are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<ServiceName>,
    /// What it is for, in a few words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// How many pods run; environments may raise or cap it.
    #[serde(default)]
    pub replicas: Replicas,
    /// How many GPUs each pod needs.
    #[serde(default)]
    pub gpu: GpuCount,
    /// Who goes first when nodes are short; the tier's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Whether environments may ask for more than one pod; the tier's word unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<bool>,
    /// The services that must be ready before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ServiceRef>,
    /// What it waits for that the stack does not bring: nothing of it is applied before that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// What it connects to outside the fleet: `internet:443`, a range of addresses such as `203.0.113.0/24:5432`, or
    /// `kube-api`. What is not declared stays closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Egress>,
    /// The phase it starts in, by name, where the dependencies alone would let it start earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseName>,
    /// Where it serves health and metrics; the stack's rule unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_port: Option<HealthPort>,
    /// The path that probes ask for; the stack's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<UrlPath>,
    /// How long it may take to answer for the first time; a minute unless given, five with a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_limit: Option<Duration>,
    /// How long `up` waits for its pods to be ready; as long as for any object (`--timeout`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Duration>,
    /// Its image, where that is not the environment's `{registry}/{service}:{tag}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// The processors that its image is built for; any, when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Architecture>,
    /// The numeric user it runs as; the stack's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<UserId>,
    /// Environment variables of its container, beside those the platform sets. No secrets: they would be readable
    /// by whoever can read the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, String>,
    /// More of them, each with an output of this stack (`cache_url`) or of another (`platform.cache_url`) as its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_from: BTreeMap<EnvName, OutputRef>,
    /// Its configuration: a document of typed values that its pods read as a file, `MCP_CONFIG`. No secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<ConfigKey, ConfigValue>,
    /// What is run to its end before its pods are started or changed, by name: a migration. All of them run at once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<JobName, Job>,
    /// CPU and memory of each pod; the tier's unless given, and the stack's `gpu_resources` with a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How far it grows by itself, in environments that allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<Autoscale>,
    /// The share of time in which it answers, in environments that promise one; theirs unless given, where the service is
    /// `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// Present on the service that takes traffic from outside the cluster, and on no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Whether the server keeps sessions, so that a client has to come back to the same pod.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sessions: bool,
    /// How its pods are exchanged for those of a new template; as the environment says where the service is `critical`, and
    /// a few at a time otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// When callers stop calling it until it has recovered; the stack's unless given. A mesh of sidecars enforces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// How many requests each of its pods answers. A mesh of sidecars enforces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

impl Service {
    /// A service of `tier` on `port`: one pod, no GPU, and nothing else said.
    #[must_use]
    pub fn new(tier: TierName, port: Port) -> Self {
        Self {
            tier,
            port,
            component: None,
            was: None,
            purpose: None,
            replicas: Replicas::default(),
            gpu: GpuCount::default(),
            priority: None,
            critical: None,
            depends_on: Vec::new(),
            needs: None,
            egress: Vec::new(),
            phase: None,
            health_port: None,
            health_path: None,
            startup_limit: None,
            ready_within: None,
            image: None,
            architectures: Vec::new(),
            run_as_user: None,
            env: BTreeMap::new(),
            env_from: BTreeMap::new(),
            config: BTreeMap::new(),
            jobs: BTreeMap::new(),
            resources: None,
            autoscale: None,
            availability: None,
            gateway: None,
            sessions: false,
            rollout: None,
            circuit_breaker: None,
            rate_limit: None,
        }
    }

    /// The name of its objects, where it is called `name`: that of a server says what it is, `ai-memory-mcp`; any other
    /// component is called as it is, `redis-cache`.
    #[must_use]
    pub fn object_name(&self, name: &ServiceName) -> String {
        if self.component.is_none() { name.object_name() } else { name.kebab() }
    }

    /// Where its health is served, where `usual` is the rule of its stack: what is no server has no second port for it.
    #[must_use]
    pub fn health_rule(&self, usual: HealthPort) -> HealthPort {
        self.health_port.unwrap_or(if self.component.is_none() { usual } else { HealthPort::Same })
    }

    /// What is added to its ports in an environment that adds `usual`: what lies outside does not move.
    #[must_use]
    pub fn offset(&self, usual: PortOffset) -> PortOffset {
        if self.is_outside() { PortOffset::default() } else { usual }
    }

    /// Whether its port is for the ranges of tiers to say: that of something outside is not, and a component may answer
    /// where everybody looks for it.
    #[must_use]
    pub fn port_is_of_tier(&self) -> bool {
        let usual = self.component.as_ref().and_then(Component::usual_port);
        !self.is_outside() && usual != Some(self.port.get())
    }

    /// The scheme of an address at which clients speak to it, where one is known.
    #[must_use]
    pub fn scheme(&self) -> Option<&'static str> {
        self.component.as_ref().map_or(Some("http"), Component::scheme)
    }

    /// The services of its own `stack` that it stands in front of, each on the port of that service.
    pub fn fronts<'a>(&'a self, stack: &'a Stack) -> impl Iterator<Item = (&'a ServiceName, &'a Service)> {
        let in_front = matches!(self.component, Some(Component::Haproxy(_)));
        let named: BTreeSet<&str> = self.depends_on.iter().filter_map(|one| one.within(&stack.stack)).collect();
        let services = named.into_iter().filter_map(|name| stack.services.get_key_value(name));
        services.filter(move |(_, service)| in_front && !service.is_outside())
    }

    /// Whether it lies outside of the cluster, so that it has no pods.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        matches!(self.component, Some(Component::External(_)))
    }

    /// The ways out that lead to it, where it lies outside of the cluster: to its addresses, or to its port anywhere.
    #[must_use]
    pub fn ways_there(&self) -> Vec<Egress> {
        match &self.component {
            Some(Component::External(external)) if external.addresses.is_empty() => vec![Egress::Internet(self.port)],
            Some(Component::External(external)) => external.addresses.iter().copied().map(Egress::Range).collect(),
            _ => Vec::new(),
        }
    }

    /// How long it may take to answer for the first time, where each of its pods needs that many GPUs.
    #[must_use]
    pub fn startup_limit_with(&self, gpus: GpuCount) -> Duration {
        self.startup_limit.unwrap_or(Duration::from_secs(if gpus.get() > 0 { 300 } else { 60 }))
    }
}
