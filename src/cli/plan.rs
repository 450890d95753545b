//! `strata plan`: what would change on the cluster, and why.

use std::path::PathBuf;

use clap::ValueEnum;

use super::detail::DetailArgs;
use super::look::LookArgs;
use super::session::{PolicyArgs, Session, plan_all};
use super::stacks::StacksArgs;
use super::{CommandError, CommandResult, Context, Ui, saved};
use crate::plan::Plan;
use crate::plan::overview::Carried;
use crate::report::together::{self, PlansDocument};
use crate::{exit, report};

/// Show what `up` would change on the cluster, and why
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes with --detailed-exitcode: 0 no changes, 1 error, 2 changes, 4 check found errors.\n\
    Nothing is written to the cluster."
)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    look: LookArgs,
    /// How to print the plan
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: PlanFormat,
    #[command(flatten)]
    detail: DetailArgs,
    /// Save the plan, so that `up --plan FILE` carries out just this one; only its owner may read the file. With --all a
    /// directory, with a file for each stack
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Observes, plans, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    args.output.takes(args.detail)?;
    let Some(stack) = args.stacks.one() else { return all(args, context, ui) };
    let (plan, judged) = Session::run(context, &stack, ui, async |session, ui| {
        let plan = session.plan(session.desired(), &args.policy.policy(), &args.look.look(), ui).await?;
        Ok(session.reviewed(plan, ui))
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

/// The same for every stack of the environment: one document of all.
fn all(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    args.policy.for_all()?;
    let (plans, carried, judged) = Session::run_all(context, &args.stacks, ui, async |sessions, ui| {
        let wanted = (&args.policy.policy(), &args.look.look());
        let plans = plan_all(sessions, |session| session.desired().clone(), wanted, ui).await?;
        let (mut shown, mut judged) = (Vec::new(), Ok(()));
        for (session, plan) in sessions.iter().zip(plans) {
            // Each is asked about, also where one before it may not be carried out.
            let (plan, own) = session.reviewed(plan, ui);
            judged = judged.and(own);
            shown.push(plan);
        }
        let parts = sessions.iter().zip(&shown);
        let parts = parts.filter_map(|(session, plan)| Some((plan, session.desired(), session.loaded.as_ref()?)));
        let carried = Carried::of(&parts.collect::<Vec<_>>());
        Ok((shown, carried, judged))
    })?;
    if let Some(directory) = args.save.as_ref().filter(|_| judged.is_ok()) {
        saved::write_all(directory, &plans)?;
    }
    let text = match args.output {
        PlanFormat::Terminal => together::terminal(&plans, &ui.view(args.detail.detail())),
        PlanFormat::Json => report::json_document(&PlansDocument::of(&plans, &carried)),
        PlanFormat::Markdown => together::markdown(&plans),
        PlanFormat::Html => together::html(&plans, &carried)?,
    };
    ui.data(&text)?;
    judged?;
    let changed = args.detailed_exitcode && !plans.iter().all(Plan::is_empty);
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
