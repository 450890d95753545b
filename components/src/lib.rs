//! What a stack can be made of.
//!
//! [`model`] holds the words of the domain (port, tier, service, replicas, phase, environment …); one file a
//! component turns them into Kubernetes objects; [`compose`](compose::compose) puts a stack and an environment
//! together into [`Desired`](desired::Desired): resources in a stable order, and the claims that proofs read.
//!
//! Nothing here reads a file, the network or a clock: the same input gives the same bytes.

mod alerts;
mod autoscaling;
mod availability;
mod backup;
pub mod blue_green;
pub mod claims;
pub mod compose;
mod configuration;
mod configured;
mod consul;
mod context;
mod custom;
mod dashboard;
pub mod desired;
mod device_plugin;
mod external;
mod gateway;
mod haproxy;
mod hardening;
mod isolation;
pub mod jobs;
pub mod kinds;
mod mcp_service;
mod mesh;
pub mod model;
mod monitoring;
mod moving;
mod namespace;
pub mod needs;
mod neighbours;
mod network_monitor;
pub mod outputs;
pub mod phases;
mod port_registry;
mod postgresql;
mod priority_classes;
mod problem;
pub mod provided;
mod quota;
mod redis;
mod reserved;
pub mod rolling;
mod secret_file;
mod sizing;
mod spec;
mod stateful;
mod targets;
mod vertical_autoscaling;
mod weaviate;
mod workload;

/// Labels and annotations that composed objects carry, beside those of [`desired`].
pub mod labels {
    pub use crate::context::{
        COMPONENT_LABEL, DESCRIPTION_ANNOTATION, GPU_REQUIRED_LABEL, JOB_OF_LABEL, LONGEST_NAME, MANAGED_BY_LABEL,
        NAME_LABEL, PART_OF_LABEL, PRIORITY_LABEL, TIER_LABEL,
    };
}
