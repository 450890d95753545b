//! Whose an object is: a workload takes over what its selector matches and nobody controls, and lets go of what it
//! controls and no longer matches.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/controller_ref_manager.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Context;
use super::writing::controller_reference;
use crate::failure::Failure;
use crate::object;
use crate::selector::LabelSelector;
use crate::store::{Key, Object};

/// The objects of a resource (`pods`, `apps/replicasets`) that are the owner's now, by name. An owner that is being
/// deleted takes nothing over.
pub(super) fn claim(
    context: &mut Context<'_, '_>,
    owner: &Value,
    resource: &str,
) -> Result<BTreeMap<String, Arc<Object>>, Failure> {
    let (namespace, uid) = (object::namespace(owner), object::uid(owner));
    let mut claimed = BTreeMap::new();
    let selector = LabelSelector::of(owner.pointer("/spec/selector"));
    let controlled = |value: &Value| object::controller(value).is_some_and(|o| object::text(o, "/uid") == uid);
    for (key, live) in context.txn.owned_by(uid) {
        if &*key.resource != resource || !controlled(&live.value) {
            continue;
        }
        let matches = selector.as_ref().is_none_or(|selector| selector.matches(&live.value));
        if matches || object::is_deleting(owner) || object::is_deleting(&live.value) {
            claimed.insert(key.name.to_string(), live);
        } else {
            release(context, &live, uid)?;
        }
    }
    let Some(selector) = selector.filter(|selector| !selector.is_empty() && !object::is_deleting(owner)) else {
        return Ok(claimed);
    };
    let labelled = if resource == "pods" { &context.index.pods } else { &context.index.replica_sets };
    for name in labelled.among(namespace, &selector) {
        if claimed.contains_key(&name) {
            continue;
        }
        let Some(live) = context.txn.get(&Key::new(resource, namespace, &name)) else { continue };
        let free = object::controller(&live.value).is_none() && !object::is_deleting(&live.value);
        if free && selector.matches(&live.value) {
            let mut new = live.value.clone();
            let mut owners = object::items(&new, "/metadata/ownerReferences").to_vec();
            owners.retain(|known| object::text(known, "/uid") != uid);
            owners.push(controller_reference(owner));
            object::set(&mut new, "/metadata/ownerReferences", json!(owners));
            claimed.insert(name, context.update(&live, new)?);
        }
    }
    Ok(claimed)
}

/// Takes an owner off an object.
pub(super) fn release(context: &mut Context<'_, '_>, live: &Arc<Object>, uid: &str) -> Result<(), Failure> {
    let mut new = live.value.clone();
    let mut owners = object::items(&new, "/metadata/ownerReferences").to_vec();
    owners.retain(|owner| object::text(owner, "/uid") != uid);
    if owners.is_empty() {
        object::remove(&mut new, "/metadata/ownerReferences");
    } else {
        object::set(&mut new, "/metadata/ownerReferences", json!(owners));
    }
    context.update(live, new)?;
    Ok(())
}
