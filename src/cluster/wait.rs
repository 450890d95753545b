//! Waiting: one watch for each kind and namespace, and one for the pods behind the workloads that are waited for.
//!
//! A wait ends when its object is ready or gone, when the object or one of its pods has been in trouble for
//! [`PATIENCE`], or when its limit is over. It never ends early because a status belongs to an older generation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use strata_components::desired::Kind;

use super::Cluster;
use super::discovery::{Served, ServedKinds};
use super::identity::{Identity, PART_OF_LABEL};
use crate::provider::{ProviderError, Until, Wait, WaitError, WaitNotice};
use crate::report::clean::clean;
use crate::secrets::Known;

mod explain;
mod group;

pub(super) use group::Change;
use group::{Group, News};

/// How long trouble has to last before it counts as final: a rollout passes through states that look like it.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a scheduler leaves a pod alone that it has tried to place several times, also when room has come since:
/// `podMaxBackoffSeconds` (<https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/>).
const BACK_OFF: Duration = Duration::from_secs(10);

type Heard = Arc<dyn Fn(WaitNotice) + Send + Sync>;

impl Cluster {
    /// One result a wait, in the same order. What objects, events and logs say is told without what is secret.
    pub(super) async fn wait_all(
        &self,
        identity: &Identity,
        waits: &[Wait],
        heard: Heard,
    ) -> Vec<Result<(), WaitError>> {
        let known = self.sealing.secrets.known();
        let heard: Heard = {
            let known = known.clone();
            Arc::new(move |WaitNotice { id, missing }| {
                heard(WaitNotice { id, missing: missing.map(|missing| known.told(&missing).into_owned()) });
            })
        };
        let mut groups: BTreeMap<(&Kind, Option<&str>), Vec<usize>> = BTreeMap::new();
        for (at, wait) in waits.iter().enumerate() {
            groups.entry((&wait.id.kind, wait.id.namespace.as_deref())).or_default().push(at);
        }
        let groups = groups.into_iter().map(|((kind, namespace), members)| {
            let heard = heard.clone();
            async move {
                let chosen: Vec<&Wait> = members.iter().map(|at| &waits[*at]).collect();
                let results = self.wait_group(identity, kind, namespace, &chosen, &heard).await;
                members.into_iter().zip(results).collect::<Vec<_>>()
            }
        });
        let mut results: Vec<(usize, Result<(), WaitError>)> =
            futures::future::join_all(groups).await.into_iter().flatten().collect();
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result.map_err(|error| told(error, known))).collect()
    }

    async fn wait_group(
        &self,
        identity: &Identity,
        kind: &Kind,
        namespace: Option<&str>,
        waits: &[&Wait],
        heard: &Heard,
    ) -> Vec<Result<(), WaitError>> {
        let served = match self.served_with(kind).await {
            Ok(served) => served,
            Err(error) => return waits.iter().map(|_| Err(WaitError::Lost(error.to_string()))).collect(),
        };
        let Some(place) = served.get(kind) else {
            let lost = WaitError::Lost(format!("the cluster does not serve {}", kind.kind));
            return waits.iter().map(|_| Err(lost.clone())).collect();
        };
        // Something that goes by itself is watched by its name, because it may be nobody's and carry no mark.
        let config = match waits {
            [wait] if wait.until == Until::Gone => {
                watcher::Config::default().fields(&format!("metadata.name={}", wait.id.name))
            }
            _ => watcher::Config::default().labels(&format!("{PART_OF_LABEL}={}", identity.set)),
        };
        let objects = self.watch(kind, place, namespace, config);
        let has_pods = has_pods(kind);
        let pods = match namespace.filter(|_| has_pods).and_then(|ns| Some((ns, pod_place(&served)?))) {
            Some((ns, (kind, place))) => {
                let label = format!("{}={}", strata_components::desired::INSTANCE_LABEL, identity.instance);
                self.watch(kind, place, Some(ns), watcher::Config::default().labels(&label))
            }
            None => futures::stream::pending().boxed(),
        };
        // A Deployment's own status tells why its pods cannot be created; of the others only events do.
        let refusals = match namespace.filter(|_| has_pods && kind.kind != "Deployment") {
            Some(namespace) => self.refusals(namespace),
            None => futures::stream::pending().boxed(),
        };
        let mut group = Group::new(waits, heard.clone());
        group.run(News { objects, pods, refusals }).await;

        let mut results = Vec::new();
        for watched in group.watched {
            let mut result = watched.result.unwrap_or_else(|| Err(WaitError::Lost("the watch ended".to_owned())));
            if let Err(
                WaitError::Failed { reason, details }
                | WaitError::TimedOut { missing: reason, details, .. }
                | WaitError::StillThere { missing: reason, details, .. },
            ) = &mut result
                && let Some(about) = watched.pod.or(watched.object)
            {
                *details = self.explain(&about, reason).await;
            }
            results.push(result);
        }
        results
    }

    /// Events of a namespace that tell why pods could not be created, from now on.
    fn refusals(&self, namespace: &str) -> BoxStream<'static, Change> {
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.requests.streams(),
            namespace,
            &ApiResource::erase::<k8s_openapi::api::core::v1::Event>(&()),
        );
        let news = watcher(api, watcher::Config::default().fields("reason=FailedCreate")).default_backoff();
        news.filter_map(async |event| match event {
            Ok(Event::Apply(event)) => Some(Change::Is(plain(&event))),
            _ => None,
        })
        .boxed()
    }

    /// News of the objects of a kind: of those in a namespace, where one is named, that `config` chooses.
    pub(super) fn watch(
        &self,
        kind: &Kind,
        place: &Served,
        namespace: Option<&str>,
        config: watcher::Config,
    ) -> BoxStream<'static, Change> {
        let gvk = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &place.plural);
        let client = self.requests.streams();
        let api: Api<DynamicObject> = match namespace.filter(|_| place.namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let of = kind.kind.clone();
        watcher(api, config)
            .default_backoff()
            .inspect(move |event| tell(&of, event))
            .map(|event| match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => Change::Is(plain(&object)),
                Ok(Event::Delete(object)) => Change::Gone(plain(&object)),
                Ok(Event::Init) => Change::Again,
                Ok(Event::InitDone) => Change::Complete,
                Err(error) if is_final(&error) => Change::Refused(error.to_string()),
                Err(error) => Change::Broken(error.to_string()),
            })
            .boxed()
    }
}

/// Shows who a watch has news of, and of nothing that it holds.
fn tell(kind: &str, event: &Result<Event<DynamicObject>, watcher::Error>) {
    let (what, object) = match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => ("is", object),
        Ok(Event::Delete(object)) => ("is gone", object),
        Ok(Event::Init | Event::InitDone) | Err(_) => return,
    };
    let place = object.metadata.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let revision = object.metadata.resource_version.as_deref().unwrap_or_default();
    tracing::trace!("watch: {}", clean(&format!("{kind} {place}{name} {what} at revision {revision}")));
}

/// Whether objects of a kind are ready when their pods are.
pub(super) fn has_pods(kind: &Kind) -> bool {
    matches!(kind.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job")
}

/// The error without what is known to be secret.
fn told(error: WaitError, known: &Known) -> WaitError {
    let one = |text: String| known.told(&text).into_owned();
    let all = |texts: Vec<String>| texts.into_iter().map(one).collect();
    match error {
        WaitError::Failed { reason, details } => WaitError::Failed { reason: one(reason), details: all(details) },
        WaitError::TimedOut { limit, missing, details } => {
            WaitError::TimedOut { limit, missing: one(missing), details: all(details) }
        }
        WaitError::StillThere { limit, missing, details } => {
            WaitError::StillThere { limit, missing: one(missing), details: all(details) }
        }
        WaitError::Lost(reason) => WaitError::Lost(one(reason)),
    }
}

fn pod_place(served: &ServedKinds) -> Option<(&Kind, &Served)> {
    let kind = served.of_group("", "Pod")?;
    Some((kind, served.get(kind)?))
}

fn plain(object: &DynamicObject) -> Value {
    // It was JSON a moment ago: it can be JSON again.
    serde_json::to_value(object).unwrap_or_default()
}

/// Whether a watch would fare no better another time: the credentials are not accepted and cannot be renewed, or do not
/// allow it.
fn is_final(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => matches!(status.code, 401 | 403),
        _ => false,
    }
}

impl From<ProviderError> for WaitError {
    fn from(error: ProviderError) -> Self {
        Self::Lost(error.to_string())
    }
}

#[cfg(test)]
mod tests;
