//! Who decides how many pods a workload has: an autoscaler of the stack, one that leaves it, or one that is gone.

use std::collections::BTreeMap;

use serde_json::Value;
use strata_components::desired::{Desired, Resource, ResourceId};
use structured_merge::owners::owners_of;
use structured_merge::path::FieldPath;
use structured_merge::schema::TypeRef;

use super::super::Cluster;
use super::super::discovery::{ServedKinds, collection};
use super::super::fields;
use super::super::identity::Identity;
use super::super::readiness;
use super::lists::Live;
use super::preview::State;
use crate::observe::{Autoscaled, FieldConflict, Owner};

/// Something of each workload whose size an autoscaler decides, by namespace and name of the workload.
pub(super) type Sized<T> = BTreeMap<(Option<String>, String), T>;
/// The minimum of each autoscaler.
pub(super) type Floors = Sized<u32>;

const AUTOSCALER: &str = "HorizontalPodAutoscaler";
/// The field manager that autoscalers write sizes by, and the subresource they write them through.
const SCALER: (&str, &str) = ("kube-controller-manager", "scale");
/// The field they write.
const SIZE: &str = ".spec.replicas";

/// The minimum of each autoscaler that is desired.
pub(super) fn floors(desired: &Desired) -> Floors {
    let autoscalers = desired.resources.iter().filter(|resource| resource.id.kind.kind == AUTOSCALER);
    autoscalers
        .filter_map(|resource| {
            let spec = &resource.manifest["spec"];
            let floor = spec.get("minReplicas").and_then(Value::as_u64).unwrap_or(1);
            let name = spec["scaleTargetRef"]["name"].as_str()?;
            Some(((resource.id.namespace.clone(), name.to_owned()), u32::try_from(floor).ok()?))
        })
        .collect()
}

/// The autoscalers of the instance that are live and desired no more, by the Deployments that they scale.
pub(super) fn leaving(desired: &Desired, live: &Live, identity: &Identity) -> Sized<ResourceId> {
    let autoscalers = live.iter().filter(|(id, object)| {
        id.kind.kind == AUTOSCALER
            && identity.owner(object) == Owner::This
            && !desired.resources.iter().any(|resource| resource.id == **id)
    });
    autoscalers
        .filter_map(|(id, object)| Some(((id.namespace.clone(), scaled(object)?.to_owned()), id.clone())))
        .collect()
}

/// The name of the Deployment that an autoscaler scales.
fn scaled(autoscaler: &Value) -> Option<&str> {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    target["name"].as_str().filter(|_| target["kind"] == "Deployment")
}

/// A manifest that says nothing of how many pods there are.
pub(super) fn without_size(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    if let Some(spec) = manifest.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    manifest
}

/// The manifest with the live size, where it says nothing of it.
pub(super) fn with_live_size(manifest: &Value, live: &Value) -> Option<Value> {
    let size = live.pointer("/spec/replicas")?;
    let mut sized = manifest.clone();
    let spec = sized.get_mut("spec")?.as_object_mut()?;
    (!spec.contains_key("replicas")).then(|| spec.insert("replicas".to_owned(), size.clone()))?;
    Some(sized)
}

impl State<'_> {
    /// The autoscaler of a live workload to which the stack now gives a size of its own, and what comes of that.
    pub(super) fn autoscaled(&self, resource: &Resource, live: &Value, schema: &TypeRef) -> Option<Autoscaled> {
        let id = &resource.id;
        let by = self.leaving.get(&(id.namespace.clone(), id.name.clone()))?;
        if id.kind.kind != "Deployment" || resource.meanwhile.is_some() || self.identity.owner(live) != Owner::This {
            return None;
        }
        let narrow = self.rules.leave(schema, resource, &resource.manifest, live, self.manager);
        let manifest = narrow.map_or_else(|| resource.manifest.clone(), |left| left.manifest);
        let size = manifest.pointer("/spec/replicas")?.clone();
        let mut after = live.clone();
        after.get_mut("spec")?.as_object_mut()?.insert("replicas".to_owned(), size);
        Some(Autoscaled {
            by: by.clone(),
            changes: fields::changes(&id.kind, schema, live, &after, self.manager),
            readiness: readiness::rule(&manifest, None),
            manifest,
        })
    }
}

impl Cluster {
    /// Marks the conflict about a size that an autoscaler has left behind: nobody holds it any more. Where it cannot be
    /// read that there is none, the conflict stays.
    pub(super) async fn mark_abandoned(
        &self,
        id: &ResourceId,
        live: &Value,
        served: &ServedKinds,
        conflicts: &mut [FieldConflict],
    ) {
        let Some(conflict) = conflicts.iter_mut().find(|one| one.path == SIZE && one.manager == SCALER.0) else {
            return;
        };
        let path = FieldPath::of_fields(["spec", "replicas"]);
        let is_scaler = |owner: &structured_merge::Manager| (owner.name.as_str(), owner.subresource.as_str()) == SCALER;
        if id.kind.kind != "Deployment" || !owners_of(live, &path).iter().any(is_scaler) {
            return;
        }
        let Some((kind, place)) =
            served.of_group("autoscaling", AUTOSCALER).and_then(|kind| Some((kind, served.get(kind)?)))
        else {
            return;
        };
        let path = collection(kind, &place.plural, id.namespace.as_deref());
        if let Ok(autoscalers) = self.list(AUTOSCALER, &path).await {
            conflict.take = !autoscalers.iter().any(|one| scaled(one) == Some(id.name.as_str()));
        }
    }
}
