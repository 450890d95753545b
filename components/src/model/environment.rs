//! An environment: where a stack is deployed to, and how big it is there.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscale::VerticalAutoscaling;
use super::availability::Availability;
use super::cluster::Cluster;
use super::gateway::GatewaySettings;
use super::gpu::GpuSettings;
use super::history::HistoryLength;
use super::image::ImageSource;
use super::mesh::Mesh;
use super::monitoring::Monitoring;
use super::name::{ClusterName, EnvironmentName, NamespaceName, ServiceName, StackName, TierName};
use super::network::Network;
use super::overrides::ServiceOverride;
use super::plans::PlanPolicy;
use super::port::PortOffset;
use super::reference::ServiceRef;
use super::replicas::ReplicaPolicy;
use super::rollout::Rollout;
use super::stack::Stack;
use super::tier::Tier;

/// A place that stacks are deployed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The environment's name.
    pub environment: EnvironmentName,
    /// What it is for, in a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The stacks it admits; any, when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<StackName>,
    /// The clusters it can be deployed to, by name.
    #[schemars(extend("minProperties" = 1))]
    pub clusters: BTreeMap<ClusterName, Cluster>,
    /// The cluster that is meant when a command names none.
    pub default_cluster: ClusterName,
    /// The namespace that holds the inventory, the lock and the history.
    #[serde(default = "default_control_namespace")]
    pub control_namespace: NamespaceName,
    /// How many runs each instance's history keeps.
    #[serde(default)]
    pub history: HistoryLength,
    /// Which plans are carried out; without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<PlanPolicy>,
    /// What is added to every port of the stack file.
    #[serde(default)]
    pub port_offset: PortOffset,
    /// What a stack's namespaces are called here; one that is not named keeps its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<NamespaceName, NamespaceName>,
    /// Where images come from.
    pub image: ImageSource,
    /// What is done to the replica counts of the stack file.
    #[serde(default)]
    pub replicas: ReplicaPolicy,
    /// How GPUs are granted.
    #[serde(default)]
    pub gpu: GpuSettings,
    /// Whether autoscalers work here. Without them, services keep their `replicas`.
    #[serde(default)]
    pub autoscaling: bool,
    /// Whether VerticalPodAutoscalers work here, and what they may do; without it, there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertical_autoscaling: Option<VerticalAutoscaling>,
    /// The share of time in which every service marked `critical` answers here. Services that name a share of their own
    /// are held to that one. Without it nothing is promised, whatever services name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// How the pods of every service marked `critical` are exchanged for new ones, unless the service says that itself;
    /// without it, a few at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// How traffic from outside comes in; without it, none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySettings>,
    /// Whether the services of each tier get a namespace of their own: `mcp-servers-core` for the tier `core`. A tier
    /// that names a namespace keeps that one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub namespace_per_tier: bool,
    /// The service mesh; without it, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<Mesh>,
    /// How the fleet is watched; without it, it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// The network around the fleet, as far as policies have to name it.
    #[serde(default)]
    pub network: Network,
    /// What is different here about single services, by name; `stack/service` where several stacks have one of that
    /// name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ServiceRef, ServiceOverride>,
}

/// A namespace of a stack, and what it is called in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceHere {
    /// What the stack calls it.
    pub written: String,
    /// What the environment calls it.
    pub here: String,
}

/// The namespace for the inventory, unless an environment names another.
pub const CONTROL_NAMESPACE: &str = "strata-system";

fn default_control_namespace() -> NamespaceName {
    NamespaceName::known(CONTROL_NAMESPACE)
}

impl Environment {
    /// An environment with one cluster, and every default of the file format.
    #[must_use]
    pub fn new(environment: EnvironmentName, cluster: (ClusterName, Cluster), image: ImageSource) -> Self {
        let (name, cluster) = cluster;
        Self {
            environment,
            description: None,
            stacks: Vec::new(),
            clusters: BTreeMap::from([(name.clone(), cluster)]),
            default_cluster: name,
            control_namespace: default_control_namespace(),
            history: HistoryLength::default(),
            plans: None,
            port_offset: PortOffset::default(),
            namespaces: BTreeMap::new(),
            image,
            replicas: ReplicaPolicy::default(),
            gpu: GpuSettings::default(),
            autoscaling: false,
            vertical_autoscaling: None,
            availability: None,
            rollout: None,
            gateway: None,
            namespace_per_tier: false,
            mesh: None,
            monitoring: None,
            network: Network::default(),
            services: BTreeMap::new(),
        }
    }

    /// The namespace of a tier, before the suffix of an instance.
    ///
    /// ```
    /// use strata_components::model::{Environment, Stack};
    ///
    /// let environment: Environment = serde_json::from_value(serde_json::json!({
    ///     "environment": "staging", "namespaces": {"shop": "shop-staging"}, "namespace_per_tier": true,
    ///     "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
    ///     "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    /// }))?;
    /// let stack: Stack = serde_json::from_value(serde_json::json!({
    ///     "stack": "shop", "namespace": "shop", "services": {},
    ///     "tiers": {"back": {"ports": "9000-9009"}},
    /// }))?;
    /// let back = stack.tiers.first_key_value().map(|back| environment.namespace_of(&stack, back));
    /// assert_eq!(back.map(|namespace| (namespace.written, namespace.here)), Some(("shop-back".into(), "shop-staging-back".into())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn namespace_of(&self, stack: &Stack, (name, tier): (&TierName, &Tier)) -> NamespaceHere {
        match &tier.namespace {
            Some(own) => self.mapped(own),
            None if self.namespace_per_tier => {
                let NamespaceHere { written, here } = self.mapped(&stack.namespace);
                NamespaceHere { written: format!("{written}-{name}"), here: format!("{here}-{name}") }
            }
            None => self.mapped(&stack.namespace),
        }
    }

    /// Every namespace of a stack, before the suffix of an instance: its own, unless each tier has one, and those of
    /// its tiers.
    #[must_use]
    pub fn namespaces_of(&self, stack: &Stack) -> BTreeSet<NamespaceHere> {
        let own = (!self.namespace_per_tier || stack.device_plugin.is_some()).then(|| self.own_namespace(stack));
        stack.tiers.iter().map(|tier| self.namespace_of(stack, tier)).chain(own).collect()
    }

    /// The namespace that the stack names, before the suffix of an instance.
    #[must_use]
    pub fn own_namespace(&self, stack: &Stack) -> NamespaceHere {
        self.mapped(&stack.namespace)
    }

    fn mapped(&self, written: &NamespaceName) -> NamespaceHere {
        let here = self.namespaces.get(written).unwrap_or(written);
        NamespaceHere { written: written.to_string(), here: here.to_string() }
    }

    /// What is different here about a service of a stack: what is said of `stack/service`, or else of `service`.
    #[must_use]
    pub fn override_of(&self, stack: &StackName, service: &ServiceName) -> Option<&ServiceOverride> {
        self.services.get(format!("{stack}/{service}").as_str()).or_else(|| self.services.get(service.as_str()))
    }
}
