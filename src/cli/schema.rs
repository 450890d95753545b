//! `strata schema`: JSON Schemas of the files that are read and written.

use clap::ValueEnum;
use serde_json::Value;
use strata_components::model::schema;

use super::{CommandResult, Ui};
use crate::policies::PolicyFile;
use crate::{exit, plan, report};

/// Print the JSON Schema of a file, for editors and other programs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file
    #[arg(value_name = "WHAT")]
    what: What,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A file in stacks/
    Stack,
    /// A file in environments/
    Environment,
    /// A file in policies/
    Policies,
    /// What `plan -o json` prints
    Plan,
    /// A line of what `up -o json` prints
    Events,
    /// What `affected -o json` prints
    Affected,
}

/// Prints.
pub(super) fn run(args: &Args, ui: &mut Ui) -> CommandResult {
    let schema: Value = match args.what {
        What::Stack => schema::stack(),
        What::Environment => schema::environment(),
        What::Policies => schema::of::<PolicyFile>(),
        What::Plan => plan::json_schema().to_value(),
        What::Events => report::events::json_schema(),
        What::Affected => report::affected::json_schema(),
    };
    ui.data(&report::json_document(&schema))?;
    Ok(exit::OK)
}
