//! `create` and `update`: reads the body, checks it against the path and the schema, and hands it to the rules inside
//! one transaction, or inside one that is thrown away.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::path::FieldValidation;
use super::{Call, body, request_options};
use crate::decoding;
use crate::failure::{Cause, Failure};
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
    let options = request_options::read(&call.params, "CreateOptions", None)?;
    let (mut new, warnings) = decode(call, &call.resource, options.validation)?;
    place(call, &mut new).map_err(|failure| failure.after(&warnings))?;
    let dry_run = options.dry_run;
    let shared = Arc::clone(call);
    let outcome = run(call, dry_run, move |txn| {
        let manager = shared.manager();
        let author = Author { manager: &manager, subresource: "" };
        shared.rules().create(txn, &shared.resource, new, author, Ownership::Tracked)
    })
    .await
    .map_err(|failure| failure.after(&warnings))?;
    Ok(respond(call, &outcome, warnings, dry_run))
}

/// `PUT` of one object.
pub(crate) async fn replace(call: &Arc<Call>) -> Result<Response, Failure> {
    let options = request_options::read(&call.params, "UpdateOptions", None)?;
    let (new, warnings) = decode(call, &call.resource, options.validation)?;
    let new = in_place(call, new).map_err(|failure| failure.after(&warnings))?;
    let dry_run = options.dry_run;
    let shared = Arc::clone(call);
    let outcome = run(call, dry_run, move |txn| {
        let key = shared.resource.key(&shared.target.namespace, &shared.target.name);
        let live = txn.get(&key);
        if live.is_none() && (!creates_on_update(&shared.resource) || !shared.target.subresource.is_empty()) {
            return Err(shared.not_found());
        }
        precondition(&shared, live.as_ref().map_or(&Value::Null, |live| &live.value), &new, dry_run)?;
        let Some(live) = live else {
            shared.may_create(txn)?;
            return make(&shared, txn, new, Ownership::Tracked);
        };
        check_version(&shared.resource, &new)?;
        let manager = shared.manager();
        let author = Author { manager: &manager, subresource: &shared.target.subresource };
        shared.rules().update(txn, &shared.resource, &live, new, author, Ownership::Tracked)
    })
    .await
    .map_err(|failure| failure.after(&warnings))?;
    Ok(respond(call, &outcome, warnings, dry_run))
}

/// Makes an object where an update or an apply found none. The version that it names is not looked at.
pub(super) fn make(call: &Call, txn: &mut Txn<'_>, mut new: Value, ownership: Ownership) -> Result<Outcome, Failure> {
    let version = object::text(&new, "/metadata/resourceVersion").to_owned();
    object::metadata(&mut new).remove("resourceVersion");
    let manager = call.manager();
    let author = Author { manager: &manager, subresource: "" };
    let outcome = call.rules().create(txn, &call.resource, new, author, ownership)?;
    Ok(Outcome { version, ..outcome })
}

/// Does an object that takes the place of another say which version was read, where it has to?
pub(super) fn check_version(resource: &Resource, new: &Value) -> Result<(), Failure> {
    if !matches!(object::text(new, "/metadata/resourceVersion"), "" | "0") || !needs_version(resource) {
        return Ok(());
    }
    let cause = Cause {
        reason: "FieldValueInvalid",
        message: "Invalid value: 0: must be specified for an update".to_owned(),
        field: "metadata.resourceVersion".to_owned(),
    };
    // The store speaks here, which knows resources and no kinds.
    Err(Failure::invalid(&resource.group, &resource.plural, object::name(new), vec![cause]))
}

/// Kinds that are not replaced without saying which version was read.
///
/// Source: `AllowUnconditionalUpdate` of the kinds' strategies in `k8s.io/kubernetes/pkg/registry`.
fn needs_version(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            resource.kind.as_str(),
            "CSIDriver"
                | "CSINode"
                | "CSIStorageCapacity"
                | "CustomResourceDefinition"
                | "Lease"
                | "MutatingWebhookConfiguration"
                | "PodDisruptionBudget"
                | "RuntimeClass"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "ValidatingWebhookConfiguration"
                | "VolumeAttachment"
        )
}

/// Kinds that an update makes where they are not there.
///
/// Source: `AllowCreateOnUpdate` of the kinds' strategies in `k8s.io/kubernetes/pkg/registry`.
fn creates_on_update(resource: &Resource) -> bool {
    resource.custom.is_none()
        && matches!(
            resource.kind.as_str(),
            "ClusterRole"
                | "ClusterRoleBinding"
                | "Endpoints"
                | "Event"
                | "Lease"
                | "LimitRange"
                | "Role"
                | "RoleBinding"
                | "RuntimeClass"
                | "Service"
        )
}

/// The body as an object of the resource: checked against path and schema, unknown fields dropped.
pub(crate) fn decode(
    call: &Call,
    resource: &Resource,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    let mut new = body::read(&call.headers, &call.body, &resource.kind)?;
    if resource.custom.is_some() && object::text(&new, "/kind").is_empty() {
        return Err(body::kindless(&call.body, &resource.kind));
    }
    say_kind(resource, &mut new);
    let foreign = unknown_version(resource, &new);
    let refuse = |version: &str, faults: &[String]| {
        let kind = &resource.kind;
        let faults = faults.join(", ");
        Failure::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {faults}"
        ))
    };
    if validation == FieldValidation::Strict && !foreign.is_empty() {
        let version = object::text(&new, "/apiVersion");
        return Err(refuse(version.rsplit('/').next().unwrap_or_default(), &foreign));
    }
    let told: &[String] = if validation == FieldValidation::Ignore { &[] } else { &foreign };
    check_kind(resource, &new).map_err(|failure| failure.after(told))?;
    let conformed = decoding::conform(resource, &mut new);
    if let Some(wrong) = conformed.wrong {
        let (kind, version) = (&resource.kind, &resource.version);
        return Err(Failure::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {}",
            wrong.decoded
        )));
    }
    let faults = match decoding::faults(resource, &call.body) {
        none if none.is_empty() => conformed.unknown,
        found => found,
    };
    match validation {
        FieldValidation::Ignore => Ok((new, Vec::new())),
        FieldValidation::Strict if !faults.is_empty() => Err(refuse(&resource.version, &faults)),
        FieldValidation::Warn | FieldValidation::Strict => Ok((new, faults)),
    }
}

/// The faults of a custom object of a version that is not this one: there none of its fields is known.
pub(crate) fn unknown_version(resource: &Resource, value: &Value) -> Vec<String> {
    let version = object::text(value, "/apiVersion");
    let same_group = version.split_once('/').is_some_and(|(group, _)| group == resource.group);
    if resource.custom.is_none() || !same_group || version == resource.api_version() {
        return Vec::new();
    }
    let fields = value.as_object().into_iter().flat_map(serde_json::Map::keys);
    fields
        .filter(|field| !matches!(field.as_str(), "apiVersion" | "kind" | "metadata"))
        .map(|field| format!("unknown field \"{field}\""))
        .collect()
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
    let expected = resource.api_version();
    if (version, kind) == (expected.as_str(), resource.kind.as_str()) {
        return Ok(());
    }
    if resource.custom.is_some() {
        // Of another kind the rules speak.
        return if version == expected {
            Ok(())
        } else {
            Err(Failure::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({expected})"
            )))
        };
    }
    Err(Failure::bad_request(kind_fault(resource, version, kind)))
}

/// Why an object of this kind and version is none of the resource's, in the words of the server's scheme.
pub(crate) fn kind_fault(resource: &Resource, version: &str, kind: &str) -> String {
    let (group, short) = version.split_once('/').unwrap_or(("", version));
    let subject = format!("{kind} in version {short:?} cannot be handled as a {}", resource.kind);
    if group == resource.group && kind == resource.kind && short == resource.version {
        return subject;
    }
    if structured_merge::schema::Schema::kubernetes().kind(group, short, kind).is_none()
        && !was_served(resource, version)
    {
        let scheme = match resource.group.as_str() {
            "apiextensions.k8s.io" => "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
            _ => "pkg/api/legacyscheme/scheme.go:30",
        };
        return format!("{subject}: no kind {kind:?} is registered for version {version:?} in scheme {scheme:?}");
    }
    let same = resource.versions.iter().any(|(served, _)| served == version) || was_served(resource, version);
    if same && kind == resource.kind {
        let expected = resource.api_version();
        return format!("the API version in the data ({version}) does not match the expected API version ({expected})");
    }
    let package = match resource.group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    };
    format!("{subject}: converting ({short}.{kind}) to ({package}.{}): unknown conversion", resource.kind)
}

/// Versions of kinds that are served no more, and that the server still knows as others of the same.
///
/// Source: `AddToScheme` in `k8s.io/kubernetes/pkg/apis/*/install`.
const FORMER: &[(&str, &str, &[&str])] = &[
    ("apps", "DaemonSet", &["apps/v1beta2", "extensions/v1beta1"]),
    ("apps", "Deployment", &["apps/v1beta1", "apps/v1beta2", "extensions/v1beta1"]),
    ("apps", "ReplicaSet", &["apps/v1beta2", "extensions/v1beta1"]),
    ("apps", "StatefulSet", &["apps/v1beta1", "apps/v1beta2"]),
    ("batch", "CronJob", &["batch/v1beta1"]),
    ("networking.k8s.io", "Ingress", &["extensions/v1beta1", "networking.k8s.io/v1beta1"]),
    ("networking.k8s.io", "NetworkPolicy", &["extensions/v1beta1"]),
    ("policy", "PodDisruptionBudget", &["policy/v1beta1"]),
];

fn was_served(resource: &Resource, version: &str) -> bool {
    FORMER.iter().any(|(group, kind, versions)| resource.is(group, kind) && versions.contains(&version))
}

/// Does the body name the object of the path?
pub(crate) fn check_name(call: &Call, name: &str) -> Result<(), Failure> {
    let wanted = &call.target.name;
    if name == wanted {
        return Ok(());
    }
    let text = match name {
        "" => format!("the name of the object ({wanted} based on URL) was undeterminable: name must be provided"),
        name => format!("the name of the object ({name}) does not match the name on the URL ({wanted})"),
    };
    Err(Failure::bad_request(text))
}

/// What is to replace the object of the path: with its namespace, and only where it has its name.
pub(crate) fn in_place(call: &Call, mut new: Value) -> Result<Value, Failure> {
    if object::name(&new).is_empty() {
        check_name(call, "")?;
    }
    place(call, &mut new)?;
    check_name(call, object::name(&new))?;
    Ok(new)
}

/// A replacement that names another identity than the object has (none, where there is no object) or no possible version
/// is refused before anything else.
fn precondition(call: &Call, live: &Value, new: &Value, dry_run: bool) -> Result<(), Failure> {
    let resource = &call.resource;
    let (wanted, found) = (object::uid(new), object::uid(live));
    if !wanted.is_empty() && wanted != found {
        let key = storage_key(resource, &call.target.namespace, &call.target.name);
        // A dry run knows its place below the root only.
        let key = if dry_run { key.trim_start_matches("/registry").to_owned() } else { key };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        );
        return Err(Failure::conflict(&resource.group, &resource.plural, &call.target.name, &why));
    }
    let version = object::text(new, "/metadata/resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        let shown = decoding::quote(version);
        return Err(Failure::unnamed(format!("strconv.ParseUint: parsing {shown}: invalid syntax")));
    }
    Ok(())
}

/// Where a real server keeps an object: some of its messages say so.
///
/// Source: the storage prefixes of `k8s.io/kubernetes/pkg/registry` and `…/pkg/kubeapiserver/default_storage_factory_builder.go`.
fn storage_key(resource: &Resource, namespace: &str, name: &str) -> String {
    let place = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "nodes") => "minions".to_owned(),
        ("", "services") => "services/specs".to_owned(),
        ("", "endpoints") => "services/endpoints".to_owned(),
        ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
        (group, plural) if resource.custom.is_some() || group.ends_with("apiextensions.k8s.io") => {
            format!("{group}/{plural}")
        }
        (_, plural) => plural.to_owned(),
    };
    match namespace {
        "" => format!("/registry/{place}/{name}"),
        namespace => format!("/registry/{place}/{namespace}/{name}"),
    }
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

/// Gives an object the version that is stored, none if it is not there: a dry run has made no other.
pub(crate) fn keep_version(call: &Call, value: &mut Value) {
    let key = call.resource.key(object::namespace(value), object::name(value));
    let live = call.store().read().objects.get(&key).map(|live| live.revision);
    let metadata = object::metadata(value);
    match live {
        Some(revision) => metadata.insert("resourceVersion".to_owned(), json!(revision.to_string())),
        None => metadata.remove("resourceVersion"),
    };
}

/// The answer to a write: 201 for a new object, 200 otherwise. A dry run shows the version the object has, the one that
/// the client has named if it is new.
pub(crate) fn respond(call: &Call, outcome: &Outcome, mut warnings: Vec<String>, dry_run: bool) -> Response {
    let code = if outcome.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut value = outcome.object.value.clone();
    if dry_run {
        keep_version(call, &mut value);
        if !outcome.version.is_empty() {
            object::default_to(object::metadata(&mut value), "resourceVersion", json!(outcome.version));
        }
    }
    let value = super::read::seen_as(call, &value).unwrap_or(value);
    let mut response = call.show(code, &value);
    warnings.extend(outcome.warnings.iter().cloned());
    body::warn(&mut response, &warnings);
    response
}
