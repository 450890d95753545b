//! `strata cluster`: the embedded cluster of an environment, also for kubectl.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use kube_embedded::{Cluster, OpenError};
use serde_json::json;
use strata_components::model::{Cluster as Described, EmbeddedCluster};

use super::interrupt::asked;
use super::session::{block_on, store_path};
use super::{CommandError, CommandResult, Context, Ui};
use crate::cluster::connect::{ConnectError, open_store};
use crate::exit;

/// Serve, reset or describe the embedded cluster of an environment
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the cluster on this machine, so that kubectl can talk to it, until interrupted
    ///
    /// While it is served, every other command goes through it.
    Serve {
        #[command(flatten)]
        env: EnvArgs,
        /// Port to listen on, on 127.0.0.1; 0 takes any that is free
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Delete everything in the cluster, and the cluster
    Reset {
        #[command(flatten)]
        env: EnvArgs,
        /// Go on without asking
        #[arg(short, long)]
        yes: bool,
    },
    /// Print a kubeconfig for the cluster while it is served
    #[command(after_help = "Give it to kubectl with `--kubeconfig`.")]
    Kubeconfig {
        #[command(flatten)]
        env: EnvArgs,
    },
}

#[derive(Debug, clap::Args)]
struct EnvArgs {
    /// Name of an environment in environments/
    #[arg(short, long = "env", value_name = "ENV")]
    env: String,
}

/// Does what the subcommand says.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    match &args.command {
        Command::Serve { env, port } => serve(&env.env, *port, context, ui),
        Command::Reset { env, yes } => reset(&env.env, *yes, context, ui),
        Command::Kubeconfig { env } => kubeconfig(&env.env, context, ui),
    }
}

/// The description of the environment's embedded cluster.
fn described(env: &str, context: &Context<'_>, ui: &mut Ui) -> Result<EmbeddedCluster, CommandError> {
    let environment = context.environment(env, ui)?;
    let embedded = environment.clusters.into_values().find_map(|cluster| match cluster {
        Described::Embedded(embedded) => Some(embedded),
        Described::Context(_) => None,
    });
    Ok(embedded.unwrap_or_default())
}

fn serve(env: &str, port: u16, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let described = described(env, context, ui)?;
    let store = store_path(context.root(), env);
    block_on(async {
        let cluster = open(&store, &described).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener =
            tokio::net::TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let address = listener.local_addr().context("asking for the port that was taken")?;
        ui.status(&format!("serving the cluster of {env} on http://{address}; interrupt to stop"));
        ui.status(&format!("next: strata cluster kubeconfig -e {env} > {env}.kubeconfig"));
        let token = uuid::Uuid::new_v4().simple().to_string();
        cluster.serve(listener, &token, asked()).await.context("serving the cluster")?;
        cluster.close().await;
        Ok(exit::OK)
    })
}

async fn open(store: &Path, described: &EmbeddedCluster) -> Result<Cluster, CommandError> {
    open_store(described, store).await.map_err(|error| {
        let held = matches!(error, ConnectError::Embedded(OpenError::Held { .. }));
        let error = CommandError::from(error);
        if held { error.hint("end the process that holds it") } else { error }
    })
}

fn reset(env: &str, yes: bool, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let described = described(env, context, ui)?;
    let store = store_path(context.root(), env);
    if !store.exists() {
        ui.status(&format!("{env} has no embedded cluster yet: nothing to delete"));
        return Ok(exit::OK);
    }
    if !yes {
        return Err(CommandError::new(exit::ERROR, anyhow!("everything in the embedded cluster of {env} would go"))
            .hint("run it with --yes"));
    }
    // Opening it shows that no other process has it. A torn file is one more reason to reset.
    block_on(async {
        match open_store(&described, &store).await {
            Ok(cluster) => cluster.close().await,
            Err(ConnectError::Embedded(OpenError::Torn { .. })) => {}
            Err(error) => return Err(CommandError::from(error).hint("end the process that holds it")),
        }
        Ok(exit::OK)
    })?;
    std::fs::remove_file(&store).with_context(|| format!("deleting {}", store.display()))?;
    ui.status(&format!("the embedded cluster of {env} is gone; the next command begins a new one"));
    Ok(exit::OK)
}

fn kubeconfig(env: &str, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let described = described(env, context, ui)?;
    let store = store_path(context.root(), env);
    let not_served = || {
        CommandError::new(exit::ERROR, anyhow!("the embedded cluster of {env} is not served"))
            .hint(format!("run `strata cluster serve -e {env}` in another terminal"))
    };
    let holder = block_on(async {
        match open_store(&described, &store).await {
            Ok(cluster) => {
                cluster.close().await;
                Err(not_served())
            }
            Err(ConnectError::Embedded(OpenError::Held { holder, .. })) => holder.ok_or_else(not_served),
            Err(error) => Err(error.into()),
        }
    })?;
    let (address, token) = holder.address.zip(holder.token).ok_or_else(not_served)?;
    let name = format!("strata-{env}");
    // kubectl sends no credentials without TLS, so the token is the first part of the server's path.
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": format!("{address}/{token}")}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    });
    ui.data(&serde_saphyr::to_string(&config)?)?;
    Ok(exit::OK)
}
