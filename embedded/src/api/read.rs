//! `get` and `list`: from the committed state, with selectors, pages and versions. Writes nothing.

use std::sync::Arc;

use axum::body::Bytes;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use super::body::{self, Form};
use super::{Call, table};
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
    if let Some(wanted) = call.params.number("resourceVersion")?
        && wanted > current
    {
        return Err(Failure::too_large_version(wanted, current));
    }
    let object = object.ok_or_else(|| call.not_found())?;
    let value = seen_as(call, &object.value);
    match call.accept.form {
        Form::Whole if !call.accept.yaml && value.is_none() => Ok(body::json(StatusCode::OK, object.json.clone())),
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
    /// Reads them from the query. A single object's path selects by its name.
    pub(crate) fn of(call: &Call) -> Result<Selection, Failure> {
        let labels = LabelSelector::parse(call.params.text("labelSelector"))?;
        let mut fields = call.params.text("fieldSelector").to_owned();
        if !call.target.name.is_empty() {
            fields = format!("metadata.name={}", call.target.name);
        }
        let fields = FieldSelector::parse(&fields, &call.resource.group, &call.resource.kind)?;
        Ok(Selection { labels, fields })
    }

    /// Does the object match both?
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.labels.matches(value) && self.fields.matches(value)
    }
}

/// A place in a list that is read page by page: the version it was begun at and the last key given.
struct Continue {
    revision: u64,
    after: (String, String),
}

impl Continue {
    fn encode(&self) -> String {
        let token = json!({"v": "meta.k8s.io/v1", "rv": self.revision, "after": [self.after.0, self.after.1]});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(text: &str) -> Result<Continue, Failure> {
        let wrong = || Failure::bad_request("continue key is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let part = |pointer: &str| token.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(wrong);
        let revision = token.get("rv").and_then(Value::as_u64).ok_or_else(wrong)?;
        Ok(Continue { revision, after: (part("/after/0")?, part("/after/1")?) })
    }
}

/// `GET` of a collection.
///
/// Every answer is the newest state, whatever `resourceVersion` asks for, except that `Exact` at another version is
/// gone (410) and a version from the future is refused (504). A list read page by page keeps the version of its first
/// page; when an object of the resource has changed meanwhile the next page says so (410), as a real server does after
/// compaction.
pub(crate) fn list(call: &Call) -> Result<Response, Failure> {
    let selection = Selection::of(call)?;
    let limit = call.params.number("limit")?.unwrap_or(0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let resume = match call.params.text("continue") {
        "" => None,
        text => Some(Continue::decode(text)?),
    };
    let image = call.store().read();
    if let Some(wanted) = call.params.number("resourceVersion")? {
        if resume.is_some() && wanted > 0 {
            return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
        }
        if wanted > image.revision {
            return Err(Failure::too_large_version(wanted, image.revision));
        }
        if call.params.text("resourceVersionMatch") == "Exact" && wanted != image.revision {
            return Err(Failure::expired(format!("The resourceVersion for the provided list is too old: {wanted}")));
        }
    }
    let revision = resume.as_ref().map_or(image.revision, |resume| resume.revision);
    if let Some(resume) = &resume {
        let moved = image
            .changes_after(resume.revision)
            .is_none_or(|mut changes| changes.any(|change| change.key.resource == call.resource.storage));
        if moved {
            return Err(Failure::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
            ));
        }
    }
    let mut found: Vec<Arc<Object>> = Vec::new();
    let mut last = None;
    let mut remaining = 0_usize;
    for (key, object) in image.list(&call.resource.storage, &call.target.namespace) {
        let place = (&*key.namespace, &*key.name);
        if resume.as_ref().is_some_and(|r| place <= (r.after.0.as_str(), r.after.1.as_str())) {
            continue;
        }
        if !selection.matches(&object.value) {
            continue;
        }
        if limit > 0 && found.len() >= limit {
            remaining += 1;
            continue;
        }
        found.push(Arc::clone(object));
        last = Some((key.namespace.to_string(), key.name.to_string()));
    }
    drop(image);
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let (true, Some(after), Some(map)) = (remaining > 0, last, metadata.as_object_mut()) {
        map.insert("continue".to_owned(), json!(Continue { revision, after }.encode()));
        if selection.labels.is_empty() && selection.fields.is_empty() {
            map.insert("remainingItemCount".to_owned(), json!(remaining));
        }
    }
    Ok(show_list(call, &found, &metadata))
}

fn show_list(call: &Call, found: &[Arc<Object>], metadata: &Value) -> Response {
    if call.accept.form == Form::Whole && !call.accept.yaml {
        return body::json(StatusCode::OK, whole_list(call, found, metadata));
    }
    let list = match call.accept.form {
        Form::Table => {
            let rows = found.iter().map(|object| &object.value);
            let mut table = table::table(&call.resource, rows, call.table_options(), call.store().clock().now());
            if let Some(map) = table.as_object_mut() {
                map.insert("metadata".to_owned(), metadata.clone());
            }
            table
        }
        Form::Metadata => {
            let items: Vec<Value> = found.iter().map(|object| body::metadata_only(&object.value)).collect();
            json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items,
            })
        }
        Form::Whole => {
            let items: Vec<Value> = found.iter().map(|object| as_item(call, seen_or_stored(call, object))).collect();
            json!({
                "kind": call.resource.list_kind,
                "apiVersion": call.resource.api_version(),
                "metadata": metadata,
                "items": items,
            })
        }
    };
    body::answer(StatusCode::OK, &list, call.accept.yaml)
}

fn seen_or_stored(call: &Call, object: &Object) -> Value {
    seen_as(call, &object.value).unwrap_or_else(|| object.value.clone())
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

/// The list as text, put together from the objects' stored text.
fn whole_list(call: &Call, found: &[Arc<Object>], metadata: &Value) -> Bytes {
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
        json!(call.resource.list_kind),
        json!(call.resource.api_version()),
    );
    // How the text of each item begins, where the list says it for all of them.
    let said =
        format!("{{\"kind\":{},\"apiVersion\":{},", json!(call.resource.kind), json!(call.resource.api_version()));
    let size = head.len() + 2 + found.iter().map(|object| object.json.len() + 1).sum::<usize>();
    let mut text = Vec::with_capacity(size);
    text.extend_from_slice(head.as_bytes());
    for (at, object) in found.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        match seen_as(call, &object.value) {
            Some(value) => text.extend_from_slice(as_item(call, value).to_string().as_bytes()),
            None if call.resource.custom.is_some() => text.extend_from_slice(&object.json),
            None => match object.json.strip_prefix(said.as_bytes()) {
                Some(rest) => {
                    text.push(b'{');
                    text.extend_from_slice(rest);
                }
                None => text.extend_from_slice(as_item(call, object.value.clone()).to_string().as_bytes()),
            },
        }
    }
    text.extend_from_slice(b"]}");
    Bytes::from(text)
}
