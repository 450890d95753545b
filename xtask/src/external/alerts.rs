//! Whether Prometheus takes the alerts, and the figures of the network monitor.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::succeeded;
use super::rendered::Object;

/// The rules in every PrometheusRule, as promtool reads them. It ends with 0 where rules are merely doubtful, so its
/// words count.
pub(super) fn check_rules(promtool: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let plain = out.join("rules");
    fs::create_dir_all(&plain)?;
    let (mut files, mut rules) = (Vec::new(), 0);
    for object in objects.iter().filter(|object| object.kind() == "PrometheusRule") {
        let file = plain.join(object.file.with_extension("json").file_name().unwrap_or_default());
        let groups = object.value.pointer("/spec/groups").and_then(Value::as_array);
        rules += groups.into_iter().flatten().filter_map(|group| Some(group["rules"].as_array()?.len())).sum::<usize>();
        fs::write(&file, object.value["spec"].to_string())?;
        files.push(file);
    }
    if files.is_empty() {
        return Ok("promtool: no rules here".to_owned());
    }
    let text = succeeded(Command::new(promtool).args(["check", "rules"]).args(&files), "promtool check rules")?;
    let found: usize = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("SUCCESS: ")?.split_whitespace().next()?.parse::<usize>().ok())
        .sum();
    if text.contains("FAILED") || found != rules {
        bail!("promtool takes {found} of {rules} rules:\n{text}");
    }
    Ok(format!("promtool takes {found} of {rules} rules"))
}

/// What the network monitor writes for Prometheus, as its tests have it.
const FIGURES: &str = "network-monitor/tests/golden/metrics.txt";

/// Has promtool look at the figures of the network monitor: their form, names and words.
///
/// # Errors
/// When it finds anything to say.
pub(super) fn check_figures(promtool: &Path) -> anyhow::Result<String> {
    let figures = fs::File::open(FIGURES).with_context(|| format!("reading {FIGURES}"))?;
    let said = succeeded(Command::new(promtool).args(["check", "metrics"]).stdin(figures), "promtool check metrics")?;
    if !said.trim().is_empty() {
        bail!("promtool check metrics:\n{said}");
    }
    Ok("promtool takes the figures of the network monitor".to_owned())
}
