//! Reading a request's body and writing an answer: JSON, YAML and protobuf in, and objects, lists, tables or metadata alone out,
//! as the `Accept` header asks. Knows no verb.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::decoding;
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
        let mut unknown = Failure::unknown_representation();
        for entry in wanted.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let yaml = match media {
                "application/json" | "*/*" | "application/*" => false,
                "application/yaml" => true,
                _ => continue,
            };
            unknown = Failure::not_acceptable();
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
        Err(unknown)
    }
}

/// What Go calls the type that a body's kind and version are first read into.
const HEAD: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// Reads a body that is to hold an object of a kind, by its content type.
pub(crate) fn read(headers: &HeaderMap, body: &Bytes, kind: &str) -> Result<Value, Failure> {
    let unrecognised = |why: String| unrecognised(body, kind, &why);
    let headless = |why: String| unrecognised(format!("couldn't get version/kind; json parse error: {why}"));
    let value = match media_type(headers) {
        "" | "application/json" => decoding::json_value(body).map_err(headless)?,
        "application/yaml" => yaml_value(body).map_err(unrecognised)?,
        protobuf::MEDIA => protobuf::decode(body).map_err(|error| Failure::bad_request(error.to_string()))?,
        _ => {
            return Err(Failure::unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    let found = match &value {
        Value::Null => return Ok(Value::Object(serde_json::Map::new())),
        Value::Object(map) => {
            for field in ["apiVersion", "kind"] {
                if let Some(wrong) = map.get(field).filter(|value| !value.is_string() && !value.is_null()) {
                    let found = decoding::shape(wrong);
                    let text = format!("json: cannot unmarshal {found} into Go struct field .{field} of type string");
                    return Err(headless(text));
                }
            }
            return Ok(value);
        }
        other => decoding::shape(other),
    };
    Err(headless(format!("json: cannot unmarshal {found} into Go value of type {HEAD}")))
}

fn unrecognised(body: &Bytes, kind: &str, why: &str) -> Failure {
    let shown = summary(body);
    Failure::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({shown})"))
}

/// The refusal of a body that does not say its kind, and has to.
pub(crate) fn kindless(body: &Bytes, kind: &str) -> Failure {
    let text = String::from_utf8_lossy(body);
    unrecognised(body, kind, &format!("Object 'Kind' is missing in '{text}'"))
}

/// The beginning of a body, for a message: as text where it begins like an object, in hexadecimal otherwise.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let start = body.get(..SHOWN).unwrap_or(body);
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(start)),
        Some(_) => format!("{}{more}", start.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// Reads YAML (or JSON, which is YAML); a key that comes twice counts the last time.
pub(crate) fn yaml_value(body: &[u8]) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|error| format!("yaml: {error}"))?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| match error.location() {
        Some(at) => format!("yaml: line {}: {}", at.line(), error.without_snippet()),
        None => format!("yaml: {}", error.without_snippet()),
    })
}

/// The first key that YAML text has twice in one map, in the server's words; nothing for JSON.
pub(crate) fn yaml_duplicate(body: &[u8]) -> Option<String> {
    let text =
        std::str::from_utf8(body).ok().filter(|_| serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err())?;
    let error = serde_saphyr::from_str::<Value>(text).err()?;
    match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key, location } => {
            Some(format!("line {}: key {} already set in map", location.line(), decoding::quote(key.as_deref()?)))
        }
        _ => None,
    }
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
