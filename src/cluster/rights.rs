//! What a run asks of an API server, as rights: the one table behind both the question that is asked before the first write
//! and the roles that `strata rbac` prints. Asks nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use strata_components::desired::ResourceId;
use strata_components::needs::Needed;

use super::discovery::{Served, ServedKinds};
use super::identity::Identity;
use super::sealing;
use super::wait::has_pods;
use crate::plan::Action;

/// The group of roles and their bindings.
pub(super) const RBAC: &str = "rbac.authorization.k8s.io";
/// Every action, for what has to be ready for all of them.
pub(super) const ACTIONS: [Action; 11] = [
    Action::Create,
    Action::Update,
    Action::Replace,
    Action::Adopt,
    Action::Move,
    Action::Delete,
    Action::Forget,
    Action::Hold,
    Action::Return,
    Action::Unchanged,
    Action::Blocked,
];

/// Something that is done to the objects of one kind in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) group: String,
    pub(super) resource: String,
    /// What of the object: its log, for instance.
    pub(super) subresource: String,
    /// Where; everywhere, or of objects that live in no namespace, where there is none.
    pub(super) namespace: Option<String>,
    pub(super) verb: String,
}

impl Right {
    pub(super) fn new(group: &str, resource: &str, namespace: Option<&str>, verb: &str) -> Self {
        let text = str::to_owned;
        let (group, resource, verb) = (text(group), text(resource), text(verb));
        Self { group, resource, subresource: String::new(), namespace: namespace.map(text), verb }
    }

    /// As it is told: `patch deployments.apps in namespace shop`.
    pub(super) fn told(&self) -> String {
        let Self { group, resource, subresource, namespace, verb } = self;
        let resource = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        match namespace {
            Some(namespace) => format!("{verb} {resource} in namespace {namespace}"),
            None => format!("{verb} {resource}"),
        }
    }
}

/// Rights, with the names of the objects each is needed for; without names where it is needed of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights(BTreeMap<Right, Option<BTreeSet<String>>>);

impl Rights {
    /// Adds a right over all objects of its kind.
    pub(super) fn all(&mut self, right: Right) {
        self.0.insert(right, None);
    }

    /// Adds a right over one object.
    pub(super) fn one(&mut self, right: Right, name: &str) {
        if let Some(names) = self.0.entry(right).or_insert_with(|| Some(BTreeSet::new())) {
            names.insert(name.to_owned());
        }
    }

    /// The same, where the names of objects that live in namespaces do not matter.
    pub(super) fn of_kinds(self) -> Self {
        let kind = |(right, names): (Right, _)| if right.namespace.is_some() { (right, None) } else { (right, names) };
        Self(self.0.into_iter().map(kind).collect())
    }

    /// Adds all that another has.
    pub(super) fn extend(&mut self, other: Self) {
        for (right, names) in other.0 {
            match names {
                None => self.all(right),
                Some(names) => names.iter().for_each(|name| self.one(right.clone(), name)),
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Right, Option<&BTreeSet<String>>)> {
        self.0.iter().map(|(right, names)| (right, names.as_ref()))
    }
}

/// What is done to an object, and to the kind of it while it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) action: Action,
    /// Whether fields of others are handed over first.
    pub(super) hands_over: bool,
    /// Whether it is done only on a condition, which has to be looked at.
    pub(super) conditional: bool,
    /// Whether it is waited for until it is ready.
    pub(super) waits: bool,
}

impl Deed {
    fn verbs(self) -> impl Iterator<Item = &'static str> {
        let does: &[&str] = match self.action {
            Action::Create | Action::Move => &["create", "patch"],
            // What owns its fields is looked at before it is handed over.
            Action::Update | Action::Adopt if self.hands_over => &["get", "patch"],
            Action::Update | Action::Adopt | Action::Return => &["patch"],
            Action::Replace => &["create", "patch", "delete"],
            // What is left behind is marked, looked at, and deleted or let go.
            Action::Delete if self.conditional => &["get", "patch", "delete"],
            Action::Delete => &["delete"],
            Action::Forget => &["get", "patch"],
            Action::Hold | Action::Unchanged | Action::Blocked => &[],
        };
        let gone = matches!(self.action, Action::Delete | Action::Replace);
        let watches: &[&str] = if gone || self.waits { &["list", "watch"] } else { &[] };
        does.iter().chain(watches).copied()
    }

    /// What it takes to do this to an object, and to wait for it.
    pub(super) fn rights(self, id: &ResourceId, place: &Served, served: &ServedKinds) -> Rights {
        let mut rights = Rights::default();
        let namespace = id.namespace.as_deref().filter(|_| place.namespaced);
        for verb in self.verbs() {
            let right = Right::new(&id.kind.group, &place.plural, namespace, verb);
            if matches!(verb, "list" | "watch") { rights.all(right) } else { rights.one(right, &id.name) }
        }
        if self.waits && has_pods(&id.kind) {
            // Why they do not become ready is told by the pods, by events, and by the last lines of logs.
            for (resource, verb) in [("pods", "list"), ("pods", "watch"), ("events", "list"), ("events", "watch")] {
                rights.all(Right::new("", resource, namespace, verb));
            }
            rights.all(Right { subresource: "log".to_owned(), ..Right::new("", "pods", namespace, "get") });
        }
        if self.action == Action::Delete && id.kind.kind == "Namespace" {
            // It goes only when nothing foreign is left in it.
            for (kind, of) in served.namespaced() {
                rights.all(Right::new(&kind.group, &of.plural, Some(&id.name), "list"));
            }
        }
        rights
    }
}

/// What lock, inventory, digests and records need; `ends` where nothing of the instance is left after the run.
pub(super) fn of_books(identity: &Identity, ends: bool) -> Rights {
    let mut rights = Rights::default();
    let (control, name) = (Some(identity.control_namespace.as_str()), identity.control_name());
    let lease = |verb: &str| Right::new("coordination.k8s.io", "leases", control, verb);
    for verb in ["get", "update"].into_iter().chain(ends.then_some("delete")) {
        rights.one(lease(verb), &name);
    }
    // It is made by a request that says its name in the body alone, where no server looks when it asks who may.
    rights.all(lease("create"));
    // Each run leaves a record under a name that no role can know, beside the inventory.
    for verb in ["get", "list", "create", "patch", "delete"] {
        rights.all(Right::new("", "configmaps", control, verb));
    }
    rights.one(Right::new("", "namespaces", None, "get"), &identity.control_namespace);
    rights
}

/// What the wait for something outside the stack needs.
pub(super) fn of_needed(needed: &Needed) -> Rights {
    let mut rights = Rights::default();
    let (group, resource, namespace) = match needed {
        Needed::Service { namespace, name } => {
            // Whether one without endpoints is there at all.
            rights.one(Right::new("", "services", Some(namespace), "get"), name);
            ("discovery.k8s.io", "endpointslices", Some(namespace.as_str()))
        }
        Needed::Definition { .. } => ("apiextensions.k8s.io", "customresourcedefinitions", None),
        Needed::Nodes { .. } => ("", "nodes", None),
        Needed::RuntimeClass { .. } => ("node.k8s.io", "runtimeclasses", None),
    };
    for verb in ["list", "watch"] {
        rights.all(Right::new(group, resource, namespace, verb));
    }
    rights
}

/// What has to be read of the control namespace before a plan can be made: the inventory, and the key of digests.
pub(super) fn of_inventory(identity: &Identity) -> Rights {
    let mut rights = Rights::default();
    let read = Right::new("", "configmaps", Some(&identity.control_namespace), "get");
    for name in [identity.control_name(), sealing::name(identity)] {
        rights.one(read.clone(), &name);
    }
    rights
}

/// The leave to write more into a role than one has, or to bind a role of which one has not all: `verb` is `escalate` or
/// `bind`, `of` the kind of the role. A role of the whole cluster that is bound in a namespace is asked for there.
pub(super) fn leave(verb: &str, of: &str, namespace: Option<&str>) -> Right {
    Right::new(RBAC, if of == "ClusterRole" { "clusterroles" } else { "roles" }, namespace, verb)
}

/// What a server asks of who writes a role: all that it gives. What cannot be had in parts takes the leave to write more.
/// Nothing where the object is no role.
pub(super) fn of_role(manifest: &Value) -> Rights {
    let mut rights = Rights::default();
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
    let kind = match (text("/apiVersion"), text("/kind")) {
        (Some(version), Some(kind @ ("Role" | "ClusterRole"))) if version.starts_with(RBAC) => kind,
        _ => return rights,
    };
    let namespace = text("/metadata/namespace");
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let rules = || manifest["rules"].as_array().into_iter().flatten();
    if manifest.get("aggregationRule").is_some() || rules().any(|rule| rule.get("nonResourceURLs").is_some()) {
        rights.one(leave("escalate", kind, namespace), text("/metadata/name").unwrap_or_default());
    }
    for rule in rules() {
        let names = texts(&rule["resourceNames"]);
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
                    let right = Right::new(&group, resource, namespace, &verb);
                    let right = Right { subresource: subresource.to_owned(), ..right };
                    names.iter().for_each(|name| rights.one(right.clone(), name));
                    if names.is_empty() {
                        rights.all(right);
                    }
                }
            }
        }
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_right_is_told_with_its_place() {
        let right = |group: &str, namespace: Option<&str>| Right::new(group, "deployments", namespace, "patch");
        assert_eq!(right("apps", Some("shop")).told(), "patch deployments.apps in namespace shop");
        assert_eq!(right("", None).told(), "patch deployments");
        let log = Right { subresource: "log".to_owned(), ..right("", None) };
        assert_eq!(log.told(), "patch deployments/log");
    }

    #[test]
    fn a_right_over_all_is_not_narrowed_by_names() {
        let (mut rights, right) = (Rights::default(), Right::new("", "pods", None, "get"));
        rights.one(right.clone(), "a");
        rights.all(right.clone());
        rights.one(right.clone(), "b");
        assert_eq!(rights.iter().collect::<Vec<_>>(), [(&right, None)]);
    }

    #[track_caller]
    fn gives(manifest: Value, expect: &[(&str, &[&str])]) {
        let told: Vec<(String, Vec<String>)> = of_role(&manifest)
            .iter()
            .map(|(right, names)| (right.told(), names.into_iter().flatten().cloned().collect()))
            .collect();
        let expect: Vec<(String, Vec<String>)> = expect
            .iter()
            .map(|(right, names)| ((*right).to_owned(), names.iter().map(|name| (*name).to_owned()).collect()))
            .collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn who_gives_a_right_must_have_it() {
        let object = |kind: &str, more: Value| {
            let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": "reader", "namespace": "shop"}});
            object.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            object
        };
        let rules = json!({"rules": [
            {"apiGroups": [""], "resources": ["pods/log", "services"], "verbs": ["get"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["cart"]},
        ]});
        gives(
            object("Role", rules),
            &[
                ("get pods/log in namespace shop", &[]),
                ("get services in namespace shop", &[]),
                ("get deployments.apps in namespace shop", &["cart"]),
            ],
        );
        gives(
            object("ClusterRole", json!({"rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]})),
            &[("escalate clusterroles.rbac.authorization.k8s.io in namespace shop", &["reader"])],
        );
        gives(json!({"apiVersion": "v1", "kind": "ConfigMap", "rules": [{"verbs": ["get"]}]}), &[]);
    }
}
