//! Decoding as a server written in Go does it: what its types keep of a body, and what it says of one that it cannot read,
//! in its own words. Knows no verb and no rule of a kind.

mod conform;
mod go_fields;
mod go_types;
mod print;
mod strict;
mod syntax;

pub(crate) use self::conform::{conform, settle, shape};
pub(crate) use self::print::{print, quote};
pub(crate) use self::strict::{duplicates, faults};
pub(crate) use self::syntax::{json_map, json_value};

#[cfg(test)]
mod tests;
