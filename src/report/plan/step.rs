//! One step of a plan: the object, what becomes of it, its fields, and why.

use anstyle::Style;
use serde_json::Value;

use super::Detail;
use super::brief::brief;
use super::fields::{ADD, CHANGE, DIM, Field, REMOVE, new_text};
use crate::observe::{Confirmation, FieldChange, FieldOwner, Readiness, ReplaceOrder};
use crate::plan::{Action, Cause, Condition, Step};
use crate::report::manifests::yaml;
use crate::report::page::{Line, Page};

const ALARM: Style = anstyle::AnsiColor::Red.on_default().bold();
/// Characters that may be said of an object on its own line.
const REMARKS: usize = 72;

/// The sign that stands for an action, and its colour.
pub(in crate::report) fn sign(action: Action) -> (char, Style) {
    match action {
        Action::Create => ('+', ADD),
        Action::Update => ('~', CHANGE),
        Action::Replace => ('±', REMOVE),
        Action::Adopt => ('>', CHANGE),
        Action::Move => ('→', CHANGE),
        Action::Delete => ('-', REMOVE),
        Action::Forget => ('<', CHANGE),
        Action::Hold => ('∥', CHANGE),
        Action::Return => ('↩', CHANGE),
        Action::Blocked => ('!', ALARM),
        Action::Unchanged => ('=', DIM),
    }
}

/// Writes a step, its sign in column `indent`.
pub(super) fn write(page: &mut Page, step: &Step, indent: usize, detail: Detail) {
    let (mut fields, mut notes): (Vec<(Field<'_>, String)>, Vec<String>) = (Vec::new(), Vec::new());
    for cause in &step.causes {
        let said = why(cause);
        match cause {
            Cause::Stack { path, before, after, owner } | Cause::Drift { path, before, after, owner } => {
                let mut said = said.unwrap_or_default();
                if let (Some(owner), Detail::Whole, Cause::Stack { .. }) = (owner, detail, cause) {
                    said.push_str(&format!("; last {}", set_by(owner)));
                }
                fields.push((Field { path, before: before.as_ref(), after: after.as_ref(), note: "" }, said));
            }
            _ => notes.extend(said),
        }
    }
    // What is the same of every field is said once.
    let mut remarks = remarks(step);
    if let Some((_, first)) = fields.first()
        && fields.iter().all(|(_, said)| said == first)
    {
        remarks.push(first.clone());
        fields.iter_mut().for_each(|(_, said)| said.clear());
    }
    if let ([only], true) = (notes.as_slice(), fields.is_empty())
        && only.chars().count() <= REMARKS
    {
        remarks.push(only.clone());
        notes.clear();
    }
    head(page, step, indent, &remarks);
    for (field, note) in &fields {
        Field { note, ..*field }.write(page, indent + 4, detail);
    }
    for FieldChange { path, before, after, owner: _ } in &step.altered {
        let note = "the server makes this of it";
        Field { path, before: before.as_ref(), after: after.as_ref(), note }.write(page, indent + 4, detail);
    }
    notes.iter().for_each(|note| page.add(Line::at(indent + 4).text(note)));
    if detail == Detail::Whole && step.action != Action::Unchanged {
        whole(page, step, indent + 4);
    }
}

/// The object, what it is where it is new, and what is said of it as a whole.
fn head(page: &mut Page, step: &Step, indent: usize, remarks: &[String]) {
    let (sign, style) = sign(step.action);
    let mut line = Line::at(indent).styled(style, &sign.to_string()).text(" ").text(&step.id.to_string());
    let is_new = matches!(step.action, Action::Create | Action::Move);
    let brief = step.manifest.as_ref().filter(|_| is_new).map(brief).unwrap_or_default();
    if !brief.is_empty() {
        line = line.text("  ").text(&brief);
    }
    if !remarks.is_empty() {
        line = line.styled(DIM, &format!("  ({})", remarks.join("; ")));
    }
    page.add(line);
}

/// What is said of a step as a whole, beyond its causes.
pub(in crate::report) fn remarks(step: &Step) -> Vec<String> {
    let mut remarks = Vec::new();
    match step.replace {
        Some(ReplaceOrder::DeleteFirst) => {
            remarks.push("replaced: deleted, and created anew when it is gone".to_owned())
        }
        Some(ReplaceOrder::CreateFirst) => {
            remarks.push("replaced: its pods go on running until the new ones are ready".to_owned());
        }
        None if step.action == Action::Hold => {
            remarks.push(held(step));
        }
        None if step.action == Action::Return => {
            remarks.push("only if the new colour does not stay ready".to_owned());
        }
        None if step.action == Action::Forget => remarks.push("forgotten: it stays, as nobody's".to_owned()),
        None => {}
    }
    match (&step.action, &step.confirmation) {
        (Action::Update | Action::Adopt | Action::Replace, Some(Confirmation::Unconfirmed(reason))) => {
            remarks.push(format!("not confirmed by the server: {reason}"));
        }
        (Action::Replace, Some(Confirmation::DryRun)) => {
            remarks.push("a trial under another name was accepted".to_owned());
        }
        _ => {}
    }
    remarks
}

/// What is told where everything is: what it waits for, what it rests on, and the whole of what is applied where an object is
/// new.
fn whole(page: &mut Page, step: &Step, indent: usize) {
    let mut said = Vec::new();
    if let (Some(uid), Some(revision)) = (&step.uid, &step.resource_version) {
        said.push(format!("made against UID {uid} at revision {revision}"));
    }
    if !step.waits_for.is_empty() {
        said.push(format!("waits for {}", step.waits_for.join(", ")));
    }
    let within = step.ready_within.map(|limit| format!(", within {limit}")).unwrap_or_default();
    match &step.readiness {
        Some(Readiness::Available(pods)) => said.push(format!("ready when {pods} of its pods are available{within}")),
        Some(Readiness::RolledOut) => said.push(format!("ready when it is rolled out{within}")),
        Some(Readiness::Condition(name)) => said.push(format!("ready when {name} is true{within}")),
        Some(Readiness::Exists) | None => {}
    }
    if step.force {
        said.push("takes the fields that other managers hold".to_owned());
    }
    match step.condition {
        Some(Condition::Unowned) => said.push("done only if no controller has it by then".to_owned()),
        Some(Condition::Ready) => said.push("done only when the workload with the new colour is ready".to_owned()),
        Some(Condition::Held) => said.push("done only when the other colour has been held".to_owned()),
        Some(Condition::Broken) => said.push("done only if the new colour does not stay ready".to_owned()),
        None => {}
    }
    said.iter().for_each(|said| page.add(Line::at(indent).styled(DIM, said)));
    if matches!(step.action, Action::Create | Action::Move | Action::Replace)
        && let Some(manifest) = &step.manifest
    {
        let text = yaml(manifest, "it").unwrap_or_else(|_| manifest.to_string());
        let text = page.told(&text).into_owned();
        new_text(page, indent, &text);
    }
}

/// How long a new colour is held, and what ends that before its time.
fn held(step: &Step) -> String {
    let hold = step.hold.map(|hold| format!(" for {hold}")).unwrap_or_default();
    let pods = match step.readiness {
        Some(Readiness::Available(least)) => format!("fewer than {least} pods are available"),
        _ => "pods are missing".to_owned(),
    };
    let missing = match step.patience {
        Some(patience) => format!("{pods} for {patience} in all, none is at any time"),
        None => pods,
    };
    format!("held{hold}: traffic goes back if {missing}, or a container ends by itself")
}

/// A cause in a line, without the values of the field that it is about; `None` where the action says it all.
pub(in crate::report) fn why(cause: &Cause) -> Option<String> {
    Some(match cause {
        Cause::Stack { .. } => "changed in the stack".to_owned(),
        Cause::Drift { before, owner, .. } => drift(before.as_ref(), owner.as_ref()),
        Cause::Absent | Cause::LeftStack | Cause::Destroy => return None,
        Cause::Immutable { reason, .. } => format!("the server changes this on no object that exists: {reason}"),
        Cause::Failed { reason } => format!("it has failed, and is run again: {reason}"),
        Cause::Rerun { paths } => format!("it is run again, with another value of {}", paths.join(", ")),
        Cause::MovedFrom { id } => format!("moves here from {id}, which goes when everything else is ready"),
        Cause::MovedTo { id } => format!("has moved to {id}"),
        Cause::Turn { from: None, to } => format!("traffic goes to {to} when that is ready"),
        Cause::Turn { from: Some(from), to } => format!("traffic goes from {from} to {to}"),
        Cause::OtherColour { of } => format!("the service has the colour of {of}"),
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
        (_, Some(owner @ FieldOwner { this: false, .. })) => format!("drift: {}", set_by(owner)),
        _ => "drift: set behind the stack's back".to_owned(),
    }
}

fn set_by(FieldOwner { manager, time, .. }: &FieldOwner) -> String {
    let at = time.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
    format!("set by {manager}{at}")
}
