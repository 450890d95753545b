//! Kubernetes server-side apply as a library, over [`serde_json::Value`].
//!
//! The algorithm is the API server's: objects are merged field by field along their schema, every field has owners, and
//! what an owner leaves out goes. It is driven by schema alone; no rule names a kind or a field outside the schema's
//! tables. Everything is pure: no IO, no clock, no randomness, no async.
//!
//! | to | use |
//! |---|---|
//! | get a type | [`Schema::kubernetes`], [`Schema::from_crd_version`], [`Schema::deduced`] |
//! | apply a configuration | [`apply`] |
//! | track who owns what through any other write | [`update`] |
//! | know what an apply would do, without a request | [`predict()`] |
//! | see what differs between two objects | [`diff()`] |
//! | read who owns what | [`owners()`] |
//! | start the next apply from what a manager applied last | [`extract()`] |
//! | move an object over from client-side apply | [`client_side::hand_over`] |
//! | serve the `scale` subresource | [`scale`] |
//! | serve several versions of a kind | [`Versions`], [`ServedVersions`] |
//! | work with sets of fields | [`FieldSet`], [`FieldPath`] |
//! | read and write amounts | [`quantity`] |
//! | merge, compare, extract, remove by type | [`typed`] |
//!
//! ```
//! use serde_json::json;
//! use structured_merge::{ApplyOptions, Prediction, Schema, apply, predict};
//!
//! let ty = Schema::kubernetes().kind("", "v1", "Service").unwrap();
//! let config = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
//!     "spec": {"ports": [{"name": "http", "port": 80}]}});
//! let live = apply(&ty, None, &config, &ApplyOptions::new("deployer", "2026-01-01T00:00:00Z"))?;
//! assert_eq!(predict(&ty, &live, &config, "deployer"), Prediction::Unchanged);
//! # Ok::<(), structured_merge::ApplyError>(())
//! ```
//!
//! What a server does beyond merging (defaults, normal forms, admission, `resourceVersion`) is left to the caller.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

pub mod client_side;
pub mod diff;
pub mod managed;
pub mod owners;
pub mod path;
pub mod predict;
pub mod quantity;
pub mod scale;
pub mod schema;
pub mod set;
pub mod typed;
pub mod value;

mod apply;
mod conflict;
mod extract;
mod fields_v1;
mod json_text;
mod last_applied;
mod object;
mod ownership;
mod pattern;
mod proof;
#[cfg(test)]
mod properties;
mod stored;
mod update;
mod versions;

pub use apply::{ApplyError, ApplyOptions, apply};
pub use conflict::Conflict;
pub use diff::{Change, diff};
pub use extract::extract;
pub use fields_v1::FieldsV1Error;
pub use managed::{Managed, ManagedEntry, ManagedFieldsError, Manager, Operation};
pub use owners::owners;
pub use path::{FieldPath, PathElement};
pub use pattern::{FieldPattern, FieldPatternError};
pub use predict::{Prediction, predict};
pub use schema::{Schema, TypeRef};
pub use set::FieldSet;
pub use update::{UpdateError, UpdateOptions, update};
pub use versions::{ServedVersions, Versions};
