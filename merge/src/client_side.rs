//! Moving an object from client-side apply to server-side apply.
//!
//! Client-side apply owns its fields by update, so that a server-side applier who leaves one of them out would not remove
//! it. Handing the entry over first makes the applier's intent complete. The rule is that of client-go's `csaupgrade`.

use serde_json::Value;

use crate::managed::{Managed, ManagedFieldsError, Manager, Operation};
use crate::set::FieldSet;

/// The manager of client-side `kubectl apply`.
pub const KUBECTL_CLIENT_SIDE_APPLY: &str = "kubectl-client-side-apply";

/// The object with everything that `from` owns by update given to the applier `manager`, or nothing where `from` owns
/// nothing of the object itself.
///
/// Entries of another API version than the applier's are dropped, since their fields have other names. What a
/// subresource wrote stays as it is. Write the result with the `resourceVersion` it was made from.
///
/// # Errors
/// When the object's `metadata.managedFields` cannot be read.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{ApplyOptions, Schema, UpdateOptions, apply, update};
/// use structured_merge::client_side::{KUBECTL_CLIENT_SIDE_APPLY, hand_over};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let config = |data| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
/// let created = UpdateOptions::new(KUBECTL_CLIENT_SIDE_APPLY, "2026-01-01T00:00:00Z");
/// let live = update(&ty, None, &config(json!({"old": "1", "kept": "2"})), &created)?;
///
/// let handed_over = hand_over(&live, KUBECTL_CLIENT_SIDE_APPLY, "me")?.unwrap();
/// let options = ApplyOptions::new("me", "2026-01-01T00:01:00Z");
/// let applied = apply(&ty, Some(&handed_over), &config(json!({"kept": "2"})), &options)?;
/// assert_eq!(applied["data"], json!({"kept": "2"}));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hand_over(live: &Value, from: &str, manager: &str) -> Result<Option<Value>, ManagedFieldsError> {
    let mut managed = Managed::of_object(live)?;
    let gives =
        |giver: &Manager| giver.name == from && giver.operation == Operation::Update && giver.subresource.is_empty();
    let takes =
        |taker: &Manager| taker.name == manager && taker.operation == Operation::Apply && taker.subresource.is_empty();
    let givers: Vec<_> = managed.iter().filter(|entry| gives(&entry.manager)).cloned().collect();
    let Some(first) = givers.first() else { return Ok(None) };
    let taker = managed.iter().find(|entry| takes(&entry.manager)).cloned();
    let (into, owned) = match taker {
        Some(entry) => (entry.manager, entry.fields),
        None => {
            let into = Manager { name: manager.to_owned(), operation: Operation::Apply, ..first.manager.clone() };
            (into, FieldSet::new())
        }
    };
    let same_version = givers.iter().filter(|giver| giver.manager.api_version == into.api_version);
    let owned = same_version.fold(owned, |owned, giver| owned.union(&giver.fields));
    managed.retain(|entry| !gives(&entry.manager));
    managed.set(into, owned);
    let mut object = live.clone();
    managed.write_into(&mut object);
    Ok(Some(object))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, field: &str) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1",
            "fieldsV1": {format!("f:{field}"): {}}})
    }

    #[track_caller]
    fn check(before: &[Value], expected: Option<&[(&str, &str)]>) {
        let live = json!({"metadata": {"managedFields": before}});
        let found = hand_over(&live, "csa", "me").unwrap().map(|object| {
            let owners = crate::owners(&object).into_iter();
            owners.map(|(m, fields)| (format!("{} {}", m.name, m.operation), fields.to_string())).collect::<Vec<_>>()
        });
        let expected =
            expected.map(|entries| entries.iter().map(|(m, f)| ((*m).to_owned(), (*f).to_owned())).collect::<Vec<_>>());
        assert_eq!(found, expected);
    }

    #[test]
    fn the_entry_changes_hands() {
        check(&[entry("csa", "Update", "v1", "a")], Some(&[("me Apply", ".a")]));
        check(&[entry("me", "Apply", "v1", "a"), entry("csa", "Update", "v1", "b")], Some(&[("me Apply", ".a\n.b")]));
        check(
            &[entry("other", "Update", "v1", "c"), entry("csa", "Update", "v1", "b")],
            Some(&[("me Apply", ".b"), ("other Update", ".c")]),
        );
    }

    #[test]
    fn another_version_is_dropped() {
        check(&[entry("me", "Apply", "v2", "a"), entry("csa", "Update", "v1", "b")], Some(&[("me Apply", ".a")]));
    }

    #[test]
    fn nothing_to_hand_over() {
        check(&[], None);
        check(&[entry("csa", "Apply", "v1", "a"), entry("me", "Apply", "v1", "a")], None);
        let mut status = entry("csa", "Update", "v1", "status");
        status["subresource"] = json!("status");
        check(&[status], None);
    }
}
