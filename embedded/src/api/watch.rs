//! `watch`: the changes after a version as a stream of events, from the recent history, then as they are committed.
//! Sends bookmarks where asked, and ends with 410 when the version has left the window.

use std::collections::VecDeque;
use std::convert::Infallible;
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
use super::{Call, bookmark, list, table};
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
    let lasts = call.params.signed("timeoutSeconds")?.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    list::validate(call, true)?;
    let selection = Selection::of(call)?;
    let from = list::version(call.params.text("resourceVersion")).map_err(Failure::unnamed)?.unwrap_or(0);
    let begins = call.params.has("sendInitialEvents").then(|| call.params.flag("sendInitialEvents"));
    let commits = call.store().subscribe();
    let mut watch = Watch {
        call: Arc::clone(call),
        selection,
        commits,
        seen: from,
        ready: VecDeque::new(),
        bookmarks: call.params.flag("allowWatchBookmarks"),
        first_row: true,
        ended: false,
        end: Box::pin(tokio::time::sleep(lasts.map_or(LASTS, Duration::from_secs))),
        next_bookmark: Box::pin(tokio::time::sleep(BOOKMARK_EVERY)),
    };
    match begins {
        Some(true) => watch.begin(from, true),
        Some(false) if from == 0 => watch.seen = call.store().read().revision,
        None if from == 0 => watch.begin(from, false),
        _ => {}
    }
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Ok(body::json(StatusCode::OK, Body::from_stream(events)))
}

impl Watch {
    /// Starts with what there is now, each object as if it had just been added; it may not be older than `at_least`.
    fn begin(&mut self, at_least: u64, marked: bool) {
        let system = Arc::clone(&self.call.system);
        let image = system.store.read();
        if at_least > image.revision {
            self.fail(&Failure::too_large_version(at_least, image.revision));
            return;
        }
        let found: Vec<Arc<Object>> = image
            .list(&self.call.resource.storage, &self.call.target.namespace)
            .map(|(_, object)| Arc::clone(object))
            .filter(|object| self.selection.matches(&object.value))
            .collect();
        self.seen = image.revision;
        drop(image);
        for object in found {
            self.push_object("ADDED", &object);
        }
        if marked && self.bookmarks {
            self.push_bookmark(Some("k8s.io/initial-events-end"));
        }
    }

    /// Ends with an error.
    fn fail(&mut self, failure: &Failure) {
        self.ready.push_back(event("ERROR", failure.status().to_string().as_bytes()));
        self.ended = true;
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
            let text = format!("too old resource version: {} ({})", self.seen, image.oldest_version());
            self.fail(&Failure::expired(text));
            return;
        };
        let mine: Vec<Change> = changes
            .filter(|change| {
                change.key.resource == self.call.resource.storage
                    && (self.call.target.namespace.is_empty() || *change.key.namespace == *self.call.target.namespace)
            })
            .cloned()
            .collect();
        // A version that is yet to come stays the one to wait for.
        self.seen = self.seen.max(image.revision);
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
            (None, Some(after)) => self.push_object("ADDED", &after),
            (Some(_), Some(after)) => self.push_object("MODIFIED", &after),
            (Some(before), None) => {
                let version = json!(change.revision.to_string());
                let mut value = before.value.clone();
                crate::object::metadata(&mut value).insert("resourceVersion".to_owned(), version);
                self.push("DELETED", &value);
            }
        }
    }

    /// The stored text goes out as it is where nothing else is asked for.
    fn push_object(&mut self, kind: &str, object: &Object) {
        if self.call.accept.form == Form::Whole && read::seen_as(&self.call, &object.value).is_none() {
            self.ready.push_back(event(kind, &object.json()));
        } else {
            self.push(kind, &object.value);
        }
    }

    fn push(&mut self, kind: &str, value: &Value) {
        let seen_as = read::seen_as(&self.call, value);
        let value = seen_as.as_ref().unwrap_or(value);
        let shown = match self.call.accept.form {
            Form::Whole => value.to_string(),
            Form::Metadata => body::metadata_only(value).to_string(),
            Form::Table => {
                let mut options = self.call.table_options();
                options.headers = std::mem::take(&mut self.first_row);
                let now = self.call.store().clock().now();
                table::table(&self.call.resource, std::iter::once(value), options, now).to_string()
            }
        };
        self.ready.push_back(event(kind, shown.as_bytes()));
    }

    fn push_bookmark(&mut self, annotation: Option<&str>) {
        let (kind, api_version) = (self.call.resource.kind.clone(), self.call.resource.api_version());
        let mut object = bookmark::empty(&api_version, &kind);
        let mut metadata = json!({"resourceVersion": self.seen.to_string()});
        if let Some(annotation) = annotation {
            crate::object::set(&mut metadata, "/annotations", json!({annotation: "true"}));
        }
        for (field, value) in [("kind", json!(kind)), ("apiVersion", json!(api_version)), ("metadata", metadata)] {
            crate::object::as_map(&mut object).insert(field.to_owned(), value);
        }
        self.push("BOOKMARK", &object);
    }
}

/// One line of a watch; `object` is JSON text.
fn event(kind: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + kind.len() + 24);
    for part in [&b"{\"type\":\""[..], kind.as_bytes(), b"\",\"object\":", object, b"}\n"] {
        line.extend_from_slice(part);
    }
    Bytes::from(line)
}
