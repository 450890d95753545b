//! The answers that refuse: the Status body a real API server sends, with its wording, reason, code and causes. Decides
//! nothing; who refuses calls the constructor that fits.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::api::body;

/// The media types of answers.
const REPRESENTATIONS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// A refusal, ready to be sent as a `Status` object.
///
/// Wording: `k8s.io/apimachinery/pkg/api/errors`, seen from kube-apiserver 1.36.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Map<String, Value>>,
    /// Where a list can be gone on with although its version is gone.
    pub(crate) resume: Option<Box<str>>,
    /// What was warned of before it came to this.
    pub(crate) warnings: Vec<String>,
}

/// One field that is wrong, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    /// The machine's word for it (`FieldValueInvalid` …).
    pub(crate) reason: &'static str,
    /// The text after the field, `Invalid value: …`.
    pub(crate) message: String,
    /// The field as a path, `spec.replicas`.
    pub(crate) field: String,
}

impl Cause {
    /// A value of the wrong shape.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Cause {
        let shown = shown(value);
        Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {shown}: {why}"), field: field.into() }
    }

    /// A value of the wrong shape, as the server prints it.
    pub(crate) fn invalid_as(field: impl Into<String>, shown: &str, why: &str) -> Cause {
        Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {shown}: {why}"), field: field.into() }
    }

    /// A value of another type than its field's.
    pub(crate) fn type_invalid(field: impl Into<String>, value: &Value, why: &str) -> Cause {
        Cause { reason: "FieldValueTypeInvalid", ..Cause::invalid(field, value, why) }
    }

    /// A value that is not there but must be.
    pub(crate) fn required(field: impl Into<String>, why: &str) -> Cause {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Cause { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// A value outside a fixed list; the list is shown in order.
    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, known: &[&str]) -> Cause {
        let known: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), known.join(", "));
        Cause { reason: "FieldValueNotSupported", message, field: field.into() }
    }

    /// A value outside a fixed list, as the server prints it.
    pub(crate) fn unsupported_as(field: impl Into<String>, shown: &str, known: &[&str]) -> Cause {
        let known: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
        let message = format!("Unsupported value: {shown}: supported values: {}", known.join(", "));
        Cause { reason: "FieldValueNotSupported", message, field: field.into() }
    }

    /// A value that another item has already.
    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Cause {
        let message = format!("Duplicate value: {}", shown(value));
        Cause { reason: "FieldValueDuplicate", message, field: field.into() }
    }

    /// A value that another item has already, as the server prints it.
    pub(crate) fn duplicate_of(field: impl Into<String>, shown: &str) -> Cause {
        Cause { reason: "FieldValueDuplicate", message: format!("Duplicate value: {shown}"), field: field.into() }
    }

    /// A field that may not be set, or not in this way.
    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Cause {
        Cause { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }

    /// A reference to something that is not there.
    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Cause {
        Cause { reason: "FieldValueNotFound", message: format!("Not found: {}", shown(value)), field: field.into() }
    }

    /// A list or map of more entries than it may have.
    pub(crate) fn too_many(field: impl Into<String>, count: usize, most: usize) -> Cause {
        let message = format!("Too many: {count}: must have at most {most} items");
        Cause { reason: "FieldValueTooMany", message, field: field.into() }
    }

    /// A value of the wrong shape that the server prints in Go's way; `shown` is that print.
    pub(crate) fn shown(field: impl Into<String>, shown: &str, why: &str) -> Cause {
        Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {shown}: {why}"), field: field.into() }
    }

    /// A text that is longer than it may be.
    pub(crate) fn too_long(field: impl Into<String>, limit: usize) -> Cause {
        let message = format!("Too long: may not be more than {limit} bytes");
        Cause { reason: "FieldValueTooLong", message, field: field.into() }
    }
}

/// A value as the server prints it in a cause: texts quoted, the rest as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// Several errors in one text, each once.
///
/// Source: `k8s.io/apimachinery/pkg/util/errors`.
pub(crate) fn together(errors: &[String]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for error in errors {
        if !once.contains(&error.as_str()) {
            once.push(error);
        }
    }
    match once.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// `deployments.apps`, or `pods` in the core group.
pub(crate) fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

fn details(group: &str, kind: &str, name: &str) -> Map<String, Value> {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), json!(value));
        }
    }
    details
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: String) -> Failure {
        Failure { code, reason, message, details: None, resume: None, warnings: Vec::new() }
    }

    /// The same refusal, with what was warned of before it.
    pub(crate) fn after(mut self, warnings: &[String]) -> Failure {
        self.warnings.splice(0..0, warnings.iter().cloned());
        self
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Failure {
        self.details = Some(details(group, kind, name));
        self
    }

    /// Adds a cause that no field has.
    pub(crate) fn because(self, reason: &str, message: &str) -> Failure {
        self.causes(vec![json!({"reason": reason, "message": message})])
    }

    fn causes(mut self, causes: Vec<Value>) -> Failure {
        self.details.get_or_insert_with(Map::new).insert("causes".to_owned(), Value::Array(causes));
        self
    }

    /// 404: the object is not there.
    pub(crate) fn not_found(group: &str, plural: &str, name: &str) -> Failure {
        Failure::new(404, "NotFound", format!("{} \"{name}\" not found", qualified(group, plural)))
            .about(group, plural, name)
    }

    /// 404: the path leads nowhere.
    pub(crate) fn no_such_path() -> Failure {
        let mut failure = Failure::new(404, "NotFound", "the server could not find the requested resource".to_owned());
        failure.details = Some(Map::new());
        failure
    }

    /// 409: a create met an object of that name.
    pub(crate) fn already_exists(group: &str, plural: &str, name: &str) -> Failure {
        Failure::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", qualified(group, plural)))
            .about(group, plural, name)
    }

    /// 409: the object is not the one the caller had in mind.
    pub(crate) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Failure {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(group, plural));
        Failure::new(409, "Conflict", message).about(group, plural, name)
    }

    /// 409: the object has changed since the caller read it.
    pub(crate) fn modified(group: &str, plural: &str, name: &str) -> Failure {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Failure::conflict(group, plural, name, why)
    }

    /// 409 of a server-side apply: fields that other managers own. `causes` are (field, message).
    pub(crate) fn apply_conflict(message: String, causes: Vec<(String, String)>) -> Failure {
        let causes = causes
            .into_iter()
            .map(|(field, message)| json!({"reason": "FieldManagerConflict", "message": message, "field": field}))
            .collect();
        Failure::new(409, "Conflict", message).causes(causes)
    }

    /// 422: fields that are wrong.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Failure {
        let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        // What is found twice is said once.
        let mut said: Vec<&String> = Vec::new();
        for text in &texts {
            if !said.contains(&text) {
                said.push(text);
            }
        }
        let all = match said.as_slice() {
            [one] => (*one).clone(),
            many => format!("[{}]", many.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {all}", qualified_kind(group, kind));
        let causes =
            causes.into_iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect();
        Failure::new(422, "Invalid", message).about(group, kind, name).causes(causes)
    }

    /// The same, where a server was to make the name up: it may try again.
    pub(crate) fn of_a_made_up_name(mut self) -> Failure {
        self.message.push_str(", the server was not able to generate a unique name for the object");
        self.details.get_or_insert_with(Map::new).insert("retryAfterSeconds".to_owned(), json!(1));
        self
    }

    /// 403: not allowed, and why.
    pub(crate) fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Failure {
        let subject = match (plural, name) {
            ("", _) => String::new(),
            (_, "") => format!("{} is ", qualified(group, plural)),
            _ => format!("{} \"{name}\" is ", qualified(group, plural)),
        };
        Failure::new(403, "Forbidden", format!("{subject}forbidden: {why}")).about(group, plural, name)
    }

    /// 403: a webhook says no.
    pub(crate) fn denied_by_webhook(name: &str, why: &str) -> Failure {
        let why = if why.is_empty() { " without explanation".to_owned() } else { format!(": {why}") };
        Failure::new(403, "Forbidden", format!("admission webhook {name:?} denied the request{why}"))
    }

    /// 403: the namespace is going away.
    pub(crate) fn terminating(group: &str, plural: &str, name: &str, namespace: &str) -> Failure {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = json!({
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        });
        Failure::forbidden(group, plural, name, &why).causes(vec![cause])
    }

    /// 400: the request makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(400, "BadRequest", message.into())
    }

    /// 422: a patch that does not fit the object.
    pub(crate) fn unprocessable() -> Failure {
        let message = "the server rejected our request due to an error in our request".to_owned();
        Failure { details: Some(Map::new()), ..Failure::new(422, "Invalid", message) }
    }

    /// 401: no or a wrong token.
    pub(crate) fn unauthorized() -> Failure {
        Failure::new(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// 405: the path knows no such verb.
    pub(crate) fn method_not_allowed() -> Failure {
        let message = "the server does not allow this method on the requested resource".to_owned();
        let mut failure = Failure::new(405, "MethodNotAllowed", message);
        failure.details = Some(Map::new());
        failure
    }

    /// 406: an object cannot be shown in the wanted form.
    pub(crate) fn not_acceptable() -> Failure {
        let message = format!("only the following media types are accepted: {REPRESENTATIONS}");
        Failure::new(406, "NotAcceptable", message)
    }

    /// 406: nothing can be written in any of the wanted media types.
    pub(crate) fn unknown_representation() -> Failure {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {REPRESENTATIONS}");
        Failure { details: Some(Map::new()), ..Failure::new(406, "NotAcceptable", message) }
    }

    /// 410: the asked-for version has left the window.
    pub(crate) fn expired(message: impl Into<String>) -> Failure {
        Failure::new(410, "Expired", message.into())
    }

    /// 410: the version of a list's first page is gone; `resume` goes on at the newest.
    pub(crate) fn expired_page(resume: String) -> Failure {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
        Failure { resume: Some(resume.into()), ..Failure::expired(message) }
    }

    /// 415: a body in a form the server does not read.
    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> Failure {
        Failure::new(415, "UnsupportedMediaType", message.into())
    }

    /// 415: a patch of a kind that the server does not know.
    pub(crate) fn unsupported_patch() -> Failure {
        let failure = Failure::unsupported_media_type("415: Unsupported Media Type");
        Failure { details: Some(Map::new()), ..failure }
    }

    /// 413: a body over the limit.
    pub(crate) fn too_large() -> Failure {
        let message = "Request entity too large: limit is 3145728".to_owned();
        Failure::new(413, "RequestEntityTooLarge", message)
    }

    /// 429: try again later; `why` is what holds it up.
    pub(crate) fn too_many_requests(why: &str) -> Failure {
        Failure::new(429, "TooManyRequests", why.to_owned())
    }

    /// 500: something of the server's own went wrong.
    pub(crate) fn internal(message: impl std::fmt::Display) -> Failure {
        let message = message.to_string();
        let mut failure = Failure::new(500, "InternalError", format!("Internal error occurred: {message}"));
        failure.details = Some(Map::new());
        failure.causes(vec![json!({"message": message})])
    }

    /// 500 without a reason: an error of a kind the server gives no name.
    pub(crate) fn unnamed(message: String) -> Failure {
        Failure::new(500, "", message)
    }

    /// 503: nobody is there to answer.
    pub(crate) fn unavailable() -> Failure {
        let message = "the server is currently unable to handle the request".to_owned();
        Failure::new(503, "ServiceUnavailable", message)
    }

    /// 503: the store has been closed.
    pub(crate) fn closed() -> Failure {
        Failure::new(503, "ServiceUnavailable", "the cluster has been closed".to_owned())
    }

    /// 504: a version from the future was asked for.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> Failure {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut failure = Failure::new(504, "Timeout", format!("Timeout: {message}"));
        failure.details = Some(Map::new());
        let mut failure =
            failure.causes(vec![json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"})]);
        if let Some(details) = &mut failure.details {
            details.insert("retryAfterSeconds".to_owned(), json!(1));
        }
        failure
    }

    /// The `Status` object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(map) = status.as_object_mut() {
            if self.reason.is_empty() {
                map.remove("reason");
            }
            if let Some(resume) = &self.resume {
                map.insert("metadata".to_owned(), json!({"continue": resume}));
            }
            if let Some(details) = &self.details {
                map.insert("details".to_owned(), Value::Object(details.clone()));
            }
        }
        status
    }
}

/// `Deployment.apps`, or `Pod` in the core group.
pub(crate) fn qualified_kind(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.status().to_string()));
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let again = self.details.as_ref().is_some_and(|details| details.contains_key("retryAfterSeconds"));
        if again || matches!(self.code, 429 | 504) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        body::warn(&mut response, &self.warnings);
        response
    }
}
