//! Taking a snapshot: a few LISTs in parallel, then a preview of each desired object.
//!
//! In the instance's own namespaces every kind is listed once and without a selector, because an object that lost
//! its label must not look absent. What the merge proves unchanged from the LIST alone needs no further request;
//! the rest is a dry run, many at once. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde_json::Value;
use strata_components::desired::{Desired, KUBERNETES, Kind, Resource, ResourceId};
use structured_merge::predict::{Prediction, predict};
use structured_merge::schema::Schema;

use super::Cluster;
use super::discovery::{ServedKinds, collection};
use super::fields;
use super::identity::{Dressed, Identity, Place, members};
use super::provided::remedy;
use super::readiness;
use super::request::Call;
use super::webhooks::Webhooks;
use crate::observe::{
    Confirmation, LiveObject, Owner, Preview, Previewed, SNAPSHOT_FORMAT, Snapshot, Target, UnlistedKind,
};
use crate::plan::{digest, field_manager};
use crate::provider::ProviderError;

/// How long the first requests of a run are tried: a cluster that is not there should not be waited for as long as
/// one that falters in the middle of something.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// Requests in flight at once.
const CONCURRENCY: usize = 16;
/// Objects a page of a LIST holds, as kubectl asks for them.
const PAGE: &str = "500";
/// How often a LIST is begun before it is given up.
const BEGINNINGS: u32 = 3;

/// What was listed: live objects by id.
type Live = BTreeMap<ResourceId, Value>;

/// The minimum of each autoscaler, by namespace and name of the workload it owns the size of.
type Floors = BTreeMap<(Option<String>, String), u32>;

/// What every preview of one snapshot looks at.
struct State<'a> {
    live: &'a Live,
    identity: &'a Identity,
    webhooks: &'a Webhooks,
    served: &'a ServedKinds,
    manager: &'a str,
    floors: &'a Floors,
    types: &'a Schema,
}

impl Cluster {
    pub(super) async fn take_snapshot(&self, desired: &Desired) -> Result<Snapshot, ProviderError> {
        let identity = Identity::new(&desired.instance, &self.settings.control_namespace);
        let (target, served, parent, webhooks) = tokio::try_join!(
            self.target(),
            self.served(),
            self.find_parent(&identity),
            Webhooks::read(&self.requests),
        )?;
        let (kinds, namespaces, unlisted) = scope(desired, parent.as_ref(), served);
        let live = self.list_all(served, &kinds, &namespaces).await?;

        let floors = autoscaler_floors(desired);
        let manager = field_manager(&desired.instance.stack);
        let types = Schema::for_server(&target.version);
        let state = State {
            live: &live,
            identity: &identity,
            webhooks: &webhooks,
            served,
            manager: &manager,
            floors: &floors,
            types: &types,
        };
        // The futures are made before they are run: a closure that borrows cannot be shown to be `Send`.
        let previews: Vec<_> = desired.resources.iter().map(|resource| self.preview(resource, &state)).collect();
        let mut previews: Vec<Preview> = stream::iter(previews).buffer_unordered(CONCURRENCY).try_collect().await?;
        previews.sort_by(|a, b| a.id.cmp(&b.id));

        let wanted: BTreeMap<&ResourceId, &Resource> = desired.resources.iter().map(|r| (&r.id, r)).collect();
        let objects = live
            .iter()
            .filter(|(id, object)| wanted.contains_key(id) || identity.owner(object) == Owner::This)
            .map(|(id, object)| {
                let floor = floors.get(&(id.namespace.clone(), id.name.clone())).copied();
                live_object(id, object, &identity, wanted.get(id).map(|resource| &resource.manifest), floor)
            })
            .collect();

        Ok(Snapshot {
            format: SNAPSHOT_FORMAT.to_owned(),
            target,
            instance: desired.instance.clone(),
            objects,
            previews,
            unlisted,
        })
    }

    /// Which cluster this is; an error where it is not the one the environment means.
    pub(super) async fn target(&self) -> Result<Target, ProviderError> {
        let system =
            Call::get("/api/v1/namespaces/kube-system", "reading the cluster's identity (namespace kube-system)");
        let version = Call::get("/version", "reading the cluster's version");
        let (system, version) = (system.within(FIRST_LIMIT), version.within(FIRST_LIMIT));
        let (system, version) = tokio::try_join!(self.requests.ok(&system), self.requests.ok(&version))?;
        let identity = text(&system, "/metadata/uid");
        if let Some(guard) = self.settings.guard.as_ref().filter(|guard| **guard != identity) {
            return Err(ProviderError::WrongTarget(format!(
                "cluster {} is not the one the environment means: its identity (UID of the namespace kube-system) is \
                 {identity}, expected {guard}",
                self.settings.name
            )));
        }
        Ok(Target { name: self.settings.name.clone(), identity, version: text(&version, "/gitVersion") })
    }

    /// The instance's inventory; an error where it is another's of the same name.
    pub(super) async fn find_parent(&self, identity: &Identity) -> Result<Option<Value>, ProviderError> {
        let (namespace, name) = (&identity.control_namespace, identity.control_name());
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        let doing = format!("reading the inventory ConfigMap {namespace}/{name}");
        let parent = self.requests.find(&Call::get(path, doing)).await?;
        match parent.as_ref().and_then(|parent| identity.namesake(parent)) {
            Some(other) => Err(ProviderError::WrongTarget(format!(
                "the name {} is taken on cluster {} by another instance ({other}): give this one another with --instance",
                identity.instance, self.settings.name
            ))),
            None => Ok(parent),
        }
    }

    /// All objects of a collection, page by page; from its first page again where the server no longer knows how the
    /// collection was when that was read.
    pub(super) async fn list(&self, kind: &str, path: &str) -> Result<Vec<Value>, ProviderError> {
        let mut items = Vec::new();
        let mut after = String::new();
        let mut beginnings = 1;
        loop {
            let mut call = Call::get(path, format!("listing {kind} objects at {path}")).query("limit", PAGE);
            if !after.is_empty() {
                call = call.query("continue", after.as_str());
            }
            let answer = self.requests.send(&call).await?;
            if answer.status == StatusCode::GONE && !after.is_empty() && beginnings < BEGINNINGS {
                items.clear();
                after.clear();
                beginnings += 1;
                continue;
            }
            let mut page = answer.ok(&call.doing)?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                _ => {
                    return Err(ProviderError::Unexpected { doing: call.doing, detail: "it is no list".to_owned() });
                }
            }
            after = text(&page, "/metadata/continue");
            if after.is_empty() {
                return Ok(items);
            }
        }
    }

    async fn list_all(
        &self,
        served: &ServedKinds,
        kinds: &BTreeSet<Kind>,
        namespaces: &BTreeSet<String>,
    ) -> Result<Live, ProviderError> {
        let mut lists = Vec::new();
        for kind in kinds {
            let Some(place) = served.get(kind) else { continue };
            if place.namespaced {
                lists.extend(namespaces.iter().map(|ns| (kind, collection(kind, &place.plural, Some(ns)))));
            } else {
                lists.push((kind, collection(kind, &place.plural, None)));
            }
        }
        let lists: Vec<_> = lists.into_iter().map(|(kind, path)| self.list_identified(kind, path)).collect();
        let lists: Vec<_> = stream::iter(lists).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(lists.into_iter().flatten().collect())
    }

    async fn list_identified(&self, kind: &Kind, path: String) -> Result<Vec<(ResourceId, Value)>, ProviderError> {
        let items = self.list(&kind.kind, &path).await?;
        Ok(items.into_iter().map(|item| self.identified(kind, item)).collect())
    }

    /// The object with its id, and with the kind and version that items of a list do not repeat.
    fn identified(&self, kind: &Kind, mut item: Value) -> (ResourceId, Value) {
        if let Some(object) = item.as_object_mut() {
            object.insert("apiVersion".to_owned(), kind.api_version().into());
            object.insert("kind".to_owned(), kind.kind.clone().into());
        }
        let id = ResourceId {
            provider: KUBERNETES.to_owned(),
            target: self.settings.name.clone(),
            kind: kind.clone(),
            namespace: item.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned),
            name: text(&item, "/metadata/name"),
        };
        (id, item)
    }

    async fn preview(&self, resource: &Resource, state: &State<'_>) -> Result<Preview, ProviderError> {
        let id = &resource.id;
        let floor = state.floors.get(&(id.namespace.clone(), id.name.clone())).copied();
        let floor = floor.filter(|_| id.kind.kind == "Deployment");
        let live = state.live.get(id).filter(|_| floor.is_some());
        let applied_as = live.and_then(|live| fields::with_held_replicas(&resource.manifest, live, state.manager));
        let manifest = applied_as.as_ref().unwrap_or(&resource.manifest);
        let dressed = state.identity.dress(manifest, digest(&resource.manifest));
        let outcome = match state.served.get(&id.kind).zip(state.served.path(id)) {
            None => Previewed::Unserved { remedy: remedy(&id.kind) },
            Some((kind, path)) => match state.live.get(id) {
                None => self.preview_create(id, &path, &dressed, state).await?,
                Some(object) => {
                    let ours = state.identity.owner(object) == Owner::This;
                    let may_prove = ours && !state.webhooks.may_change(&id.kind, &kind.plural);
                    self.preview_change(id, &path, &dressed, object, may_prove, state).await?
                }
            },
        };
        Ok(Preview {
            id: id.clone(),
            digest: dressed.digest,
            applied_as,
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
                    return Ok(Previewed::Refused { reason: message(id, &forced.body) });
                }
                (forced.body, conflicts)
            }
            _ => return Ok(Previewed::Refused { reason: message(id, &answer.body) }),
        };
        if fields::same(object, &after, manager) {
            return Ok(Previewed::Unchanged(Confirmation::DryRun));
        }
        let changes = fields::changes(&id.kind, &schema.unwrap_or_else(Schema::deduced), object, &after, manager);
        Ok(Previewed::Change { changes, conflicts, confirmation: Confirmation::DryRun })
    }
}

fn dry_run(id: &ResourceId, path: &str, manager: &str, object: &Value, force: bool) -> Call {
    let call = Call::apply(path, format!("asking what applying {id} would do"), manager, object).query("dryRun", "All");
    if force { call.query("force", "true") } else { call }
}

/// The message of a Status, which names the object and the field. That of a Secret is not passed on, because it
/// may quote what the Secret holds.
fn message(id: &ResourceId, status: &Value) -> String {
    match status["message"].as_str() {
        _ if id.kind.kind == "Secret" => {
            let reason = status["reason"].as_str().unwrap_or("no reason given");
            format!("{reason} (the message is not shown, because it may hold what is secret)")
        }
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => "the server gave no reason".to_owned(),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Which kinds to list in which namespaces: those of the stack, and those of the inventory for what left it.
fn scope(
    desired: &Desired,
    parent: Option<&Value>,
    served: &ServedKinds,
) -> (BTreeSet<Kind>, BTreeSet<String>, Vec<UnlistedKind>) {
    let mut kinds: BTreeSet<Kind> = desired.resources.iter().map(|resource| resource.id.kind.clone()).collect();
    let mut namespaces: BTreeSet<String> = desired.namespaces.iter().cloned().collect();
    let mut unlisted = Vec::new();
    if let Some(parent) = parent {
        let (known, more) = members(parent);
        namespaces.extend(more);
        for (group, kind) in known {
            if kinds.iter().any(|listed| listed.group == group && listed.kind == kind) {
                continue;
            }
            match served.of_group(&group, &kind) {
                Some(kind) => {
                    kinds.insert(kind.clone());
                }
                None => unlisted.push(UnlistedKind {
                    kind: Kind { group, version: String::new(), kind },
                    namespace: None,
                    reason: "the inventory names it and the cluster does not serve it".to_owned(),
                }),
            }
        }
    }
    // Whether a namespace exists decides how the objects in it can be previewed.
    kinds.insert(Kind { group: String::new(), version: "v1".to_owned(), kind: "Namespace".to_owned() });
    (kinds, namespaces, unlisted)
}

fn autoscaler_floors(desired: &Desired) -> Floors {
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

fn live_object(
    id: &ResourceId,
    object: &Value,
    identity: &Identity,
    manifest: Option<&Value>,
    floor: Option<u32>,
) -> LiveObject {
    let place = Place::of(object);
    let rule = readiness::rule(manifest.unwrap_or(object), floor);
    LiveObject {
        id: id.clone(),
        uid: text(object, "/metadata/uid"),
        resource_version: text(object, "/metadata/resourceVersion"),
        owner: identity.owner(object),
        address: place.address,
        phase: place.phase,
        tier: place.tier,
        applied: place.applied,
        terminating: object.pointer("/metadata/deletionTimestamp").is_some(),
        health: readiness::health(object, &rule),
        guarded: match id.kind.kind.as_str() {
            "Namespace" => Some("everything in a namespace goes with it".to_owned()),
            "PersistentVolumeClaim" => Some("its data may go with it".to_owned()),
            "CustomResourceDefinition" => Some("every object of its kind goes with it".to_owned()),
            _ => None,
        },
    }
}
