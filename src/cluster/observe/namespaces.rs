//! What is known of the namespaces that objects are put into: which are there, which come with the plan, and what labels
//! they may have. Asks nothing.

use std::collections::BTreeMap;

use serde_json::Value;
use strata_components::desired::{Desired, ResourceId};

use super::super::webhooks::MayHave;
use super::lists::Live;

/// Namespaces by name.
pub(super) struct Namespaces<'a>(BTreeMap<&'a str, Known<'a>>);

#[derive(Default)]
struct Known<'a> {
    live: Option<&'a Value>,
    desired: Option<&'a Value>,
}

impl<'a> Namespaces<'a> {
    pub(super) fn of(live: &'a Live, desired: &'a Desired) -> Self {
        let is_one = |id: &ResourceId| id.kind.group.is_empty() && id.kind.kind == "Namespace";
        let mut all: BTreeMap<&str, Known<'_>> = BTreeMap::new();
        for (id, object) in live.iter().filter(|(id, _)| is_one(id)) {
            all.entry(&id.name).or_default().live = Some(object);
        }
        for resource in desired.resources.iter().filter(|resource| is_one(&resource.id)) {
            all.entry(&resource.id.name).or_default().desired = Some(&resource.manifest);
        }
        Self(all)
    }

    /// The namespace of an object, where that is not there yet and comes with the same plan.
    pub(super) fn coming<'b>(&self, id: &'b ResourceId) -> Option<&'b str> {
        let name = id.namespace.as_deref()?;
        self.0.get(name).is_some_and(|known| known.live.is_none()).then_some(name)
    }

    /// The labels that the namespace of an object may have; `None` where nothing is known of it.
    pub(super) fn labels(&self, id: &ResourceId) -> Option<MayHave> {
        let name = id.namespace.as_deref()?;
        self.0.get(name).map(|known| MayHave::of_namespace(name, known.live, known.desired))
    }
}
