//! Options of the commands that plan: how the cluster is looked at.

use clap::ValueEnum;

use crate::observe::{Look, PreviewMode};

/// How the cluster is looked at.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LookArgs {
    /// How to find out what applying each object would do
    #[arg(long, value_name = "MODE", default_value = "auto")]
    preview: Preview,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preview {
    /// Ask the server by a dry run about what cannot be proven unchanged; predict where it allows none
    Auto,
    /// Ask the server by a dry run about every object
    DryRun,
    /// Ask nothing: predict from what can be read, with credentials that can only get and list
    Predict,
}

impl LookArgs {
    pub(super) fn look(&self) -> Look {
        let preview = match self.preview {
            Preview::Auto => PreviewMode::Auto,
            Preview::DryRun => PreviewMode::DryRun,
            Preview::Predict => PreviewMode::Predict,
        };
        Look { preview }
    }
}
