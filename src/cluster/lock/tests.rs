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

    fn lock(self: &Arc<Self>, holder: &str) -> Lease {
        let instance = Instance { stack: "s".into(), environment: "e".into(), suffix: None };
        Lease::new(Requests::new(self.client(), None), &Identity::new(&instance, "strata-system"), holder.to_owned())
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

#[test]
fn a_free_lock_is_taken_and_given_back() {
    simulated(async |server| {
        let guard = server.lock("one").acquire(nothing_heard()).await.expect("it is free");
        assert_eq!(server.holder(), "one");
        guard.release(false).await.expect("it can be given back");
        assert_eq!(server.holder(), "");
        let guard = server.lock("two").acquire(nothing_heard()).await.expect("it is free again");
        guard.release(true).await.expect("it can be forgotten");
        assert_eq!(server.lease(), None);
    });
}

#[test]
fn a_holder_that_is_heard_of_keeps_its_lock() {
    simulated(async |server| {
        let guard = server.lock("one").acquire(nothing_heard()).await.expect("it is free");
        let refused = server.lock("two").acquire(nothing_heard()).await.err().expect("it is held");
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
        let guard = server.lock("two").acquire(hear).await.expect("it is taken over");
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
        let guard = server.lock("one").acquire(nothing_heard()).await.expect("it is free");
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
        let guard = server.lock("one").acquire(nothing_heard()).await.expect("it is free");
        *server.refuses_writes.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let began = Instant::now();
        let lost = guard.lost().await;
        assert!(lost.ends_with("taking the lock Lease strata-system/strata-s-e: Forbidden (403)"), "{lost}");
        assert!(began.elapsed() < DURATION, "{:?}", began.elapsed());
    });
}
