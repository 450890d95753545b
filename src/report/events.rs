//! A run as it happens, for programs: one JSON object a line, in the form [`EVENTS_FORMAT`] with a published JSON Schema
//! ([`json_schema`]).
//!
//! The first line is a plan and the last an outcome; a run that comes to nothing before that ends with an error. These
//! types are the published form and change by versions only: what the stages of the program tell each other is free to
//! change. What time it is comes from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strata_components::desired::{Instance, ResourceId};
use strata_components::outputs::OutputHere;

use super::clean::clean;
use super::plan::why;
use crate::apply::{Event, Failure, NotTried, Outcome, StepDone};
use crate::finding::{Finding, Level};
use crate::history::{Command, Draft, State};
use crate::observe::Target;
use crate::plan::{Action, Cause, Kept, Order, Plan, PlanPhase, Step, Summary};
use crate::provider::LockNotice;

/// The form of every line.
pub const EVENTS_FORMAT: &str = "strata.events/v2";

/// What one line says, beside its form and its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The first line: what is going to be done.
    Plan(Box<Planned>),
    /// Another run holds the lock, or held it and is gone: it is taken over if nothing is heard of it.
    LockWaiting {
        /// Who holds it.
        holder: String,
        /// How long it has to stay silent, in milliseconds.
        silence_ms: u64,
    },
    /// The holder of the lock stayed silent, and the lock was taken over.
    LockTakenOver {
        /// Who held it.
        holder: String,
    },
    /// The record of the run was opened.
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
    /// The cluster has acknowledged a step.
    Acknowledged {
        /// What it did.
        action: Action,
        /// To which object.
        id: ResourceId,
        /// Warnings that came with the answer.
        warnings: Vec<String>,
    },
    /// An object is waited for, and something about it has changed.
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
        /// How long it was waited for, in milliseconds.
        after_ms: u64,
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
        /// How long it took, in milliseconds.
        after_ms: u64,
    },
    /// An interrupt was heard: what is in flight is finished, nothing more is begun.
    Interrupted,
    /// The last line of a run that was begun: how it ended.
    Outcome(Box<Ended>),
    /// The last line of a run that was not begun: nothing was changed.
    Error(Box<Refusal>),
}

/// What is going to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Planned {
    /// The command.
    pub command: Command,
    /// The revision that a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
    /// What is deployed.
    pub instance: Instance,
    /// Where.
    pub target: Target,
    /// Digest of everything that is desired.
    pub inputs: String,
    /// Digest of the plan.
    pub digest: String,
    /// How many steps of each action there are.
    pub summary: Summary,
    /// The steps that change something, or should and cannot, in their order.
    pub steps: Vec<PlannedStep>,
    /// What belongs to the instance and left the stack, and is kept all the same.
    pub kept: Vec<Kept>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// What the steps of its phase do.
    pub order: Order,
    /// The number of its phase.
    pub phase: u32,
    /// What is done.
    pub action: Action,
    /// To which object.
    pub id: ResourceId,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Why: the fields that change, or what stands in the way. Nothing where the action says it all.
    pub reasons: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Ended {
    /// The exit code of the program.
    pub exit_code: u8,
    /// How far it came: `done`, `failed` or `interrupted`.
    pub state: State,
    /// Steps that were done, and objects that were found as they should be.
    pub done: Vec<DoneStep>,
    /// Steps that failed.
    pub failed: Vec<FailedStep>,
    /// Steps that were not tried, or not waited for to the end.
    pub not_tried: Vec<StepNotTried>,
    /// Why it could not go on at all, where it could not: the lock was lost, the inventory could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
    /// How long it took, in milliseconds.
    pub after_ms: u64,
    /// What the stack tells others, by name, where it was brought up whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoneStep {
    /// Which object.
    pub id: ResourceId,
    /// What was done; `unchanged` where the object was found as it should be.
    pub action: Action,
    /// The number of its phase.
    pub phase: u32,
    /// The tier of the object's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The object's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailedStep {
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepNotTried {
    /// Which object.
    pub id: ResourceId,
    /// What should have been done.
    pub action: Action,
    /// The object's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Why it was not tried.
    pub reason: String,
}

/// Why a run was not begun.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Refusal {
    /// The exit code of the program.
    pub exit_code: u8,
    /// What went wrong.
    pub message: String,
    /// What caused it, the nearest first.
    pub because: Vec<String>,
    /// What to do next, one sentence each.
    pub next: Vec<String>,
    /// What is wrong with the files, where they are why.
    pub findings: Vec<FileError>,
}

/// Something that is wrong in a file, or in what it composes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileError {
    /// The rule's id.
    pub rule: String,
    /// What was found.
    pub message: String,
    /// The file, relative to the root; absent where the stack is a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl RunEvent {
    /// The first line of a run that carries `plan` out.
    #[must_use]
    pub fn plan(plan: &Plan, draft: &Draft) -> Self {
        let planned = |phase: &PlanPhase, step: &Step| PlannedStep {
            order: phase.order,
            phase: phase.number,
            action: step.action,
            id: step.id.clone(),
            service: step.service.clone(),
            reasons: step.causes.iter().filter_map(reason).collect(),
        };
        let changes = |step: &&Step| step.action != Action::Unchanged;
        let steps = plan
            .phases
            .iter()
            .flat_map(|phase| phase.steps.iter().filter(changes).map(|step| planned(phase, step)).collect::<Vec<_>>());
        Self::Plan(Box::new(Planned {
            command: draft.command,
            back_to: draft.back_to,
            instance: plan.instance.clone(),
            target: plan.target.clone(),
            inputs: plan.inputs.clone(),
            digest: plan.digest.clone(),
            summary: plan.summary,
            steps: steps.collect(),
            kept: plan.kept.clone(),
        }))
    }

    /// Something that happened while a plan was carried out.
    #[must_use]
    pub fn happened(event: &Event) -> Self {
        match event {
            Event::Lock(LockNotice::Waiting { holder, silence }) => {
                Self::LockWaiting { holder: line(holder), silence_ms: milliseconds(*silence) }
            }
            Event::Lock(LockNotice::TakenOver { holder }) => Self::LockTakenOver { holder: line(holder) },
            Event::Recorded { revision } => Self::Recorded { revision: *revision },
            Event::RecordLeftOpen { revision, reason } => {
                Self::RecordLeftOpen { revision: *revision, reason: line(reason) }
            }
            Event::PhaseStarted { order, number, name, changes, waits } => Self::PhaseStarted {
                order: *order,
                number: *number,
                name: name.clone(),
                changes: *changes,
                waits: *waits,
            },
            Event::Started { action, id } => Self::Started { action: *action, id: id.clone() },
            Event::Acknowledged { action, id, warnings } => {
                Self::Acknowledged { action: *action, id: id.clone(), warnings: lines(warnings) }
            }
            Event::Waiting { id, missing } => Self::Waiting { id: id.clone(), missing: line(missing) },
            Event::Ready { id, after } => Self::Ready { id: id.clone(), after_ms: milliseconds(*after) },
            Event::Failed { id, reason, details } => {
                Self::Failed { id: id.clone(), reason: line(reason), details: lines(details) }
            }
            Event::PhaseEnded { number, name, after } => {
                Self::PhaseEnded { number: *number, name: name.clone(), after_ms: milliseconds(*after) }
            }
            Event::Interrupted => Self::Interrupted,
        }
    }

    /// The last line of a run that was begun.
    #[must_use]
    pub fn outcome(outcome: &Outcome, exit_code: u8, took: Duration) -> Self {
        let done = |StepDone { id, action, phase, tier, service }: &StepDone| DoneStep {
            id: id.clone(),
            action: *action,
            phase: *phase,
            tier: tier.clone(),
            service: service.clone(),
        };
        let failed = |Failure { id, action, reason, details }: &Failure| FailedStep {
            id: id.clone(),
            action: *action,
            reason: line(reason),
            details: lines(details),
        };
        let not_tried = |NotTried { id, action, service, reason }: &NotTried| StepNotTried {
            id: id.clone(),
            action: *action,
            service: service.clone(),
            reason: line(reason),
        };
        Self::Outcome(Box::new(Ended {
            exit_code,
            state: outcome.state(),
            done: outcome.done.iter().map(done).collect(),
            failed: outcome.failed.iter().map(failed).collect(),
            not_tried: outcome.not_tried.iter().map(not_tried).collect(),
            aborted: outcome.aborted.as_deref().map(line),
            after_ms: milliseconds(took),
            outputs: BTreeMap::new(),
        }))
    }

    /// The same with the outputs of the stack that was brought up.
    #[must_use]
    pub fn telling(mut self, outputs: Option<&BTreeMap<String, OutputHere>>) -> Self {
        if let Self::Outcome(ended) = &mut self {
            let all = outputs.into_iter().flatten();
            ended.outputs = all.map(|(name, output)| (name.clone(), output.value.clone())).collect();
        }
        self
    }

    /// The last line of a run that was not begun. `causes` begins with what went wrong; `findings` are told as far as
    /// they are errors.
    #[must_use]
    pub fn error(exit_code: u8, causes: &[String], next: &[String], findings: &[Finding]) -> Self {
        let mut because = lines(causes);
        let message = if because.is_empty() { String::new() } else { because.remove(0) };
        let errors = findings.iter().filter(|finding| finding.level == Level::Error && finding.waived.is_none());
        let findings = errors.map(|finding| FileError {
            rule: finding.rule.clone().into_owned(),
            message: line(&finding.message),
            file: finding.at.as_ref().map(|at| line(&at.file)),
            line: finding.at.as_ref().map(|at| at.line),
            column: finding.at.as_ref().map(|at| at.column),
        });
        Self::Error(Box::new(Refusal { exit_code, message, because, next: lines(next), findings: findings.collect() }))
    }

    /// The event as a line, with a line feed at its end. `time` is when it happened, RFC 3339 in UTC.
    ///
    /// ```
    /// use strata::report::events::RunEvent;
    /// assert_eq!(
    ///     RunEvent::Recorded { revision: 3 }.line("2026-11-21T09:00:00.125Z"),
    ///     "{\"schema\":\"strata.events/v2\",\"time\":\"2026-11-21T09:00:00.125Z\",\"event\":\"recorded\",\"revision\":3}\n",
    /// );
    /// ```
    #[must_use]
    pub fn line(&self, time: &str) -> String {
        /// A line as it is written.
        #[derive(Serialize)]
        struct Line<'a> {
            schema: &'static str,
            time: &'a str,
            #[serde(flatten)]
            event: &'a RunEvent,
        }
        let line = Line { schema: EVENTS_FORMAT, time, event: self };
        // Plain data with string keys: serialising it cannot fail.
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}

/// The JSON Schema of a line: what its event says, and what every line says of itself.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = schema_for!(RunEvent).to_value();
    let common = [
        ("schema", json!({"type": "string", "const": EVENTS_FORMAT, "description": "The form of every line."})),
        ("time", json!({"type": "string", "format": "date-time", "description": "When it happened, in UTC."})),
    ];
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "A line of events".into());
        root.insert("description".to_owned(), "What one line says.".into());
    }
    for event in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        for (name, form) in &common {
            if let Some(properties) = event.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert((*name).to_owned(), form.clone());
            }
            if let Some(required) = event.get_mut("required").and_then(Value::as_array_mut) {
                required.push((*name).into());
            }
        }
    }
    schema
}

/// A cause in a line.
fn reason(cause: &Cause) -> Option<String> {
    let why = why(cause)?;
    Some(line(match cause {
        Cause::Stack { path, .. } | Cause::Drift { path, .. } => format!("{path}: {why}"),
        _ => why,
    }))
}

/// Text that came from a cluster, as one line.
fn line(text: impl AsRef<str>) -> String {
    clean(text.as_ref()).into_owned()
}

fn lines(texts: &[String]) -> Vec<String> {
    texts.iter().map(line).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: Event, expect: Value) {
        let said = RunEvent::happened(&event);
        assert_eq!(serde_json::to_value(&said).ok(), Some(expect.clone()));
        assert_eq!(serde_json::from_value::<RunEvent>(expect).ok(), Some(said));
    }

    #[test]
    fn what_happened_is_told_in_the_published_form() {
        let (holder, limit) = ("a\u{1b}b".to_owned(), Duration::from_millis(1500));
        check(
            Event::Lock(LockNotice::Waiting { holder, silence: limit }),
            json!({"event": "lock_waiting", "holder": "a\\u{1b}b", "silence_ms": 1500}),
        );
        check(
            Event::Lock(LockNotice::TakenOver { holder: "a".to_owned() }),
            json!({"event": "lock_taken_over", "holder": "a"}),
        );
        check(
            Event::RecordLeftOpen { revision: 7, reason: "no answer".to_owned() },
            json!({"event": "record_left_open", "revision": 7, "reason": "no answer"}),
        );
        check(
            Event::PhaseStarted { order: Order::Delete, number: 2, name: "core".to_owned(), changes: 3, waits: 1 },
            json!({"event": "phase_started", "order": "delete", "number": 2, "name": "core", "changes": 3, "waits": 1}),
        );
        check(
            Event::PhaseEnded { number: 2, name: "core".to_owned(), after: limit },
            json!({"event": "phase_ended", "number": 2, "name": "core", "after_ms": 1500}),
        );
        check(Event::Interrupted, json!({"event": "interrupted"}));
    }

    #[test]
    fn an_error_tells_its_causes_apart_and_findings_that_are_errors() {
        let rule = |level| crate::finding::Rule { id: "S-test-001", level, title: "t", meaning: "m", remedy: "r" };
        let findings = [Finding::new(&rule(Level::Error), "one"), Finding::new(&rule(Level::Warning), "two")];
        let causes = ["a".to_owned(), "b\n".to_owned()];
        let expect = json!({"event": "error", "exit_code": 4, "message": "a", "because": ["b\\n"], "next": [],
            "findings": [{"rule": "S-test-001", "message": "one"}]});
        assert_eq!(serde_json::to_value(RunEvent::error(4, &causes, &[], &findings)).ok(), Some(expect));
    }
}
