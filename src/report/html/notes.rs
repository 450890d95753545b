//! What no step of a plan says by itself: what is waited for outside the stack, what is kept or left out, how sure all of it
//! is, and what to do about what stands in the way.

use crate::plan::Plan;
use crate::report::facts::needs;
use crate::report::phase_title;
use crate::report::plan::{aside, predicted, remedies, unconfirmed};

/// Each in a phrase.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    for phase in &plan.phases {
        let title = phase_title(phase.number, &phase.name);
        notes.extend(needs(phase).into_iter().map(|need| format!("phase {title}: {need}")));
    }
    notes.extend(aside(plan));
    notes.extend(predicted(plan).map(|how| format!("predicted: {how}")));
    notes.extend(unconfirmed(plan));
    if plan.summary.blocked > 0 {
        notes.push("blocked: up would change nothing until the blocked steps are dealt with".to_owned());
    }
    notes.extend(remedies(plan).into_iter().map(str::to_owned));
    notes
}
