//! Who owns the replicas of an object, as its `scale` subresource sees it, and back.
//!
//! A `Scale` has no `metadata.managedFields` stored anywhere: the server makes them from those of the object that is
//! scaled, and takes them over into it after a write. The rules are those of `scalehandler.go` in
//! k8s.io/apimachinery/pkg/util/managedfields.

use std::collections::BTreeMap;

use crate::managed::{Managed, Manager};
use crate::path::FieldPath;
use crate::set::FieldSet;

/// The version of every `Scale`.
pub const SCALE_VERSION: &str = "autoscaling/v1";

/// Where each version of a kind keeps its replicas, by `apiVersion`. A version without a path has no `scale`.
///
/// ```
/// use structured_merge::scale::ReplicasPaths;
/// let paths = ReplicasPaths::from_iter([("apps/v1".to_owned(), ReplicasPaths::spec_replicas())]);
/// assert_eq!(paths["apps/v1"].as_ref().map(ToString::to_string), Some(".spec.replicas".to_owned()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicasPaths(BTreeMap<String, Option<FieldPath>>);

impl ReplicasPaths {
    /// Where every built-in kind that can be scaled keeps them.
    #[must_use]
    pub fn spec_replicas() -> Option<FieldPath> {
        Some(FieldPath::of_fields(["spec", "replicas"]))
    }
}

impl FromIterator<(String, Option<FieldPath>)> for ReplicasPaths {
    fn from_iter<I: IntoIterator<Item = (String, Option<FieldPath>)>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

impl std::ops::Deref for ReplicasPaths {
    type Target = BTreeMap<String, Option<FieldPath>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The managers of an object's `Scale`: those that own its replicas.
///
/// ```
/// use serde_json::json;
/// use structured_merge::Managed;
/// use structured_merge::scale::{ReplicasPaths, to_scale};
/// let paths = ReplicasPaths::from_iter([("apps/v1".to_owned(), ReplicasPaths::spec_replicas())]);
/// let entry = |version: &str, fields| json!([{"manager": "m", "operation": "Apply", "apiVersion": version,
///     "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}}]);
/// let deployment = Managed::from_value(&entry("apps/v1", json!({"f:replicas": {}, "f:paused": {}})))?;
/// assert_eq!(to_scale(&deployment, &paths).to_value(), entry("autoscaling/v1", json!({"f:replicas": {}})));
/// # Ok::<(), structured_merge::ManagedFieldsError>(())
/// ```
#[must_use]
pub fn to_scale(object: &Managed, paths: &ReplicasPaths) -> Managed {
    let mut scale = Managed::default();
    for entry in object.iter() {
        let path = paths.get(&entry.manager.api_version).and_then(Option::as_ref);
        if path.is_some_and(|path| entry.fields.contains(path)) {
            let manager = Manager { api_version: SCALE_VERSION.to_owned(), ..entry.manager.clone() };
            scale.set(manager, ReplicasPaths::spec_replicas().into_iter().collect());
        }
    }
    scale
}

/// The managers of an object after its `Scale` was written and came to have the managers `scale`.
///
/// Who no longer owns the replicas there loses them here; who came to own them there owns them here, by an entry in
/// `api_version`, the version that was scaled. Entries of versions that are not in `paths` are dropped.
///
/// ```
/// use serde_json::json;
/// use structured_merge::Managed;
/// use structured_merge::scale::{ReplicasPaths, to_object};
/// let paths = ReplicasPaths::from_iter([("apps/v1".to_owned(), ReplicasPaths::spec_replicas())]);
/// let entry = |manager: &str, version: &str, fields| json!({"manager": manager, "operation": "Apply",
///     "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}});
/// let before = json!([entry("m", "apps/v1", json!({"f:replicas": {}, "f:paused": {}}))]);
/// let scale = json!([entry("s", "autoscaling/v1", json!({"f:replicas": {}}))]);
/// let after = to_object(&Managed::from_value(&before)?, &Managed::from_value(&scale)?, "apps/v1", &paths);
/// let expected = json!([entry("m", "apps/v1", json!({"f:paused": {}})), entry("s", "apps/v1", json!({"f:replicas": {}}))]);
/// assert_eq!(after.to_value(), expected);
/// # Ok::<(), structured_merge::ManagedFieldsError>(())
/// ```
#[must_use]
pub fn to_object(object: &Managed, scale: &Managed, api_version: &str, paths: &ReplicasPaths) -> Managed {
    let mut left = scale.clone();
    let mut after = Managed::default();
    for entry in object.iter() {
        let Some(path) = paths.get(&entry.manager.api_version) else { continue };
        let Some(path) = path.as_ref().filter(|path| entry.fields.contains(path)) else {
            after.set(entry.manager.clone(), entry.fields.clone());
            continue;
        };
        if left.remove(&entry.manager).is_some() {
            after.set(entry.manager.clone(), entry.fields.clone());
            continue;
        }
        let taken: FieldSet = [path.clone()].into_iter().collect();
        let kept = entry.fields.difference(&taken);
        if !kept.is_empty() {
            after.set(entry.manager.clone(), kept);
        }
    }
    let in_scale = ReplicasPaths::spec_replicas();
    let path = paths.get(api_version).cloned().flatten();
    for entry in left.iter() {
        if in_scale.as_ref().is_some_and(|in_scale| entry.fields.contains(in_scale)) {
            // The server notes no time of its own here.
            let time = object.get(&entry.manager).and_then(|entry| entry.manager.time.clone());
            let manager = Manager { api_version: api_version.to_owned(), time, ..entry.manager.clone() };
            after.set(manager, path.iter().cloned().collect());
        }
    }
    after
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::*;

    fn paths() -> ReplicasPaths {
        let custom = Some(FieldPath::of_fields(["spec", "size"]));
        ReplicasPaths::from_iter([
            ("apps/v1".to_owned(), ReplicasPaths::spec_replicas()),
            ("example.com/v1".to_owned(), custom),
            ("example.com/v2".to_owned(), None),
        ])
    }

    /// `manager operation version subresource`; the last one may be missing.
    fn managed(entries: &[(&str, Value)]) -> Managed {
        let entry = |(words, fields): &(&str, Value)| {
            let mut words = words.split(' ');
            let mut word = || words.next().unwrap_or_default();
            json!({"manager": word(), "operation": word(), "apiVersion": word(), "subresource": word(),
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}})
        };
        Managed::from_value(&entries.iter().map(entry).collect()).unwrap()
    }

    #[track_caller]
    fn check_scale(object: &[(&str, Value)], expected: &[(&str, Value)]) {
        assert_eq!(to_scale(&managed(object), &paths()).to_value(), managed(expected).to_value());
    }

    #[track_caller]
    fn check_object(version: &str, object: &[(&str, Value)], scale: &[(&str, Value)], expected: &[(&str, Value)]) {
        let after = to_object(&managed(object), &managed(scale), version, &paths());
        assert_eq!(after.to_value(), managed(expected).to_value());
    }

    fn replicas() -> Value {
        json!({"f:replicas": {}})
    }

    #[test]
    fn a_scale_has_the_owners_of_the_replicas() {
        let both = json!({"f:replicas": {}, "f:paused": {}});
        check_scale(&[("m Apply apps/v1", both)], &[("m Apply autoscaling/v1", replicas())]);
        check_scale(&[("m Apply apps/v1", json!({"f:paused": {}}))], &[]);
        check_scale(
            &[("m Update apps/v1", replicas()), ("s Update apps/v1 scale", replicas())],
            &[("m Update autoscaling/v1", replicas()), ("s Update autoscaling/v1 scale", replicas())],
        );
        check_scale(&[("m Apply example.com/v1", json!({"f:size": {}}))], &[("m Apply autoscaling/v1", replicas())]);
        check_scale(&[("m Apply example.com/v2", replicas()), ("m Update apps/v9", replicas())], &[]);
    }

    #[test]
    fn a_scale_takes_the_replicas() {
        let both = json!({"f:replicas": {}, "f:paused": {}});
        for operation in ["Apply", "Update"] {
            let (mine, theirs) = (format!("m {operation} apps/v1"), format!("s {operation} autoscaling/v1 scale"));
            let after = format!("s {operation} apps/v1 scale");
            check_object("apps/v1", &[(&mine, replicas())], &[(&theirs, replicas())], &[(&after, replicas())]);
            check_object(
                "apps/v1",
                &[(&mine, both.clone())],
                &[(&theirs, replicas())],
                &[(&mine, json!({"f:paused": {}})), (&after, replicas())],
            );
        }
    }

    #[test]
    fn who_keeps_the_replicas_keeps_the_entry() {
        let both = json!({"f:replicas": {}, "f:paused": {}});
        check_object(
            "apps/v1",
            &[("m Apply apps/v1", both.clone())],
            &[("m Apply autoscaling/v1", replicas())],
            &[("m Apply apps/v1", both)],
        );
        check_object(
            "apps/v1",
            &[("s Update apps/v1 scale", replicas())],
            &[("s Update autoscaling/v1 scale", replicas())],
            &[("s Update apps/v1 scale", replicas())],
        );
    }

    #[test]
    fn versions_have_their_own_paths() {
        let size = json!({"f:size": {}});
        check_object(
            "example.com/v1",
            &[("m Apply example.com/v1", size.clone()), ("x Apply example.com/v9", size.clone())],
            &[("s Update autoscaling/v1 scale", replicas())],
            &[("s Update example.com/v1 scale", size)],
        );
        let other = json!({"f:other": {}});
        check_object(
            "apps/v1",
            &[("m Apply example.com/v2", other.clone())],
            &[],
            &[("m Apply example.com/v2", other)],
        );
        check_object("apps/v1", &[], &[("s Apply autoscaling/v1 scale", json!({"f:odd": {}}))], &[]);
    }

    #[test]
    fn a_time_is_the_objects_own() {
        let with_time = |version: &str, time: &str, fields: Value| {
            json!([{"manager": "m", "operation": "Apply", "apiVersion": version, "time": time, "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": fields}}])
        };
        let before =
            Managed::from_value(&with_time("apps/v1", "2026-01-01T00:00:00Z", json!({"f:paused": {}}))).unwrap();
        let scale = Managed::from_value(&with_time("autoscaling/v1", "2026-01-02T00:00:00Z", replicas())).unwrap();
        let after = to_object(&before, &scale, "apps/v1", &paths()).to_value();
        assert_eq!(after, with_time("apps/v1", "2026-01-01T00:00:00Z", replicas()));
    }
}
