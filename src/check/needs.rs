//! What services wait for outside the stack, held against what the stack brings itself: a wait for that never ends, or
//! says worse what a dependency says.

use strata_components::desired::{Desired, Resource};
use strata_components::needs::Needed;

use super::place::at_value;
use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;

/// One error for each need that the stack meets itself.
pub(super) fn check(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let target = desired.resources.first().map_or("", |resource| resource.id.target.as_str());
    let mut findings = Vec::new();
    for (service, needs) in &desired.needs {
        for need in needs {
            let id = need.needed.id(target);
            let Some(own) = desired.resources.iter().find(|resource| is(resource, &id)) else { continue };
            let message = format!("services.{service}.needs: {id} comes with the stack itself");
            let help = match (&need.needed, &own.service) {
                (Needed::Service { .. }, Some(other)) if other != service => {
                    format!("write `depends_on: [{other}]` in its place")
                }
                _ => "leave it out: what the stack brings is waited for in its phase".to_owned(),
            };
            let finding = Finding::new(&rules::NEEDS_ITS_OWN, message).help(help);
            findings.push(at_value(finding, Some(service), "needs", loaded));
        }
    }
    findings
}

/// Whether it is the same object, whatever version of its kind is spoken of.
fn is(resource: &Resource, id: &strata_components::desired::ResourceId) -> bool {
    let own = &resource.id;
    (&own.kind.group, &own.kind.kind, &own.namespace, &own.name)
        == (&id.kind.group, &id.kind.kind, &id.namespace, &id.name)
}

#[cfg(test)]
mod tests {
    use snapbox::str;

    use super::super::tests::check;

    #[test]
    fn what_the_stack_brings_is_no_need() {
        check(
            "mail: {tier: back, port: 9001}",
            "mail: {tier: back, port: 9001, needs: {services: [{namespace: shop, name: cart-mcp}, {namespace: shop, name: mail-mcp}, {namespace: data, name: cart-mcp}], nodes: [{label: gpu}]}}",
            str![[r#"
error S-needs-001 shop:11:41 services.mail.needs: Service shop/cart-mcp comes with the stack itself [write `depends_on: [cart]` in its place]
error S-needs-001 shop:11:41 services.mail.needs: Service shop/mail-mcp comes with the stack itself [leave it out: what the stack brings is waited for in its phase]

"#]],
        );
    }
}
