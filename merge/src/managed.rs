//! Who owns which fields: the entries of `metadata.managedFields`, read and written.
//!
//! How ownership changes is decided in [`crate::apply`] and [`crate::update`], not here.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::fields_v1::FieldsV1Error;
use crate::path::quoted;
use crate::set::FieldSet;

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply: the fields are the manager's intent, and leave when it leaves them out.
    Apply,
    /// By anything else: create, update, patch.
    Update,
}

impl Operation {
    /// The word that stands in `managedFields`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who owns fields.
///
/// Shown as the server's messages show it, as in `"kubectl-edit" using apps/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// How it came to own.
    pub operation: Operation,
    /// The version its fields are named in, such as `apps/v1`.
    pub api_version: String,
    /// The subresource it wrote through; empty for the object itself.
    pub subresource: String,
    /// When it last changed something, in RFC 3339 with seconds and in UTC; absent where the server noted none.
    pub time: Option<String>,
}

impl Manager {
    /// Whether two entries are one: an applier is the same in every version, an updater is another in each.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// The same manager, having changed something now; no time is noted where none is given.
    pub(crate) fn at(self, now: &str) -> Self {
        Self { time: (!now.is_empty()).then(|| now.to_owned()), ..self }
    }

    /// The text by which the server sorts managers where it has nothing better.
    pub(crate) fn sort_text(&self) -> String {
        let version = match self.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(",\"apiVersion\":{}", quoted(&self.api_version)),
        };
        let subresource = match self.subresource.as_str() {
            "" => String::new(),
            name => format!(",\"subresource\":{}", quoted(name)),
        };
        format!("{{\"manager\":{},\"operation\":\"{}\"{version}{subresource}}}", quoted(&self.name), self.operation)
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.name))?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {}", quoted(&self.subresource))?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(f, " using {}", self.api_version),
        }
    }
}

/// A manager and the fields it owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedEntry {
    /// Who.
    pub manager: Manager,
    /// What.
    pub fields: FieldSet,
}

/// The managers of one object, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managed {
    entries: Vec<ManagedEntry>,
}

/// Why `metadata.managedFields` could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// The field is no list, or an entry no object.
    #[error("reading metadata.managedFields: expected a list of objects")]
    NotAList,
    /// An operation other than the two there are.
    #[error("reading metadata.managedFields: operation must be `Apply` or `Update`")]
    Operation,
    /// An entry that does not say its version.
    #[error("reading metadata.managedFields: apiVersion must not be empty")]
    NoApiVersion,
    /// An entry that does not say its form.
    #[error("reading metadata.managedFields: missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// An entry of a form that is not known.
    #[error("reading metadata.managedFields: invalid fieldsType {found:?} in managed fields entry {entry}")]
    FieldsType {
        /// The entry, from 0.
        entry: usize,
        /// What it says.
        found: String,
    },
    /// A set that could not be read.
    #[error("reading metadata.managedFields: entry {entry} has a malformed fieldsV1")]
    Fields {
        /// The entry, from 0.
        entry: usize,
        /// What is the matter.
        source: FieldsV1Error,
    },
}

impl Managed {
    /// Reads the `metadata.managedFields` of an object; none where it has none.
    ///
    /// Of two entries of the same manager the later one counts.
    ///
    /// # Errors
    /// When they are not of the form that the server writes.
    pub fn of_object(object: &Value) -> Result<Self, ManagedFieldsError> {
        object.pointer("/metadata/managedFields").map_or_else(|| Ok(Self::default()), Self::from_value)
    }

    /// Reads a list of entries.
    ///
    /// # Errors
    /// As for [`Managed::of_object`].
    pub fn from_value(entries: &Value) -> Result<Self, ManagedFieldsError> {
        let entries = match entries {
            Value::Null => return Ok(Self::default()),
            Value::Array(entries) => entries,
            _ => return Err(ManagedFieldsError::NotAList),
        };
        let mut managed = Self::default();
        for (position, entry) in entries.iter().enumerate() {
            let entry = read_entry(position, entry.as_object().ok_or(ManagedFieldsError::NotAList)?)?;
            managed.set(entry.manager, entry.fields);
        }
        Ok(managed)
    }

    /// Writes the entries as the server does: sorted, and without those that own nothing.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<&ManagedEntry> = self.entries.iter().filter(|entry| !entry.fields.is_empty()).collect();
        entries.sort_by(|l, r| order(&l.manager).cmp(&order(&r.manager)));
        entries.into_iter().map(write_entry).collect()
    }

    /// Puts the entries into an object, or takes the field out where there are none.
    pub fn write_into(&self, object: &mut Value) {
        let Some(metadata) = metadata_mut(object) else { return };
        if self.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), self.to_value());
        }
    }

    /// Whether no manager owns anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.fields.is_empty())
    }

    /// The managers and their fields.
    pub fn iter(&self) -> impl Iterator<Item = &ManagedEntry> {
        self.entries.iter()
    }

    /// The entry of a manager.
    #[must_use]
    pub fn get(&self, manager: &Manager) -> Option<&ManagedEntry> {
        self.entries.iter().find(|entry| entry.manager.is_same(manager))
    }

    /// Gives a manager these fields, in place of what it had; its version and time become those of `manager`.
    pub(crate) fn set(&mut self, manager: Manager, fields: FieldSet) {
        match self.entries.iter_mut().find(|entry| entry.manager.is_same(&manager)) {
            Some(entry) => *entry = ManagedEntry { manager, fields },
            None => self.entries.push(ManagedEntry { manager, fields }),
        }
    }

    pub(crate) fn remove(&mut self, manager: &Manager) -> Option<ManagedEntry> {
        let position = self.entries.iter().position(|entry| entry.manager.is_same(manager))?;
        Some(self.entries.remove(position))
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut ManagedEntry> {
        self.entries.iter_mut()
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&ManagedEntry) -> bool) {
        self.entries.retain(|entry| keep(entry));
    }
}

/// Times are compared as text: all are of one form and one zone.
fn order(manager: &Manager) -> (&str, &str, &str, &str, &str) {
    (
        manager.operation.as_str(),
        manager.time.as_deref().unwrap_or_default(),
        &manager.name,
        &manager.api_version,
        &manager.subresource,
    )
}

fn read_entry(position: usize, entry: &Map<String, Value>) -> Result<ManagedEntry, ManagedFieldsError> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(ManagedFieldsError::Operation),
    };
    if text("apiVersion").is_empty() {
        return Err(ManagedFieldsError::NoApiVersion);
    }
    match text("fieldsType") {
        "FieldsV1" => {}
        "" => return Err(ManagedFieldsError::NoFieldsType(position)),
        other => return Err(ManagedFieldsError::FieldsType { entry: position, found: other.to_owned() }),
    }
    let fields = FieldSet::from_fields_v1(entry.get("fieldsV1").unwrap_or(&Value::Null))
        .map_err(|source| ManagedFieldsError::Fields { entry: position, source })?;
    let manager = Manager {
        name: text("manager").to_owned(),
        operation,
        api_version: text("apiVersion").to_owned(),
        subresource: text("subresource").to_owned(),
        time: entry.get("time").and_then(Value::as_str).map(ToOwned::to_owned),
    };
    Ok(ManagedEntry { manager, fields })
}

fn write_entry(entry: &ManagedEntry) -> Value {
    let Manager { name, operation, api_version, subresource, time } = &entry.manager;
    let mut value = json!({
        "operation": operation.as_str(),
        "apiVersion": api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields.to_fields_v1(),
    });
    if let Value::Object(map) = &mut value {
        let optional = [("manager", Some(name)), ("subresource", Some(subresource)), ("time", time.as_ref())];
        for (key, text) in optional {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                map.insert(key.to_owned(), Value::from(text.as_str()));
            }
        }
    }
    value
}

fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let object = object.as_object_mut()?;
    object.entry("metadata").or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// A copy of an object without its `metadata.managedFields`.
pub(crate) fn without_managed_fields(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let copy = |(key, value): (&String, &Value)| match (key.as_str(), value) {
        ("metadata", Value::Object(metadata)) => {
            let kept = metadata.iter().filter(|(key, _)| *key != "managedFields");
            (key.clone(), Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
        }
        _ => (key.clone(), value.clone()),
    };
    Value::Object(fields.iter().map(copy).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(changes: Value) -> Value {
        let mut entry = json!({"manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:a": {}}, "time": "2026-01-01T00:00:00Z"});
        if let (Some(entry), Value::Object(changes)) = (entry.as_object_mut(), changes) {
            entry.extend(changes);
        }
        entry
    }

    #[track_caller]
    fn check(entries: Value, expected: Result<Value, &str>) {
        let found = Managed::from_value(&entries).map(|managed| managed.to_value()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(ToOwned::to_owned));
    }

    #[test]
    fn entries_are_sorted_by_operation_time_and_name() {
        let update = entry(json!({"operation": "Update", "time": "2025-01-01T00:00:00Z"}));
        let [later, earlier] = ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]
            .map(|time| entry(json!({"manager": time.get(..10), "time": time})));
        let [b, a] = ["b", "a"].map(|name| entry(json!({"manager": name})));
        check(json!([update, later, b, earlier, a]), Ok(json!([earlier, a, b, later, update])));
    }

    #[test]
    fn entries_that_own_nothing_and_repeated_ones_go() {
        check(json!([entry(json!({"fieldsV1": {}}))]), Ok(json!([])));
        check(Value::Null, Ok(json!([])));
        let again = entry(json!({"fieldsV1": {"f:b": {}}, "apiVersion": "v2"}));
        check(json!([entry(json!({})), again]), Ok(json!([again])));
        let other = entry(json!({"operation": "Update", "apiVersion": "v2"}));
        let first = entry(json!({"operation": "Update"}));
        check(json!([first, other]), Ok(json!([first, other])));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check(json!({}), Err("reading metadata.managedFields: expected a list of objects"));
        check(json!(["m"]), Err("reading metadata.managedFields: expected a list of objects"));
        check(
            json!([entry(json!({"operation": "Guess"}))]),
            Err("reading metadata.managedFields: operation must be `Apply` or `Update`"),
        );
        check(
            json!([entry(json!({"apiVersion": ""}))]),
            Err("reading metadata.managedFields: apiVersion must not be empty"),
        );
        check(
            json!([entry(json!({"fieldsType": null}))]),
            Err("reading metadata.managedFields: missing fieldsType in managed fields entry 0"),
        );
        check(
            json!([entry(json!({})), entry(json!({"fieldsType": "FieldsV2"}))]),
            Err("reading metadata.managedFields: invalid fieldsType \"FieldsV2\" in managed fields entry 1"),
        );
        check(
            json!([entry(json!({"fieldsV1": {"f:a": 1}}))]),
            Err("reading metadata.managedFields: entry 0 has a malformed fieldsV1"),
        );
    }
}
