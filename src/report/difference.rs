//! What is different between two times, as an engineer reads it: in the signs, words and colours of a plan.

use std::fmt::Write;

use anstyle::Style;

use super::clean::clean;
use super::plan::{counts, field_text, sign};
use crate::history::difference::Difference;
use crate::plan::{Action, Summary};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The difference as text, coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(difference: &Difference) -> String {
    let Difference { instance, from, to, changes, same, not_compared, format: _ } = difference;
    let to = to.map_or_else(|| "the files as they are now".to_owned(), |revision| format!("revision {revision}"));
    let mut out = String::new();
    let _ = writeln!(out, "{BOLD}{}, from revision {from} to {to}{BOLD:#}\n", clean(&instance.name()));
    for change in changes {
        let (sign, style) = sign(change.action);
        let _ = writeln!(out, "  {style}{sign}{style:#} {}", clean(&change.id.to_string()));
        for field in &change.fields {
            field_text(&mut out, &field.path, field.before.as_ref(), field.after.as_ref(), "");
        }
    }
    if !changes.is_empty() {
        out.push('\n');
    }
    for secret in not_compared {
        let _ =
            writeln!(out, "  {DIM}not compared{DIM:#} {}: what it holds is in no record", clean(&secret.to_string()));
    }
    if !not_compared.is_empty() {
        out.push('\n');
    }
    let count = |action: Action| changes.iter().filter(|change| change.action == action).count();
    let summary = Summary {
        create: count(Action::Create),
        update: count(Action::Update),
        delete: count(Action::Delete),
        unchanged: *same,
        ..Summary::default()
    };
    let heading = if changes.is_empty() { "No differences" } else { "Difference" };
    let _ = writeln!(out, "{BOLD}{heading}{BOLD:#}: {}.", counts(&summary));
    out
}
