//! From files to a stack and an environment, or to findings with file, line and column.
//!
//! Text becomes a [`tree`] of values with their places; [`decode`] holds the tree against the JSON Schema of the
//! type that is wanted and then lets serde build the value, so that schema and decoder cannot disagree. All that is
//! wrong is said at once. Nothing here knows what ports, phases or clusters mean: proofs are [`crate::check`]'s.

pub mod decode;
pub mod rules;
mod scalar;
mod schema;
pub mod source;
pub mod spans;
pub mod suggest;
mod syntax;
pub mod tree;

#[cfg(test)]
mod tests;
