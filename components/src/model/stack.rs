//! A stack: what to deploy, in every environment alike.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device_plugin::DevicePlugin;
use super::gateway::{ObjectName, UrlPath};
use super::health::HealthPort;
use super::mesh::CircuitBreaker;
use super::name::{EnvironmentName, NamespaceName, PhaseName, ServiceName, StackName, TierName};
use super::output::{Output, OutputName};
use super::ownership::Ownership;
use super::port::{PortOffset, PortRange};
use super::resources::Resources;
use super::service::{Service, UserId};
use super::tier::Tier;
use super::waiver::Waiver;

/// A fleet of MCP servers that is deployed as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// The stack's name.
    pub stack: StackName,
    /// What it is, in a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The namespace that its objects live in; an environment maps it to a name of its own.
    pub namespace: NamespaceName,
    /// The environments that it may be deployed to; any, when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
    /// The offset of each environment's ports, for the port registry that pods can read. It must agree with the
    /// offsets in the environment files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub port_offsets: BTreeMap<EnvironmentName, PortOffset>,
    /// Where services serve health and metrics, unless one says otherwise: `"+100"` in quotes, `same`, or a port.
    #[serde(default)]
    pub health_port: HealthPort,
    /// The path that probes ask for.
    #[serde(default = "default_health_path")]
    pub health_path: UrlPath,
    /// The path, on the health port, that metrics are read from.
    #[serde(default = "default_metrics_path")]
    pub metrics_path: UrlPath,
    /// What the ConfigMap with the configuration of servers is called; `mcp-config` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ObjectName>,
    /// When callers stop calling a service until it has recovered, for services that say nothing of it. A mesh of
    /// sidecars enforces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// The names of the startup phases 1, 2 and so on. Phases are computed from the dependencies; their names serve
    /// people, and services that start later than their dependencies ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseName>,
    /// The numeric user that containers run as.
    #[serde(default)]
    pub run_as_user: UserId,
    /// CPU and memory of services without a GPU whose tier names none.
    #[serde(default)]
    pub resources: Resources,
    /// CPU and memory of services with a GPU.
    #[serde(default = "Resources::gpu_server")]
    pub gpu_resources: Resources,
    /// The tiers, by name.
    pub tiers: BTreeMap<TierName, Tier>,
    /// The services, by name.
    pub services: BTreeMap<ServiceName, Service>,
    /// What makes the GPUs of nodes known to the cluster; for a stack of its own, whose namespace then admits pods that
    /// fall short of the restricted Pod Security Standard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_plugin: Option<DevicePlugin>,
    /// What the stack tells other stacks and people, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<OutputName, Output>,
    /// Rules that are not kept on purpose, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waiver>,
    /// Who may hold what on live objects, and which existing objects become the stack's.
    #[serde(default, skip_serializing_if = "Ownership::is_empty")]
    pub ownership: Ownership,
}

fn default_health_path() -> UrlPath {
    UrlPath::health()
}

fn default_metrics_path() -> UrlPath {
    UrlPath::metrics()
}

impl Stack {
    /// A stack with neither tiers nor services, with every default of the file format.
    #[must_use]
    pub fn new(stack: StackName, namespace: NamespaceName) -> Self {
        Self {
            stack,
            description: None,
            namespace,
            environments: Vec::new(),
            port_offsets: BTreeMap::new(),
            health_port: HealthPort::default(),
            health_path: default_health_path(),
            metrics_path: default_metrics_path(),
            config_map: None,
            circuit_breaker: None,
            phases: Vec::new(),
            run_as_user: UserId::default(),
            resources: Resources::default(),
            gpu_resources: Resources::gpu_server(),
            tiers: BTreeMap::new(),
            services: BTreeMap::new(),
            device_plugin: None,
            outputs: BTreeMap::new(),
            waivers: Vec::new(),
            ownership: Ownership::default(),
        }
    }

    /// The range from the lowest to the highest port of all tiers, before any offset; nothing without tiers.
    #[must_use]
    pub fn port_range(&self) -> Option<PortRange> {
        let first = self.tiers.values().map(|tier| tier.ports.first()).min()?;
        let last = self.tiers.values().map(|tier| tier.ports.last()).max()?;
        PortRange::new(first, last)
    }
}
