//! Asking one service whether it is well.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::Target;

/// Why a service is not well.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// Nothing was answered in time.
    #[error("no answer within {0} ms")]
    Late(u128),
    /// It cannot be connected to.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// What it answers is no HTTP.
    #[error("cannot be understood: {0}")]
    Garbled(String),
    /// It says that it is not well.
    #[error("answers with status {0}")]
    Status(u16),
}

/// Asks `target` once, and waits no longer than `limit`. Gives the time it took.
///
/// # Errors
/// Why it is not well: any status from 200 to 399 is well.
pub async fn check(target: &Target, limit: Duration) -> Result<Duration, Failure> {
    let start = Instant::now();
    timeout(limit, ask(target)).await.map_err(|_| Failure::Late(limit.as_millis()))??;
    Ok(start.elapsed())
}

async fn ask(target: &Target) -> Result<(), Failure> {
    let unreachable = |error: std::io::Error| Failure::Unreachable(error.to_string());
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(unreachable)?;
    let Some(path) = &target.path else { return Ok(()) };
    let garbled = |error: &dyn std::fmt::Display| Failure::Garbled(error.to_string());
    let request = Request::get(path.as_str())
        .header(http::header::HOST, format!("{}:{}", target.host, target.port))
        .header(http::header::USER_AGENT, "network-monitor")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| garbled(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| garbled(&error))?;
    // The connection is driven here, and goes when the head of the answer is there: nobody reads more of it. It may end
    // with that head, and has handed it over then.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    let answer = answer.map_err(|error| garbled(&error))?;
    match answer.status().as_u16() {
        200..=399 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}
