//! How an object says to whom it belongs, in the form that the ApplySet specification gives (KEP-3659, alpha),
//! so that any client can select an instance's objects.
//!
//! The parent is a ConfigMap in the control namespace. Its members carry the label
//! `applyset.kubernetes.io/part-of`; its annotations name the kinds and namespaces where members are.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use strata_components::desired::{
    ADDRESS_ANNOTATION, INSTANCE_LABEL, Instance, Kind, PHASE_ANNOTATION, TIER_ANNOTATION,
};

use crate::observe::Owner;

/// Label of every member: the id of its set.
pub(crate) const PART_OF_LABEL: &str = "applyset.kubernetes.io/part-of";
/// Label of the parent: its own id.
pub(crate) const ID_LABEL: &str = "applyset.kubernetes.io/id";
/// Annotation of the parent: the tool that keeps it.
pub(crate) const TOOLING_ANNOTATION: &str = "applyset.kubernetes.io/tooling";
/// Annotation of the parent: `Kind.group` of all members, comma-separated.
pub(crate) const KINDS_ANNOTATION: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation of the parent: namespaces other than its own where members are, comma-separated.
pub(crate) const NAMESPACES_ANNOTATION: &str = "applyset.kubernetes.io/additional-namespaces";
/// Annotation of the parent: how many members of each kind there were when it was last complete, as
/// `Kind.group=number`, comma-separated. An empty list of a kind that is counted here is not believed at once.
pub(crate) const COUNTS_ANNOTATION: &str = "strata.dev/counts";
/// Annotation of a member: the digest of the manifest that was applied last.
pub(crate) const APPLIED_ANNOTATION: &str = "strata.dev/applied";

/// Annotation of what a replaced object has left behind: the address of that object.
pub(crate) const LEFT_BY_ANNOTATION: &str = "strata.dev/left-by";

/// Annotation of the parent: the instance in its parts, because two can be joined to the same name.
pub(crate) const PARTS_ANNOTATION: &str = "strata.dev/instance";

/// How many members an inventory counts, by group and kind.
pub(crate) type Counts = BTreeMap<(String, String), usize>;

/// An instance's marks on one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Stack, environment and suffix, apart.
    parts: String,
    pub(crate) instance: String,
    pub(crate) control_namespace: String,
    /// The id of the instance's ApplySet.
    pub(crate) set: String,
}

impl Identity {
    pub(crate) fn new(instance: &Instance, control_namespace: &str) -> Self {
        let Instance { stack, environment, suffix } = instance;
        let parts =
            format!("stack={stack} environment={environment} instance={}", suffix.as_deref().unwrap_or_default());
        let instance = instance.name();
        let set = applyset_id(&parent_name(&instance), control_namespace, "ConfigMap", "");
        Self { parts, instance, control_namespace: control_namespace.to_owned(), set }
    }

    /// The name of the parent and of the lock.
    pub(crate) fn control_name(&self) -> String {
        parent_name(&self.instance)
    }

    /// To whom a live object belongs.
    pub(crate) fn owner(&self, object: &Value) -> Owner {
        let label = |name: &str| object.pointer("/metadata/labels")?.get(name)?.as_str();
        match label(PART_OF_LABEL) {
            Some(set) if set == self.set => Owner::This,
            Some(set) => Owner::Other(label(INSTANCE_LABEL).unwrap_or(set).to_owned()),
            None => Owner::Nobody,
        }
    }

    /// The manifest as it is applied: with the mark of the set and the digest of the stack's own manifest, in which keyed
    /// digests stand for what is secret.
    pub(crate) fn dress(&self, manifest: &Value, digest: String) -> Dressed {
        let mut object = manifest.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            mark(metadata, "labels", PART_OF_LABEL, self.set.clone());
            mark(metadata, "annotations", APPLIED_ANNOTATION, digest.clone());
        }
        Dressed { object, digest }
    }

    /// What a parent says that it is of, where that is another instance whose name is the same: environment `dev`
    /// with `--instance x` and environment `dev-x` for one.
    pub(crate) fn namesake(&self, parent: &Value) -> Option<String> {
        let parts = parent.pointer("/metadata/annotations")?.get(PARTS_ANNOTATION)?.as_str()?;
        (parts != self.parts).then(|| parts.to_owned())
    }

    /// The parent object, for members of these kinds in these namespaces.
    pub(crate) fn parent<'a>(
        &self,
        kinds: impl IntoIterator<Item = &'a Kind>,
        namespaces: impl IntoIterator<Item = &'a str>,
        counts: &Counts,
    ) -> Value {
        let kinds: std::collections::BTreeSet<String> = kinds.into_iter().map(group_kind).collect();
        let namespaces: std::collections::BTreeSet<&str> =
            namespaces.into_iter().filter(|namespace| *namespace != self.control_namespace).collect();
        let counts: Vec<String> = counts
            .iter()
            .map(|((group, kind), count)| {
                let kind = Kind { group: group.clone(), version: String::new(), kind: kind.clone() };
                format!("{}={count}", group_kind(&kind))
            })
            .collect();
        let join = |items: Vec<&str>| items.join(",");
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.control_name(),
                "namespace": self.control_namespace,
                "labels": {
                    ID_LABEL: self.set,
                    INSTANCE_LABEL: self.instance,
                    "app.kubernetes.io/managed-by": "strata",
                },
                "annotations": {
                    TOOLING_ANNOTATION: concat!("strata/v", env!("CARGO_PKG_VERSION")),
                    PARTS_ANNOTATION: self.parts,
                    KINDS_ANNOTATION: join(kinds.iter().map(String::as_str).collect()),
                    NAMESPACES_ANNOTATION: join(namespaces.into_iter().collect()),
                    COUNTS_ANNOTATION: counts.join(","),
                },
            },
        })
    }
}

/// A manifest with its marks.
#[derive(Debug, Clone)]
pub(crate) struct Dressed {
    pub(crate) object: Value,
    pub(crate) digest: String,
}

/// What an object's annotations say of its place in the stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: Option<String>,
    pub(crate) phase: Option<u32>,
    pub(crate) tier: Option<String>,
    pub(crate) applied: Option<String>,
    pub(crate) left_by: Option<String>,
}

impl Place {
    pub(crate) fn of(object: &Value) -> Self {
        let annotation = |name: &str| Some(object.pointer("/metadata/annotations")?.get(name)?.as_str()?.to_owned());
        Self {
            address: annotation(ADDRESS_ANNOTATION),
            phase: annotation(PHASE_ANNOTATION).and_then(|phase| phase.parse().ok()),
            tier: annotation(TIER_ANNOTATION),
            applied: annotation(APPLIED_ANNOTATION),
            left_by: annotation(LEFT_BY_ANNOTATION),
        }
    }
}

/// The names of the kinds and namespaces that a parent's annotations list.
pub(crate) fn members(parent: &Value) -> (Vec<(String, String)>, Vec<String>) {
    let list = |name: &str| -> Vec<String> {
        parent
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(name)?.as_str())
            .unwrap_or_default()
            .split(',')
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let kinds = list(KINDS_ANNOTATION).iter().map(|item| split(item)).collect();
    (kinds, list(NAMESPACES_ANNOTATION))
}

/// How many members of each kind a parent counts; none where it does not say.
pub(crate) fn counts_of(parent: &Value) -> Counts {
    let annotations = parent.pointer("/metadata/annotations");
    let counts = annotations.and_then(|annotations| annotations.get(COUNTS_ANNOTATION)?.as_str()).unwrap_or_default();
    let count = |item: &str| {
        let (kind, number) = item.split_once('=')?;
        Some((split(kind), number.parse().ok()?))
    };
    counts.split(',').filter_map(count).collect()
}

/// Group and kind of `Kind.group`.
fn split(group_kind: &str) -> (String, String) {
    match group_kind.split_once('.') {
        Some((kind, group)) => (group.to_owned(), kind.to_owned()),
        None => (String::new(), group_kind.to_owned()),
    }
}

fn group_kind(kind: &Kind) -> String {
    if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) }
}

fn parent_name(instance: &str) -> String {
    format!("strata-{instance}")
}

fn mark(metadata: &mut Map<String, Value>, section: &str, key: &str, value: String) {
    let mut marks = match metadata.remove(section) {
        Some(Value::Object(marks)) => marks,
        _ => Map::new(),
    };
    marks.insert(key.to_owned(), value.into());
    metadata.insert(section.to_owned(), Value::Object(marks));
}

/// `applyset-<base64url(sha256(name.namespace.kind.group))>-v1`, the id that the specification prescribes.
fn applyset_id(name: &str, namespace: &str, kind: &str, group: &str) -> String {
    let hash = Sha256::digest(format!("{name}.{namespace}.{kind}.{group}"));
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::digest;

    fn identity() -> Identity {
        let instance = Instance { stack: "sophia".into(), environment: "testing".into(), suffix: None };
        Identity::new(&instance, "strata-system")
    }

    #[test]
    fn the_id_is_a_label_value() {
        let id = identity().set;
        assert!(id.len() <= 63 && id.starts_with("applyset-") && id.ends_with("-v1"), "{id}");
        assert_eq!(id, applyset_id("strata-sophia-testing", "strata-system", "ConfigMap", ""));
    }

    #[test]
    fn dressing_marks_and_keeps_what_was_there() {
        let identity = identity();
        let manifest = json!({"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}});
        let dressed = identity.dress(&manifest, digest(&manifest));
        assert_eq!(dressed.object["metadata"]["labels"], json!({"x": "y", PART_OF_LABEL: identity.set}));
        assert_eq!(dressed.object["metadata"]["annotations"], json!({APPLIED_ANNOTATION: digest(&manifest)}));
        assert_eq!(identity.owner(&dressed.object), Owner::This);
        assert_eq!(identity.owner(&manifest), Owner::Nobody);
    }

    #[test]
    fn a_namesake_is_told_apart() {
        let instance = |environment: &str, suffix: Option<&str>| {
            let suffix = suffix.map(str::to_owned);
            Identity::new(&Instance { stack: "s".into(), environment: environment.into(), suffix }, "strata-system")
        };
        let (one, other) = (instance("dev-x", None), instance("dev", Some("x")));
        assert_eq!(one.set, other.set);
        assert_eq!(one.namesake(&one.parent([], [], &Counts::new())), None);
        assert_eq!(
            one.namesake(&other.parent([], [], &Counts::new())).as_deref(),
            Some("stack=s environment=dev instance=x")
        );
    }

    #[test]
    fn members_are_read_back() {
        let kind = |group: &str, kind: &str| Kind { group: group.into(), version: "v1".into(), kind: kind.into() };
        let all = [kind("apps", "Deployment"), kind("", "Service")];
        let counted = Counts::from([(("".into(), "Service".into()), 3), (("apps".into(), "Deployment".into()), 12)]);
        let parent = identity().parent(&all, ["b", "a", "strata-system"], &counted);
        assert_eq!(counts_of(&parent), counted);
        let (kinds, namespaces) = members(&parent);
        assert_eq!(kinds, [("apps".into(), "Deployment".into()), ("".into(), "Service".into())]);
        assert_eq!(namespaces, ["a", "b"]);
    }
}
