//! What applying each desired object would do: proven by the merge where it can be, a dry run where not, predicted by the
//! merge where no dry run is wanted or allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use http::StatusCode;
use serde_json::Value;
use strata_components::desired::{Resource, ResourceId};
use strata_components::jobs::RERUN_ANNOTATION;
use strata_components::kinds::{is_gate, stage};
use structured_merge::predict::{Prediction, predict};
use structured_merge::schema::{Schema, TypeRef};
use tokio::sync::Semaphore;

use super::super::Cluster;
use super::super::discovery::{Served, ServedKinds};
use super::super::fields;
use super::super::identity::{Dressed, Identity};
use super::super::ownership::{Rules, handed_over};
use super::super::provided::remedy;
use super::super::readiness;
use super::super::request::{Answer, Call};
use super::super::truth;
use super::super::webhooks::{MayHave, Webhooks, Write};
use super::autoscaling::{self, Floors, Sized};
use super::definitions::Definitions;
use super::fixed;
use super::lists::Live;
use super::namespaces::Namespaces;
use super::predicted;
use super::replace::{Refusal, Refused};
use crate::observe::{Confirmation, FieldChange, FieldConflict, Owner, Preview, PreviewMode, Previewed, Readiness};
use crate::provider::ProviderError;
use crate::secrets::is_withheld;

/// Why it is not certain what becomes of an object that may not be read.
const UNREAD: &str = "it may not be read, and is held against what the last run left";

/// What every preview of one snapshot looks at.
pub(super) struct State<'a> {
    pub(super) live: &'a Live,
    /// Objects of which it is not known whether they are there.
    pub(super) unreadable: &'a BTreeMap<ResourceId, String>,
    /// Objects that may not be read, and are held against what the last run left of them.
    pub(super) unread: &'a BTreeSet<ResourceId>,
    pub(super) identity: &'a Identity,
    pub(super) webhooks: &'a Webhooks,
    pub(super) namespaces: &'a Namespaces<'a>,
    pub(super) served: &'a ServedKinds,
    pub(super) definitions: &'a Definitions<'a>,
    pub(super) manager: &'a str,
    pub(super) floors: &'a Floors,
    pub(super) leaving: &'a Sized<ResourceId>,
    pub(super) rules: &'a Rules<'a>,
    pub(super) mode: PreviewMode,
    /// A turn for each object that is previewed at once.
    pub(super) turns: &'a Semaphore,
    /// What the server said when it let something not be tried.
    pub(super) forbidden: OnceLock<String>,
}

/// One object that is previewed.
struct Subject<'a> {
    id: &'a ResourceId,
    path: String,
    dressed: &'a Dressed,
    ty: Result<TypeRef, String>,
    /// Why the server may store something else than it is sent.
    mutable: Option<String>,
    /// Told what the server makes otherwise than it is applied, where it is asked.
    altered: &'a OnceLock<Vec<FieldChange>>,
}

impl Cluster {
    pub(super) async fn preview(&self, resource: &Resource, state: &State<'_>) -> Result<Preview, ProviderError> {
        // They are never closed.
        let _turn = state.turns.acquire().await.ok();
        let id = &resource.id;
        let floor = state.floors.get(&(id.namespace.clone(), id.name.clone())).copied();
        let floor = floor.filter(|_| id.kind.kind == "Deployment");
        let live = state.live.get(id);
        let schema = state.definitions.of(&id.kind).ok();
        let autoscaled = live.zip(schema.as_ref()).and_then(|(live, schema)| state.autoscaled(resource, live, schema));
        let sizeless = autoscaled.as_ref().map(|_| autoscaling::without_size(&resource.manifest));
        let wanted = sizeless.as_ref().unwrap_or(&resource.manifest);
        let held = live
            .filter(|_| floor.is_some() || sizeless.is_some())
            .and_then(|live| fields::with_held_replicas(wanted, live, state.manager));
        let manifest = held.as_ref().unwrap_or(wanted);
        let leave = |manifest: &Value| {
            let (live, schema) = live.zip(schema.as_ref())?;
            state.rules.leave(schema, resource, manifest, live, state.manager)
        };
        let (narrow, wide) = (leave(manifest), resource.meanwhile.as_ref().and_then(&leave));
        let mut left: Vec<FieldConflict> =
            [&narrow, &wide].into_iter().flatten().flat_map(|left| left.fields.iter().cloned()).collect();
        left.sort();
        left.dedup();
        let mut applied_as = narrow.map(|left| left.manifest).or(held).or_else(|| sizeless.clone());
        let manifest = applied_as.as_ref().unwrap_or(wanted);
        let dressed = state.identity.dress(manifest, self.sealing.digest(wanted));
        let mut hands_over = Vec::new();
        let altered = OnceLock::new();
        let mut outcome = self.outcome(resource, &dressed, (&mut hands_over, &altered), state).await?;
        if let (Previewed::Change { conflicts, .. }, Some(schema)) = (&mut outcome, &schema) {
            state.rules.mark_taken(schema, resource, manifest, conflicts);
            if let Some(live) = live {
                self.mark_abandoned(id, live, state.served, conflicts).await;
            }
        }
        if let Some(again) = live.and_then(|live| state.again(live, &outcome)) {
            outcome = again;
        }
        // A new object of a size that nobody says would have one pod until the autoscaler looks.
        if let (Previewed::Replace { .. }, Some(live)) = (&outcome, live)
            && (floor.is_some() || sizeless.is_some())
        {
            let sized = autoscaling::with_live_size(applied_as.as_ref().unwrap_or(wanted), live);
            applied_as = sized.or(applied_as);
        }
        // So would a workload of another colour, and get the traffic with it.
        if let (Previewed::Create(_), Some(beside), Some(_)) = (&outcome, state.beside(resource), floor) {
            let sized = autoscaling::with_live_size(applied_as.as_ref().unwrap_or(wanted), beside);
            applied_as = sized.or(applied_as);
        }
        Ok(Preview {
            id: id.clone(),
            applied_as,
            meanwhile_as: wide.map(|left| left.manifest),
            autoscaled,
            left,
            hands_over,
            altered: altered.into_inner().unwrap_or_default(),
            stage: stage(&id.kind.kind),
            gate: is_gate(&id.kind.kind),
            // As long as an autoscaler decides the size, the workload is ready at that.
            readiness: if sizeless.is_some() { Readiness::RolledOut } else { readiness::rule(wanted, floor) },
            outcome,
            digest: dressed.digest,
        })
    }

    /// What applying would do; `hands_over` is told who is to hand over fields before, and `altered` what the server makes
    /// otherwise than it is applied.
    async fn outcome(
        &self,
        resource: &Resource,
        dressed: &Dressed,
        (hands_over, altered): (&mut Vec<String>, &OnceLock<Vec<FieldChange>>),
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let id = &resource.id;
        if let Some(reason) = state.unreadable.get(id) {
            return Ok(Previewed::Unreadable { reason: reason.clone() });
        }
        if let Some((definition, ty)) = state.definitions.coming(&id.kind) {
            return Ok(coming(id, dressed, definition, ty, state.live.contains_key(id)));
        }
        let Some((place, path)) = state.served.get(&id.kind).zip(state.served.path(id)) else {
            return Ok(match state.served.silent(&id.kind.group, Some(&id.kind.version)) {
                Some(reason) => Previewed::Unreadable { reason },
                None => Previewed::Unserved { remedy: remedy(&id.kind) },
            });
        };
        let subject = Subject {
            id,
            path,
            dressed,
            ty: state.definitions.of(&id.kind),
            mutable: match state.unread.contains(id) {
                true => Some(UNREAD.to_owned()),
                false => state.webhooks.may_change(|| state.write(id, place, dressed)),
            },
            altered,
        };
        let Some(object) = state.live.get(id) else { return self.preview_create(&subject, state).await };
        let adopted = (state.identity.owner(object) == Owner::Nobody)
            .then(|| handed_over(object, state.rules.adopts(resource), state.manager))
            .flatten();
        let Some((handed_over, managers)) = adopted else { return self.preview_change(&subject, object, state).await };
        *hands_over = managers;
        if state.mode == PreviewMode::Predict {
            return self.predicted(&subject, (object, &handed_over), state).await;
        }
        // The server cannot be asked about a hand-over without writing: it is asked whether it takes the manifest at all,
        // and the merge says the rest.
        Ok(match self.preview_change(&subject, object, state).await? {
            Previewed::Change { .. } | Previewed::Unchanged(_) => {
                let reason = "it was asked about the object as it is, without the hand-over".to_owned();
                let live = (object, &handed_over);
                predicted::change(id, &subject.ty, live, &dressed.object, state.manager, Some(reason))
            }
            asked => asked,
        })
    }

    /// The answer to a dry run: the object as it would be, or what the server has against it; an error where it is
    /// neither.
    pub(super) async fn dry_run(
        &self,
        id: &ResourceId,
        path: &str,
        manager: &str,
        object: &Value,
        force: bool,
    ) -> Result<Answer, ProviderError> {
        self.dry_run_as(id, &id.name, path, manager, object, force).await
    }

    /// The same under another name; what is secret in it is that of `id`.
    pub(super) async fn dry_run_as(
        &self,
        id: &ResourceId,
        name: &str,
        path: &str,
        manager: &str,
        object: &Value,
        force: bool,
    ) -> Result<Answer, ProviderError> {
        let subject = ResourceId { name: name.to_owned(), ..id.clone() };
        let doing = format!("asking what applying {subject} would do");
        let sent = self.sealing.reveal(id, object, &doing)?;
        let mut call = Call::apply(path, doing, manager, &sent).query("dryRun", "All");
        if force {
            call = call.query("force", "true");
        }
        let answer = self.requests.send(&call).await?;
        match answer.status.is_success() {
            true => {
                let mut answer = answer.whole(&id.kind.kind, name, &call.doing)?;
                self.sealing.seal_answer(id, &mut answer.body)?;
                Ok(answer)
            }
            false if answer.is_verdict() => Ok(answer),
            false => Err(answer.refused(&call.doing)),
        }
    }

    async fn preview_create(&self, subject: &Subject<'_>, state: &State<'_>) -> Result<Previewed, ProviderError> {
        let Subject { id, path, dressed, .. } = subject;
        let predicted = |unconfirmed| predicted::create(id, &subject.ty, &dressed.object, unconfirmed);
        if state.mode == PreviewMode::Predict {
            return Ok(predicted(subject.mutable.clone()));
        }
        if let Some(namespace) = state.namespaces.coming(id) {
            return Ok(predicted(Some(format!("namespace {namespace} comes with the same plan"))));
        }
        let answer = self.dry_run(id, path, state.manager, &dressed.object, false).await?;
        Ok(match answer.status {
            StatusCode::CREATED => {
                subject.note(&answer.body, state.manager);
                Previewed::Create(Confirmation::DryRun)
            }
            status if status.is_success() && state.unread.contains(id) => {
                Previewed::Unreadable { reason: "it is there, and may not be read".to_owned() }
            }
            // Other than the list said, it is there.
            status if status.is_success() => return Err(moved_on(id, "it was in no list, and is there")),
            _ if state.may_not_try(&answer) => predicted(subject.mutable.clone()),
            _ => Previewed::Refused { reason: message(&answer.body) },
        })
    }

    async fn preview_change(
        &self,
        subject: &Subject<'_>,
        object: &Value,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let Subject { id, path, dressed, ty, mutable, .. } = subject;
        let manager = state.manager;
        match state.mode {
            PreviewMode::Predict => return self.predicted(subject, (object, object), state).await,
            PreviewMode::DryRun => {}
            // Without the type nothing is proven: which items of a list are one and the same is the server's to say.
            PreviewMode::Auto => {
                let ours = state.identity.owner(object) == Owner::This;
                if let Ok(ty) = ty
                    && ours
                    && mutable.is_none()
                    && matches!(predict(ty, object, &dressed.object, manager), Prediction::Unchanged)
                {
                    return Ok(Previewed::Unchanged(Confirmation::Proven));
                }
            }
        }
        let answer = self.dry_run(id, path, manager, &dressed.object, false).await?;
        let (after, conflicts) = match answer.status {
            StatusCode::CREATED => return Err(moved_on(id, "it was in a list, and is not there")),
            status if status.is_success() => (answer.body, Vec::new()),
            StatusCode::CONFLICT => {
                let conflicts = fields::conflicts(&answer.body);
                if conflicts.is_empty() {
                    return Ok(Previewed::Refused { reason: message(&answer.body) });
                }
                let forced = self.dry_run(id, path, manager, &dressed.object, true).await?;
                if !forced.status.is_success() {
                    return self.refused_change(subject, object, &forced, conflicts, state).await;
                }
                (forced.body, conflicts)
            }
            _ if state.may_not_try(&answer) => return self.predicted(subject, (object, object), state).await,
            _ => return self.refused_change(subject, object, &answer, Vec::new(), state).await,
        };
        subject.note(&after, manager);
        let schema = ty.clone().unwrap_or_else(|_| Schema::deduced());
        let changes = fields::changes(&id.kind, &schema, object, &after, manager);
        if changes.is_empty() && conflicts.is_empty() && fields::same_books(object, &after, manager) {
            return Ok(Previewed::Unchanged(Confirmation::DryRun));
        }
        Ok(Previewed::Change { changes, conflicts, confirmation: Confirmation::DryRun })
    }

    /// What the merge says of a live object, whose books may have been changed before: a replacement, where a field
    /// changes that never does.
    async fn predicted(
        &self,
        subject: &Subject<'_>,
        (live, base): (&Value, &Value),
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let Subject { id, dressed, ty, mutable, .. } = subject;
        let outcome = predicted::change(id, ty, (live, base), &dressed.object, state.manager, mutable.clone());
        let Previewed::Change { changes, conflicts, .. } = &outcome else { return Ok(outcome) };
        let paths = fixed::paths(&id.kind, live, &dressed.object, changes);
        if paths.is_empty() {
            return Ok(outcome);
        }
        let reason = format!("the server takes no change of {} in an object that exists", paths.join(", "));
        let unconfirmed = "the server was not asked whether it would take the object new".to_owned();
        let refused = Refused {
            id,
            wanted: &dressed.object,
            live,
            refusal: Refusal { reason, paths },
            changes: changes.clone(),
            conflicts: conflicts.clone(),
        };
        self.replacement(refused, Confirmation::Unconfirmed(unconfirmed), state).await
    }

    /// A change that the server refuses to make: a replacement, where it would take the object new.
    async fn refused_change(
        &self,
        subject: &Subject<'_>,
        object: &Value,
        answer: &Answer,
        conflicts: Vec<FieldConflict>,
        state: &State<'_>,
    ) -> Result<Previewed, ProviderError> {
        let Subject { id, dressed, ty, .. } = subject;
        let Some(refusal) = Refusal::of(answer.status, &answer.body) else {
            return Ok(Previewed::Refused { reason: message(&answer.body) });
        };
        let schema = ty.clone().unwrap_or_else(|_| Schema::deduced());
        let changes = match predict(&schema, object, &dressed.object, state.manager) {
            Prediction::Changed { after, .. } => fields::predicted(&id.kind, &schema, object, &after, state.manager).0,
            Prediction::Unchanged | Prediction::Unknown { .. } => Vec::new(),
        };
        let refused = Refused { id, wanted: &dressed.object, live: object, refusal, changes, conflicts };
        self.preview_replace(refused, state).await
    }
}

impl Subject<'_> {
    /// Notes what a dry run has shown that the server makes otherwise.
    fn note(&self, answer: &Value, manager: &str) {
        let altered = truth::altered(&self.id.kind, self.ty.as_ref().ok(), &self.dressed.object, answer, manager);
        // An object is asked about until one answer is a success: there is nothing to be noted twice.
        let _ = self.altered.set(altered);
    }
}

impl State<'_> {
    /// What becomes of a Job of the instance that has failed, where it could be applied as it is, or was run with other
    /// values of what is secret: its name, which another form of it changes, does not tell these.
    fn again(&self, live: &Value, outcome: &Previewed) -> Option<Previewed> {
        if self.identity.owner(live) != Owner::This {
            return None;
        }
        match outcome {
            Previewed::Unchanged(confirmation) | Previewed::Change { confirmation, .. } => {
                let (reason, confirmation) = (readiness::failed_job(live)?, confirmation.clone());
                Some(Previewed::Again { reason, changed: Vec::new(), confirmation })
            }
            Previewed::Replace { changes, conflicts, confirmation, .. } if conflicts.is_empty() => {
                let annotations = &live["metadata"]["annotations"];
                let is_named = live["kind"] == "Job" && annotations.get(RERUN_ANNOTATION).is_some();
                let stands = |value: &Option<Value>| value.as_ref().is_some_and(is_withheld);
                let secret = |change: &FieldChange| stands(&change.before) || stands(&change.after);
                let only = is_named && !changes.is_empty() && changes.iter().all(secret);
                let changed: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
                let reason = readiness::failed_job(live).unwrap_or_default();
                only.then(|| Previewed::Again { reason, changed, confirmation: confirmation.clone() })
            }
            _ => None,
        }
    }

    /// The write that admission would see.
    fn write<'a>(&'a self, id: &'a ResourceId, place: &'a Served, dressed: &Dressed) -> Write<'a> {
        let (live, applied) = (self.live.get(id), Some(&dressed.object));
        Write {
            id,
            plural: &place.plural,
            namespaced: place.namespaced,
            versions: self.served.versions(&id.kind),
            creates: live.is_none(),
            labels: match id.kind.kind.as_str() {
                "Namespace" => MayHave::of_namespace(&id.name, live, applied),
                _ => MayHave::of(live, applied),
            },
            of_namespace: self.namespaces.labels(id),
        }
    }

    /// Whether the answer to a dry run is that the user may not write, and the merge is to predict instead.
    ///
    /// Admission refuses with the same code and reason; only the authoriser's answer says who may not do what.
    fn may_not_try(&self, answer: &Answer) -> bool {
        let said = answer.body["message"].as_str().unwrap_or_default();
        let authoriser = ["patch", "create", "update"]
            .iter()
            .any(|verb| said.contains(" is forbidden: User ") && said.contains(&format!("cannot {verb} resource ")));
        let forbidden = self.mode == PreviewMode::Auto && answer.status == StatusCode::FORBIDDEN && authoriser;
        if forbidden {
            // The first one stands for all.
            let _ = self.forbidden.set(said.to_owned());
        }
        forbidden
    }
}

/// What becomes of an object whose kind is defined, or defined anew, by the same plan.
fn coming(id: &ResourceId, dressed: &Dressed, definition: &str, ty: &TypeRef, lives: bool) -> Previewed {
    let reason = format!("its CustomResourceDefinition {definition} comes with the same plan");
    match predicted::create(id, &Ok(ty.clone()), &dressed.object, Some(reason.clone())) {
        Previewed::Create(_) if lives => Previewed::Unknown { reason },
        outcome => outcome,
    }
}

/// The error for an object of which two answers say different things: what was made of the first would be no plan.
pub(super) fn moved_on(id: &ResourceId, how: &str) -> ProviderError {
    let detail = format!("{how}: it changed meanwhile, or one of the answers was not whole; run this again");
    ProviderError::Unexpected { doing: format!("looking for {id}"), detail }
}

/// The message of a Status, which names the object and the field.
pub(super) fn message(status: &Value) -> String {
    match status["message"].as_str() {
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => "the server gave no reason".to_owned(),
    }
}
