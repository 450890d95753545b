//! `NamespaceLifecycle`: objects are made only in a namespace that is there and stays, and some namespaces always stay.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle`.

use serde_json::Value;

use super::{Write, known_name};
use crate::failure::Failure;
use crate::object;
use crate::store::{Key, Txn};

/// Namespaces that may not be deleted, and that always take objects.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// The namespace must be there, and must not be going away for a new object.
pub(super) fn check(txn: &Txn<'_>, write: Write<'_>, new: &Value) -> Result<(), Failure> {
    if !write.resource.namespaced {
        return Ok(());
    }
    let name = object::namespace(new);
    let Some(namespace) = txn.get(&Key::new("namespaces", "", name)) else {
        return Err(Failure::not_found("", "namespaces", name));
    };
    if write.old.is_none() && object::is_deleting(&namespace.value) && !IMMORTAL.contains(&name) {
        let resource = write.resource;
        return Err(Failure::terminating(&resource.group, &resource.plural, known_name(new), name));
    }
    Ok(())
}

/// May the namespace be deleted at all?
pub(super) fn may_delete_namespace(name: &str) -> Result<(), Failure> {
    if IMMORTAL.contains(&name) {
        return Err(Failure::forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    Ok(())
}
