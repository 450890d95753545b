//! Whether what is rendered for Argo CD and Flux is what these projects publish as the form of their objects, and whether
//! it holds the same objects as the plain manifests.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::manifests::published_schemas;
use super::rendered::{Object, Subject};

/// The address in an object that a controller renders as well.
const ADDRESS: &str = "/metadata/annotations/strata.dev~1address";
/// What the annotations of the controllers contain.
const THEIRS: [&str; 2] = ["argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/"];

/// Renders for both; says how many of their objects keep the published form, and how many others are the same.
///
/// # Errors
/// When one does not, or an object is lost, added or changed but for annotations of the controller.
pub(super) fn judge(
    programs: &Path,
    subject: &Subject<'_>,
    out: &Path,
    objects: &[Object],
) -> anyhow::Result<Vec<String>> {
    let plain: BTreeMap<&str, Value> =
        objects.iter().map(|object| (object.text(ADDRESS), without_theirs(&object.value))).collect();
    let mut said = Vec::new();
    for format in ["argocd", "flux"] {
        let place = out.join(format);
        let text = place.to_str().context("the directory of rendered files has no name in UTF-8")?;
        let more =
            ["--format", format, "--out-dir", text, "--repo", "https://git.example/fleet.git", "--repo-path", "."];
        let rendered = subject.render_as(&place, &more)?;
        let (ours, theirs): (Vec<Object>, Vec<Object>) = rendered
            .into_iter()
            .filter(|object| !is_list(&object.file))
            .partition(|object| !object.text(ADDRESS).is_empty());
        let found: BTreeMap<&str, Value> =
            ours.iter().map(|object| (object.text(ADDRESS), without_theirs(&object.value))).collect();
        if found != plain || ours.len() != objects.len() {
            bail!("{format}: what is rendered is not what the manifests hold");
        }
        said.push(format!(
            "{format}: {} objects as in the manifests, {}",
            ours.len(),
            published_schemas(programs, &place, &theirs)?
        ));
    }
    Ok(said)
}

/// A list of files for kustomize, which is no object.
fn is_list(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "kustomization.yaml")
}

/// An object as it is without what only a controller reads.
fn without_theirs(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !THEIRS.iter().any(|theirs| key.starts_with(theirs)));
    }
    object
}
