//! `strata completions`: a script that teaches a shell to complete the program's arguments.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, CommandResult, Ui};
use crate::exit;

/// Print a script that completes strata's arguments in your shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: strata completions bash > ~/.local/share/bash-completion/completions/strata")]
pub struct Args {
    /// The shell to write for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Writes the script to standard output.
pub(super) fn run(args: &Args, ui: &mut Ui) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "strata", &mut script);
    ui.data(&String::from_utf8_lossy(&script))?;
    Ok(exit::OK)
}
