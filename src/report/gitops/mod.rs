//! A stack in the words of a controller that applies what a repository holds: Argo CD ([`argocd`]) or Flux ([`flux`]).
//!
//! What is common to both: where rendered objects lie, in what order they are applied, and what a repository must not
//! hold, so that somebody has to see to it. Files are named by the address of what is in them, which stays when a service
//! moves to another phase or an object gets another name: a change is shown as a change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};
use strata_components::desired::{Desired, Resource};
use strata_components::kinds::{LAST_STAGE, stage, takes_along};
use strata_components::model::FieldPolicy;
use structured_merge::{FieldPattern, PathElement};
use thiserror::Error;

use super::manifests::{ManifestError, ManifestFile, yaml};
use crate::secrets::{is_secret, withheld};

pub mod argocd;
pub mod flux;
mod secret_names;

/// The directory of rendered objects, beside what is said to the controller.
pub const MANIFESTS: &str = "manifests";

/// Where a controller finds what is rendered, and where it brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The URL of the repository; `None` where the controller has a source of its own for it.
    pub repository: Option<String>,
    /// The directory in the repository that is rendered into, without a `/` at either end; empty for its root.
    pub directory: String,
    /// The branch, tag or commit that the controller follows.
    pub revision: String,
    /// The namespace of the controller's own objects.
    pub namespace: String,
    /// The cluster, as the controller knows it; `None` for the one that it runs on.
    pub destination: Option<String>,
}

impl Placement {
    /// A path in the repository.
    fn path(&self, below: &str) -> String {
        let parts: Vec<&str> = [self.directory.as_str(), below].into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("/")
    }
}

/// Why a stack cannot be left to a controller.
#[derive(Debug, Error)]
pub enum GitOpsError {
    /// An object cannot be written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An object that is no Secret holds a secret value.
    #[error("{object} holds what is secret at {place}, and a repository must not")]
    Secret {
        /// The object.
        object: String,
        /// The first place.
        place: String,
    },
}

/// What is rendered for a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The files, by name.
    pub files: Vec<ManifestFile>,
    /// What a person has to see to before the controller can be ready, in the order in which it is needed.
    pub left_to_do: Vec<LeftToDo>,
}

/// Something that the repository does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftToDo {
    /// A Secret that has to be on the cluster.
    Secret {
        /// The phase that needs it first.
        phase: u32,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The keys that it is known to hold.
        keys: Vec<String>,
        /// The first object that refers to it.
        used_by: Option<String>,
    },
    /// A field that the stack leaves to others, which the controller cannot be told to leave.
    Field {
        /// The rule, in the words of the stack.
        rule: String,
    },
}

impl fmt::Display for LeftToDo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { phase, namespace, name, keys, used_by } => {
                write!(f, "Secret {namespace}/{name}")?;
                if !keys.is_empty() {
                    write!(f, " with {}", keys.join(", "))?;
                }
                write!(f, " is not in the repository: have it on the cluster before phase {phase}")?;
                match used_by {
                    Some(object) => write!(f, ", where {object} needs it"),
                    None => Ok(()),
                }
            }
            Self::Field { rule } => write!(f, "the controller takes what the stack leaves to others: {rule}"),
        }
    }
}

/// What of a stack goes into the repository.
struct Contents<'a> {
    /// Each object with the name of its file, below [`MANIFESTS`].
    objects: Vec<(String, &'a Resource)>,
    left_to_do: Vec<LeftToDo>,
}

impl<'a> Contents<'a> {
    /// Everything but Secrets.
    fn of(desired: &'a Desired) -> Result<Self, GitOpsError> {
        let (secrets, others): (Vec<&Resource>, Vec<&Resource>) =
            desired.resources.iter().partition(|resource| is_secret(&resource.manifest));
        for resource in &others {
            if let Some(place) = withheld(&resource.manifest).into_iter().next() {
                return Err(GitOpsError::Secret { object: resource.id.to_string(), place });
            }
        }
        // Flux has a list of that name in each directory.
        let mut taken = others.iter().map(|resource| of_folder(resource, "kustomization.yaml")).collect();
        let objects =
            others.iter().map(|resource| (unique(&mut taken, &place(resource), ".yaml"), *resource)).collect();
        Ok(Self { objects, left_to_do: left_to_do(&secrets, &others) })
    }

    /// The files of the objects, each with the annotations that `dress` gives it.
    fn files(
        &self,
        dress: impl Fn(&Resource) -> Vec<(&'static str, String)>,
    ) -> Result<Vec<ManifestFile>, GitOpsError> {
        let file = |(name, resource): &(String, &Resource)| {
            let mut manifest = resource.manifest.clone();
            annotate(&mut manifest, dress(resource));
            let text = yaml(&manifest, &resource.id.to_string())?;
            Ok(ManifestFile { name: format!("{MANIFESTS}/{name}"), text })
        };
        self.objects.iter().map(file).collect()
    }
}

/// The wave of an object: those of lower waves are ready before it is applied. A phase has ten, so that it can be read
/// off, and its stages are the first of them.
///
/// What is compared is `phase × 10 + stage`; a Namespace of phase 0 has 0, a Deployment of phase 2 has 24.
#[must_use]
pub fn wave(resource: &Resource) -> u32 {
    const { assert!(LAST_STAGE < 10) }
    resource.phase * 10 + stage(&resource.id.kind.kind)
}

/// Whether an object is deleted by nobody but a person, for what goes with it.
fn stays(resource: &Resource) -> bool {
    takes_along(&resource.id.kind.kind).is_some()
}

/// A file beside that of an object.
fn of_folder(resource: &Resource, file: &str) -> String {
    match place(resource).rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{file}").to_lowercase(),
        None => file.to_owned(),
    }
}

/// Where an object's file stands: the folder of its service, and its component; without the ending.
fn place(resource: &Resource) -> String {
    let parts: Vec<&str> = resource.address.splitn(3, '/').skip(1).collect();
    match (&resource.service, parts.as_slice()) {
        (Some(_), [service, component]) => format!("{}/{}", plain(service), plain(component)),
        _ => plain(&parts.join("-")),
    }
}

/// A name without anything that a file system or a shell takes for more than a name, and never one that is hidden.
fn plain(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = text.chars().map(safe).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}

/// The name, with a number where it is taken; file systems that do not tell capitals from small letters take it too.
fn unique(taken: &mut BTreeSet<String>, name: &str, ending: &str) -> String {
    let numbered = |number: usize| match number {
        1 => format!("{name}{ending}"),
        _ => format!("{name}-{number}{ending}"),
    };
    let free = (1..).map(numbered).find(|name| taken.insert(name.to_lowercase()));
    free.unwrap_or_default()
}

fn annotate(manifest: &mut Value, annotations: Vec<(&'static str, String)>) {
    if annotations.is_empty() {
        return;
    }
    let metadata = manifest.get_mut("metadata").and_then(Value::as_object_mut);
    let Some(metadata) = metadata else { return };
    if let Value::Object(all) = metadata.entry("annotations").or_insert_with(|| Map::new().into()) {
        all.extend(annotations.into_iter().map(|(key, value)| (key.to_owned(), value.into())));
    }
}

/// The Secrets that are not rendered, and those that something refers to and nothing makes.
fn left_to_do(secrets: &[&Resource], others: &[&Resource]) -> Vec<LeftToDo> {
    /// Of a Secret: the phase that needs it first, the keys it is known to hold, and what refers to it.
    type Need = (u32, Vec<String>, Option<String>);
    let mut needed: BTreeMap<(String, String), Need> = BTreeMap::new();
    for secret in secrets {
        let keys = secret.manifest["data"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
        let name = (secret.id.namespace.clone().unwrap_or_default(), secret.id.name.clone());
        needed.insert(name, (secret.phase, keys, None));
    }
    for resource in others {
        let Some(namespace) = &resource.id.namespace else { continue };
        for name in secret_names::of(&resource.manifest) {
            let secret = (namespace.clone(), name);
            let (phase, _, used_by) = needed.entry(secret).or_insert_with(|| (resource.phase, Vec::new(), None));
            *phase = (*phase).min(resource.phase);
            used_by.get_or_insert_with(|| resource.id.to_string());
        }
    }
    let of = |((namespace, name), (phase, keys, used_by))| LeftToDo::Secret { phase, namespace, name, keys, used_by };
    let mut left: Vec<LeftToDo> = needed.into_iter().map(of).collect();
    left.sort();
    left
}

/// A field of an object that the stack leaves to whoever holds it.
struct LeftField<'a> {
    resource: &'a Resource,
    /// The steps to it; none for every field that `manager` holds.
    steps: Vec<Option<PathElement>>,
    /// Whose fields are left, where no field is named.
    manager: Option<String>,
}

/// What the stack leaves to others of the objects in the repository, and the rules that cannot be told to a controller.
fn left_fields<'a>(desired: &Desired, contents: &Contents<'a>) -> (Vec<LeftField<'a>>, Vec<LeftToDo>) {
    let (mut fields, mut untold) = (Vec::new(), Vec::new());
    for rule in desired.ownership.fields.iter().filter(|rule| rule.policy == FieldPolicy::Leave) {
        let steps = rule.path.as_ref().map(|path| path.as_str().parse::<FieldPattern>().map(|pattern| pattern.0));
        let manager = rule.manager.as_ref().map(|manager| manager.as_str().to_owned());
        let (steps, manager) = match (steps, manager) {
            (Some(Ok(steps)), _) => (steps, None),
            (None, Some(manager)) if !manager.ends_with('*') => (Vec::new(), Some(manager)),
            _ => {
                let rule = serde_json::to_string(rule).unwrap_or_default();
                untold.push(LeftToDo::Field { rule });
                continue;
            }
        };
        let concerned = |resource: &&Resource| {
            rule.kind.as_ref().is_none_or(|kind| kind.as_str() == resource.id.kind.kind)
                && rule.service.as_ref().is_none_or(|service| Some(service.as_str()) == resource.service.as_deref())
                && sets(&resource.manifest, &steps)
        };
        fields.extend(
            contents.objects.iter().map(|(_, resource)| *resource).filter(concerned).map(|resource| LeftField {
                resource,
                steps: steps.clone(),
                manager: manager.clone(),
            }),
        );
    }
    (fields, untold)
}

/// Whether an object says something at these steps.
fn sets(value: &Value, steps: &[Option<PathElement>]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let items = || value.as_array().into_iter().flatten();
    match step {
        Some(PathElement::Field(name)) => value.get(name).is_some_and(|found| sets(found, rest)),
        Some(PathElement::Key(keys)) => {
            items().any(|item| keys.iter().all(|(key, expect)| item.get(key) == Some(expect)) && sets(item, rest))
        }
        Some(PathElement::Value(expect)) => items().any(|item| item == expect),
        Some(PathElement::Index(at)) => value.get(*at).is_some_and(|found| sets(found, rest)),
        None => {
            items().any(|item| sets(item, rest))
                || value.as_object().into_iter().flatten().any(|(_, found)| sets(found, rest))
        }
    }
}

/// The steps as a JSON pointer; `None` where one is no field.
fn pointer(steps: &[Option<PathElement>]) -> Option<String> {
    steps.iter().try_fold(String::new(), |so_far, step| match step {
        Some(PathElement::Field(name)) => Some(format!("{so_far}/{}", name.replace('~', "~0").replace('/', "~1"))),
        _ => None,
    })
}

/// What goes into the labels of the controller's own objects.
fn labels(desired: &Desired) -> Value {
    json!({
        "app.kubernetes.io/managed-by": "strata",
        "app.kubernetes.io/part-of": desired.instance.stack,
    })
}

#[cfg(test)]
mod tests;
