//! A stack as Kustomizations of Flux over rendered objects.
//!
//! A service has a Kustomization of its own, and waits for those of the phase before. One for a whole phase would be
//! shorter, and would delete what runs: an object that goes from an earlier Kustomization to a later one is pruned by the
//! first before the second applies it, and a service changes its phase whenever something that it waits for does. The name
//! of a service's Kustomization stays.
//!
//! Where objects of a service have to be ready before others of it, as jobs, these are two.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use strata_components::desired::{Desired, Resource, ResourceId};
use strata_components::kinds::{is_gate, stage};
use strata_components::labels::LONGEST_NAME;
use structured_merge::FieldPattern;

use super::super::manifests::{ManifestFile, yaml};
use super::{
    Contents, GitOpsError, LeftField, LeftToDo, MANIFESTS, Placement, Rendered, labels, left_fields, pointer, unique,
};
use crate::plan::sha256;

/// The directory of what Flux is told.
pub const FLUX: &str = "flux";
/// How often Flux looks for itself, and how soon again after a failure.
const INTERVALS: (&str, &str) = ("10m", "2m");
/// How long everything of a Kustomization is waited for at the least, in seconds.
const TIMEOUT: u64 = 600;

/// What only Flux asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A source that is there already, as kind and name.
    pub source: Option<(String, String)>,
}

/// What is applied together: part of a service, or the ground that everything stands on.
struct Group<'a> {
    /// The name of its Kustomization.
    name: String,
    /// Its directory, below [`MANIFESTS`]; empty for that itself.
    directory: String,
    /// The groups that have to be ready before.
    after: Vec<String>,
    objects: Vec<Object<'a>>,
}

/// An object with the name of its file in the directory of its group.
struct Object<'a> {
    file: String,
    resource: &'a Resource,
}

/// The source, a Kustomization for each service, and the objects.
///
/// # Errors
///
/// When an object cannot be written, or holds a secret without being a Secret.
pub fn render(desired: &Desired, placement: &Placement, settings: &Settings) -> Result<Rendered, GitOpsError> {
    let mut contents = Contents::of(desired)?;
    let groups = groups(desired, &mut contents);
    let (rules, untold) = rules(desired, &contents);
    let mut files = contents.files(annotations)?;
    let source = match (&settings.source, &placement.repository) {
        (Some((kind, name)), _) => json!({"kind": kind, "name": name}),
        (None, url) => {
            let source = source(desired, placement, url.as_deref().unwrap_or_default());
            files.push(ManifestFile { name: format!("{FLUX}/source.yaml"), text: yaml(&source, "the source")? });
            json!({"kind": source["kind"], "name": source["metadata"]["name"]})
        }
    };
    for group in &groups {
        let mut names: Vec<&str> = group.objects.iter().map(|object| object.file.as_str()).collect();
        names.sort_unstable();
        let list = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": names,
        });
        let place = match group.directory.as_str() {
            "" => MANIFESTS.to_owned(),
            directory => format!("{MANIFESTS}/{directory}"),
        };
        files.push(ManifestFile { name: format!("{place}/kustomization.yaml"), text: yaml(&list, "a list of files")? });
        let mut spec = json!({
            "interval": INTERVALS.0,
            "retryInterval": INTERVALS.1,
            "timeout": format!("{}s", timeout(group)),
            "path": format!("./{}", placement.path(&place)),
            "sourceRef": source,
            // What left the stack goes when the rest is ready, and not at all when it is not.
            "prune": true,
            // Ready is what is ready, not what was sent.
            "wait": true,
        });
        if !group.after.is_empty() {
            spec["dependsOn"] = group.after.iter().map(|name| json!({"name": name})).collect();
        }
        let ignored: Vec<&Value> =
            group.objects.iter().filter_map(|object| rules.get(&object.resource.id)).flatten().collect();
        if !ignored.is_empty() {
            spec["ignore"] = json!(ignored);
        }
        if let Some(secret) = &placement.destination {
            spec["kubeConfig"] = json!({"secretRef": {"name": secret}});
        }
        let kustomization = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": group.name, "namespace": placement.namespace, "labels": labels(desired)},
            "spec": spec,
        });
        let text = yaml(&kustomization, "a Kustomization")?;
        files.push(ManifestFile { name: format!("{FLUX}/{}.yaml", group.name), text });
    }
    Ok(Rendered { files, left_to_do: [contents.left_to_do, untold].concat() })
}

/// The groups in the order in which they become ready. What others of a service wait for moves into a directory of its
/// own.
fn groups<'a>(desired: &Desired, contents: &mut Contents<'a>) -> Vec<Group<'a>> {
    let instance = desired.instance.name();
    let mut members: BTreeMap<(u32, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (at, (_, resource)) in contents.objects.iter().enumerate() {
        members.entry((resource.phase, resource.service.as_deref())).or_default().push(at);
    }
    let (mut groups, mut names) = (Vec::new(), BTreeSet::new());
    // The last groups of each service of the phase before, and of this one.
    let (mut before, mut last, mut phase) = (Vec::new(), Vec::new(), 0);
    for ((of_phase, service), members) in members {
        if of_phase != phase {
            (before, phase) = (std::mem::take(&mut last), of_phase);
        }
        let mut after = before.clone();
        for (part, members) in parts(contents, members) {
            let own = match service {
                Some(service) => format!("-{service}"),
                None if phase == 0 => String::new(),
                None => format!("-phase-{phase}"),
            };
            let part_of = part.map(|part| format!("-{part}")).unwrap_or_default();
            let name = unique(&mut names, &label(&format!("{instance}{own}{part_of}")), "");
            let mut directory = String::new();
            let mut objects = Vec::new();
            for at in members {
                let Some((path, resource)) = contents.objects.get_mut(at) else { continue };
                let (folder, file) = path.rsplit_once('/').unwrap_or_default();
                let file = if folder.is_empty() { path.clone() } else { file.to_owned() };
                let folders = [folder, part.unwrap_or_default()];
                let folders: Vec<&str> = folders.into_iter().filter(|folder| !folder.is_empty()).collect();
                directory = folders.join("/");
                *path = if directory.is_empty() { file.clone() } else { format!("{directory}/{file}") };
                objects.push(Object { file, resource });
            }
            groups.push(Group {
                name: name.clone(),
                directory,
                after: std::mem::replace(&mut after, vec![name]),
                objects,
            });
        }
        last.extend(after);
    }
    groups
}

/// What is applied together of these objects, in order: what others wait for comes first, and is named by what it is.
fn parts(contents: &Contents<'_>, members: Vec<usize>) -> Vec<(Option<&'static str>, Vec<usize>)> {
    let kind = |at: usize| contents.objects.get(at).map_or("", |(_, resource)| resource.id.kind.kind.as_str());
    let gates: BTreeMap<u32, &str> =
        members.iter().map(|at| kind(*at)).filter(|kind| is_gate(kind)).map(|kind| (stage(kind), kind)).collect();
    let mut parts = Vec::new();
    let mut rest = members;
    for (gate, of) in gates {
        let (part, later): (Vec<usize>, Vec<usize>) = rest.into_iter().partition(|at| stage(kind(*at)) <= gate);
        parts.push((Some(if of == "Job" { "jobs" } else { "definitions" }), part));
        rest = later;
    }
    if !rest.is_empty() {
        parts.push((None, rest));
    }
    parts
}

/// A name for an object that is the value of a label too: what is too long ends in a digest of the whole.
fn label(text: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(word).collect();
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let digest = sha256(text.as_bytes());
    let digest = digest.trim_start_matches("sha256:").get(..8).unwrap_or_default();
    let kept = name.get(..LONGEST_NAME - digest.len() - 1).unwrap_or_default();
    format!("{}-{digest}", kept.trim_end_matches('-'))
}

/// How long a group is waited for, in seconds: as long as the slowest of its objects may take.
fn timeout(group: &Group<'_>) -> u64 {
    let slowest = group.objects.iter().filter_map(|object| object.resource.ready_within);
    slowest.map(|limit| limit.seconds_rounded_up()).fold(TIMEOUT, u64::max)
}

/// What Flux is told of one object.
fn annotations(resource: &Resource) -> Vec<(&'static str, String)> {
    let kept = ("kustomize.toolkit.fluxcd.io/prune", "disabled".to_owned());
    if super::stays(resource) { vec![kept] } else { Vec::new() }
}

/// The repository as a source.
fn source(desired: &Desired, placement: &Placement, url: &str) -> Value {
    let revision = placement.revision.as_str();
    let (kind, reference) = match url.starts_with("oci://") {
        true if revision.starts_with("sha256:") => ("OCIRepository", json!({"digest": revision})),
        true => ("OCIRepository", json!({"tag": revision})),
        false if revision.starts_with("refs/") => ("GitRepository", json!({"name": revision})),
        false if is_commit(revision) => ("GitRepository", json!({"commit": revision})),
        false => ("GitRepository", json!({"branch": revision})),
    };
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": kind,
        "metadata": {
            "name": label(&desired.instance.name()), "namespace": placement.namespace, "labels": labels(desired),
        },
        "spec": {"interval": INTERVALS.1, "url": url, "ref": reference},
    })
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What Flux leaves alone of each object, and what it cannot be told to leave.
fn rules<'a>(desired: &Desired, contents: &Contents<'a>) -> (BTreeMap<&'a ResourceId, Vec<Value>>, Vec<LeftToDo>) {
    let (fields, mut untold) = left_fields(desired, contents);
    let mut rules: BTreeMap<&ResourceId, Vec<Value>> = BTreeMap::new();
    for LeftField { resource, steps, manager } in fields {
        let id = &resource.id;
        match (manager, pointer(&steps)) {
            (None, Some(pointer)) => {
                let mut target = json!({"kind": id.kind.kind, "name": id.name});
                for (member, text) in [("group", Some(&id.kind.group)), ("namespace", id.namespace.as_ref())] {
                    if let Some(text) = text.filter(|text| !text.is_empty()) {
                        target[member] = text.as_str().into();
                    }
                }
                rules.entry(id).or_default().push(json!({"paths": [pointer], "target": target}));
            }
            (manager, _) => {
                let what = manager.unwrap_or_else(|| FieldPattern(steps).to_string());
                untold.push(LeftToDo::Field { rule: format!("{id}: {what}") });
            }
        }
    }
    (rules, untold)
}
