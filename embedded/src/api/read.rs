//! `get`: from the committed state; and what `get`, `list` and `watch` have in common. Writes nothing.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::body::{self, Form};
use super::{Call, list};
use crate::failure::Failure;
use crate::selector::{FieldSelector, LabelSelector};
use crate::store::Object;
use crate::versions;

/// `GET` of one object.
pub(crate) fn get(call: &Call) -> Result<Response, Failure> {
    let key = call.resource.key(&call.target.namespace, &call.target.name);
    let image = call.store().read();
    let object = image.objects.get(&key).cloned();
    let current = image.revision;
    drop(image);
    if let Some(wanted) = list::version(call.params.text("resourceVersion")).map_err(Failure::unnamed)?
        && wanted > current
    {
        return Err(Failure::too_large_version(wanted, current));
    }
    let object = object.ok_or_else(|| call.not_found())?;
    let value = seen_as(call, &object.value);
    match call.accept.form {
        Form::Whole if !call.accept.yaml && value.is_none() => Ok(body::json(StatusCode::OK, object.json())),
        _ => Ok(call.show(StatusCode::OK, value.as_ref().unwrap_or(&object.value))),
    }
}

/// An object in the version that was asked for, where it is stored in another one.
pub(crate) fn seen_as(call: &Call, value: &Value) -> Option<Value> {
    versions::seen(&call.resource, value)
}

/// The selectors of a list, watch or collection delete.
pub(crate) struct Selection {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Selection {
    /// Reads them from the query.
    pub(crate) fn of(call: &Call) -> Result<Selection, Failure> {
        let labels = LabelSelector::parse(call.params.text("labelSelector"))?;
        let fields = call.params.text("fieldSelector");
        let fields = FieldSelector::parse(fields, &call.resource)?;
        Ok(Selection { labels, fields })
    }

    /// Is it the name of one object that is selected by?
    pub(crate) fn names_one(&self, call: &Call) -> bool {
        let one_place = !call.target.namespace.is_empty() || !call.resource.namespaced;
        one_place && self.fields.name().is_some()
    }

    /// Does the object match both?
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.labels.matches(value) && self.fields.matches(value)
    }
}

/// An object as it stands in a list: those of built-in kinds do not repeat what the list says of all of them.
pub(crate) fn as_item(call: &Call, mut value: Value) -> Value {
    if call.resource.custom.is_none()
        && let Some(map) = value.as_object_mut()
    {
        map.remove("kind");
        map.remove("apiVersion");
    }
    value
}

/// An object as the client is shown it.
pub(crate) fn seen_or_stored(call: &Call, object: &Object) -> Value {
    seen_as(call, &object.value).unwrap_or_else(|| object.value.clone())
}
