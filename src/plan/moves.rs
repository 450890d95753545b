//! What has another name than before: which live object a resource was, and what stays open between both while they
//! overlap.

use std::collections::BTreeMap;

use strata_components::desired::{Desired, Resource, ResourceId};

use super::planner::digest;
use super::types::{Action, Cause, PlanPhase, Step};
use crate::observe::{LiveObject, Owner, Snapshot};

/// Whether what is live at an address has another name than the resource there because its service goes from one colour to
/// the other.
fn is_turn(desired: &Desired, resource: &Resource, address: &str) -> bool {
    let coloured = resource.service.as_ref().is_some_and(|service| desired.blue_green.contains_key(service));
    coloured && resource.id.kind.kind == "Deployment" && resource.address == address
}

/// Resources that are live under an earlier name, and what they are called now.
#[derive(Default)]
pub(super) struct Moves<'a> {
    from: BTreeMap<&'a ResourceId, &'a LiveObject>,
    to: BTreeMap<&'a ResourceId, &'a Resource>,
}

impl<'a> Moves<'a> {
    /// Finds them by their addresses: that of a resource, or the one it had before its service was renamed.
    pub(super) fn of(desired: &'a Desired, snapshot: &'a Snapshot) -> Self {
        let mut moves = Self::default();
        let mut addresses: BTreeMap<(&str, &str, &str), &Resource> = BTreeMap::new();
        let mut known: BTreeMap<&ResourceId, &Resource> = BTreeMap::new();
        for resource in &desired.resources {
            known.insert(&resource.id, resource);
            let kind = &resource.id.kind;
            for address in std::iter::once(&resource.address).chain(&resource.was) {
                addresses.insert((address, &kind.group, &kind.kind), resource);
            }
        }
        let gone = |live: &&LiveObject| live.owner == Owner::This && !live.controlled && !known.contains_key(&live.id);
        for live in snapshot.objects.iter().filter(gone) {
            let kind = &live.id.kind;
            let address = live.address.as_deref().unwrap_or_default();
            if let Some(resource) = addresses.get(&(address, &kind.group, &kind.kind))
                && !is_turn(desired, resource, address)
            {
                moves.from.entry(&resource.id).or_insert(live);
                moves.to.insert(&live.id, resource);
            }
        }
        moves
    }

    /// The live object that this resource was.
    pub(super) fn from(&self, id: &ResourceId) -> Option<&'a LiveObject> {
        self.from.get(id).copied()
    }

    /// What a live object is called now.
    pub(super) fn to(&self, id: &ResourceId) -> Option<&'a Resource> {
        self.to.get(id).copied()
    }

    /// The services whose objects are live under an earlier name, sorted.
    fn services(&self) -> Vec<String> {
        let services: std::collections::BTreeSet<_> =
            self.to.values().filter_map(|resource| resource.service.clone()).collect();
        services.into_iter().collect()
    }

    /// Whether this resource has to let an old name and a new one through.
    pub(super) fn overlap(&self, resource: &Resource) -> bool {
        resource.meanwhile.is_some() && !self.to.is_empty()
    }

    /// Makes the steps of these phases let both names through, as far as they write what has to; and the steps that
    /// let only the new one through, when everything else is done.
    pub(super) fn widen(&self, desired: &Desired, snapshot: &Snapshot, phases: &mut [PlanPhase]) -> Vec<Step> {
        let wide: BTreeMap<&ResourceId, &Resource> =
            desired.resources.iter().filter(|resource| self.overlap(resource)).map(|one| (&one.id, one)).collect();
        let mut last = Vec::new();
        for step in phases.iter_mut().flat_map(|phase| &mut phase.steps) {
            let writes =
                matches!(step.action, Action::Create | Action::Update | Action::Adopt | Action::Move | Action::Replace);
            let Some(resource) = wide.get(&step.id).filter(|_| writes) else { continue };
            let mut narrow = Step {
                action: Action::Update,
                causes: vec![Cause::Overlap { over: true }],
                replace: None,
                leaves: Vec::new(),
                hands_over: Vec::new(),
                altered: Vec::new(),
                from: None,
                waits_for: self.services(),
                force: false,
                ..step.clone()
            };
            if step.action == Action::Replace {
                // It is another object by then.
                (narrow.uid, narrow.resource_version) = (None, None);
            }
            last.push(narrow);
            step.causes.push(Cause::Overlap { over: false });
            let without = snapshot.preview(&step.id).and_then(|preview| preview.meanwhile_as.clone());
            step.manifest = without.or_else(|| resource.meanwhile.clone());
            step.manifest_digest = resource.meanwhile.as_ref().map(digest);
        }
        last
    }
}
