//! What a test makes the simulated machines do: pods that crash or never become ready, nodes that fall silent, and how
//! much of what they ask for a workload's pods use. Kept in memory, for as long as the cluster is open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::object;
use crate::selector::LabelSelector;

/// What is wrong with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PodFault {
    /// Its containers exit with 1 and are started again after 10 s, 20 s … 5 min; without restarts it fails.
    CrashLoop,
    /// Its image cannot be pulled.
    ImagePull,
    /// It runs and is never ready.
    NeverReady,
    /// It becomes ready only so long after its start.
    SlowStart(Duration),
    /// It ends only so long after it was told to, at most its grace period.
    SlowStop(Duration),
    /// A finalizer, `kube-embedded/held`, keeps it from going until the fault is taken back.
    Held,
}

/// What is wrong with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeFault {
    /// Its kubelet says that it is not ready.
    NotReady,
    /// Its kubelet says nothing any more; 50 s later the node counts as unreachable.
    Unreachable,
}

/// How much of what they ask for the pods of a workload use, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time, in percent of the request; none where there is no measure.
    pub cpu: Option<u32>,
    /// Memory, in percent of the request; none where there is no measure.
    pub memory: Option<u32>,
}

/// A selector that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no label selector; write it as `key=value,other in (a, b),!absent`")]
pub struct SelectorError {
    /// What was given.
    pub text: String,
}

#[derive(Debug, Default)]
struct State {
    pods: Vec<(String, LabelSelector, PodFault)>,
    nodes: BTreeMap<String, (NodeFault, Timestamp)>,
    usage: BTreeMap<(String, String, String), Usage>,
}

/// The handle that [`Cluster::simulation`](crate::Cluster::simulation) gives. What is set takes effect on objects that
/// are there and on those that come.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use kube_embedded::{Cluster, Options, PodFault, Storage};
/// let cluster = Cluster::open(Storage::Memory, Options::default()).await?;
/// cluster.simulation().fail_pods("app=web", PodFault::CrashLoop)?;
/// cluster.simulation().heal_pods("app=web");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Simulation {
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Simulation").field(&*self.state()).finish()
    }
}

impl Simulation {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Simulation {
        let state = Arc::new(Mutex::new(State::default()));
        Simulation { state, changes: Arc::new(watch::channel(0).0), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
        out
    }

    /// Gives the pods that a label selector (`app=web,tier!=front`) matches, in any namespace, a fault. A fault that was
    /// set for the same selector before is replaced. An annotation on a pod goes before what is set here.
    ///
    /// # Errors
    /// When the text is no label selector.
    pub fn fail_pods(&self, selector: &str, fault: PodFault) -> Result<(), SelectorError> {
        let wrong = |_| SelectorError { text: selector.to_owned() };
        let parsed = LabelSelector::parse(selector).map_err(wrong)?;
        self.change(|state| {
            state.pods.retain(|(text, ..)| text != selector);
            state.pods.push((selector.to_owned(), parsed, fault));
        });
        Ok(())
    }

    /// Takes back what was set for this selector.
    pub fn heal_pods(&self, selector: &str) {
        self.change(|state| state.pods.retain(|(text, ..)| text != selector));
    }

    /// Gives a node a fault, from this moment of the cluster's clock.
    pub fn fail_node(&self, name: &str, fault: NodeFault) {
        let now = self.clock.now();
        self.change(|state| state.nodes.insert(name.to_owned(), (fault, now)));
    }

    /// Takes a node's fault back.
    pub fn heal_node(&self, name: &str) {
        self.change(|state| state.nodes.remove(name));
    }

    /// Says how much the pods of a workload (`Deployment`, `StatefulSet` …) use: what its autoscaler goes by.
    pub fn set_usage(&self, namespace: &str, kind: &str, name: &str, usage: Usage) {
        let key = (namespace.to_owned(), kind.to_owned(), name.to_owned());
        self.change(|state| state.usage.insert(key, usage));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The faults of a pod, the last that was set first.
    pub(crate) fn faults_of(&self, pod: &Value) -> Vec<PodFault> {
        let state = self.state();
        let matching = state.pods.iter().rev().filter(|(_, selector, _)| selector.matches(pod));
        matching.map(|(.., fault)| *fault).collect()
    }

    /// A node's fault, and since when it has it.
    pub(crate) fn node(&self, name: &str) -> Option<(NodeFault, Timestamp)> {
        self.state().nodes.get(name).copied()
    }

    /// How much the pods of a workload use.
    pub(crate) fn usage(&self, namespace: &str, reference: &Value) -> Usage {
        let part = |field: &str| object::text(reference, field).to_owned();
        let key = (namespace.to_owned(), part("/kind"), part("/name"));
        self.state().usage.get(&key).copied().unwrap_or_default()
    }
}
