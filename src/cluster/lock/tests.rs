//! The lock against a server that keeps one Lease, in simulated time.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use strata_components::desired::Instance;

use super::*;

/// A server that keeps one Lease, as strictly as a real one: a write names the version it was made from.
#[derive(Default)]
struct Server {
    lease: Mutex<Option<Value>>,
    version: Mutex<u64>,
    refuses_writes: Mutex<bool>,
}

impl Server {
    fn lease(&self) -> Option<Value> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, lease: Option<Value>) -> Value {
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        *version += 1;
        let stored = lease.map(|mut lease| {
            lease["metadata"]["resourceVersion"] = version.to_string().into();
            lease["metadata"]["uid"] = "u".into();
            lease
        });
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&stored);
        stored.unwrap_or_default()
    }

    fn answer(&self, method: &Method, body: Value) -> (u16, Value) {
        let status = |code: u16, reason: &str| (code, json!({"kind": "Status", "reason": reason, "message": reason}));
        let refuses = *self.refuses_writes.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.lease();
        let same = live
            .as_ref()
            .is_some_and(|live| live["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]);
        match (method.as_str(), live) {
            ("GET", Some(lease)) => (200, lease),
            ("GET" | "PUT" | "DELETE", None) => status(404, "NotFound"),
            (_, _) if refuses => status(403, "Forbidden"),
            ("POST", None) => (201, self.store(Some(body))),
            ("POST", Some(_)) => status(409, "AlreadyExists"),
            ("PUT", Some(_)) if same => (200, self.store(Some(body))),
            ("PUT", Some(_)) => status(409, "Conflict"),
            ("DELETE", Some(_)) => (200, self.store(None)),
            _ => status(405, "MethodNotAllowed"),
        }
    }

    fn client(self: &Arc<Self>) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let body = serde_json::from_slice(&bytes).unwrap_or_default();
                let (code, answer) = server.answer(&head.method, body);
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
                Ok::<_, Infallible>(response)
            }
        });
        kube::Client::new(service, "default")
    }

    fn requests(self: &Arc<Self>) -> Requests {
        Requests::new(self.client(), None)
    }

    fn lock(self: &Arc<Self>, holder: &str) -> Lease {
        self.lock_of(&self.requests(), holder)
    }

    /// The lock of a run that makes these requests.
    fn lock_of(&self, requests: &Requests, holder: &str) -> Lease {
        let instance = Instance { stack: "s".into(), environment: "e".into(), suffix: None };
        Lease::new(requests, &Identity::new(&instance, "strata-system"), holder.to_owned())
    }

    fn holder(&self) -> String {
        self.lease().map(|lease| holder(&lease).to_owned()).unwrap_or_default()
    }
}

/// Runs a test in simulated time.
fn simulated(test: impl AsyncFnOnce(Arc<Server>)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime in simulated time");
    runtime.block_on(test(Arc::new(Server::default())));
}

fn nothing_heard() -> Arc<dyn Fn(LockNotice) + Send + Sync> {
    Arc::new(|_| {})
}

/// Who waits so long for a run that lives.
fn patient(seconds: u64) -> Patience {
    Patience { limit: Duration::from_secs(seconds), ..Patience::default() }
}

/// Takes a lock that can be had.
async fn taken(lock: Lease) -> Box<dyn LockGuard> {
    lock.acquire(patient(0), nothing_heard()).await.expect("it can be had").expect("nothing interrupts")
}

#[test]
fn a_free_lock_is_taken_and_given_back() {
    simulated(async |server| {
        let guard = taken(server.lock("one")).await;
        assert_eq!(server.holder(), "one");
        guard.release(false).await.expect("it can be given back");
        assert_eq!(server.holder(), "");
        let guard = taken(server.lock("two")).await;
        guard.release(true).await.expect("it can be forgotten");
        assert_eq!(server.lease(), None);
    });
}

#[test]
fn a_holder_that_is_heard_of_keeps_its_lock() {
    simulated(async |server| {
        let guard = taken(server.lock("one")).await;
        let refused = server.lock("two").acquire(patient(0), nothing_heard()).await.err().expect("it is held");
        assert!(matches!(&refused, ProviderError::Locked { holder, .. } if holder == "one"), "{refused}");
        assert_eq!(server.holder(), "one");
        guard.release(false).await.expect("it can be given back");
    });
}

#[test]
fn a_silent_holder_loses_its_lock_after_its_whole_time() {
    simulated(async |server| {
        let gone = server.lock("gone");
        server.store(Some(gone.body(None, "gone")));
        let began = Instant::now();
        let told = Arc::new(Mutex::new(Vec::new()));
        let notes = told.clone();
        let hear = Arc::new(move |notice| notes.lock().unwrap_or_else(PoisonError::into_inner).push(notice));
        let guard =
            server.lock("two").acquire(patient(0), hear).await.expect("it is taken over").expect("nothing interrupts");
        assert_eq!(server.holder(), "two");
        assert_eq!(began.elapsed().as_secs(), DURATION.as_secs());
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let holder = || "gone".to_owned();
        assert_eq!(
            told,
            [LockNotice::Waiting { holder: holder(), silence: DURATION }, LockNotice::TakenOver { holder: holder() }]
        );
        guard.release(false).await.expect("it can be given back");
    });
}

#[test]
fn a_lock_that_another_took_is_lost() {
    simulated(async |server| {
        let guard = taken(server.lock("one")).await;
        let other = server.lock("other");
        let lease = server.lease();
        server.store(Some(other.body(lease.as_ref(), "other")));
        assert_eq!(guard.lost().await, "the lock Lease strata-system/strata-s-e is lost: another run has taken it");
        guard.release(true).await.expect("there is nothing to give back");
        assert_eq!(server.holder(), "other");
    });
}

#[test]
fn a_lock_that_cannot_be_renewed_is_lost_before_another_could_take_it() {
    simulated(async |server| {
        let guard = taken(server.lock("one")).await;
        *server.refuses_writes.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let began = Instant::now();
        let lost = guard.lost().await;
        assert!(lost.ends_with("taking the lock Lease strata-system/strata-s-e: Forbidden (403)"), "{lost}");
        assert!(began.elapsed() < DURATION, "{:?}", began.elapsed());
    });
}

#[test]
fn a_living_holder_is_waited_for_as_long_as_there_is_patience() {
    simulated(async |server| {
        let guard = taken(server.lock("one")).await;
        let began = Instant::now();
        let refused = server.lock("two").acquire(patient(60), nothing_heard()).await.err().expect("it is held");
        assert!(matches!(&refused, ProviderError::Locked { holder, .. } if holder == "one"), "{refused}");
        // It is heard of every five seconds, and looked at twice a second.
        assert!((60..=66).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());

        let later = tokio::spawn(server.lock("two").acquire(patient(60), nothing_heard()));
        sleep(Duration::from_secs(40)).await;
        guard.release(false).await.expect("it can be given back");
        let guard = later.await.expect("it ends").expect("it is given back in time").expect("nothing interrupts");
        assert_eq!(server.holder(), "two");
        guard.release(false).await.expect("it can be given back");
    });
}

#[test]
fn an_interrupt_ends_the_waiting_and_locks_nothing() {
    simulated(async |server| {
        let guard = taken(server.lock("one")).await;
        let (interrupt, interrupted) = watch::channel(false);
        let patience = Patience { interrupt: interrupted, ..patient(600) };
        let waiting = tokio::spawn(server.lock("two").acquire(patience, nothing_heard()));
        sleep(Duration::from_secs(100)).await;
        interrupt.send_replace(true);
        assert!(waiting.await.expect("it ends").expect("that is no error").is_none());
        assert_eq!(server.holder(), "one");
        guard.release(false).await.expect("it can be given back");
    });
}

#[test]
fn the_mark_is_another_one_after_each_turn() {
    simulated(async |server| {
        let mark = async || server.lock("nobody").mark().await.expect("it can be read");
        assert_eq!(mark().await, None);
        let guard = taken(server.lock("one")).await;
        assert_eq!(guard.mark(), None, "what it was before");
        guard.release(false).await.expect("it can be given back");
        let between = mark().await;
        let guard = taken(server.lock("two")).await;
        assert_eq!(guard.mark(), between.as_deref());
        assert_ne!(mark().await, between);
        guard.release(false).await.expect("it can be given back");
        assert_ne!(mark().await, between);
    });
}

#[test]
fn only_the_named_holder_is_unlocked() {
    simulated(async |server| {
        let keys = || server.lock("somebody");
        assert_eq!(keys().take_from("one").await.expect("it can be read"), Unlock::Free);
        let guard = taken(server.lock("one")).await;
        let other = keys().take_from("gone").await.expect("it can be read");
        assert!(matches!(&other, Unlock::Other { holder, .. } if holder == "one"), "{other:?}");
        assert_eq!(server.holder(), "one");
        assert_eq!(keys().take_from("one").await.expect("it can be written"), Unlock::Released);
        assert_eq!((server.holder().as_str(), keys().take_from("one").await.ok()), ("", Some(Unlock::Free)));
        assert_eq!(guard.lost().await, "the lock Lease strata-system/strata-s-e is lost: another run has taken it");
    });
}

/// A run that is stopped as a whole, and goes on where it was: its own tasks have not come to anything meanwhile.
#[test]
fn a_run_that_was_stopped_for_longer_than_its_lock_is_good_for_writes_nothing_more() {
    simulated(async |server| {
        let requests = server.requests();
        let write = async || requests.send(&Call::put("/elsewhere", "writing something", &json!({}))).await;
        let read = async || requests.send(&Call::get("/elsewhere", "reading something")).await;
        assert!(write().await.is_ok(), "without a lock, none is needed");
        let guard = taken(server.lock_of(&requests, "one")).await;
        sleep(Duration::from_secs(60)).await;
        assert!(write().await.is_ok(), "it is renewed");

        // The first to go on is whoever was about to write.
        let mut refused = None;
        for _ in 0..2 {
            let stopped = tokio::time::advance(Duration::from_secs(7));
            tokio::pin!(stopped);
            let _ = futures::poll!(&mut stopped);
            refused = write().await.err();
        }
        let refused = refused.expect("14 seconds are too long").to_string();
        let words = "writing something: not sent, because the lock was not renewed for ";
        assert!(refused.starts_with(words), "{refused}");
        assert!(read().await.is_ok(), "reading harms nobody");
        drop(guard);
    });
}
