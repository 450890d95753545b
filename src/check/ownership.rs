//! What a stack says of ownership, held against the objects it has: a rule or an adoption that means none of them is a
//! slip of the pen.

use strata_components::desired::{Desired, Resource};
use strata_components::model::FieldRule;

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::{field, index};
use crate::load::suggest::nearest;

/// Rules that fit no object, and adoptions of what the stack does not have.
pub(super) fn check(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let ownership = &loaded.stack.ownership;
    let mut findings = Vec::new();
    for (at, rule) in ownership.fields.iter().enumerate() {
        let path = index("ownership.fields", at);
        if !desired.resources.iter().any(|resource| fits(rule, resource)) {
            findings.push(
                Finding::new(&rules::UNUSED_FIELD_RULE, format!("{path}: the stack has no object that the rule fits"))
                    .at(loaded.places.stack_value(&path))
                    .path(path)
                    .help("correct its kind or service, or remove it if no other environment needs it".to_owned()),
            );
        }
    }
    let names: Vec<String> =
        desired.resources.iter().map(|resource| format!("{}/{}", resource.id.kind.kind, resource.id.name)).collect();
    for (at, adoption) in ownership.adopt.iter().enumerate() {
        let path = field(&index("ownership.adopt", at), "object");
        let object = adoption.object.as_str();
        if !names.iter().any(|name| name == object) {
            let help = match nearest(object, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`strata render` lists the objects of the stack".to_owned(),
            };
            findings.push(
                Finding::new(&rules::UNKNOWN_ADOPTION, format!("{path}: the stack has no {object}"))
                    .at(loaded.places.stack_value(&path))
                    .path(path)
                    .help(help),
            );
        }
    }
    findings
}

fn fits(rule: &FieldRule, resource: &Resource) -> bool {
    rule.kind.as_ref().is_none_or(|kind| kind.as_str() == resource.id.kind.kind)
        && rule.service.as_ref().is_none_or(|service| resource.service.as_deref() == Some(service.as_str()))
}
