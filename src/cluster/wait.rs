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
use tokio::time::{Instant, sleep_until, timeout};

use super::discovery::{Served, ServedKinds};
use super::identity::{Identity, PART_OF_LABEL};
use super::request::Call;
use super::{Cluster, pods, readiness};
use crate::observe::Health;
use crate::provider::{ProviderError, Until, Wait, WaitError, WaitNotice};

/// How long trouble has to last before it counts as final: a rollout passes through states that look like it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long collecting events for a failure may take, and again log lines.
const DETAILS_LIMIT: Duration = Duration::from_secs(5);
/// Last lines of a log that are shown.
const LOG_LINES: &str = "8";

type Heard = Arc<dyn Fn(WaitNotice) + Send + Sync>;

impl Cluster {
    /// One result a wait, in the same order.
    pub(super) async fn wait_all(
        &self,
        identity: &Identity,
        waits: &[Wait],
        heard: Heard,
    ) -> Vec<Result<(), WaitError>> {
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
        results.into_iter().map(|(_, result)| result).collect()
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
        let has_pods = matches!(kind.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job");
        let pods = match namespace.filter(|_| has_pods).and_then(|ns| Some((ns, pod_place(&served)?))) {
            Some((ns, (kind, place))) => {
                let label = format!("{}={}", strata_components::desired::INSTANCE_LABEL, identity.instance);
                self.watch(kind, place, Some(ns), watcher::Config::default().labels(&label))
            }
            None => futures::stream::pending().boxed(),
        };
        let mut group = Group::new(waits, heard.clone());
        group.run(objects, pods).await;

        let mut results = Vec::new();
        for watched in group.watched {
            let result = match watched.result {
                Some(Err(WaitError::Failed { reason, .. })) => {
                    let details = match watched.pod {
                        Some(pod) => self.details(&pod, &reason).await,
                        None => Vec::new(),
                    };
                    Err(WaitError::Failed { reason, details })
                }
                Some(result) => result,
                None => Err(WaitError::Lost("the watch ended".to_owned())),
            };
            results.push(result);
        }
        results
    }

    fn watch(
        &self,
        kind: &Kind,
        place: &Served,
        namespace: Option<&str>,
        config: watcher::Config,
    ) -> BoxStream<'static, Change> {
        let gvk = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &place.plural);
        let client = self.requests.client();
        let api: Api<DynamicObject> = match namespace.filter(|_| place.namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        watcher(api, config)
            .default_backoff()
            .map(|event| match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => Change::Is(plain(&object)),
                Ok(Event::Delete(object)) => Change::Gone(plain(&object)),
                Ok(Event::Init) => Change::Again,
                Ok(Event::InitDone) => Change::Complete,
                Err(error) => Change::Broken(error.to_string()),
            })
            .boxed()
    }

    /// Events and last log lines of a pod, as far as they can be had.
    async fn details(&self, pod: &Value, reason: &str) -> Vec<String> {
        let at = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (at("namespace"), at("name"));
        let mut details = Vec::new();
        let events =
            Call::get(format!("/api/v1/namespaces/{namespace}/events"), format!("reading events of pod {name}"))
                .query("fieldSelector", format!("involvedObject.name={name}"));
        if let Ok(Ok(list)) = timeout(DETAILS_LIMIT, self.requests.ok(&events)).await {
            let mut warnings: Vec<&Value> =
                list["items"].as_array().into_iter().flatten().filter(|event| event["type"] != "Normal").collect();
            warnings.sort_by_key(|event| (text(event, "lastTimestamp"), text(event, "message")));
            for event in warnings {
                let told = format!("event {}: {}", text(event, "reason"), text(event, "message"));
                // What was said in the reason needs no second telling; a repeated event none either.
                if !reason.contains(text(event, "message")) && !details.contains(&told) {
                    details.push(told);
                }
            }
        }
        let log = timeout(DETAILS_LIMIT, self.last_lines(namespace, name)).await.unwrap_or_default();
        details.extend(log.lines().map(|line| format!("log: {line}")));
        details
    }

    /// The last lines of what the pod wrote before it ended or, where it never did, of what it writes now.
    async fn last_lines(&self, namespace: &str, pod: &str) -> String {
        let before = self.log(namespace, pod, "true").await;
        if before.is_empty() { self.log(namespace, pod, "false").await } else { before }
    }

    async fn log(&self, namespace: &str, pod: &str, previous: &str) -> String {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?tailLines={LOG_LINES}&previous={previous}");
        match http::Request::get(uri).body(Vec::new()) {
            Ok(request) => self.requests.client().request_text(request).await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

fn pod_place(served: &ServedKinds) -> Option<(&Kind, &Served)> {
    let kind = served.of_group("", "Pod")?;
    Some((kind, served.get(kind)?))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn plain(object: &DynamicObject) -> Value {
    // It was JSON a moment ago: it can be JSON again.
    serde_json::to_value(object).unwrap_or_default()
}

/// News from a watch.
#[derive(Debug)]
enum Change {
    /// An object is like this now.
    Is(Value),
    /// An object was deleted.
    Gone(Value),
    /// The watch begins anew: what follows is everything there is.
    Again,
    /// That was everything there is.
    Complete,
    /// The watch broke, and is tried again.
    Broken(String),
}

/// The waits of one kind and namespace, and how far each is.
struct Group {
    watched: Vec<Watched>,
    pods: BTreeMap<String, Value>,
    heard: Heard,
}

/// One wait.
struct Watched {
    wait: Wait,
    deadline: Instant,
    object: Option<Value>,
    missing: String,
    trouble: Option<(String, Instant)>,
    pod: Option<Value>,
    result: Option<Result<(), WaitError>>,
}

impl Group {
    fn new(waits: &[&Wait], heard: Heard) -> Self {
        let now = Instant::now();
        let watched = waits.iter().map(|wait| Watched {
            wait: (*wait).clone(),
            deadline: now + wait.limit,
            object: None,
            missing: "nothing is known of it yet".to_owned(),
            trouble: None,
            pod: None,
            result: None,
        });
        Self { watched: watched.collect(), pods: BTreeMap::new(), heard }
    }

    async fn run(&mut self, mut objects: BoxStream<'static, Change>, mut pods: BoxStream<'static, Change>) {
        while let Some(next) = self.next_moment() {
            tokio::select! {
                change = objects.next() => match change {
                    Some(change) => self.object_changed(change),
                    None => return,
                },
                change = pods.next() => match change {
                    Some(change) => self.pod_changed(change),
                    None => pods = futures::stream::pending().boxed(),
                },
                () = sleep_until(next) => self.time_passed(),
            }
        }
    }

    /// When something is decided even if nothing changes; `None` once all is decided.
    fn next_moment(&self) -> Option<Instant> {
        self.open()
            .map(|one| one.trouble.as_ref().map_or(one.deadline, |(_, since)| one.deadline.min(*since + PATIENCE)))
            .min()
    }

    fn open(&self) -> impl Iterator<Item = &Watched> {
        self.watched.iter().filter(|one| one.result.is_none())
    }

    fn object_changed(&mut self, change: Change) {
        match change {
            Change::Is(object) => self.update(&object, Some(&object)),
            Change::Gone(object) => self.update(&object, None),
            Change::Again => self.watched.iter_mut().for_each(|one| one.object = None),
            Change::Complete => {
                for at in 0..self.watched.len() {
                    if self.watched[at].object.is_none() {
                        self.absent(at);
                    }
                }
            }
            Change::Broken(error) => {
                for one in self.watched.iter_mut().filter(|one| one.result.is_none()) {
                    one.missing = format!("the watch broke and is tried again: {error}");
                }
            }
        }
    }

    fn update(&mut self, object: &Value, now: Option<&Value>) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let Some(at) = self.watched.iter().position(|one| one.wait.id.name == name && one.result.is_none()) else {
            return;
        };
        self.watched[at].object = now.cloned();
        match now {
            Some(_) => self.judge(at),
            None => self.absent(at),
        }
    }

    /// The object is not there.
    fn absent(&mut self, at: usize) {
        let one = &mut self.watched[at];
        if one.result.is_some() {
            return;
        }
        let result = match one.wait.until {
            Until::Gone => Ok(()),
            Until::Ready(_) => Err(WaitError::Failed {
                reason: "it was deleted, or lost its label, while it was waited for".to_owned(),
                details: Vec::new(),
            }),
        };
        self.decide(at, result);
    }

    /// Judges the object, and the pods behind it, as they are now.
    fn judge(&mut self, at: usize) {
        let one = &self.watched[at];
        let Some(object) = one.object.as_ref().filter(|_| one.result.is_none()) else { return };
        let replaced = one.wait.uid.as_deref().is_some_and(|uid| object["metadata"]["uid"] != uid);
        let (missing, trouble, pod) = match &one.wait.until {
            Until::Gone if replaced => return self.decide(at, Ok(())),
            Until::Gone => (leaving(object), None, None),
            Until::Ready(_) if replaced => {
                let reason = "another object of the same name has taken its place".to_owned();
                return self.decide(at, Err(WaitError::Failed { reason, details: Vec::new() }));
            }
            Until::Ready(rule) => match readiness::health(object, rule) {
                Health::Ready(_) => return self.decide(at, Ok(())),
                Health::Failed(reason) => (reason.clone(), Some(reason), None),
                Health::Progressing(missing) => {
                    let pods = self.pods.values().filter(|pod| pods::selected(object, pod));
                    match pods.filter_map(|pod| Some((pods::trouble(pod)?, pod.clone()))).next() {
                        Some((trouble, pod)) => (trouble.clone(), Some(trouble), Some(pod)),
                        None => (missing, None, None),
                    }
                }
            },
        };
        let one = &mut self.watched[at];
        one.pod = pod;
        one.trouble = trouble.map(|now| match one.trouble.take() {
            Some((_, since)) => (now, since),
            None => (now, Instant::now()),
        });
        if one.missing != missing {
            one.missing.clone_from(&missing);
            (self.heard)(WaitNotice { id: one.wait.id.clone(), missing: Some(missing) });
        }
    }

    fn pod_changed(&mut self, change: Change) {
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        match change {
            Change::Is(pod) => {
                self.pods.insert(name(&pod), pod);
            }
            Change::Gone(pod) => {
                self.pods.remove(&name(&pod));
            }
            Change::Again => self.pods.clear(),
            Change::Complete | Change::Broken(_) => return,
        }
        (0..self.watched.len()).for_each(|at| self.judge(at));
    }

    fn time_passed(&mut self) {
        let now = Instant::now();
        for at in 0..self.watched.len() {
            let one = &self.watched[at];
            if one.result.is_some() {
                continue;
            }
            if let Some((reason, _)) = one.trouble.as_ref().filter(|(_, since)| *since + PATIENCE <= now) {
                let reason = reason.clone();
                self.decide(at, Err(WaitError::Failed { reason, details: Vec::new() }));
            } else if one.deadline <= now {
                let (limit, missing) = (one.wait.limit, one.missing.clone());
                self.decide(at, Err(WaitError::TimedOut { limit, missing }));
            }
        }
    }

    fn decide(&mut self, at: usize, result: Result<(), WaitError>) {
        let one = &mut self.watched[at];
        if result.is_ok() {
            (self.heard)(WaitNotice { id: one.wait.id.clone(), missing: None });
        }
        one.result = Some(result);
    }
}

fn leaving(object: &Value) -> String {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    match finalizers.filter(|list| !list.is_empty()) {
        Some(list) => {
            let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            format!("still there, held by the finalizers {}", names.join(", "))
        }
        None => "still there".to_owned(),
    }
}

impl From<ProviderError> for WaitError {
    fn from(error: ProviderError) -> Self {
        Self::Lost(error.to_string())
    }
}

#[cfg(test)]
mod tests;
