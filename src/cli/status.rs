//! `strata status`: what runs, by phase and tier.

use super::format::Format;
use super::session::{Session, observe_all};
use super::stacks::StacksArgs;
use super::{CommandResult, Context, Ui};
use crate::exit;
use crate::observe::{Look, PreviewMode};
use crate::plan::in_live_colour;
use crate::report::{json_document, status};

/// Show what runs, by phase and tier
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Observes and prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let look = Look { preview: PreviewMode::Predict };
    let Some(stack) = args.stacks.one() else { return all(args, &look, context, ui) };
    let text = Session::run(context, &stack, ui, async |session, _| {
        let (desired, snapshot) = session.observe(session.desired(), &look).await?;
        let desired = in_live_colour(&desired, &snapshot);
        let troubles = session.cluster.troubles(&desired, &snapshot).await?;
        Ok(match args.output {
            Format::Terminal => status::terminal(&desired, &snapshot, &troubles),
            Format::Json => json_document(&status::services(&desired, &snapshot, &troubles)),
        })
    })?;
    ui.data(&text)?;
    Ok(exit::OK)
}

/// The same of every stack of the environment.
fn all(args: &Args, look: &Look, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let text = Session::run_all(context, &args.stacks, ui, async |sessions, _| {
        let mut all = Vec::new();
        let observed = observe_all(sessions, |session| session.desired().clone(), look).await?;
        for (session, (desired, snapshot)) in sessions.iter().zip(observed) {
            let desired = in_live_colour(&desired, &snapshot);
            let troubles = session.cluster.troubles(&desired, &snapshot).await?;
            all.push((desired, snapshot, troubles));
        }
        Ok(match args.output {
            Format::Terminal => status::terminal_of_all(&all),
            Format::Json => json_document(&status::instances(&all)),
        })
    })?;
    ui.data(&text)?;
    Ok(exit::OK)
}
