//! Running other programs, and what they say.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

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

/// strata as this checkout has it, built once: what the command wrote to standard output.
///
/// # Errors
/// When it cannot be built, or failed, with all that it said.
pub(crate) fn strata(arguments: &[&str], doing: &str) -> anyhow::Result<String> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| built().map_err(|error| format!("{error:#}")));
    let program = program.as_ref().map_err(|why| anyhow!("{why}"))?;
    let output = output(Command::new(program).arg("--quiet").args(arguments))?;
    if !output.status.success() {
        bail!("{doing} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{doing} gave no text"))
}

/// Has cargo build it, which says where it is.
fn built() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "strata", "--bin", "strata"]);
    // What the cargo that runs this chore says of its package; some dependencies are built anew where that differs.
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    let output = output(cargo.args(["--message-format", "json-render-diagnostics"]))?;
    if !output.status.success() {
        bail!("building strata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?))).next_back();
    program.context("cargo does not say where strata is")
}

/// Whether a variable tells a program of the package that it belongs to.
fn of_package(variable: &str) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_PRIMARY_"].iter().any(|begin| variable.starts_with(begin))
}
