//! Faults for tests: a tower layer that makes an API misbehave as networks, proxies and servers under load do. Which
//! request meets which fault is decided by rules and a seed, so that a run that went wrong can be had again.
//!
//! The layer goes around any service that answers requests: a cluster's [`router`](crate::Cluster::router) in this
//! process, or a client of a real server. [`serve`] puts a layered service on a loopback socket, where a reset is a
//! reset of the TCP connection. What a cluster's own workloads do wrong (a crash loop, a missing image) is not asked for
//! here but by annotation; see the crate's README.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use kube_embedded::faults::{Fault, Faults, On, Verb};
//! use kube_embedded::{Cluster, Options, Storage};
//! use tower::{Layer, ServiceExt};
//!
//! let cluster = Cluster::open(Storage::Memory, Options::default()).await?;
//! let faults = Faults::seeded(7)
//!     .with(On::every().verb(Verb::List).resource("pods").nth(2), Fault::Unavailable)
//!     .with(On::every().verb(Verb::Patch).chance(0.1), Fault::ResetAfter);
//! let service = faults.layer(cluster.router()); // for `kube::Client::new(service, "default")`
//! let list = || http::Request::get("/api/v1/pods").body(axum::body::Body::empty()).unwrap();
//! assert_eq!(service.clone().oneshot(list()).await.unwrap().status(), 200);
//! assert_eq!(service.clone().oneshot(list()).await.unwrap().status(), 503);
//! assert_eq!(service.oneshot(list()).await.unwrap().status(), 200);
//! assert_eq!(faults.injected().len(), 1);
//! # Ok::<(), kube_embedded::OpenError>(()) }).unwrap();
//! ```

mod answer;
mod rule;
mod serve;
mod service;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::rule::{On, Verb};
pub use self::serve::serve;
pub use self::service::Faulty;
use crate::clock::{Clock, SystemClock};

/// Something that goes wrong with a request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request reaches the server so much later, by the clock of [`Faults::on_clock`]. Other rules still see it.
    Latency(Duration),
    /// 429 in the words of the server's own flow control, `Retry-After` in whole seconds. Nothing is carried out.
    TooManyRequests {
        /// What `Retry-After` says, in seconds.
        retry_after: u32,
    },
    /// 500 as from a server whose store changes its leader. Nothing is carried out.
    InternalError,
    /// 503. Nothing is carried out.
    Unavailable,
    /// 401, as for a token that has run out. Nothing is carried out.
    Unauthorized,
    /// 400. Nothing is carried out.
    BadRequest,
    /// 403, not for want of a right but because something does not want it. Nothing is carried out.
    Forbidden,
    /// 404, as if the path led nowhere. Nothing is carried out.
    NotFound,
    /// 422. Nothing is carried out.
    Unprocessable,
    /// The connection is reset before the server has seen the request.
    ResetBefore,
    /// The request is carried out, and the connection is reset before any of its answer arrives.
    ResetAfter,
    /// Nothing comes, and nobody says so: a watch begins and falls silent, any other request is neither carried out nor
    /// answered.
    Stall,
    /// The connection breaks in the middle of the answer's body; in the first event of a watch.
    BrokenBody,
    /// The answer's body ends in its middle as if that were its end; a watch ends in its first event.
    ShortBody,
    /// A list comes with nothing in it, at its right version. Answers other than lists stay as they are.
    EmptyList,
    /// A list comes with nothing where its items should be. Answers other than lists stay as they are.
    NullItems,
    /// A list or an object comes without its metadata. Other answers stay as they are.
    NoMetadata,
    /// 200 and a page in HTML, as a proxy or a login in front of the server sends it. Nothing is carried out.
    HtmlPage,
    /// The right answer, said to be HTML.
    WrongContentType,
    /// 200, and in it a Status that tells of a failure. Nothing is carried out.
    FailureAsSuccess,
    /// Discovery says that the server of this group does not answer, and nothing of what it serves. Other answers stay as
    /// they are.
    StaleGroup(&'static str),
    /// A watch ends, in order, after so many events. Answers other than watches stay as they are.
    WatchEnds {
        /// How many events still arrive.
        after: usize,
    },
    /// 410: a watch says that its version is too old, by an event, as the server does; any other request is answered so.
    Gone,
}

/// A fault that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// What the request asked for.
    pub verb: Verb,
    /// The request's path, without its query.
    pub path: String,
    /// What went wrong.
    pub fault: Fault,
}

/// A plan of faults, and the layer that carries it out. Clones share their counts and their record.
///
/// A request goes through the rules in the order in which they were given; every latency that applies adds up, the
/// first other fault that applies is the one. Chance is drawn from the seed, the rule, the request's verb and path and
/// how often that was asked before: requests of other objects, however they are interleaved, change nothing about it.
#[derive(Clone)]
pub struct Faults {
    plan: Arc<Plan>,
    state: Arc<State>,
}

#[derive(Clone)]
struct Plan {
    seed: u64,
    rules: Vec<(On, Fault)>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    counts: Mutex<Counts>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Counts {
    /// How many requests each rule's verbs and resource have matched, by the rule's place.
    matched: HashMap<usize, u64>,
    /// How often each rule has applied.
    applied: HashMap<usize, u64>,
    /// How often a verb and path have been asked for.
    asked: HashMap<(Verb, String), u64>,
    injected: Vec<Injected>,
}

/// What is done to one request.
struct Verdict {
    latency: Duration,
    fault: Option<Fault>,
}

impl Faults {
    /// No faults yet, and the seed that all chance is drawn from.
    pub fn seeded(seed: u64) -> Faults {
        let plan = Plan { seed, rules: Vec::new(), clock: Arc::new(SystemClock) };
        Faults { plan: Arc::new(plan), state: Arc::default() }
    }

    /// Latency is waited for on this clock; without it, on the machine's own.
    #[must_use]
    pub fn on_clock(mut self, clock: Arc<dyn Clock>) -> Faults {
        Arc::make_mut(&mut self.plan).clock = clock;
        self
    }

    /// Adds a rule. A layer that was made before does not learn of it.
    #[must_use]
    pub fn with(mut self, on: On, fault: Fault) -> Faults {
        Arc::make_mut(&mut self.plan).rules.push((on, fault));
        self
    }

    /// From now on every request goes through unharmed. What has begun (a silent watch) stays as it is.
    pub fn stop(&self) {
        self.state.stopped.store(true, Ordering::SeqCst);
    }

    /// What has gone wrong so far, in the order in which it was decided.
    pub fn injected(&self) -> Vec<Injected> {
        self.counts().injected.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.state.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about a request and writes down what was decided.
    fn decide(&self, request: &rule::Asked) -> Verdict {
        let mut verdict = Verdict { latency: Duration::ZERO, fault: None };
        if self.state.stopped.load(Ordering::SeqCst) {
            return verdict;
        }
        let mut counts = self.counts();
        let asked = counts.asked.entry((request.verb, request.path.clone())).or_default();
        *asked += 1;
        let asked = *asked;
        for (place, (on, fault)) in self.plan.rules.iter().enumerate() {
            if !on.is_about(request) {
                continue;
            }
            let matched = counts.matched.entry(place).or_default();
            *matched += 1;
            let matched = *matched;
            let applied = counts.applied.get(&place).copied().unwrap_or_default();
            let draw = || rule::draw(&[self.plan.seed, place as u64, asked], request);
            let is_latency = matches!(fault, Fault::Latency(_));
            if !on.applies(matched, applied, draw) || (!is_latency && verdict.fault.is_some()) {
                continue;
            }
            *counts.applied.entry(place).or_default() += 1;
            match fault {
                Fault::Latency(more) => verdict.latency += *more,
                fault => verdict.fault = Some(*fault),
            }
            counts.injected.push(Injected { verb: request.verb, path: request.path.clone(), fault: *fault });
        }
        verdict
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("seed", &self.plan.seed).field("rules", &self.plan.rules).finish_non_exhaustive()
    }
}

impl<S> tower::Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty::new(self.clone(), inner)
    }
}
