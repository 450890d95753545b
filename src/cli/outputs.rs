//! `strata outputs`: what a stack tells other stacks and people.

use anyhow::anyhow;

use super::format::Format;
use super::{CommandError, CommandResult, Context, StackArgs, Ui, findings};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::load::suggest::instead;
use crate::report::{json_document, outputs};

/// Print the outputs of a stack, as they are in an environment; no cluster is needed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// The output of which the value alone is printed; all of them, when none is named
    #[arg(value_name = "NAME", conflicts_with = "output")]
    name: Option<String>,
    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Loads, composes, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let loaded = context.load(&args.stack, ui)?;
    let (cluster, _) = Choice::of(args.stack.cluster.as_deref(), &loaded.environment)?;
    let desired = findings::checked(context, &loaded, &args.stack, &cluster, ui)?;
    let stack = &desired.instance.stack;
    let text = match (&args.name, args.output) {
        (Some(name), _) => {
            let output = desired.outputs.get(name).ok_or_else(|| {
                let names = desired.outputs.keys().map(String::as_str);
                CommandError::new(exit::ERROR, anyhow!("the stack {stack} has no output {name}")).hint(instead(
                    name,
                    "outputs there",
                    names,
                ))
            })?;
            outputs::value(output)
        }
        (None, Format::Json) => json_document(&outputs::OutputsDocument::of(&desired)),
        (None, Format::Terminal) if desired.outputs.is_empty() => {
            format!("The stack {stack} has no outputs.\n")
        }
        (None, Format::Terminal) => outputs::terminal(&desired.outputs),
    };
    ui.data(&text)?;
    Ok(exit::OK)
}
