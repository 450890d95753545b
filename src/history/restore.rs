//! What a record desired, as it can be desired again.

use strata_components::desired::{Desired, Resource, ResourceId};
use thiserror::Error;

use super::difference::{by_key, key};
use super::record::{Command, Head, Record, is_secret};

/// What is desired again.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// What the record desired, on the cluster as it is called today.
    pub desired: Desired,
    /// The Secrets in it, which hold what they hold by today's source.
    pub from_source: Vec<ResourceId>,
}

/// Why what a record desired cannot be desired again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// It desired nothing.
    #[error("revision {0} is a destroy: there is nothing to go back to")]
    Destroyed(u64),
    /// Only some services were applied.
    #[error("revision {revision} was about {} alone: what else was desired then was not applied", targets.join(", "))]
    Partial {
        /// The number of the record.
        revision: u64,
        /// The services that it was about.
        targets: Vec<String>,
    },
    /// What Secrets held is in no record, and there is no source of it today.
    #[error("revision {revision} has Secrets that have no source today: {}", in_words(secrets))]
    NoSource {
        /// The number of the record.
        revision: u64,
        /// The Secrets.
        secrets: Vec<ResourceId>,
    },
}

/// What a record desired, for the cluster that is called `target` today, with what Secrets hold as it is desired `today`
/// (`None` where that is not known). `targets` are the services that the way back is about; every service, when none is
/// named.
///
/// # Errors
///
/// Where it desired nothing, was about other services, or has a Secret that has no source today.
pub fn restored(
    record: &Record,
    today: Option<&Desired>,
    target: &str,
    targets: &[String],
) -> Result<Restored, RestoreError> {
    let Head { revision, command, targets: applied, .. } = &record.head;
    if *command == Command::Destroy {
        return Err(RestoreError::Destroyed(*revision));
    }
    let within = !targets.is_empty() && targets.iter().all(|target| applied.contains(target));
    if !applied.is_empty() && !within {
        return Err(RestoreError::Partial { revision: *revision, targets: applied.clone() });
    }
    let mut desired = record.made.desired.clone();
    let today = today.map(by_key).unwrap_or_default();
    let (mut from_source, mut missing) = (Vec::new(), Vec::new());
    for resource in &mut desired.resources {
        target.clone_into(&mut resource.id.target);
        if !is_secret(resource) {
            continue;
        }
        match today.get(&key(&resource.id)).copied() {
            Some(source) => {
                fill(resource, source);
                from_source.push(resource.id.clone());
            }
            None => missing.push(resource.id.clone()),
        }
    }
    if missing.is_empty() {
        Ok(Restored { desired, from_source })
    } else {
        Err(RestoreError::NoSource { revision: *revision, secrets: missing })
    }
}

/// Gives a Secret of a record what it holds by its source.
fn fill(secret: &mut Resource, source: &Resource) {
    let held = |key: &str| source.manifest.get(key).cloned();
    for manifest in std::iter::once(&mut secret.manifest).chain(&mut secret.meanwhile) {
        let Some(object) = manifest.as_object_mut() else { continue };
        for key in ["data", "stringData"] {
            object.extend(held(key).map(|value| (key.to_owned(), value)));
        }
    }
}

fn in_words(ids: &[ResourceId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
