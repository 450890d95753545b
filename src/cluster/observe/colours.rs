//! Which colours of services are live, and what is previewed for that: what is desired in the colour that has the traffic,
//! and where its pods would be others, in the colour that the planner chooses by that.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;
use strata_components::blue_green::{Colour, Colours, follows, painted, workload};
use strata_components::desired::{Desired, Resource, ResourceId};

use super::super::Cluster;
use super::CONCURRENCY;
use super::autoscaling::{Floors, floors};
use super::preview::State;
use crate::observe::{FieldChange, LiveColours, Owner, Preview, Previewed};
use crate::plan::chosen;
use crate::provider::ProviderError;

/// Where what pods are made of stands in a workload.
const TEMPLATE: &str = ".spec.template";

/// The minimum of each autoscaler that is desired, whatever colour it scales.
pub(super) fn floors_of_all(desired: &Desired) -> Floors {
    let mut all = floors(desired);
    for colour in Colour::ALL {
        let everywhere: Colours = desired.blue_green.keys().map(|service| (service.clone(), colour)).collect();
        all.extend(floors(&painted(desired, &everywhere)));
    }
    all
}

impl State<'_> {
    /// The colour that the Service of a service sends its traffic to.
    fn points_at(&self, desired: &Desired, service: &str) -> Option<Colour> {
        let traffic =
            |one: &&Resource| one.id.kind.kind == "Service" && one.service.as_deref() == Some(service) && follows(one);
        let live = self.live.get(&desired.resources.iter().find(traffic)?.id)?;
        Colour::of(&live["spec"]["selector"])
    }

    /// The live workload of the instance that stands beside what a resource would create, of another colour of the same
    /// service.
    pub(super) fn beside(&self, resource: &Resource) -> Option<&Value> {
        if resource.id.kind.kind != "Deployment" || self.live.contains_key(&resource.id) {
            return None;
        }
        let same = |(id, live): &(&ResourceId, &Value)| {
            id.kind == resource.id.kind
                && self.identity.owner(live) == Owner::This
                && super::Place::of(live).address.as_ref() == Some(&resource.address)
        };
        // Of several, the one with the most pods bears the load.
        self.live.iter().filter(same).map(|(_, live)| live).max_by_key(|live| live["spec"]["replicas"].as_u64())
    }
}

impl Cluster {
    /// What is live of the colours, and the previews of what is desired in those that are chosen.
    pub(super) async fn in_colours(
        &self,
        desired: &Desired,
        state: &State<'_>,
    ) -> Result<(Vec<LiveColours>, Vec<Preview>), ProviderError> {
        let services = desired.blue_green.keys();
        let mut colours: Vec<LiveColours> = services
            .map(|service| LiveColours {
                service: service.clone(),
                points_at: state.points_at(desired, service),
                outdated: Vec::new(),
            })
            .collect();
        // As it is live: where no colour has the traffic by itself, what has none is what has it.
        // Where nothing is, it begins with a colour.
        let plain =
            |one: &LiveColours| workload(desired, &one.service).is_some_and(|plain| state.live.contains_key(&plain.id));
        let now = |one: &LiveColours| one.points_at.or_else(|| (!plain(one)).then_some(Colour::Blue));
        let live: Colours = colours.iter().filter_map(|one| Some((one.service.clone(), now(one)?))).collect();
        let current = painted(desired, &live);
        let previews = self.preview_all(&current.resources, state).await?;
        for one in &mut colours {
            let preview = workload(&current, &one.service).and_then(|workload| previews.get(&workload.id));
            one.outdated = preview.map(outdated).unwrap_or_default();
        }
        let chosen = chosen(&colours);
        if chosen == live {
            return Ok((colours, previews.into_values().collect()));
        }
        let wanted = painted(desired, &chosen);
        let same = |resource: &&Resource| current.resources.contains(resource);
        let (known, turned): (Vec<&Resource>, Vec<&Resource>) = wanted.resources.iter().partition(same);
        let turned: Vec<Resource> = turned.into_iter().cloned().collect();
        let mut all = self.preview_all(&turned, state).await?;
        let mut previews = previews;
        all.extend(known.iter().filter_map(|resource| previews.remove_entry(&resource.id)));
        Ok((colours, all.into_values().collect()))
    }

    async fn preview_all(
        &self,
        resources: &[Resource],
        state: &State<'_>,
    ) -> Result<BTreeMap<ResourceId, Preview>, ProviderError> {
        // The futures are made before they are run: a closure that borrows cannot be shown to be `Send`.
        let previews: Vec<_> = resources.iter().map(|resource| self.preview(resource, state)).collect();
        let previews: Vec<Preview> = stream::iter(previews).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(previews.into_iter().map(|preview| (preview.id.clone(), preview)).collect())
    }
}

/// Every field that would change, where pods would be made anew of it and nobody else holds any: what others hold is theirs
/// until that is asked for, in a new workload as in the old.
fn outdated(preview: &Preview) -> Vec<FieldChange> {
    let (changes, conflicts, anew) = match &preview.outcome {
        Previewed::Change { changes, conflicts, .. } => (changes, conflicts, false),
        Previewed::Replace { changes, conflicts, .. } => (changes, conflicts, true),
        _ => return Vec::new(),
    };
    let of_pods = |change: &FieldChange| change.path.starts_with(TEMPLATE);
    let free = conflicts.iter().all(|conflict| conflict.take);
    if free && (anew || changes.iter().any(of_pods)) { changes.clone() } else { Vec::new() }
}
