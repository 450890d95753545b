//! What was done to an instance: a record of each run that changed something, with what was desired then.
//!
//! Only types and pure functions: what a [`Record`] says, how it is [packed](pack) into parts of a bounded size, which
//! records are [let go of](kept), what two of them [differ in](difference), and what one of them desired as it can be
//! desired [again](restore). Where records are kept is the provider's affair
//! ([`crate::provider::Provider`]). Times and names come from outside.
//!
//! No record holds what a Secret holds: values are taken out where a record is made, and there is no other way to make one.

pub mod difference;
pub mod kept;
pub mod pack;
mod record;
pub mod restore;

pub use record::{
    Change, Command, Commit, Draft, Ending, Entry, HISTORY_FORMAT, Head, Made, NotDone, Record, State, redacted,
};

#[cfg(test)]
mod tests;
