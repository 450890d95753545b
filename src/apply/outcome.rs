//! What apply tells: events while it goes on, and the outcome at the end.

use std::time::Duration;

use strata_components::desired::ResourceId;

use crate::history::{Ending, NotDone, State};
use crate::plan::{Action, Order};
use crate::provider::LockNotice;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Another run holds the lock, or held it.
    Lock(LockNotice),
    /// A record of the run was opened.
    Recorded {
        /// Its number.
        revision: u64,
    },
    /// The record of the run could not be closed: it goes on saying `unfinished`, or too many are kept.
    RecordLeftOpen {
        /// Its number.
        revision: u64,
        /// Why.
        reason: String,
    },
    /// A phase begins.
    PhaseStarted {
        /// What its steps do.
        order: Order,
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// How many steps change something.
        changes: usize,
        /// How many objects have to become ready, or go.
        waits: usize,
    },
    /// A step begins.
    Started {
        /// What it does.
        action: Action,
        /// To which object.
        id: ResourceId,
    },
    /// The provider has acknowledged a step.
    Acknowledged {
        /// What it did.
        action: Action,
        /// To which object.
        id: ResourceId,
        /// Warnings that came with the answer.
        warnings: Vec<String>,
    },
    /// An object is waited for.
    Waiting {
        /// Which object.
        id: ResourceId,
        /// What is missing.
        missing: String,
    },
    /// A wait ended as it should.
    Ready {
        /// Which object.
        id: ResourceId,
        /// How long it was waited for.
        after: Duration,
    },
    /// A step or its wait failed.
    Failed {
        /// Which object.
        id: ResourceId,
        /// Why.
        reason: String,
        /// Events and log lines that explain it.
        details: Vec<String>,
    },
    /// A phase is over.
    PhaseEnded {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// How long it took.
        after: Duration,
    },
    /// An interrupt was heard: what is in flight is finished, nothing more is begun.
    Interrupted,
}

/// How an apply ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that were acknowledged and, where they are waited for, became ready. Unchanged objects that were found
    /// ready are among them.
    pub done: Vec<StepDone>,
    /// Steps that failed.
    pub failed: Vec<Failure>,
    /// Steps that were not tried, or not waited for to the end.
    pub not_tried: Vec<NotTried>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Why it could not go on at all, where it could not: the lock was lost, the inventory could not be written.
    pub aborted: Option<String>,
}

/// A step that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDone {
    /// Which object.
    pub id: ResourceId,
    /// What was done: what the plan says, but for a delete whose condition was not met, which forgets.
    pub action: Action,
    /// The phase.
    pub phase: u32,
    /// The tier of the object's service.
    pub tier: Option<String>,
    /// The object's service.
    pub service: Option<String>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which object.
    pub id: ResourceId,
    /// What should have been done.
    pub action: Action,
    /// Why it failed.
    pub reason: String,
    /// Events and log lines that explain it.
    pub details: Vec<String>,
}

/// A step that was not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTried {
    /// Which object.
    pub id: ResourceId,
    /// What should have been done.
    pub action: Action,
    /// The object's service.
    pub service: Option<String>,
    /// Why it was not tried.
    pub reason: String,
}

impl Outcome {
    /// Whether everything was done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let Self { done: _, failed, not_tried, interrupted, aborted } = self;
        failed.is_empty() && not_tried.is_empty() && !interrupted && aborted.is_none()
    }

    /// How far it came.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self { interrupted: true, .. } => State::Interrupted,
            outcome if outcome.is_complete() => State::Done,
            _ => State::Failed,
        }
    }

    /// What a record says of it: no details, because these are lines of logs and values of fields, and nothing of what a
    /// server has to say of a Secret, because it may quote it.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let not_done = |action: Action, id: &ResourceId, reason: &str| {
            let reason = if id.kind.kind == "Secret" { "not kept, as it is about a Secret" } else { reason };
            NotDone { action, id: id.clone(), reason: reason.to_owned() }
        };
        Ending {
            state: self.state(),
            done: self.done.len(),
            failed: self.failed.iter().map(|one| not_done(one.action, &one.id, &one.reason)).collect(),
            not_tried: self.not_tried.iter().map(|one| not_done(one.action, &one.id, &one.reason)).collect(),
            aborted: self.aborted.clone(),
        }
    }
}
