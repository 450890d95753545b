//! `strata status`: what runs, by phase and tier.

use super::format::Format;
use super::session::Session;
use super::{CommandResult, Context, StackArgs, Ui};
use crate::exit;
use crate::observe::{Look, PreviewMode};
use crate::plan::in_live_colour;
use crate::report::{json_document, status};

/// Show what runs, by phase and tier
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Observes and prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let text = Session::run(context, &args.stack, ui, async |session, _| {
        let look = Look { preview: PreviewMode::Predict };
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
