//! The stack of this repository, composed with each of its environments: figures, whole objects, invariants.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod availability;
mod components;
mod configuration;
mod determinism;
mod device_plugins;
mod discovery;
mod figures;
mod files;
mod fleet;
mod fronts;
mod invariants;
mod isolation;
mod jobs;
mod mesh;
mod monitoring;
mod outputs;
mod pod_security;
mod problems;
mod watching;
