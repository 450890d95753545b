//! The history of an instance, as an engineer reads it: a table of runs, and one run with what it changed.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use strata_components::desired::Instance;

use super::clean::clean;
use super::difference;
use super::plan::View;
use super::table::Table;
use crate::history::{Command, Commit, Entry, HISTORY_FORMAT, Head, NotDone, Record, State};
use crate::plan::Summary;

const BOLD: Style = Style::new().bold();
const ALARM: Style = AnsiColor::Red.on_default().bold();

/// Digits of a commit that are shown.
const SHORT: usize = 10;

/// The history for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List<'a> {
    /// Always `strata.history/v1`.
    pub format: &'static str,
    /// Whose it is.
    pub instance: &'a Instance,
    /// The records, the newest first.
    pub records: Vec<&'a Head>,
    /// Records that are there and cannot be read, the newest first.
    pub unreadable: Vec<Unreadable<'a>>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable<'a> {
    /// Its number.
    pub revision: u64,
    /// Why not.
    pub why: &'a str,
}

/// The history for programs.
#[must_use]
pub fn list<'a>(instance: &'a Instance, entries: &'a [Entry]) -> List<'a> {
    let unreadable = |entry: &'a Entry| match entry {
        Entry::Known(_) => None,
        Entry::Unreadable { revision, why } => Some(Unreadable { revision: *revision, why }),
    };
    List {
        format: HISTORY_FORMAT,
        instance,
        records: entries.iter().filter_map(Entry::head).collect(),
        unreadable: entries.iter().filter_map(unreadable).collect(),
    }
}

/// A table of runs, the newest first, coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(instance: &Instance, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return format!("Nothing was ever done to {} here.\n", clean(&instance.name()));
    }
    let mut table = Table::new(&["REVISION", "BEGUN", "RUN", "CHANGES", "OUTCOME", "COMMIT", "BY"]);
    for entry in entries {
        match entry {
            Entry::Known(head) => table.row([
                head.revision.to_string(),
                head.begun.clone(),
                run(head),
                changes(&head.summary),
                outcome(head),
                head.commit.as_ref().map_or_else(|| "-".to_owned(), commit),
                head.by.clone(),
            ]),
            Entry::Unreadable { revision, .. } => table.row([revision.to_string(), "not readable".to_owned()]),
        }
    }
    let mut out = table.to_string();
    for entry in entries {
        if let Entry::Unreadable { revision, why } = entry {
            let _ = writeln!(out, "\n{ALARM}Revision {revision}{ALARM:#} cannot be read: {}.", clean(why));
        }
    }
    out
}

/// One run: its head, what it changed, and what failed. Ends with a line feed.
#[must_use]
pub fn one(record: &Record, view: &View) -> String {
    let Record { head, made, ending } = record;
    let mut out = String::new();
    let (name, target) = (head.instance.name(), &head.target);
    let _ = writeln!(
        out,
        "{BOLD}Revision {} of {} on cluster {}{BOLD:#}\n",
        head.revision,
        clean(&name),
        clean(&target.name)
    );
    let mut say = |what: &str, text: &str| {
        let _ = writeln!(out, "  {what:<9}{}", clean(text));
    };
    say("run", &run(head));
    say("by", &format!("{}, with {}", head.by, head.program));
    say("begun", &head.begun);
    say("ended", head.ended.as_deref().unwrap_or("nobody wrote it down: it goes on, or was killed"));
    say("outcome", &outcome(head));
    if let Some(Commit { id, branch }) = &head.commit {
        say("commit", &branch.as_ref().map_or_else(|| id.clone(), |branch| format!("{id} ({branch})")));
    }
    say("inputs", &head.inputs);
    say("plan", &head.plan);
    if let Some(reason) = ending.as_ref().and_then(|ending| ending.aborted.as_ref()) {
        say("stopped", reason);
    }
    let _ = writeln!(out, "\n{BOLD}Changes{BOLD:#}");
    let mut page = view.page();
    made.changes.iter().for_each(|change| difference::write(&mut page, change, view.detail));
    out.push_str(&page.into_text());
    let ending = ending.as_ref();
    for (heading, steps) in
        [("Failed", ending.map(|ending| &ending.failed)), ("Not tried", ending.map(|ending| &ending.not_tried))]
    {
        let Some(steps) = steps.filter(|steps| !steps.is_empty()) else { continue };
        let _ = writeln!(out, "\n{BOLD}{heading}{BOLD:#}");
        for NotDone { action: _, id, reason } in steps {
            let _ = writeln!(out, "  {}: {}", clean(&id.to_string()), clean(reason));
        }
    }
    out
}

/// `up`, or `rollback to 3`; with the services it was about, where it was not about all.
fn run(head: &Head) -> String {
    let mut text = match (head.command, head.back_to) {
        (Command::Up, _) => "up".to_owned(),
        (Command::Destroy, _) => "destroy".to_owned(),
        (Command::Rollback, Some(revision)) => format!("rollback to {revision}"),
        (Command::Rollback, None) => "rollback".to_owned(),
    };
    for target in &head.targets {
        let _ = write!(text, " --target {target}");
    }
    text
}

fn outcome(head: &Head) -> String {
    let word = match head.state {
        State::Unfinished => return "unfinished".to_owned(),
        State::Done => return "done".to_owned(),
        State::Failed => "failed",
        State::Interrupted => "interrupted",
    };
    format!("{word}: {} done, {} failed, {} not tried", head.done, head.failed, head.not_tried)
}

/// The digits of a commit that are shown, with its branch.
fn commit(commit: &Commit) -> String {
    let short = commit.id.get(..SHORT).unwrap_or(&commit.id);
    commit.branch.as_ref().map_or_else(|| short.to_owned(), |branch| format!("{short} ({branch})"))
}

/// `+2 ~1 -3`, with the signs of a plan: only what there is.
fn changes(summary: &Summary) -> String {
    let Summary { create, update, replace, adopt, moved, delete, forget, hold: _, back: _, unchanged: _, blocked: _ } =
        *summary;
    let parts =
        [(create, '+'), (update, '~'), (replace, '±'), (adopt, '>'), (moved, '→'), (delete, '-'), (forget, '<')];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, sign)| format!("{sign}{count}")).collect();
    parts.join(" ")
}
