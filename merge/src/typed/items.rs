//! How an item of a list is named: by its key fields, or by itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::path::PathElement;
use crate::schema::types::{Items, List, ListKey};

/// The element that names an item of a list that is not atomic, or why there is none.
pub(crate) fn name_of(list: &List, item: &Value) -> Result<PathElement, String> {
    match &list.items {
        Items::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        Items::Set => name_in_set(item),
        Items::Keyed(keys) => name_by_keys(keys, item),
    }
}

fn name_in_set(item: &Value) -> Result<PathElement, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(PathElement::Value(scalar.clone())),
    }
}

fn name_by_keys(keys: &[ListKey], item: &Value) -> Result<PathElement, String> {
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut name = BTreeMap::new();
    for key in keys {
        if let Some(value) = fields.get(&key.name).or(key.default.as_ref()) {
            name.insert(key.name.clone(), value.clone());
        }
    }
    if name.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| crate::path::quoted(&key.name)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] \
             (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(PathElement::Key(name))
}

/// Whether two items of a list go by the same name, without building it. False where one of them has none.
pub(crate) fn same_name(list: &List, left: &Value, right: &Value) -> bool {
    match &list.items {
        Items::Atomic => false,
        Items::Set => crate::value::is_scalar(left) && crate::value::equal(left, right),
        Items::Keyed(keys) => {
            let (Value::Object(left), Value::Object(right)) = (left, right) else { return false };
            let mut named = false;
            keys.iter().all(|key| {
                let default = key.default.as_ref();
                match (left.get(&key.name).or(default), right.get(&key.name).or(default)) {
                    (None, None) => true,
                    (Some(l), Some(r)) => {
                        named = true;
                        crate::value::equal(l, r)
                    }
                    _ => false,
                }
            }) && named
        }
    }
}

/// The items of a list by name, in the order of the list's first use of each name.
///
/// An item without a name is left out; validation has reported it.
pub(crate) struct Named<'a> {
    /// Each name once, with every item that goes by it.
    entries: BTreeMap<PathElement, Vec<&'a Value>>,
}

impl<'a> Named<'a> {
    pub(crate) fn new(list: &List, items: &'a [Value]) -> Self {
        let mut entries: BTreeMap<PathElement, Vec<&'a Value>> = BTreeMap::new();
        for item in items {
            if let Ok(name) = name_of(list, item) {
                entries.entry(name).or_default().push(item);
            }
        }
        Self { entries }
    }

    /// The items that go by a name: none, one, or several where the list has duplicates.
    pub(crate) fn get(&self, name: &PathElement) -> &[&'a Value] {
        self.entries.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn contains(&self, name: &PathElement) -> bool {
        self.entries.contains_key(name)
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (PathElement, Vec<&'a Value>)> {
        self.entries.into_iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &PathElement> {
        self.entries.keys()
    }
}
