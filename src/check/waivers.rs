//! Rules that a stack does not keep on purpose: what they say is still shown, with the reason, and stops nothing.

use strata_components::model::{ServiceName, Waiver};

use super::rules;
use crate::finding::{Finding, Level};
use crate::load::Loaded;
use crate::load::spans::{field, index};
use crate::policies::waits_for_plan;

/// The areas whose rules can be waived: how pods are hardened, what nodes they fit, and how they run and stay up. What keeps a
/// stack from being composed, and what is open that should be closed, cannot be accepted by a sentence.
const AREAS: [&str; 4] = ["arch", "availability", "capacity", "hardening"];

/// Whether a stack may break the rule of this id on purpose.
#[must_use]
pub fn can_be_waived(rule: &str) -> bool {
    rule.split('-').nth(1).is_some_and(|area| AREAS.contains(&area))
}

/// Turns what the stack waives into notes, and says which waivers are for nothing.
pub(super) fn apply(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let mut more = Vec::new();
    for (at, waiver) in loaded.stack.waivers.iter().enumerate() {
        let path = index("waivers", at);
        let place = |key: &str| loaded.places.stack_value(&field(&path, key));
        let rule = waiver.rule.as_str();
        let policies = loaded.policies.iter().flat_map(|file| &file.value.policies);
        let own = policies.filter(|(id, _)| id.as_str() == rule).map(|(_, policy)| policy).next();
        let known = own.is_some() || rules::all().iter().any(|known| known.id == rule);
        if !own.map_or_else(|| known && can_be_waived(rule), |policy| policy.waivable) {
            let why = if known { "must be kept by every stack" } else { "does not exist" };
            more.push(
                Finding::new(&rules::NOT_WAIVABLE, format!("{path}: the rule {rule} {why}"))
                    .at(place("rule"))
                    .path(path)
                    .help("remove the waiver, and mend what the rule finds".to_owned()),
            );
            continue;
        }
        // What is asked of a plan is broken, or not, when there is one.
        if !accept(waiver, findings) && !own.is_some_and(|policy| waits_for_plan(rule, policy)) {
            let of = waiver.service.as_ref().map_or_else(String::new, |service| format!(" of {service}"));
            more.push(
                Finding::new(&rules::UNUSED_WAIVER, format!("{path}: nothing breaks the rule {rule}{of} here"))
                    .at(place("rule"))
                    .path(path)
                    .help("remove the waiver, if no other environment needs it".to_owned()),
            );
        }
    }
    findings.extend(more);
}

/// Turns what the stack waives of the user's own policies into notes.
pub(super) fn apply_to_plan(loaded: &Loaded, findings: &mut [Finding]) {
    for waiver in &loaded.stack.waivers {
        let policies = loaded.policies.iter().flat_map(|file| &file.value.policies);
        let mut meant = policies.filter(|(id, _)| id.as_str() == waiver.rule.as_str());
        if meant.any(|(_, policy)| policy.waivable) {
            accept(waiver, findings);
        }
    }
}

/// Turns what a waiver covers into notes; whether there was anything.
fn accept(waiver: &Waiver, findings: &mut [Finding]) -> bool {
    let mut used = false;
    for finding in findings.iter_mut().filter(|finding| covers(waiver, finding)) {
        used = true;
        finding.level = Level::Note;
        finding.waived.get_or_insert_with(|| waiver.reason.to_string());
        // What to do about it has been decided.
        finding.help = None;
    }
    used
}

fn covers(waiver: &Waiver, finding: &Finding) -> bool {
    waiver.rule.as_str() == finding.rule && waiver.service.as_ref().is_none_or(|service| concerns(finding, service))
}

/// Whether a finding is about a service: its path is that of the service, or lies below it.
fn concerns(finding: &Finding, service: &ServiceName) -> bool {
    let base = field("services", service.as_str());
    let rest = finding.path.as_deref().and_then(|path| path.strip_prefix(base.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
