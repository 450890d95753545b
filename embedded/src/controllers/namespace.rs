//! Namespaces: a new one gets its `default` account and the cluster's root certificate; one that is being deleted is
//! emptied and then let go.

use serde_json::{Value, json};

use super::writing::{MANAGER, set_condition};
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::rules::DeleteOptions;

/// What stands where a certificate would.
const NO_CERTIFICATE: &str = "simulated cluster: no certificate\n";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Looks at one namespace.
pub(super) fn reconcile(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let Some(namespace) = context.get("v1", "Namespace", "", name) else { return Ok(None) };
    if !object::is_deleting(&namespace.value) {
        return furnish(context, name).map(|()| None);
    }
    let mut remaining = Vec::new();
    for key in context.txn.keys_in_namespace(name) {
        let Some(resource) = context.rules.registry.stored_at(&key.resource).cloned() else {
            // Objects of a kind that is no longer served cannot be asked about.
            context.txn.remove(&key);
            continue;
        };
        let Some(live) = context.txn.get(&key) else { continue };
        if !object::is_deleting(&live.value) {
            let options = DeleteOptions { grace_seconds: None, ..DeleteOptions::default() };
            context.rules.delete(context.txn, &resource, &live, &options)?;
        }
        if context.txn.get(&key).is_some() {
            remaining.push((resource.plural.clone(), resource.group.clone(), key));
        }
    }
    let Some(namespace) = context.get("v1", "Namespace", "", name) else { return Ok(None) };
    if remaining.is_empty() {
        let mut new = namespace.value.clone();
        object::remove(&mut new, "/spec/finalizers");
        context.update_as(&namespace, new, MANAGER, "finalize")?;
        return Ok(None);
    }
    let mut held: Vec<String> = Vec::new();
    for (plural, group, key) in &remaining {
        if let Some(live) = context.txn.get(key) {
            for finalizer in object::finalizers(&live.value) {
                let kind = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
                held.push(format!("{finalizer} in {kind}"));
            }
        }
    }
    let now = object::rfc3339(context.now());
    let mut status = namespace.value.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut conditions: Vec<Value> = object::items(&status, "/conditions").to_vec();
    let mut say = |kind: &str, truth: bool, reason: (&str, &str), message: String| {
        let condition = json!({
            "type": kind,
            "status": if truth { "True" } else { "False" },
            "reason": if truth { reason.0 } else { reason.1 },
            "message": message,
        });
        set_condition(&mut conditions, condition, &now, false);
    };
    let kinds: Vec<String> = remaining
        .iter()
        .map(|(plural, group, _)| format!("{plural}.{group} has 1 resource instances").replace(". ", " "))
        .collect();
    say(
        "NamespaceContentRemaining",
        true,
        ("SomeResourcesRemain", "ContentRemoved"),
        format!("Some resources are remaining: {}", kinds.join(", ")),
    );
    let finalizers = !held.is_empty();
    let message = if finalizers {
        format!("Some content in the namespace has finalizers remaining: {}", held.join(", "))
    } else {
        "All content-preserving finalizers finished".to_owned()
    };
    say("NamespaceFinalizersRemaining", finalizers, ("SomeFinalizersRemain", "ContentHasNoFinalizers"), message);
    object::set(&mut status, "/conditions", json!(conditions));
    context.set_status(&namespace, status)?;
    Ok(None)
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
