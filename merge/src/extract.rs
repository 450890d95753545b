//! What a manager applied, taken out of a live object.

use serde_json::Value;

use crate::managed::{Managed, ManagedFieldsError, Operation};
use crate::object;
use crate::schema::TypeRef;
use crate::typed;

/// The configuration that a manager applied last, as far as it still owns what it applied, or nothing where it owns
/// nothing by apply. It is what client-go's `Extract` functions give: a start for the next apply that drops nothing.
///
/// `subresource` is empty for the object itself. What names the object is not owned, so it is not there but for
/// `apiVersion` and `kind`; a caller adds `metadata.name`. An item that is owned, but of which nothing else is, comes
/// whole.
///
/// # Errors
/// When the object's `metadata.managedFields` cannot be read.
///
/// ```
/// use serde_json::json;
/// use structured_merge::{ApplyOptions, Schema, apply, extract};
/// let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
/// let config = |data| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
/// let now = "2026-01-01T00:00:00Z";
/// let live = apply(&ty, None, &config(json!({"mine": "1"})), &ApplyOptions::new("me", now))?;
/// let live = apply(&ty, Some(&live), &config(json!({"theirs": "2"})), &ApplyOptions::new("them", now))?;
/// let mine = extract(&ty, &live, "me", "")?;
/// assert_eq!(mine, Some(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "1"}})));
/// assert_eq!(extract(&ty, &live, "nobody", "")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn extract(
    ty: &TypeRef,
    live: &Value,
    manager: &str,
    subresource: &str,
) -> Result<Option<Value>, ManagedFieldsError> {
    let managed = Managed::of_object(live)?;
    let mine = managed.iter().find(|entry| {
        let manager_of = &entry.manager;
        manager_of.name == manager && manager_of.operation == Operation::Apply && manager_of.subresource == subresource
    });
    let Some(mine) = mine else { return Ok(None) };
    let mut extracted = match typed::extract(ty, live, &mine.fields.leaves()) {
        Value::Object(extracted) => extracted,
        _ => serde_json::Map::new(),
    };
    if !extracted.contains_key("kind")
        && let Some(kind) = live.get("kind")
    {
        extracted.insert("kind".to_owned(), kind.clone());
        extracted.insert("apiVersion".to_owned(), Value::from(object::api_version(live)));
    }
    Ok(Some(Value::Object(extracted)))
}
