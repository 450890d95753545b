//! What a plan is about, where not the whole stack is meant: the services that were named, with everything they depend
//! on, and what belongs to no service.

use std::collections::{BTreeMap, BTreeSet};

use strata_components::desired::{Desired, Resource};

use super::policy::Policy;

/// Which resources a plan is about.
pub(super) enum Scope<'a> {
    /// All of them.
    Everything,
    /// Those of these services, and those of none.
    Services(BTreeSet<&'a str>),
}

impl<'a> Scope<'a> {
    /// The scope that a policy names.
    pub(super) fn of(desired: &'a Desired, policy: &'a Policy) -> Self {
        if policy.targets.is_empty() {
            return Self::Everything;
        }
        let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for resource in &desired.resources {
            if let Some(service) = &resource.service {
                needs.entry(service).or_default().extend(resource.depends_on.iter().map(String::as_str));
            }
        }
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = policy.targets.iter().map(String::as_str).collect();
        while let Some(service) = open.pop() {
            if reached.insert(service) {
                open.extend(needs.get(service).into_iter().flatten());
            }
        }
        Self::Services(reached)
    }

    /// Whether this resource is meant.
    pub(super) fn holds(&self, resource: &Resource) -> bool {
        match (self, &resource.service) {
            (Self::Everything, _) | (_, None) => true,
            (Self::Services(services), Some(service)) => services.contains(service.as_str()),
        }
    }

    /// Whether nothing is left out.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }
}
