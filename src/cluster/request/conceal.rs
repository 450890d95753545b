//! What is told of a refusal: never a value that is known to be secret and, where the refused object is a Secret, not the
//! message, because it may quote what the object holds in ways that nobody foresees.

use http::StatusCode;
use serde_json::Value;

use super::answer::Answer;
use crate::secrets::Known;

/// What a server says about a Secret that it has not looked into: who may not do what, and what has no room.
const HARMLESS: [&str; 4] =
    ["User ", "exceeded quota: ", "failed quota: ", "unable to create new content in namespace "];
/// How the message begins where a webhook could not be asked.
const UNASKED: &str = "Internal error occurred: failed calling webhook ";

/// How it begins where an object does not fit its type; what follows may quote it, unless it only names a field.
const UNTYPED: &str = "failed to create typed patch object (";

/// Whether a request is about what a Secret holds: it was sent one, or changes one.
pub(super) fn is_about_secret(target: &str, reads: bool, body: &Value) -> bool {
    let mut parts = target.trim_start_matches('/').split('/');
    let core = (parts.next(), parts.next()) == (Some("api"), Some("v1"));
    body["kind"] == "Secret" || (!reads && core && parts.nth(2) == Some("secrets"))
}

/// Takes out of an answer what must not be told.
pub(super) fn conceal(answer: &mut Answer, about_secret: bool, known: &Known) {
    for warning in &mut answer.warnings {
        *warning = known.told(warning).into_owned();
    }
    if answer.status.is_success() {
        return;
    }
    known.clean(&mut answer.body);
    if about_secret && answer.is_server_s() && !is_harmless(answer.status, &answer.body) {
        withhold(answer.status, &mut answer.body);
    }
}

fn is_harmless(status: StatusCode, body: &Value) -> bool {
    let said = body["message"].as_str().unwrap_or_default();
    let why = said.strip_prefix("secrets ").and_then(|said| said.split_once("is forbidden: "));
    let told = why.is_some_and(|(_, why)| HARMLESS.iter().any(|beginning| why.starts_with(beginning)));
    let absent =
        ["namespaces \"", "secrets \""].iter().any(|kind| said.starts_with(kind)) && said.ends_with("\" not found");
    let undeclared = said.starts_with(UNTYPED) && said.ends_with(": field not declared in schema");
    (status == StatusCode::FORBIDDEN && told) || said.starts_with(UNASKED) || absent || undeclared
}

/// Leaves of a refusal its reason, and the fields and managers that it names.
fn withhold(status: StatusCode, body: &mut Value) {
    let mut fields = Vec::new();
    if let Some(causes) = body.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
        for cause in causes.iter_mut().filter(|cause| cause["reason"] != "FieldManagerConflict") {
            fields.extend(cause["field"].as_str().map(str::to_owned));
            if let Some(cause) = cause.as_object_mut() {
                cause.remove("message");
            }
        }
    }
    let code = status.canonical_reason().unwrap_or("no reason given");
    let reason = body["reason"].as_str().filter(|reason| !reason.is_empty()).unwrap_or(code);
    let at = if fields.is_empty() { String::new() } else { format!(" at {}", fields.join(", ")) };
    let told = format!("{reason}{at} (the message is not shown, because it may hold what is secret)");
    if let Some(body) = body.as_object_mut() {
        body.insert("message".to_owned(), told.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(about_secret: bool, code: u16, message: &str, expect: &str) {
        let known = Known::default();
        known.note(b"hunter2");
        let body = json!({"kind": "Status", "reason": "Invalid", "message": message, "details": {"causes": [
            {"reason": "FieldValueInvalid", "field": "data[a]", "message": message},
        ]}});
        let status = StatusCode::from_u16(code).unwrap_or_default();
        let warnings = vec!["hunter2 is short".to_owned()];
        let mut answer = Answer { status, body, warnings, repeated: false, foreign: None, bytes: 0 };
        conceal(&mut answer, about_secret, &known);
        assert_eq!(answer.body["message"], expect);
        assert!(!answer.body.to_string().contains("hunter2"));
        assert_eq!(answer.warnings, ["(secret) is short"]);
    }

    #[test]
    fn a_message_is_told_without_what_is_secret() {
        check(false, 422, "Invalid value: \"hunter2\"", "Invalid value: \"(secret)\"");
        let untold = "Invalid at data[a] (the message is not shown, because it may hold what is secret)";
        check(true, 422, "Invalid value: \"hunt", untold);
        check(true, 403, "admission webhook \"a\" denied the request: hunt", untold);
        let user = "secrets \"keys\" is forbidden: User \"a\" cannot patch resource \"secrets\"";
        check(true, 403, user, user);
        let quota = "secrets \"keys\" is forbidden: exceeded quota: a, requested: secrets=1";
        check(true, 403, quota, quota);
        let undeclared =
            "failed to create typed patch object (a/b; /v1, Kind=Secret): .secret: field not declared in schema";
        check(true, 500, undeclared, undeclared);
        let unasked = "Internal error occurred: failed calling webhook \"a\": no endpoints";
        check(true, 500, unasked, unasked);
    }

    #[test]
    fn what_is_about_a_secret_is_known_by_its_path_and_its_body() {
        let patch = |target: &str| is_about_secret(target, false, &json!([]));
        assert!(patch("/api/v1/namespaces/a/secrets/b") && !patch("/api/v1/namespaces/a/configmaps/secrets"));
        assert!(!is_about_secret("/api/v1/namespaces/a/secrets", true, &Value::Null));
        assert!(is_about_secret("/api/v1/namespaces/a/secrets", true, &json!({"kind": "Secret"})));
    }
}
