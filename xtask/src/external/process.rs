//! Running other programs, and what they say.

use std::process::{Command, Output};

use anyhow::{Context, bail};

/// What a program ended with.
///
/// # Errors
/// When it could not be started.
pub(super) fn output(command: &mut Command) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().with_context(|| format!("starting {name}"))
}

/// What a program wrote to standard output and standard error, if it ended well. `doing` says what for.
///
/// # Errors
/// When it did not, with all that it said.
pub(crate) fn succeeded(command: &mut Command, doing: &str) -> anyhow::Result<String> {
    let output = output(command)?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{doing} failed:\n{said}");
    }
    Ok(said)
}

/// `cargo run` of strata: what the command wrote to standard output.
///
/// # Errors
/// When it failed, with all that it said.
pub(crate) fn strata(arguments: &[&str], doing: &str) -> anyhow::Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--package", "strata", "--bin", "strata", "--", "--quiet"]).args(arguments);
    let output = output(&mut cargo)?;
    if !output.status.success() {
        bail!("{doing} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{doing} gave no text"))
}
