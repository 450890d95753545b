//! Garbage collection by owner references: dependents of what is gone, and the foreground and orphan ways of deleting.

use serde_json::json;

use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::rules::{DeleteOptions, FOREGROUND, ORPHAN};
use crate::store::Key;

/// The owner with this uid is gone: what only it owned goes too.
pub(super) fn dependents(context: &mut Context<'_, '_>, uid: &str) -> Result<Again, Failure> {
    for (key, _) in context.txn.owned_by(uid) {
        check_owners(context, &key)?;
    }
    Ok(None)
}

/// Deletes an object none of whose owners is there.
pub(super) fn check_owners(context: &mut Context<'_, '_>, key: &Key) -> Result<Again, Failure> {
    let Some(live) = context.txn.get(key) else { return Ok(None) };
    let owners = object::items(&live.value, "/metadata/ownerReferences");
    if owners.is_empty() || object::is_deleting(&live.value) {
        return Ok(None);
    }
    for owner in owners {
        let (version, kind) = (object::text(owner, "/apiVersion"), object::text(owner, "/kind"));
        let Some(resource) = context.rules.registry.of_kind(version, kind) else {
            // An owner of an unknown kind may well be there.
            return Ok(None);
        };
        let found = context.txn.get(&resource.key(&key.namespace, object::text(owner, "/name")));
        if found.is_some_and(|found| object::uid(&found.value) == object::text(owner, "/uid")) {
            return Ok(None);
        }
    }
    context.delete(&live, &DeleteOptions::default())?;
    Ok(None)
}

/// An owner that waits for its dependents: to be gone (foreground) or to be cut loose (orphan).
pub(super) fn deleting_owner(context: &mut Context<'_, '_>, key: &Key) -> Result<Again, Failure> {
    let Some(owner) = context.txn.get(key) else { return Ok(None) };
    if !object::is_deleting(&owner.value) {
        return Ok(None);
    }
    let finalizers: Vec<String> = object::finalizers(&owner.value).into_iter().map(str::to_owned).collect();
    let uid = object::uid(&owner.value).to_owned();
    let done = if finalizers.iter().any(|f| f == ORPHAN) {
        for (_, dependent) in context.txn.owned_by(&uid) {
            let mut new = dependent.value.clone();
            let kept: Vec<_> = object::items(&new, "/metadata/ownerReferences")
                .iter()
                .filter(|reference| object::text(reference, "/uid") != uid)
                .cloned()
                .collect();
            if kept.is_empty() {
                object::remove(&mut new, "/metadata/ownerReferences");
            } else {
                object::set(&mut new, "/metadata/ownerReferences", json!(kept));
            }
            context.update(&dependent, new)?;
        }
        ORPHAN
    } else if finalizers.iter().any(|f| f == FOREGROUND) {
        let mut blocked = false;
        for (_, dependent) in context.txn.owned_by(&uid) {
            if !object::is_deleting(&dependent.value) {
                let options = DeleteOptions {
                    propagation: Some(crate::rules::Propagation::Foreground),
                    ..DeleteOptions::default()
                };
                let has_dependents = !context.txn.owned_by(object::uid(&dependent.value)).is_empty();
                let options = if has_dependents { options } else { DeleteOptions::default() };
                context.delete(&dependent, &options)?;
            }
            let blocks = object::items(&dependent.value, "/metadata/ownerReferences")
                .iter()
                .any(|r| object::text(r, "/uid") == uid && object::truth(r, "/blockOwnerDeletion"));
            blocked |= blocks && !context.txn.owned_by(&uid).is_empty();
        }
        if blocked {
            return Ok(None);
        }
        FOREGROUND
    } else {
        return Ok(None);
    };
    let kept: Vec<&String> = finalizers.iter().filter(|f| *f != done).collect();
    let mut new = owner.value.clone();
    if kept.is_empty() {
        object::remove(&mut new, "/metadata/finalizers");
    } else {
        object::set(&mut new, "/metadata/finalizers", json!(kept));
    }
    context.update(&owner, new)?;
    Ok(None)
}
