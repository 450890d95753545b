//! Server-side apply as a library.

pub mod diff;
pub mod managed;
pub mod owners;
pub mod path;
pub mod predict;
pub mod schema;
pub mod set;
pub mod typed;
pub mod value;

mod apply;
mod conflict;
mod fields_v1;
mod last_applied;
mod object;
mod ownership;
mod proof;
#[cfg(test)]
mod properties;
mod quantity;
mod update;
mod versions;

pub use apply::{ApplyError, ApplyOptions, apply};
pub use conflict::Conflict;
pub use diff::{Change, diff};
pub use fields_v1::FieldsV1Error;
pub use managed::{Managed, ManagedEntry, ManagedFieldsError, Manager, Operation};
pub use owners::owners;
pub use path::{FieldPath, PathElement};
pub use predict::{Prediction, predict};
pub use schema::{Schema, TypeRef};
pub use set::FieldSet;
pub use update::{UpdateError, UpdateOptions, update};
pub use versions::Versions;
