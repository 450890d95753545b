//! Who owns what in a live object.

use serde_json::Value;

pub use crate::managed::Manager;
use crate::managed::{Managed, ManagedEntry};
use crate::path::FieldPath;
use crate::set::FieldSet;

/// Every manager of an object with its fields, in the order of `metadata.managedFields`.
///
/// Entries that cannot be read leave the list empty; [`Managed::of_object`] says why.
///
/// ```
/// use serde_json::json;
/// use structured_merge::owners::owners;
/// let live = json!({"metadata": {"managedFields": [{"manager": "m", "operation": "Apply", "apiVersion": "v1",
///     "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:k": {}}}}]}});
/// let (manager, fields) = &owners(&live)[0];
/// assert_eq!((manager.name.as_str(), fields.to_string()), ("m", ".data.k".to_owned()));
/// ```
#[must_use]
pub fn owners(live: &Value) -> Vec<(Manager, FieldSet)> {
    let managed = Managed::of_object(live).unwrap_or_default();
    managed.iter().cloned().map(|ManagedEntry { manager, fields }| (manager, fields)).collect()
}

/// The managers that own exactly this field.
#[must_use]
pub fn owners_of(live: &Value, path: &FieldPath) -> Vec<Manager> {
    owners(live).into_iter().filter(|(_, fields)| fields.contains(path)).map(|(manager, _)| manager).collect()
}
