//! The user's own rules: what they have against the stack, as findings at the service that can be changed, with the
//! place of the expression.

use std::collections::BTreeMap;

use strata_components::desired::Desired;

use super::place::at_service;
use super::{rules, waivers};
use crate::finding::{Finding, Location, settle};
use crate::load::Loaded;
use crate::load::decode::Decoded;
use crate::load::spans::{SpanMap, field};
use crate::plan::Plan;
use crate::policies::{Objection, PolicyFile, Unusable, of_desired, of_plan, unusable};
use crate::secrets::Secrets;

/// What keeps policies from being asked.
pub(super) fn check_files(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut first: BTreeMap<&str, &SpanMap> = BTreeMap::new();
    for Decoded { value, spans } in &loaded.policies {
        findings.extend(unusable(value).into_iter().map(|found| refused(found, spans)));
        for id in value.policies.keys() {
            let path = field("policies", id.as_str());
            match first.get(id.as_str()) {
                None => {
                    first.insert(id.as_str(), spans);
                }
                Some(other) => findings.push(
                    Finding::new(&rules::POLICY_TWICE, format!("{path}: {} has a policy {id} too", other.file()))
                        .at(spans.key(&path))
                        .related(other.key(&path), "the other one")
                        .path(path)
                        .help("give one of them another id".to_owned()),
                ),
            }
        }
    }
    findings
}

fn refused(Unusable { path, text, fault }: Unusable, spans: &SpanMap) -> Finding {
    let at = fault.at.and_then(|at| inside(spans, &path, &text, at)).or_else(|| spans.near(&path));
    Finding::new(&rules::BAD_EXPRESSION, format!("{path}: {}", fault.message)).at(at).path(path).help(fault.help)
}

/// Where a character of an expression stands in its file: the first line from the value on that shows the line of the
/// expression. There is none where the file writes it with escapes.
fn inside(spans: &SpanMap, path: &str, text: &str, (line, column): (usize, usize)) -> Option<Location> {
    let start = spans.value(path)?;
    let wanted = text.lines().nth(line.checked_sub(1)?)?.trim_end();
    let source = &spans.source().text;
    let mut shown = source.lines().enumerate().skip(start.line - 1).filter(|(_, shown)| shown.contains(wanted));
    let (at, shown) = shown.next()?;
    let before = shown.find(wanted).and_then(|offset| shown.get(..offset))?.chars().count();
    Some(Location { line: at + 1, column: before + column, length: 1, ..start })
}

/// What the policies have against what is desired.
pub(super) fn check(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    if loaded.policies.is_empty() {
        return Vec::new();
    }
    // What a policy says is shown: it sees no more than a plan does.
    let mut open = desired.clone();
    Secrets::withhold(&mut open);
    let objections = of_desired(&files(loaded), &open);
    objections.into_iter().map(|objection| finding(objection, loaded)).collect()
}

/// What the policies have against a plan, as far as [`check`] has not asked them.
#[must_use]
pub fn check_plan(desired: &Desired, plan: &Plan, loaded: &Loaded) -> Vec<Finding> {
    let objections = of_plan(&files(loaded), desired, plan);
    let mut findings: Vec<Finding> = objections.into_iter().map(|objection| finding(objection, loaded)).collect();
    waivers::apply_to_plan(loaded, &mut findings);
    settle(&mut findings);
    findings
}

fn files(loaded: &Loaded) -> Vec<&PolicyFile> {
    loaded.policies.iter().map(|file| &file.value).collect()
}

fn finding(objection: Objection, loaded: &Loaded) -> Finding {
    let Objection { rule, level, message, remedy, object: _, service, path } = objection;
    let has = |file: &&Decoded<PolicyFile>| file.value.policies.keys().any(|id| id.as_str() == rule);
    let place = loaded.policies.iter().find(has).and_then(|file| file.spans.near(&path));
    let service = service.filter(|service| loaded.stack.services.keys().any(|known| known.as_str() == service));
    let finding = Finding::of_rule(rule, level, message).help(remedy);
    match service {
        Some(service) => at_service(finding, Some(&service), loaded).related(place, "what must be true"),
        None => finding.at(place).path(path),
    }
}
