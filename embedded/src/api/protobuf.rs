//! Answers for clients that take nothing but protobuf: the request is answered in JSON, and the answer brought into the
//! other form on its way out. Knows no verb; a client that also takes JSON is given JSON.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use serde_json::Value;

use super::path::Params;
use crate::failure::Failure;
use crate::protobuf::{self, MEDIA};

/// The form that an answer goes out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As it is.
    Same,
    /// The client takes protobuf alone.
    Whole,
    /// The same, and it watches: each event by itself, with its length.
    Events,
}

impl Answer {
    /// Reads a request's `Accept`; where it names protobuf alone, the verbs are told that it names JSON.
    pub(crate) fn of(mut request: Request) -> (Request, Answer) {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.is_empty() || !accept.split(',').all(|entry| entry.trim().starts_with(MEDIA)) {
            return (request, Answer::Same);
        }
        let Ok(json) = HeaderValue::from_str(&accept.replace(MEDIA, "application/json")) else {
            return (request, Answer::Same);
        };
        let watches = Params::parse(request.uri()).is_ok_and(|params| params.flag("watch"));
        request.headers_mut().insert(header::ACCEPT, json);
        (request, if watches { Answer::Events } else { Answer::Whole })
    }

    /// Brings an answer into the form. What has none, such as a custom resource, is refused with 406.
    pub(crate) async fn give(self, response: Response) -> Response {
        let content = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if self == Answer::Same || content != Some("application/json") {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        if self == Answer::Events && parts.status.is_success() {
            let content = HeaderValue::from_static("application/vnd.kubernetes.protobuf;stream=watch");
            parts.headers.insert(header::CONTENT_TYPE, content);
            // The watch sends each event as a line of its own.
            let events = body.into_data_stream().map_ok(|line| event(&line).unwrap_or_default());
            return Response::from_parts(parts, Body::from_stream(events.boxed()));
        }
        let collected = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) => return Failure::internal(error).into_response(),
        };
        let bytes = serde_json::from_slice(&collected).ok().and_then(|value: Value| protobuf::encode(&value));
        let Some(bytes) = bytes else { return Failure::not_acceptable().into_response() };
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        Response::from_parts(parts, Body::from(bytes))
    }
}

/// One event of a watch, out of its line.
fn event(line: &Bytes) -> Option<Bytes> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let kind = event.get("type").and_then(Value::as_str)?;
    protobuf::encode_event(kind, event.get("object")?).map(Bytes::from)
}
