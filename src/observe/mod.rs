//! What is live: the [`Snapshot`], the only thing the planner knows of a cluster.
//!
//! A provider takes it (see [`crate::provider`]); nothing here reads anything. A snapshot serialises, so that a
//! wrong plan becomes a file that a test replays.

mod look;
mod nodes;
mod snapshot;

pub use look::{Look, PreviewMode, Previewing};
pub use nodes::{LiveNode, NodeTaint, SURROUNDINGS_FORMAT, Surroundings, Unread};
pub use snapshot::{
    Autoscaled, Confirmation, FieldChange, FieldConflict, FieldOwner, HIDDEN, Health, Leftover, LiveColours,
    LiveObject, Owner, Preview, Previewed, Readiness, ReplaceOrder, SNAPSHOT_FORMAT, Snapshot, Target, UnlistedKind,
};
