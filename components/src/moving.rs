//! A renamed service runs under both names until the new one is ready and everything that calls it knows it. What is
//! made of who calls whom, and of how much there is, has to let both through for as long.
//!
//! That is found by composing the stack once more, as if the service stood in it under its old name too. Nothing of the
//! result is kept but what stands in the objects that would otherwise close the old name out too early.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::context::Context;
use crate::desired::{Desired, Resource, ResourceId};
use crate::model::{Environment, ServiceName, ServiceRef, Stack};

/// Kinds whose objects let a service through by its name, or bound how much of all services there may be.
const OPENING: [&str; 3] = ["NetworkPolicy", "AuthorizationPolicy", "ResourceQuota"];

/// Says of each resource what to apply while services of the stack run under two names. `build` composes a stack; where
/// it cannot, because both names do not fit into one stack, nothing is said.
pub(crate) fn overlap(desired: &mut Desired, context: &Context<'_>, build: impl Fn(&Context<'_>) -> Option<Desired>) {
    let renamed: BTreeMap<&ServiceName, &ServiceName> =
        context.stack.services.iter().filter_map(|(name, service)| Some((name, service.was.as_ref()?))).collect();
    if renamed.is_empty() {
        return;
    }
    let stack = with_both(context.stack, context.stack, &renamed);
    let others: Vec<Stack> = context.others.iter().map(|other| with_both(other, context.stack, &renamed)).collect();
    let others: Vec<&Stack> = others.iter().collect();
    let environment = also_overridden(context.environment, context.stack, &renamed);
    let Some(wide) = build(&Context { stack: &stack, environment: &environment, others: &others, ..*context }) else {
        return;
    };
    let wide: BTreeMap<&ResourceId, &Value> =
        wide.resources.iter().map(|resource| (&resource.id, &resource.manifest)).collect();
    for resource in desired.resources.iter_mut().filter(|resource| opens(resource)) {
        let Some(wide) = wide.get(&resource.id) else { continue };
        let mut meanwhile = (*wide).clone();
        meanwhile["metadata"] = resource.manifest["metadata"].clone();
        resource.meanwhile = (meanwhile != resource.manifest).then_some(meanwhile);
    }
}

/// Whether an object lets a service through by its name, tells where it is, or bounds how much of all there may be.
fn opens(resource: &Resource) -> bool {
    let component = resource.address.rsplit('/').next().unwrap_or_default();
    OPENING.contains(&resource.id.kind.kind.as_str()) || component.starts_with("port-registry")
}

/// A stack in which the renamed services of `of` stand, or are called, under both their names.
fn with_both(stack: &Stack, of: &Stack, renamed: &BTreeMap<&ServiceName, &ServiceName>) -> Stack {
    let mut both = stack.clone();
    let own = stack.stack == of.stack;
    let add = |waits_for: &mut Vec<ServiceRef>| {
        let old = waits_for.iter().filter_map(|reference| {
            let meant = if own { reference.within(&of.stack) } else { as_of(reference, of) };
            let (_, old) = renamed.iter().find(|(name, _)| meant == Some(name.as_str()))?;
            renamed_ref(reference, old)
        });
        let old: Vec<ServiceRef> = old.collect();
        waits_for.extend(old);
    };
    both.services.values_mut().for_each(|service| add(&mut service.depends_on));
    both.tiers.values_mut().for_each(|tier| add(&mut tier.depends_on));
    if own {
        for (name, old) in renamed {
            if let Some(service) = both.services.get(*name).cloned() {
                both.services.insert((*old).clone(), service);
            }
        }
    }
    both
}

/// The service of another stack that a reference names.
fn as_of<'a>(reference: &'a ServiceRef, of: &Stack) -> Option<&'a str> {
    (reference.stack() == Some(of.stack.as_str())).then(|| reference.service())
}

/// The same reference to the service under its old name.
fn renamed_ref(reference: &ServiceRef, old: &ServiceName) -> Option<ServiceRef> {
    match reference.stack() {
        Some(stack) => ServiceRef::new(format!("{stack}/{old}")).ok(),
        None => Some(old.clone().into()),
    }
}

/// An environment that says of a service under its old name what it says of it under the new one.
fn also_overridden(
    environment: &Environment,
    of: &Stack,
    renamed: &BTreeMap<&ServiceName, &ServiceName>,
) -> Environment {
    let mut both = environment.clone();
    for (name, old) in renamed {
        if let Some(changed) = environment.override_of(&of.stack, name) {
            both.services.insert((*old).clone().into(), changed.clone());
        }
    }
    both
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

    use serde_json::json;

    use crate::compose::compose;

    use super::*;

    /// A fleet of three: the middle one is called by the first and calls the last.
    fn fleet(middle: &str, was: Option<&str>) -> Desired {
        let mut services = json!({
            "first": {"tier": "all", "port": 9000, "depends_on": [middle]},
            middle: {"tier": "all", "port": 9001, "gpu": 1, "depends_on": ["last"]},
            "last": {"tier": "all", "port": 9002},
        });
        if let Some(was) = was {
            services[middle]["was"] = was.into();
        }
        let stack = json!({
            "stack": "shop", "namespace": "shop", "health_port": "+100", "tiers": {"all": {"ports": "9000-9009"}},
            "services": services,
        });
        let environment = json!({
            "environment": "local", "clusters": {"here": {"embedded": {}}}, "default_cluster": "here",
            "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
        });
        let (stack, environment) =
            (serde_json::from_value(stack).unwrap(), serde_json::from_value(environment).unwrap());
        compose(&stack, &environment, "here", None).unwrap()
    }

    #[test]
    fn both_names_are_let_through_while_a_service_moves() {
        let desired = fleet("new", Some("old"));
        let wide: Vec<&str> =
            desired.resources.iter().filter(|one| one.meanwhile.is_some()).map(|one| one.address.as_str()).collect();
        let expect = ["shop/port-registry", "shop/first/network-policy", "shop/last/network-policy"];
        assert!(expect.iter().all(|address| wide.contains(address)), "{wide:?}");
        for resource in desired.resources.iter().filter(|one| one.id.kind.kind == "NetworkPolicy") {
            let Some(meanwhile) = &resource.meanwhile else { continue };
            assert!(meanwhile.to_string().contains("old-mcp") && meanwhile.to_string().contains("new-mcp"));
            assert_eq!(meanwhile["metadata"], resource.manifest["metadata"]);
            assert!(!resource.manifest.to_string().contains("old-mcp"));
        }
        let moved = desired.resources.iter().find(|one| one.address == "shop/new/deployment").unwrap();
        assert_eq!(moved.was.as_deref(), Some("shop/old/deployment"));
    }

    #[test]
    fn what_is_desired_is_the_same_whatever_it_was_called() {
        let (with, without) = (fleet("new", Some("old")), fleet("new", None));
        let manifests =
            |desired: &Desired| desired.resources.iter().map(|one| one.manifest.clone()).collect::<Vec<_>>();
        assert_eq!(manifests(&with), manifests(&without));
        assert_eq!((&with.claims, &with.phases), (&without.claims, &without.phases));
        assert!(without.resources.iter().all(|one| one.was.is_none() && one.meanwhile.is_none()));
    }
}
