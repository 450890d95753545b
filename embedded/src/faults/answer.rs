//! What faults make of answers: refusals in the server's words, and bodies that are cut, emptied, silent or broken.

use std::io;

use axum::body::{Body, BodyDataStream, Bytes};
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
    use axum::response::IntoResponse;
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

/// A list (or table) without its items; anything else as it is.
pub(super) async fn emptied(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (head, whole) = collected(response).await?;
    let emptied = head.status().is_success().then(|| without_items(&whole)).flatten();
    Ok(head.map(|()| emptied.map_or_else(|| Body::from(whole), Body::from)))
}

fn without_items(text: &[u8]) -> Option<String> {
    let mut list: Value = serde_json::from_slice(text).ok()?;
    let kind = list.get("kind")?.as_str()?;
    let items = if kind == "Table" { "rows" } else { kind.ends_with("List").then_some("items")? };
    *list.get_mut(items)?.as_array_mut()? = Vec::new();
    let metadata = list.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("continue");
    metadata.remove("remainingItemCount");
    Some(list.to_string())
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
