//! What is judged: the stack as it is rendered for each environment that it may go to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::strata;

/// Groups of Kubernetes' domain whose kinds are installed beside it.
const PUBLISHED_BESIDE: [&str; 2] = ["gateway.networking.k8s.io", "autoscaling.k8s.io"];

/// A stack in an environment.
pub(super) struct Subject<'a> {
    /// The directory with stacks and environments.
    pub(super) root: &'a str,
    /// The stack.
    pub(super) stack: String,
    /// The environment.
    pub(super) environment: String,
}

impl Subject<'_> {
    /// What a command of strata about it prints.
    ///
    /// # Errors
    /// When the command fails.
    pub(super) fn ask(&self, command: &str, more: &[&str]) -> anyhow::Result<String> {
        let Self { root, stack, environment } = self;
        let arguments = ["--root", root, command, stack.as_str(), "--env", environment.as_str()];
        strata(&[&arguments, more].concat(), &format!("strata {command} {stack} -e {environment}"))
    }

    /// Its manifests, written into `out`.
    ///
    /// # Errors
    /// When they cannot be rendered or read back, or there are none.
    pub(super) fn render(&self, out: &Path) -> anyhow::Result<Vec<Object>> {
        let place = out.to_str().context("the directory of tools has no name in UTF-8")?;
        self.render_as(out, &["--out-dir", place])
    }

    /// The same with these arguments, which name `out`; in directories below it as well.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub(super) fn render_as(&self, out: &Path, more: &[&str]) -> anyhow::Result<Vec<Object>> {
        self.ask("render", more)?;
        read(out)
    }
}

/// The objects that were rendered into a directory, and into those below it.
///
/// # Errors
/// When they cannot be read, or there are none.
pub(super) fn read(out: &Path) -> anyhow::Result<Vec<Object>> {
    let mut found = Vec::new();
    objects(out, &mut found)?;
    found.sort_by(|one, other| one.file.cmp(&other.file));
    if found.is_empty() {
        bail!("nothing was rendered into {}", out.display());
    }
    Ok(found)
}

/// Every stack of a root, or only this one, in every environment that admits it and that it admits.
///
/// # Errors
/// When a file cannot be read, or there is no such stack.
pub(super) fn subjects<'a>(root: &'a str, only: Option<&str>) -> anyhow::Result<Vec<Subject<'a>>> {
    let admits = |file: &Value, list: &str, name: &str| match file[list].as_array() {
        Some(names) if !names.is_empty() => names.iter().any(|one| one == name),
        _ => true,
    };
    let environments = files(root, "environments")?;
    let mut subjects = Vec::new();
    for (stack, of_stack) in files(root, "stacks")?.into_iter().filter(|(name, _)| only.is_none_or(|only| only == name))
    {
        for (name, environment) in &environments {
            if admits(&of_stack, "environments", name) && admits(environment, "stacks", &stack) {
                subjects.push(Subject { root, stack: stack.clone(), environment: name.clone() });
            }
        }
    }
    if subjects.is_empty() {
        bail!("{root} holds no stack {}for any environment", only.map(|only| format!("{only} ")).unwrap_or_default());
    }
    Ok(subjects)
}

/// The files of a folder of a root, by name.
fn files(root: &str, folder: &str) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(Path::new(root).join(folder)).with_context(|| format!("reading {folder}/"))? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let value = serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
            files.insert(name.to_owned(), value);
        }
    }
    Ok(files)
}

/// An object of the stack.
pub(super) struct Object {
    /// Its file.
    pub(super) file: PathBuf,
    /// The object.
    pub(super) value: Value,
}

impl Object {
    /// The text at a JSON pointer; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its kind.
    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Group and version of a kind that Kubernetes does not serve by itself.
    pub(super) fn custom(&self) -> Option<(&str, &str)> {
        let (group, version) = self.text("/apiVersion").split_once('/')?;
        // Projects beside Kubernetes publish kinds in groups of its domain too.
        let own = !group.contains('.') || (group.ends_with(".k8s.io") && !PUBLISHED_BESIDE.contains(&group));
        (!own).then_some((group, version))
    }
}

/// Where a kind keeps the template of its pods.
pub(super) fn template(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

fn objects(out: &Path, found: &mut Vec<Object>) -> anyhow::Result<()> {
    for entry in fs::read_dir(out).with_context(|| format!("reading {}", out.display()))? {
        let file = entry?.path();
        if file.is_dir() {
            objects(&file, found)?;
        } else if file.extension().is_some_and(|ending| ending == "yaml") {
            let text = fs::read_to_string(&file)?;
            let value = serde_saphyr::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
            found.push(Object { file, value });
        }
    }
    Ok(())
}
