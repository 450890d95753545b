//! A Kubernetes API in one process: an [`axum::Router`] that answers as an API server does, over objects kept in memory
//! or in one durable file, with controllers that simulate what a cluster would make of them.
//!
//! Nothing is run: pods become ready after a set time, on nodes that the options describe. What differs from a real
//! server is listed in the crate's README.

mod access;
mod admission;
mod api;
mod bootstrap;
mod clock;
mod cluster;
mod controllers;
mod decoding;
mod failure;
pub mod faults;
mod holder;
mod json_path;
mod kinds;
mod merging;
mod object;
mod openapi;
mod options;
mod protobuf;
mod registry;
mod rules;
mod selector;
mod simulation;
mod store;
mod system;
mod versions;

pub use access::Identity;
pub use admission::webhook::{WebhookAnswer, WebhookRequest, Webhooks};
pub use clock::{Clock, Sleep, SystemClock, TestClock};
pub use cluster::{Cluster, OpenError};
pub use holder::Holder;
pub use options::{Controllers, NodeSpec, Options, Storage, Taint};
pub use simulation::{NodeFault, PodFault, SelectorError, Simulation, Usage};
