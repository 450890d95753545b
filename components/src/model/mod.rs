//! The words of the domain, one concept a file: what a stack file and an environment file are made of.
//!
//! Every type decodes with unknown fields refused, and describes itself as JSON Schema: what a newtype restricts
//! (a pattern, a smallest or largest value) stands in its schema too, so that an editor, the loader and these
//! types cannot disagree. Rules between several values (ports, phases, references) are not here: they are
//! proven over the whole, in [`phases`](crate::phases) and by `check`.
//!
//! A stack can be built in Rust as well as read from a file:
//!
//! ```
//! use strata_components::model::{Priority, Stack};
//!
//! let stack = Stack::builder("shop", "shop-servers")
//!     .tier("front", "9000-9009", |tier| tier.priority(Priority::High))
//!     .service("cart", "front", 9001, |service| service.replicas(2))
//!     .service("web", "front", 9002, |service| service.depends_on(["cart"]))
//!     .build()?;
//! assert_eq!(stack.services.len(), 2);
//! # Ok::<(), strata_components::model::BuildError>(())
//! ```

mod autoscale;
mod availability;
mod backup;
mod build;
mod cluster;
mod component;
mod config;
mod consul;
mod device_plugin;
mod duration;
pub(crate) mod egress;
mod env_var;
mod environment;
mod gateway;
mod gpu;
mod haproxy;
mod health;
mod history;
mod image;
mod job;
mod label;
mod mesh;
mod monitoring;
mod name;
mod needs;
mod network;
mod network_monitor;
mod number;
mod output;
mod overrides;
mod ownership;
mod plans;
mod port;
mod priority;
mod quantity;
mod reference;
mod replicas;
mod resources;
mod rollout;
pub mod schema;
mod service;
mod stack;
mod text;
mod tier;
mod waiver;

pub use self::autoscale::{Autoscale, AutoscaleOverride, Percent, VerticalAutoscaling};
pub use self::availability::Availability;
pub use self::backup::{Backup, CopyCount, CronSchedule};
pub use self::build::{AmountsText, BreakerFigures, BuildError, ServiceBuilder, StackBuilder, TierBuilder};
pub use self::cluster::{
    Architecture, Cluster, ClusterError, ContextCluster, EmbeddedCluster, GpuShares, Guard, NodeCount, NodeGroup,
    PageSize, PodCount, Provided, Taint, TaintEffect,
};
pub use self::component::{
    Component, ComponentError, ConnectionCount, Eviction, External, PostgresName, Postgresql, Redis, SecretKey,
    SecretKeyName, Storage, Weaviate,
};
pub use self::config::{ConfigError, ConfigKey, ConfigValue};
pub use self::consul::{Consul, Datacenter, MetadataKey, MetadataValue, Registration, ServiceTag};
pub use self::device_plugin::{DeviceGroup, DevicePlugin, GpuRuntimeClass, SlicesPerGpu};
pub use self::duration::Duration;
pub use self::egress::{AddressRange, Egress};
pub use self::env_var::EnvName;
pub use self::environment::{CONTROL_NAMESPACE, Environment, NamespaceHere};
pub use self::gateway::{Gateway, GatewaySettings, HostName, ObjectName, UrlPath, WayIn, WayInError};
pub use self::gpu::{GpuCount, GpuPolicy, GpuSettings};
pub use self::haproxy::{Balance, Front, Haproxy, Weight};
pub use self::health::HealthPort;
pub use self::history::HistoryLength;
pub use self::image::{ImagePin, ImageReference, ImageSource, ImageTag, Registry};
pub use self::job::{Job, JobName, Rerun, Retries};
pub use self::label::{LabelKey, LabelValue};
pub use self::mesh::{CallCount, CircuitBreaker, Mesh, MeshMode, RateLimit};
pub use self::monitoring::Monitoring;
pub use self::name::{
    ClusterName, EnvironmentName, InstanceSuffix, NamespaceName, PhaseName, RangeName, ServiceName, StackName, TierName,
};
pub use self::needs::{DefinitionName, NeededDefinition, NeededNodes, NeededService, Needs, NodeLabel, OutsideName};
pub use self::network::{Network, Peer};
pub use self::network_monitor::NetworkMonitor;
pub use self::number::NumberError;
pub use self::output::{Output, OutputError, OutputName, OutputRef, OutputValue, ServiceValue};
pub use self::overrides::ServiceOverride;
pub use self::ownership::{
    Adoption, FieldPathText, FieldPolicy, FieldRule, KindAndName, KindName, ManagerName, Ownership,
};
pub use self::plans::{PlanPolicy, SigningKey};
pub use self::port::{Port, PortOffset, PortRange};
pub use self::priority::Priority;
pub use self::quantity::{Cpu, Memory};
pub use self::reference::ServiceRef;
pub use self::replicas::{ReplicaPolicy, Replicas};
pub use self::resources::{Amounts, Resources};
pub use self::rollout::{BlueGreen, Rolling, Rollout, RolloutError};
pub use self::service::{Service, UserId};
pub use self::stack::Stack;
pub use self::text::TextError;
pub use self::tier::Tier;
pub use self::waiver::{PolicyId, Reason, RuleId, Waiver};
