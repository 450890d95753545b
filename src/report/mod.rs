//! What people and programs read: pure functions from findings, plans, snapshots and outcomes to text.
//!
//! Whatever came from a file or a cluster is cleaned once, by [`clean`], where it enters a report.

pub mod clean;
pub mod outcome;
pub mod plan;
pub mod status;
pub mod table;
