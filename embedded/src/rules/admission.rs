//! Admission: what the server's built-in plugins let in, change or refuse between defaulting and validation. Namespace
//! lifecycle, service accounts, priority and tolerations.

use serde_json::{Value, json};

use super::naming;
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::store::{Key, Txn};

/// Namespaces that may not be deleted, and that always take objects.
const SYSTEM_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

/// A new object.
pub(super) fn admit(txn: &Txn<'_>, resource: &Resource, new: &mut Value) -> Result<(), Failure> {
    namespace(txn, resource, new)?;
    if resource.is("", "Pod") {
        service_account(txn, new)?;
        priority(txn, new)?;
        tolerations(new);
    }
    Ok(())
}

/// The name as admission knows it: one that is to be generated is still only its beginning.
fn shown(value: &Value) -> &str {
    match object::text(value, "/metadata/generateName") {
        "" => object::name(value),
        beginning => beginning,
    }
}

/// The namespace must be there and stay. Source: `plugin/pkg/admission/namespace/lifecycle`.
fn namespace(txn: &Txn<'_>, resource: &Resource, new: &Value) -> Result<(), Failure> {
    if !resource.namespaced {
        return Ok(());
    }
    let name = object::namespace(new);
    let Some(namespace) = txn.get(&Key::new("namespaces", "", name)) else {
        return Err(Failure::not_found("", "namespaces", name));
    };
    if object::is_deleting(&namespace.value) && !SYSTEM_NAMESPACES.contains(&name) {
        return Err(Failure::terminating(&resource.group, &resource.plural, shown(new), name));
    }
    Ok(())
}

/// Source: `plugin/pkg/admission/serviceaccount`.
fn service_account(txn: &Txn<'_>, pod: &mut Value) -> Result<(), Failure> {
    if object::text(pod, "/spec/serviceAccountName").is_empty() {
        object::set(pod, "/spec/serviceAccountName", json!("default"));
        object::set(pod, "/spec/serviceAccount", json!("default"));
    }
    let name = object::text(pod, "/spec/serviceAccountName").to_owned();
    let Some(account) = txn.get(&Key::new("serviceaccounts", object::namespace(pod), &name)) else {
        let why = format!(
            "error looking up service account {}/{name}: serviceaccount \"{name}\" not found",
            object::namespace(pod)
        );
        return Err(Failure::forbidden("", "pods", shown(pod), &why));
    };
    let field = "/automountServiceAccountToken";
    let mounts = pod.pointer(&format!("/spec{field}")).or_else(|| account.value.pointer(field));
    if mounts.and_then(Value::as_bool).unwrap_or(true) {
        mount_token(pod);
    }
    Ok(())
}

fn mount_token(pod: &mut Value) {
    const WHERE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let name = format!("kube-api-access-{}", naming::letters(5));
    let mut used = false;
    for list in ["containers", "initContainers"] {
        let containers = pod.get_mut("spec").and_then(|s| s.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if object::items(container, "/volumeMounts").iter().any(|m| object::text(m, "/mountPath") == WHERE) {
                continue;
            }
            let mount = json!({"name": name, "readOnly": true, "mountPath": WHERE});
            push(container, "volumeMounts", mount);
            used = true;
        }
    }
    if used && let Some(spec) = pod.get_mut("spec") {
        let field = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
        push(
            spec,
            "volumes",
            json!({
                "name": name,
                "projected": {
                    "defaultMode": 420,
                    "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
                    ],
                },
            }),
        );
    }
}

fn push(value: &mut Value, list: &str, item: Value) {
    let list = object::as_map(value).entry(list.to_owned()).or_insert_with(|| json!([]));
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

/// Source: `plugin/pkg/admission/priority`.
fn priority(txn: &Txn<'_>, pod: &mut Value) -> Result<(), Failure> {
    let classes = txn.list("scheduling.k8s.io/priorityclasses", "");
    let named = object::text(pod, "/spec/priorityClassName").to_owned();
    let class = if named.is_empty() {
        let defaults = classes.iter().filter(|class| object::truth(&class.value, "/globalDefault"));
        defaults.min_by_key(|class| object::number(&class.value, "/value").unwrap_or(0))
    } else {
        let found = classes.iter().find(|class| object::name(&class.value) == named);
        if found.is_none() {
            let why = format!("no PriorityClass with name {named} was found");
            return Err(Failure::forbidden("", "pods", shown(pod), &why));
        }
        found
    };
    let (priority, policy) = match class {
        Some(class) => {
            object::set(pod, "/spec/priorityClassName", json!(object::name(&class.value)));
            (
                object::number(&class.value, "/value").unwrap_or(0),
                object::text(&class.value, "/preemptionPolicy").to_owned(),
            )
        }
        None => (0, "PreemptLowerPriority".to_owned()),
    };
    if let Some(given) = object::number(pod, "/spec/priority").filter(|given| *given != priority) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        );
        return Err(Failure::forbidden("", "pods", shown(pod), &why));
    }
    object::set(pod, "/spec/priority", json!(priority));
    if pod.pointer("/spec/preemptionPolicy").is_none() {
        object::set(pod, "/spec/preemptionPolicy", json!(policy));
    }
    Ok(())
}

/// Source: `plugin/pkg/admission/defaulttolerationseconds`, and `PodTolerationRestriction` for memory pressure.
fn tolerations(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = object::items(pod, "/spec/tolerations").iter().any(|t| {
            let keyed = object::text(t, "/key");
            (keyed == key || keyed.is_empty()) && matches!(object::text(t, "/effect"), "NoExecute" | "")
        });
        if !tolerated && let Some(spec) = pod.get_mut("spec") {
            push(
                spec,
                "tolerations",
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
            );
        }
    }
}

/// May the namespace be deleted at all?
pub(super) fn may_delete_namespace(name: &str) -> Result<(), Failure> {
    if SYSTEM_NAMESPACES.contains(&name) {
        return Err(Failure::forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    Ok(())
}
