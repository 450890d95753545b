//! Interrupts: what a terminal sends on Ctrl-C, and what a system or a CI job sends to end a program in good order.

use tokio::sync::watch;

use crate::exit;

/// Ends when the program is asked to stop. Where that cannot be heard, it never ends, and the program is simply
/// killed.
pub(super) async fn asked() {
    Signals::open().next().await;
}

/// Requests to stop. None that comes after it was opened is missed, however quickly one follows the other.
struct Signals {
    #[cfg(unix)]
    streams: Vec<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn open() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self { streams: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
    }

    async fn next(&mut self) {
        if self.streams.is_empty() {
            std::future::pending::<()>().await;
        }
        let each = self.streams.iter_mut().map(|stream| Box::pin(stream.recv()));
        futures::future::select_all(each).await;
    }
}

#[cfg(not(unix))]
impl Signals {
    fn open() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Turns true at the first interrupt; the second ends the program at once.
pub(super) fn listen() -> watch::Receiver<bool> {
    let (tell, heard) = watch::channel(false);
    let mut signals = Signals::open();
    tokio::spawn(async move {
        loop {
            signals.next().await;
            if tell.send_replace(true) {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        }
    });
    heard
}
