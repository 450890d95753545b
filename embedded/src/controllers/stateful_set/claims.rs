//! The claims of a StatefulSet's pods: made from its templates, and owned so that they go when the set's retention
//! policy says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::COMPONENT;
use crate::controllers::event::{self, Event};
use crate::controllers::writing::controller_reference;
use crate::controllers::{Context, adoption};
use crate::failure::Failure;
use crate::object;
use crate::store::Object;

fn deletes(set: &Value, when: &str) -> bool {
    object::text(set, &format!("/spec/persistentVolumeClaimRetentionPolicy/{when}")) == "Delete"
}

/// Makes the claims of one pod that are not there yet.
pub(super) fn make(context: &mut Context<'_, '_>, set: &Value, ordinal: i64, pod: &str) -> Result<(), Failure> {
    for template in object::items(set, "/spec/volumeClaimTemplates") {
        let name = format!("{}-{}-{ordinal}", object::name(template), object::name(set));
        if context.get("v1", "PersistentVolumeClaim", object::namespace(set), &name).is_some() {
            continue;
        }
        let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        for (key, value) in object::entries(set, "/spec/selector/matchLabels") {
            object::as_map(&mut labels).insert(key.clone(), value.clone());
        }
        let mut claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": object::namespace(set), "labels": labels},
            "spec": template.get("spec").cloned().unwrap_or_default(),
        });
        if let Some(annotations) = template.pointer("/metadata/annotations") {
            object::set(&mut claim, "/metadata/annotations", annotations.clone());
        }
        if deletes(set, "whenDeleted") {
            object::set(&mut claim, "/metadata/ownerReferences", json!([controller_reference(set)]));
        }
        context.create(claim)?;
        let message = format!("Create Claim {name} Pod {pod} in StatefulSet {} success", object::name(set));
        let told = Event { kind: "Normal", reason: "SuccessfulCreate", message: &message, component: COMPONENT };
        event::tell(context, set, &told);
    }
    Ok(())
}

/// Sees that each claim has the owner after which it is to go: the set, a pod that is too much, or none.
pub(super) fn look_after(
    context: &mut Context<'_, '_>,
    set: &Value,
    pods: &BTreeMap<i64, Arc<Object>>,
) -> Result<(), Failure> {
    let first = object::number(set, "/spec/ordinals/start").unwrap_or(0);
    let end = first + object::number(set, "/spec/replicas").unwrap_or(1);
    for template in object::items(set, "/spec/volumeClaimTemplates") {
        for (ordinal, pod) in pods {
            let name = format!("{}-{}-{ordinal}", object::name(template), object::name(set));
            let Some(claim) = context.get("v1", "PersistentVolumeClaim", object::namespace(set), &name) else {
                continue;
            };
            let surplus = !(first..end).contains(ordinal);
            let owner = if surplus && deletes(set, "whenScaled") {
                Some(&pod.value)
            } else if deletes(set, "whenDeleted") {
                Some(set)
            } else {
                None
            };
            own(context, &claim, owner, &[set, &pod.value])?;
        }
    }
    Ok(())
}

fn own(
    context: &mut Context<'_, '_>,
    claim: &Arc<Object>,
    owner: Option<&Value>,
    others: &[&Value],
) -> Result<(), Failure> {
    let named = |owner: &Value| {
        let owners = object::items(&claim.value, "/metadata/ownerReferences");
        owners.iter().any(|known| object::text(known, "/uid") == object::uid(owner))
    };
    let wrong = others.iter().find(|other| named(other) && owner.is_none_or(|o| object::uid(o) != object::uid(other)));
    if let Some(wrong) = wrong {
        adoption::release(context, claim, object::uid(wrong))?;
    }
    let Some(owner) = owner.filter(|owner| !named(owner)) else { return Ok(()) };
    let namespace = object::namespace(&claim.value);
    let Some(live) = context.get("v1", "PersistentVolumeClaim", namespace, object::name(&claim.value)) else {
        return Ok(());
    };
    let mut new = live.value.clone();
    let mut owners = object::items(&new, "/metadata/ownerReferences").to_vec();
    owners.push(controller_reference(owner));
    object::set(&mut new, "/metadata/ownerReferences", json!(owners));
    context.update(&live, new)?;
    Ok(())
}
