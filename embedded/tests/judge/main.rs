//! The judge: does the same request get the same answer from a real API server? What a real one answered is kept as
//! data in `tests/exchanges/` and replayed here; where a real one can be started on this machine, random sequences of
//! requests are sent to both as well, and the recorded answers can be taken anew.
//!
//! - `KUBE_EMBEDDED_RECORD=all` (or the beginning of a file's name) takes the answers anew from a real server.
//! - `KUBE_EMBEDDED_SEQUENCES=5000` sets how many random sequences are sent, `KUBE_EMBEDDED_SEED` where they begin.
//!
//! A real server is one whose programs lie where `KUBEBUILDER_ASSETS` says; only etcd and kube-apiserver are needed,
//! because no controller is to interfere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a developer chooses by environment variable what is recorded")]

mod differential;
mod exchange;
mod hide;
mod replay;
mod server;
mod text;

use std::io::Write;

use server::Real;

/// Writes past the capture of the test harness, so that a run always says what it was about.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "judge: {text}");
}

/// A variable of the environment; none where it is empty.
fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

#[test]
fn every_exchange_gets_the_answer_that_a_real_server_gave() {
    if let Some(files) = asked("KUBE_EMBEDDED_RECORD") {
        match Real::get() {
            Ok(real) => {
                let count = replay::record(real, if files == "all" { "" } else { &files });
                say(&format!("recorded {count} with Kubernetes {}", real.version()));
            }
            Err(missing) => panic!("nothing can be recorded: {missing}"),
        }
    }
    let count = replay::replay();
    say(&format!("replayed {count}"));
    assert!(count.exchanges - count.known >= 800, "only {count} are answered alike");
}
