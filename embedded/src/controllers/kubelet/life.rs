//! How far a pod's containers are at a moment: running, ready, ended, or kept from it by a fault. Reckoning only.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Wishes, go_duration, later, object_name};
use crate::controllers::Again;
use crate::object;
use crate::simulation::PodFault;

/// The longest wait between two starts of a container that crashes.
const LONGEST_BACK_OFF: i64 = 300;

/// How the containers are, all alike.
pub(super) struct State {
    pub(super) phase: &'static str,
    pub(super) ready: bool,
    pub(super) started: bool,
    pub(super) restarts: i64,
    pub(super) state: Value,
    pub(super) last: Value,
    /// Why the pod as a whole has failed, where its containers do not say: reason and message.
    pub(super) why: Option<(&'static str, &'static str)>,
}

impl State {
    fn running(since: Timestamp, ready: bool) -> State {
        State {
            phase: "Running",
            ready,
            started: ready,
            restarts: 0,
            state: json!({"running": {"startedAt": object::rfc3339(since)}}),
            last: json!({}),
            why: None,
        }
    }

    fn waiting(reason: &str, message: String) -> State {
        State {
            phase: "Pending",
            ready: false,
            started: false,
            restarts: 0,
            state: json!({"waiting": {"reason": reason, "message": message}}),
            last: json!({}),
            why: None,
        }
    }

    fn ended(phase: &'static str, exit: (i64, &str), since: Timestamp, at: Timestamp) -> State {
        State { phase, started: false, state: terminated(exit, since, at), ..State::running(since, false) }
    }
}

fn terminated((code, reason): (i64, &str), since: Timestamp, at: Timestamp) -> Value {
    json!({"terminated": {
        "exitCode": code,
        "reason": reason,
        "startedAt": object::rfc3339(since),
        "finishedAt": object::rfc3339(at),
    }})
}

/// A pod at a moment.
pub(super) struct Life<'a> {
    pub(super) pod: &'a Value,
    pub(super) started: Timestamp,
    pub(super) now: Timestamp,
    pub(super) wishes: &'a Wishes,
}

impl Life<'_> {
    /// How far it is, and when that changes.
    pub(super) fn state(&self) -> (State, Again) {
        let deadline = object::number(self.pod, "/spec/activeDeadlineSeconds").map(|s| later(self.started, s));
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= self.now) {
            let why = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
            let state = State::ended("Failed", (137, "Error"), self.started, deadline);
            return (State { why: Some(why), ..state }, None);
        }
        let (state, again) = match self.wishes.fault {
            Some(PodFault::CrashLoop) => self.crashing(),
            Some(PodFault::ImagePull) => (State::waiting("ImagePullBackOff", self.image_message()), None),
            Some(PodFault::NeverReady) => (State::running(self.started, false), None),
            _ => self.healthy(),
        };
        let ends = matches!(state.phase, "Succeeded" | "Failed");
        (state, [again, deadline.filter(|_| !ends)].into_iter().flatten().min())
    }

    /// Runs at once, is ready after the delay; a pod that need not run for ever ends.
    fn healthy(&self) -> (State, Again) {
        if object::text(self.pod, "/spec/restartPolicy") != "Always" {
            let due = self.started + self.wishes.runs_for;
            if due <= self.now {
                return (State::ended("Succeeded", (0, "Completed"), self.started, due), None);
            }
            let ready = self.started + self.wishes.ready_after;
            let again = if ready > self.now { ready.min(due) } else { due };
            return (State::running(self.started, ready <= self.now), Some(again));
        }
        let due = self.started + self.wishes.ready_after;
        if self.now < due {
            return (State::running(self.started, false), Some(due));
        }
        (State::running(self.started, true), None)
    }

    /// Starts and ends again and again, the waits between doubling from 10 seconds; without restarts it fails once.
    fn crashing(&self) -> (State, Again) {
        if object::text(self.pod, "/spec/restartPolicy") == "Never" {
            return (State::ended("Failed", (1, "Error"), self.started, self.started), None);
        }
        let (mut at, mut wait, mut restarts) = (self.started, 10, 0);
        while later(at, wait) <= self.now {
            (at, wait, restarts) = (later(at, wait), (wait * 2).min(LONGEST_BACK_OFF), restarts + 1);
        }
        let container = object::items(self.pod, "/spec/containers").first().map(object_name).unwrap_or_default();
        let message = format!(
            "back-off {} restarting failed container={container} pod={}_{}({})",
            go_duration(wait),
            object::name(self.pod),
            object::namespace(self.pod),
            object::uid(self.pod)
        );
        let last = terminated((1, "Error"), at, at);
        let state = State { phase: "Running", restarts, last, ..State::waiting("CrashLoopBackOff", message) };
        (state, Some(later(at, wait)))
    }

    fn image_message(&self) -> String {
        let first = object::items(self.pod, "/spec/containers").first();
        let image = first.map(|container| object::text(container, "/image")).unwrap_or_default();
        format!(
            "Back-off pulling image \"{image}\": ErrImagePull: rpc error: code = NotFound desc = simulated: {image}: not found"
        )
    }
}
