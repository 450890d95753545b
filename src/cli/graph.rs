//! `strata graph`: services, what each waits for, and the phases they start in, as a picture.

use clap::ValueEnum;

use super::{CommandResult, Context, StackArgs, Ui, findings};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::report::graph;

/// Draw services, dependencies and phases; no cluster is needed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
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
    let loaded = context.load(&args.stack, ui)?;
    let (cluster, _) = Choice::of(args.stack.cluster.as_deref(), &loaded.environment)?;
    let desired = findings::checked(context, &loaded, &args.stack, &cluster, ui)?;
    ui.data(&match args.output {
        Format::Mermaid => graph::mermaid(&desired),
        Format::Dot => graph::dot(&desired),
        Format::Svg => graph::svg(&desired),
    })?;
    Ok(exit::OK)
}
