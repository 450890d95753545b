//! An interrupt as a run hears it: it is told once, and before anything that the run does because of it.

use std::future::{Future, pending};
use std::sync::Once;

use tokio::sync::watch;

use super::executor::Tell;
use super::outcome::Event;

/// Whether a run was asked to stop.
pub(super) struct Interrupt {
    /// Turns true when it is asked.
    asked: watch::Receiver<bool>,
    tell: Tell,
    told: Once,
}

impl Interrupt {
    /// None was heard yet.
    pub(super) fn new(asked: watch::Receiver<bool>, tell: Tell) -> Self {
        Self { asked, tell, told: Once::new() }
    }

    /// Whether there is one. Who is the first to hear it tells it.
    pub(super) fn heard(&self) -> bool {
        let heard = *self.asked.borrow();
        if heard {
            self.told.call_once(|| (self.tell)(Event::Interrupted));
        }
        heard
    }

    /// Ends when there is one.
    pub(super) async fn comes(&self) {
        if self.asked.clone().wait_for(|asked| *asked).await.is_err() {
            // A sender that is gone can tell no more.
            pending::<()>().await;
        }
        self.heard();
    }

    /// Does something that an interrupt ends.
    pub(super) async fn ends<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.comes() => None,
            done = work => Some(done),
        }
    }
}
