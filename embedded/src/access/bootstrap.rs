//! The roles and bindings that a cluster has from the beginning, from `roles.yaml` beside this file.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::rbac::GROUP;
use crate::object;

/// Every role and binding, as it is sent to be made.
pub(crate) fn objects() -> &'static [Value] {
    static OBJECTS: OnceLock<Vec<Value>> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        // The file is part of the program; a test reads it.
        let file: Value = serde_saphyr::from_str(include_str!("roles.yaml")).unwrap_or_default();
        let roles = object::items(&file, "/roles").iter().map(role);
        roles.chain(object::items(&file, "/bindings").iter().map(binding)).collect()
    })
}

fn default(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": {
            "name": name,
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        },
    })
}

/// The label by which a role is gathered into another one.
fn gathered_by(name: &str) -> String {
    format!("{GROUP}/aggregate-to-{name}")
}

fn role(entry: &Value) -> Value {
    let name = object::text(entry, "/name");
    let mut role = default("ClusterRole", name);
    for gatherer in object::items(entry, "/gatheredBy").iter().filter_map(Value::as_str) {
        let labels = object::metadata(&mut role).entry("labels").or_insert_with(|| json!({}));
        object::as_map(labels).insert(gathered_by(gatherer), json!("true"));
    }
    if object::truth(entry, "/gathers") {
        let labels = json!({gathered_by(name): "true"});
        object::set(&mut role, "/aggregationRule", json!({"clusterRoleSelectors": [{"matchLabels": labels}]}));
    }
    if let Some(rules) = entry.get("rules") {
        object::set(&mut role, "/rules", rules.clone());
    }
    role
}

fn binding(entry: &Value) -> Value {
    let name = object::text(entry, "/role");
    let subjects: Vec<Value> = object::items(entry, "/groups")
        .iter()
        .map(|group| json!({"apiGroup": GROUP, "kind": "Group", "name": group}))
        .collect();
    let mut binding = default("ClusterRoleBinding", name);
    object::set(&mut binding, "/roleRef", json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name}));
    object::set(&mut binding, "/subjects", json!(subjects));
    binding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_every_cluster_needs() {
        let named = |kind: &str| -> Vec<&str> {
            objects().iter().filter(|o| object::text(o, "/kind") == kind).map(object::name).collect()
        };
        assert_eq!(
            named("ClusterRole"),
            [
                "cluster-admin",
                "admin",
                "edit",
                "view",
                "system:aggregate-to-admin",
                "system:aggregate-to-edit",
                "system:aggregate-to-view",
                "system:auth-delegator",
                "system:basic-user",
                "system:discovery",
                "system:monitoring",
                "system:public-info-viewer",
                "system:service-account-issuer-discovery",
            ]
        );
        assert_eq!(
            named("ClusterRoleBinding"),
            [
                "cluster-admin",
                "system:basic-user",
                "system:discovery",
                "system:monitoring",
                "system:public-info-viewer",
                "system:service-account-issuer-discovery",
            ]
        );
    }
}
