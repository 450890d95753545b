//! A stack as an Argo CD Application over rendered objects.
//!
//! The order is in annotations: an object's wave follows from its phase, and a wave begins when everything of the one
//! before is healthy. Jobs are ordinary objects of a wave and no hooks: a hook is run with every sync, and a Job that was
//! run stays what it is until its template, and with that its name, is another.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use strata_components::desired::{Desired, Resource};
use structured_merge::PathElement;

use super::super::manifests::{ManifestFile, yaml};
use super::{Contents, GitOpsError, LeftField, MANIFESTS, Placement, Rendered, labels, left_fields, pointer, wave};

/// Annotation with the number of the wave.
pub const WAVE_ANNOTATION: &str = "argocd.argoproj.io/sync-wave";
/// Annotation with how one object is synced.
const OPTIONS_ANNOTATION: &str = "argocd.argoproj.io/sync-options";
/// The file of the Application.
pub const APPLICATION: &str = "application.yaml";
/// The cluster that Argo CD runs on.
const OWN_CLUSTER: &str = "https://kubernetes.default.svc";

/// What only Argo CD asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The project of the Application.
    pub project: String,
    /// Whether Argo CD syncs as soon as the repository or the cluster changes, or only when somebody asks for it.
    pub automated: bool,
}

/// The Application, and every object with its wave.
///
/// # Errors
///
/// When an object cannot be written, or holds a secret without being a Secret.
pub fn render(desired: &Desired, placement: &Placement, settings: &Settings) -> Result<Rendered, GitOpsError> {
    let contents = Contents::of(desired)?;
    let (fields, untold) = left_fields(desired, &contents);
    let mut files = contents.files(annotations)?;
    let left_to_do = [contents.left_to_do.clone(), untold].concat();
    let info: Vec<Value> =
        left_to_do.iter().map(|left| json!({"name": "left to do", "value": left.to_string()})).collect();
    let mut spec = json!({
        "project": settings.project,
        "source": {
            "repoURL": placement.repository,
            "path": placement.path(MANIFESTS),
            "targetRevision": placement.revision,
            "directory": {"recurse": true},
        },
        "destination": destination(desired, placement),
        "syncPolicy": sync_policy(settings),
    });
    let ignored = ignored(&contents, &fields);
    for (name, list) in [("ignoreDifferences", ignored), ("info", info)] {
        if !list.is_empty() {
            spec[name] = list.into();
        }
    }
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": desired.instance.name(), "namespace": placement.namespace, "labels": labels(desired)},
        "spec": spec,
    });
    let text = yaml(&application, "the Application")?;
    files.push(ManifestFile { name: APPLICATION.to_owned(), text });
    Ok(Rendered { files, left_to_do })
}

fn destination(desired: &Desired, placement: &Placement) -> Value {
    let namespace = desired.namespaces.first();
    match placement.destination.as_deref() {
        None => json!({"server": OWN_CLUSTER, "namespace": namespace}),
        Some(url) if url.contains("://") => json!({"server": url, "namespace": namespace}),
        Some(name) => json!({"name": name, "namespace": namespace}),
    }
}

fn sync_policy(settings: &Settings) -> Value {
    let mut policy = json!({"syncOptions": [
        // The same way of applying as our own: fields of others stay theirs.
        "ServerSideApply=true",
        // What left the stack goes when the rest is healthy, and not at all when it is not.
        "PruneLast=true",
        // What belongs to another Application is not taken.
        "FailOnSharedResource=true",
        // What is ignored is not written either: a workload keeps its pods when an autoscaler takes it over.
        "RespectIgnoreDifferences=true",
    ]});
    if settings.automated {
        policy["automated"] = json!({"prune": true, "selfHeal": true});
    }
    policy
}

/// What Argo CD is told of one object.
fn annotations(resource: &Resource) -> Vec<(&'static str, String)> {
    let mut options = Vec::new();
    if super::stays(resource) {
        options.extend(["Prune=false", "Delete=false"]);
    }
    // Whoever installs the kind may do so in an earlier wave, or after this has been looked at.
    if is_custom(resource) {
        options.push("SkipDryRunOnMissingResource=true");
    }
    let mut annotations = vec![(WAVE_ANNOTATION, wave(resource).to_string())];
    if !options.is_empty() {
        annotations.push((OPTIONS_ANNOTATION, options.join(",")));
    }
    annotations
}

/// Whether no API server has the kind by itself: groups of Kubernetes' own are words without a dot, or a few of its
/// domain, beside which other projects publish there as well.
fn is_custom(resource: &Resource) -> bool {
    let group = resource.id.kind.group.as_str();
    let own = !group.contains('.') || OWN_GROUPS.contains(&group);
    !own
}

/// The groups of Kubernetes' own whose name is a domain.
const OWN_GROUPS: [&str; 14] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
];

/// What Argo CD leaves alone: the size of workloads that an autoscaler decides, and what the stack leaves to others.
fn ignored(contents: &Contents<'_>, fields: &[LeftField<'_>]) -> Vec<Value> {
    let mut all: BTreeMap<[String; 4], Ignored> = BTreeMap::new();
    for (_, resource) in &contents.objects {
        if let Some(workload) = scaled(resource) {
            all.entry(workload).or_default().pointers.push("/spec/replicas".to_owned());
        }
    }
    for LeftField { resource, steps, manager } in fields {
        let id = &resource.id;
        let place =
            [id.kind.group.clone(), id.kind.kind.clone(), id.namespace.clone().unwrap_or_default(), id.name.clone()];
        let ignored = all.entry(place).or_default();
        match (manager, pointer(steps)) {
            (Some(manager), _) => ignored.managers.push(manager.clone()),
            (None, Some(pointer)) => ignored.pointers.push(pointer),
            (None, None) => ignored.expressions.push(jq(steps)),
        }
    }
    all.into_iter().map(|(place, ignored)| ignored.told(place)).collect()
}

/// Group, kind, namespace and name of the workload whose size an autoscaler decides.
fn scaled(autoscaler: &Resource) -> Option<[String; 4]> {
    if autoscaler.id.kind.kind != "HorizontalPodAutoscaler" {
        return None;
    }
    let target = autoscaler.manifest.pointer("/spec/scaleTargetRef")?;
    let text = |member: &str| target[member].as_str().unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let namespace = autoscaler.id.namespace.clone().unwrap_or_default();
    Some([group.to_owned(), text("kind").to_owned(), namespace, text("name").to_owned()])
}

/// What is ignored of one object.
#[derive(Default)]
struct Ignored {
    pointers: Vec<String>,
    expressions: Vec<String>,
    managers: Vec<String>,
}

impl Ignored {
    fn told(self, [group, kind, namespace, name]: [String; 4]) -> Value {
        let mut told = json!({"kind": kind, "name": name});
        for (member, text) in [("group", group), ("namespace", namespace)] {
            if !text.is_empty() {
                told[member] = text.into();
            }
        }
        let Self { pointers, expressions, managers } = self;
        for (member, mut list) in
            [("jsonPointers", pointers), ("jqPathExpressions", expressions), ("managedFieldsManagers", managers)]
        {
            if !list.is_empty() {
                list.sort();
                list.dedup();
                told[member] = list.into();
            }
        }
        told
    }
}

/// The steps as an expression of jq, which names the places that they lead to.
fn jq(steps: &[Option<PathElement>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            // A filter ends what a path can go on from.
            Some(PathElement::Field(name)) => path.push_str(&format!("[{}]", json!(name))),
            Some(PathElement::Key(keys)) => {
                let conditions: Vec<String> =
                    keys.iter().map(|(key, value)| format!(".[{}] == {value}", json!(key))).collect();
                path.push_str(&format!("[] | select({}) | .", conditions.join(" and ")));
            }
            Some(PathElement::Value(value)) => path.push_str(&format!("[] | select(. == {value}) | .")),
            Some(PathElement::Index(at)) => path.push_str(&format!("[{at}]")),
            None => path.push_str("[]"),
        }
    }
    // What ends with an item is that item.
    format!(".{}", path.strip_suffix(" | .").unwrap_or(&path))
}
