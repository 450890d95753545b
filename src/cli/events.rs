//! What happens while a plan is carried out, on standard output: one JSON object a line, where that is wanted. Nothing
//! else is written there then. This is the one place that says what time it is.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::{CommandError, CommandResult};
use crate::report::events::RunEvent;
use crate::secrets::Known;

/// Where events go.
pub(super) struct Events {
    wanted: bool,
    /// What no event tells.
    known: Known,
    /// Why a line could not be written; nothing is written after it.
    broken: Mutex<Option<io::Error>>,
}

impl Events {
    /// Events on standard output, or none.
    pub(super) fn new(wanted: bool, known: Known) -> Self {
        Self { wanted, known, broken: Mutex::new(None) }
    }

    /// Writes an event as a line. A run does not end because nobody can read of it: what goes wrong is told at its end.
    pub(super) fn tell(&self, event: impl FnOnce() -> RunEvent) {
        if !self.wanted {
            return;
        }
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.is_some() {
            return;
        }
        // Lines are in the order of their times: both are settled under the same lock.
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut out = io::stdout().lock();
        let line = event().line(&time);
        *broken = out.write_all(self.known.told(&line).as_bytes()).and_then(|()| out.flush()).err();
    }

    /// The result of a run whose events were told: where it was not begun, that is the last of them.
    ///
    /// # Errors
    ///
    /// The run's own, or that an event could not be written. A reader that has gone away had what it wanted.
    pub(super) fn end(&self, result: CommandResult) -> CommandResult {
        if let Err(error) = &result {
            self.tell(|| RunEvent::error(error.code, &error.causes(), &error.hints, &error.findings));
        }
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        match broken.filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            Some(error) if result.is_ok() => {
                let error = anyhow::Error::new(error).context("writing an event to standard output");
                Err(CommandError::from(error).hint("the run itself ended as standard error says"))
            }
            _ => result,
        }
    }
}
