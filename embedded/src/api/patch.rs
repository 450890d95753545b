//! `patch`: server-side apply, merge patch, JSON patch and strategic merge patch. Works out the new object and hands it
//! to the rules like any other write.

use std::sync::Arc;

use axum::response::Response;
use serde_json::Value;
use structured_merge::schema::TypeRef;

use super::path::FieldValidation;
use super::request_options::{self, WriteOptions};
use super::{Call, body, json_patch, strategic, write};
use crate::decoding;
use crate::failure::{Cause, Failure};
use crate::merging;
use crate::object;
use crate::registry::Resource;
use crate::rules::{Author, Outcome, Ownership};
use crate::store::Txn;
use crate::versions;

/// How many operations a JSON patch may have.
const MOST_OPERATIONS: usize = 10_000;

/// What kind of patch the body is.
pub(crate) enum Patch {
    /// The fields that the manager wants.
    Apply { config: Value, force: bool },
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(Vec<Value>),
    /// Kubernetes' own, by the schema's merge keys.
    Strategic(Value),
}

impl Patch {
    /// Reads the body by its content type, and the options of the request.
    pub(crate) fn read(call: &Call) -> Result<(Patch, WriteOptions), Failure> {
        let media = body::media_type(&call.headers);
        let custom = call.resource.custom.is_some();
        match media {
            "application/merge-patch+json" | "application/json-patch+json" | "application/apply-patch+yaml" => {}
            "application/strategic-merge-patch+json" if !custom => {}
            _ if custom => {
                let known = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                return Err(Failure::unsupported_media_type(format!(
                    "the body of the request was in an unknown format - accepted media types include: {known}"
                )));
            }
            _ => return Err(Failure::unsupported_patch()),
        }
        let applies = media == "application/apply-patch+yaml";
        let options = request_options::read(&call.params, "PatchOptions", Some(applies))?;
        // What is not there cannot be patched, whatever the patch is.
        let refuse = |text: String| if is_there(call) { Failure::bad_request(text) } else { call.not_found() };
        let undecodable = |error: String| refuse(format!("error decoding patch: {error}"));
        let patch = match media {
            "application/apply-patch+yaml" => Patch::Apply { config: configuration(call)?, force: options.force },
            "application/merge-patch+json" => Patch::Merge(decoding::json_map(&call.body).map_err(undecodable)?),
            "application/json-patch+json" => Patch::Json(operations(&call.body).map_err(undecodable)?),
            _ => Patch::Strategic(decoding::json_map(&call.body).map_err(refuse)?),
        };
        Ok((patch, options))
    }

    /// The patched object, for every kind of patch but apply.
    pub(crate) fn patched(&self, live: &Value, schema: &TypeRef) -> Result<Value, Failure> {
        let mut new = live.clone();
        match self {
            Patch::Apply { .. } => {}
            Patch::Merge(patch) => json_patch::merge(&mut new, patch),
            Patch::Json(operations) => {
                json_patch::apply(&mut new, operations).map_err(|_| Failure::unprocessable())?;
            }
            Patch::Strategic(patch) => strategic::apply(&mut new, patch, schema)?,
        }
        Ok(new)
    }

    /// What a strict reading finds wrong with the patch itself.
    fn faults(&self, call: &Call) -> Vec<String> {
        const KNOWN: [&str; 4] = ["op", "path", "from", "value"];
        let Patch::Json(operations) = self else { return decoding::duplicates(&call.body) };
        let mut faults: Vec<String> = Vec::new();
        for (at, operation) in operations.iter().enumerate() {
            let keys = operation.as_object().into_iter().flat_map(serde_json::Map::keys);
            faults.extend(
                keys.filter(|key| !KNOWN.contains(&key.as_str()))
                    .map(|key| format!("json patch unknown field \"[{at}].{key}\"")),
            );
        }
        faults
    }
}

/// Is there an object to be patched?
fn is_there(call: &Call) -> bool {
    let key = call.resource.key(&call.target.namespace, &call.target.name);
    call.store().read().objects.contains_key(&key)
}

/// The operations of a JSON patch.
fn operations(text: &[u8]) -> Result<Vec<Value>, String> {
    let list = match decoding::json_value(text)? {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        other => {
            let found = decoding::shape(&other);
            return Err(format!("json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp"));
        }
    };
    match list.iter().find(|operation| !operation.is_object() && !operation.is_null()) {
        Some(other) => {
            let found = decoding::shape(other);
            Err(format!("json: cannot unmarshal {found} into Go value of type handlers.jsonPatchOp"))
        }
        None if list.len() > MOST_OPERATIONS => {
            Err(format!("the allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}", list.len()))
        }
        None => Ok(list),
    }
}

/// The configuration of an apply.
fn configuration(call: &Call) -> Result<Value, Failure> {
    let undecodable = |error: String| Failure::bad_request(format!("error decoding YAML: {error}"));
    match body::yaml_value(&call.body)
        .map_err(|error| undecodable(format!("error converting YAML to JSON: {error}")))?
    {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        value @ Value::Object(_) => Ok(value),
        other => {
            let found = decoding::shape(&other);
            Err(undecodable(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )))
        }
    }
}

/// `PATCH` of one object.
pub(crate) async fn patch(call: &Arc<Call>) -> Result<Response, Failure> {
    let (patch, options) = Patch::read(call)?;
    let shared = Arc::clone(call);
    let (outcome, warnings) = write::run(call, options.dry_run, move |txn| match &patch {
        Patch::Apply { config, force } => apply(&shared, txn, config.clone(), *force, options.validation),
        other => plain(&shared, txn, other, options.validation),
    })
    .await?;
    Ok(write::respond(call, &outcome, warnings, options.dry_run))
}

fn plain(
    call: &Call,
    txn: &mut Txn<'_>,
    patch: &Patch,
    validation: FieldValidation,
) -> Result<(Outcome, Vec<String>), Failure> {
    let resource = &call.resource;
    let key = resource.key(&call.target.namespace, &call.target.name);
    let live = txn.get(&key).ok_or_else(|| call.not_found())?;
    let seen = versions::seen(resource, &live.value);
    let (new, warnings) = patched(call, resource, seen.as_ref().unwrap_or(&live.value), patch, validation)?;
    write::check_version(resource, &new).map_err(|failure| failure.after(&warnings))?;
    let manager = call.manager();
    let author = Author { manager: &manager, subresource: &call.target.subresource };
    let outcome = call.rules().update(txn, resource, &live, new, author, Ownership::Tracked);
    Ok((outcome.map_err(|failure| failure.after(&warnings))?, warnings))
}

/// What a patch that is no apply makes of an object, read as one of its resource, and what is to be warned of.
pub(super) fn patched(
    call: &Call,
    resource: &Resource,
    live: &Value,
    patch: &Patch,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    let mut new = patch.patched(live, &resource.schema)?;
    let refuse = |new: &Value, why: &str| {
        let shown = match patch {
            Patch::Strategic(patch) => decoding::print(patch),
            _ => new.to_string(),
        };
        Failure::invalid("", "", "", vec![Cause::invalid("patch", &Value::from(shown), why)])
    };
    let patched = new.clone();
    let strategic = matches!(patch, Patch::Strategic(_));
    if strategic {
        // Whatever the patch says, it is read as the type that the object has.
        let map = object::as_map(&mut new);
        map.insert("apiVersion".to_owned(), Value::from(resource.api_version()));
        map.insert("kind".to_owned(), Value::from(resource.kind.as_str()));
    }
    if resource.custom.is_some() {
        if object::text(&new, "/kind").is_empty() {
            return Err(refuse(&patched, &format!("Object 'Kind' is missing in '{patched}'")));
        }
    } else if !strategic && write::check_kind(resource, &new).is_err() {
        let (version, kind) = (object::text(&new, "/apiVersion"), object::text(&new, "/kind"));
        let why = write::kind_fault(resource, version, kind);
        // The scheme alone speaks here: without who asked.
        return Err(refuse(&patched, why.split_once(": ").map_or(why.as_str(), |(_, why)| why)));
    }
    let conformed = decoding::conform(resource, &mut new);
    if let Some(wrong) = conformed.wrong {
        return Err(refuse(&patched, if strategic { &wrong.restored } else { &wrong.decoded }));
    }
    let mut faults = patch.faults(call);
    faults.extend(conformed.unknown);
    faults.extend(write::unknown_version(resource, &new));
    let warnings = match validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Strict if !faults.is_empty() => {
            return Err(refuse(&patched, &format!("strict decoding error: {}", faults.join(", "))));
        }
        FieldValidation::Strict | FieldValidation::Warn => faults,
    };
    let placed = write::check_name(call, object::name(&new)).and_then(|()| write::place(call, &mut new));
    match placed {
        Ok(()) => Ok((new, warnings)),
        Err(failure) => Err(failure.after(&warnings)),
    }
}

/// Can this be applied at all?
pub(super) fn check_configuration(resource: &Resource, config: &Value) -> Result<(), Failure> {
    let (version, kind) = (object::text(config, "/apiVersion"), object::text(config, "/kind"));
    if (version, kind) != (resource.api_version().as_str(), resource.kind.as_str()) {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        return Err(Failure::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
    }
    if !object::items(config, "/metadata/managedFields").is_empty() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// What is to be warned of in the text that is applied.
pub(super) fn text_warnings(call: &Call, validation: FieldValidation) -> Result<Vec<String>, Failure> {
    match (validation, body::yaml_duplicate(&call.body)) {
        (FieldValidation::Ignore, _) => Ok(Vec::new()),
        (FieldValidation::Strict, Some(duplicate)) => Err(Failure::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {duplicate}"
        ))),
        (_, duplicate) => Ok(duplicate.into_iter().collect()),
    }
}

fn apply(
    call: &Call,
    txn: &mut Txn<'_>,
    mut config: Value,
    force: bool,
    validation: FieldValidation,
) -> Result<(Outcome, Vec<String>), Failure> {
    let resource = &call.resource;
    let key = resource.key(&call.target.namespace, &call.target.name);
    let live = txn.get(&key);
    if live.is_none() && !call.target.subresource.is_empty() {
        return Err(call.not_found());
    }
    check_configuration(resource, &config)?;
    let named = object::name(&config).to_owned();
    let manager = call.manager();
    let author = Author { manager: &manager, subresource: &call.target.subresource };
    let warnings = text_warnings(call, validation)?;
    if live.is_none() {
        call.may_create(txn)?;
    }
    let whole = config.clone();
    merging::restrict(resource, &mut config, author.subresource);
    if whole != config {
        // What this endpoint does not set has to fit too.
        merging::apply(resource, None, &whole, author, force, txn.now())?;
    }
    let seen = live.as_ref().and_then(|live| versions::seen(resource, &live.value));
    let seen = seen.as_ref().or(live.as_ref().map(|live| &live.value));
    let mut merged = merging::apply(resource, seen, &config, author, force, txn.now())?;
    if let Some(wrong) = decoding::conform(resource, &mut merged).wrong {
        return Err(unreadable(resource, &config, &wrong.restored));
    }
    let uid = object::uid(&config);
    if live.is_none() && !uid.is_empty() {
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Failure::conflict(&resource.group, &resource.plural, &call.target.name, &why));
    }
    // The namespace of the path is the object's, and no part of what is applied.
    write::place(call, &mut merged)?;
    if !named.is_empty() {
        write::check_name(call, &named)?;
    }
    object::metadata(&mut merged).insert("name".to_owned(), Value::from(call.target.name.as_str()));
    if live.is_some() {
        write::check_version(resource, &merged).map_err(|failure| failure.after(&warnings))?;
    }
    let outcome = match live {
        Some(live) => call.rules().update(txn, resource, &live, merged, author, Ownership::Applied),
        None => write::make(call, txn, merged, Ownership::Applied),
    };
    Ok((outcome.map_err(|failure| failure.after(&warnings))?, warnings))
}

/// An apply that fits the schema and makes an object that Go's types cannot hold.
fn unreadable(resource: &Resource, config: &Value, why: &str) -> Failure {
    let kind = format!("{}/{}, Kind={}", resource.group, resource.version, resource.kind);
    Failure::unnamed(format!(
        "failed to convert new object ({}/{}; {kind}) to proper version: unable to convert unstructured object to {kind}: {why}",
        object::namespace(config),
        object::name(config)
    ))
}
