//! The controllers: one task that is woken by commits and by the next deadline, works off everything that is to be done
//! in one transaction, and sleeps again. What each controller does stands in its own file; nothing here is real work on
//! a machine.

mod adoption;
mod aggregation;
mod autoscaler;
mod budget;
mod cron;
mod cron_job;
mod daemon_set;
mod definition;
mod deployment;
mod endpoints;
mod event;
mod garbage;
mod index;
mod job;
mod kubelet;
mod namespace;
mod node;
mod pods;
mod queue;
mod replica_set;
mod revisions;
mod scheduler;
mod stateful_set;
mod volumes;
mod writing;

use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinHandle;

pub(crate) use self::budget::evict;
use self::index::Index;
pub(crate) use self::kubelet::log;
use self::queue::{Queue, Work};
pub(crate) use self::scheduler::bind;
use crate::admission;
use crate::failure::Failure;
use crate::options::Controllers;
use crate::rules::Rules;
use crate::simulation::Simulation;
use crate::store::{CommitError, Txn};
use crate::system::System;

/// How long a piece of work that failed is left alone.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);
/// How many pieces of work one transaction does at most; the rest follows in the next. A guard against controllers that
/// undo each other's work for ever.
const WORK_IN_ONE_ROUND: usize = 20_000;

/// What a controller works with.
pub(crate) struct Context<'a, 'b> {
    rules: &'a Rules,
    txn: &'a mut Txn<'b>,
    simulation: &'a Simulation,
    queue: &'a mut Queue,
    /// As it was before this piece of work.
    index: &'a mut Index,
}

impl Context<'_, '_> {
    fn now(&self) -> Timestamp {
        self.txn.now()
    }
}

/// When a controller wants to look at the same object again; none: when it changes.
type Again = Option<Timestamp>;

/// What the controllers carry from one round to the next.
struct Memory {
    queue: Queue,
    index: Index,
}

impl Memory {
    fn new() -> Memory {
        Memory { queue: Queue::everything(), index: Index::default() }
    }
}

/// Catches up with the present, then goes on as a task.
pub(crate) async fn start(system: &Arc<System>) -> Result<JoinHandle<()>, CommitError> {
    let memory = round(system, Memory::new()).await?;
    Ok(tokio::spawn(run(Arc::clone(system), memory)))
}

async fn run(system: Arc<System>, mut memory: Memory) {
    let mut commits = system.store.subscribe();
    let mut wishes = system.simulation.subscribe();
    loop {
        let seen = *commits.borrow_and_update();
        let clock = system.store.clock();
        if seen <= memory.queue.seen() && !memory.queue.has_work(clock.now()) {
            let (deadline, chore) = (memory.queue.next_deadline(), memory.queue.next_chore());
            let sleep = async {
                match deadline {
                    Some(at) => {
                        system.idle().await;
                        clock.sleep_until(at).await;
                    }
                    None => std::future::pending().await,
                }
            };
            let rest = async {
                match chore {
                    Some(at) => clock.rest_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = commits.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                // The sender lives as long as the system.
                _ = wishes.changed() => memory.queue.stir(),
                () = sleep => {}
                () = rest => {}
            }
            continue;
        }
        memory = match round(&system, memory).await {
            Ok(memory) => memory,
            Err(CommitError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the controllers' work could not be stored");
                let now = clock.now();
                clock.sleep_until(now + RETRY).await;
                Memory::new()
            }
        };
    }
}

async fn round(system: &Arc<System>, mut memory: Memory) -> Result<Memory, CommitError> {
    let rules = Rules::own(system.registry(), Arc::clone(&system.settings));
    let simulation = system.simulation.clone();
    let done = system
        .store
        .write(move |txn| {
            memory.queue.take_in(txn, &rules.registry, &mut memory.index);
            work_off(txn, &rules, &simulation, &mut memory);
            Ok::<_, Infallible>(memory)
        })
        .await?;
    match done {
        Ok(memory) => Ok(memory),
        Err(never) => match never {},
    }
}

fn work_off(txn: &mut Txn<'_>, rules: &Rules, simulation: &Simulation, memory: &mut Memory) {
    let Memory { queue, index } = memory;
    for _ in 0..WORK_IN_ONE_ROUND {
        let Some(work) = queue.next(txn.now()) else { break };
        if rules.settings.controllers == Controllers::OfTheServer && !matches!(work, Work::Definition(_)) {
            continue;
        }
        let mark = txn.mark();
        let done = reconcile(&mut Context { rules, txn, simulation, queue, index }, &work);
        match done {
            Ok(again) => {
                if let Some(at) = again {
                    queue.at(at, work);
                }
                let changes = txn.changes_since(mark).to_vec();
                queue.touch(&rules.registry, index, &changes);
            }
            Err(failure) => {
                txn.roll_back(mark);
                tracing::debug!(%failure, ?work, "a controller will try again");
                let at = txn.now() + RETRY;
                queue.at(at, work);
            }
        }
    }
    queue.has_seen(txn.revision());
}

fn reconcile(context: &mut Context<'_, '_>, work: &Work) -> Result<Again, Failure> {
    match work {
        Work::Namespace(name) => namespace::reconcile(context, name),
        Work::Roles => aggregation::reconcile(context),
        Work::Definition(name) => definition::reconcile(context, name),
        Work::Node(name) => node::reconcile(context, name),
        Work::CronJob(namespace, name) => cron_job::reconcile(context, namespace, name),
        Work::Autoscaler(namespace, name) => autoscaler::reconcile(context, namespace, name),
        Work::Deployment(namespace, name) => deployment::reconcile(context, namespace, name),
        Work::ReplicaSet(namespace, name) => replica_set::reconcile(context, namespace, name),
        Work::StatefulSet(namespace, name) => stateful_set::reconcile(context, namespace, name),
        Work::DaemonSet(namespace, name) => daemon_set::reconcile(context, namespace, name),
        Work::Job(namespace, name) => job::reconcile(context, namespace, name),
        Work::Claim(namespace, name) => volumes::reconcile(context, namespace, name),
        Work::Volume(name) => volumes::volume(context, name),
        Work::Kubelet(namespace, name) => kubelet::reconcile(context, namespace, name),
        Work::Quotas(namespace) => admission::recount(context.rules, context.txn, namespace).map(|()| None),
        Work::Budget(namespace, name) => budget::reconcile(context, namespace, name),
        Work::Schedule(turn) => scheduler::reconcile(context, turn),
        Work::Endpoints(namespace, name) => endpoints::reconcile(context, namespace, name),
        Work::Owned(key) => garbage::check_owners(context, key),
        Work::Owner(key) => garbage::deleting_owner(context, key),
        Work::Dependents(uid) => garbage::dependents(context, uid),
        Work::Empty(name) => namespace::empty(context, name),
        Work::Events => event::expire(context),
    }
}
