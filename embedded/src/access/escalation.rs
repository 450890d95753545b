//! Nobody gives away more than they hold: what the server asks before a role or a binding is written. Bindings take the
//! `bind` verb on the role, roles the `escalate` verb, or else every permission that is given.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/rbac/*/policybased/storage.go` and `escalation_check.go` beside them.

use serde_json::Value;

use super::attributes::Attributes;
use super::identity::{Identity, MASTERS};
use super::rbac::{self, GROUP};
use super::rule::{Rule, quoted};
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::store::Txn;

/// May `who` write this role or binding? Everything else may pass.
pub(crate) fn check(
    txn: &Txn<'_>,
    who: &Identity,
    resource: &Resource,
    old: Option<&Value>,
    new: &Value,
) -> Result<(), Failure> {
    if resource.group != GROUP || resource.custom.is_some() || who.is_in(MASTERS) {
        return Ok(());
    }
    if old.is_some_and(|old| for_collection_alone(old, new)) {
        return Ok(());
    }
    let (namespace, name) = (object::namespace(new), object::name(new));
    let asked = |verb: &str, plural: &str, name: &str| Attributes {
        verb: verb.to_owned(),
        group: GROUP.to_owned(),
        resource: plural.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    let refuse = |why: String| Failure::forbidden(&resource.group, &resource.plural, name, &why);
    match resource.kind.as_str() {
        "Role" | "ClusterRole" => {
            // A create names no object on its path.
            let named = if old.is_some() { name } else { "" };
            if rbac::authorize(txn, who, &asked("escalate", &resource.plural, named)).allowed {
                return Ok(());
            }
            covered(txn, who, namespace, &Rule::all_of(new)).map_err(refuse)?;
            let aggregates = |role: &Value| !object::items(role, "/aggregationRule/clusterRoleSelectors").is_empty();
            if aggregates(new) || old.is_some_and(aggregates) {
                let text = "must have cluster-admin privileges to use the aggregationRule";
                covered(txn, who, namespace, &Rule::everything()).map_err(|_| refuse(text.to_owned()))?;
            }
            Ok(())
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let reference = new.get("roleRef").unwrap_or(&Value::Null);
            let (kind, role) = (object::text(reference, "/kind"), object::text(reference, "/name"));
            let plural = if kind == "Role" { "roles" } else { "clusterroles" };
            if rbac::authorize(txn, who, &asked("bind", plural, role)).allowed {
                return Ok(());
            }
            // The server names the binding's resource with the role's name here.
            let rules = rbac::rules_of(txn, reference, namespace)
                .map_err(|_| Failure::not_found(&resource.group, &resource.plural, role))?;
            covered(txn, who, namespace, &rules).map_err(refuse)
        }
        _ => Ok(()),
    }
}

/// Does `who` hold all of these rules?
fn covered(txn: &Txn<'_>, who: &Identity, namespace: &str, wanted: &[Rule]) -> Result<(), String> {
    let (held, errors) = rbac::rules_for(txn, who, namespace);
    let missing = Rule::missing(&held, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        who.name,
        quoted(&who.groups),
        missing.join("\n")
    );
    if let Some(errors) = errors {
        text.push_str(&format!("; resolution errors: [{errors}]"));
    }
    Err(text)
}

/// Does the change touch only what the collection of garbage needs: owners and finalizers?
fn for_collection_alone(old: &Value, new: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        let metadata = object::metadata(&mut value);
        for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
        value
    };
    bare(old) == bare(new)
}
