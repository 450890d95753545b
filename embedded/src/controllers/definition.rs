//! Custom resource definitions: one whose names are free in its group is accepted and established at once; one that is
//! deleted takes its objects with it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::writing::set_condition;
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;
use crate::registry::{CRDS, storage_of};
use crate::rules::{CLEANUP, DeleteOptions};
use crate::store::{Key, Object};

/// Who writes a definition's status: no controller beside the server, but the server itself.
const SERVER: &str = "kube-apiserver";
/// How soon a definition whose objects are held by finalizers is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Looks at one definition.
pub(super) fn reconcile(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name) else {
        return Ok(None);
    };
    if object::is_deleting(&live.value) {
        return clean_up(context, &live);
    }
    let taken = taken(context, &live.value);
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(&live.value, "/status/conditions").to_vec();
    let was = object::condition_is_true(&live.value, "Established");
    let accepted = match &taken {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, word)) => ("False", *reason, format!("{word:?} is already in use")),
    };
    let established = match &taken {
        None => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        Some(_) if was => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        Some(_) => ("False", "NotAccepted", "not all names are accepted"),
    };
    let (status, reason, message) = accepted;
    let condition = json!({"type": "NamesAccepted", "status": status, "reason": reason, "message": message});
    set_condition(&mut conditions, condition, &now, false);
    let (status, reason, message) = established;
    let condition = json!({"type": "Established", "status": status, "reason": reason, "message": message});
    set_condition(&mut conditions, condition, &now, false);
    let mut stored: Vec<&str> =
        object::items(&live.value, "/status/storedVersions").iter().filter_map(Value::as_str).collect();
    for version in object::items(&live.value, "/spec/versions") {
        let name = object::text(version, "/name");
        if object::truth(version, "/storage") && !stored.contains(&name) {
            stored.push(name);
        }
    }
    let names = match &taken {
        None => live.value.pointer("/spec/names").cloned().unwrap_or_default(),
        Some(_) => {
            live.value.pointer("/status/acceptedNames").cloned().unwrap_or_else(|| json!({"plural": "", "kind": ""}))
        }
    };
    let status = json!({"acceptedNames": names, "conditions": conditions, "storedVersions": stored});
    let mut new = live.value.clone();
    object::set(&mut new, "/status", status);
    context.update_as(&live, new, SERVER, "status")?;
    Ok(None)
}

/// A name that another definition of the group has had accepted before: which kind of name, and the name.
///
/// Source: `pkg/controller/status/naming_controller.go` of `k8s.io/apiextensions-apiserver`.
fn taken(context: &Context<'_, '_>, definition: &Value) -> Option<(&'static str, String)> {
    let group = object::text(definition, "/spec/group");
    let text = |pointer: &str| object::text(definition, pointer).to_owned();
    let (mut words, mut kinds) = (Vec::new(), Vec::new());
    for other in context.txn.list(CRDS, "") {
        let other = &other.value;
        if object::text(other, "/spec/group") != group || object::name(other) == object::name(definition) {
            continue;
        }
        let named = |pointer: &str| object::text(other, pointer).to_owned();
        words.extend([named("/status/acceptedNames/plural"), named("/status/acceptedNames/singular")]);
        let short = object::items(other, "/status/acceptedNames/shortNames").iter();
        words.extend(short.filter_map(Value::as_str).map(str::to_owned));
        kinds.extend([named("/status/acceptedNames/kind"), named("/status/acceptedNames/listKind")]);
    }
    let mut asked = vec![
        ("PluralConflict", text("/spec/names/plural"), &words),
        ("SingularConflict", text("/spec/names/singular"), &words),
    ];
    for short in object::items(definition, "/spec/names/shortNames").iter().filter_map(Value::as_str) {
        asked.push(("ShortNamesConflict", short.to_owned(), &words));
    }
    asked.push(("KindConflict", text("/spec/names/kind"), &kinds));
    asked.push(("ListKindConflict", text("/spec/names/listKind"), &kinds));
    asked
        .into_iter()
        .find(|(_, word, known)| !word.is_empty() && known.contains(word))
        .map(|(reason, word, _)| (reason, word))
}

/// Deletes the objects of a definition that is to go; when the last is gone, so is the definition.
fn clean_up(context: &mut Context<'_, '_>, live: &Arc<Object>) -> Result<Again, Failure> {
    if !object::finalizers(&live.value).contains(&CLEANUP) {
        return Ok(None);
    }
    let (group, plural) = (object::text(&live.value, "/spec/group"), object::text(&live.value, "/spec/names/plural"));
    let storage = storage_of(group, plural);
    let resource = context.rules.registry.stored_at(&storage).cloned();
    let mut remaining = 0;
    for custom in context.txn.list(&storage, "") {
        let key = Key::new(&storage, object::namespace(&custom.value), object::name(&custom.value));
        match &resource {
            Some(resource) if !object::is_deleting(&custom.value) => {
                context.rules.delete(context.txn, resource, &custom, &DeleteOptions::default())?;
            }
            Some(_) => {}
            None => {
                context.txn.remove(&key);
            }
        }
        remaining += usize::from(context.txn.get(&key).is_some());
    }
    let now = object::rfc3339(context.now());
    let mut conditions: Vec<Value> = object::items(&live.value, "/status/conditions").to_vec();
    let condition = match remaining {
        0 => json!({
            "type": "Terminating",
            "status": "False",
            "reason": "InstanceDeletionCompleted",
            "message": "removed all instances",
        }),
        _ => json!({
            "type": "Terminating",
            "status": "True",
            "reason": "InstanceDeletionInProgress",
            "message": "CustomResource deletion is in progress",
        }),
    };
    set_condition(&mut conditions, condition, &now, false);
    let mut status = live.value.get("status").cloned().unwrap_or_else(|| json!({}));
    object::set(&mut status, "/conditions", json!(conditions));
    let mut new = live.value.clone();
    object::set(&mut new, "/status", status);
    let live = context.update_as(live, new, SERVER, "status")?;
    if remaining == 0 {
        let mut new = live.value.clone();
        let kept: Vec<&str> =
            object::finalizers(&live.value).into_iter().filter(|finalizer| *finalizer != CLEANUP).collect();
        object::metadata(&mut new).insert("finalizers".to_owned(), json!(kept));
        context.update_as(&live, new, SERVER, "")?;
        return Ok(None);
    }
    Ok(Some(context.now() + LOOK_AGAIN))
}
