//! One run at a time: a Lease in the control namespace for each instance.
//!
//! A Lease that another run holds is taken over only after it was seen unchanged for its whole duration, measured
//! on this process's own monotonic clock; what the other clock wrote is never compared. The holder renews at a
//! third of the duration and stops working when it could not renew in time. Before each write
//! it is made sure that the last renewal is recent enough, because a process that was stopped for a while goes on where it
//! was. Requests that were sent just before and reach the server late are the writes that can still come from a run that
//! has lost its lock.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::identity::Identity;
use super::request::{Call, Held, Requests};
use crate::provider::{LockGuard, LockNotice, Patience, ProviderError, Unlock};

/// How long a Lease stands without being renewed.
pub(super) const DURATION: Duration = Duration::from_secs(15);
/// How often a holder renews.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a renewal may take: it ends, with the pause before it, well before the Lease could be taken.
const RENEWAL_LIMIT: Duration = Duration::from_secs(5);
/// How long after a renewal the holder still writes: what is on its way then has this much less to arrive.
const GOOD_FOR: Duration = Duration::from_secs(13);
/// How often one who waits looks.
const LOOK: Duration = Duration::from_millis(500);
/// How often the Lease is looked at to take it from a run that goes on renewing it.
const UNLOCK_TRIES: u32 = 5;

/// The Lease of one instance.
#[derive(Clone)]
pub(super) struct Lease {
    requests: Requests,
    /// Tells the requests of the run how sure the lock is.
    held: Held,
    namespace: String,
    name: String,
    instance: String,
    holder: String,
}

impl Lease {
    /// `holder` tells this run from every other.
    pub(super) fn new(requests: &Requests, identity: &Identity, holder: String) -> Self {
        let (requests, held) = requests.of_lock();
        Self {
            requests,
            held,
            namespace: identity.control_namespace.clone(),
            name: identity.control_name(),
            instance: identity.instance.clone(),
            holder,
        }
    }

    fn collection(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} the lock Lease {}/{}", self.namespace, self.name)
    }

    /// The Lease as it is; none where there is none.
    pub(super) async fn find(&self) -> Result<Option<Value>, ProviderError> {
        self.requests.find(&Call::get(self.path(), self.doing("reading"))).await
    }

    /// What is another one after each write of the Lease; none where it must not be read, which is said with all else that
    /// a run must not do.
    pub(super) async fn mark(&self) -> Result<Option<String>, ProviderError> {
        match self.find().await {
            Err(ProviderError::Refused { code: 403, .. }) => Ok(None),
            found => Ok(found?.map(|lease| mark(&lease))),
        }
    }

    /// Takes the Lease, waiting for a silent holder's time to run out; `None` where the waiting was interrupted.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Locked`] once the holder is heard of again and the limit is over.
    pub(super) async fn acquire(
        self,
        mut patience: Patience,
        heard: Arc<dyn Fn(LockNotice) + Send + Sync>,
    ) -> Result<Option<Box<dyn LockGuard>>, ProviderError> {
        let begun = Instant::now();
        let mut watched: Option<(String, Instant)> = None;
        let mut told = String::new();
        loop {
            let asked = Instant::now();
            let found = self.find().await?;
            let before = found.as_ref().map(mark);
            let taken = match found {
                None => self.create().await?,
                Some(lease) if holder(&lease).is_empty() || holder(&lease) == self.holder => self.take(&lease).await?,
                Some(lease) => {
                    let version = text(&lease, "/metadata/resourceVersion");
                    let silence = duration(&lease);
                    match &watched {
                        Some((seen, since)) if *seen == version && since.elapsed() >= silence => {
                            let taken = self.take(&lease).await?;
                            if taken.is_some() {
                                heard(LockNotice::TakenOver { holder: holder(&lease).to_owned() });
                            }
                            taken
                        }
                        Some((seen, _)) if *seen == version => None,
                        Some(_) if begun.elapsed() >= patience.limit => {
                            return Err(ProviderError::Locked {
                                instance: self.instance.clone(),
                                holder: holder(&lease).to_owned(),
                                renewed: text(&lease, "/spec/renewTime"),
                            });
                        }
                        _ => {
                            if told != holder(&lease) {
                                holder(&lease).clone_into(&mut told);
                                heard(LockNotice::Waiting { holder: told.clone(), silence });
                            }
                            // Not from before the answer: the Lease was like this at its end.
                            watched = Some((version, Instant::now()));
                            None
                        }
                    }
                }
            };
            if let Some(lease) = taken {
                return Ok(Some(Box::new(Guard::start(self, before, lease, asked))));
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                Ok(_) = patience.interrupt.wait_for(|stop| *stop) => return Ok(None),
            }
        }
    }

    /// Takes the Lease away from this holder.
    pub(super) async fn take_from(&self, held_by: &str) -> Result<Unlock, ProviderError> {
        for _ in 0..UNLOCK_TRIES {
            let Some(lease) = self.find().await? else { return Ok(Unlock::Free) };
            match holder(&lease) {
                "" => return Ok(Unlock::Free),
                other if other != held_by => {
                    let (holder, renewed) = (other.to_owned(), text(&lease, "/spec/renewTime"));
                    return Ok(Unlock::Other { holder, renewed });
                }
                _ => {}
            }
            let call = Call::put(self.path(), self.doing("releasing"), &self.free(&lease));
            let answer = self.requests.send(&call).await?;
            match answer.status {
                // Somebody has written it meanwhile: perhaps this very run, in a try of which the answer was lost.
                StatusCode::CONFLICT => {}
                StatusCode::NOT_FOUND => return Ok(Unlock::Free),
                _ => return answer.ok(&call.doing).map(|_| Unlock::Released),
            }
        }
        let detail = format!("{held_by} goes on renewing it, and so is at work");
        Err(ProviderError::Unexpected { doing: self.doing("releasing"), detail })
    }

    fn body(&self, lease: Option<&Value>, holder: &str) -> Value {
        let now = now();
        let transitions = lease.and_then(|lease| lease.pointer("/spec/leaseTransitions")?.as_u64()).unwrap_or(0);
        let acquired = lease
            .filter(|lease| self::holder(lease) == holder)
            .and_then(|lease| lease.pointer("/spec/acquireTime")?.as_str())
            .unwrap_or(&now);
        let mut body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "strata",
                    strata_components::desired::INSTANCE_LABEL: self.instance,
                },
            },
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": DURATION.as_secs(),
                "acquireTime": acquired,
                "renewTime": now,
                "leaseTransitions": transitions + u64::from(lease.is_some_and(|lease| self::holder(lease) != holder)),
            },
        });
        if let Some(version) = lease.map(|lease| text(lease, "/metadata/resourceVersion")) {
            body["metadata"]["resourceVersion"] = version.into();
        }
        body
    }

    /// The Lease as created; `None` where another run was quicker.
    async fn create(&self) -> Result<Option<Value>, ProviderError> {
        let call = Call::post(self.collection(), self.doing("creating"), &self.body(None, &self.holder));
        let answer = self.requests.send(&call).await?;
        if answer.status == StatusCode::CONFLICT { Ok(None) } else { answer.ok(&call.doing).map(Some) }
    }

    /// The Lease as taken or renewed; `None` where another run wrote it meanwhile.
    async fn take(&self, lease: &Value) -> Result<Option<Value>, ProviderError> {
        let began = Instant::now();
        let call = Call::put(self.path(), self.doing("taking"), &self.body(Some(lease), &self.holder));
        let answer = self.requests.send(&call.clone().within(RENEWAL_LIMIT)).await?;
        match answer.status {
            // A try whose answer was lost may be what has moved the Lease on.
            StatusCode::CONFLICT if answer.repeated => {
                let left = RENEWAL_LIMIT.saturating_sub(began.elapsed());
                let found = self.requests.find(&Call::get(self.path(), self.doing("reading")).within(left)).await?;
                Ok(found.filter(|lease| holder(lease) == self.holder))
            }
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(None),
            _ => answer.ok(&call.doing).map(Some),
        }
    }

    /// Leaves the Lease to whoever comes next.
    async fn give_back(&self, lease: &Value, forget: bool) -> Result<(), ProviderError> {
        if forget {
            let only = json!({"preconditions": {"uid": text(lease, "/metadata/uid")}});
            let call = Call::delete(self.path(), self.doing("deleting"), &only).within(RENEWAL_LIMIT);
            return self.requests.find(&call).await.map(|_| ());
        }
        let call = Call::put(self.path(), self.doing("giving back"), &self.free(lease)).within(RENEWAL_LIMIT);
        self.requests.ok(&call).await.map(|_| ())
    }

    /// The Lease as nobody's.
    fn free(&self, lease: &Value) -> Value {
        let mut body = self.body(Some(lease), holder(lease));
        body["spec"]["holderIdentity"] = "".into();
        body
    }
}

/// A Lease that is held, and the task that renews it.
struct Guard {
    before: Option<String>,
    held: Held,
    stop: oneshot::Sender<bool>,
    task: JoinHandle<Result<(), ProviderError>>,
    lost: watch::Receiver<Option<String>>,
}

impl Guard {
    /// `asked` is when the Lease cannot have been taken yet.
    fn start(lease: Lease, before: Option<String>, current: Value, asked: Instant) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, lost) = watch::channel(None);
        let held = lease.held.clone();
        held.renewed(asked, GOOD_FOR);
        let task = tokio::spawn(renew(lease, current, asked, stopped, tell));
        Self { before, held, stop, task, lost }
    }
}

/// Renews until told to stop, then gives the Lease back. Tells when it is lost, and ends.
async fn renew(
    lease: Lease,
    mut current: Value,
    mut renewed: Instant,
    mut stopped: oneshot::Receiver<bool>,
    tell: watch::Sender<Option<String>>,
) -> Result<(), ProviderError> {
    loop {
        tokio::select! {
            forget = &mut stopped => return lease.give_back(&current, forget.unwrap_or(false)).await,
            () = sleep(PERIOD) => {}
        }
        let began = Instant::now();
        let trouble = match lease.take(&current).await {
            Ok(Some(next)) => {
                (current, renewed) = (next, began);
                lease.held.renewed(began, GOOD_FOR);
                continue;
            }
            Ok(None) => "another run has taken it".to_owned(),
            Err(error) if renewed.elapsed() + PERIOD + RENEWAL_LIMIT < DURATION => {
                tracing::debug!(%error, "renewing the lock failed; trying again");
                continue;
            }
            Err(error) => error.to_string(),
        };
        lease.held.renewed(renewed, Duration::ZERO);
        tell.send_replace(Some(format!("the lock Lease {}/{} is lost: {trouble}", lease.namespace, lease.name)));
        return Ok(());
    }
}

impl LockGuard for Guard {
    fn mark(&self) -> Option<&str> {
        self.before.as_deref()
    }

    fn lost<'a>(&'a self) -> BoxFuture<'a, String> {
        let mut lost = self.lost.clone();
        Box::pin(async move {
            let heard = lost.wait_for(Option::is_some).await.map(|reason| reason.clone());
            match heard {
                Ok(Some(reason)) => reason,
                // The task ended without a word: it was told to stop, and nothing is lost.
                _ => std::future::pending().await,
            }
        })
    }

    fn release(self: Box<Self>, forget: bool) -> BoxFuture<'static, Result<(), ProviderError>> {
        Box::pin(async move {
            // A task that has ended already has lost the Lease: there is nothing to give back.
            let _ = self.stop.send(forget);
            let result = self.task.await.unwrap_or(Ok(()));
            if self.lost.borrow().is_none() {
                self.held.given_back();
            }
            result
        })
    }
}

/// What is another one after each write, and for each Lease of this name.
fn mark(lease: &Value) -> String {
    format!("{}/{}", text(lease, "/metadata/uid"), text(lease, "/metadata/resourceVersion"))
}

fn holder(lease: &Value) -> &str {
    lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default()
}

fn duration(lease: &Value) -> Duration {
    let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64);
    seconds.map_or(DURATION, Duration::from_secs)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Now, as a Lease writes it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests;
