//! `strata diff`: what is desired otherwise than it was when a run was recorded.

use strata_components::desired::Desired;

use super::format::Format;
use super::history::{Books, read};
use super::{CommandError, CommandResult, Context, StackArgs, Ui};
use crate::check::Proven;
use crate::cluster::connect::Choice;
use crate::exit;
use crate::history::Record;
use crate::history::difference::Difference;
use crate::report::clean::clean;
use crate::report::plan::Detail;
use crate::report::{self, json_document};
use crate::secrets::Secrets;

/// Show what is desired otherwise than when a run was recorded
#[derive(Debug, clap::Args)]
#[command(after_help = "Compares what was desired, not what is live: for that see `strata plan`.\n\
    Exit codes with --detailed-exitcode: 0 no differences, 1 error, 2 differences.")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// The revision to begin with; `strata history` lists them
    #[arg(value_name = "REV")]
    from: u64,
    /// The revision to end with; the files as they are now where none is named
    #[arg(value_name = "REV2")]
    to: Option<u64>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
    /// Exit with 2 when there are differences
    #[arg(long)]
    detailed_exitcode: bool,
}

/// What a difference ends with.
enum End {
    Files(Box<Desired>),
    Revision(u64),
}

/// Reads, compares, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let end = match args.to {
        None => End::Files(Box::new(composed(context, &args.stack, ui)?)),
        Some(revision) => End::Revision(revision),
    };
    let difference = read(context, &args.stack, ui, async |books, ui| {
        let from = desired_by(&books, args.from, ui).await?;
        let (to, desired) = match end {
            End::Files(desired) => (None, *desired),
            End::Revision(revision) => (Some(revision), desired_by(&books, revision, ui).await?),
        };
        Ok(Difference::between((args.from, &from), (to, &desired)))
    })?;
    ui.data(&match args.output {
        Format::Terminal => report::difference::terminal(&difference, &ui.view(Detail::default())),
        Format::Json => json_document(&difference),
    })?;
    let differs = args.detailed_exitcode && !difference.changes.is_empty();
    Ok(if differs { exit::CHANGES } else { exit::OK })
}

/// What a revision desired.
async fn desired_by(books: &Books, revision: u64, ui: &mut Ui) -> Result<Desired, CommandError> {
    let Record { head, made, .. } = books.record(revision).await?;
    if !head.targets.is_empty() {
        let targets = head.targets.join(", ");
        ui.warn(&clean(&format!("revision {revision} was about {targets} alone: the rest was not applied then")));
    }
    Ok(made.desired)
}

/// What the files say now, whatever proofs find in it.
fn composed(context: &Context<'_>, args: &StackArgs, ui: &mut Ui) -> Result<Desired, CommandError> {
    let loaded = context.load(args, ui)?;
    let (cluster, _) = Choice::of(args.cluster.as_deref(), &loaded.environment)?;
    let Proven { desired, findings } = context.prove(&loaded, args, &cluster)?;
    let Some(mut desired) = desired else {
        ui.warn(report::findings::terminal(&findings, &loaded.sources(), ui.width()).trim_end());
        return Err(CommandError::printed(exit::CHECK, findings));
    };
    Secrets::withhold_from(&mut desired, ui.known().clone());
    Ok(desired)
}
