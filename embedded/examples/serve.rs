//! Serves a cluster on loopback, for kubectl: `cargo run -p kube-embedded --example serve -- PORT TOKEN [STORE]`.
//! Ends with Ctrl-C.

use std::error::Error;
use std::path::PathBuf;

use kube_embedded::{Cluster, Options, Storage};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(token)) = (arguments.next(), arguments.next()) else {
        return Err("two arguments are needed: the port and the token".into());
    };
    let storage = arguments.next().map_or(Storage::Memory, |path| Storage::File(PathBuf::from(path)));
    let cluster = Cluster::open(storage, Options::default()).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    let stopped = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    cluster.serve(listener, &token, stopped).await?;
    cluster.close().await;
    Ok(())
}
