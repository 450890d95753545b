//! How controllers write: through the same rules as clients, under their own manager's name.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Context;
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::rules::{Author, DeleteOptions, Ownership};
use crate::store::Object;

/// The manager of everything but the scheduler and the kubelet.
pub(super) const MANAGER: &str = "kube-controller-manager";

impl Context<'_, '_> {
    /// The built-in resource of a kind.
    pub(super) fn resource(&self, version: &str, kind: &str) -> Result<Arc<Resource>, Failure> {
        let found = self.rules.registry.of_kind(version, kind).cloned();
        found.ok_or_else(|| Failure::internal(format!("{version} {kind} is not served")))
    }

    fn resource_of(&self, value: &Value) -> Result<Arc<Resource>, Failure> {
        self.resource(object::text(value, "/apiVersion"), object::text(value, "/kind"))
    }

    /// An object of a built-in kind.
    pub(super) fn get(&self, version: &str, kind: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let resource = self.rules.registry.of_kind(version, kind)?;
        self.txn.get(&resource.key(namespace, name))
    }

    /// Makes an object.
    pub(super) fn create(&mut self, value: Value) -> Result<Arc<Object>, Failure> {
        let resource = self.resource_of(&value)?;
        let author = Author { manager: MANAGER, subresource: "" };
        Ok(self.rules.create(self.txn, &resource, value, author, Ownership::Tracked)?.object)
    }

    /// Changes an object; nothing happens where `new` is what is there.
    pub(super) fn update(&mut self, live: &Arc<Object>, new: Value) -> Result<Arc<Object>, Failure> {
        self.update_as(live, new, MANAGER, "")
    }

    /// Replaces an object's status.
    pub(super) fn set_status(&mut self, live: &Arc<Object>, status: Value) -> Result<Arc<Object>, Failure> {
        if live.value.get("status") == Some(&status) {
            return Ok(Arc::clone(live));
        }
        let mut new = live.value.clone();
        object::set(&mut new, "/status", status);
        self.update_as(live, new, MANAGER, "status")
    }

    /// Changes an object under another name or through a subresource.
    pub(super) fn update_as(
        &mut self,
        live: &Arc<Object>,
        new: Value,
        manager: &str,
        subresource: &str,
    ) -> Result<Arc<Object>, Failure> {
        if new == live.value {
            return Ok(Arc::clone(live));
        }
        let resource = self.resource_of(&live.value)?;
        let author = Author { manager, subresource };
        Ok(self.rules.update(self.txn, &resource, live, new, author, Ownership::Tracked)?.object)
    }

    /// Deletes an object, or marks it.
    pub(super) fn delete(&mut self, live: &Arc<Object>, options: &DeleteOptions) -> Result<(), Failure> {
        let resource = self.resource_of(&live.value)?;
        self.rules.delete(self.txn, &resource, live, options)?;
        Ok(())
    }
}

/// A reference to the owner that controls an object.
pub(super) fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner.get("apiVersion"),
        "kind": owner.get("kind"),
        "name": object::name(owner),
        "uid": object::uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Puts a condition into a list of conditions. Its times are those it had, unless its status (or anything, for
/// `lastUpdateTime`) has changed.
pub(super) fn set_condition(conditions: &mut Vec<Value>, mut new: Value, now: &str, updates: bool) {
    let kind = object::text(&new, "/type").to_owned();
    let at = conditions.iter().position(|c| object::text(c, "/type") == kind);
    let known = at.and_then(|at| conditions.get(at));
    let same = |field: &str| known.is_some_and(|known| known.get(field) == new.get(field));
    let (status, whole) = (same("status"), same("status") && same("reason") && same("message"));
    let kept = |field: &str| known.and_then(|known| known.get(field)).cloned();
    let transition = if status { kept("lastTransitionTime") } else { None }.unwrap_or_else(|| json!(now));
    let update = if whole { kept("lastUpdateTime") } else { None }.unwrap_or_else(|| json!(now));
    object::set(&mut new, "/lastTransitionTime", transition);
    if updates {
        object::set(&mut new, "/lastUpdateTime", update);
    }
    match at.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = new,
        None => conditions.push(new),
    }
}

/// Puts a condition into a Deployment's or ReplicaSet's list: one that changes goes to the end; one of the same status
/// and reason stays as it is, its message included.
pub(super) fn append_condition(conditions: &mut Vec<Value>, mut new: Value, now: &str, updates: bool) {
    let kind = object::text(&new, "/type").to_owned();
    let known = conditions.iter().find(|c| object::text(c, "/type") == kind);
    let same = |field: &str| known.is_some_and(|known| known.get(field) == new.get(field));
    if same("status") && same("reason") {
        return;
    }
    let kept = known.filter(|_| same("status")).and_then(|known| known.get("lastTransitionTime")).cloned();
    object::set(&mut new, "/lastTransitionTime", kept.unwrap_or_else(|| json!(now)));
    if updates {
        object::set(&mut new, "/lastUpdateTime", json!(now));
    }
    conditions.retain(|c| object::text(c, "/type") != kind);
    conditions.push(new);
}

/// A map without the entries that are zero: numbers of a status that the server does not keep.
pub(super) fn without_zeros(mut status: Value, names: &[&str]) -> Value {
    if let Some(map) = status.as_object_mut() {
        map.retain(|key, value| !(names.contains(&key.as_str()) && value.as_i64() == Some(0)));
    }
    status
}
