//! Whether Docker Compose takes the Compose file, and understands the same services by it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::output;
use super::rendered::{Object, Subject};

/// Renders the Compose file and has Compose read it; says how many services it understands.
///
/// # Errors
/// When Compose refuses or warns, or understands other services than there are workloads, or other images.
pub(super) fn config(programs: &Path, subject: &Subject<'_>, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let file = out.join("compose.yaml");
    let text = match subject.ask("render", &["--format", "compose"]) {
        Err(refused) if REFUSALS.iter().any(|told| refused.to_string().contains(told)) && beyond(objects) => {
            return Ok("docker-compose: a Compose file is refused for what it could not hold".to_owned());
        }
        Ok(_) if beyond(objects) => bail!("a Compose file leaves something out without a word"),
        text => text?,
    };
    fs::write(&file, &text)?;
    let mut command = Command::new(programs.join("docker-compose"));
    // What is secret is asked for: any value does here.
    let ours: Value = serde_saphyr::from_str(&text).context("reading the Compose file")?;
    let secrets = ours["secrets"].as_object().into_iter().flatten();
    command.envs(secrets.filter_map(|(_, secret)| Some((secret["environment"].as_str()?, "given"))));
    let asked = text.split("${").skip(1).filter_map(|rest| rest.split_once(":?")).map(|(name, _)| name);
    command.envs(asked.map(|name| (name, "given")));
    let said = output(command.arg("--file").arg(&file).args(["config", "--format", "json"]))?;
    let warned = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() || !warned.trim().is_empty() {
        bail!("docker-compose config:\n{warned}");
    }
    let config: Value = serde_json::from_slice(&said.stdout).context("reading what docker-compose understands")?;
    let services = config["services"].as_object().context("docker-compose understands no services")?;
    let theirs: BTreeSet<(&str, &str)> =
        services.iter().map(|(name, service)| (name.as_str(), service["image"].as_str().unwrap_or_default())).collect();
    let ours: BTreeSet<(&str, &str)> = objects
        .iter()
        .filter(|object| matches!(object.kind(), "Deployment" | "StatefulSet"))
        .map(|object| (object.text("/metadata/name"), object.text("/spec/template/spec/containers/0/image")))
        .collect();
    if theirs != ours {
        let differs: Vec<_> = theirs.symmetric_difference(&ours).collect();
        bail!("docker-compose and the manifests differ in services or images: {differs:?}");
    }
    let networks = config["networks"].as_object().map_or(0, serde_json::Map::len);
    Ok(format!("docker-compose understands {} services and {networks} networks", theirs.len()))
}

/// How strata refuses to write a Compose file that would leave something out.
const REFUSALS: [&str; 2] = ["a Compose file has no name for what lies outside", "Compose runs nothing by the clock"];

/// Whether there is what a Compose file cannot hold: something outside of the cluster, or what is run by a schedule.
fn beyond(objects: &[Object]) -> bool {
    objects.iter().any(|object| object.kind() == "CronJob" || object.text("/spec/type") == "ExternalName")
}
