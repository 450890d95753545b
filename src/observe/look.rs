//! How a cluster is looked at: what a provider may ask, before it is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a snapshot is to be taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// How it is found out what applying each object would do.
    pub preview: PreviewMode,
}

/// How it is found out what applying an object would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PreviewMode {
    /// What the merge proves unchanged needs no request, and the server is asked about the rest by a dry run; where it
    /// allows none, the merge predicts.
    #[default]
    Auto,
    /// The server is asked about every object by a dry run, and what it does not let be tried is blocked.
    DryRun,
    /// The merge predicts everything from what can be read, and the server is asked to try nothing.
    Predict,
}

/// How the previews of a snapshot were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previewing {
    /// As it was asked for.
    pub mode: PreviewMode,
    /// What the server said where it let nothing be tried, and the merge predicted instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden: Option<String>,
}
