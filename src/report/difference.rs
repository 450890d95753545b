//! What is different between two times, as an engineer reads it: in the signs, words and colours of a plan.

use anstyle::Style;

use super::page::{Line, Page};
use super::plan::{Detail, Field, View, counts, sign};
use crate::history::Change;
use crate::history::difference::Difference;
use crate::observe::FieldChange;
use crate::plan::{Action, Summary};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes what became of an object, its sign in column 2.
pub(super) fn write(page: &mut Page, change: &Change, detail: Detail) {
    let (sign, style) = sign(change.action);
    page.add(Line::at(2).styled(style, &sign.to_string()).text(" ").text(&change.id.to_string()));
    for FieldChange { path, before, after, owner: _ } in &change.fields {
        Field { path, before: before.as_ref(), after: after.as_ref(), note: "" }.write(page, 6, detail);
    }
}

/// The difference as text, coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(difference: &Difference, view: &View) -> String {
    let Difference { instance, from, to, changes, same, not_compared, format: _ } = difference;
    let to = to.map_or_else(|| "the files as they are now".to_owned(), |revision| format!("revision {revision}"));
    let mut page = view.page();
    page.add(Line::at(0).styled(BOLD, &format!("{}, from revision {from} to {to}", instance.name())));
    page.gap();
    changes.iter().for_each(|change| write(&mut page, change, view.detail));
    if !changes.is_empty() {
        page.gap();
    }
    for secret in not_compared {
        let line = Line::at(2).styled(DIM, "not compared");
        page.add(line.text(&format!(" {secret}: what it holds is in no record")));
    }
    if !not_compared.is_empty() {
        page.gap();
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
    page.add(Line::at(0).styled(BOLD, heading).text(&format!(": {}.", counts(&summary))));
    page.into_text()
}
