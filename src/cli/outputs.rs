//! `strata outputs`: what a stack tells other stacks and people.

use anyhow::anyhow;
use strata_components::desired::Desired;

use super::format::Format;
use super::stacks::StacksArgs;
use super::{CommandError, CommandResult, Context, Ui};
use crate::exit;
use crate::load::suggest::instead;
use crate::report::{json_document, outputs};

/// Print the outputs of a stack, as they are in an environment; no cluster is needed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// The output of which the value alone is printed; all of them, when none is named
    #[arg(value_name = "NAME", conflicts_with = "output")]
    name: Option<String>,
    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Loads, composes, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let composed = context.composed(&args.stacks, ui)?;
    let all: Vec<&Desired> = composed.stacks.iter().map(|(_, desired)| desired).collect();
    if args.stacks.is_all() {
        ui.data(&match args.output {
            Format::Terminal => outputs::terminal(&outputs::together(&all)),
            Format::Json => json_document(&all.iter().map(|one| outputs::OutputsDocument::of(one)).collect::<Vec<_>>()),
        })?;
        return Ok(exit::OK);
    }
    let Some(desired) = all.first() else { return Ok(exit::OK) };
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
        (None, Format::Json) => json_document(&outputs::OutputsDocument::of(desired)),
        (None, Format::Terminal) if desired.outputs.is_empty() => {
            format!("The stack {stack} has no outputs.\n")
        }
        (None, Format::Terminal) => outputs::terminal(&desired.outputs),
    };
    ui.data(&text)?;
    Ok(exit::OK)
}
