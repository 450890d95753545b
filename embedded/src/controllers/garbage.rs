//! Garbage collection by owner references: dependents of what is gone, and the foreground and orphan ways of deleting.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/garbagecollector`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Again, Context, adoption};
use crate::failure::Failure;
use crate::object;
use crate::rules::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
use crate::store::{Key, Object};

/// The owner with this uid is gone: what only it owned goes too.
pub(super) fn dependents(context: &mut Context<'_, '_>, uid: &str) -> Result<Again, Failure> {
    for (key, _) in context.txn.owned_by(uid) {
        check_owners(context, &key)?;
    }
    Ok(None)
}

/// How an owner that an object names is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// There, or of a kind that cannot be looked up.
    Solid,
    /// Not there.
    Dangling,
    /// There, and waiting for this very object to go.
    Waiting,
}

fn owner(context: &Context<'_, '_>, key: &Key, reference: &Value) -> Owner {
    let (version, kind) = (object::text(reference, "/apiVersion"), object::text(reference, "/kind"));
    let Some(resource) = context.rules.registry.of_kind(version, kind) else { return Owner::Solid };
    let found = context.txn.get(&resource.key(&key.namespace, object::text(reference, "/name")));
    match found.filter(|found| object::uid(&found.value) == object::text(reference, "/uid")) {
        None => Owner::Dangling,
        Some(found) if deletes_dependents(&found.value) && object::truth(reference, "/blockOwnerDeletion") => {
            Owner::Waiting
        }
        Some(_) => Owner::Solid,
    }
}

fn deletes_dependents(value: &Value) -> bool {
    object::is_deleting(value) && object::finalizers(value).contains(&FOREGROUND)
}

/// Deletes an object that no owner holds any more; one that has another owner only forgets those that are gone.
pub(super) fn check_owners(context: &mut Context<'_, '_>, key: &Key) -> Result<Again, Failure> {
    let Some(live) = context.txn.get(key) else { return Ok(None) };
    let references = object::items(&live.value, "/metadata/ownerReferences").to_vec();
    if references.is_empty() || (object::is_deleting(&live.value) && !deletes_dependents(&live.value)) {
        return Ok(None);
    }
    let states: Vec<Owner> = references.iter().map(|reference| owner(context, key, reference)).collect();
    if states.contains(&Owner::Solid) {
        let kept: Vec<&Value> =
            references.iter().zip(&states).filter(|(_, state)| **state == Owner::Solid).map(|(r, _)| r).collect();
        if kept.len() < references.len() {
            let mut new = live.value.clone();
            object::set(&mut new, "/metadata/ownerReferences", json!(kept));
            context.update(&live, new)?;
        }
        return Ok(None);
    }
    if object::is_deleting(&live.value) {
        return Ok(None);
    }
    let has_dependents = !context.txn.owned_by(object::uid(&live.value)).is_empty();
    let propagation = if states.contains(&Owner::Waiting) && has_dependents {
        Propagation::Foreground
    } else if object::finalizers(&live.value).contains(&ORPHAN) {
        Propagation::Orphan
    } else {
        Propagation::Background
    };
    context.delete(&live, &DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() })?;
    Ok(None)
}

/// An owner that waits for its dependents: to be gone (foreground) or to be cut loose (orphan).
pub(super) fn deleting_owner(context: &mut Context<'_, '_>, key: &Key) -> Result<Again, Failure> {
    let Some(owner) = context.txn.get(key) else { return Ok(None) };
    if !object::is_deleting(&owner.value) {
        return Ok(None);
    }
    let finalizers = object::finalizers(&owner.value);
    let uid = object::uid(&owner.value).to_owned();
    if finalizers.contains(&ORPHAN) {
        for (_, dependent) in context.txn.owned_by(&uid) {
            adoption::release(context, &dependent, &uid)?;
        }
        return let_go(context, &owner, ORPHAN);
    }
    if !finalizers.contains(&FOREGROUND) {
        return Ok(None);
    }
    let blocks = |dependent: &Arc<Object>| {
        object::items(&dependent.value, "/metadata/ownerReferences")
            .iter()
            .any(|r| object::text(r, "/uid") == uid && object::truth(r, "/blockOwnerDeletion"))
    };
    for (key, dependent) in context.txn.owned_by(&uid) {
        if blocks(&dependent) && !deletes_dependents(&dependent.value) {
            check_owners(context, &key)?;
        }
    }
    if context.txn.owned_by(&uid).iter().any(|(_, dependent)| blocks(dependent)) {
        return Ok(None);
    }
    let_go(context, &owner, FOREGROUND)
}

fn let_go(context: &mut Context<'_, '_>, owner: &Arc<Object>, finalizer: &str) -> Result<Again, Failure> {
    context.update(owner, object::without_finalizer(&owner.value, finalizer))?;
    Ok(None)
}
