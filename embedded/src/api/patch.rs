//! `patch`: server-side apply, merge patch, JSON patch and strategic merge patch. Works out the new object and hands it
//! to the rules like any other write.

use std::sync::Arc;

use axum::response::Response;
use serde_json::Value;

use super::path::FieldValidation;
use super::{Call, body, strategic, write};
use crate::failure::{Cause, Failure};
use crate::merging;
use crate::object;
use crate::rules::{Author, Outcome, Ownership};
use crate::store::Txn;

/// What kind of patch the body is.
pub(crate) enum Patch {
    /// The fields that the manager wants.
    Apply { config: Value, force: bool },
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(json_patch::Patch),
    /// Kubernetes' own, by the schema's merge keys.
    Strategic(Value),
}

impl Patch {
    /// Reads the body by its content type.
    pub(crate) fn read(call: &Call) -> Result<Patch, Failure> {
        let force = call.params.text("force");
        let media = body::media_type(&call.headers);
        let options = |cause| Err(Failure::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
        if media == "application/apply-patch+yaml" {
            if call.params.text("fieldManager").is_empty() {
                return options(Cause::required("fieldManager", "is required for apply patch"));
            }
            let config = body::yaml(&call.body)?;
            return Ok(Patch::Apply { config, force: force == "true" });
        }
        if !force.is_empty() {
            return options(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        match media {
            "application/merge-patch+json" => Ok(Patch::Merge(body::read(&call.headers, &call.body)?)),
            "application/json-patch+json" => serde_json::from_slice(&call.body)
                .map(Patch::Json)
                .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}"))),
            "application/strategic-merge-patch+json" if call.resource.custom.is_none() => {
                Ok(Patch::Strategic(body::read(&call.headers, &call.body)?))
            }
            other => {
                let custom = call.resource.custom.is_some();
                let known = if custom {
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
                } else {
                    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"
                };
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: {known} (got {other})"
                );
                Err(Failure::unsupported_media_type(message))
            }
        }
    }

    /// The patched object, for every kind of patch but apply.
    pub(crate) fn patched(&self, live: &Value, schema: &structured_merge::schema::TypeRef) -> Result<Value, Failure> {
        let mut new = live.clone();
        match self {
            Patch::Apply { .. } => {}
            Patch::Merge(patch) => json_patch::merge(&mut new, patch),
            Patch::Json(patch) => {
                json_patch::patch(&mut new, patch).map_err(|error| Failure::unprocessable(&error.to_string()))?;
            }
            Patch::Strategic(patch) => strategic::apply(&mut new, patch, schema)?,
        }
        Ok(new)
    }
}

/// `PATCH` of one object.
pub(crate) async fn patch(call: &Arc<Call>) -> Result<Response, Failure> {
    let patch = Patch::read(call)?;
    let validation = call.validation()?;
    let dry_run = call.params.dry_run()?;
    let shared = Arc::clone(call);
    let (outcome, warnings) = write::run(call, dry_run, move |txn| match &patch {
        Patch::Apply { config, force } => apply(&shared, txn, config.clone(), *force, validation),
        other => plain(&shared, txn, other, validation),
    })
    .await?;
    Ok(write::respond(call, &outcome, warnings, dry_run))
}

fn plain(
    call: &Call,
    txn: &mut Txn<'_>,
    patch: &Patch,
    validation: FieldValidation,
) -> Result<(Outcome, Vec<String>), Failure> {
    let key = call.resource.key(&call.target.namespace, &call.target.name);
    let live = txn.get(&key).ok_or_else(|| call.not_found())?;
    let mut new = patch.patched(&live.value, &call.resource.schema)?;
    write::check_kind(&call.resource, &new)?;
    let warnings = merging::conform(&call.resource, &mut new, validation, Vec::new())?;
    if object::name(&new) != call.target.name {
        let cause = Cause::invalid("metadata.name", &Value::from(object::name(&new)), "field is immutable");
        return Err(Failure::invalid(&call.resource.group, &call.resource.kind, object::name(&new), vec![cause]));
    }
    let manager = call.manager();
    let author = Author { manager: &manager, subresource: &call.target.subresource };
    let outcome = call.rules().update(txn, &call.resource, &live, new, author, Ownership::Tracked)?;
    Ok((outcome, warnings))
}

fn apply(
    call: &Call,
    txn: &mut Txn<'_>,
    mut config: Value,
    force: bool,
    validation: FieldValidation,
) -> Result<(Outcome, Vec<String>), Failure> {
    let resource = &call.resource;
    write::check_kind(resource, &config)?;
    let named = object::name(&config);
    if !named.is_empty() && named != call.target.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({})",
            call.target.name
        )));
    }
    if !object::items(&config, "/metadata/managedFields").is_empty() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let name = Value::from(call.target.name.as_str());
    object::metadata(&mut config).insert("name".to_owned(), name);
    write::place(call, &mut config)?;
    let key = resource.key(&call.target.namespace, &call.target.name);
    let live = txn.get(&key);
    let manager = call.manager();
    let author = Author { manager: &manager, subresource: &call.target.subresource };
    let warnings = match (validation, merging::duplicates(&call.body)) {
        (FieldValidation::Ignore, _) => Vec::new(),
        (FieldValidation::Strict, duplicates) if !duplicates.is_empty() => {
            return Err(Failure::bad_request(format!("error strict decoding YAML: {}", duplicates.join(", "))));
        }
        (_, duplicates) => duplicates,
    };
    match live {
        Some(live) => {
            merging::restrict(resource, &mut config, author.subresource);
            let mut merged = merging::apply(resource, Some(&live.value), &config, author, force, txn.now())?;
            merging::conform(resource, &mut merged, FieldValidation::Ignore, Vec::new())?;
            let outcome = call.rules().update(txn, resource, &live, merged, author, Ownership::Applied)?;
            Ok((outcome, warnings))
        }
        None => {
            if !author.subresource.is_empty() {
                return Err(call.not_found());
            }
            let uid = object::uid(&config);
            if !uid.is_empty() {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(Failure::conflict(&resource.group, &resource.plural, &call.target.name, &why));
            }
            merging::restrict(resource, &mut config, author.subresource);
            call.may_create(txn)?;
            let mut merged = merging::apply(resource, None, &config, author, force, txn.now())?;
            merging::conform(resource, &mut merged, FieldValidation::Ignore, Vec::new())?;
            let outcome = call.rules().create(txn, resource, merged, author, Ownership::Applied)?;
            Ok((outcome, warnings))
        }
    }
}
