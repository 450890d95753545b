//! A plan as a comment on a pull request: what to look at first, then a part that unfolds for each service.
//!
//! Names and values come from files and clusters and are no Markdown: outside of code they are escaped, and code is fenced
//! by more back-ticks than stand in it. GitHub takes comments of 65,536 characters: what does not fit is left out, and
//! that is said.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::clean::clean;
use super::facts::{Facts, Matter, details, facts, needs};
use super::phase_title;
use super::plan::{counts, doing, headline, step_text};
use crate::plan::{Action, Plan, Step};

/// Characters that a comment may have.
pub const LONGEST: usize = 65_536;
/// Characters that are kept for what says that something was left out.
const LEFT_OVER: usize = 400;
/// Objects that are named for one risk.
const NAMED: usize = 20;
/// What stands for steps that belong to no service.
const GROUND: &str = "belongs to no service";

/// The plan as Markdown in GitHub's flavour, at most [`LONGEST`] characters. It begins with a comment that is the same for
/// each plan of one instance, so that CI finds the one to replace.
#[must_use]
pub fn markdown(plan: &Plan) -> String {
    let marker = marker(&plan.instance.name());
    let rest = within(plan, LONGEST - marker.chars().count().min(LEFT_OVER));
    format!("{marker}\n{rest}")
}

/// The same without the comment that it begins with, at most `longest` characters.
pub(super) fn within(plan: &Plan, longest: usize) -> String {
    let mut out = format!("### {}\n\n", escape(&headline(plan)));
    let facts = facts(plan);
    let _ = writeln!(out, "{}\n", summary(plan, &facts));
    out.push_str(&phases(plan));
    out.push_str(&waits(plan));
    out.push_str(&risks(&facts));
    out.push_str(&findings(&facts));
    let limit = longest.saturating_sub(LEFT_OVER);
    let (mut left_out, mut size) = (Vec::new(), out.chars().count());
    for (service, steps) in by_service(plan) {
        let part = part(&service, &steps);
        let more = part.chars().count();
        if size + more <= limit {
            size += more;
            out.push_str(&part);
        } else {
            left_out.push(service);
        }
    }
    if size > limit {
        // What comes before the parts is bounded but for names, and these may be of any length.
        out = out.chars().take(limit).collect();
        out.push('\n');
    }
    if !left_out.is_empty() || size > limit {
        let parts = if left_out.len() == 1 { "1 part is".to_owned() } else { format!("{} parts are", left_out.len()) };
        let _ = writeln!(
            out,
            "\n**Cut:** {parts} left out here, because a comment has at most {LONGEST} characters. `strata show` tells the \
             whole of a saved plan."
        );
    }
    out
}

/// What a comment about plans of this name begins with. Two hyphens would end it.
pub(super) fn marker(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    format!("<!-- strata plan {} -->", name.replace("--", "_-"))
}

fn summary(plan: &Plan, facts: &Facts) -> String {
    let mut parts =
        vec![if plan.is_empty() { "**No changes.**".to_owned() } else { format!("**{}.**", counts(&plan.summary)) }];
    parts.extend(facts.effects());
    parts.join(" ")
}

/// What is waited for outside the stack.
fn waits(plan: &Plan) -> String {
    let mut out = String::new();
    for phase in &plan.phases {
        for need in needs(phase) {
            let _ = writeln!(out, "- Phase {}: {}.", escape(&phase_title(phase.number, &phase.name)), escape(&need));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// A table of the phases in which something happens.
fn phases(plan: &Plan) -> String {
    let columns: [(&str, &[Action]); 7] = [
        ("create", &[Action::Create, Action::Move]),
        ("change", &[Action::Update, Action::Adopt]),
        ("replace", &[Action::Replace]),
        ("delete", &[Action::Delete, Action::Forget]),
        ("blocked", &[Action::Blocked]),
        ("hold", &[Action::Hold]),
        ("way back", &[Action::Return]),
    ];
    let usual = 5;
    let seen = |actions: &[Action]| plan.steps().any(|step| actions.contains(&step.action));
    let told = columns.iter().enumerate().filter(|(at, (_, actions))| *at < usual || seen(actions));
    let columns: Vec<_> = told.map(|(_, column)| *column).collect();
    let mut rows = String::new();
    for phase in &plan.phases {
        let many = |actions: &[Action]| phase.steps.iter().filter(|step| actions.contains(&step.action)).count();
        if columns.iter().all(|(_, actions)| many(actions) == 0) {
            continue;
        }
        let title = escape(&phase_title(phase.number, &phase.name));
        let _ = write!(rows, "| {title}{} |", doing(phase.order));
        for (_, actions) in &columns {
            match many(actions) {
                0 => rows.push_str(" |"),
                many => {
                    let _ = write!(rows, " {many} |");
                }
            }
        }
        rows.push('\n');
    }
    if rows.is_empty() {
        return rows;
    }
    let names = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ");
    let sides = "--:|".repeat(columns.len());
    format!("| phase | {names} |\n|---|{sides}\n{rows}\n")
}

/// What to look at first: each risk with its objects.
fn risks(facts: &Facts) -> String {
    let matters = facts.matters();
    if matters.is_empty() {
        return String::new();
    }
    let mut out = "**Look at this first**\n\n".to_owned();
    for Matter { words, objects, is_grave: _ } in matters {
        let _ = write!(out, "- **{}** {words}: ", objects.len());
        let named: Vec<String> = objects.iter().take(NAMED).map(|object| code(object)).collect();
        out.push_str(&named.join(", "));
        if objects.len() > NAMED {
            let _ = write!(out, " and {} more", objects.len() - NAMED);
        }
        out.push('\n');
    }
    out.push('\n');
    out
}

/// What the user's own policies have to say.
fn findings(facts: &Facts) -> String {
    if facts.findings.is_empty() {
        return String::new();
    }
    let mut out = "**Policies**\n\n".to_owned();
    for finding in facts.findings.iter().take(NAMED) {
        let _ = write!(out, "- **{}** {}: {}", finding.level, code(&finding.rule), escape(&finding.message));
        for detail in details(finding) {
            let _ = write!(out, "; {}", escape(&detail));
        }
        out.push('\n');
    }
    if facts.findings.len() > NAMED {
        let _ = writeln!(out, "- and {} more", facts.findings.len() - NAMED);
    }
    out.push('\n');
    out
}

/// What happens, by service; what belongs to none comes first.
fn by_service(plan: &Plan) -> Vec<(String, Vec<&Step>)> {
    let mut services: BTreeMap<Option<&str>, Vec<&Step>> = BTreeMap::new();
    for step in plan.steps().filter(|step| step.action != Action::Unchanged) {
        services.entry(step.service.as_deref()).or_default().push(step);
    }
    let named = |service: Option<&str>| service.map_or_else(|| GROUND.to_owned(), str::to_owned);
    services.into_iter().map(|(service, steps)| (named(service), steps)).collect()
}

/// A part that unfolds.
fn part(service: &str, steps: &[&Step]) -> String {
    let text: String = steps.iter().map(|step| step_text(step)).collect();
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    let tier = steps.iter().find_map(|step| step.tier.as_deref()).map(|tier| format!(", {}", html(tier)));
    let changes = if steps.len() == 1 { "1 object".to_owned() } else { format!("{} objects", steps.len()) };
    format!(
        "<details><summary><code>{}</code>{}: {changes}</summary>\n\n{fence}text\n{text}{fence}\n\n</details>\n",
        html(service),
        tier.unwrap_or_default()
    )
}

/// The most back-ticks that stand in a row.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text as code within a line.
fn code(text: &str) -> String {
    let text = clean(text);
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A space on either side is no part of the code, and lets it begin and end with a back-tick.
    let space = if ticks.len() > 1 || text.trim() != text || text.is_empty() { " " } else { "" };
    format!("{ticks}{space}{text}{space}{ticks}")
}

/// Text that is no Markdown, whatever stands in it: everything that could mean something is escaped, and what would call
/// somebody or lead somewhere is broken up.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A comment that means nothing keeps these from being read together with what follows.
            '@' | '#' => {
                out.push('\\');
                out.push(c);
                out.push_str("<!-- -->");
            }
            c if c.is_ascii_punctuation() && !",".contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text within HTML.
fn html(text: &str) -> String {
    let text = clean(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
pub(super) mod tests;
