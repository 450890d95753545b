//! Options of the commands that show a plan: how much of it is told.

use anyhow::anyhow;

use super::CommandError;
use crate::exit;
use crate::report::plan::Detail;

/// How much of a plan is told.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct DetailArgs {
    /// Show only what the plan comes to, what to look at first, and how many objects of each phase and tier
    #[arg(long, conflicts_with = "details")]
    summary: bool,
    /// Show everything: new objects with all that is in them, texts unfolded, what stays as it is, and what steps rest on
    #[arg(long)]
    details: bool,
}

impl DetailArgs {
    /// What is asked for.
    pub(super) fn detail(self) -> Detail {
        match self {
            Self { summary: true, .. } => Detail::Summary,
            Self { details: true, .. } => Detail::Whole,
            Self { .. } => Detail::Changes,
        }
    }

    /// An error where something is asked for that is said of text for a terminal alone.
    pub(super) fn only_on_terminal(self) -> Result<(), CommandError> {
        let asked = match self {
            Self { summary: true, .. } => "--summary",
            Self { details: true, .. } => "--details",
            Self { .. } => return Ok(()),
        };
        let error = anyhow!("{asked} is about text for a terminal; other forms always say the same");
        Err(CommandError::new(exit::ERROR, error).hint(format!("leave out {asked}, or print with -o terminal")))
    }
}
