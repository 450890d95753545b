//! Custom resource definitions: their names are accepted, and they are established at once.

use serde_json::{Value, json};

use super::writing::set_condition;
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;

/// Looks at one definition.
pub(super) fn reconcile(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name) else {
        return Ok(None);
    };
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(&live.value, "/status/conditions").to_vec();
    for (kind, reason, message) in [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ] {
        let condition = json!({"type": kind, "status": "True", "reason": reason, "message": message});
        set_condition(&mut conditions, condition, &now, false);
    }
    let stored: Vec<&str> = object::items(&live.value, "/spec/versions")
        .iter()
        .filter(|version| object::truth(version, "/storage"))
        .map(|version| object::text(version, "/name"))
        .collect();
    let status = json!({
        "acceptedNames": live.value.pointer("/spec/names").cloned().unwrap_or_default(),
        "conditions": conditions,
        "storedVersions": stored,
    });
    context.set_status(&live, status)?;
    Ok(None)
}
