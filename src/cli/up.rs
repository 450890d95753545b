//! `strata up` and `strata destroy`: a plan, and its carrying out.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::detail::DetailArgs;
use super::events::Events;
use super::format::Format;
use super::interrupt::listen;
use super::look::LookArgs;
use super::progress::Progress;
use super::session::{PolicyArgs, Session, plan_all};
use super::stacks::StacksArgs;
use super::{CommandError, CommandResult, Context, Ui, saved};
use crate::apply::{self, Event, Outcome, Settings, Turn, take_turn};
use crate::check::across::waits_for;
use crate::exit;
use crate::history::{Command, Draft};
use crate::observe::Look;
use crate::plan::stale::compare;
use crate::plan::{Plan, Policy};
use crate::provider::ProviderError;
use crate::report;
use crate::report::events::RunEvent;
use anyhow::anyhow;
use strata_components::desired::Instance;

/// Bring the cluster to what the stack says, phase by phase
#[derive(Debug, clap::Args)]
#[command(after_help = "Shows the plan and asks before anything is changed; --yes goes on without asking.\n\
    Running it again goes on from where an earlier run stopped.")]
pub struct UpArgs {
    #[command(flatten)]
    stacks: StacksArgs,
    /// Carry out this plan, which `plan --save` wrote, or end with 3 where anything it rests on has moved. With --all the
    /// directory of plans
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Delete everything that belongs to the instance, in reverse phase order
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Only what carries the instance's mark is deleted. A Namespace stays unless --delete names it, \
    and then only when nothing else is left in it."
)]
pub struct DestroyArgs {
    #[command(flatten)]
    stacks: StacksArgs,
    /// Delete what is deleted only when named, as KIND/NAME
    #[arg(long, value_name = "KIND/NAME")]
    delete: Vec<String>,
    /// Delete also where the list of a kind is empty and should not be
    #[arg(long)]
    allow_prune: bool,
    /// Delete also where services of other stacks that are deployed depend on services of this one
    #[arg(long)]
    allow_dependents: bool,
    #[command(flatten)]
    run: RunArgs,
}

/// How a plan is carried out.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Go on without asking
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Steps in flight at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Seconds that one object may take to become ready, or to go
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// How to print what happens; json is one event a line
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
    #[command(flatten)]
    detail: DetailArgs,
    /// Seconds that another run at work on the instance is waited for; one that has fallen silent is always waited for
    /// until it can be taken over
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    lock_timeout: u64,
}

impl RunArgs {
    /// Does `work`; where events are wanted, an error that it ends with is told as the last of them.
    pub(super) fn telling(
        &self,
        ui: &mut Ui,
        work: impl FnOnce(&Arc<Events>, &mut Ui) -> CommandResult,
    ) -> CommandResult {
        let events = Arc::new(Events::new(self.output == Format::Json, ui.known().clone()));
        events.end(work(&events, ui))
    }

    /// Prints a plan that is not carried out, in the form that was asked for.
    pub(super) fn print(
        &self,
        plan: &Plan,
        draft: &Draft,
        events: &Arc<Events>,
        ui: &mut Ui,
    ) -> Result<(), CommandError> {
        events.tell(|| RunEvent::plan(plan, draft));
        match self.output {
            Format::Terminal => Ok(ui.data(&report::plan::terminal(plan, &ui.view(self.detail.detail())))?),
            Format::Json => Ok(()),
        }
    }
}

/// Plans and carries out.
pub(super) fn up(args: &UpArgs, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    args.run.telling(ui, |events, ui| {
        if args.plan.is_some() && args.policy != PolicyArgs::default() {
            let error = anyhow!("a saved plan says by itself what may be done beyond the ordinary");
            return Err(CommandError::new(exit::ERROR, error)
                .hint("leave out what stands beside --plan, or save a new plan with it"));
        }
        let Some(stack) = args.stacks.one() else { return up_all(args, context, events, ui) };
        let file = args.plan.as_deref().map(saved::read_with).transpose()?;
        Session::run(context, &stack, ui, async |session, ui| {
            let desired = session.desired();
            let (file, evidence) = file.map_or((None, None), |(plan, evidence)| (Some(plan), Some(evidence)));
            session.admit(evidence.as_ref(), ui)?;
            let mark = session.lock_mark().await?;
            let plan = match &file {
                Some(saved) => saved::rest_of(session, saved, ui).await?,
                None => session.plan(desired, &args.policy.policy(), &args.look.look(), ui).await?,
            };
            let draft = session.draft(Command::Up, desired.clone());
            let bound = file.is_some() || !args.run.yes;
            let run = Run { session, draft: &draft, args: &args.run, events };
            run.carry_out(Reviewed { plan, bound, mark }, ui).await
        })
    })
}

/// Plans the way down and carries it out.
pub(super) fn destroy(args: &DestroyArgs, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    args.run.telling(ui, |events, ui| {
        let (delete, allow_prune) = (args.delete.clone(), args.allow_prune);
        let policy = Policy { delete, allow_prune, destroy: true, ..Policy::default() };
        let Some(stack) = args.stacks.one() else { return destroy_all(args, &policy, context, events, ui) };
        Session::run(context, &stack, ui, async |session, ui| {
            session.admit(None, ui)?;
            let mark = session.lock_mark().await?;
            if !args.allow_dependents {
                without_dependents(session).await?;
            }
            let nothing = session.nothing();
            let plan = session.plan(&nothing, &policy, &Look::default(), ui).await?;
            let draft = session.draft(Command::Destroy, nothing);
            let run = Run { session, draft: &draft, args: &args.run, events };
            let empty = plan.is_empty();
            let code = run.carry_out(Reviewed { plan, bound: !args.run.yes, mark }, ui).await?;
            if code == exit::OK && !empty {
                let namespace = session.control_namespace();
                ui.status(&format!("its history stays in namespace {namespace}: see it with `strata history`"));
            }
            Ok(code)
        })
    })
}

/// Plans and carries out every stack, each after those that its services wait for.
fn up_all(args: &UpArgs, context: &Context<'_>, events: &Arc<Events>, ui: &mut Ui) -> CommandResult {
    args.policy.for_all()?;
    Session::run_all(context, &args.stacks, ui, async |sessions, ui| {
        let names: Vec<&str> = sessions.iter().map(|session| session.desired().instance.stack.as_str()).collect();
        let files = args.plan.as_deref().map(|directory| saved::read_all(directory, &names)).transpose()?;
        let mut marks = Vec::new();
        for (at, session) in sessions.iter().enumerate() {
            let evidence = files.as_ref().and_then(|files| files.get(at)).map(|(_, evidence)| evidence);
            session.admit(evidence, ui)?;
            marks.push(session.lock_mark().await?);
        }
        let plans = match &files {
            None => {
                let wanted = (&args.policy.policy(), &args.look.look());
                plan_all(sessions, |session| session.desired().clone(), wanted, ui).await?
            }
            Some(files) => {
                let mut rest = Vec::new();
                for (session, (saved, _)) in sessions.iter().zip(files) {
                    rest.push(saved::rest_of(session, saved, ui).await?);
                }
                rest
            }
        };
        let drafts: Vec<Draft> =
            sessions.iter().map(|session| session.draft(Command::Up, session.desired().clone())).collect();
        let runs: Vec<Run<'_>> = sessions
            .iter()
            .zip(&drafts)
            .map(|(session, draft)| Run { session, draft, args: &args.run, events })
            .collect();
        let bound = files.is_some() || !args.run.yes;
        let reviewed = plans.into_iter().zip(marks).map(|(plan, mark)| Reviewed { plan, bound, mark });
        carry_out_all(&runs, reviewed.collect(), ui).await
    })
}

/// An error where services of other stacks that are deployed depend on services of this one.
async fn without_dependents(session: &Session) -> Result<(), CommandError> {
    let Some(loaded) = &session.loaded else { return Ok(()) };
    let (own, mut left) = (&session.desired().instance, Vec::new());
    for other in loaded.beside() {
        let waits = waits_for(&other.value, &[&loaded.stack]);
        let Some((_, path, reference)) = waits.first() else { continue };
        let instance = Instance { stack: other.value.stack.to_string(), ..own.clone() };
        if session.cluster.has_inventory(&instance).await? {
            let at = other.spans.value(path).map(|at| format!("{at}: ")).unwrap_or_default();
            left.push((instance.stack, format!("{at}{path} is {reference}")));
        }
    }
    let Some((first, _)) = left.first() else { return Ok(()) };
    let told: Vec<&str> = left.iter().map(|(_, told)| told.as_str()).collect();
    let error =
        anyhow!("stacks that are deployed depend on {}, so nothing was changed: {}", own.stack, told.join("; "));
    Err(CommandError::new(exit::ERROR, error)
        .hint(format!("destroy {first} first, or all stacks with `strata destroy --all`"))
        .hint("--allow-dependents goes on all the same"))
}

/// Plans the way down of every stack and carries it out, each before those that its services wait for.
fn destroy_all(
    args: &DestroyArgs,
    policy: &Policy,
    context: &Context<'_>,
    events: &Arc<Events>,
    ui: &mut Ui,
) -> CommandResult {
    if args.allow_dependents {
        let error = anyhow!("--allow-dependents leaves services whose stack goes, and --all takes every stack down");
        return Err(
            CommandError::new(exit::ERROR, error).hint("leave it out: each stack goes before those it waits for")
        );
    }
    Session::run_all(context, &args.stacks, ui, async |sessions, ui| {
        let mut marks = Vec::new();
        for session in sessions {
            session.admit(None, ui)?;
            marks.push(session.lock_mark().await?);
        }
        let plans = plan_all(sessions, Session::nothing, (policy, &Look::default()), ui).await?;
        let empty = plans.iter().all(Plan::is_empty);
        let drafts: Vec<Draft> =
            sessions.iter().map(|session| session.draft(Command::Destroy, session.nothing())).collect();
        let mut runs: Vec<Run<'_>> = sessions
            .iter()
            .zip(&drafts)
            .map(|(session, draft)| Run { session, draft, args: &args.run, events })
            .collect();
        let bound = !args.run.yes;
        let reviewed = plans.into_iter().zip(marks).map(|(plan, mark)| Reviewed { plan, bound, mark });
        let mut reviewed: Vec<Reviewed> = reviewed.collect();
        runs.reverse();
        reviewed.reverse();
        let code = carry_out_all(&runs, reviewed, ui).await?;
        if let Some(session) = sessions.first().filter(|_| code == exit::OK && !empty) {
            let namespace = session.control_namespace();
            ui.status(&format!("the histories stay in namespace {namespace}: see them with `strata history`"));
        }
        Ok(code)
    })
}

/// Shows every plan, asks once where that is due, and carries them out one after another. What comes after a stack that was
/// not done whole is not begun.
async fn carry_out_all(runs: &[Run<'_>], reviewed: Vec<Reviewed>, ui: &mut Ui) -> CommandResult {
    let shown: Vec<Result<(), CommandError>> =
        runs.iter().zip(&reviewed).map(|(run, reviewed)| run.show(&reviewed.plan, ui)).collect();
    shown.into_iter().collect::<Result<(), _>>()?;
    let asks = runs.first().is_some_and(|run| !run.args.yes);
    if let Some(changes) = reviewed.iter().find(|reviewed| asks && !reviewed.plan.is_empty()) {
        confirm(&changes.plan, "these plans", ui)?;
    }
    let names: Vec<String> = reviewed.iter().map(|reviewed| reviewed.plan.instance.name()).collect();
    for (at, (run, reviewed)) in runs.iter().zip(reviewed).enumerate() {
        if at > 0 && run.args.output == Format::Terminal {
            ui.data("\n")?;
        }
        let result = run.carry_out_shown(reviewed, ui).await;
        let left = names.get(at + 1..).filter(|left| !left.is_empty() && !matches!(result, Ok(exit::OK)));
        if let Some(left) = left {
            let done = names.get(at).map(String::as_str).unwrap_or_default();
            ui.warn(&format!("not begun, because {done} was not done whole: {}", left.join(", ")));
        }
        match result {
            Ok(exit::OK) => {}
            ended => return ended,
        }
    }
    Ok(exit::OK)
}

/// A plan that may be carried out.
pub(super) struct Reviewed {
    pub(super) plan: Plan,
    /// Whether somebody has agreed to this one, so that no other may take its place.
    pub(super) bound: bool,
    /// The mark of the lock before the plan was made.
    pub(super) mark: Option<String>,
}

/// One run, from a plan to its end.
pub(super) struct Run<'a> {
    pub(super) session: &'a Session,
    pub(super) draft: &'a Draft,
    pub(super) args: &'a RunArgs,
    pub(super) events: &'a Arc<Events>,
}

impl Run<'_> {
    /// Shows the plan, asks where that is due, carries it out and says how that ended.
    pub(super) async fn carry_out(&self, reviewed: Reviewed, ui: &mut Ui) -> CommandResult {
        self.show(&reviewed.plan, ui)?;
        if !reviewed.plan.is_empty() && !self.args.yes {
            confirm(&reviewed.plan, "this plan", ui)?;
        }
        self.carry_out_shown(reviewed, ui).await
    }

    /// Carries out what was shown and agreed to, and says how that ended.
    async fn carry_out_shown(&self, reviewed: Reviewed, ui: &mut Ui) -> CommandResult {
        let Reviewed { mut plan, bound, mark } = reviewed;
        let settings = Settings {
            parallel: self.args.parallel.into(),
            wait_limit: Duration::from_secs(self.args.timeout),
            lock_limit: Duration::from_secs(self.args.lock_timeout),
        };
        let interrupt = listen();
        let mut progress = Arc::new(Progress::new(ui));
        let provider = self.session.provider();
        let turn = take_turn(provider, &plan, &settings, self.tell(&progress), interrupt.clone()).await;
        let turn = turn.inspect_err(|_| progress.end()).map_err(locked)?;
        if let Turn::Taken(guard) = &turn
            && guard.mark() != mark.as_deref()
        {
            progress.end();
            match self.again(&plan, bound, ui).await {
                Ok(fresh) => plan = fresh,
                Err(error) => {
                    if let Turn::Taken(guard) = turn {
                        // It runs out by itself where it cannot be given back.
                        let _ = guard.release(false).await;
                    }
                    return Err(error);
                }
            }
            progress = Arc::new(progress.anew(ui));
        }
        let tell = self.tell(&progress);
        let result = apply::carry_out(turn, provider, &plan, self.draft, &settings, tell, interrupt).await;
        progress.end();
        let outcome = result?;
        let (code, took) = (code(&outcome), progress.elapsed());
        let mut text = report::outcome::terminal(&plan, &outcome, took);
        let outputs = Some(&self.draft.desired.outputs).filter(|outputs| code == exit::OK && !outputs.is_empty());
        text.extend(outputs.map(|outputs| format!("\n{}", report::outputs::terminal(outputs))));
        match self.args.output {
            Format::Terminal => ui.data(&text)?,
            Format::Json => {
                self.events.tell(|| RunEvent::outcome(&outcome, code, took).telling(outputs));
                ui.status(text.trim_end());
            }
        }
        Ok(code)
    }

    fn tell(&self, progress: &Arc<Progress>) -> Arc<dyn Fn(Event) + Send + Sync> {
        let (heard, told) = (progress.clone(), self.events.clone());
        Arc::new(move |event: Event| {
            told.tell(|| RunEvent::happened(&event));
            heard.hear(&event);
        })
    }

    /// Shows a plan that is about to be carried out; an error where a policy is against it, or it is blocked.
    fn show(&self, plan: &Plan, ui: &mut Ui) -> Result<(), CommandError> {
        self.events.tell(|| RunEvent::plan(plan, self.draft));
        if !plan.is_empty() {
            let text = report::plan::terminal(plan, &ui.status_view(self.args.detail.detail()));
            // What is refused, or asked about, is shown however little is wanted.
            if plan.summary.blocked > 0 || !self.args.yes { ui.warn(&text) } else { ui.status(&text) }
        }
        self.session.judge(&self.draft.desired, plan, ui)?;
        let blocked = match plan.summary.blocked {
            0 => return Ok(()),
            1 => "a step is".to_owned(),
            steps => format!("{steps} steps are"),
        };
        Err(CommandError::new(exit::ERROR, anyhow!("{blocked} blocked, so nothing was changed"))
            .hint("see the steps marked ! above"))
    }

    /// Plans once more under the lock, because another run has worked on the instance since the plan was made. What the
    /// two have in common may be carried out; where they differ, only what nobody has agreed to may be replaced.
    async fn again(&self, plan: &Plan, bound: bool, ui: &mut Ui) -> Result<Plan, CommandError> {
        let (fresh, snapshot) = self.session.plan_again(&self.draft.desired, plan, ui).await?;
        let meanwhile = format!("another run has worked on {} meanwhile", plan.instance.name());
        match compare(plan, &fresh, &snapshot) {
            Ok(_) => ui.status(&format!("{meanwhile}; what is left of the plan holds")),
            Err(moved) if bound => {
                ui.warn(report::stale::terminal(&moved).trim_end());
                let error =
                    anyhow!("{meanwhile}, and what the plan rests on has moved (see above), so nothing was changed");
                return Err(CommandError::new(exit::STALE, error).hint("look at a new plan"));
            }
            Err(_) => {
                ui.status(&format!("{meanwhile}; this is the plan now:"));
                self.show(&fresh, ui)?;
            }
        }
        self.session.provider().permitted(&fresh).await?;
        Ok(fresh)
    }
}

fn code(outcome: &Outcome) -> u8 {
    if outcome.interrupted {
        exit::INTERRUPTED
    } else if outcome.is_complete() {
        exit::OK
    } else {
        exit::ERROR
    }
}

fn locked(error: ProviderError) -> CommandError {
    match error {
        ProviderError::Locked { .. } => CommandError::new(exit::LOCKED, error)
            .hint("wait until that run is over, with --lock-timeout; `strata unlock` is for one that is surely gone"),
        error => error.into(),
    }
}

/// Asks whether to go on; an error where nobody can be asked, or the answer is not yes.
fn confirm(plan: &Plan, what: &str, ui: &mut Ui) -> Result<(), CommandError> {
    if !ui.can_ask() {
        return Err(CommandError::new(exit::ERROR, anyhow!("nobody can be asked whether to go on"))
            .hint("look at the plan, then run it with --yes"));
    }
    let target = report::clean::clean(&plan.target.name).into_owned();
    anstream::eprint!("Carry {what} out on cluster {target}? Only `yes` goes on: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(CommandError::new(exit::ERROR, anyhow!("not confirmed, so nothing was changed")))
    }
}
