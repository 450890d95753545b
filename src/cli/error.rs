//! One error type for all commands: what went wrong, which exit code says so, and what to do next.

use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Ui;
use super::names::Names;
use crate::exit;
use crate::finding::Finding;
use crate::provider::ProviderError;
use crate::report::clean::clean;

/// What a command returns: an exit code, or an error that knows its own.
pub type CommandResult = Result<u8, CommandError>;

/// An error on its way to the terminal.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code that stands for it; see [`exit`].
    pub code: u8,
    /// What went wrong; its sources are printed below it.
    pub error: anyhow::Error,
    /// What to do next, one sentence each.
    pub hints: Vec<String>,
    /// The findings that explain it; where there are any they were printed already, and only the exit code is left to say.
    pub findings: Vec<Finding>,
}

impl CommandError {
    /// An error with a code of its own.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into(), hints: Vec::new(), findings: Vec::new() }
    }

    /// That these findings, which were printed already, stop the command.
    #[must_use]
    pub fn printed(code: u8, findings: Vec<Finding>) -> Self {
        Self { findings, ..Self::new(code, anyhow::anyhow!("the stack or its environment has errors")) }
    }

    /// What went wrong, then what caused it, the nearest first. Errors of other crates tend to repeat what caused them:
    /// what was said is not said again.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for cause in self.error.chain().map(ToString::to_string) {
            if said.last().is_none_or(|last| !last.contains(&cause)) {
                said.push(cause);
            }
        }
        said
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        let error = Self::new(exit::ERROR, error);
        match error.error.downcast_ref() {
            Some(ProviderError::Unreachable { .. }) => {
                error.hint("see that the cluster runs and that this machine reaches it; nothing is known to be absent")
            }
            Some(ProviderError::Refused { code: 401, .. }) => {
                error.hint("the cluster does not accept the credentials of the kubeconfig, or no longer: log in again")
            }
            Some(ProviderError::Record { .. }) => error.hint("take another revision; `strata history` lists them"),
            Some(ProviderError::Forbidden { .. }) => {
                error.hint("ask for these verbs, or run this with the credentials of a deployer")
            }
            Some(ProviderError::Refused { code: 403, .. }) => error
                .hint("the credentials are accepted, but do not allow this: ask for the verb that the message names"),
            _ => error,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// Prints what the argument parser has to say: help to standard output, misuse to standard error; and what could be named
/// where a name is missing.
pub(super) fn usage(error: &clap::Error, names: impl FnOnce() -> Names) -> u8 {
    let misuse = error.use_stderr();
    // A closed pipe is no reason to fail twice.
    let _ = error.print();
    if !misuse {
        return exit::OK;
    }
    if let Some(ContextValue::Strings(missing)) =
        error.get(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::MissingRequiredArgument)
    {
        let (names, mut ui) = (names(), Ui::new(false));
        let is_missing = |value: &str| missing.iter().any(|missing| missing.contains(value));
        for (value, what, here) in
            [("<STACK>", "a stack", names.stacks()), ("<ENV>", "an environment", names.environments())]
        {
            let here: Vec<String> = here.into_iter().map(|name| clean(&name.name).into_owned()).collect();
            if is_missing(value) && !here.is_empty() {
                ui.next(&format!("name {what}; here {}: {}", is_or_are(here.len()), here.join(", ")));
            }
        }
    }
    exit::ERROR
}

fn is_or_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
