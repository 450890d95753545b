//! `watch`: the changes after a version as a stream of events, from the recent history, then as they are committed.
//! Sends bookmarks where asked, and ends with 410 when the version has left the window.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use super::body::{self, Form};
use super::read::{self, Selection};
use super::{Call, table};
use crate::failure::Failure;
use crate::store::{Change, Object};

/// How often a watcher that wants bookmarks is told the version although nothing of its kind has changed.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts where the client does not say.
const LASTS: Duration = Duration::from_secs(3600);

struct Watch {
    call: Arc<Call>,
    selection: Selection,
    commits: Receiver<u64>,
    /// Every change up to here has been looked at.
    seen: u64,
    ready: VecDeque<Bytes>,
    bookmarks: bool,
    first_row: bool,
    ended: bool,
    end: Pin<Box<tokio::time::Sleep>>,
    next_bookmark: Pin<Box<tokio::time::Sleep>>,
}

/// Opens a watch.
pub(crate) fn watch(call: &Arc<Call>) -> Result<Response, Failure> {
    let selection = Selection::of(call)?;
    let bookmarks = call.params.flag("allowWatchBookmarks");
    let initial = call.params.flag("sendInitialEvents");
    if initial && call.params.text("resourceVersionMatch") != "NotOlderThan" {
        return Err(Failure::invalid(
            "meta.k8s.io",
            "ListOptions",
            "",
            vec![crate::failure::Cause::forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )],
        ));
    }
    let lasts = call.params.number("timeoutSeconds")?.filter(|s| *s > 0).map_or(LASTS, Duration::from_secs);
    let from = call.params.number("resourceVersion")?;
    let commits = call.store().subscribe();
    let mut watch = Watch {
        call: Arc::clone(call),
        selection,
        commits,
        seen: from.unwrap_or(0),
        ready: VecDeque::new(),
        bookmarks,
        first_row: true,
        ended: false,
        end: Box::pin(tokio::time::sleep(lasts)),
        next_bookmark: Box::pin(tokio::time::sleep(BOOKMARK_EVERY)),
    };
    let begins_now = initial || from.is_none_or(|from| from == 0);
    if begins_now {
        watch.begin(call, initial);
    } else {
        let image = call.store().read();
        if from.is_some_and(|from| from > image.revision) {
            return Err(Failure::too_large_version(watch.seen, image.revision));
        }
    }
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), watch))
    });
    Ok(body::json(StatusCode::OK, Body::from_stream(events)))
}

impl Watch {
    /// Starts with what there is now, each object as if it had just been added.
    fn begin(&mut self, call: &Call, marked: bool) {
        let image = call.store().read();
        let found: Vec<Arc<Object>> = image
            .list(&call.resource.storage, &call.target.namespace)
            .map(|(_, object)| Arc::clone(object))
            .filter(|object| self.selection.matches(&object.value))
            .collect();
        self.seen = image.revision;
        drop(image);
        for object in found {
            self.push("ADDED", &object.value);
        }
        if marked && self.bookmarks {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            self.push_bookmark(Some(annotations));
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            self.commits.borrow_and_update();
            self.catch_up();
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.commits.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                }
                () = &mut self.end => {
                    self.ended = true;
                    if self.bookmarks {
                        self.push_bookmark(None);
                    }
                }
                () = &mut self.next_bookmark => {
                    self.next_bookmark.as_mut().reset(tokio::time::Instant::now() + BOOKMARK_EVERY);
                    if self.bookmarks {
                        self.push_bookmark(None);
                    }
                }
            }
        }
    }

    /// Turns the committed changes after `seen` into events.
    fn catch_up(&mut self) {
        let system = Arc::clone(&self.call.system);
        let image = system.store.read();
        let Some(changes) = image.changes_after(self.seen) else {
            let failure =
                Failure::expired(format!("too old resource version: {} ({})", self.seen, image.oldest_version()));
            self.ready.push_back(line(&json!({"type": "ERROR", "object": failure.status()})));
            self.ended = true;
            return;
        };
        let mine: Vec<Change> = changes
            .filter(|change| {
                change.key.resource == self.call.resource.storage
                    && (self.call.target.namespace.is_empty() || *change.key.namespace == *self.call.target.namespace)
            })
            .cloned()
            .collect();
        self.seen = image.revision;
        drop(image);
        for change in mine {
            self.push_change(&change);
        }
    }

    /// An object that begins or ceases to match the selectors is added or deleted for this watcher.
    fn push_change(&mut self, change: &Change) {
        let selects =
            |object: &Option<Arc<Object>>| object.as_ref().filter(|o| self.selection.matches(&o.value)).cloned();
        match (selects(&change.before), selects(&change.after)) {
            (None, None) => {}
            (None, Some(after)) => self.push("ADDED", &after.value),
            (Some(_), Some(after)) => self.push("MODIFIED", &after.value),
            (Some(before), None) => {
                let version = json!(change.revision.to_string());
                let mut value = before.value.clone();
                crate::object::metadata(&mut value).insert("resourceVersion".to_owned(), version);
                self.push("DELETED", &value);
            }
        }
    }

    fn push(&mut self, kind: &str, value: &Value) {
        let seen_as = read::seen_as(&self.call, value);
        let value = seen_as.as_ref().unwrap_or(value);
        let object = match self.call.accept.form {
            Form::Whole => value.clone(),
            Form::Metadata => body::metadata_only(value),
            Form::Table => {
                let mut options = self.call.table_options();
                options.headers = std::mem::take(&mut self.first_row);
                let now = self.call.store().clock().now();
                table::table(&self.call.resource, std::iter::once(value), options, now)
            }
        };
        self.ready.push_back(line(&json!({"type": kind, "object": object})));
    }

    fn push_bookmark(&mut self, annotations: Option<Value>) {
        let mut metadata = json!({"resourceVersion": self.seen.to_string(), "creationTimestamp": null});
        if let (Some(annotations), Some(map)) = (annotations, metadata.as_object_mut()) {
            map.insert("annotations".to_owned(), annotations);
        }
        let object = json!({
            "kind": self.call.resource.kind,
            "apiVersion": self.call.resource.api_version(),
            "metadata": metadata,
        });
        self.ready.push_back(line(&json!({"type": "BOOKMARK", "object": object})));
    }
}

fn line(event: &Value) -> Bytes {
    let mut text = event.to_string();
    text.push('\n');
    Bytes::from(text)
}
