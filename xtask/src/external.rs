//! `cargo xtask external`: the rendered stack, judged by other people's tools.
//!
//! Tools come from the package registries, each in a pinned version, into a directory of their own. What they say is
//! counted, because some of them only warn where they know nothing, and end with 0. A tool that cannot be had on this
//! machine is named as skipped; one that finds fault ends the chore.

#![allow(clippy::disallowed_methods, reason = "this chore is there to run other programs")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail};
use serde_json::Value;

/// What is installed from PyPI.
const PYTHON_TOOLS: [&str; 2] = ["kubernetes-validate==1.37.0", "yamllint==1.38.0"];
/// The version of Kubernetes whose schemas objects are held against.
const KUBERNETES: &str = "1.36";
/// The rules of yamllint that manifests of a machine do not keep: long lines, and the mark at the start of a file.
const YAMLLINT: &str = "{extends: default, rules: {line-length: disable, document-start: disable}}";
/// A copy of the schemas that projects publish for their kinds, where this checkout has one beside it.
const SCHEMAS: &str = "../shared/crd-schemas";

/// Have the rendered stack judged by kubernetes-validate, yamllint, promtool and published schemas
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The stack
    #[arg(long, default_value = "sophia")]
    stack: String,
    /// Where tools and rendered files are kept
    #[arg(long, value_name = "DIR", default_value = "target/external")]
    work: PathBuf,
}

/// An object of the stack.
struct Object {
    file: PathBuf,
    value: Value,
}

impl Object {
    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Group and version of a kind that Kubernetes does not serve by itself.
    fn custom(&self) -> Option<(&str, &str)> {
        let (group, version) = self.text("/apiVersion").split_once('/')?;
        let own = !group.contains('.') || (group.ends_with(".k8s.io") && group != "gateway.networking.k8s.io");
        (!own).then_some((group, version))
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    fs::create_dir_all(&args.work).context("making the directory of tools")?;
    let python = python_tools(&args.work)?;
    let promtool = promtool(&args.work)?;
    for environment in environments()? {
        let out = args.work.join(&args.stack).join(&environment);
        render(&args.stack, &environment, &out)?;
        let objects = objects(&out)?;
        let say = |what: String| crate::report(&format!("{environment}: {what}"));
        match &python {
            None => say("kubernetes-validate, yamllint, published schemas: skipped, python3 is not here".to_owned())?,
            Some(python) => {
                say(kubernetes_validate(python, &objects)?)?;
                say(yamllint(python, &out, &objects)?)?;
                say(published_schemas(python, &out, &objects)?)?;
            }
        }
        match &promtool {
            None => say("promtool: skipped, neither it nor Debian's package is here".to_owned())?,
            Some(promtool) => say(check_rules(promtool, &out, &objects)?)?,
        }
    }
    Ok(())
}

fn environments() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("environments").context("reading environments/")? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().with_context(|| format!("starting {name}"))
}

/// What a program said, both ways.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeeded(command: &mut Command, doing: &str) -> anyhow::Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        bail!("{doing} failed:\n{}", said(&output));
    }
    Ok(said(&output))
}

/// The interpreter of an environment with the tools in it; nothing where this machine has no Python.
fn python_tools(work: &Path) -> anyhow::Result<Option<PathBuf>> {
    let (venv, mark) = (work.join("python"), work.join("python-tools"));
    let python = venv.join("bin/python");
    let wanted = PYTHON_TOOLS.join("\n");
    if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(Some(python));
    }
    if Command::new("python3").arg("--version").output().is_err() {
        return Ok(None);
    }
    succeeded(Command::new("python3").args(["-m", "venv"]).arg(&venv), "making a Python environment")?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    succeeded(Command::new(&python).args(install).args(PYTHON_TOOLS), "installing tools from PyPI")?;
    fs::write(&mark, wanted).context("noting which tools are there")?;
    Ok(Some(python))
}

/// promtool: that of the machine, or the one in Debian's package of Prometheus, unpacked and not installed.
fn promtool(work: &Path) -> anyhow::Result<Option<PathBuf>> {
    if Command::new("promtool").arg("--version").output().is_ok() {
        return Ok(Some("promtool".into()));
    }
    let unpacked = work.join("debian");
    let program = fs::canonicalize(work)?.join("debian/usr/bin/promtool");
    if program.exists() {
        return Ok(Some(program));
    }
    fs::create_dir_all(&unpacked)?;
    let fetched = Command::new("apt-get").args(["download", "prometheus"]).current_dir(&unpacked).output();
    if !fetched.is_ok_and(|fetched| fetched.status.success()) {
        return Ok(None);
    }
    for entry in fs::read_dir(&unpacked)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            succeeded(Command::new("dpkg").arg("-x").arg(&path).arg(&unpacked), "unpacking Prometheus")?;
        }
    }
    Ok(program.exists().then_some(program))
}

fn render(stack: &str, environment: &str, out: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--package", "strata", "--bin", "strata", "--", "render", stack]);
    cargo.args(["--env", environment, "--quiet", "--out-dir"]).arg(out);
    succeeded(&mut cargo, &format!("rendering {stack} in {environment}")).map(drop)
}

fn objects(out: &Path) -> anyhow::Result<Vec<Object>> {
    let mut objects = Vec::new();
    for entry in fs::read_dir(out)? {
        let file = entry?.path();
        if file.extension().is_some_and(|ending| ending == "yaml") {
            let text = fs::read_to_string(&file)?;
            let value = serde_saphyr::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
            objects.push(Object { file, value });
        }
    }
    objects.sort_by(|one, other| one.file.cmp(&other.file));
    if objects.is_empty() {
        bail!("nothing was rendered into {}", out.display());
    }
    Ok(objects)
}

/// Every object of Kubernetes' own kinds passes; of a kind it does not know, the tool only warns.
fn kubernetes_validate(python: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let own: Vec<&Object> = objects.iter().filter(|object| object.custom().is_none()).collect();
    let mut command = Command::new(python);
    command.args(["-m", "kubernetes_validate", "--strict", "--kubernetes-version", KUBERNETES]);
    let text = succeeded(command.args(own.iter().map(|object| &object.file)), "kubernetes-validate")?;
    let passed = text.lines().filter(|line| line.contains(" passed ")).count();
    if passed != own.len() {
        bail!("kubernetes-validate passed {passed} of {} objects:\n{text}", own.len());
    }
    Ok(format!("kubernetes-validate passed {passed} of {} objects", own.len()))
}

fn yamllint(python: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let mut command = Command::new(python);
    succeeded(command.args(["-m", "yamllint", "--strict", "-d", YAMLLINT]).arg(out), "yamllint")?;
    Ok(format!("yamllint has nothing to say on {} files", objects.len()))
}

/// Custom objects, held against the schemas that their projects publish.
fn published_schemas(python: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let custom: Vec<(&Object, (&str, &str))> =
        objects.iter().filter_map(|object| Some((object, object.custom()?))).collect();
    if !Path::new(SCHEMAS).is_dir() {
        return Ok(format!("published schemas: skipped for {} objects, {SCHEMAS} is not here", custom.len()));
    }
    let plain = out.join("custom");
    fs::create_dir_all(&plain)?;
    let mut by_schema: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for (object, (group, version)) in &custom {
        let schema = Path::new(SCHEMAS).join(group).join(format!("{}_{version}.json", object.kind().to_lowercase()));
        let file = plain.join(object.file.with_extension("json").file_name().unwrap_or_default());
        fs::write(&file, object.value.to_string())?;
        by_schema.entry(schema).or_default().push(file);
    }
    for (schema, files) in &by_schema {
        if !schema.is_file() {
            bail!("no published schema {} for {} objects", schema.display(), files.len());
        }
        // Patterns are written for Go, which takes flags after the beginning of the text; Python wants them before it.
        let text = fs::read_to_string(schema)?.replace("\"^(?i)", "\"(?i)^");
        let readable = out.join("schema.json");
        fs::write(&readable, text)?;
        let mut command = Command::new(python);
        command.args(["-W", "ignore", "-m", "jsonschema"]);
        for file in files {
            command.arg("-i").arg(file);
        }
        succeeded(command.arg(&readable), &format!("validation against {}", schema.display()))?;
    }
    Ok(format!("{} custom objects keep {} published schemas", custom.len(), by_schema.len()))
}

/// The rules in every PrometheusRule, as promtool reads them. It ends with 0 where rules are merely doubtful, so its
/// words count.
fn check_rules(promtool: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
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
