//! Taking a snapshot: a few LISTs in parallel, then a preview of each desired object.
//!
//! In the instance's own namespaces every kind is listed once and without a selector, because an object that lost
//! its label must not look absent. What the merge proves unchanged from the LIST alone needs no further request;
//! the rest is a dry run, many at once. Nothing is written. Of several instances that are looked at together, what they
//! ask alike is asked once.

mod autoscaling;
mod colours;
mod definitions;
mod fixed;
pub(super) mod lists;
mod namespaces;
mod predicted;
mod preview;
mod replace;

use std::collections::BTreeMap;
use std::slice;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::try_join_all;
use serde_json::Value;
use strata_components::blue_green::painted;
use strata_components::desired::{Desired, Resource, ResourceId};
use strata_components::kinds::takes_along;
use structured_merge::schema::Schema;
use tokio::sync::Semaphore;

use super::Cluster;
use super::discovery::ServedKinds;
use super::identity::{Identity, Place};
use super::ownership::Rules;
use super::readiness;
use super::request::Call;
use super::webhooks::Webhooks;
use crate::observe::{Health, LiveObject, Look, Owner, Previewing, SNAPSHOT_FORMAT, Snapshot, Target};
use crate::plan::{chosen, field_manager};
use crate::provider::ProviderError;
use definitions::{Defined, Definitions};
use lists::{List, Listed, Lists, Scope};
use namespaces::Namespaces;
use preview::State;

/// How long the first requests of a run are tried: a cluster that is not there should not be waited for as long as
/// one that falters in the middle of something.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// How often they are tried.
const FIRST_TRIES: u32 = 4;
/// Requests in flight at once.
const CONCURRENCY: usize = 16;

/// What every look at a cluster begins with, asked once for all instances that are looked at.
struct Common {
    target: Target,
    served: Arc<ServedKinds>,
    webhooks: Webhooks,
    types: Schema,
    /// A turn for each request in flight, however many instances are looked at.
    turns: Semaphore,
}

/// One instance that is looked at.
struct Sight<'a> {
    cluster: &'a Cluster,
    /// With the digests that this run compares.
    desired: &'a Desired,
    identity: Identity,
    scope: Scope,
}

impl Cluster {
    /// Snapshots of several instances on one cluster, in their order: each is what
    /// [`observe`](crate::provider::Provider::observe) gives of it alone. What several of them ask alike is asked once,
    /// over the connection of the first.
    ///
    /// # Errors
    ///
    /// Those of a look at any of them.
    pub async fn observe_all(of: &[(&Self, &Desired)], look: &Look) -> Result<Vec<Snapshot>, ProviderError> {
        let Some((first, _)) = of.first() else { return Ok(Vec::new()) };
        let compared: Vec<Option<Desired>> =
            of.iter().map(|(cluster, desired)| cluster.sealing.compared(desired)).collect::<Result<_, _>>()?;
        let of: Vec<(&Self, &Desired)> = of
            .iter()
            .zip(&compared)
            .map(|((cluster, desired), compared)| (*cluster, compared.as_ref().unwrap_or(desired)))
            .collect();
        let target = first.target().await?;
        let identities = of.iter().map(|(cluster, desired)| cluster.identity(&desired.instance)).collect::<Vec<_>>();
        let parents: Vec<_> =
            of.iter().zip(&identities).map(|((cluster, _), identity)| cluster.find_parent(identity)).collect();
        let (common, parents) = tokio::try_join!(first.common(target), try_join_all(parents))?;
        let sights: Vec<Sight<'_>> = of
            .iter()
            .zip(identities)
            .zip(parents)
            .map(|(((cluster, desired), identity), parent)| {
                let scope = Scope::of(desired, parent.as_ref(), &common.served, &identity);
                Sight { cluster, desired, identity, scope }
            })
            .collect();
        let (mut lists, defined) = first.ask(&common, &sights).await?;
        let mut snapshots = Vec::new();
        for sight in &sights {
            snapshots.push(sight.snapshot(look, &common, lists.take(&sight.scope, &common.served), &defined));
        }
        try_join_all(snapshots).await
    }

    /// What every look begins with.
    async fn common(&self, target: Target) -> Result<Common, ProviderError> {
        let (served, webhooks) = tokio::try_join!(self.served(), Webhooks::read(&self.requests))?;
        let types = Schema::for_server(&target.version);
        Ok(Common { target, served, webhooks, types, turns: Semaphore::new(CONCURRENCY) })
    }

    /// What the instances ask the cluster for: every list and every definition once.
    async fn ask(&self, common: &Common, sights: &[Sight<'_>]) -> Result<(Lists, Defined), ProviderError> {
        let scopes: Vec<&Scope> = sights.iter().map(|sight| &sight.scope).collect();
        let desired: Vec<&Desired> = sights.iter().map(|sight| sight.desired).collect();
        tokio::try_join!(
            self.list_once(&common.served, &scopes),
            self.read_definitions(&desired, &common.served, &common.types)
        )
    }

    pub(in crate::cluster) async fn take_snapshot(
        &self,
        desired: &Desired,
        look: &Look,
    ) -> Result<Snapshot, ProviderError> {
        let compared = self.sealing.compared(desired)?;
        let desired = compared.as_ref().unwrap_or(desired);
        let identity = self.identity(&desired.instance);
        // A cluster that is not the one that is meant is asked nothing more.
        let target = self.target().await?;
        let (common, parent) = tokio::try_join!(self.common(target), self.find_parent(&identity))?;
        let scope = Scope::of(desired, parent.as_ref(), &common.served, &identity);
        let sight = Sight { cluster: self, desired, identity, scope };
        let (mut lists, defined) = self.ask(&common, slice::from_ref(&sight)).await?;
        sight.snapshot(look, &common, lists.take(&sight.scope, &common.served), &defined).await
    }
}

impl Sight<'_> {
    /// What is to be known of the instance, by what was asked for.
    async fn snapshot(
        &self,
        look: &Look,
        common: &Common,
        lists: Vec<List>,
        defined: &Defined,
    ) -> Result<Snapshot, ProviderError> {
        let Self { cluster, desired, identity, scope } = self;
        let served = common.served.as_ref();
        let definitions = Definitions::of_desired(desired, defined, &common.types);
        let Listed { live, unlisted, unreadable, unread, suspicious } =
            cluster.list_all(served, scope, lists, &desired.instance).await?;

        let (floors, leaving) = (colours::floors_of_all(desired), autoscaling::leaving(desired, &live, identity));
        let manager = field_manager(&desired.instance.stack);
        let rules = Rules::of(&desired.ownership);
        let namespaces = Namespaces::of(&live, desired);
        let state = State {
            live: &live,
            unreadable: &unreadable,
            unread: &unread,
            identity,
            webhooks: &common.webhooks,
            namespaces: &namespaces,
            served,
            definitions: &definitions,
            manager: &manager,
            floors: &floors,
            leaving: &leaving,
            rules: &rules,
            mode: look.preview,
            turns: &common.turns,
            forbidden: OnceLock::new(),
        };
        let (colours, previews) = cluster.in_colours(desired, &state).await?;
        let previewing = Previewing { mode: look.preview, forbidden: state.forbidden.into_inner() };

        let desired = &painted(desired, &chosen(&colours));
        let wanted: BTreeMap<&ResourceId, &Resource> = desired.resources.iter().map(|r| (&r.id, r)).collect();
        let objects = live
            .iter()
            .filter(|(id, object)| wanted.contains_key(id) || identity.owner(object) == Owner::This)
            .map(|(id, object)| {
                let floor = floors.get(&(id.namespace.clone(), id.name.clone())).copied();
                let manifest = wanted.get(id).map(|resource| &resource.manifest);
                let mut live = live_object(id, object, identity, manifest, floor);
                let (Health::Ready(said) | Health::Progressing(said) | Health::Failed(said)) = &mut live.health;
                *said = cluster.sealing.secrets.known().told(said).into_owned();
                live
            })
            .collect();

        cluster.sealing.shown(Snapshot {
            format: SNAPSHOT_FORMAT.to_owned(),
            target: common.target.clone(),
            instance: desired.instance.clone(),
            objects,
            previews,
            previewing,
            colours,
            unlisted,
            suspicious,
        })
    }
}

impl Cluster {
    /// Which cluster this is; an error where it is not the one the environment means.
    pub(in crate::cluster) async fn target(&self) -> Result<Target, ProviderError> {
        let system =
            Call::get("/api/v1/namespaces/kube-system", "reading the cluster's identity (namespace kube-system)");
        let version = Call::get("/version", "reading the cluster's version");
        let (system, version) = [system, version].map(|call| call.within(FIRST_LIMIT).tries(FIRST_TRIES)).into();
        let (read, told) = tokio::join!(self.requests.send(&system), self.requests.ok(&version));
        let (read, told) = (read?.object("Namespace", "kube-system", &system.doing)?, told?);
        let identity = text(&read, "/metadata/uid");
        let version = told["gitVersion"].as_str().filter(|version| !version.is_empty()).ok_or_else(|| {
            ProviderError::Unexpected { doing: version.doing, detail: "it names no version".to_owned() }
        })?;
        if let Some(guard) = self.settings.guard.as_ref().filter(|guard| !guard.contains(&identity)) {
            return Err(ProviderError::WrongTarget(format!(
                "cluster {} is not the one the environment means: its identity (UID of the namespace kube-system) is \
                 {identity}, expected {}",
                self.settings.name,
                guard.join(" or ")
            )));
        }
        Ok(Target { name: self.settings.name.clone(), identity, version: version.to_owned() })
    }

    /// The instance's inventory; an error where it is another's of the same name.
    pub(in crate::cluster) async fn find_parent(&self, identity: &Identity) -> Result<Option<Value>, ProviderError> {
        let (namespace, name) = (&identity.control_namespace, identity.control_name());
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        let doing = format!("reading the inventory ConfigMap {namespace}/{name}");
        let call = Call::get(path, doing);
        let answer = self.requests.send(&call).await?;
        let parent = match answer.is_absent() {
            true => None,
            false => Some(answer.object("ConfigMap", &name, &call.doing)?),
        };
        match parent.as_ref().and_then(|parent| identity.namesake(parent)) {
            Some(other) => Err(ProviderError::WrongTarget(format!(
                "the name {} is taken on cluster {} by another instance ({other}): give this one another with --instance",
                identity.instance, self.settings.name
            ))),
            None => Ok(parent),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether a controller has the object.
pub(super) fn is_controlled(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner["controller"] == true)
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
        created: Some(text(object, "/metadata/creationTimestamp")).filter(|created| !created.is_empty()),
        terminating: object.pointer("/metadata/deletionTimestamp").is_some(),
        health: readiness::health(object, &rule),
        controlled: is_controlled(object),
        left_by: place.left_by,
        guarded: takes_along(&id.kind.kind).map(str::to_owned),
    }
}
