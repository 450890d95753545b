//! What comes back to a request: read within a limit, and believed only as far as it can be an API server's.
//!
//! Half an answer is no answer. A body that was cut off, a page of a proxy, a list without its metadata: each is told
//! from an answer with nothing in it, because what is taken for absent may be created or deleted. Knows nothing of
//! connections and tries.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use thiserror::Error;

use super::BoxError;
use crate::provider::ProviderError;

/// The largest body that is read, in bytes: more than a page of the largest objects there are comes to.
pub(super) const MAX_BODY: usize = 512 << 20;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The texts of `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// Whether an earlier try ended in a way that leaves open if it was carried out.
    pub(crate) repeated: bool,
    /// Where a refusal is not in an API server's words, what it is instead.
    pub(super) foreign: Option<String>,
    /// How long the body was, in bytes.
    pub(super) bytes: usize,
}

/// Why what came back is no answer of an API server.
#[derive(Debug, Error)]
pub(crate) enum Garbled {
    /// It is something for people or other programs to read.
    #[error("it is {0}, not JSON: something answers in the place of the API server, such as a proxy or a login page")]
    Foreign(String),
    /// It is not whole.
    #[error("it was cut off, or is no JSON: {0}")]
    NotJson(String),
    /// It says that all is well, and then that it is not.
    #[error("its status is {status}, and its body tells of a failure: {message}")]
    Failure {
        /// The status of the answer.
        status: StatusCode,
        /// What its body says.
        message: String,
    },
    /// It goes on and on.
    #[error("it is larger than the {} MiB that are read of one", .0 >> 20)]
    TooLarge(usize),
}

impl Garbled {
    /// Whether the same request may be answered better a moment later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::NotJson(_) | Self::Failure { .. })
    }
}

/// Reads an answer, at most so many bytes of it, and how long it asks to wait before the next try.
///
/// # Errors
/// [`Garbled`], or what the connection says where it breaks.
pub(super) async fn read(response: Response<Body>, most: usize) -> Result<(Answer, Option<Duration>), BoxError> {
    let (head, body) = response.into_parts();
    let asked = head
        .headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .map(Duration::from_secs);
    let warnings =
        head.headers.get_all(header::WARNING).iter().filter_map(|value| warning_text(value.to_str().ok()?)).collect();
    let bytes = collected(body, most).await?;
    let (form, length) = (form(&head.headers), bytes.len());
    let (body, foreign) = match (serde_json::from_slice(&bytes), &form) {
        (_, Some(form)) if head.status.is_success() => return Err(Garbled::Foreign(form.clone()).into()),
        (Ok(body), None) => (body, None),
        (Err(error), None) if head.status.is_success() => return Err(Garbled::NotJson(error.to_string()).into()),
        // A server says so of a path that it has never heard of, such as one of a group that nobody has defined.
        _ if head.status == StatusCode::NOT_FOUND && bytes.trim_ascii() == b"404 page not found" => (Value::Null, None),
        // A refusal in other words comes from something before the server.
        (_, form) => (Value::Null, Some(form.clone().unwrap_or_else(|| "no JSON".to_owned()))),
    };
    if head.status.is_success() && body["kind"] == "Status" && body["status"] == "Failure" {
        let message = body["message"].as_str().unwrap_or("no reason given").to_owned();
        return Err(Garbled::Failure { status: head.status, message }.into());
    }
    Ok((Answer { status: head.status, body, warnings, repeated: false, foreign, bytes: length }, asked))
}

async fn collected(mut body: Body, most: usize) -> Result<Vec<u8>, BoxError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Garbled::TooLarge(most).into());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The form that the headers give the body, where it is not JSON.
fn form(headers: &HeaderMap) -> Option<String> {
    let form = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (form, _) = form.split_once(';').unwrap_or((form, ""));
    let form = form.trim().to_ascii_lowercase();
    (!form.ends_with("json")).then_some(form)
}

/// The text of a `Warning` header, `299 - "text"`.
pub(super) fn warning_text(header: &str) -> Option<String> {
    let (_, rest) = header.split_once('"')?;
    let (text, _) = rest.rsplit_once('"')?;
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    /// Where the next page begins; empty on the last.
    pub(crate) after: String,
    /// How many items are said to come after this page, where that is said.
    pub(crate) left: u64,
}

/// How messages begin by which a server says, with a status that is meant for failures of its own, that what it was sent
/// does not have the form of its kind. It says so however often it is asked.
const MISSHAPEN: [&str; 2] = ["failed to create typed patch object (", "failed to convert new object ("];

impl Answer {
    /// Whether it says that what was sent does not have the form of its kind.
    pub(super) fn is_about_form(&self) -> bool {
        let said = self.body["message"].as_str().unwrap_or_default();
        self.status == StatusCode::INTERNAL_SERVER_ERROR && MISSHAPEN.iter().any(|words| said.starts_with(words))
    }

    /// The body of a 2xx answer; any other answer as an error.
    pub(crate) fn ok(self, doing: &str) -> Result<Value, ProviderError> {
        if self.status.is_success() { Ok(self.body) } else { Err(self.refused(doing)) }
    }

    /// Whether it is in an API server's words, and not in those of something that stands before one.
    pub(crate) fn is_server_s(&self) -> bool {
        self.foreign.is_none()
    }

    /// Whether the server has looked and not found: nothing that stands before a server can say that.
    pub(crate) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.is_server_s()
    }

    /// Whether it says what the server makes of a request, and not that it cannot be asked at the moment or by this
    /// user. A webhook that cannot be asked is one of the things that keep a request from being taken.
    pub(crate) fn is_verdict(&self) -> bool {
        let webhook = self.body["message"].as_str().is_some_and(|said| said.contains("failed calling webhook"));
        let judged = matches!(self.status.as_u16(), 400 | 403..=405 | 409 | 413 | 415 | 422);
        self.is_server_s() && (judged || webhook)
    }

    /// The same as [`Answer::ok`], for one object: an error where it is another, or none.
    pub(crate) fn object(self, kind: &str, name: &str, doing: &str) -> Result<Value, ProviderError> {
        self.whole(kind, name, doing).map(|answer| answer.body)
    }

    /// The same, with all that came with it.
    pub(crate) fn whole(self, kind: &str, name: &str, doing: &str) -> Result<Self, ProviderError> {
        if !self.status.is_success() {
            return Err(self.refused(doing));
        }
        match not_this(&self.body, kind, name) {
            None => Ok(self),
            Some(detail) => Err(ProviderError::Unexpected { doing: doing.to_owned(), detail }),
        }
    }

    /// The same as [`Answer::ok`], for one page of a list: an error where it is none, or not whole.
    pub(crate) fn page(self, doing: &str) -> Result<Page, ProviderError> {
        page(self.ok(doing)?)
            .map_err(|detail| ProviderError::Unexpected { doing: doing.to_owned(), detail: detail.to_owned() })
    }

    /// The error this answer is.
    pub(crate) fn refused(&self, doing: &str) -> ProviderError {
        let text = |key: &str| self.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (reason, mut message) = (text("reason"), text("message"));
        if message.is_empty() {
            message = self.status.canonical_reason().unwrap_or("no reason given").to_owned();
        }
        if let Some(form) = &self.foreign {
            message = format!("{message}, in words that are not an API server's ({form})");
        }
        ProviderError::Refused { doing: doing.to_owned(), code: self.status.as_u16(), reason, message }
    }
}

/// Why a body is not the object of this kind and name; `None` where it is.
fn not_this(body: &Value, kind: &str, name: &str) -> Option<String> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/kind") != kind || text("/metadata/name") != name {
        return Some(format!("it is not the {kind} {name}"));
    }
    // What is only tried has no revision.
    text("/metadata/uid").is_empty().then(|| format!("it is the {kind} {name} without a uid"))
}

fn page(mut body: Value) -> Result<Page, &'static str> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    if text(&body, "kind").is_empty() {
        return Err("it is no list");
    }
    let metadata =
        body.get("metadata").filter(|metadata| metadata.is_object()).ok_or("it is a list without metadata")?;
    if text(metadata, "resourceVersion").is_empty() {
        return Err("it is a list without a revision");
    }
    let after = text(metadata, "continue");
    let left = metadata["remainingItemCount"].as_u64().unwrap_or_default();
    let items = match body.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => return Err("it is a list without items, not even none"),
    };
    let whole = |item: &Value| ["name", "uid"].iter().all(|key| !text(&item["metadata"], key).is_empty());
    if !items.iter().all(whole) {
        return Err("it is a list with an item that has no name or no uid");
    }
    Ok(Page { items, after, left })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(list: Value, expect: Result<usize, &str>) {
        assert_eq!(page(list).map(|page| page.items.len()), expect);
    }

    #[test]
    fn a_list_is_whole_or_none() {
        let metadata = json!({"resourceVersion": "7"});
        let item = json!({"metadata": {"name": "a", "uid": "u"}});
        check(json!({"kind": "PodList", "metadata": metadata, "items": []}), Ok(0));
        check(json!({"kind": "PodList", "metadata": metadata, "items": [item, item]}), Ok(2));
        check(json!({}), Err("it is no list"));
        check(json!([]), Err("it is no list"));
        check(json!({"metadata": metadata, "items": []}), Err("it is no list"));
        check(json!({"kind": "PodList", "items": []}), Err("it is a list without metadata"));
        check(json!({"kind": "PodList", "metadata": {}, "items": []}), Err("it is a list without a revision"));
        let none = Err("it is a list without items, not even none");
        check(json!({"kind": "PodList", "metadata": metadata, "items": null}), none);
        check(json!({"kind": "PodList", "metadata": metadata, "items": {}}), none);
        check(json!({"kind": "PodList", "metadata": metadata}), none);
        let nameless = Err("it is a list with an item that has no name or no uid");
        check(json!({"kind": "PodList", "metadata": metadata, "items": [item, null]}), nameless);
        check(json!({"kind": "PodList", "metadata": metadata, "items": [{"metadata": {"name": "a"}}]}), nameless);
    }

    #[test]
    fn an_object_is_the_one_that_was_asked_for() {
        let check = |body: Value, expect: Option<&str>| assert_eq!(not_this(&body, "Pod", "a").as_deref(), expect);
        check(json!({"kind": "Pod", "metadata": {"name": "a", "uid": "u"}}), None);
        check(json!({"kind": "Pod", "metadata": {"name": "b", "uid": "u"}}), Some("it is not the Pod a"));
        check(json!({"kind": "Status", "metadata": {"name": "a"}}), Some("it is not the Pod a"));
        check(json!(null), Some("it is not the Pod a"));
        check(json!({"kind": "Pod", "metadata": {"name": "a"}}), Some("it is the Pod a without a uid"));
    }

    #[test]
    fn a_warning_is_read() {
        assert_eq!(
            warning_text(r#"299 - "would violate \"restricted\"""#).as_deref(),
            Some(r#"would violate "restricted""#)
        );
        assert_eq!(warning_text("garbage"), None);
    }
}
