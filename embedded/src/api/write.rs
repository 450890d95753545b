//! `create` and `update`: reads the body, checks it against the path and the schema, and hands it to the rules inside
//! one transaction, or inside one that is thrown away.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, body};
use crate::failure::Failure;
use crate::merging;
use crate::object;
use crate::registry::Resource;
use crate::rules::{Author, Outcome, Ownership};
use crate::store::Txn;

/// Runs a transaction, or what it would do.
pub(crate) async fn run<T: Send + 'static>(
    call: &Call,
    dry_run: bool,
    work: impl FnOnce(&mut Txn<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    if dry_run { call.store().dry_run(work) } else { call.store().write(work).await? }
}

/// `POST` to a collection.
pub(crate) async fn create(call: &Arc<Call>) -> Result<Response, Failure> {
    let (new, warnings) = decode(call, &call.resource)?;
    let dry_run = call.params.dry_run()?;
    let shared = Arc::clone(call);
    let outcome = run(call, dry_run, move |txn| {
        let manager = shared.manager();
        let author = Author { manager: &manager, subresource: "" };
        shared.rules().create(txn, &shared.resource, new, author, Ownership::Tracked)
    })
    .await?;
    Ok(respond(call, &outcome, warnings, dry_run))
}

/// `PUT` of one object.
pub(crate) async fn replace(call: &Arc<Call>) -> Result<Response, Failure> {
    let (new, warnings) = decode(call, &call.resource)?;
    let name = object::name(&new);
    if name != call.target.name {
        let message = match name {
            "" => "name must be provided".to_owned(),
            name => {
                format!("the name of the object ({name}) does not match the name on the URL ({})", call.target.name)
            }
        };
        return Err(Failure::bad_request(message));
    }
    let dry_run = call.params.dry_run()?;
    let shared = Arc::clone(call);
    let outcome = run(call, dry_run, move |txn| {
        let key = shared.resource.key(&shared.target.namespace, &shared.target.name);
        let live = txn.get(&key).ok_or_else(|| shared.not_found())?;
        let version = object::text(&new, "/metadata/resourceVersion");
        if version.is_empty() && needs_version(&shared.resource) {
            let cause = crate::failure::Cause {
                reason: "FieldValueInvalid",
                message: "Invalid value: 0: must be specified for an update".to_owned(),
                field: "metadata.resourceVersion".to_owned(),
            };
            return Err(Failure::invalid(
                &shared.resource.group,
                &shared.resource.kind,
                &shared.target.name,
                vec![cause],
            ));
        }
        let manager = shared.manager();
        let author = Author { manager: &manager, subresource: &shared.target.subresource };
        shared.rules().update(txn, &shared.resource, &live, new, author, Ownership::Tracked)
    })
    .await?;
    Ok(respond(call, &outcome, warnings, dry_run))
}

/// Kinds that are not replaced without saying which version was read.
///
/// Source: `AllowUnconditionalUpdate` of the kinds' strategies in `k8s.io/kubernetes/pkg/registry`.
fn needs_version(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            resource.kind.as_str(),
            "Lease" | "PodDisruptionBudget" | "EndpointSlice" | "CustomResourceDefinition" | "RuntimeClass"
        )
}

/// The body as an object of the resource: checked against path and schema, unknown fields dropped.
pub(crate) fn decode(call: &Call, resource: &Resource) -> Result<(Value, Vec<String>), Failure> {
    let raw = body::read(&call.headers, &call.body)?;
    if !raw.is_object() {
        return Err(Failure::bad_request("the object provided is unrecognized: it must be a map"));
    }
    let mut new = raw;
    say_kind(resource, &mut new);
    check_kind(resource, &new)?;
    let warnings = merging::conform(resource, &mut new, call.validation()?, merging::duplicates(&call.body))?;
    place(call, &mut new)?;
    Ok((new, warnings))
}

/// A body of a built-in kind that says neither kind nor version, or not both, means what the path says.
pub(crate) fn say_kind(resource: &Resource, value: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    let map = object::as_map(value);
    for (field, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        if map.get(field).is_none_or(|given| given.is_null() || given.as_str() == Some("")) {
            map.insert(field.to_owned(), json!(expected));
        }
    }
}

/// Does the body hold what the path says?
pub(crate) fn check_kind(resource: &Resource, value: &Value) -> Result<(), Failure> {
    let (version, kind) = (object::text(value, "/apiVersion"), object::text(value, "/kind"));
    if kind.is_empty() {
        return Err(Failure::bad_request("Object 'Kind' is missing in the body of the request"));
    }
    let expected = resource.api_version();
    if version != expected {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if kind != resource.kind {
        return Err(Failure::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {}: converting ({}.{kind}) to ({}.{}): unknown conversion",
            resource.version, resource.kind, resource.version, resource.version, resource.kind
        )));
    }
    Ok(())
}

/// Sets the namespace of the path where the body names none; refuses another one.
pub(crate) fn place(call: &Call, new: &mut Value) -> Result<(), Failure> {
    if !call.resource.namespaced {
        return Ok(());
    }
    let named = object::namespace(new);
    if !named.is_empty() && named != call.target.namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let namespace = json!(call.target.namespace);
    object::metadata(new).insert("namespace".to_owned(), namespace);
    Ok(())
}

/// The answer to a write: 201 for a new object, 200 otherwise. A dry run shows the version the object has, none if new.
pub(crate) fn respond(call: &Call, outcome: &Outcome, mut warnings: Vec<String>, dry_run: bool) -> Response {
    let code = if outcome.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut value = outcome.object.value.clone();
    if dry_run {
        let key = call.resource.key(object::namespace(&value), object::name(&value));
        let live = call.store().read().objects.get(&key).map(|live| live.revision);
        let metadata = object::metadata(&mut value);
        match live {
            Some(revision) => metadata.insert("resourceVersion".to_owned(), json!(revision.to_string())),
            None => metadata.remove("resourceVersion"),
        };
    }
    let value = super::read::seen_as(call, &value).unwrap_or(value);
    let mut response = call.show(code, &value);
    warnings.extend(outcome.warnings.iter().cloned());
    body::warn(&mut response, &warnings);
    response
}
