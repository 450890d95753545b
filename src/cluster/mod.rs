//! The Kubernetes provider: the only room that talks to an API server.
//!
//! One code path serves every cluster, the one inside this program included: [`connect`] differs, nothing else.

mod carry;
pub mod connect;
mod discovery;
mod fields;
mod forget;
mod history;
mod identity;
mod lock;
mod needs;
mod observe;
mod ownership;
mod permissions;
mod pods;
mod provided;
mod readiness;
mod replace;
mod request;
mod rights;
pub mod roles;
mod sealing;
mod survey;
mod troubles;
mod truth;
mod wait;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use strata_components::desired::{Desired, Instance, Kind};
use structured_merge::Schema;
use structured_merge::schema::TypeRef;
use tokio::sync::Mutex;

use crate::history::{Draft, Ending, Entry, Head, Record};
use crate::observe::{Look, Snapshot};
use crate::plan::{Plan, PlannedNeed, Step};
use crate::provider::{
    Done, LockGuard, LockNotice, Patience, Provider, ProviderError, Unlock, Wait, WaitError, WaitNotice,
};
use discovery::ServedKinds;
use request::Requests;
pub use request::{BoxError, Renew};
use sealing::Sealing;

/// How often a cluster is asked again for a kind that has just been defined, and the pause before each time.
const DISCOVERIES: u32 = 20;
const DISCOVERY_PAUSE: Duration = Duration::from_millis(250);

/// What is known of a cluster before it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name in the environment file, or as it was given on the command line.
    pub name: String,
    /// The namespace of inventory and lock.
    pub control_namespace: String,
    /// What it may be.
    pub guard: connect::Guards,
    /// What tells this run from every other that may hold a lock.
    pub holder: String,
}

/// A cluster, reached through an API server.
pub struct Cluster {
    requests: Requests,
    settings: Settings,
    served: Arc<Mutex<Option<Arc<ServedKinds>>>>,
    types: OnceLock<Schema>,
    /// The types of custom kinds, each as its definition had it when it was first asked for.
    custom: Mutex<BTreeMap<Kind, Option<TypeRef>>>,
    sealing: Sealing,
}

impl Cluster {
    /// A cluster behind this client. Asks nothing yet.
    #[must_use]
    pub fn new(client: kube::Client, settings: Settings) -> Self {
        Self {
            requests: Requests::new(client, None),
            settings,
            served: Arc::default(),
            types: OnceLock::new(),
            custom: Mutex::default(),
            sealing: Sealing::default(),
        }
    }

    /// One that holds nothing, such as [`Connection::imagined`](connect::Connection::imagined) reaches.
    #[must_use]
    pub fn imagined(client: kube::Client, control_namespace: &str) -> Self {
        let settings = Settings {
            name: "imagined".to_owned(),
            control_namespace: control_namespace.to_owned(),
            guard: None,
            holder: String::new(),
        };
        Self::new(client, settings)
    }

    /// The same, with a way to fresh credentials for when those of the client are not accepted any more.
    #[must_use]
    pub fn renewing(self, renew: Option<Renew>) -> Self {
        Self { requests: self.requests.renewed_by(renew), ..self }
    }

    /// The same cluster for another instance: one connection serves both, and what is served is asked once.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            requests: self.requests.beside(),
            settings: self.settings.clone(),
            served: self.served.clone(),
            types: self.types.clone(),
            custom: Mutex::default(),
            sealing: Sealing::default(),
        }
    }

    /// Whether an instance has an inventory, so that something of it may be there.
    ///
    /// # Errors
    ///
    /// When the cluster does not say.
    pub async fn has_inventory(&self, instance: &Instance) -> Result<bool, ProviderError> {
        Ok(self.find_parent(&self.identity(instance)).await?.is_some())
    }

    /// The namespace of inventories, locks and records.
    #[must_use]
    pub fn control_namespace(&self) -> &str {
        &self.settings.control_namespace
    }

    /// What is served, asked once.
    async fn served(&self) -> Result<Arc<ServedKinds>, ProviderError> {
        let mut served = self.served.lock().await;
        match served.as_ref() {
            Some(known) => Ok(known.clone()),
            None => Ok(served.insert(Arc::new(ServedKinds::read(&self.requests).await?)).clone()),
        }
    }

    /// The same, asked again for a while where it lacks a kind that may have been defined meanwhile.
    async fn served_with(&self, kind: &Kind) -> Result<Arc<ServedKinds>, ProviderError> {
        let mut known = self.served().await?;
        for _ in 0..DISCOVERIES {
            if known.get(kind).is_some() {
                break;
            }
            tokio::time::sleep(DISCOVERY_PAUSE).await;
            known = Arc::new(ServedKinds::read(&self.requests).await?);
            *self.served.lock().await = Some(known.clone());
        }
        Ok(known)
    }

    /// The lock of an instance, for this run.
    fn lease(&self, instance: &Instance) -> lock::Lease {
        lock::Lease::new(&self.requests, &self.identity(instance), self.settings.holder.clone())
    }

    /// The types of the version that the cluster of a plan serves, looked up once.
    fn types(&self, plan: &Plan) -> &Schema {
        self.types.get_or_init(|| Schema::for_server(&plan.target.version))
    }

    /// The type of a kind as the cluster of a plan serves it; none where it cannot be read.
    async fn type_of(&self, plan: &Plan, kind: &Kind) -> Result<Option<TypeRef>, ProviderError> {
        if let Some(ty) = fields::built_in(self.types(plan), kind) {
            return Ok(Some(ty));
        }
        let served = self.served_with(kind).await?;
        let mut custom = self.custom.lock().await;
        if let Some(known) = custom.get(kind) {
            return Ok(known.clone());
        }
        let Some(place) = served.get(kind) else { return Ok(None) };
        let ty = self.defined(kind, &place.plural).await?.ok();
        Ok(custom.entry(kind.clone()).or_insert(ty).clone())
    }
}

impl Provider for Cluster {
    fn observe<'a>(&'a self, desired: &'a Desired, look: &'a Look) -> BoxFuture<'a, Result<Snapshot, ProviderError>> {
        Box::pin(self.take_snapshot(desired, look))
    }

    fn permitted<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.check_permissions(plan))
    }

    fn lock_mark<'a>(&'a self, instance: &'a Instance) -> BoxFuture<'a, Result<Option<String>, ProviderError>> {
        Box::pin(async move {
            // A cluster that is not the one that is meant is asked nothing more.
            self.target().await?;
            self.lease(instance).mark().await
        })
    }

    fn lock<'a>(
        &'a self,
        instance: &'a Instance,
        patience: Patience,
        heard: Arc<dyn Fn(LockNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<Option<Box<dyn LockGuard>>, ProviderError>> {
        Box::pin(async move {
            self.ensure_control_namespace().await?;
            self.lease(instance).acquire(patience, heard).await
        })
    }

    fn unlock<'a>(&'a self, instance: &'a Instance, holder: &'a str) -> BoxFuture<'a, Result<Unlock, ProviderError>> {
        Box::pin(async move {
            self.target().await?;
            self.lease(instance).take_from(holder).await
        })
    }

    fn open_record<'a>(&'a self, plan: &'a Plan, draft: &'a Draft) -> BoxFuture<'a, Result<Head, ProviderError>> {
        Box::pin(self.open(plan, draft))
    }

    fn close_record<'a>(
        &'a self,
        head: &'a Head,
        ending: &'a Ending,
        keep: usize,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.close(head, ending, keep))
    }

    fn records<'a>(&'a self, instance: &'a Instance) -> BoxFuture<'a, Result<Vec<Entry>, ProviderError>> {
        Box::pin(self.entries(instance))
    }

    fn record<'a>(
        &'a self,
        instance: &'a Instance,
        revision: u64,
    ) -> BoxFuture<'a, Result<Option<Record>, ProviderError>> {
        Box::pin(self.read(instance, revision))
    }

    fn begin<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.begin_plan(plan))
    }

    fn make_way<'a>(&'a self, plan: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.make_way_for(plan, step))
    }

    fn carry_out<'a>(&'a self, plan: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<Done, ProviderError>> {
        Box::pin(self.carry_out_step(plan, step))
    }

    fn wait<'a>(
        &'a self,
        instance: &'a Instance,
        waits: &'a [Wait],
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Vec<Result<(), WaitError>>> {
        Box::pin(async move { self.wait_all(&self.identity(instance), waits, heard).await })
    }

    fn meet<'a>(
        &'a self,
        need: &'a PlannedNeed,
        limit: Duration,
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<(), WaitError>> {
        Box::pin(self.meet_need(need, limit, heard))
    }

    fn finish<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.finish_plan(plan))
    }

    fn finished<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(self.finished(plan))
    }
}
