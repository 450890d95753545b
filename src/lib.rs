//! Infrastructure as code for fleets of MCP servers on GPU Kubernetes clusters.
//!
//! Data goes one way: a stack and an environment are loaded, composed into what is desired, checked, compared
//! with what was observed, planned, applied and reported. Each stage is a module here; a stage knows the types of
//! the stage before it and nothing of the stage after it.

pub mod apply;
pub mod cli;
pub mod cluster;
pub mod exit;
pub mod finding;
pub mod load;
pub mod observe;
pub mod plan;
pub mod provider;
pub mod report;
