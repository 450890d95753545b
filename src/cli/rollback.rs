//! `strata rollback`: a plan towards what was desired when a run was recorded, saved or carried out.

use std::path::PathBuf;

use anyhow::anyhow;

use super::findings::shown;
use super::history::read;
use super::look::LookArgs;
use super::session::{PolicyArgs, Session};
use super::up::{Reviewed, Run, RunArgs};
use super::{CommandError, CommandResult, Context, StackArgs, Ui, saved};
use crate::check::check;
use crate::cluster::connect::Choice;
use crate::exit;
use crate::history::restore::{RestoreError, Restored, restored};
use crate::history::{Command, Draft, Head, Record, State};
use crate::load::Loaded;
use crate::load::StackSource;
use crate::report::clean::clean;
use crate::secrets::{Known, Secrets};
use strata_components::desired::Desired;

/// Bring the cluster back to what was desired when a run was recorded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A plan like that of `up`: it is shown, asked about and recorded in the same way. What Secrets hold \
    is in no record and comes from today's stack.\n\
    The files are not touched: the next `up` brings back what they say."
)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// The revision to go back to; `strata history` lists them
    #[arg(value_name = "REV")]
    revision: u64,
    /// Save the plan, and change nothing: `rollback REV --plan FILE` carries out just this one
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    save: Option<PathBuf>,
    /// Carry out this plan, which --save wrote, or end with 3 where anything it rests on has moved
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Go back although proofs find errors, which cannot be mended in a record
    #[arg(long)]
    allow_findings: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Reads the record, plans and carries out.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    args.run.telling(ui, |events, ui| {
        if args.plan.is_some() && args.policy != PolicyArgs::default() {
            let error = anyhow!("a saved plan says by itself what may be done beyond the ordinary");
            return Err(CommandError::new(exit::ERROR, error)
                .hint("leave out what stands beside --plan, or save a new plan with it"));
        }
        let (file, evidence) = args.plan.as_deref().map(saved::read_with).transpose()?.unzip();
        let policy = file.as_ref().map_or_else(|| args.policy.policy(), |plan| plan.policy.clone());
        let (today, secrets) = today(context, &args.stack, ui.known()).unzip();
        let secrets = secrets.unwrap_or_default();
        read(context, &args.stack, ui, async |books, ui| {
            let record = books.record(args.revision).await?;
            let again = restored(&record, today.as_ref(), &books.target, &policy.targets).map_err(refused)?;
            announce(&record.head, &again, ui);
            let loaded = proven_again(&record, &again.desired, args, context, ui)?;
            let Record { head, made, .. } = record;
            let (stack, commit) = (made.stack.map(|stack| *stack), head.commit);
            let cluster = books.cluster.withholding(secrets);
            let (keep, plans) = (books.keep, books.plans);
            let session = Session {
                desired: again.desired,
                stack,
                loaded,
                lenient: args.allow_findings,
                cluster,
                commit,
                keep,
                plans,
            };
            let desired = session.desired();
            let draft = Draft { back_to: Some(args.revision), ..session.draft(Command::Rollback, desired.clone()) };
            if let Some(path) = &args.save {
                let plan = session.plan(desired, &policy, &args.look.look(), ui).await?;
                saved::write(path, &plan)?;
                args.run.print(&plan, &draft, events, ui)?;
                return Ok(exit::OK);
            }
            session.admit(evidence.as_ref(), ui)?;
            let mark = session.lock_mark().await?;
            let plan = match &file {
                Some(saved) => saved::rest_of(&session, saved, ui).await?,
                None => session.plan(desired, &policy, &args.look.look(), ui).await?,
            };
            let changes = !plan.is_empty();
            let run = Run { session: &session, draft: &draft, args: &args.run, events };
            let bound = file.is_some() || !args.run.yes;
            let code = run.carry_out(Reviewed { plan, bound, mark }, ui).await?;
            if code == exit::OK && changes {
                ui.status("the files say what they said before: the next `up` brings that back");
            }
            Ok(code)
        })
    })
}

/// What the files say now, as the source of what is secret; `None` where they say nothing that can be used.
fn today(context: &Context<'_>, args: &StackArgs, known: &Known) -> Option<(Desired, Secrets)> {
    let loaded = context.read(args).ok()?;
    let (cluster, _) = Choice::of(args.cluster.as_deref(), &loaded.environment).ok()?;
    let mut desired = context.prove(&loaded, args, &cluster).ok()?.desired?;
    let secrets = Secrets::withhold_from(&mut desired, known.clone());
    Some((desired, secrets))
}

/// Says what is gone back to, where that is not all of what once was there.
fn announce(head: &Head, again: &Restored, ui: &mut Ui) {
    let (revision, begun) = (head.revision, &head.begun);
    ui.status(&clean(&format!("back to what revision {revision} desired, which was begun at {begun}")));
    let ended = match head.state {
        State::Done => None,
        State::Unfinished => Some("nobody wrote down how it ended"),
        State::Failed => Some("it failed"),
        State::Interrupted => Some("it was interrupted"),
    };
    if let Some(ended) = ended {
        ui.warn(&format!("what revision {revision} desired may never have been all there: {ended}"));
    }
    for secret in &again.from_source {
        let secret = secret.to_string();
        ui.warn(&format!("{} gets what it holds from today's stack: no record has it", clean(&secret)));
    }
}

/// Proves what is gone back to in today's environment and beside today's other stacks, as far as they let it, and says
/// with what.
fn proven_again(
    record: &Record,
    desired: &Desired,
    args: &Args,
    context: &Context<'_>,
    ui: &mut Ui,
) -> Result<Option<Loaded>, CommandError> {
    let loaded = match &record.made.stack {
        None => Err("its record does not hold the stack".to_owned()),
        Some(stack) => stack.load(context.root(), &args.stack.env).map_err(|error| {
            let first = error.findings.first().map(|finding| finding.message.as_str());
            format!("today's files do not fit it: {}", first.unwrap_or_default())
        }),
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(why) => {
            ui.warn(&clean(&format!("what is gone back to is not proven again, because {why}")));
            return Ok(None);
        }
    };
    match shown(&loaded, check(&loaded, Ok(desired)), ui) {
        Err(_) if args.allow_findings => Ok(Some(loaded)),
        Err(error) => {
            Err(error.hint("mend the environment, or what stands beside it; --allow-findings goes back all the same"))
        }
        Ok(()) => Ok(Some(loaded)),
    }
}

fn refused(error: RestoreError) -> CommandError {
    let hint = match &error {
        RestoreError::Destroyed(_) => "`strata destroy` takes the instance down",
        RestoreError::Partial { .. } => "name these services with --target, or go back to another revision",
        RestoreError::NoSource { .. } => "bring them back into the stack; `strata check` says what is wrong with it",
    };
    CommandError::new(exit::ERROR, error).hint(hint)
}
