//! `strata check`: proofs over a stack in an environment; no cluster is needed, but for `--live`.

use strata_components::desired::Desired;

use super::format::Format;
use super::session::connected;
use super::{CommandResult, Context, StackArgs, Ui};
use crate::check::order::CriticalPath;
use crate::check::registry::Registry;
use crate::check::{Proven, check_among, prove};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::finding::{Finding, Sources, Tally};
use crate::load::Loaded;
use crate::report::{self, findings};

/// Prove a stack: ports, dependencies, phases, sizes, who can talk to whom, whether everything fits
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no errors, 1 the files cannot be read, 4 errors were found.")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
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
    let loaded = match context.read(&args.stack) {
        Ok(loaded) => loaded,
        Err(error) => {
            print(args, &error.findings, &error.sources, ui)?;
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
    let (cluster, choice) = Choice::of(args.stack.cluster.as_deref(), &loaded.environment)?;
    let mut proven = prove(&loaded, &cluster, args.stack.instance.as_deref());
    if let Some(desired) = proven.desired.as_ref().filter(|_| args.live) {
        let around = connected(context, &loaded.environment, (cluster, choice), async |cluster| {
            Ok(cluster.survey(desired).await?)
        })?;
        proven.findings = check_among(&loaded, Ok(desired), Some(&around));
    }
    print(args, &proven.findings, &loaded.sources(), ui)?;
    if args.output == Format::Terminal {
        ui.data(&closing(&loaded, &proven))?;
    }
    Ok(if proven.stops() { exit::CHECK } else { exit::OK })
}

fn print(args: &Args, found: &[Finding], sources: &Sources, ui: &mut Ui) -> std::io::Result<()> {
    let text = match args.output {
        Format::Terminal => findings::terminal(found, sources, ui.width()),
        Format::Json => findings::json(found),
    };
    ui.data(&text)
}

/// What was proven, in a line, and what the start of the fleet waits for.
fn closing(loaded: &Loaded, proven: &Proven) -> String {
    let Proven { desired, findings } = proven;
    let whole = |desired: &Desired| {
        let gpus: u64 = desired.claims.compute.iter().map(|c| u64::from(c.replicas) * u64::from(c.gpus)).sum();
        let pods: u64 = desired.claims.compute.iter().map(|claim| u64::from(claim.replicas)).sum();
        let phases = desired.phases.iter().filter(|phase| !phase.services.is_empty()).count();
        let count = |number: u64, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
        format!(
            "{} in {}, {}, {}",
            count(desired.claims.compute.len() as u64, "service"),
            count(phases as u64, "phase"),
            count(pods, "pod"),
            count(gpus, "GPU"),
        )
    };
    let what = desired.as_ref().map_or_else(|| "cannot be composed".to_owned(), whole);
    let (stack, environment) = (&loaded.stack.stack, &loaded.environment.environment);
    let path = desired.as_ref().and_then(|desired| CriticalPath::of(desired, loaded));
    let path = path.map_or_else(String::new, |path| format!("critical path: {path}\n"));
    format!("{stack} in {environment}: {what}; {}\n{path}", Tally::of(findings))
}
