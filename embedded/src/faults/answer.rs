//! What faults make of answers: refusals in the server's words, and bodies that are cut, emptied, silent or broken.

use std::io;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::response::IntoResponse;
use futures::{StreamExt, stream};
use http::{HeaderValue, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::BoxError;

use crate::api::{Params, body};
use crate::failure::Failure;

/// 429 as the server's flow control says it: in plain text.
///
/// Source: `tooManyRequests` in `k8s.io/apiserver/pkg/server/filters`.
pub(super) fn too_many_requests(retry_after: u32) -> Response<Body> {
    let mut response = Response::new(Body::from("Too many requests, please try again later.\n"));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

/// 410: for a watch as the only event of its stream.
pub(super) fn gone(uri: &Uri, watches: bool) -> Response<Body> {
    let asked = Params::parse(uri).ok().and_then(|params| params.number("resourceVersion").ok().flatten()).unwrap_or(0);
    let failure = Failure::expired(format!("too old resource version: {asked} ({})", asked.saturating_add(1)));
    if !watches {
        return failure.into_response();
    }
    body::json(StatusCode::OK, format!("{}\n", json!({"type": "ERROR", "object": failure.status()})))
}

/// The whole body, as it was meant.
async fn collected(response: Response<Body>) -> Result<(Response<()>, Bytes), BoxError> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    Ok((Response::from_parts(head, ()), body.collect().await?.to_bytes()))
}

/// The first half of the body, and then nothing but an error.
pub(super) async fn broken(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (head, whole) = collected(response).await?;
    let half = whole.slice(..whole.len() / 2);
    let parts = stream::iter([Ok(half), Err(ended_early())]);
    Ok(head.map(|()| Body::from_stream(parts)))
}

/// The first half of the body, as if it were the whole.
pub(super) async fn short(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (head, whole) = collected(response).await?;
    Ok(head.map(|()| Body::from(whole.slice(..whole.len() / 2))))
}

/// The answer with its body altered; where that is no success, or nothing that can be altered so, as it is.
pub(super) async fn altered(
    response: Response<Body>,
    alter: impl FnOnce(&mut Value) -> Option<()>,
) -> Result<Response<Body>, BoxError> {
    let (head, whole) = collected(response).await?;
    let body = serde_json::from_slice::<Value>(&whole).ok().filter(|_| head.status().is_success());
    let altered = body.and_then(|mut body| alter(&mut body).map(|()| body.to_string()));
    Ok(head.map(|()| altered.map_or_else(|| Body::from(whole), Body::from)))
}

/// The items of a list, or the rows of a table.
fn items(list: &mut Value) -> Option<&mut Value> {
    let kind = list.get("kind")?.as_str()?;
    let items = if kind == "Table" { "rows" } else { kind.ends_with("List").then_some("items")? };
    list.get_mut(items).filter(|items| items.is_array())
}

/// Takes everything out of a list.
pub(super) fn empty(list: &mut Value) -> Option<()> {
    *items(list)? = json!([]);
    let metadata = list.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("continue");
    metadata.remove("remainingItemCount");
    Some(())
}

/// Leaves nothing, not even an empty list, where the items were.
pub(super) fn without_items(list: &mut Value) -> Option<()> {
    *items(list)? = Value::Null;
    Some(())
}

/// Takes the metadata away.
pub(super) fn without_metadata(object: &mut Value) -> Option<()> {
    object.as_object_mut()?.remove("metadata").map(drop)
}

/// Makes an answer of discovery say that a group's server does not answer.
pub(super) fn with_stale_group(list: &mut Value, group: &str) -> Option<()> {
    if list.get("kind")? != "APIGroupDiscoveryList" {
        return None;
    }
    let groups = list.get_mut("items")?.as_array_mut()?;
    let group = groups.iter_mut().find(|one| one["metadata"]["name"] == group)?;
    for version in group.get_mut("versions")?.as_array_mut()? {
        version["freshness"] = json!("Stale");
        version["resources"] = json!([]);
    }
    Some(())
}

/// The same body under another type.
pub(super) fn said_to_be_html(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
    response
}

/// 200 with a page for a person to read.
pub(super) fn page() -> Response<Body> {
    said_to_be_html(Response::new(Body::from("<!doctype html>\n<title>Sign in</title>\n<p>Sign in to go on.</p>\n")))
}

const HTML: &str = "text/html; charset=utf-8";

/// 400 without a reason.
///
/// Source: `NewGenericServerResponse` in `k8s.io/apimachinery/pkg/api/errors`.
pub(super) fn bad_request() -> Response<Body> {
    Failure::bad_request("the server rejected our request for an unknown reason").into_response()
}

/// 403 as of something that stands before the server.
pub(super) fn forbidden() -> Response<Body> {
    Failure::forbidden("", "", "", "not from here").into_response()
}

/// 200 whose body tells of a failure.
pub(super) fn failure_as_success() -> Response<Body> {
    body::json(StatusCode::OK, Failure::unavailable().status().to_string())
}

/// A stream that is open and says nothing.
pub(super) fn silent(_: Body) -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, io::Error>>())
}

/// A watch that ends after so many events.
pub(super) fn watch_ends(body: Body, after: usize) -> Body {
    Cut::of(body, after, Then::End)
}

/// A watch whose connection breaks in its first event.
pub(super) fn watch_breaks(body: Body) -> Body {
    Cut::of(body, 0, Then::HalfAndBreak)
}

/// A watch that ends in its first event.
pub(super) fn watch_is_cut(body: Body) -> Body {
    Cut::of(body, 0, Then::Half)
}

/// What comes after the events that a watch may still send.
#[derive(Clone, Copy)]
enum Then {
    End,
    Break,
    Half,
    HalfAndBreak,
}

struct Cut {
    events: BodyDataStream,
    left: usize,
    then: Then,
}

impl Cut {
    fn of(body: Body, left: usize, then: Then) -> Body {
        let cut = Cut { events: body.into_data_stream(), left, then };
        Body::from_stream(stream::unfold(cut, |mut cut| async move {
            let item = cut.next().await?;
            Some((item, cut))
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        if self.left == 0 {
            return match std::mem::replace(&mut self.then, Then::End) {
                Then::End => None,
                Then::Break => Some(Err(ended_early().into())),
                half @ (Then::Half | Then::HalfAndBreak) => {
                    if matches!(half, Then::HalfAndBreak) {
                        self.then = Then::Break;
                    }
                    let piece = self.events.next().await?;
                    Some(piece.map(|piece| piece.slice(..piece.len() / 2)).map_err(Into::into))
                }
            };
        }
        let piece = match self.events.next().await? {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error.into())),
        };
        let ends = piece.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let ends: Vec<usize> = ends.take(self.left).collect();
        self.left -= ends.len();
        match ends.last() {
            Some(end) if self.left == 0 => Some(Ok(piece.slice(..*end))),
            _ => Some(Ok(piece)),
        }
    }
}

fn ended_early() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}
