//! Namespaces: a new one gets its `default` account and the cluster's root certificate; one that is being deleted is
//! emptied and then let go.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::writing::{MANAGER, set_condition};
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::rules::{DeleteOptions, Propagation};

/// What stands where a certificate would.
const NO_CERTIFICATE: &str = "simulated cluster: no certificate\n";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Looks at one namespace that stays.
pub(super) fn reconcile(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    match context.get("v1", "Namespace", "", name) {
        Some(namespace) if !object::is_deleting(&namespace.value) => furnish(context, name).map(|()| None),
        _ => Ok(None),
    }
}

/// Empties one namespace that is being deleted, and lets it go once it is empty.
pub(super) fn empty(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let Some(namespace) = context.get("v1", "Namespace", "", name) else { return Ok(None) };
    if !object::is_deleting(&namespace.value) {
        return Ok(None);
    }
    // How many objects of a resource are left, and how many have each finalizer.
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for key in context.txn.keys_in_namespace(name) {
        let Some(resource) = context.rules.registry.stored_at(&key.resource).cloned() else {
            // Objects of a kind that is no longer served cannot be asked about.
            context.txn.remove(&key);
            continue;
        };
        let Some(live) = context.txn.get(&key) else { continue };
        if !object::is_deleting(&live.value) {
            let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
            context.rules.delete(context.txn, &resource, &live, &options)?;
        }
        if let Some(live) = context.txn.get(&key) {
            *left.entry(format!("{}.{}", resource.plural, resource.group)).or_default() += 1;
            for finalizer in object::finalizers(&live.value) {
                *held.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }
    let Some(namespace) = context.get("v1", "Namespace", "", name) else { return Ok(None) };
    if left.is_empty() {
        let new = without_own_finalizer(&namespace.value);
        context.update_as(&namespace, new, MANAGER, "finalize")?;
        return Ok(None);
    }
    let status = report(&namespace.value, &left, &held, &object::rfc3339(context.now()));
    context.set_status(&namespace, status)?;
    Ok(None)
}

/// Without the finalizer `kubernetes` of the spec; others stay with those who set them.
fn without_own_finalizer(namespace: &Value) -> Value {
    let mut new = namespace.clone();
    let kept: Vec<Value> =
        object::items(&new, "/spec/finalizers").iter().filter(|f| **f != json!("kubernetes")).cloned().collect();
    if kept.is_empty() {
        object::remove(&mut new, "/spec/finalizers");
    } else {
        object::set(&mut new, "/spec/finalizers", json!(kept));
    }
    new
}

/// The status of a namespace that is not empty yet.
///
/// Source: `pkg/controller/namespace/deletion/status_condition_utils.go`.
fn report(namespace: &Value, left: &BTreeMap<String, usize>, held: &BTreeMap<String, usize>, now: &str) -> Value {
    let mut status = namespace.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut conditions: Vec<Value> = object::items(&status, "/conditions").to_vec();
    let listed = |all: &BTreeMap<String, usize>, word: &str| {
        let texts: Vec<String> =
            all.iter().map(|(name, count)| format!("{name} {word} {count} resource instances")).collect();
        texts.join(", ")
    };
    let finalizers = if held.is_empty() {
        ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned())
    } else {
        let message = format!("Some content in the namespace has finalizers remaining: {}", listed(held, "in"));
        ("True", "SomeFinalizersRemain", message)
    };
    let remaining = format!("Some resources are remaining: {}", listed(left, "has"));
    for (kind, (truth, reason, message)) in [
        (
            "NamespaceDeletionDiscoveryFailure",
            ("False", "ResourcesDiscovered", "All resources successfully discovered".to_owned()),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            ("False", "ParsedGroupVersions", "All legacy kube types successfully parsed".to_owned()),
        ),
        (
            "NamespaceDeletionContentFailure",
            ("False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization".to_owned()),
        ),
        ("NamespaceContentRemaining", ("True", "SomeResourcesRemain", remaining)),
        ("NamespaceFinalizersRemaining", finalizers),
    ] {
        let condition = json!({"type": kind, "status": truth, "reason": reason, "message": message});
        set_condition(&mut conditions, condition, now, false);
    }
    object::set(&mut status, "/conditions", json!(conditions));
    status
}

fn furnish(context: &mut Context<'_, '_>, name: &str) -> Result<(), Failure> {
    if context.get("v1", "ServiceAccount", name, "default").is_none() {
        context.create(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name},
        }))?;
    }
    if context.get("v1", "ConfigMap", name, "kube-root-ca.crt").is_none() {
        context.create(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "kube-root-ca.crt",
                "namespace": name,
                "annotations": {"kubernetes.io/description": DESCRIPTION},
            },
            "data": {"ca.crt": NO_CERTIFICATE},
        }))?;
    }
    Ok(())
}
