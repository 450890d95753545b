//! What a provider of resources can do: the boundary behind which a cluster, or another kind of target, lives.
//!
//! Plan and report know providers only by this. Kubernetes is the one there is: [`crate::cluster`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use strata_components::desired::{Desired, Instance, ResourceId};
use thiserror::Error;
use tokio::sync::watch;

use crate::history::pack::UnpackError;
use crate::history::{Draft, Ending, Entry, Head, Record};
use crate::observe::{Look, Readiness, Snapshot};
use crate::plan::{Plan, PlannedNeed, Step};
use crate::secrets::RevealError;

/// Something that keeps resources.
pub trait Provider: Send + Sync {
    /// Takes a snapshot of everything a plan towards `desired` may depend on. Writes nothing.
    fn observe<'a>(&'a self, desired: &'a Desired, look: &'a Look) -> BoxFuture<'a, Result<Snapshot, ProviderError>>;

    /// Makes sure, before anything is written, that all of `plan` may be done. Writes nothing.
    fn permitted<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// A mark of the instance's lock that is another one once any run has taken it, renewed it or given it back; none
    /// where it was never taken. Writes nothing.
    fn lock_mark<'a>(&'a self, instance: &'a Instance) -> BoxFuture<'a, Result<Option<String>, ProviderError>>;

    /// Makes sure that no other run works on the instance, until the guard is released. Where that asks for patience and
    /// there is an interrupt meanwhile, there is no guard, and nothing is locked.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Locked`] where another run works on it for longer than there is patience.
    fn lock<'a>(
        &'a self,
        instance: &'a Instance,
        patience: Patience,
        heard: Arc<dyn Fn(LockNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<Option<Box<dyn LockGuard>>, ProviderError>>;

    /// Takes the lock away from a run that is known to be over, if it is this one's. Should that run live after all, it
    /// notices and stops.
    fn unlock<'a>(&'a self, instance: &'a Instance, holder: &'a str) -> BoxFuture<'a, Result<Unlock, ProviderError>>;

    /// Opens the record of a run that carries `plan` out, under the lock and before anything is changed: it says
    /// `unfinished` until it is closed. Returns its head.
    fn open_record<'a>(&'a self, plan: &'a Plan, draft: &'a Draft) -> BoxFuture<'a, Result<Head, ProviderError>>;

    /// Writes into a record that was opened how its run ended, and lets go of the oldest ones so that `keep` stay.
    fn close_record<'a>(
        &'a self,
        head: &'a Head,
        ending: &'a Ending,
        keep: usize,
    ) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// The records of an instance, the newest first; those that cannot be read are among them.
    fn records<'a>(&'a self, instance: &'a Instance) -> BoxFuture<'a, Result<Vec<Entry>, ProviderError>>;

    /// One record, whole; `None` where there is none of this number.
    fn record<'a>(
        &'a self,
        instance: &'a Instance,
        revision: u64,
    ) -> BoxFuture<'a, Result<Option<Record>, ProviderError>>;

    /// Writes down what the instance is about to hold, before the first step of `plan`.
    fn begin<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Deletes the object that a step replaces, in the order that it says, and returns once the provider has
    /// acknowledged that. Where the new object comes first, what the old one leaves behind is marked before.
    fn make_way<'a>(&'a self, plan: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Carries out one step and returns once the provider has acknowledged it; says what then exists.
    fn carry_out<'a>(&'a self, plan: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<Done, ProviderError>>;

    /// Waits until each resource is as it should be. Calls `heard` whenever something about one of them changes.
    /// Returns one result a wait, in the same order.
    fn wait<'a>(
        &'a self,
        instance: &'a Instance,
        waits: &'a [Wait],
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Vec<Result<(), WaitError>>>;

    /// Waits until something outside the stack is there, for `limit` at the most. Calls `heard` whenever what is missing
    /// changes. Writes nothing.
    fn meet<'a>(
        &'a self,
        need: &'a PlannedNeed,
        limit: Duration,
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<(), WaitError>>;

    /// Writes down what the instance holds, after the last step of `plan` succeeded.
    fn finish<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Whether what is written down is what [`Provider::finish`] would write, for a plan with nothing left to do: a run
    /// that was killed before its end has not come to that. Writes nothing.
    fn finished<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<bool, ProviderError>>;
}

/// How a lock that another run holds is waited for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How long a run is waited for that is heard of. One that is silent is always waited for until it is taken over.
    pub limit: Duration,
    /// Turns true to end the waiting.
    pub interrupt: watch::Receiver<bool>,
}

impl Default for Patience {
    /// Nobody who is heard of is waited for, and nothing interrupts.
    fn default() -> Self {
        Self { limit: Duration::ZERO, interrupt: watch::channel(false).1 }
    }
}

/// What came of taking a lock away from a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlock {
    /// It was that run's, and is nobody's now.
    Released,
    /// Nobody holds it.
    Free,
    /// It is another run's, and stays so.
    Other {
        /// Who holds it.
        holder: String,
        /// When the holder renewed last, as it wrote it.
        renewed: String,
    },
}

/// A lock that is held.
pub trait LockGuard: Send + Sync {
    /// What [`Provider::lock_mark`] would have said right before the lock was taken. Where it is what was said before a plan
    /// was made, no run has worked on the instance between the two.
    fn mark(&self) -> Option<&str>;

    /// Resolves if the lock is lost, with what happened; nothing may be written afterwards.
    fn lost<'a>(&'a self) -> BoxFuture<'a, String>;

    /// Gives the lock back; with `forget` also its record, because nothing of the instance is left.
    fn release(self: Box<Self>, forget: bool) -> BoxFuture<'static, Result<(), ProviderError>>;
}

/// What is heard while waiting for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockNotice {
    /// Another run holds it, or held it and is gone: it is taken over if it stays silent this long.
    Waiting {
        /// Who holds it.
        holder: String,
        /// How long it has to stay silent.
        silence: Duration,
    },
    /// The holder stayed silent, and the lock was taken over from it.
    TakenOver {
        /// Who held it.
        holder: String,
    },
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The UID of the object that exists now; absent after a delete, unless its condition was not met.
    pub uid: Option<String>,
    /// Warnings that came with the answer.
    pub warnings: Vec<String>,
}

/// A field that the server made otherwise than was planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Otherwise {
    /// Which field.
    pub path: String,
    /// The value that was planned; absent where the field was to go, or not to be.
    pub planned: Option<Value>,
    /// The value in the server's answer; absent where the field is not there.
    pub answered: Option<Value>,
}

impl fmt::Display for Otherwise {
    /// `.spec.replicas: planned 3, answered 7`, with long values cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| match value.as_ref().map(Value::to_string) {
            None => "(none)".to_owned(),
            Some(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            },
        };
        write!(f, "{}: planned {}, answered {}", self.path, show(&self.planned), show(&self.answered))
    }
}

/// Characters of a value that are shown in an error.
const SHOWN: usize = 120;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Which resource.
    pub id: ResourceId,
    /// The UID the step left; a newer object of the same name is not what is waited for.
    pub uid: Option<String>,
    /// Until when.
    pub until: Until,
    /// How long at the most.
    pub limit: Duration,
}

/// What ends a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The resource is ready.
    Ready(Readiness),
    /// The resource is gone.
    Gone,
    /// The resource has had enough available pods for a while. What has none, what is being deleted, and what has a
    /// container that ends by itself, is not held any longer.
    Held {
        /// How many are enough.
        readiness: Readiness,
        /// For how long.
        lasting: Duration,
        /// For how much of that time, all in all, some may be missing.
        patience: Duration,
    },
}

/// News of a resource that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitNotice {
    /// Which resource.
    pub id: ResourceId,
    /// `None` once it is as it should be, otherwise what is missing.
    pub missing: Option<String>,
}

/// Why a wait ended without what it waited for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WaitError {
    /// It will not get there by itself.
    #[error("{reason}")]
    Failed {
        /// What is wrong.
        reason: String,
        /// Events and last log lines that explain it.
        details: Vec<String>,
    },
    /// The limit is over.
    #[error("not ready after {} s: {missing}", limit.as_secs())]
    TimedOut {
        /// The limit.
        limit: Duration,
        /// What was missing at the end.
        missing: String,
        /// Events and last log lines that explain it.
        details: Vec<String>,
    },
    /// The limit is over, and what was to go is there.
    #[error("not gone after {} s: {missing}", limit.as_secs())]
    StillThere {
        /// The limit.
        limit: Duration,
        /// What was known of it at the end.
        missing: String,
        /// Events that explain it.
        details: Vec<String>,
    },
    /// The provider could not be asked any more.
    #[error("could not be watched: {0}")]
    Lost(String),
}

/// What went wrong while talking to a provider.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The provider could not be reached, or did not answer in time.
    #[error("{doing}: no answer")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// What the connection said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The provider answered with an error.
    #[error("{doing}: {message} ({code})")]
    Refused {
        /// What was being done.
        doing: String,
        /// The answer's status code.
        code: u16,
        /// The reason, as a word of the provider (`Conflict`, `Forbidden`).
        reason: String,
        /// The answer's message.
        message: String,
    },
    /// The provider answered with something that makes no sense here.
    #[error("{doing}: the answer makes no sense: {detail}")]
    Unexpected {
        /// What was being done.
        doing: String,
        /// What was wrong with the answer.
        detail: String,
    },
    /// The provider has done it, and made something else of it than the plan says.
    #[error("{doing}: the server took it and made something else of it than was planned")]
    Otherwise {
        /// What was being done.
        doing: String,
        /// The fields that differ, sorted by path.
        fields: Vec<Otherwise>,
    },
    /// What is to be deleted holds what belongs to others, which would go with it.
    #[error("{doing}: it holds what does not belong to {instance}, and would be lost: {holds}")]
    Foreign {
        /// What was being done.
        doing: String,
        /// The instance.
        instance: String,
        /// What it holds.
        holds: String,
    },
    /// The user lacks rights that the plan needs.
    #[error("the plan needs rights that these credentials lack, so nothing was changed: {}", missing.join("; "))]
    Forbidden {
        /// Each of them, as a verb and what it is about.
        missing: Vec<String>,
    },
    /// What is secret in an object cannot be put into it.
    #[error("{doing}: what is secret in it cannot be sent")]
    Withheld {
        /// What was being done.
        doing: String,
        /// Why not.
        #[source]
        source: RevealError,
    },
    /// Another run holds the instance.
    #[error("{instance} is locked by {holder}, which was last heard of at {renewed}")]
    Locked {
        /// The instance.
        instance: String,
        /// Who holds it.
        holder: String,
        /// When the holder renewed last, as it wrote it.
        renewed: String,
    },
    /// The lock was not renewed in time, so nothing more is written: this process was stopped for a while, or its
    /// renewals do not get through.
    #[error("{doing}: not sent, because the lock was not renewed for {} s and may be another run's by now", silent.as_secs())]
    Unsure {
        /// What was being done.
        doing: String,
        /// How long ago the lock was renewed last.
        silent: Duration,
    },
    /// A record is there, and is not what was written.
    #[error("revision {revision} of {instance} cannot be read")]
    Record {
        /// The instance.
        instance: String,
        /// The number of the record.
        revision: u64,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// It is not the cluster that was meant.
    #[error("{0}")]
    WrongTarget(String),
    /// The plan no longer fits what is live.
    #[error("{id} {what} since the plan was made")]
    Moved {
        /// The object.
        id: String,
        /// What happened to it.
        what: String,
    },
}
