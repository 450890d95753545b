//! Whether manifests are what Kubernetes, and the projects behind custom kinds, publish as the form of their objects; and
//! whether they are tidy YAML.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use super::process::succeeded;
use super::rendered::Object;

/// The version of Kubernetes whose schemas objects are held against.
const KUBERNETES: &str = "1.36";
/// The rules of yamllint that manifests of a machine do not keep: long lines, and the mark at the start of a file.
const YAMLLINT: &str = "{extends: default, rules: {line-length: disable, document-start: disable}}";
/// A copy of the schemas that projects publish for their kinds, where this checkout has one beside it.
const SCHEMAS: &str = "../shared/crd-schemas";

/// Every object of Kubernetes' own kinds passes; of a kind it does not know, the tool only warns.
pub(super) fn kubernetes_validate(programs: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let own: Vec<&Object> = objects.iter().filter(|object| object.custom().is_none()).collect();
    let mut command = Command::new(programs.join("python"));
    command.args(["-m", "kubernetes_validate", "--strict", "--kubernetes-version", KUBERNETES]);
    let text = succeeded(command.args(own.iter().map(|object| &object.file)), "kubernetes-validate")?;
    let passed = text.lines().filter(|line| line.contains(" passed ")).count();
    if passed != own.len() {
        bail!("kubernetes-validate passed {passed} of {} objects:\n{text}", own.len());
    }
    Ok(format!("kubernetes-validate passed {passed} of {} objects", own.len()))
}

pub(super) fn yamllint(programs: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let mut command = Command::new(programs.join("python"));
    succeeded(command.args(["-m", "yamllint", "--strict", "-d", YAMLLINT]).arg(out.join("manifests")), "yamllint")?;
    Ok(format!("yamllint has nothing to say on {} files", objects.len()))
}

/// Custom objects, held against the schemas that their projects publish.
pub(super) fn published_schemas(programs: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
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
        let mut command = Command::new(programs.join("python"));
        command.args(["-W", "ignore", "-m", "jsonschema"]);
        for file in files {
            command.arg("-i").arg(file);
        }
        succeeded(command.arg(&readable), &format!("validation against {}", schema.display()))?;
    }
    Ok(format!("{} custom objects keep {} published schemas", custom.len(), by_schema.len()))
}
