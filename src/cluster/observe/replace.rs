//! What the server changes on no object that exists: told from its refusal of a change together with a trial, which
//! asks whether it would take the object new; or, where it is not asked, from a list of such fields.
//!
//! The trial is a dry run that creates the same object under another name, because the name is taken while the old one
//! lives. What depends on the name itself is therefore not confirmed, and is said not to be.

use http::StatusCode;
use serde_json::Value;
use sha2::{Digest, Sha256};
use strata_components::desired::{Kind, ResourceId};

use super::preview::message;
use super::{State, text};
use crate::cluster::Cluster;
use crate::cluster::discovery::collection;
use crate::cluster::replace::way;
use crate::observe::{Confirmation, FieldChange, FieldConflict, Leftover, Previewed};
use crate::provider::ProviderError;

/// A change that is refused although the object it leads to may be sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What the server says, or would say.
    pub(super) reason: String,
    /// The fields that it names.
    pub(super) paths: Vec<String>,
}

/// The change that was refused.
#[derive(Debug, Clone)]
pub(super) struct Refused<'a> {
    /// Of which object.
    pub(super) id: &'a ResourceId,
    /// The object as it would be applied.
    pub(super) wanted: &'a Value,
    /// The object as it is.
    pub(super) live: &'a Value,
    /// What the server says of it.
    pub(super) refusal: Refusal,
    /// The fields that would change.
    pub(super) changes: Vec<FieldChange>,
    /// Those of them that others hold.
    pub(super) conflicts: Vec<FieldConflict>,
}

impl Refusal {
    /// Reads it from the answer to a dry run: 422 with causes that name fields. A refusal by admission names none, and
    /// is not gone round by deleting.
    pub(super) fn of(status: StatusCode, body: &Value) -> Option<Self> {
        let causes = body.pointer("/details/causes").and_then(Value::as_array)?;
        let fields: Option<Vec<&str>> = causes.iter().map(|cause| cause["field"].as_str()).collect();
        let mut paths: Vec<String> = fields?.into_iter().map(|field| format!(".{field}")).collect();
        paths.sort();
        paths.dedup();
        let named = status == StatusCode::UNPROCESSABLE_ENTITY && !paths.is_empty() && paths.iter().all(|p| p != ".");
        named.then(|| Self { reason: message(body), paths })
    }
}

impl Cluster {
    /// What becomes of a change that was refused: a replacement where the server would take the object new.
    pub(super) async fn preview_replace(
        &self,
        refused: Refused<'_>,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        match self.try_new(refused.id, refused.wanted, state).await? {
            Ok(confirmation) => self.replacement(refused, confirmation, state).await,
            // It would not be taken new either: what is wrong is told by that answer.
            Err(reason) => Ok(Previewed::Refused { reason }),
        }
    }

    /// A replacement of which it is known how sure it is.
    pub(super) async fn replacement(
        &self,
        refused: Refused<'_>,
        confirmation: Confirmation,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let Refused { id, wanted, live, refusal, changes, conflicts } = refused;
        let way = way(&id.kind, live, wanted);
        let mut leaves = Vec::new();
        for (group, version, kind) in way.leaves {
            let kind = Kind { group: (*group).into(), version: (*version).into(), kind: (*kind).into() };
            let Some(place) = state.served.get(&kind) else { continue };
            let path = collection(&kind, &place.plural, id.namespace.as_deref());
            let uid = text(live, "/metadata/uid");
            for object in self.list(&kind.kind, &path).await?.iter().filter(|object| is_controlled_by(object, &uid)) {
                leaves.push(Leftover {
                    id: ResourceId { kind: kind.clone(), name: text(object, "/metadata/name"), ..id.clone() },
                    uid: text(object, "/metadata/uid"),
                    resource_version: text(object, "/metadata/resourceVersion"),
                });
            }
        }
        leaves.sort();
        let Refusal { reason, paths } = refusal;
        Ok(Previewed::Replace { reason, paths, changes, conflicts, order: way.order, leaves, confirmation })
    }

    /// Whether the server would take the object under another name: how sure that is, or its reason not to.
    async fn try_new(
        &self,
        id: &ResourceId,
        wanted: &Value,
        state: &State<'_>,
    ) -> Result<Result<Confirmation, String>, ProviderError> {
        let trial = ResourceId { name: trial_name(&id.name), ..id.clone() };
        let Some(path) = state.served.path(&trial) else {
            return Ok(Ok(Confirmation::Unconfirmed("the kind is not served".to_owned())));
        };
        let mut object = wanted.clone();
        object["metadata"]["name"] = trial.name.as_str().into();
        let answer = self.dry_run_as(id, &trial.name, &path, state.manager, &object, false).await?;
        if answer.status.is_success() {
            return Ok(Ok(Confirmation::DryRun));
        }
        let said = message(&answer.body);
        Ok(match Refusal::of(answer.status, &answer.body) {
            Some(refused) if !refused.paths.iter().all(|path| path == ".metadata.name") && !is_taken(&answer.body) => {
                Err(said)
            }
            _ => Ok(Confirmation::Unconfirmed(format!("a trial under another name was refused: {said}"))),
        })
    }
}

/// A name that nobody gives, and that every kind takes.
fn trial_name(name: &str) -> String {
    let digest = Sha256::digest(name);
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("strata-trial-{short}")
}

/// Whether all that is wrong is that the old object still holds an address or a port of which there is one.
fn is_taken(status: &Value) -> bool {
    let causes = status.pointer("/details/causes").and_then(Value::as_array);
    causes
        .into_iter()
        .flatten()
        .all(|cause| cause["message"].as_str().is_some_and(|message| message.ends_with("already allocated")))
}

fn is_controlled_by(object: &Value, uid: &str) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner["controller"] == true && owner["uid"] == uid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, causes: Value, expect: Option<&[&str]>) {
        let body = json!({"message": "no", "details": {"causes": causes}});
        let found = Refusal::of(StatusCode::from_u16(status).unwrap_or_default(), &body);
        let expect = expect.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(found.map(|refusal| refusal.paths), expect);
    }

    #[test]
    fn a_refusal_names_fields() {
        let cause = |field: &str| json!({"field": field, "message": "field is immutable"});
        check(
            422,
            json!([cause("spec.selector"), cause("spec.a"), cause("spec.a")]),
            Some(&[".spec.a", ".spec.selector"]),
        );
        check(403, json!([cause("spec.selector")]), None);
        check(422, json!([{"message": "a policy denied the request"}]), None);
        check(422, json!([]), None);
    }

    #[test]
    fn what_the_old_object_holds_is_told_from_what_is_wrong() {
        let status = |messages: &[&str]| {
            let causes: Vec<Value> = messages.iter().map(|message| json!({"message": message})).collect();
            json!({"details": {"causes": causes}})
        };
        let taken = "Invalid value: 30000: provided port is already allocated";
        assert!(is_taken(&status(&[taken])));
        assert!(!is_taken(&status(&[taken, "Required value"])));
    }

    #[test]
    fn a_trial_has_a_name_of_its_own() {
        assert_eq!(trial_name("redis"), trial_name("redis"));
        assert!(trial_name(&"x".repeat(253)).len() <= 63);
    }
}
