//! How an apply ended, as an engineer reads it: a summary by phase and tier, and the three lists.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::clean::clean;
use super::phase_title;
use super::table::Table;
use crate::apply::{NotTried, Outcome};
use crate::plan::{Action, Plan};

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const ALARM: Style = AnsiColor::Red.on_default().bold();

/// What is counted for a tier within a phase.
#[derive(Default)]
struct Row {
    services: std::collections::BTreeSet<String>,
    created: usize,
    changed: usize,
    deleted: usize,
    unchanged: usize,
}

/// The end of an apply as text, coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(plan: &Plan, outcome: &Outcome, took: Duration) -> String {
    let mut out = String::new();
    if !outcome.done.is_empty() {
        out.push_str(&by_phase_and_tier(plan, outcome));
        out.push('\n');
    }
    if !outcome.failed.is_empty() {
        let _ = writeln!(out, "{BOLD}Failed{BOLD:#}");
        for failure in &outcome.failed {
            let _ = writeln!(out, "  {}: {}", clean(&failure.id.to_string()), clean(&failure.reason));
            for detail in &failure.details {
                let _ = writeln!(out, "      {}", clean(detail));
            }
        }
        out.push('\n');
    }
    if !outcome.not_tried.is_empty() {
        let _ = writeln!(out, "{BOLD}Not tried{BOLD:#}");
        out.push_str(&not_tried(&outcome.not_tried));
        out.push('\n');
    }
    for kept in plan.kept.iter().filter(|_| outcome.is_complete()) {
        let _ = writeln!(out, "Kept {}: {}", clean(&kept.id.to_string()), clean(&kept.reason));
    }
    let seconds = took.as_secs_f64();
    let name = plan.instance.name();
    if outcome.is_complete() {
        let _ = writeln!(out, "{GOOD}Done{GOOD:#}: {} in {seconds:.1} s ({name}).", tally(outcome));
    } else {
        let why = match &outcome.aborted {
            Some(reason) => format!(" because {}", clean(reason)),
            None if outcome.interrupted => " by an interrupt".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(
            out,
            "{ALARM}Stopped{ALARM:#}{why} after {seconds:.1} s ({name}): {} done, {} failed, {} not tried. Run it again \
             to go on from here.",
            outcome.done.len(),
            outcome.failed.len(),
            outcome.not_tried.len()
        );
    }
    out
}

fn by_phase_and_tier(plan: &Plan, outcome: &Outcome) -> String {
    let mut rows: BTreeMap<(u32, String), Row> = BTreeMap::new();
    for step in &outcome.done {
        let row = rows.entry((step.phase, step.tier.clone().unwrap_or_else(|| "-".to_owned()))).or_default();
        row.services.extend(step.service.clone());
        match step.action {
            Action::Create | Action::Move => row.created += 1,
            Action::Update | Action::Replace | Action::Adopt | Action::Forget | Action::Return => {
                row.changed += 1;
            }
            Action::Delete => row.deleted += 1,
            Action::Hold | Action::Unchanged | Action::Blocked => row.unchanged += 1,
        }
    }
    let mut table = Table::new(&["PHASE", "TIER", "SERVICES", "CREATED", "CHANGED", "DELETED", "UNCHANGED"]);
    for ((number, tier), row) in &rows {
        let name = plan.phases.iter().find(|phase| phase.number == *number).map_or("", |phase| phase.name.as_str());
        let Row { services, created, changed, deleted, unchanged } = row;
        let count = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
        table.row([
            phase_title(*number, name),
            tier.clone(),
            count(services.len()),
            count(*created),
            count(*changed),
            count(*deleted),
            count(*unchanged),
        ]);
    }
    table.to_string()
}

/// One line a reason and service: the objects of a service share their fate.
fn not_tried(steps: &[NotTried]) -> String {
    let mut by_reason: BTreeMap<&str, BTreeMap<&str, Vec<&NotTried>>> = BTreeMap::new();
    for step in steps {
        let service = step.service.as_deref().unwrap_or_default();
        by_reason.entry(&step.reason).or_default().entry(service).or_default().push(step);
    }
    let mut out = String::new();
    for (reason, services) in &by_reason {
        let _ = writeln!(out, "  {}:", clean(reason));
        for (service, steps) in services {
            let kinds: Vec<&str> = steps.iter().map(|step| step.id.kind.kind.as_str()).collect();
            if service.is_empty() {
                steps.iter().for_each(|step| {
                    let _ = writeln!(out, "    {}", clean(&step.id.to_string()));
                });
            } else {
                let _ = writeln!(out, "    {} ({})", clean(service), clean(&kinds.join(", ")));
            }
        }
    }
    out
}

fn tally(outcome: &Outcome) -> String {
    let count = |wanted: &[Action]| outcome.done.iter().filter(|step| wanted.contains(&step.action)).count();
    let parts = [
        (count(&[Action::Create]), "created"),
        (count(&[Action::Update]), "updated"),
        (count(&[Action::Replace]), "replaced"),
        (count(&[Action::Adopt]), "adopted"),
        (count(&[Action::Move]), "moved"),
        (count(&[Action::Delete]), "deleted"),
        (count(&[Action::Forget]), "forgotten"),
        (count(&[Action::Hold]), "held"),
        (count(&[Action::Return]), "changed back"),
        (count(&[Action::Unchanged]), "unchanged"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}
