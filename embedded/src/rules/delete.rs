//! Deleting: preconditions, propagation, finalizers and a pod's grace. What comes after (collecting dependents,
//! emptying a namespace) is the controllers' work.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Rules;
use crate::admission::{self, Write};
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::store::{Object, Txn};

/// The finalizer that lets dependents go first.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that has dependents cut loose first.
pub(crate) const ORPHAN: &str = "orphan";

/// What becomes of the dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// Collected afterwards.
    Background,
    /// Collected before.
    Foreground,
    /// Left, without their owner.
    Orphan,
}

/// How an object is to be deleted.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) grace_seconds: Option<i64>,
}

/// What a deletion led to.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Object>),
    /// It is marked, and goes when its finalizers or its grace are over.
    Marked(Arc<Object>),
}

impl Rules {
    /// Deletes a stored object, or marks it for deletion.
    pub(crate) fn delete(
        &self,
        txn: &mut Txn<'_>,
        resource: &Resource,
        live: &Arc<Object>,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let old = &live.value;
        check(resource, old, options)?;
        let write = Write { rules: self, resource, subresource: "", old: Some(old), named: true };
        admission::remove(txn, write)?;
        let mut new = old.clone();
        if let Some(propagation) = options.propagation.or_else(|| default_propagation(resource)) {
            propagate(&mut new, propagation);
        }
        if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") && !object::is_deleting(old) {
            return Ok(Deleted::Marked(mark_definition(txn, resource, old.clone())));
        }
        let waits = !object::finalizers(&new).is_empty()
            || (resource.is("", "Namespace") && !object::items(&new, "/spec/finalizers").is_empty());
        let grace = grace(resource, old, options);
        let key = resource.key(object::namespace(old), object::name(old));
        if !waits && grace == 0 {
            let last = txn.remove(&key).unwrap_or_else(|| Arc::clone(live));
            return Ok(Deleted::Gone(shown(resource, &last, txn)));
        }
        let marked_before = object::is_deleting(old);
        let grace_before = object::number(old, "/metadata/deletionGracePeriodSeconds");
        if !marked_before || grace_before.is_some_and(|before| grace < before) {
            let at = txn.now() + std::time::Duration::from_secs(grace.unsigned_abs());
            let generation = object::number(old, "/metadata/generation");
            let metadata = object::metadata(&mut new);
            metadata.insert("deletionTimestamp".to_owned(), json!(object::rfc3339(at)));
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
            if let Some(generation) = generation.filter(|_| !marked_before) {
                metadata.insert("generation".to_owned(), json!(generation + 1));
            }
        }
        if resource.is("", "Namespace") {
            object::metadata(&mut new).remove("deletionGracePeriodSeconds");
            object::set(&mut new, "/status/phase", json!("Terminating"));
        }
        if new == *old {
            return Ok(Deleted::Marked(Arc::clone(live)));
        }
        Ok(Deleted::Marked(txn.put(key, new)))
    }
}

/// An object that went at once, as the answer shows it: as it was stored, a pod with the mark that it would have had.
fn shown(resource: &Resource, live: &Arc<Object>, txn: &Txn<'_>) -> Arc<Object> {
    if !resource.is("", "Pod") {
        return Arc::clone(live);
    }
    let mut value = live.value.clone();
    if !object::is_deleting(&value) {
        let generation = object::number(&value, "/metadata/generation").unwrap_or(0) + 1;
        object::set(&mut value, "/metadata/generation", json!(generation));
        object::set(&mut value, "/metadata/deletionTimestamp", json!(object::rfc3339(txn.now())));
    }
    object::set(&mut value, "/metadata/deletionGracePeriodSeconds", json!(0));
    Arc::new(Object::new(value, live.revision))
}

fn check(resource: &Resource, old: &Value, options: &DeleteOptions) -> Result<(), Failure> {
    // What is only marked at first is looked at by a registry of its own.
    let own = resource.is("apiextensions.k8s.io", "CustomResourceDefinition") || resource.is("", "Namespace");
    let subject = if own { &resource.plural } else { &resource.kind };
    let refuse = |why: String| Failure::conflict(&resource.group, subject, object::name(old), &why);
    let differs = |what: &str, wanted: &str, found: &str| {
        format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}")
    };
    if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != object::uid(old)) {
        if own {
            return Err(refuse(differs("UID", wanted, object::uid(old))));
        }
        return Err(refuse(format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            object::uid(old)
        )));
    }
    let version = object::text(old, "/metadata/resourceVersion");
    if let Some(wanted) = options.resource_version.as_deref().filter(|wanted| *wanted != version) {
        if own {
            return Err(refuse(differs("ResourceVersion", wanted, version)));
        }
        return Err(refuse(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        )));
    }
    Ok(())
}

/// A definition goes after its objects: until they are gone it is held by this.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Marks a definition, which then waits for its objects. Its registry does that by itself: neither the generation nor a
/// grace nor what is to become of dependents is written.
///
/// Source: `pkg/registry/customresourcedefinition/etcd.go` of `k8s.io/apiextensions-apiserver`.
fn mark_definition(txn: &mut Txn<'_>, resource: &Resource, mut new: Value) -> Arc<Object> {
    let now = json!(object::rfc3339(txn.now()));
    let mut finalizers: Vec<String> = object::finalizers(&new).into_iter().map(str::to_owned).collect();
    if !finalizers.iter().any(|finalizer| finalizer == CLEANUP) {
        finalizers.push(CLEANUP.to_owned());
    }
    let metadata = object::metadata(&mut new);
    metadata.insert("deletionTimestamp".to_owned(), now.clone());
    metadata.insert("finalizers".to_owned(), json!(finalizers));
    let mut conditions = object::items(&new, "/status/conditions").to_vec();
    conditions.push(json!({
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }));
    object::set(&mut new, "/status/conditions", json!(conditions));
    let key = resource.key("", object::name(&new));
    txn.put(key, new)
}

/// Jobs keep their pods unless told otherwise (`batchv1` in `registry/batch/job/strategy.go`).
fn default_propagation(resource: &Resource) -> Option<Propagation> {
    resource.is("batch", "Job").then_some(Propagation::Orphan)
}

fn propagate(new: &mut Value, propagation: Propagation) {
    let mut finalizers: Vec<String> = object::finalizers(new).into_iter().map(str::to_owned).collect();
    finalizers.retain(|f| f != FOREGROUND && f != ORPHAN);
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
        Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
    }
    let metadata = object::metadata(new);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
}

/// How long a pod that runs is given to end; everything else goes at once.
fn grace(resource: &Resource, old: &Value, options: &DeleteOptions) -> i64 {
    if !resource.is("", "Pod") {
        return 0;
    }
    let wanted = options
        .grace_seconds
        .or_else(|| object::number(old, "/spec/terminationGracePeriodSeconds"))
        .unwrap_or(30)
        .max(0);
    let ended = matches!(object::text(old, "/status/phase"), "Succeeded" | "Failed");
    if object::text(old, "/spec/nodeName").is_empty() || ended { 0 } else { wanted }
}
