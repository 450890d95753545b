//! Questions that are answered and not kept: may I do this, who am I. Everyone who reached the cluster may do
//! everything: authorisation by role is not simulated yet.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, body, write};
use crate::failure::Failure;
use crate::object;

/// Who every client is.
const USER: &str = "kubernetes-admin";
/// The groups every client is in.
const GROUPS: [&str; 2] = ["system:masters", "system:authenticated"];

/// `POST` of a review.
pub(crate) fn answer(call: &Call) -> Result<Response, Failure> {
    let (mut review, warnings) = write::decode(call, &call.resource)?;
    let status = match call.resource.kind.as_str() {
        "SelfSubjectAccessReview" => json!({"allowed": true}),
        "SelfSubjectReview" => json!({"userInfo": {"username": USER, "groups": GROUPS}}),
        "SelfSubjectRulesReview" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => return bind(call, &review),
    };
    let at = object::rfc3339(call.store().clock().now());
    object::metadata(&mut review).insert("creationTimestamp".to_owned(), json!(at));
    object::set(&mut review, "/status", status);
    let mut response = body::answer(StatusCode::CREATED, &review, call.accept.yaml);
    body::warn(&mut response, &warnings);
    Ok(response)
}

/// A Binding sent to its collection: the same as one sent to its pod, which is the way every scheduler takes.
fn bind(_: &Call, _: &Value) -> Result<Response, Failure> {
    Err(Failure::method_not_allowed())
}
