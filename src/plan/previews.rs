//! How sure a plan is: for how many objects the server, or the merge, has said what becomes of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observe::{Confirmation, PreviewMode, Previewing, Snapshot};

/// How it was found out what applying the desired objects would do, and for how many it was found out how surely.
///
/// What is certain to be impossible, because the server refuses it or does not serve its kind, is in none of the counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Previews {
    /// Whether the server was to be asked.
    pub mode: PreviewMode,
    /// What the server said where it let nothing be tried, and the merge predicted instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden: Option<String>,
    /// Objects proven unchanged by the merge.
    pub proven: usize,
    /// Objects of which the server answered a dry run.
    pub dry_run: usize,
    /// Objects of which the merge alone says what becomes of them.
    pub predicted: usize,
    /// Objects of which neither could say it for sure.
    pub unconfirmed: usize,
}

impl Previews {
    /// Counts the previews of a snapshot.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let Previewing { mode, forbidden } = snapshot.previewing.clone();
        let mut counts = Self { mode, forbidden, ..Self::default() };
        for confirmation in snapshot.previews.iter().filter_map(|preview| preview.outcome.confirmation()) {
            *match confirmation {
                Confirmation::Proven => &mut counts.proven,
                Confirmation::DryRun => &mut counts.dry_run,
                Confirmation::Predicted => &mut counts.predicted,
                Confirmation::Unconfirmed(_) => &mut counts.unconfirmed,
            } += 1;
        }
        counts
    }

    /// Of how many objects it is known, or not, what becomes of them.
    #[must_use]
    pub fn all(&self) -> usize {
        let Self { mode: _, forbidden: _, proven, dry_run, predicted, unconfirmed } = *self;
        proven + dry_run + predicted + unconfirmed
    }
}
