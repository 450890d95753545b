//! `strata show`: a saved plan, in any form.

use std::path::PathBuf;

use super::detail::DetailArgs;
use super::plan::{PlanFormat, print};
use super::{CommandResult, Ui, saved};
use crate::finding::Sources;
use crate::{exit, report};

/// Show a saved plan
#[derive(Debug, clap::Args)]
#[command(after_help = "Asks no cluster: whether the plan still holds is for `up --plan` to find out.")]
pub struct Args {
    /// The file that `plan --save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: PlanFormat,
    #[command(flatten)]
    detail: DetailArgs,
}

/// Reads and prints.
pub(super) fn run(args: &Args, ui: &mut Ui) -> CommandResult {
    args.output.takes(args.detail)?;
    let plan = saved::read(&args.file)?;
    if args.output == PlanFormat::Terminal && !plan.findings.is_empty() {
        // As `plan` shows them: every other form of a plan has them in itself.
        ui.warn(report::findings::terminal(&plan.findings, &Sources::default(), ui.width()).trim_end());
    }
    print(&plan, args.output, args.detail, ui)?;
    Ok(exit::OK)
}
