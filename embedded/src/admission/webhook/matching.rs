//! Which webhooks a write is shown to: by their rules, by the labels of the namespace and by those of the object.

use std::sync::Arc;

use serde_json::Value;

use super::{Write, operation};
use crate::object;
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::store::{Key, Txn};

/// A webhook that is to be called.
pub(super) struct Matched {
    /// Its entry in the configuration.
    pub(super) hook: Value,
    id: String,
}

impl Matched {
    /// The webhook's name.
    pub(super) fn name(&self) -> &str {
        object::name_of(&self.hook)
    }

    /// The webhook's name with that of its configuration.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Do its selectors still choose the object?
    pub(super) fn still_matches(&self, txn: &Txn<'_>, write: Write<'_>, new: Option<&Value>) -> bool {
        selected(txn, write, &self.hook, new)
    }
}

/// The webhooks of the stored configurations that match, by the configurations' names. Writes of the configurations
/// themselves are shown to none.
pub(super) fn matched(txn: &Txn<'_>, write: Write<'_>, configurations: &str, new: Option<&Value>) -> Vec<Matched> {
    if write.resource.group == "admissionregistration.k8s.io" || write.subresource == "scale" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for configuration in txn.list(configurations, "") {
        for hook in object::items(&configuration.value, "/webhooks") {
            let rules = object::items(hook, "/rules");
            let equivalent = object::text(hook, "/matchPolicy") != "Exact";
            let matches = rules.iter().any(|rule| rule_matches(rule, write, write.resource, new))
                || equivalent
                    && equivalents(write)
                        .iter()
                        .any(|other| rules.iter().any(|rule| rule_matches(rule, write, other, new)));
            if matches && selected(txn, write, hook, new) {
                let id = format!("{}/{}", object::name(&configuration.value), object::name_of(hook));
                found.push(Matched { hook: hook.clone(), id });
            }
        }
    }
    found
}

/// The same objects in other versions.
fn equivalents(write: Write<'_>) -> Vec<Arc<Resource>> {
    let all = write.rules.registry.resources().iter();
    let same = |other: &&Arc<Resource>| {
        other.storage == write.resource.storage && other.api_version() != write.resource.api_version()
    };
    all.filter(same).cloned().collect()
}

fn rule_matches(rule: &Value, write: Write<'_>, resource: &Resource, new: Option<&Value>) -> bool {
    let any = |list: &str, wanted: &str| {
        object::items(rule, list).iter().filter_map(Value::as_str).any(|entry| entry == "*" || entry == wanted)
    };
    let scope = match object::text(rule, "/scope") {
        "Namespaced" => resource.namespaced,
        "Cluster" => !resource.namespaced,
        _ => true,
    };
    let named = object::items(rule, "/resources").iter().filter_map(Value::as_str).any(|entry| {
        let (plural, below) = entry.split_once('/').unwrap_or((entry, ""));
        (plural == "*" || plural == resource.plural) && (below == "*" || below == write.subresource)
    });
    scope
        && named
        && any("/operations", operation(write, new))
        && any("/apiGroups", &resource.group)
        && any("/apiVersions", &resource.version)
}

/// Do the selectors choose the object, or what it was?
fn selected(txn: &Txn<'_>, write: Write<'_>, hook: &Value, new: Option<&Value>) -> bool {
    let selector = |field: &str| LabelSelector::of(hook.get(field)).filter(|selector| !selector.is_empty());
    if let Some(by_object) = selector("objectSelector")
        && ![new, write.old].into_iter().flatten().any(|object| by_object.matches(object))
    {
        return false;
    }
    let Some(by_namespace) = selector("namespaceSelector") else { return true };
    let Some(object) = new.or(write.old) else { return true };
    if write.resource.is("", "Namespace") {
        return by_namespace.matches(object);
    }
    if !write.resource.namespaced {
        return true;
    }
    let namespace = txn.get(&Key::new("namespaces", "", object::namespace(object)));
    namespace.is_some_and(|namespace| by_namespace.matches(&namespace.value))
}
