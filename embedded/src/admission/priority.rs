//! `Priority`: a pod's priority is the value of its class, or of the class that is the default; and only one class is.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/admission/priority`.

use serde_json::{Value, json};

use super::Write;
use crate::failure::Failure;
use crate::object;
use crate::store::{Key, Object, Txn};

const CLASSES: &str = "scheduling.k8s.io/priorityclasses";

/// A pod that is made, or changed: what was resolved once stays.
pub(super) fn resolve(txn: &Txn<'_>, write: Write<'_>, pod: &mut Value) -> Result<(), Failure> {
    if let Some(old) = write.old {
        for pointer in ["/spec/priority", "/spec/preemptionPolicy"] {
            if let (None, Some(kept)) = (pod.pointer(pointer), old.pointer(pointer)) {
                object::set(pod, pointer, kept.clone());
            }
        }
        return Ok(());
    }
    let named = object::text(pod, "/spec/priorityClassName").to_owned();
    let class = match named.as_str() {
        "" => default(txn),
        name => match txn.get(&Key::new(CLASSES, "", name)) {
            Some(class) => Some(class),
            None => return Err(write.forbidden(pod, &format!("no PriorityClass with name {name} was found"))),
        },
    };
    let (priority, policy) = match class {
        Some(class) => {
            object::set(pod, "/spec/priorityClassName", json!(object::name(&class.value)));
            let value = object::number(&class.value, "/value").unwrap_or(0);
            (value, object::text(&class.value, "/preemptionPolicy").to_owned())
        }
        None => (0, "PreemptLowerPriority".to_owned()),
    };
    let computed = "priority admission controller computed";
    if let Some(given) = object::number(pod, "/spec/priority").filter(|given| *given != priority) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; {computed} {priority} from the given PriorityClass name"
        );
        return Err(write.forbidden(pod, &why));
    }
    object::set(pod, "/spec/priority", json!(priority));
    if policy.is_empty() {
        return Ok(());
    }
    let given = object::text(pod, "/spec/preemptionPolicy");
    if !given.is_empty() && given != policy {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; {computed} {policy} from the given PriorityClass name"
        );
        return Err(write.forbidden(pod, &why));
    }
    object::set(pod, "/spec/preemptionPolicy", json!(policy));
    Ok(())
}

/// The class that pods without one are in: of several the lowest.
fn default(txn: &Txn<'_>) -> Option<std::sync::Arc<Object>> {
    let classes = txn.list(CLASSES, "").into_iter();
    let defaults = classes.filter(|class| object::truth(&class.value, "/globalDefault"));
    defaults.min_by_key(|class| object::number(&class.value, "/value").unwrap_or(0))
}

/// There is one default class at most.
pub(super) fn check_class(txn: &Txn<'_>, write: Write<'_>, new: &Value) -> Result<(), Failure> {
    if !write.touches("scheduling.k8s.io", "PriorityClass") || !object::truth(new, "/globalDefault") {
        return Ok(());
    }
    match default(txn) {
        Some(other) if write.old.is_none() || object::name(&other.value) != object::name(new) => {
            let name = object::name(&other.value);
            let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
            Err(write.forbidden(new, &why))
        }
        _ => Ok(()),
    }
}
