//! `strata check`: proofs over a stack in an environment; no cluster is needed, but for `--live`.

use strata_components::desired::Desired;
use strata_components::model::Environment;

use super::format::Format;
use super::session::connected;
use super::stacks::StacksArgs;
use super::{CommandError, CommandResult, Context, Ui};
use crate::check::registry::Registry;
use crate::check::summary::Summary;
use crate::check::together::prove;
use crate::check::{Proven, check_among};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::finding::{Finding, Sources};
use crate::observe::Surroundings;
use crate::report::{self, findings};

/// Prove a stack: ports, dependencies, phases, sizes, who can talk to whom, whether everything fits
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no errors, 1 the files cannot be read, 4 errors were found.")]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// Prove it on the live cluster too: on its nodes, beside what else runs there and the policies of others
    #[arg(long, conflicts_with = "ports")]
    live: bool,
    /// Print the port registry instead, with what is free
    #[arg(long)]
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
        let around = around(&[desired], (cluster, choice), &loaded.environment, context)?;
        proven.findings = check_among(&loaded, Ok(desired), around.first());
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
    if args.ports {
        let registries: Vec<Registry> =
            all.iter().map(|loaded| Registry::of(&loaded.stack, &loaded.environment)).collect();
        ui.data(&match args.output {
            Format::Terminal => registries.iter().map(report::ports::terminal).collect::<Vec<_>>().join("\n"),
            Format::Json => report::json_document(&registries),
        })?;
        return Ok(exit::OK);
    }
    let (cluster, choice) = Choice::of(args.stacks.cluster.as_deref(), &first.environment)?;
    let mut proven = context.prove_all(&all, &args.stacks, &cluster)?;
    let desired: Option<Vec<&Desired>> = proven.iter().map(|proven| proven.desired.as_ref()).collect();
    // Where a stack cannot be composed, it is not known what all of them ask for.
    if let Some(desired) = desired.filter(|_| args.live) {
        let around = around(&desired, (cluster, choice), &first.environment, context)?;
        let composed = desired.into_iter().cloned().map(Ok).collect();
        proven = prove(&all, composed, &around);
    }
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

/// What surrounds each of these on the live cluster.
fn around(
    all: &[&Desired],
    cluster: (String, Choice),
    environment: &Environment,
    context: &Context<'_>,
) -> Result<Vec<Surroundings>, CommandError> {
    let mesh = environment.mesh.as_ref().map(|mesh| mesh.control_plane.namespace.as_str());
    connected(context, environment, cluster, async |cluster| Ok(cluster.survey(all, mesh).await?))
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
