//! Time as the cluster sees it: now, and waiting until then. The wall clock is one clock; a test's clock moves only
//! when told to, or by itself when the cluster has nothing left to do. Nothing else in the crate reads the time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

/// A future that ends when a point in time has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the cluster takes the time from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// Ends when `at` has come; at once when it has passed.
    fn sleep_until(&self, at: Timestamp) -> Sleep;
    /// The same, for what only follows the time and never ends by itself: a heartbeat, a schedule. A clock that leaps
    /// does not leap for it.
    fn rest_until(&self, at: Timestamp) -> Sleep {
        self.sleep_until(at)
    }
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO);
        Box::pin(tokio::time::sleep(left))
    }
}

/// A clock for tests: it stands still until [`TestClock::advance`] moves it, or, when made with [`TestClock::leaping`],
/// jumps to the next deadline as soon as every controller waits for one.
///
/// ```
/// use std::time::Duration;
/// use kube_embedded::{Clock, TestClock};
/// let clock = TestClock::at("2026-01-01T00:00:00Z".parse().expect("a valid time"));
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(clock.now().to_string(), "2026-01-01T00:01:30Z");
/// ```
#[derive(Debug, Clone)]
pub struct TestClock {
    inner: Arc<Mutex<Inner>>,
    leaping: bool,
}

#[derive(Debug)]
struct Inner {
    now: Timestamp,
    sleepers: BTreeMap<Timestamp, Vec<oneshot::Sender<()>>>,
}

impl TestClock {
    /// A clock that stands still at `start`.
    pub fn at(start: Timestamp) -> TestClock {
        TestClock { inner: Arc::new(Mutex::new(Inner { now: start, sleepers: BTreeMap::new() })), leaping: false }
    }

    /// A clock that begins at `start` and jumps to the next deadline when the cluster waits for nothing else.
    pub fn leaping(start: Timestamp) -> TestClock {
        TestClock { leaping: true, ..TestClock::at(start) }
    }

    /// Moves the clock on and wakes whoever waited for a moment that has now come.
    pub fn advance(&self, by: Duration) {
        let mut inner = self.lock();
        inner.now = inner.now.checked_add(by).unwrap_or(Timestamp::MAX);
        inner.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn wake(&mut self) {
        while let Some(first) = self.sleepers.first_entry() {
            if *first.key() > self.now {
                return;
            }
            for sleeper in first.remove() {
                // A receiver that is gone no longer waits: nothing is lost.
                let _ = sleeper.send(());
            }
        }
    }
}

/// How often a leaping clock lets every other task run before it believes that all of them wait.
const YIELDS_BEFORE_LEAP: usize = 64;

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        if !self.leaping {
            return self.rest_until(at);
        }
        let clock = self.clone();
        Box::pin(async move {
            for _ in 0..YIELDS_BEFORE_LEAP {
                tokio::task::yield_now().await;
            }
            let mut inner = clock.lock();
            inner.now = inner.now.max(at);
            inner.wake();
        })
    }

    fn rest_until(&self, at: Timestamp) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            let woken = {
                let mut inner = clock.lock();
                if inner.now >= at {
                    return;
                }
                let (sender, receiver) = oneshot::channel();
                let waiting = inner.sleepers.entry(at).or_default();
                waiting.retain(|sleeper| !sleeper.is_closed());
                waiting.push(sender);
                receiver
            };
            // The sender lives in the clock, which this future holds: it cannot be dropped before it is used.
            let _ = woken.await;
        })
    }
}
