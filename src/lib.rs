//! Infrastructure as code for fleets of MCP servers on GPU Kubernetes clusters.
//!
//! Data goes one way: a stack and an environment are loaded, composed into what is desired, checked, compared
//! with what was observed, planned, applied and reported. Each stage is a module here; a stage knows the types of
//! the stage before it and nothing of the stage after it.

use std::process::ExitCode;

pub use strata_components as components;
use strata_components::desired::Desired;
use strata_components::model::Stack;

pub mod affected;
pub mod apply;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod exit;
pub mod finding;
pub mod history;
pub mod init;
pub mod load;
pub mod observe;
pub mod plan;
pub mod policies;
pub mod provider;
pub mod render;
pub mod report;
pub mod repository;
pub mod secrets;
pub mod signing;

/// Gives the binary of a Rust program every command, for the stack that the program brings.
///
/// Environments, and every other stack, come from the files of `--root`. What is rendered and planned is the same, to
/// the byte, as for a stack file that says the same.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use strata::components::model::{BuildError, Stack};
///
/// fn main() -> Result<ExitCode, BuildError> {
///     let stack = Stack::builder("demo", "demo")
///         .tier("core", "9000-9019", |tier| tier)
///         .service("memory", "core", 9000, |service| service.replicas(2))
///         .build()?;
///     Ok(strata::run(&stack))
/// }
/// ```
///
/// `examples/fleet.rs` in the repository is a whole fleet.
#[must_use]
pub fn run(stack: &Stack) -> ExitCode {
    run_with(stack, |_| Ok(()))
}

/// The same for a program that adds objects of its own to what its stack composes to, such as Secrets, whose values no
/// stack holds. They are proven, planned and applied as the rest is.
///
/// What Secrets hold is withheld from everything that is shown, compared or kept, as is every other text in which one of
/// their values stands: see [`secrets`].
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use serde_json::json;
/// use strata::components::model::{BuildError, Stack};
///
/// fn main() -> Result<ExitCode, BuildError> {
///     let stack = Stack::builder("demo", "demo")
///         .tier("core", "9000-9019", |tier| tier)
///         .service("memory", "core", 9000, |service| service.replicas(2))
///         .build()?;
///     Ok(strata::run_with(&stack, |desired| {
///         let password = std::env::var("MEMORY_PASSWORD")?;
///         desired.add(Some("memory"), "keys", json!({
///             "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "memory-keys", "namespace": "demo"},
///             "stringData": {"password": password},
///         }))?;
///         Ok(())
///     }))
/// }
/// ```
///
/// `examples/secrets.rs` in the repository reads them from a file, and gives them to the pods of a service.
#[must_use]
pub fn run_with(stack: &Stack, add: impl Fn(&mut Desired) -> Result<(), cli::ProgramError>) -> ExitCode {
    cli::program(Some(cli::Program { stack, add: &add }))
}

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
