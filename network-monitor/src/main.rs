//! The program: reads its settings, listens, and goes on until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use network_monitor::serve::serve;
use network_monitor::settings::Settings;
use tokio::net::TcpListener;

/// Ask services for their health, and tell people and Prometheus what they said
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The JSON file with the services
    settings: PathBuf,
    /// Where to answer
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:11091")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let settings = Settings::read(&args.settings)?;
    let listening = || format!("listening on {}", args.listen);
    let listener = TcpListener::bind(args.listen).await.with_context(listening)?;
    serve(settings, listener, told_to_stop()).await.with_context(listening)
}

/// Ends when the program is told to: by Kubernetes with SIGTERM, or at a terminal.
async fn told_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
