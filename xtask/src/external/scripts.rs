//! Whether shellcheck has anything against a shell script: those of the workflows, and those that a stack's containers
//! run.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::rendered::Object;

/// Has shellcheck look at a script for `shell`, with these options besides. `place` says where it stands.
///
/// # Errors
/// When it finds anything, with all that it says.
pub(super) fn shellcheck(
    programs: &Path,
    (shell, more): (&str, &[&str]),
    script: &str,
    place: &str,
) -> anyhow::Result<()> {
    let mut checking = Command::new(programs.join("shellcheck"))
        .arg(format!("--shell={shell}"))
        .args(more)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting shellcheck")?;
    let mut input = checking.stdin.take().context("shellcheck takes no input")?;
    input.write_all(script.as_bytes())?;
    drop(input);
    let output = checking.wait_with_output()?;
    if !output.status.success() {
        bail!("shellcheck on {place}:\n{script}\n{}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}

/// Has it look at every script of the objects: files of ConfigMaps, and what is given to `sh -c`.
///
/// # Errors
/// When it finds anything.
pub(super) fn judge(programs: &Path, objects: &[Object]) -> anyhow::Result<String> {
    // One script stands in several objects.
    let mut scripts = BTreeMap::new();
    for object in objects {
        let place = object.text("/metadata/name");
        let files = object.value["data"].as_object().into_iter().flatten();
        let files = files.filter(|(name, _)| object.kind() == "ConfigMap" && name.ends_with(".sh"));
        scripts.extend(files.filter_map(|(name, text)| Some((text.as_str()?, format!("{name} of {place}")))));
        let mut given = Vec::new();
        commands(&object.value, &mut given);
        scripts.extend(given.into_iter().map(|text| (text, format!("a command of {} {place}", object.kind()))));
    }
    for (text, place) in &scripts {
        shellcheck(programs, ("sh", &[]), text, place)?;
    }
    Ok(match scripts.len() {
        0 => "shellcheck: no scripts here".to_owned(),
        count => format!("shellcheck has nothing to say on {count} scripts"),
    })
}

/// Every script in `sh -c SCRIPT`, at any depth.
fn commands<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => {
            if let [first, second, script, ..] = items.as_slice()
                && first == "sh"
                && second == "-c"
            {
                found.extend(script.as_str());
            }
            items.iter().for_each(|item| commands(item, found));
        }
        Value::Object(fields) => fields.values().for_each(|field| commands(field, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scripts_are_found_wherever_they_are_given_to_a_shell() {
        let object = json!({"spec": {"containers": [
            {"command": ["sh", "-c", "one", "name"], "args": ["-c", "no"]},
            {"livenessProbe": {"exec": {"command": ["sh", "-c", "two"]}}, "command": ["sh", "file.sh"]},
        ]}});
        let mut found = Vec::new();
        commands(&object, &mut found);
        found.sort_unstable();
        assert_eq!(found, ["one", "two"]);
    }
}
