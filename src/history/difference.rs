//! What is different between what was desired at two times.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use strata_components::desired::{Desired, Instance, Kind, Resource, ResourceId};
use structured_merge::diff::diff;
use structured_merge::schema::Schema;

use super::record::{Change, is_secret, redacted};
use crate::observe::FieldChange;
use crate::plan::Action;

/// The format that [`Difference`] serialises as.
pub const DIFF_FORMAT: &str = "strata.diff/v1";

/// What changed from one time to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Always `strata.diff/v1`.
    pub format: &'static str,
    /// Of what.
    pub instance: Instance,
    /// The revision that it begins with.
    pub from: u64,
    /// The revision that it ends with; absent where it ends with what the files say now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The objects that are others: created, updated or deleted between the two, ordered by phase, then address.
    pub changes: Vec<Change>,
    /// How many objects are the same.
    pub same: usize,
    /// Secrets that are on both sides: what they hold is in no record, so that it is not known to be the same.
    pub not_compared: Vec<ResourceId>,
}

impl Difference {
    /// What is different between what revision `from` desired and what is desired at another time, which is that of a
    /// revision where one is named. What Secrets hold is not looked at.
    #[must_use]
    pub fn between(from: (u64, &Desired), to: (Option<u64>, &Desired)) -> Self {
        let (before, after) = (redacted(from.1), redacted(to.1));
        let (old, new) = (by_key(&before), by_key(&after));
        let mut places: Vec<(&Resource, Option<&Resource>, Option<&Resource>)> = Vec::new();
        places.extend(new.iter().map(|(key, resource)| (*resource, old.get(key).copied(), Some(*resource))));
        places.extend(
            old.iter()
                .filter(|(key, _)| !new.contains_key(*key))
                .map(|(_, resource)| (*resource, Some(*resource), None)),
        );
        places.sort_by_key(|(resource, ..)| (resource.phase, &resource.address, &resource.id));
        let (mut changes, mut not_compared) = (Vec::new(), Vec::new());
        let mut same = 0;
        for (resource, old, new) in places {
            let (action, fields) = match (old, new) {
                (Some(old), Some(new)) => {
                    if is_secret(new) {
                        not_compared.push(new.id.clone());
                    }
                    let fields = fields(&new.id.kind, &old.manifest, &new.manifest);
                    if fields.is_empty() {
                        same += 1;
                        continue;
                    }
                    (Action::Update, fields)
                }
                (None, _) => (Action::Create, Vec::new()),
                (_, None) => (Action::Delete, Vec::new()),
            };
            changes.push(Change { action, id: resource.id.clone(), fields });
        }
        let instance = to.1.instance.clone();
        Self { format: DIFF_FORMAT, instance, from: from.0, to: to.0, changes, same, not_compared }
    }
}

/// What an object is called by, whatever the cluster is called and in whatever version its kind is written.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, &'a str);

pub(super) fn by_key(desired: &Desired) -> BTreeMap<Key<'_>, &Resource> {
    desired.resources.iter().map(|resource| (key(&resource.id), resource)).collect()
}

pub(super) fn key(id: &ResourceId) -> Key<'_> {
    let ResourceId { provider, target: _, kind, namespace, name } = id;
    (provider, &kind.group, &kind.kind, namespace.as_deref(), name)
}

/// The fields in which two manifests of a kind differ, sorted by path. Where no schema of the kind is known, lists are
/// compared whole.
fn fields(kind: &Kind, before: &Value, after: &Value) -> Vec<FieldChange> {
    let types = Schema::kubernetes().kind(&kind.group, &kind.version, &kind.kind).unwrap_or_else(Schema::deduced);
    let changes = diff(&types, before, after).into_iter();
    changes
        .map(|change| FieldChange {
            path: change.path.to_string(),
            before: change.before,
            after: change.after,
            owner: None,
        })
        .collect()
}
