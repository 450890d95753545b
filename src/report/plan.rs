//! A plan as an engineer reads it at a terminal: phases, steps, fields with old and new values, and why.
//!
//! Colours only repeat what signs and words say.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::clean::{clean, clean_lines};
use super::facts::needs;
use super::phase_title;
use crate::observe::{Confirmation, FieldChange, FieldOwner, PreviewMode, ReplaceOrder};
use crate::plan::{Action, Cause, Order, Plan, PlanPhase, Step, Summary};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const ADD: Style = AnsiColor::Green.on_default();
const CHANGE: Style = AnsiColor::Yellow.on_default();
const REMOVE: Style = AnsiColor::Red.on_default();
const ALARM: Style = AnsiColor::Red.on_default().bold();

/// Lines of a text on either side of a change that are shown.
const CONTEXT: usize = 2;
/// Columns a value may take before it is shown as a text of several lines.
const INLINE: usize = 72;

/// The plan as text, coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{BOLD}{}{BOLD:#}\n", clean(&headline(plan)));
    for phase in &plan.phases {
        phase_text(&mut out, phase);
    }
    for kept in &plan.kept {
        let _ = writeln!(out, "  kept {}: {}", clean(&kept.id.to_string()), clean(&kept.reason));
    }
    left_out(&mut out, plan);
    for unlisted in &plan.unlisted {
        let kind = format!("{} {}", unlisted.kind.kind, unlisted.kind.group);
        let _ = writeln!(out, "  {ALARM}unknown{ALARM:#} {}: {}", clean(kind.trim()), clean(&unlisted.reason));
    }
    if !plan.kept.is_empty() || !plan.unlisted.is_empty() || !plan.left_out.is_empty() {
        out.push('\n');
    }
    out.push_str(&closing(plan));
    out
}

/// What the choice of targets leaves out: a line for each service, and one for each object that left the stack.
fn left_out(out: &mut String, plan: &Plan) {
    let mut services: BTreeMap<&str, usize> = BTreeMap::new();
    for left in &plan.left_out {
        if left.left_stack {
            let _ = writeln!(out, "  left out {}: it left the stack, and stays for now", clean(&left.id.to_string()));
        } else {
            *services.entry(left.service.as_deref().unwrap_or_default()).or_default() += 1;
        }
    }
    for (service, count) in services {
        let objects = if count == 1 { "object" } else { "objects" };
        let _ = writeln!(out, "  left out {}: {count} {objects}, not compared", clean(service));
    }
}

pub(super) fn headline(plan: &Plan) -> String {
    let target = &plan.target;
    let version = if target.version.is_empty() { String::new() } else { format!(", Kubernetes {}", target.version) };
    let mut what = format!("{} in {}", plan.instance.stack, plan.instance.environment);
    if let Some(suffix) = &plan.instance.suffix {
        let _ = write!(what, " (instance {suffix})");
    }
    format!("{what}, on cluster {}{version}", target.name)
}

fn phase_text(out: &mut String, phase: &PlanPhase) {
    let steps: Vec<&Step> = phase.steps.iter().filter(|step| step.action != Action::Unchanged).collect();
    if steps.is_empty() {
        return;
    }
    let doing = match phase.order {
        Order::Apply => "",
        Order::Delete => ", deletes",
        Order::Close => ", closes",
    };
    let _ = writeln!(out, "{BOLD}Phase {}{doing}{BOLD:#}", clean(&phase_title(phase.number, &phase.name)));
    for need in needs(phase) {
        let _ = writeln!(out, "  {}", clean(&need));
    }
    for step in steps {
        step_text(out, step);
    }
    out.push('\n');
}

/// The sign that stands for an action, and its colour.
pub(super) fn sign(action: Action) -> (char, Style) {
    match action {
        Action::Create => ('+', ADD),
        Action::Update => ('~', CHANGE),
        Action::Replace => ('±', REMOVE),
        Action::Adopt => ('>', CHANGE),
        Action::Move => ('→', CHANGE),
        Action::Delete => ('-', REMOVE),
        Action::Forget => ('<', CHANGE),
        Action::Blocked => ('!', ALARM),
        Action::Unchanged => ('=', DIM),
    }
}

pub(super) fn step_text(out: &mut String, step: &Step) {
    let (sign, style) = sign(step.action);
    let _ = write!(out, "  {style}{sign}{style:#} {}", clean(&step.id.to_string()));
    let words = match step.replace {
        Some(ReplaceOrder::DeleteFirst) => "  replaced: deleted, and created anew when it is gone",
        Some(ReplaceOrder::CreateFirst) => "  replaced: its pods go on running until the new ones are ready",
        None if step.action == Action::Forget => "  forgotten: it stays, as nobody's",
        None => "",
    };
    out.push_str(words);
    match (&step.action, &step.confirmation) {
        (Action::Update | Action::Adopt | Action::Replace, Some(Confirmation::Unconfirmed(reason))) => {
            let _ = write!(out, "  {DIM}not confirmed by the server: {}{DIM:#}", clean(reason));
        }
        (Action::Replace, Some(Confirmation::DryRun)) => {
            let _ = write!(out, "  {DIM}a trial under another name was accepted{DIM:#}");
        }
        _ => {}
    }
    out.push('\n');
    for cause in &step.causes {
        cause_text(out, cause);
    }
    for FieldChange { path, before, after, owner: _ } in &step.altered {
        field_text(out, path, before.as_ref(), after.as_ref(), "the server makes this of it");
    }
}

pub(super) fn cause_text(out: &mut String, cause: &Cause) {
    match cause {
        Cause::Stack { path, before, after, .. } | Cause::Drift { path, before, after, .. } => {
            field_text(out, path, before.as_ref(), after.as_ref(), &why(cause).unwrap_or_default());
        }
        _ => {
            if let Some(why) = why(cause) {
                let _ = writeln!(out, "      {}", clean(&why));
            }
        }
    }
}

/// A cause in a line, without the values of the field that it is about; `None` where the action says it all.
pub(super) fn why(cause: &Cause) -> Option<String> {
    Some(match cause {
        Cause::Stack { .. } => "changed in the stack".to_owned(),
        Cause::Drift { before, owner, .. } => drift(before.as_ref(), owner.as_ref()),
        Cause::Absent | Cause::LeftStack | Cause::Destroy => return None,
        Cause::Immutable { reason, .. } => format!("the server changes this on no object that exists: {reason}"),
        Cause::Failed { reason } => format!("it has failed, and is run again: {reason}"),
        Cause::MovedFrom { id } => format!("moves here from {id}, which goes when everything else is ready"),
        Cause::MovedTo { id } => format!("has moved to {id}"),
        Cause::Overlap { over: false } => "open to the old name and the new one while a service moves".to_owned(),
        Cause::Overlap { over: true } => "the service has moved: only the new name is left".to_owned(),
        Cause::Released { by } => format!("its size is the stack's again when {by} is gone"),
        Cause::LeftBy { what } => format!("left behind by {what}, which is replaced; stays if that takes it over"),
        Cause::Guarded { reason } => reason.clone(),
        Cause::Ownership => "no field changes, only the record of who applied it".to_owned(),
        Cause::Conflict { path, manager } => format!("conflict: {path} is held by {manager}"),
        Cause::Left { path, manager } => format!("{path} is left to {manager}"),
        Cause::HandedOver { manager } => format!("what {manager} has applied becomes the stack's"),
        Cause::NotOurs => "exists already and belongs to no instance".to_owned(),
        Cause::BelongsTo { instance } => format!("exists already and belongs to {instance}"),
        Cause::Terminating => "is being deleted; plan again when it is gone".to_owned(),
        Cause::Unknown { reason } => format!("whether it changes is not known: {reason}"),
        Cause::Unreadable { reason } => format!("nothing is known of it: {reason}"),
        Cause::Unserved { remedy } => format!("the cluster does not serve this kind; {remedy}"),
        Cause::Refused { reason } => format!("the server would refuse it: {reason}"),
        Cause::Unlisted => "not every live object is known (see below), so nothing is deleted".to_owned(),
    })
}

fn drift(before: Option<&Value>, owner: Option<&FieldOwner>) -> String {
    match (before, owner) {
        (None, _) => "drift: removed behind the stack's back".to_owned(),
        (_, Some(FieldOwner { manager, time, this: false })) => {
            let at = time.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
            format!("drift: set by {manager}{at}")
        }
        _ => "drift: set behind the stack's back".to_owned(),
    }
}

/// A field with its old value and its new one, and why it changes, where that is to be said.
pub(super) fn field_text(out: &mut String, path: &str, before: Option<&Value>, after: Option<&Value>, why: &str) {
    let (old, new) = (before.map(show), after.map(show));
    let inline = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.contains('\n') && text.len() <= INLINE);
    let path = clean(path);
    let why = if why.is_empty() { String::new() } else { format!("  {DIM}({}){DIM:#}", clean(why)) };
    if inline(&old) && inline(&new) {
        let absent = || "(none)".to_owned();
        let (old, new) = (old.unwrap_or_else(absent), new.unwrap_or_else(absent));
        let _ = writeln!(out, "      {path}: {REMOVE}{}{REMOVE:#} → {ADD}{}{ADD:#}{why}", clean(&old), clean(&new));
        return;
    }
    let _ = writeln!(out, "      {path}:{why}");
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    text_diff(out, &clean_lines(&old), &clean_lines(&new));
}

/// Changed lines with a little of what stands around them.
fn text_diff(out: &mut String, old: &str, new: &str) {
    let diff = TextDiff::from_lines(old, new);
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            let _ = writeln!(out, "        {DIM}…{DIM:#}");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', REMOVE),
                ChangeTag::Insert => ('+', ADD),
                ChangeTag::Equal => (' ', Style::new()),
            };
            let line = change.value().trim_end_matches('\n');
            let _ = writeln!(out, "        {style}{sign} {line}{style:#}");
        }
    }
}

/// A value as text: a string as it is, a number or a truth value as JSON, anything else as indented JSON.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            let short = value.to_string();
            if short.len() <= INLINE { short } else { serde_json::to_string_pretty(value).unwrap_or(short) }
        }
        _ => value.to_string(),
    }
}

fn closing(plan: &Plan) -> String {
    let summary = &plan.summary;
    let mut out = if plan.is_empty() {
        format!("{ADD}No changes{ADD:#}: {} objects are as the stack says.\n", summary.unchanged)
    } else {
        format!("{BOLD}Plan{BOLD:#}: {}.\n", counts(summary))
    };
    previews_text(&mut out, plan);
    let has = |wanted: fn(&Cause) -> bool| plan.steps().flat_map(|step| &step.causes).any(wanted);
    let blocked = summary.blocked > 0;
    if blocked {
        let _ =
            writeln!(out, "{ALARM}Blocked{ALARM:#}: up would change nothing until the steps marked ! are dealt with.");
    }
    if blocked && has(|cause| matches!(cause, Cause::Conflict { .. })) {
        out.push_str("  Take the fields that others hold with --force-conflicts, or say under `ownership` in the stack whose they are.\n");
    }
    if blocked && has(|cause| matches!(cause, Cause::NotOurs)) {
        out.push_str("  Make existing objects this instance's with --adopt, or by `ownership` in the stack.\n");
    }
    out
}

/// How the plan was found out where the server was not asked, and what is not known for sure.
fn previews_text(out: &mut String, plan: &Plan) {
    let previews = &plan.previews;
    let how = match &previews.forbidden {
        Some(said) => Some(format!("the server lets nothing be tried, so the merge predicts the rest ({said})")),
        None if previews.mode == PreviewMode::Predict => Some("the server was asked to try nothing".to_owned()),
        None => None,
    };
    if let Some(how) = how {
        // A tenth of a percent, without the rounding of floats.
        let tenths = if previews.all() == 0 { 0 } else { previews.unconfirmed * 1000 / previews.all() };
        let _ = writeln!(
            out,
            "{BOLD}Predicted{BOLD:#}: {}; of {} objects {} are not known for sure ({}.{} %).",
            clean(&how),
            previews.all(),
            previews.unconfirmed,
            tenths / 10,
            tenths % 10
        );
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for step in plan.steps() {
        if let Some(Confirmation::Unconfirmed(reason)) = &step.confirmation {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in reasons {
        let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
        let _ = writeln!(out, "  not confirmed by the server: {objects}, because {}", clean(reason));
    }
}

/// `2 to create, 1 to update, 3 unchanged`: only what there is.
#[must_use]
pub fn counts(summary: &Summary) -> String {
    let Summary { create, update, replace, adopt, moved, delete, forget, unchanged, blocked } = *summary;
    let parts = [
        (create, "to create"),
        (update, "to update"),
        (replace, "to replace"),
        (adopt, "to adopt"),
        (moved, "to move"),
        (delete, "to delete"),
        (forget, "to forget"),
        (blocked, "blocked"),
        (unchanged, "unchanged"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}
