//! What people and programs read: pure functions from findings, plans, snapshots and outcomes to text.
//!
//! Whatever came from a file or a cluster is cleaned once, by [`clean`], where it enters a report.

pub mod affected;
pub mod clean;
pub mod compose_file;
mod compose_parts;
pub mod difference;
pub mod events;
pub mod facts;
pub mod findings;
pub mod gitops;
pub mod graph;
pub mod history;
pub mod html;
pub mod manifests;
pub mod markdown;
pub mod matrix;
pub mod outcome;
pub mod outputs;
pub mod page;
pub mod plan;
pub mod ports;
pub mod reach;
pub mod stale;
pub mod status;
pub mod table;
pub mod together;

/// A value as an indented JSON document with a line feed at its end.
pub(crate) fn json_document(value: &impl serde::Serialize) -> String {
    // A value of ours always has a form in JSON; were it not so, the reader must see it.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

/// A phase in a heading or a table: its number and its name, or the number alone where the stack names none.
///
/// ```
/// use strata::report::phase_title;
/// assert_eq!(phase_title(3, "orchestration"), "3 orchestration");
/// assert_eq!(phase_title(6, "phase 6"), "6");
/// ```
#[must_use]
pub fn phase_title(number: u32, name: &str) -> String {
    if name == format!("phase {number}") { number.to_string() } else { format!("{number} {name}") }
}
