//! Reading a request's body and writing an answer: JSON, YAML and protobuf in, and objects, lists, tables or metadata alone out,
//! as the `Accept` header asks. Knows no verb.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::protobuf;

/// The largest body that is read, in bytes; the real server's limit.
pub(crate) const LIMIT: usize = 3 * 1024 * 1024;

/// How the client wants an object or list to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Whole,
    /// `meta.k8s.io/v1` `Table`.
    Table,
    /// `meta.k8s.io/v1` `PartialObjectMetadata`, or its list.
    Metadata,
}

/// What the client accepts: the first entry that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accept {
    pub(crate) form: Form,
    pub(crate) yaml: bool,
}

impl Accept {
    /// Reads the header.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Accept, Failure> {
        let Some(wanted) = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty()) else {
            return Ok(Accept { form: Form::Whole, yaml: false });
        };
        for entry in wanted.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let yaml = match media {
                "application/json" | "*/*" | "application/*" => false,
                "application/yaml" => true,
                _ => continue,
            };
            let (mut kind, mut group, mut version) = ("", "", "");
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("as", value)) => kind = value,
                    Some(("g", value)) => group = value,
                    Some(("v", value)) => version = value,
                    _ => {}
                }
            }
            let form = match (kind, group, version) {
                ("", _, _) => Form::Whole,
                ("Table", "meta.k8s.io", "v1") => Form::Table,
                ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => Form::Metadata,
                _ => continue,
            };
            return Ok(Accept { form, yaml });
        }
        Err(Failure::not_acceptable())
    }
}

/// Reads a body as one JSON value, by its content type. `expected` names what it should hold, for the message.
pub(crate) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Value, Failure> {
    let media = media_type(headers);
    match media {
        ""
        | "application/json"
        | "application/merge-patch+json"
        | "application/strategic-merge-patch+json"
        | "application/json-patch+json" => serde_json::from_slice(body).map_err(|error| {
            Failure::bad_request(format!("the object provided is unrecognized (must be of type JSON): {error}"))
        }),
        "application/yaml" | "application/apply-patch+yaml" => yaml(body),
        protobuf::MEDIA => protobuf::decode(body).map_err(|error| Failure::bad_request(error.to_string())),
        _ => Err(Failure::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// Reads YAML (or JSON, which is YAML).
pub(crate) fn yaml(body: &Bytes) -> Result<Value, Failure> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text =
        std::str::from_utf8(body).map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?;
    serde_saphyr::from_str(text).map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))
}

/// The content type without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let content = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content.split(';').next().unwrap_or_default().trim()
}

/// A JSON answer from text that is JSON already.
pub(crate) fn json(code: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// An answer from a value, in the wanted encoding.
pub(crate) fn answer(code: StatusCode, value: &Value, yaml: bool) -> Response {
    if yaml && let Ok(text) = serde_saphyr::to_string(value) {
        let mut response = json(code, text);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
        return response;
    }
    json(code, value.to_string())
}

/// Adds warnings in the form clients show: `299 - "text"`.
pub(crate) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// The object's metadata alone.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}
