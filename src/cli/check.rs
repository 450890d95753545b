//! `strata check`: proofs over a stack in an environment; no cluster is needed, but for `--live`.

use super::format::Format;
use super::session::connected;
use super::stacks::StacksArgs;
use super::{CommandResult, Context, Ui};
use crate::check::registry::Registry;
use crate::check::summary::Summary;
use crate::check::{Proven, check_among};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::finding::{Finding, Sources};
use crate::report::{self, findings};

/// Prove a stack: ports, dependencies, phases, sizes, who can talk to whom, whether everything fits
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no errors, 1 the files cannot be read, 4 errors were found.")]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// Prove it on the live cluster too: on its nodes, beside what else runs there and the policies of others
    #[arg(long, conflicts_with_all = ["ports", "all"])]
    live: bool,
    /// Print the port registry instead, with what is free
    #[arg(long, conflicts_with = "all")]
    ports: bool,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Loads, proves, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let Some(stack) = args.stacks.one() else { return all(args, context, ui) };
    let loaded = match context.read(&stack) {
        Ok(loaded) => loaded,
        Err(error) => {
            print(args, &error.findings, &error.sources, None, ui)?;
            return Ok(exit::ERROR);
        }
    };
    if args.ports {
        let registry = Registry::of(&loaded.stack, &loaded.environment);
        ui.data(&match args.output {
            Format::Terminal => report::ports::terminal(&registry),
            Format::Json => report::json_document(&registry),
        })?;
        return Ok(exit::OK);
    }
    let (cluster, choice) = Choice::of(args.stacks.cluster.as_deref(), &loaded.environment)?;
    let mut proven = context.prove(&loaded, &stack, &cluster)?;
    if let Some(desired) = proven.desired.as_ref().filter(|_| args.live) {
        let mesh = loaded.environment.mesh.as_ref().map(|mesh| mesh.control_plane.namespace.as_str());
        let around = connected(context, &loaded.environment, (cluster, choice), async |cluster| {
            Ok(cluster.survey(desired, mesh).await?)
        })?;
        proven.findings = check_among(&loaded, Ok(desired), Some(&around));
    }
    let summary = Summary::of(&loaded, proven.desired.as_ref());
    print(args, &proven.findings, &loaded.sources(), Some(&summary), ui)?;
    Ok(if proven.stops() { exit::CHECK } else { exit::OK })
}

/// The same for every stack of the environment, each by itself and all of them on the nodes that they share.
fn all(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let all = match context.read_all(&args.stacks) {
        Ok(all) => all,
        Err(error) => {
            print(args, &error.findings, &error.sources, None, ui)?;
            return Ok(exit::ERROR);
        }
    };
    let Some(first) = all.first() else { return context.load_all(&args.stacks, ui).map(|_| exit::OK) };
    let (cluster, _) = Choice::of(args.stacks.cluster.as_deref(), &first.environment)?;
    let proven = context.prove_all(&all, &args.stacks, &cluster)?;
    let parts: Vec<(Summary, &[Finding], Sources)> = all
        .iter()
        .zip(&proven)
        .map(|(loaded, proven)| {
            (Summary::of(loaded, proven.desired.as_ref()), proven.findings.as_slice(), loaded.sources())
        })
        .collect();
    ui.data(&match args.output {
        Format::Terminal => parts
            .iter()
            .map(|(summary, found, sources)| {
                findings::terminal(found, sources, ui.width()) + &findings::closing(summary, found)
            })
            .collect(),
        Format::Json => findings::json_of_all(parts.iter().map(|(summary, found, _)| (summary, *found))),
    })?;
    Ok(if proven.iter().any(Proven::stops) { exit::CHECK } else { exit::OK })
}

fn print(
    args: &Args,
    found: &[Finding],
    sources: &Sources,
    summary: Option<&Summary>,
    ui: &mut Ui,
) -> std::io::Result<()> {
    ui.data(&match args.output {
        Format::Terminal => {
            let closing = summary.map_or_else(String::new, |summary| findings::closing(summary, found));
            findings::terminal(found, sources, ui.width()) + &closing
        }
        Format::Json => findings::json(found, summary),
    })
}
