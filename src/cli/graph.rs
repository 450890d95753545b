//! `strata graph`: services, what each waits for, and the phases they start in, as a picture.

use clap::ValueEnum;
use strata_components::desired::Desired;

use super::stacks::StacksArgs;
use super::{CommandResult, Context, Ui};
use crate::exit;
use crate::report::graph;

/// Draw services, dependencies and phases; no cluster is needed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// The language of the picture
    #[arg(short, long, value_name = "FORMAT", default_value = "mermaid")]
    output: Format,
}

/// The languages of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Mermaid, which Markdown pages show as a diagram
    Mermaid,
    /// Graphviz
    Dot,
    /// A picture that browsers show, drawn without another program
    Svg,
}

/// Loads, composes, draws.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let composed = context.composed(&args.stacks, ui)?;
    let all: Vec<Desired> = composed.stacks.into_iter().map(|(_, desired)| desired).collect();
    let desired = if args.stacks.is_all() { graph::together(&all) } else { all.into_iter().next() };
    let Some(desired) = desired else { return Ok(exit::OK) };
    ui.data(&match args.output {
        Format::Mermaid => graph::mermaid(&desired),
        Format::Dot => graph::dot(&desired),
        Format::Svg => graph::svg(&desired),
    })?;
    Ok(exit::OK)
}
