//! What no step of a plan says by itself: what is waited for outside the stack, what is kept or left out, how sure all of it
//! is, and what to do about what stands in the way.

use std::collections::BTreeMap;

use crate::observe::{Confirmation, PreviewMode};
use crate::plan::{Cause, Plan};
use crate::report::facts::needs;
use crate::report::phase_title;

/// Each in a sentence.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    for phase in &plan.phases {
        let title = phase_title(phase.number, &phase.name);
        notes.extend(needs(phase).into_iter().map(|need| format!("Phase {title}: {need}")));
    }
    notes.extend(plan.kept.iter().map(|kept| format!("Kept {}: {}", kept.id, kept.reason)));
    let mut services: BTreeMap<&str, usize> = BTreeMap::new();
    for left in &plan.left_out {
        if left.left_stack {
            notes.push(format!("Left out {}: it left the stack, and stays for now", left.id));
        } else {
            *services.entry(left.service.as_deref().unwrap_or_default()).or_default() += 1;
        }
    }
    let left_out =
        services.into_iter().map(|(service, count)| format!("Left out {service}: {}, not compared", objects(count)));
    notes.extend(left_out);
    previews(&mut notes, plan);
    let has = |wanted: fn(&Cause) -> bool| plan.steps().flat_map(|step| &step.causes).any(wanted);
    if plan.summary.blocked > 0 {
        notes.push("up would change nothing until the blocked steps are dealt with".to_owned());
        if has(|cause| matches!(cause, Cause::Conflict { .. })) {
            let take = "Take the fields that others hold with --force-conflicts, or say under ownership in the stack whose they are";
            notes.push(take.to_owned());
        }
        if has(|cause| matches!(cause, Cause::NotOurs)) {
            let adopt = "Make existing objects this instance’s with --adopt, or by ownership in the stack";
            notes.push(adopt.to_owned());
        }
    }
    notes
}

/// How the plan was found out where the server was not asked, and what is not known for sure.
fn previews(notes: &mut Vec<String>, plan: &Plan) {
    let previews = &plan.previews;
    let how = match &previews.forbidden {
        Some(said) => Some(format!("the server lets nothing be tried, so the merge predicts the rest ({said})")),
        None if previews.mode == PreviewMode::Predict => Some("the server was asked to try nothing".to_owned()),
        None => None,
    };
    if let Some(how) = how {
        notes.push(format!(
            "Predicted: {how}; of {} {} are not known for sure",
            objects(previews.all()),
            previews.unconfirmed
        ));
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for step in plan.steps() {
        if let Some(Confirmation::Unconfirmed(reason)) = &step.confirmation {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    notes.extend(
        reasons
            .into_iter()
            .map(|(reason, count)| format!("Not confirmed by the server: {}, because {reason}", objects(count))),
    );
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}
