//! Events: what controllers tell people, written as core/v1 Event objects, counted when they repeat, and removed when
//! they have grown old.

use serde_json::{Value, json};

use super::queue::Work;
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;

/// Something to tell.
pub(super) struct Event<'a> {
    /// `Normal` or `Warning`.
    pub(super) kind: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// Who tells it: `kubelet`, `default-scheduler` …
    pub(super) component: &'a str,
}

/// Tells it about an object. An event that cannot be written is lost, as on a real cluster.
pub(super) fn tell(context: &mut Context<'_, '_>, about: &Value, event: &Event<'_>) {
    if let Err(failure) = write(context, about, event) {
        tracing::debug!(%failure, reason = event.reason, "an event is lost");
    }
}

/// Tells what the scheduler does or fails to do: in the newer form of events, with an `action` and times to the
/// microsecond.
pub(super) fn announce(context: &mut Context<'_, '_>, about: &Value, event: &Event<'_>, action: &str) {
    if let Err(failure) = write_action(context, about, event, action) {
        tracing::debug!(%failure, reason = event.reason, "an event is lost");
    }
}

fn write(context: &mut Context<'_, '_>, about: &Value, event: &Event<'_>) -> Result<(), Failure> {
    let now = object::rfc3339(context.now());
    let (namespace, name) = place(about, event);
    if let Some(live) = context.get("v1", "Event", &namespace, &name) {
        let mut new = live.value.clone();
        let count = object::number(&new, "/count").unwrap_or(1) + 1;
        object::set(&mut new, "/count", json!(count));
        object::set(&mut new, "/lastTimestamp", json!(now));
        context.update_as(&live, new, event.component, "")?;
        return Ok(());
    }
    let mut source = json!({"component": event.component});
    if event.component == "kubelet" {
        object::set(&mut source, "/host", json!(object::text(about, "/spec/nodeName")));
    }
    context.create(json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved(about),
        "reason": event.reason,
        "message": event.message,
        "type": event.kind,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "eventTime": null,
        "source": source,
        "reportingComponent": event.component,
        "reportingInstance": object::text(&source, "/host"),
    }))?;
    Ok(())
}

fn write_action(context: &mut Context<'_, '_>, about: &Value, event: &Event<'_>, action: &str) -> Result<(), Failure> {
    let now = object::rfc3339_micro(context.now());
    let (namespace, name) = place(about, event);
    if let Some(live) = context.get("v1", "Event", &namespace, &name) {
        let mut new = live.value.clone();
        let count = object::number(&new, "/series/count").unwrap_or(1) + 1;
        object::set(&mut new, "/series", json!({"count": count, "lastObservedTime": now}));
        context.update_as(&live, new, "kube-scheduler", "")?;
        return Ok(());
    }
    context.create(json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved(about),
        "action": action,
        "reason": event.reason,
        "message": event.message,
        "type": event.kind,
        "eventTime": now,
        "firstTimestamp": null,
        "lastTimestamp": null,
        "source": {},
        "reportingComponent": event.component,
        "reportingInstance": format!("{}-simulated", event.component),
    }))?;
    Ok(())
}

/// Namespace and name of the one object for each (object, reason, message): it is counted up, as client-go's recorder
/// does.
fn place(about: &Value, event: &Event<'_>) -> (String, String) {
    let namespace = match object::namespace(about) {
        "" => "default",
        namespace => namespace,
    };
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in [object::uid(about), event.reason, event.message, event.component].join("\u{1f}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (namespace.to_owned(), format!("{}.{hash:016x}", object::name(about)))
}

fn involved(about: &Value) -> Value {
    let mut involved = json!({
        "apiVersion": about.get("apiVersion"),
        "kind": about.get("kind"),
        "name": object::name(about),
        "uid": object::uid(about),
        "resourceVersion": object::text(about, "/metadata/resourceVersion"),
    });
    if !object::namespace(about).is_empty() {
        object::set(&mut involved, "/namespace", json!(object::namespace(about)));
    }
    involved
}

/// Removes events that are older than the options allow; looks again when the next ones will be, at most once a minute.
pub(super) fn expire(context: &mut Context<'_, '_>) -> Result<Again, Failure> {
    let lifetime = context.rules.settings.event_lifetime;
    let mut next: Again = None;
    for event in context.txn.list("events", "") {
        let told = object::time(&event.value, "/series/lastObservedTime")
            .or_else(|| object::time(&event.value, "/lastTimestamp"))
            .or_else(|| object::time(&event.value, "/metadata/creationTimestamp"))
            .unwrap_or_else(|| context.now());
        let until = told + lifetime;
        if until <= context.now() {
            context.delete(&event, &Default::default())?;
        } else {
            next = Some(next.map_or(until, |next| until.min(next)));
        }
    }
    if let Some(next) = next {
        let soonest = context.now() + std::time::Duration::from_secs(60);
        context.queue.chore(next.max(soonest), Work::Events);
    }
    Ok(None)
}
