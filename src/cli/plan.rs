//! `strata plan`: what would change on the cluster, and why.

use std::path::PathBuf;

use clap::ValueEnum;

use super::detail::DetailArgs;
use super::look::LookArgs;
use super::session::{PolicyArgs, Session};
use super::{CommandError, CommandResult, Context, StackArgs, Ui, saved};
use crate::exit;
use crate::plan::Plan;
use crate::plan::overview::Overview;
use crate::report;

/// Show what `up` would change on the cluster, and why
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes with --detailed-exitcode: 0 no changes, 1 error, 2 changes, 4 check found errors.\n\
    Nothing is written to the cluster."
)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    look: LookArgs,
    /// How to print the plan
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: PlanFormat,
    #[command(flatten)]
    detail: DetailArgs,
    /// Save the plan, so that `up --plan FILE` carries out just this one; only its owner may read the file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Observes, plans, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    args.output.takes(args.detail)?;
    let (plan, judged) = Session::run(context, &args.stack, ui, async |session, ui| {
        let plan = session.plan(session.desired(), &args.policy.policy(), &args.look.look(), ui).await?;
        let judged = session.judge(session.desired(), &plan, ui);
        let plan = match &session.loaded {
            Some(loaded) => {
                let overview = Overview::of(&plan, session.desired(), loaded);
                plan.with_overview(overview)
            }
            None => plan,
        };
        Ok((plan, judged))
    })?;
    // A plan that may not be carried out is shown all the same, and not saved.
    if let Some(file) = args.save.as_ref().filter(|_| judged.is_ok()) {
        saved::write(file, &plan)?;
    }
    print(&plan, args.output, args.detail, ui)?;
    judged?;
    let changed = args.detailed_exitcode && !plan.is_empty();
    Ok(if changed { exit::CHANGES } else { exit::OK })
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    Terminal,
    /// For programs
    Json,
    /// For a comment on a pull request
    Markdown,
    /// One page that opens from disk, for reviewers
    Html,
}

impl PlanFormat {
    /// An error where so much detail is asked for in a form that has no choice.
    pub(super) fn takes(self, detail: DetailArgs) -> Result<(), CommandError> {
        if self == Self::Terminal { Ok(()) } else { detail.only_on_terminal() }
    }
}

/// Prints a plan.
pub(super) fn print(plan: &Plan, format: PlanFormat, detail: DetailArgs, ui: &mut Ui) -> Result<(), CommandError> {
    let text = match format {
        PlanFormat::Terminal => report::plan::terminal(plan, &ui.view(detail.detail())),
        PlanFormat::Json => report::json_document(plan),
        PlanFormat::Markdown => report::markdown::markdown(plan),
        PlanFormat::Html => report::html::html(plan)?,
    };
    Ok(ui.data(&text)?)
}
