//! The controllers: one task that is woken by commits and by the next deadline, works off everything that is to be done
//! in one transaction, and sleeps again. What each controller does stands in its own file; nothing here is real work on
//! a machine.

mod aggregation;
mod autoscaler;
mod budget;
mod daemon_set;
mod definition;
mod deployment;
mod endpoints;
mod event;
mod garbage;
mod job;
mod kubelet;
mod namespace;
mod placement;
mod pods;
mod queue;
mod replica_set;
mod rollout;
mod scheduler;
mod stateful_set;
mod writing;

use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinHandle;

pub(crate) use self::budget::may_evict;
pub(crate) use self::kubelet::log;
use self::queue::{Queue, Work};
pub(crate) use self::scheduler::bind;
use crate::failure::Failure;
use crate::options::Controllers;
use crate::rules::Rules;
use crate::store::{CommitError, Txn};
use crate::system::System;

/// How long a piece of work that failed is left alone.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);
/// How many pieces of work one transaction does at most; the rest follows in the next. A guard against controllers that
/// undo each other's work for ever.
const WORK_IN_ONE_ROUND: usize = 20_000;

/// What a controller works with.
pub(crate) struct Context<'a, 'b> {
    pub(crate) rules: &'a Rules,
    pub(crate) txn: &'a mut Txn<'b>,
}

impl Context<'_, '_> {
    fn now(&self) -> Timestamp {
        self.txn.now()
    }
}

/// When a controller wants to look at the same object again; none: when it changes.
type Again = Option<Timestamp>;

/// Catches up with the present, then goes on as a task.
pub(crate) async fn start(system: &Arc<System>) -> Result<JoinHandle<()>, CommitError> {
    let queue = round(system, Queue::everything()).await?;
    Ok(tokio::spawn(run(Arc::clone(system), queue)))
}

async fn run(system: Arc<System>, mut queue: Queue) {
    let mut commits = system.store.subscribe();
    loop {
        let seen = *commits.borrow_and_update();
        if seen <= queue.seen() && !queue.has_work(system.store.clock().now()) {
            let deadline = queue.next_deadline();
            let sleep = async {
                match deadline {
                    Some(at) => {
                        system.idle().await;
                        system.store.clock().sleep_until(at).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = commits.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep => {}
            }
            continue;
        }
        queue = match round(&system, queue).await {
            Ok(queue) => queue,
            Err(CommitError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "the controllers' work could not be stored");
                let now = system.store.clock().now();
                system.store.clock().sleep_until(now + RETRY).await;
                Queue::everything()
            }
        };
    }
}

async fn round(system: &Arc<System>, mut queue: Queue) -> Result<Queue, CommitError> {
    let rules = Rules::own(system.registry(), Arc::clone(&system.settings));
    let done = system
        .store
        .write(move |txn| {
            queue.take_in(txn, &rules.registry);
            work_off(txn, &rules, &mut queue);
            Ok::<_, Infallible>(queue)
        })
        .await?;
    match done {
        Ok(queue) => Ok(queue),
        Err(never) => match never {},
    }
}

fn work_off(txn: &mut Txn<'_>, rules: &Rules, queue: &mut Queue) {
    for _ in 0..WORK_IN_ONE_ROUND {
        let Some(work) = queue.next(txn.now()) else { break };
        if rules.settings.controllers == Controllers::OfTheServer && !matches!(work, Work::Definition(_)) {
            continue;
        }
        let mark = txn.mark();
        let mut context = Context { rules, txn };
        match reconcile(&mut context, queue, &work) {
            Ok(again) => {
                if let Some(at) = again {
                    queue.at(at, work);
                }
                let changes = txn.changes_since(mark).to_vec();
                queue.touch(txn, &rules.registry, &changes);
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

fn reconcile(context: &mut Context<'_, '_>, queue: &mut Queue, work: &Work) -> Result<Again, Failure> {
    match work {
        Work::Namespace(name) => namespace::reconcile(context, name),
        Work::Roles => aggregation::reconcile(context),
        Work::Definition(name) => definition::reconcile(context, name),
        Work::Autoscaler(namespace, name) => autoscaler::reconcile(context, namespace, name),
        Work::Deployment(namespace, name) => deployment::reconcile(context, namespace, name),
        Work::ReplicaSet(namespace, name) => replica_set::reconcile(context, namespace, name),
        Work::StatefulSet(namespace, name) => stateful_set::reconcile(context, namespace, name),
        Work::DaemonSet(namespace, name) => daemon_set::reconcile(context, namespace, name),
        Work::Job(namespace, name) => job::reconcile(context, namespace, name),
        Work::Claim(namespace, name) => pods::bind_claim(context, namespace, name),
        Work::Schedule(namespace, name) => scheduler::reconcile(context, queue, namespace, name),
        Work::Kubelet(namespace, name) => kubelet::reconcile(context, namespace, name),
        Work::Budget(namespace, name) => budget::reconcile(context, namespace, name),
        Work::Endpoints(namespace, name) => endpoints::reconcile(context, namespace, name),
        Work::Owned(key) => garbage::check_owners(context, key),
        Work::Owner(key) => garbage::deleting_owner(context, key),
        Work::Dependents(uid) => garbage::dependents(context, uid),
        Work::Events => event::expire(context),
    }
}
