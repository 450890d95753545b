//! From files to a stack and an environment, or to findings with file, line and column.
//!
//! Text becomes a [`tree`] of values with their places; [`decode`] holds the tree against the JSON Schema of the
//! type that is wanted and then lets serde build the value, so that schema and decoder cannot disagree. All that is
//! wrong is said at once. Nothing here knows what ports, phases or clusters mean: proofs are [`crate::check`]'s.

pub(crate) mod across;
pub mod commit;
pub mod decode;
pub mod error;
pub mod loaded;
mod references;
pub mod root;
pub mod rules;
mod scalar;
mod schema;
pub mod source;
pub mod spans;
pub mod suggest;
mod syntax;
pub mod tree;

pub use error::LoadError;
pub use loaded::{Loaded, Places, StackSource, YamlStack};
pub use root::Root;

#[cfg(test)]
mod root_tests;
#[cfg(test)]
mod tests;
