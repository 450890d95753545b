//! The two servers that a sequence can be sent to, behind one door: the embedded cluster, opened anew for each sequence,
//! and a real API server, started once, that gives each sequence a namespace of its own.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use control_plane::{ControlPlane, Programs};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube_embedded::{Cluster, Controllers, Options, Storage, TestClock};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::exchange::{Answer, Exchange};
use crate::hide::{Hidden, OWN};

/// What the embedded cluster's clock says throughout.
const NOW: &str = "2026-01-01T00:00:00Z";
/// How often a request is repeated that waits for something, a moment apart.
const PATIENCE: usize = 600;

/// A runtime for one thread's requests.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A real API server.
pub(crate) struct Real {
    plane: ControlPlane,
    sequences: AtomicUsize,
}

impl Real {
    /// The real server of this test run; `Err` says what is missing where its programs are not on this machine.
    pub(crate) fn get() -> Result<&'static Real, &'static str> {
        static RUNNING: OnceLock<Result<Real, String>> = OnceLock::new();
        let start = |programs: Programs| {
            let plane = ControlPlane::start(&programs, Path::new(env!("CARGO_TARGET_TMPDIR")));
            Real { plane, sequences: AtomicUsize::new(0) }
        };
        RUNNING.get_or_init(|| Programs::find(&["etcd", "kube-apiserver"]).map(start)).as_ref().map_err(String::as_str)
    }

    /// What it says it is.
    pub(crate) fn version(&self) -> &str {
        &self.plane.version
    }

    /// A client of it. Belongs to the runtime it was made in.
    pub(crate) async fn client(&self) -> kube::Client {
        control_plane::client(&self.plane.kubeconfig).await
    }

    /// A place for one sequence.
    pub(crate) async fn place(&self, client: &kube::Client) -> Place {
        let count = self.sequences.fetch_add(1, Ordering::Relaxed);
        Place::furnished(Door::Real(client.clone()), &format!("e{count:07}")).await
    }
}

enum Door {
    /// The cluster lives for as long as its router is used.
    Embedded {
        router: Router,
        _cluster: Cluster,
    },
    Real(kube::Client),
}

/// Where one sequence takes place: a server and a namespace with its service account, as a cluster's controllers would
/// have furnished it.
pub(crate) struct Place {
    door: Door,
    hidden: Hidden,
}

impl Place {
    /// A place on an embedded cluster of its own.
    pub(crate) async fn embedded() -> Place {
        let clock = TestClock::at(NOW.parse().unwrap());
        let options =
            Options { clock: std::sync::Arc::new(clock), controllers: Controllers::OfTheServer, ..Options::default() };
        let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
        Place::furnished(Door::Embedded { router: cluster.router(), _cluster: cluster }, OWN).await
    }

    async fn furnished(door: Door, own: &str) -> Place {
        let mut place = Place { door, hidden: Hidden::new(own) };
        let account = json!({"metadata": {"name": "default"}}).to_string();
        let namespace = json!({"metadata": {"name": own}}).to_string();
        for (path, body) in [
            ("/api/v1/namespaces".to_owned(), namespace),
            (format!("/api/v1/namespaces/{own}/serviceaccounts"), account),
        ] {
            let request = Request::post(path).header(header::CONTENT_TYPE, "application/json").body(body).unwrap();
            let (code, _, body) = place.send(request).await;
            assert_eq!(code, StatusCode::CREATED, "{}", String::from_utf8_lossy(&body));
        }
        place
    }

    /// Sends a request whose body is `payload`, and gives back its answer with placeholders.
    pub(crate) async fn exchange(&mut self, exchange: &Exchange, payload: &str) -> Answer {
        let (method, path) = exchange.target();
        let path = self.hidden.reveal(path);
        let payload = self.hidden.reveal(payload);
        let request = || {
            let mut request = Request::builder()
                .method(Method::from_bytes(method.as_bytes()).unwrap())
                .uri(&path)
                .header(header::USER_AGENT, "judge/1");
            if !payload.is_empty() || exchange.content.is_some() {
                let content = exchange.content.as_deref().unwrap_or("application/json");
                request = request.header(header::CONTENT_TYPE, content);
            }
            request = request.header(header::ACCEPT, exchange.accept.as_deref().unwrap_or("application/json"));
            request.body(payload.clone()).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
        };
        let mut moments = tokio::time::interval(std::time::Duration::from_millis(20));
        for _ in 0..PATIENCE {
            let (code, headers, body) = self.send(request()).await;
            let value: Option<Value> = serde_json::from_slice(&body).ok();
            let there = |(pointer, wanted): (&String, &Value)| {
                value.as_ref().and_then(|value| value.pointer(pointer)) == Some(wanted)
            };
            if exchange.until.iter().all(there) {
                return self.answer(code, &headers, &body, value);
            }
            match self.door {
                Door::Real(_) => {
                    moments.tick().await;
                }
                Door::Embedded { .. } => tokio::task::yield_now().await,
            }
        }
        panic!("{method} {path} never answered what was waited for")
    }

    async fn send(&mut self, request: Request<String>) -> (StatusCode, http::HeaderMap, Vec<u8>) {
        let (head, body) = match &self.door {
            Door::Embedded { router, .. } => {
                let response = router.clone().oneshot(request.map(Body::from)).await.unwrap();
                let (head, body) = response.into_parts();
                (head, body.collect().await.unwrap().to_bytes())
            }
            Door::Real(client) => {
                let request = request.map(|text| kube::client::Body::from(text.into_bytes()));
                let response: Response<kube::client::Body> = client.send(request).await.unwrap();
                let (head, body) = response.into_parts();
                (head, body.collect().await.unwrap().to_bytes())
            }
        };
        (head.status, head.headers, body.to_vec())
    }

    fn answer(&mut self, code: StatusCode, headers: &http::HeaderMap, body: &[u8], value: Option<Value>) -> Answer {
        let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let warnings = headers.get_all(header::WARNING).iter().map(|warning| {
            let warning = String::from_utf8_lossy(warning.as_bytes()).into_owned();
            self.hidden.hide_text(warning.strip_prefix("299 - ").unwrap_or(&warning).trim_matches('"'))
        });
        let warnings = warnings.collect();
        let content = text(header::CONTENT_TYPE).filter(|content| content != "application/json");
        let plain = value.is_none() && !body.is_empty();
        Answer {
            code: code.as_u16(),
            content,
            warnings,
            retry_after: text(header::RETRY_AFTER),
            text: plain.then(|| self.hidden.hide_text(&String::from_utf8_lossy(body))),
            body: value.map(|value| self.hidden.hide(&value)),
        }
    }
}
