//! Cluster roles that gather their rules: a role with an aggregation rule is given the rules of every role that its
//! selectors choose.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/clusterroleaggregation`.

use serde_json::{Value, json};

use super::{Again, Context};
use crate::failure::Failure;
use crate::merging;
use crate::object;
use crate::rules::{Author, Ownership};
use crate::selector::LabelSelector;

const VERSION: &str = "rbac.authorization.k8s.io/v1";
const AUTHOR: Author<'static> = Author { manager: "clusterrole-aggregation-controller", subresource: "" };

/// Looks at every role that gathers.
pub(super) fn reconcile(context: &mut Context<'_, '_>) -> Result<Again, Failure> {
    let resource = context.resource(VERSION, "ClusterRole")?;
    let roles = context.txn.list(&resource.storage, "");
    for role in roles.iter().filter(|role| role.value.get("aggregationRule").is_some()) {
        let name = object::name(&role.value);
        let mut rules: Vec<Value> = Vec::new();
        for selector in object::items(&role.value, "/aggregationRule/clusterRoleSelectors") {
            let Some(selector) = LabelSelector::of(Some(selector)) else { continue };
            let chosen = roles.iter().filter(|other| object::name(&other.value) != name);
            for other in chosen.filter(|other| selector.matches(&other.value)) {
                for rule in object::items(&other.value, "/rules") {
                    if !rules.contains(rule) {
                        rules.push(rule.clone());
                    }
                }
            }
        }
        if rules == object::items(&role.value, "/rules") {
            continue;
        }
        let mut config = json!({"apiVersion": VERSION, "kind": "ClusterRole", "metadata": {"name": name}});
        if !rules.is_empty() {
            object::set(&mut config, "/rules", json!(rules));
        }
        let merged = merging::apply(&resource, Some(&role.value), &config, AUTHOR, true, context.now())?;
        context.rules.update(context.txn, &resource, role, merged, AUTHOR, Ownership::Applied)?;
    }
    Ok(None)
}
