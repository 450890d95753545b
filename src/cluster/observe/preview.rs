//! What applying each desired object would do: proven by the merge where it can be, a dry run where not.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;
use strata_components::desired::{Desired, Resource, ResourceId};
use structured_merge::predict::{Prediction, predict};
use structured_merge::schema::{Schema, TypeRef};

use super::super::Cluster;
use super::super::discovery::ServedKinds;
use super::super::fields;
use super::super::identity::{Dressed, Identity};
use super::super::ownership::{Rules, handed_over};
use super::super::provided::remedy;
use super::super::readiness;
use super::super::request::{Answer, Call};
use super::super::webhooks::Webhooks;
use super::lists::Live;
use super::replace::Refusal;
use crate::observe::{Confirmation, FieldConflict, Owner, Preview, Previewed};
use crate::plan::digest;
use crate::provider::ProviderError;

/// The minimum of each autoscaler, by namespace and name of the workload it owns the size of.
pub(super) type Floors = BTreeMap<(Option<String>, String), u32>;

/// What every preview of one snapshot looks at.
pub(super) struct State<'a> {
    pub(super) live: &'a Live,
    pub(super) identity: &'a Identity,
    pub(super) webhooks: &'a Webhooks,
    pub(super) served: &'a ServedKinds,
    pub(super) manager: &'a str,
    pub(super) floors: &'a Floors,
    pub(super) types: &'a Schema,
    pub(super) rules: &'a Rules<'a>,
}

impl Cluster {
    pub(super) async fn preview(&self, resource: &Resource, state: &State<'_>) -> Result<Preview, ProviderError> {
        let id = &resource.id;
        let floor = state.floors.get(&(id.namespace.clone(), id.name.clone())).copied();
        let floor = floor.filter(|_| id.kind.kind == "Deployment");
        let live = state.live.get(id);
        let schema = fields::built_in(state.types, &id.kind);
        let held = live
            .filter(|_| floor.is_some())
            .and_then(|live| fields::with_held_replicas(&resource.manifest, live, state.manager));
        let manifest = held.as_ref().unwrap_or(&resource.manifest);
        let left = live
            .zip(schema.as_ref())
            .and_then(|(live, schema)| state.rules.leave(schema, resource, manifest, live, state.manager));
        let (applied_as, left) = match left {
            Some(left) => (Some(left.manifest), left.fields),
            None => (held, Vec::new()),
        };
        let manifest = applied_as.as_ref().unwrap_or(&resource.manifest);
        let dressed = state.identity.dress(manifest, digest(&resource.manifest));
        let mut hands_over = Vec::new();
        let mut outcome = match state.served.get(&id.kind).zip(state.served.path(id)) {
            None => Previewed::Unserved { remedy: remedy(&id.kind) },
            Some((kind, path)) => match state.live.get(id) {
                None => self.preview_create(id, &path, &dressed, state).await?,
                Some(object) => {
                    let ours = state.identity.owner(object) == Owner::This;
                    let may_prove = ours && !state.webhooks.may_change(&id.kind, &kind.plural);
                    let adopted = if state.identity.owner(object) == Owner::Nobody {
                        handed_over(object, state.rules.adopts(resource), state.manager)
                    } else {
                        None
                    };
                    let outcome = self.preview_change(id, &path, &dressed, object, may_prove, state).await?;
                    match adopted {
                        Some((object_after, managers)) => {
                            let outcome =
                                after_hand_over(outcome, schema.as_ref(), (object, &object_after), id, &dressed, state);
                            hands_over = managers;
                            outcome
                        }
                        None => outcome,
                    }
                }
            },
        };
        if let (Previewed::Change { conflicts, .. }, Some(schema)) = (&mut outcome, &schema) {
            state.rules.mark_taken(schema, resource, manifest, conflicts);
        }
        Ok(Preview {
            id: id.clone(),
            digest: dressed.digest,
            applied_as,
            left,
            hands_over,
            stage: readiness::stage(&id.kind.kind),
            readiness: readiness::rule(&resource.manifest, floor),
            outcome,
        })
    }

    async fn preview_create(
        &self,
        id: &ResourceId,
        path: &str,
        dressed: &Dressed,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        if let Some(namespace) = id.namespace.as_ref() {
            let lives = state.live.keys().any(|known| known.kind.kind == "Namespace" && known.name == *namespace);
            if !lives {
                let reason = format!("namespace {namespace} comes with the same plan");
                return Ok(Previewed::Create(Confirmation::Unconfirmed(reason)));
            }
        }
        let call = dry_run(id, path, state.manager, &dressed.object, false);
        let answer = self.requests.send(&call).await?;
        Ok(match answer.status {
            status if status.is_success() => Previewed::Create(Confirmation::DryRun),
            _ => Previewed::Refused { reason: message(id, &answer.body) },
        })
    }

    async fn preview_change(
        &self,
        id: &ResourceId,
        path: &str,
        dressed: &Dressed,
        object: &Value,
        may_prove: bool,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let manager = state.manager;
        // Without the type nothing is proven: which items of a list are one and the same is the server's to say.
        let schema = fields::built_in(state.types, &id.kind);
        if let Some(schema) = schema.as_ref().filter(|_| may_prove)
            && matches!(predict(schema, object, &dressed.object, manager), Prediction::Unchanged)
        {
            return Ok(Previewed::Unchanged(Confirmation::Proven));
        }
        let answer = self.requests.send(&dry_run(id, path, manager, &dressed.object, false)).await?;
        let (after, conflicts) = match answer.status {
            status if status.is_success() => (answer.body, Vec::new()),
            StatusCode::CONFLICT => {
                let conflicts = fields::conflicts(&answer.body);
                if conflicts.is_empty() {
                    return Ok(Previewed::Refused { reason: message(id, &answer.body) });
                }
                let forced = self.requests.send(&dry_run(id, path, manager, &dressed.object, true)).await?;
                if !forced.status.is_success() {
                    return self.refused_change(id, dressed, object, &forced, conflicts, state).await;
                }
                (forced.body, conflicts)
            }
            _ => return self.refused_change(id, dressed, object, &answer, Vec::new(), state).await,
        };
        if fields::same(object, &after, manager) {
            return Ok(Previewed::Unchanged(Confirmation::DryRun));
        }
        let changes = fields::changes(&id.kind, &schema.unwrap_or_else(Schema::deduced), object, &after, manager);
        Ok(Previewed::Change { changes, conflicts, confirmation: Confirmation::DryRun })
    }

    /// A change that the server refuses to make: a replacement, where it would take the object new.
    async fn refused_change(
        &self,
        id: &ResourceId,
        dressed: &Dressed,
        object: &Value,
        answer: &Answer,
        conflicts: Vec<FieldConflict>,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let Some(refusal) = Refusal::of(id, answer.status, &answer.body) else {
            return Ok(Previewed::Refused { reason: message(id, &answer.body) });
        };
        let schema = fields::built_in(state.types, &id.kind).unwrap_or_else(Schema::deduced);
        let changes = match predict(&schema, object, &dressed.object, state.manager) {
            Prediction::Changed { after, .. } => fields::changes(&id.kind, &schema, object, &after, state.manager),
            Prediction::Unchanged | Prediction::Unknown { .. } => Vec::new(),
        };
        self.preview_replace(id, &dressed.object, object, refusal, (changes, conflicts), state).await
    }
}

/// What applying would do once client-side managers have handed their fields over. The server cannot be asked that
/// without writing: it was asked whether it takes the manifest at all, and the merge says the rest.
fn after_hand_over(
    asked: Previewed,
    schema: Option<&TypeRef>,
    (live, handed_over): (&Value, &Value),
    id: &ResourceId,
    dressed: &Dressed,
    state: &State<'_>,
) -> Previewed {
    let (Previewed::Change { .. } | Previewed::Unchanged(_)) = asked else { return asked };
    let Some(schema) = schema else { return asked };
    let (after, conflicts) = match predict(schema, handed_over, &dressed.object, state.manager) {
        Prediction::Changed { after, conflicts } => (after, conflicts),
        Prediction::Unchanged => (handed_over.clone(), Vec::new()),
        Prediction::Unknown { .. } => return asked,
    };
    let conflicts = conflicts.into_iter().map(|conflict| FieldConflict {
        path: conflict.path.to_string(),
        manager: conflict.manager,
        take: false,
    });
    Previewed::Change {
        changes: fields::changes(&id.kind, schema, live, &after, state.manager),
        conflicts: conflicts.collect(),
        confirmation: Confirmation::Unconfirmed(
            "it was asked about the object as it is, without the hand-over".to_owned(),
        ),
    }
}

pub(super) fn dry_run(id: &ResourceId, path: &str, manager: &str, object: &Value, force: bool) -> Call {
    let call = Call::apply(path, format!("asking what applying {id} would do"), manager, object).query("dryRun", "All");
    if force { call.query("force", "true") } else { call }
}

/// The message of a Status, which names the object and the field. That of a Secret is not passed on, because it
/// may quote what the Secret holds.
pub(super) fn message(id: &ResourceId, status: &Value) -> String {
    match status["message"].as_str() {
        _ if id.kind.kind == "Secret" => {
            let reason = status["reason"].as_str().unwrap_or("no reason given");
            format!("{reason} (the message is not shown, because it may hold what is secret)")
        }
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => "the server gave no reason".to_owned(),
    }
}

pub(super) fn autoscaler_floors(desired: &Desired) -> Floors {
    desired
        .resources
        .iter()
        .filter(|resource| resource.id.kind.kind == "HorizontalPodAutoscaler")
        .filter_map(|resource| {
            let spec = &resource.manifest["spec"];
            let floor = spec.get("minReplicas").and_then(Value::as_u64).unwrap_or(1);
            let name = spec["scaleTargetRef"]["name"].as_str()?;
            Some(((resource.id.namespace.clone(), name.to_owned()), u32::try_from(floor).ok()?))
        })
        .collect()
}
