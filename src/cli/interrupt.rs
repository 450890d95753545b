//! Interrupts: what a terminal sends on Ctrl-C, and what a system or a CI job sends to end a program in good order.

use tokio::sync::watch;

use crate::exit;

/// Ends when the program is asked to stop. Where that cannot be heard, it never ends, and the program is simply
/// killed.
pub(super) async fn asked() {
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
        else => std::future::pending().await,
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

/// Turns true at the first interrupt; the second ends the program at once.
pub(super) fn listen() -> watch::Receiver<bool> {
    let (tell, heard) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            asked().await;
            if tell.send_replace(true) {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        }
    });
    heard
}
