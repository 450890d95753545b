//! What the server stores for a predicted change: the same value, the same in another form, or what only it can say.
//!
//! Merging alone leaves three things open. A server writes some values in a form of its own; it completes what is new
//! with defaults, inside a value that is owned whole as well; and it puts a default where a field is taken away.

use serde_json::Value;

use crate::diff::Change;
use crate::path::PathElement;
use crate::predict::Prediction;
use crate::quantity;
use crate::schema::types::{Arena, MapType, Shape, TypeId};
use crate::schema::{Format, TypeRef};

impl Change {
    /// The change as the server will store it, amounts in their canonical form; `None` where only the server knows.
    ///
    /// `after` is the whole object that the change leads to, as [`Prediction::Changed`] has it.
    ///
    /// ```
    /// use serde_json::json;
    /// use structured_merge::{diff, schema::Schema};
    /// let ty = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap();
    /// let with = |limits| json!({"spec": {"template": {"spec": {"containers": [
    ///     {"name": "a", "resources": {"limits": limits}}]}}}});
    /// let (before, after) = (with(json!({"cpu": "1"})), with(json!({"cpu": "1500m", "memory": "1024Mi"})));
    /// let stored: Vec<_> = diff(&ty, &before, &after)
    ///     .into_iter()
    ///     .map(|change| change.as_stored(&ty, &after).unwrap().after.unwrap())
    ///     .collect();
    /// assert_eq!(stored, [json!("1500m"), json!("1Gi")]);
    /// // Whether a default comes back where a field goes is the server's to say.
    /// let (before, after) = (json!({"spec": {"replicas": 2}}), json!({"spec": {}}));
    /// assert_eq!(diff(&ty, &before, &after).remove(0).as_stored(&ty, &after), None);
    /// ```
    #[must_use]
    pub fn as_stored(self, ty: &TypeRef, after: &Value) -> Option<Self> {
        let arena = &ty.arena;
        let mut here = (Some(ty.id), Some(after));
        for element in &self.path.0 {
            let shape = here.0.map(|id| arena.shape(id, here.1));
            let (id, declared) = match (&shape, element) {
                (Some(Shape::Map(map)), PathElement::Field(name)) => (map.type_of(name), map.field(name).is_some()),
                (Some(Shape::List(list)), _) => (Some(list.element), false),
                _ => (None, false),
            };
            let child = here.1.and_then(|value| child(arena, here.0, value, element));
            if child.is_none() && self.after.is_none() {
                // An entry of a map or a list goes with all it holds; for a field of a struct there may be a default.
                return (!declared).then_some(self);
            }
            here = (id, child);
        }
        let Some(value) = &self.after else { return Some(self) };
        let stored = stored(arena, here.0, value, self.before.is_none())?;
        Some(Self { after: Some(stored), ..self })
    }
}

impl Prediction {
    /// The fields that would change, as the server will store them, and those of which only the server can say what
    /// becomes of them.
    #[must_use]
    pub fn stored_changes(&self, ty: &TypeRef, live: &Value) -> (Vec<Change>, Vec<Change>) {
        let Self::Changed { after, .. } = self else { return (Vec::new(), Vec::new()) };
        let (mut sure, mut open) = (Vec::new(), Vec::new());
        for change in self.changes(ty, live) {
            match change.clone().as_stored(ty, after) {
                Some(stored) if stored.before == stored.after => {}
                Some(stored) => sure.push(stored),
                None => open.push(change),
            }
        }
        (sure, open)
    }
}

/// The value below an object's key, or the item of a list that goes by this name.
fn child<'a>(arena: &Arena, id: Option<TypeId>, value: &'a Value, element: &PathElement) -> Option<&'a Value> {
    match (value, element) {
        (Value::Object(map), PathElement::Field(name)) => map.get(name),
        (Value::Array(items), PathElement::Index(at)) => items.get(*at),
        (Value::Array(items), _) => {
            let Some(Shape::List(list)) = id.map(|id| arena.shape(id, Some(value))) else { return None };
            items.iter().find(|item| crate::typed::items::name_of(list, item).is_ok_and(|name| name == *element))
        }
        _ => None,
    }
}

/// A leaf in the form the server gives it; `new` where there was none before.
fn stored(arena: &Arena, id: Option<TypeId>, value: &Value, new: bool) -> Option<Value> {
    let format = id.map_or(Format::Plain, |id| arena.get(id).format);
    match value {
        Value::Null => None,
        // Whether what is empty is kept differs from field to field.
        Value::Array(items) if items.is_empty() => None,
        Value::Object(map) if map.is_empty() => None,
        Value::Array(_) | Value::Object(_) => is_plain(arena, id, value).then(|| value.clone()),
        _ if format == Format::Quantity => quantity::canonical(value).map(Value::String),
        _ if format == Format::Time => None,
        Value::String(text) if format == Format::Bytes => Some(text.replace(['\r', '\n'], "").into()),
        // A scalar that is zero is left out where the field can do without.
        Value::Bool(false) if new => None,
        Value::Number(number) if new && number.as_f64() == Some(0.0) => None,
        Value::String(text) if new && text.is_empty() => None,
        scalar => Some(scalar.clone()),
    }
}

/// Whether a value that is owned whole holds no struct, so that no default is put into it, and no amount or moment.
fn is_plain(arena: &Arena, id: Option<TypeId>, value: &Value) -> bool {
    let Some(id) = id else { return false };
    match (value, arena.shape(id, Some(value))) {
        (Value::Array(items), Shape::List(list)) => items.iter().all(|item| is_plain(arena, Some(list.element), item)),
        (Value::Object(entries), Shape::Map(MapType { fields, element: Some(element), .. })) if fields.is_empty() => {
            entries.values().all(|entry| is_plain(arena, Some(*element), entry))
        }
        (Value::Array(_) | Value::Object(_) | Value::Null, _) => false,
        _ => matches!(arena.get(id).format, Format::Plain | Format::IntOrString),
    }
}
