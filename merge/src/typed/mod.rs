//! The operations that need a value's type: checking, merging, comparing, and taking out fields.
//!
//! They are pure functions of a [`TypeRef`](crate::schema::TypeRef) and values. Who owns what is not known here.

mod compare;
mod fields;
pub(crate) mod items;
mod merge;
pub(crate) mod normal;
mod prune;
mod sets;
mod validate;

pub use compare::{Comparison, compare};
pub use fields::fields;
pub use merge::merge;
pub use prune::{extract, remove};
pub use sets::{settled, with_named_fields};
pub use validate::{Duplicates, ValidationError, ValidationErrors, validate};
