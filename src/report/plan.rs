//! A plan as an engineer reads it at a terminal: what it comes to, what to look at first, then phases, services, objects, and
//! fields with old and new values, and why.
//!
//! Colours only repeat what signs and words say.

mod brief;
mod fields;
mod step;

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

pub(super) use self::brief::brief;
pub(super) use self::fields::{Field, show, texts};
pub(super) use self::step::{remarks, sign, why};
use super::facts::{Facts, facts, needs};
use super::page::{Line, Page};
use super::phase_title;
use super::table::Table;
use crate::observe::{Confirmation, PreviewMode};
use crate::plan::{Action, Cause, Order, Plan, PlanPhase, Step, Summary};
use crate::secrets::Known;

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const ALARM: Style = AnsiColor::Red.on_default().bold();

/// Objects that are named for one risk.
const NAMED: usize = 5;
/// Lines after which what a plan comes to has left a screen, and is said again.
const SCREEN: usize = 24;

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// What it comes to and what to look at first, and how many objects of each tier.
    Summary,
    /// Each object that changes, with its fields; what stays the same is folded.
    #[default]
    Changes,
    /// Everything: objects that stay as they are by their names, new ones with all that is in them, and what each step rests on.
    Whole,
}

/// How text for a terminal is written.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Columns of the terminal; absent where lines are not to be broken.
    pub width: Option<usize>,
    /// How much is told.
    pub detail: Detail,
    /// What is known to be secret, and is not told.
    pub known: Known,
}

impl View {
    pub(super) fn page(&self) -> Page {
        Page::new(self.width, self.known.clone())
    }
}

/// The plan as text, coloured by ANSI sequences. Ends with a line feed.
///
/// No line is wider than the view, unless that is narrower than [`NARROWEST`](super::page::NARROWEST) columns.
#[must_use]
pub fn terminal(plan: &Plan, view: &View) -> String {
    let mut page = view.page();
    let facts = facts(plan);
    page.add(Line::at(0).styled(BOLD, &headline(plan)));
    if !plan.is_empty() {
        comes_to(&mut page, plan, &facts);
    }
    page.gap();
    look_at(&mut page, &facts, view.detail);
    let before = page.lines();
    match view.detail {
        Detail::Summary => table(&mut page, plan),
        detail => plan.phases.iter().for_each(|phase| write_phase(&mut page, phase, detail)),
    }
    apart(&mut page, plan);
    if plan.is_empty() {
        let text = match plan.summary.unchanged {
            1 => ": 1 object is as the stack says.".to_owned(),
            many => format!(": {many} objects are as the stack says."),
        };
        page.add(Line::at(0).styled(GOOD, "No changes").text(&text));
    } else if page.lines() - before > SCREEN {
        comes_to(&mut page, plan, &facts);
    }
    obstacles(&mut page, plan);
    page.into_text()
}

/// A step as text without colours, its sign in column 2 and no line broken.
pub(super) fn step_text(step: &Step) -> String {
    let mut page = View::default().page();
    step::write(&mut page, step, 2, Detail::Changes);
    anstream::adapter::strip_str(&page.into_text()).to_string()
}

pub(super) fn headline(plan: &Plan) -> String {
    let target = &plan.target;
    let version = if target.version.is_empty() { String::new() } else { format!(", Kubernetes {}", target.version) };
    let suffix = plan.instance.suffix.as_ref().map(|suffix| format!(" (instance {suffix})")).unwrap_or_default();
    let (stack, environment) = (&plan.instance.stack, &plan.instance.environment);
    format!("{stack} in {environment}{suffix}, on cluster {}{version}", target.name)
}

/// `Plan: 2 to create, 1 to update, 3 unchanged.`, and what comes of it beyond these objects.
fn comes_to(page: &mut Page, plan: &Plan, facts: &Facts) {
    let mut line = Line::at(0).hanging(2).styled(BOLD, "Plan").text(&format!(": {}.", counts(&plan.summary)));
    for effect in facts.effects() {
        line = line.text(" ").text(&effect);
    }
    page.add(line);
}

/// What somebody should look at before agreeing, the gravest first.
fn look_at(page: &mut Page, facts: &Facts, detail: Detail) {
    let matters = facts.matters();
    if matters.is_empty() {
        return;
    }
    page.add(Line::at(0).styled(BOLD, "Look at this first"));
    for matter in matters {
        let named = if detail == Detail::Whole { matter.objects.len() } else { NAMED };
        let style = if matter.is_grave { ALARM } else { Style::new() };
        let many = if matter.objects.len() > 1 { format!(" ({})", matter.objects.len()) } else { String::new() };
        let line = Line::at(2).styled(style, &format!("{}{many}", matter.words)).text(": ");
        let mut names = matter.objects.iter().take(named).map(String::as_str).collect::<Vec<_>>().join(", ");
        if matter.objects.len() > named {
            names.push_str(&format!(" and {} more", matter.objects.len() - named));
        }
        page.add(line.text(&names));
    }
    page.gap();
}

/// What happens in a phase: first to what belongs to no service, then service by service.
fn write_phase(page: &mut Page, phase: &PlanPhase, detail: Detail) {
    let mut services: Vec<(Option<&str>, Vec<&Step>)> = vec![(None, Vec::new())];
    for step in phase.steps.iter().filter(|step| detail == Detail::Whole || step.action != Action::Unchanged) {
        let service = step.service.as_deref();
        match services.iter_mut().find(|(name, _)| *name == service) {
            Some((_, steps)) => steps.push(step),
            None => services.push((service, vec![step])),
        }
    }
    services.retain(|(_, steps)| !steps.is_empty());
    if services.is_empty() {
        return;
    }
    page.add(
        Line::at(0).styled(BOLD, &format!("Phase {}{}", phase_title(phase.number, &phase.name), doing(phase.order))),
    );
    needs(phase).iter().for_each(|need| page.add(Line::at(2).text(need)));
    for (service, steps) in services {
        let indent = match service {
            None => 2,
            Some(service) => {
                let tier = steps.iter().find_map(|step| step.tier.as_deref());
                let tier = tier.map(|tier| format!(" ({tier})")).unwrap_or_default();
                page.add(Line::at(2).styled(BOLD, service).text(&tier));
                4
            }
        };
        steps.iter().for_each(|step| step::write(page, step, indent, detail));
    }
    page.gap();
}

/// What the name of a phase does not say of what is done in it.
pub(super) fn doing(order: Order) -> &'static str {
    match order {
        Order::Apply => "",
        Order::Hold => ", holds",
        Order::Return => ", only where a hold fails",
        Order::Delete => ", deletes",
        Order::Close => ", closes",
    }
}

/// How many objects of each phase and tier.
fn table(page: &mut Page, plan: &Plan) {
    let columns: [(&str, &[Action]); 8] = [
        ("CREATE", &[Action::Create, Action::Move]),
        ("CHANGE", &[Action::Update, Action::Adopt]),
        ("REPLACE", &[Action::Replace]),
        ("DELETE", &[Action::Delete, Action::Forget]),
        ("HOLD", &[Action::Hold]),
        ("WAY BACK", &[Action::Return]),
        ("BLOCKED", &[Action::Blocked]),
        ("UNCHANGED", &[Action::Unchanged]),
    ];
    let steps = || plan.steps().map(|step| step.action);
    let columns: Vec<_> =
        columns.into_iter().filter(|(_, actions)| steps().any(|one| actions.contains(&one))).collect();
    let mut headings = vec!["PHASE", "TIER", "SERVICES"];
    headings.extend(columns.iter().map(|(heading, _)| *heading));
    let mut table = Table::new(&headings);
    for phase in &plan.phases {
        let mut tiers: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        for step in &phase.steps {
            tiers.entry(step.tier.as_deref().unwrap_or("-")).or_default().push(step);
        }
        for (tier, steps) in tiers {
            let mut services: Vec<&str> = steps.iter().filter_map(|step| step.service.as_deref()).collect();
            services.sort_unstable();
            services.dedup();
            let count = |many: usize| if many == 0 { "-".to_owned() } else { many.to_string() };
            let title = format!("{}{}", phase_title(phase.number, &phase.name), doing(phase.order));
            let mut row = vec![title, tier.to_owned(), count(services.len())];
            let many = |actions: &[Action]| steps.iter().filter(|step| actions.contains(&step.action)).count();
            row.extend(columns.iter().map(|(_, actions)| count(many(actions))));
            table.row(row);
        }
    }
    if plan.steps().next().is_some() {
        table.to_string().lines().for_each(|row| page.add(Line::at(0).text(row)));
        page.gap();
    }
}

/// What is kept or left out, each in a phrase.
pub(super) fn aside(plan: &Plan) -> Vec<String> {
    let mut phrases: Vec<String> = plan.kept.iter().map(|kept| format!("kept {}: {}", kept.id, kept.reason)).collect();
    let mut services: BTreeMap<&str, usize> = BTreeMap::new();
    for left in &plan.left_out {
        if left.left_stack {
            phrases.push(format!("left out {}: it left the stack, and stays for now", left.id));
        } else {
            *services.entry(left.service.as_deref().unwrap_or_default()).or_default() += 1;
        }
    }
    phrases.extend(services.into_iter().map(|(service, count)| {
        let objects = if count == 1 { "object" } else { "objects" };
        format!("left out {service}: {count} {objects}, not compared")
    }));
    phrases
}

/// What no step is about: what is kept, left out or not known.
fn apart(page: &mut Page, plan: &Plan) {
    aside(plan).iter().for_each(|line| page.add(Line::at(2).text(line)));
    for unlisted in &plan.unlisted {
        let kind = format!("{} {}", unlisted.kind.kind, unlisted.kind.group);
        page.add(Line::at(2).styled(ALARM, "unknown").text(&format!(" {}: {}", kind.trim(), unlisted.reason)));
    }
    if !plan.kept.is_empty() || !plan.unlisted.is_empty() || !plan.left_out.is_empty() {
        page.gap();
    }
}

/// What stands in the way, and how sure all of it is.
fn obstacles(page: &mut Page, plan: &Plan) {
    previews(page, plan);
    if plan.summary.blocked == 0 {
        return;
    }
    let text = ": up would change nothing until the steps marked ! are dealt with.";
    page.add(Line::at(0).hanging(2).styled(ALARM, "Blocked").text(text));
    remedies(plan).into_iter().for_each(|remedy| page.add(Line::at(2).hanging(2).text(remedy)));
}

/// What can be done about what blocks steps, where that is not told with them.
pub(super) fn remedies(plan: &Plan) -> Vec<&'static str> {
    let has = |wanted: fn(&Cause) -> bool| plan.steps().flat_map(|step| &step.causes).any(wanted);
    let held = has(|cause| matches!(cause, Cause::Conflict { .. })).then_some(
        "Take the fields that others hold with --force-conflicts, or say under `ownership` in the stack whose they are.",
    );
    let foreign = has(|cause| matches!(cause, Cause::NotOurs))
        .then_some("Make existing objects this instance's with --adopt, or by `ownership` in the stack.");
    if plan.summary.blocked == 0 { Vec::new() } else { held.into_iter().chain(foreign).collect() }
}

/// How the plan was found out where the server was not asked, and what is not known for sure.
fn previews(page: &mut Page, plan: &Plan) {
    if let Some(how) = predicted(plan) {
        page.add(Line::at(0).hanging(2).styled(BOLD, "Predicted").text(&format!(": {how}.")));
    }
    unconfirmed(plan).iter().for_each(|reason| page.add(Line::at(2).hanging(2).text(reason)));
}

/// Why and how much of a plan is predicted, where the server was not asked.
pub(super) fn predicted(plan: &Plan) -> Option<String> {
    let previews = &plan.previews;
    let how = match &previews.forbidden {
        Some(said) => format!("the server lets nothing be tried, so the merge predicts the rest ({said})"),
        None if previews.mode == PreviewMode::Predict => "the server was asked to try nothing".to_owned(),
        None => return None,
    };
    // A tenth of a percent, without the rounding of floats.
    let tenths = if previews.all() == 0 { 0 } else { previews.unconfirmed * 1000 / previews.all() };
    let (all, unconfirmed) = (previews.all(), previews.unconfirmed);
    let share = format!("{}.{} %", tenths / 10, tenths % 10);
    Some(format!("{how}; of {all} objects {unconfirmed} are not known for sure ({share})"))
}

/// What the server has not confirmed, a phrase for each reason.
pub(super) fn unconfirmed(plan: &Plan) -> Vec<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for step in plan.steps() {
        if let Some(Confirmation::Unconfirmed(reason)) = &step.confirmation {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let phrase = |(reason, count): (&str, usize)| {
        let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
        format!("not confirmed by the server: {objects}, because {reason}")
    };
    reasons.into_iter().map(phrase).collect()
}

/// `2 to create, 1 to update, 3 unchanged`: only what there is.
#[must_use]
pub fn counts(summary: &Summary) -> String {
    // The way back is taken only where a hold fails.
    let Summary { create, update, replace, adopt, moved, delete, forget, hold, back: _, unchanged, blocked } = *summary;
    let parts = [
        (create, "to create"),
        (update, "to update"),
        (replace, "to replace"),
        (adopt, "to adopt"),
        (moved, "to move"),
        (delete, "to delete"),
        (forget, "to forget"),
        (hold, "to hold"),
        (blocked, "blocked"),
        (unchanged, "unchanged"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests;
