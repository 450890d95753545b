//! One run at a time: a Lease in the control namespace for each instance.
//!
//! A Lease that another run holds is taken over only after it was seen unchanged for its whole duration, measured
//! on this process's own monotonic clock; what the other clock wrote is never compared. The holder renews at a
//! third of the duration and stops working when it could not renew in time. A request that was sent just before
//! and reaches the server late is the one write that can still come from a run that has lost its lock.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::identity::Identity;
use super::request::{Call, Requests};
use crate::provider::{LockGuard, LockNotice, ProviderError};

/// How long a Lease stands without being renewed.
pub(super) const DURATION: Duration = Duration::from_secs(15);
/// How often a holder renews, and how often one who waits looks.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a renewal may take: it ends, with the pause before it, well before the Lease could be taken.
const RENEWAL_LIMIT: Duration = Duration::from_secs(5);

/// The Lease of one instance.
#[derive(Clone)]
pub(super) struct Lease {
    requests: Requests,
    namespace: String,
    name: String,
    instance: String,
    holder: String,
}

impl Lease {
    /// `holder` tells this run from every other.
    pub(super) fn new(requests: Requests, identity: &Identity, holder: String) -> Self {
        Self {
            requests,
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

    /// Takes the Lease, waiting for a silent holder's time to run out.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Locked`] as soon as the holder is heard of again.
    pub(super) async fn acquire(
        self,
        heard: Arc<dyn Fn(LockNotice) + Send + Sync>,
    ) -> Result<Box<dyn LockGuard>, ProviderError> {
        let mut watched: Option<(String, Instant)> = None;
        loop {
            let taken = match self.find().await? {
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
                        Some(_) => {
                            return Err(ProviderError::Locked {
                                instance: self.instance.clone(),
                                holder: holder(&lease).to_owned(),
                                renewed: text(&lease, "/spec/renewTime"),
                            });
                        }
                        None => {
                            heard(LockNotice::Waiting { holder: holder(&lease).to_owned(), silence });
                            watched = Some((version, Instant::now()));
                            None
                        }
                    }
                }
            };
            match taken {
                Some(lease) => return Ok(Box::new(Guard::start(self, lease))),
                None => sleep(Duration::from_millis(500)).await,
            }
        }
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
        let mut body = self.body(Some(lease), &self.holder);
        body["spec"]["holderIdentity"] = "".into();
        let call = Call::put(self.path(), self.doing("giving back"), &body).within(RENEWAL_LIMIT);
        self.requests.ok(&call).await.map(|_| ())
    }
}

/// A Lease that is held, and the task that renews it.
struct Guard {
    stop: oneshot::Sender<bool>,
    task: JoinHandle<Result<(), ProviderError>>,
    lost: watch::Receiver<Option<String>>,
}

impl Guard {
    fn start(lease: Lease, current: Value) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, lost) = watch::channel(None);
        let task = tokio::spawn(renew(lease, current, stopped, tell));
        Self { stop, task, lost }
    }
}

/// Renews until told to stop, then gives the Lease back. Tells when it is lost, and ends.
async fn renew(
    lease: Lease,
    mut current: Value,
    mut stopped: oneshot::Receiver<bool>,
    tell: watch::Sender<Option<String>>,
) -> Result<(), ProviderError> {
    let mut renewed = Instant::now();
    loop {
        tokio::select! {
            forget = &mut stopped => return lease.give_back(&current, forget.unwrap_or(false)).await,
            () = sleep(PERIOD) => {}
        }
        let began = Instant::now();
        let trouble = match lease.take(&current).await {
            Ok(Some(next)) => {
                (current, renewed) = (next, began);
                continue;
            }
            Ok(None) => "another run has taken it".to_owned(),
            Err(error) if renewed.elapsed() + PERIOD + RENEWAL_LIMIT < DURATION => {
                tracing::debug!(%error, "renewing the lock failed; trying again");
                continue;
            }
            Err(error) => error.to_string(),
        };
        tell.send_replace(Some(format!("the lock Lease {}/{} is lost: {trouble}", lease.namespace, lease.name)));
        return Ok(());
    }
}

impl LockGuard for Guard {
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
            self.task.await.unwrap_or(Ok(()))
        })
    }
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
