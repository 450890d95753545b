//! `strata render`: the manifests of a stack in an environment.

use std::path::PathBuf;

use super::{CommandResult, Context, StackArgs, Ui, findings};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::render;
use crate::report::manifests;

/// Write the manifests of a stack; no cluster is needed
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --out-dir the manifests go to standard output, as one stream of YAML documents.")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Write one file an object into this directory, and delete what an earlier render left there
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

/// Loads, checks, composes, writes.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let loaded = context.load(&args.stack, ui)?;
    let (cluster, _) = Choice::of(args.stack.cluster.as_deref(), &loaded.environment)?;
    let desired = findings::checked(&loaded, &args.stack, &cluster, ui)?;
    match &args.out_dir {
        None => ui.data(&manifests::stream(&desired)?)?,
        Some(dir) => {
            let render::Written { written, unchanged, deleted } = render::write(dir, &manifests::files(&desired)?)?;
            ui.status(&format!("{}: {written} written, {unchanged} unchanged, {deleted} deleted", dir.display()));
        }
    }
    Ok(exit::OK)
}
