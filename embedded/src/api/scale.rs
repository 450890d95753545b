//! The `scale` subresource: an object's numbers as a `Scale`, and what writing a `Scale` does to the object. A `Scale` is
//! read, patched and owned as an object of its own; only its number of replicas and who owns that is taken over.
//!
//! Source: `ScaleREST` in `k8s.io/kubernetes/pkg/registry/apps/deployment/storage` and in
//! `k8s.io/apiextensions-apiserver/pkg/registry/customresource`.

use std::sync::Arc;

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use structured_merge::scale::{ReplicasPaths, SCALE_VERSION};
use structured_merge::schema::Schema;
use structured_merge::{FieldPath, Managed};

use super::patch::{self, Patch};
use super::request_options::{self, WriteOptions};
use super::{Call, body, write};
use crate::failure::{Cause, Failure};
use crate::merging;
use crate::object;
use crate::registry::{Registry, Resource};
use crate::rules::{Author, Outcome, Ownership};
use crate::selector::LabelSelector;
use crate::store::Txn;

/// `GET`.
pub(crate) fn get(call: &Call) -> Result<Response, Failure> {
    let key = call.resource.key(&call.target.namespace, &call.target.name);
    let live = call.store().read().objects.get(&key).cloned().ok_or_else(|| call.not_found())?;
    Ok(call.show(StatusCode::OK, &of(&call.resource, &live.value)))
}

/// Where a resource keeps its numbers, as JSON pointers: custom ones where their definition says, workloads in the usual
/// places.
struct Places {
    spec: String,
    status: String,
    /// A text; none where the selector is an object of its own.
    selector: Option<String>,
}

impl Places {
    fn of(resource: &Resource) -> Places {
        let Some(custom) = &resource.custom else {
            return Places { spec: "/spec/replicas".to_owned(), status: "/status/replicas".to_owned(), selector: None };
        };
        let text = |field: &str| object::text(custom, &format!("/subresources/scale/{field}")).replace('.', "/");
        let selector = Some(text("labelSelectorPath")).filter(|path| !path.is_empty());
        Places { spec: text("specReplicasPath"), status: text("statusReplicasPath"), selector }
    }

    /// The replicas as a field; none where the version has no scale.
    fn field(&self) -> Option<FieldPath> {
        let names = self.spec.split('/').skip(1);
        (!self.spec.is_empty()).then(|| FieldPath::of_fields(names))
    }
}

/// An object as an `autoscaling/v1` `Scale`.
pub(crate) fn of(resource: &Resource, value: &Value) -> Value {
    let places = Places::of(resource);
    let replicas = object::number(value, &places.spec).unwrap_or(0);
    let mut status = json!({"replicas": object::number(value, &places.status).unwrap_or(0)});
    let selector = match (&places.selector, &resource.custom) {
        (Some(path), _) => object::text(value, path).to_owned(),
        (None, Some(_)) => String::new(),
        (None, None) => LabelSelector::of(value.pointer("/spec/selector")).map(|s| s.to_string()).unwrap_or_default(),
    };
    if !selector.is_empty() {
        object::set(&mut status, "/selector", json!(selector));
    }
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(known) = value.pointer(&format!("/metadata/{field}")) {
            object::as_map(&mut metadata).insert(field.to_owned(), known.clone());
        }
    }
    json!({
        "kind": "Scale",
        "apiVersion": SCALE_VERSION,
        "metadata": metadata,
        "spec": if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) },
        "status": status,
    })
}

/// The kind `Scale`, reached by the path of the resource that is scaled.
fn kind(resource: &Resource) -> Resource {
    Resource {
        group: "autoscaling".to_owned(),
        version: "v1".to_owned(),
        kind: "Scale".to_owned(),
        versions: Vec::new(),
        schema: Schema::kubernetes().kind("autoscaling", "v1", "Scale").unwrap_or_else(Schema::deduced),
        custom: None,
        ..resource.clone()
    }
}

/// Where each served version of a resource keeps its replicas.
fn paths(registry: &Registry, resource: &Resource) -> ReplicasPaths {
    let versions = registry.resources().iter().filter(|other| other.storage == resource.storage);
    versions.map(|version| (version.api_version(), Places::of(version).field())).collect()
}

/// What is asked of a `Scale`.
enum Asked {
    Put(Value),
    Patch(Patch),
}

/// `PUT` and `PATCH`.
pub(crate) async fn change(call: &Arc<Call>, method: &Method) -> Result<Response, Failure> {
    let scale = kind(&call.resource);
    let (asked, options, mut warnings) = if method == Method::PATCH {
        let (patch, options) = Patch::read(call)?;
        (Asked::Patch(patch), options, Vec::new())
    } else {
        let options = request_options::read(&call.params, "UpdateOptions", None)?;
        let (new, warnings) = write::decode(call, &scale, options.validation)?;
        (Asked::Put(write::in_place(call, new)?), options, warnings)
    };
    let dry_run = options.dry_run;
    let shared = Arc::clone(call);
    let (outcome, more) =
        write::run(call, dry_run, move |txn| change_in(&shared, &scale, txn, asked, &options)).await?;
    warnings.extend(more);
    warnings.extend(outcome.warnings.iter().cloned());
    let mut object = outcome.object.value.clone();
    if dry_run {
        write::keep_version(call, &mut object);
    }
    let mut response = call.show(StatusCode::OK, &of(&call.resource, &object));
    body::warn(&mut response, &warnings);
    Ok(response)
}

fn change_in(
    call: &Call,
    scale: &Resource,
    txn: &mut Txn<'_>,
    asked: Asked,
    options: &WriteOptions,
) -> Result<(Outcome, Vec<String>), Failure> {
    let resource = &call.resource;
    let key = resource.key(&call.target.namespace, &call.target.name);
    let live = txn.get(&key).ok_or_else(|| call.not_found())?;
    let owners = Managed::of_object(&live.value).unwrap_or_default();
    let paths = paths(&call.registry, resource);
    let mut before = of(resource, &live.value);
    structured_merge::scale::to_scale(&owners, &paths).write_into(&mut before);

    let manager = call.manager();
    let author = Author { manager: &manager, subresource: "scale" };
    let (after, warnings) = match asked {
        Asked::Patch(Patch::Apply { config, force }) => {
            patch::check_configuration(scale, &config)?;
            let warnings = patch::text_warnings(call, options.validation)?;
            if resource.custom.is_some() {
                return Err(Failure::unnamed(UNTYPED.to_owned()));
            }
            let merged = merging::apply(scale, Some(&before), &config, author, force, txn.now())?;
            (write::in_place(call, merged)?, warnings)
        }
        Asked::Patch(patch) => {
            let (new, warnings) = patch::patched(call, scale, &before, &patch, options.validation)?;
            (owned(resource, scale, &before, new, author, txn)?, warnings)
        }
        Asked::Put(new) => (owned(resource, scale, &before, new, author, txn)?, Vec::new()),
    };
    let replicas = object::number(&after, "/spec/replicas").unwrap_or(0);
    let version = object::text(&after, "/metadata/resourceVersion");
    if !version.is_empty() && version != object::text(&before, "/metadata/resourceVersion") {
        return Err(Failure::modified(&resource.group, &resource.plural, &call.target.name));
    }
    // Of a custom object its own rules say so.
    if replicas < 0 && resource.custom.is_none() {
        let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
        return Err(Failure::invalid("autoscaling", "Scale", &call.target.name, vec![cause]));
    }
    let mut new = live.value.clone();
    object::set(&mut new, &Places::of(resource).spec, json!(replicas));
    let owners_after = Managed::of_object(&after).unwrap_or_default();
    structured_merge::scale::to_object(&owners, &owners_after, &resource.api_version(), &paths).write_into(&mut new);
    let outcome = call.rules().update(txn, resource, &live, new, author, Ownership::Applied)?;
    Ok((outcome, warnings))
}

/// Why the Scale of a custom object cannot be applied: its definition's types do not include it.
const UNTYPED: &str = "failed to create manager for existing fields: failed to convert live object (/; autoscaling/v1, Kind=Scale) to proper version: request to convert CR to an invalid group/version: autoscaling/v1";

/// A Scale with who owns its replicas after a plain write. The types of a definition do not include Scale: who scales
/// its objects is not written down, and who has scaled them is forgotten.
fn owned(
    resource: &Resource,
    scale: &Resource,
    before: &Value,
    mut after: Value,
    author: Author<'_>,
    txn: &Txn<'_>,
) -> Result<Value, Failure> {
    if resource.custom.is_none() {
        return merging::track(scale, Some(before), &after, author, txn.now());
    }
    object::remove(&mut after, "/metadata/managedFields");
    Ok(after)
}
