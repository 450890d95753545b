//! The waits of one kind and namespace: news in, decisions out. No IO, only a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::super::readiness::Short;
use super::super::{pods, readiness};
use super::{BACK_OFF, Heard, PATIENCE};
use crate::observe::Health;
use crate::provider::{Until, Wait, WaitError, WaitNotice};

/// News from a watch.
#[derive(Debug)]
pub(in crate::cluster) enum Change {
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
    /// The watch is refused, and would be again.
    Refused(String),
}

/// The waits of one kind and namespace, and how far each is.
pub(super) struct Group {
    pub(super) watched: Vec<Watched>,
    pods: BTreeMap<String, Value>,
    /// Why the newest pod of an object could not be created, by the object's UID.
    refusals: BTreeMap<String, String>,
    ends: Ends,
    heard: Heard,
}

/// One wait.
pub(super) struct Watched {
    wait: Wait,
    deadline: Instant,
    /// When it has been held for long enough, where that is what is waited for.
    held: Option<Instant>,
    short: Shortage,
    pub(super) object: Option<Value>,
    missing: String,
    /// What keeps it from being ready, and when that counts as final.
    trouble: Option<(String, Instant)>,
    /// Whether it was to pass by itself when last looked at.
    passes: bool,
    /// The pod that it is not ready for.
    pub(super) pod: Option<Value>,
    pub(super) result: Option<Result<(), WaitError>>,
}

impl Watched {
    fn next_moment(&self) -> Instant {
        let trouble = self.trouble.as_ref().map(|(_, last)| *last);
        [trouble, self.end_of_hold(), self.end_of_patience()].into_iter().flatten().fold(self.deadline, Instant::min)
    }

    /// When it has been held for long enough: only what is known to be there, and whole, is held.
    fn end_of_hold(&self) -> Option<Instant> {
        self.held.filter(|_| self.object.is_some() && self.short.since.is_none())
    }

    /// When pods have been missing for too long of a hold, as long as they are known to be.
    fn end_of_patience(&self) -> Option<Instant> {
        let Until::Held { patience, .. } = self.wait.until else { return None };
        let since = self.short.since.filter(|_| self.object.is_some())?;
        Some(since + patience.saturating_sub(self.short.before))
    }
}

/// For how long pods of what is held have been missing.
#[derive(Default)]
struct Shortage {
    /// Since when they are now.
    since: Option<Instant>,
    /// For how long they were before that.
    before: Duration,
}

/// How often containers have ended by themselves, and those that have since pods were listed for the first time.
#[derive(Default)]
struct Ends {
    /// By the UID of the pod.
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// Pods of which a container has ended meanwhile, and what is told of it.
    seen: Vec<(Value, String)>,
    /// Whether all pods that were there in the beginning are known: what comes afterwards has everything before it.
    listed: bool,
}

impl Ends {
    fn note(&mut self, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let known = self.counts.entry(uid.to_owned()).or_default();
        for (container, count) in pods::ends(pod) {
            let first = if self.listed { 0 } else { count };
            let before = known.entry(container.to_owned()).or_insert(first);
            if count > *before {
                *before = count;
                self.seen.push((pod.clone(), pods::told_end(pod, container)));
            }
        }
    }

    /// The first that ended of a workload's pods.
    fn of(&self, workload: &Value) -> Option<&(Value, String)> {
        self.seen.iter().find(|(pod, _)| pods::selected(workload, pod))
    }
}

/// Where news come from.
pub(super) struct News {
    /// Of the objects that are waited for.
    pub(super) objects: BoxStream<'static, Change>,
    /// Of pods.
    pub(super) pods: BoxStream<'static, Change>,
    /// Of events that tell why a pod could not be created.
    pub(super) refusals: BoxStream<'static, Change>,
}

impl Group {
    pub(super) fn new(waits: &[&Wait], heard: Heard) -> Self {
        let now = Instant::now();
        let watched = waits.iter().map(|wait| Watched {
            wait: (*wait).clone(),
            deadline: now + wait.limit,
            held: if let Until::Held { lasting, .. } = wait.until { Some(now + lasting) } else { None },
            short: Shortage::default(),
            object: None,
            missing: "nothing is known of it yet".to_owned(),
            trouble: None,
            passes: false,
            pod: None,
            result: None,
        });
        Self {
            watched: watched.collect(),
            pods: BTreeMap::new(),
            refusals: BTreeMap::new(),
            ends: Ends::default(),
            heard,
        }
    }

    pub(super) async fn run(&mut self, news: News) {
        let News { mut objects, mut pods, mut refusals } = news;
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
                event = refusals.next() => match event {
                    Some(event) => self.pod_refused(&event),
                    None => refusals = futures::stream::pending().boxed(),
                },
                () = sleep_until(next) => self.time_passed(),
            }
        }
    }

    /// When something is decided even if nothing changes; `None` once all is decided.
    fn next_moment(&self) -> Option<Instant> {
        self.open().map(Watched::next_moment).min()
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
            Change::Refused(error) => {
                for one in self.watched.iter_mut().filter(|one| one.result.is_none()) {
                    one.result = Some(Err(WaitError::Lost(error.clone())));
                }
            }
        }
    }

    fn update(&mut self, object: &Value, now: Option<&Value>) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let Some(at) = self.watched.iter().position(|one| one.wait.id.name == name && one.result.is_none()) else {
            return;
        };
        let one = &mut self.watched[at];
        one.object = now.cloned().map(|mut object| {
            // The items of a list do not say of which kind they are.
            if object.get("kind").is_none() {
                object["kind"] = one.wait.id.kind.kind.clone().into();
            }
            object
        });
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
            Until::Ready(_) | Until::Held { .. } => Err(WaitError::Failed {
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
        let mut passes = false;
        let (missing, trouble, pod) = match &one.wait.until {
            Until::Gone if replaced => return self.decide(at, Ok(())),
            Until::Gone => (leaving(object), None, None),
            Until::Ready(_) | Until::Held { .. } if replaced => {
                let reason = "another object of the same name has taken its place".to_owned();
                return self.decide(at, Err(WaitError::Failed { reason, details: Vec::new() }));
            }
            Until::Held { readiness, .. } => {
                let short = readiness::short_of(object, readiness);
                return self.judge_held(at, short);
            }
            Until::Ready(rule) => match readiness::health(object, rule) {
                Health::Ready(_) => return self.decide(at, Ok(())),
                Health::Failed(reason) => (reason.clone(), Some(reason), self.unready_pod(object).cloned()),
                Health::Progressing(missing) => {
                    // How often a pod of a Job may fail is the Job's to say.
                    let failed = |pod: &Value| object["kind"] == "Job" && pods::has_failed(pod);
                    let own = self.pods.values().filter(|pod| pods::selected(object, pod) && !failed(pod));
                    let troubled = own.filter_map(|pod| Some((self.passes(pod), pods::trouble(pod)?, pod.clone())));
                    match troubled.min_by_key(|(passes, ..)| *passes) {
                        Some((true, trouble, pod)) => {
                            passes = true;
                            (trouble, None, Some(pod))
                        }
                        Some((false, trouble, pod)) => (trouble.clone(), Some(trouble), Some(pod)),
                        None => match self.refusal(object) {
                            Some(refusal) => (refusal.clone(), Some(refusal), None),
                            None => (missing, None, self.unready_pod(object).cloned()),
                        },
                    }
                }
            },
        };
        let one = &mut self.watched[at];
        one.pod = pod;
        let tried = one.passes && one.pod.as_ref().is_some_and(|pod| pods::unplaced(pod).is_some());
        let patience = if tried { PATIENCE + BACK_OFF } else { PATIENCE };
        one.trouble = trouble.map(|now| match one.trouble.take() {
            Some((_, last)) => (now, last),
            None => (now, Instant::now() + patience),
        });
        one.passes = passes;
        if one.missing != missing {
            one.missing.clone_from(&missing);
            (self.heard)(WaitNotice { id: one.wait.id.clone(), missing: Some(missing) });
        }
    }

    /// Judges what is held, and has or lacks pods.
    fn judge_held(&mut self, at: usize, short: Option<Short>) {
        let one = &self.watched[at];
        let Some(object) = one.object.as_ref() else { return };
        if let Some((pod, told)) = self.ends.of(object) {
            return self.broken(at, told.clone(), Some(pod.clone()));
        }
        let unready = self.unready_pod(object).cloned();
        let now = Instant::now();
        let one = &mut self.watched[at];
        let Some(Short { missing, nothing_left }) = short else {
            one.short.before += one.short.since.take().map_or(Duration::ZERO, |since| now - since);
            return;
        };
        one.short.since.get_or_insert(now);
        one.pod.clone_from(&unready);
        if nothing_left || one.end_of_patience().is_some_and(|end| end <= now) {
            return self.broken(at, missing, unready);
        }
        if one.missing != missing {
            one.missing.clone_from(&missing);
            (self.heard)(WaitNotice { id: one.wait.id.clone(), missing: Some(missing) });
        }
    }

    /// What was held is not held any longer.
    fn broken(&mut self, at: usize, why: String, pod: Option<Value>) {
        self.watched[at].pod = pod;
        let reason = format!("it did not stay ready: {why}");
        self.decide(at, Err(WaitError::Failed { reason, details: Vec::new() }));
    }

    /// Why pods of a workload cannot be created. While one of its pods is going, that may be what there is no room
    /// beside.
    fn refusal(&self, object: &Value) -> Option<String> {
        let told = || self.refusals.get(object["metadata"]["uid"].as_str()?).cloned();
        let message = readiness::refused_pods(object).or_else(told)?;
        let goes = self.pods.values().any(|pod| pods::is_going(pod) && pods::selected(object, pod));
        (!goes).then(|| format!("a pod cannot be created: {message}"))
    }

    /// Whether what keeps a pod from its node passes by itself: its volume is being made, or pods that are going may
    /// leave it room. How long that may take is for the limit of the wait.
    fn passes(&self, pod: &Value) -> bool {
        pods::unplaced(pod).is_some_and(|why| why.contains(pods::UNBOUND) || self.pods.values().any(pods::is_going))
    }

    /// A pod of a workload that is not ready; one that has failed before others.
    fn unready_pod(&self, object: &Value) -> Option<&Value> {
        let unready = |pod: &&Value| pods::selected(object, pod) && !pods::is_ready(pod);
        self.pods.values().filter(unready).max_by_key(|pod| pods::has_failed(pod))
    }

    fn pod_changed(&mut self, change: Change) {
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let pod = match change {
            Change::Is(pod) => {
                // One that is there was not refused.
                let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
                let new = !self.pods.contains_key(&name(&pod));
                for owner in owners.into_iter().flatten().filter(|_| new) {
                    self.refusals.remove(owner["uid"].as_str().unwrap_or_default());
                }
                self.pods.insert(name(&pod), pod.clone());
                self.ends.note(&pod);
                pod
            }
            Change::Gone(pod) => {
                self.pods.remove(&name(&pod));
                pod
            }
            Change::Again => {
                self.pods.clear();
                return;
            }
            Change::Complete => {
                self.ends.listed = true;
                (0..self.watched.len()).for_each(|at| self.judge(at));
                return;
            }
            Change::Broken(_) | Change::Refused(_) => return,
        };
        for at in 0..self.watched.len() {
            // A pod of others may make room.
            let one = &self.watched[at];
            let own = one.object.as_ref().is_some_and(|object| pods::selected(object, &pod));
            if own || one.passes || one.trouble.is_some() {
                self.judge(at);
            }
        }
    }

    /// An event says that a pod could not be created. What was told before the wait began may be over, and is not
    /// listened to: whoever creates pods goes on trying, and says so again.
    fn pod_refused(&mut self, event: &Change) {
        let Change::Is(event) = event else { return };
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let uid = text("/involvedObject/uid");
        let message = text("/message");
        let message = message.strip_prefix("Error creating: ").unwrap_or(&message).to_owned();
        for at in 0..self.watched.len() {
            if self.watched[at].object.as_ref().is_some_and(|object| object["metadata"]["uid"] == uid.as_str()) {
                self.refusals.insert(uid.clone(), message.clone());
                self.judge(at);
            }
        }
    }

    fn time_passed(&mut self) {
        let now = Instant::now();
        for at in 0..self.watched.len() {
            let one = &self.watched[at];
            if one.result.is_some() {
                continue;
            }
            if let Some((reason, _)) = one.trouble.as_ref().filter(|(_, last)| *last <= now) {
                let reason = reason.clone();
                self.decide(at, Err(WaitError::Failed { reason, details: Vec::new() }));
            } else if one.end_of_patience().is_some_and(|end| end <= now) {
                let Until::Held { patience, .. } = one.wait.until else { continue };
                let why = format!("{}, for {} s in all", one.missing, patience.as_secs());
                let pod = one.pod.clone();
                self.broken(at, why, pod);
            } else if one.end_of_hold().is_some_and(|end| end <= now) {
                self.decide(at, Ok(()));
            } else if one.deadline <= now {
                let (limit, missing) = (one.wait.limit, one.missing.clone());
                let details = Vec::new();
                let over = match one.wait.until {
                    Until::Gone => WaitError::StillThere { limit, missing, details },
                    Until::Ready(_) | Until::Held { .. } => WaitError::TimedOut { limit, missing, details },
                };
                self.decide(at, Err(over));
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
