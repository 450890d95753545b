//! What the parts of a running cluster share: the store, the settings, what is served, and how many requests are under
//! way. Starts nothing by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::options::Options;
use crate::registry::{CRDS, Registry};
use crate::simulation::Simulation;
use crate::store::Store;

/// The shared state of one cluster.
pub(crate) struct System {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Options>,
    pub(crate) simulation: Simulation,
    registry: RwLock<(u64, Arc<Registry>)>,
    requests: AtomicUsize,
    idle: tokio::sync::Notify,
}

impl System {
    /// Takes over an open store.
    pub(crate) fn new(store: Store, settings: Options) -> System {
        let registry = RwLock::new((u64::MAX, Arc::new(Registry::default())));
        let simulation = Simulation::new(Arc::clone(&settings.clock));
        System {
            store,
            simulation,
            settings: Arc::new(settings),
            registry,
            requests: AtomicUsize::new(0),
            idle: tokio::sync::Notify::new(),
        }
    }

    /// What is served now. Rebuilt when a custom resource definition has changed.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        let image = self.store.read();
        let definitions = || image.list(CRDS, "").map(|(_, object)| object);
        // The newest definition's version and their number change whenever one is made, changed or removed.
        let newest = definitions().map(|object| object.revision).max().unwrap_or(0);
        let mark = newest.wrapping_mul(1 << 20).wrapping_add(definitions().count() as u64);
        {
            let held = self.registry.read().unwrap_or_else(PoisonError::into_inner);
            if held.0 == mark {
                return Arc::clone(&held.1);
            }
        }
        let registry = Arc::new(Registry::new(definitions()));
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = (mark, Arc::clone(&registry));
        registry
    }

    /// Counts a request as under way until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Underway {
        self.requests.fetch_add(1, Ordering::SeqCst);
        Underway(Arc::clone(self))
    }

    /// Ends when no request is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.requests.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// A request that is under way.
pub(crate) struct Underway(Arc<System>);

impl Drop for Underway {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("settings", &self.settings).finish_non_exhaustive()
    }
}
