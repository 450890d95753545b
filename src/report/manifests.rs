//! Manifests as YAML: one document an object, the same bytes for the same objects.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_components::desired::{Desired, Resource};
use thiserror::Error;

/// An object that cannot be written as YAML.
#[derive(Debug, Error)]
#[error("could not write {object} as YAML")]
pub struct ManifestError {
    /// The object.
    object: String,
    /// Why.
    source: serde_saphyr::SerializeError,
}

/// A file of a rendered stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its name, of letters, digits, `-`, `.` and `_` alone, with `/` between folders.
    pub name: String,
    /// Its text, one YAML document.
    pub text: String,
}

/// One object as a YAML document. Text that any reader of YAML could take for something else is quoted.
///
/// # Errors
///
/// When the object holds something that YAML cannot say.
pub fn manifest(resource: &Resource) -> Result<String, ManifestError> {
    yaml(&resource.manifest, &resource.id.to_string())
}

/// A value as a YAML document; `name` says what it is, should it fail.
pub(super) fn yaml(value: &Value, name: &str) -> Result<String, ManifestError> {
    let options = serde_saphyr::ser_options! {
        compact_list_indent: false,
        folded_wrap_chars: usize::MAX,
    };
    let mut text = serde_saphyr::to_string_with_options(value, options)
        .map_err(|source| ManifestError { object: name.to_owned(), source })?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// All objects as one stream of YAML documents, in the order they are applied.
///
/// # Errors
///
/// When an object holds something that YAML cannot say.
pub fn stream(desired: &Desired) -> Result<String, ManifestError> {
    let mut text = String::new();
    for resource in &desired.resources {
        text.push_str("---\n");
        text.push_str(&manifest(resource)?);
    }
    Ok(text)
}

/// Any objects as one stream of YAML documents, in the order they are given.
///
/// # Errors
///
/// When an object holds something that YAML cannot say.
pub fn documents(objects: &[Value]) -> Result<String, ManifestError> {
    let mut text = String::new();
    for object in objects {
        text.push_str("---\n");
        let word = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&yaml(object, &format!("{} {}", word("/kind"), word("/metadata/name")))?);
    }
    Ok(text)
}

/// All objects, each a file. Sorted by name, which is how `kubectl apply -f DIR` reads them, a phase comes before the
/// next one and a namespace before what lives in it.
///
/// # Errors
///
/// When an object holds something that YAML cannot say.
pub fn files(desired: &Desired) -> Result<Vec<ManifestFile>, ManifestError> {
    let mut taken = BTreeSet::new();
    desired
        .resources
        .iter()
        .map(|resource| {
            let place = match (resource.id.kind.kind.as_str(), &resource.id.namespace) {
                ("Namespace", _) => 0,
                (_, None) => 1,
                ("ServiceAccount" | "ConfigMap" | "Service", _) => 2,
                _ => 3,
            };
            let mut parts = vec![format!("{:02}-{place}", resource.phase), resource.id.kind.kind.to_lowercase()];
            parts.extend(resource.id.namespace.clone());
            parts.push(resource.id.name.clone());
            let plain = file_name(&parts.join("-"));
            // Two groups can have a kind of one name.
            let name =
                if taken.contains(&plain) { format!("{plain}-{}", file_name(&resource.id.kind.group)) } else { plain };
            taken.insert(name.clone());
            Ok(ManifestFile { name: format!("{name}.yaml"), text: manifest(resource)? })
        })
        .collect()
}

/// All objects, each a file, and a `kustomization.yaml` that lists them: a directory for `kubectl apply -k`, or for an
/// overlay of one's own. Kustomize keeps the order of the list.
///
/// # Errors
///
/// When an object holds something that YAML cannot say.
pub fn kustomization(desired: &Desired) -> Result<Vec<ManifestFile>, ManifestError> {
    let mut files = files(desired)?;
    let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    let list = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
        "sortOptions": {"order": "fifo"},
    });
    let text = yaml(&list, "the kustomization")?;
    files.push(ManifestFile { name: "kustomization.yaml".to_owned(), text });
    Ok(files)
}

/// A name without anything that a file system or a shell takes for more than a name.
fn file_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

    use proptest::prelude::*;
    use strata_components::desired::{KUBERNETES, Kind, ResourceId};

    use super::*;

    fn config_map(data: Value) -> Resource {
        Resource {
            id: ResourceId {
                provider: KUBERNETES.into(),
                target: "local".into(),
                kind: Kind { group: String::new(), version: "v1".into(), kind: "ConfigMap".into() },
                namespace: Some("shop".into()),
                name: "a/../b".into(),
            },
            address: "shop/a".into(),
            was: None,
            phase: 0,
            service: None,
            tier: None,
            depends_on: Vec::new(),
            manifest: json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data}),
            meanwhile: None,
            ready_within: None,
        }
    }

    /// What a manifest reads back as.
    fn back(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn text_that_looks_like_something_else_is_quoted() {
        let odd = [
            "yes", "on", "n", "1:20", "0o10", "010", "1e3", "~", "null", "", " a", "a: b", "- a", "#", "1_000", "=",
            "<<",
        ];
        let resource = config_map(odd.iter().map(|text| (format!("k{text}"), json!(text))).collect());
        let text = manifest(&resource).unwrap();
        assert_eq!(back(&text), resource.manifest);
        for unquoted in [": yes\n", ": on\n", ": n\n", ": 1:20\n", ": 010\n", ": 0o10\n", ": ~\n"] {
            assert!(!text.contains(unquoted), "{unquoted:?} in {text}");
        }
    }

    #[test]
    fn a_file_never_leaves_its_directory() {
        let resource = config_map(json!({}));
        let desired = Desired {
            instance: strata_components::desired::Instance { stack: "s".into(), environment: "e".into(), suffix: None },
            namespaces: Vec::new(),
            phases: Vec::new(),
            resources: vec![resource.clone(), resource],
            claims: Default::default(),
            ownership: Default::default(),
            needs: Default::default(),
            outputs: Default::default(),
            blue_green: Default::default(),
            notes: Vec::new(),
        };
        let names: Vec<String> = files(&desired).unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["00-2-configmap-shop-a_.._b.yaml", "00-2-configmap-shop-a_.._b-.yaml"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever text an object holds, a reader gets back the same object.
        #[test]
        fn manifests_read_back_as_they_were(texts in proptest::collection::btree_map("[a-z]{1,3}", "(?s).{0,120}", 0..4)) {
            let resource = config_map(json!(texts));
            prop_assert_eq!(back(&manifest(&resource).unwrap()), resource.manifest);
        }
    }
}
