//! What the server does to an object on its way into the store: system fields, defaults, admission, validation,
//! field ownership, generation. The same way for a client's request and for a controller's write.

mod allocate;
mod custom;
mod defaults;
mod defaults_admission;
mod delete;
pub(crate) mod naming;
mod pod_warnings;
pub(crate) mod quality;
pub(crate) mod resource_names;
mod validate;
mod validate_autoscaler;
mod validate_change;
mod validate_metadata;
mod validate_network;
mod validate_pod;
mod validate_pod_parts;
mod validate_quota;
mod validate_secret;
mod validate_service;
mod validate_status;
mod validate_workload;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) use self::delete::{CLEANUP, DeleteOptions, Deleted, FOREGROUND, ORPHAN, Propagation};
pub(crate) use self::naming::{hash as template_hash, letters};
use crate::access::{self, Identity};
use crate::admission::{self, Write};
use crate::decoding;
use crate::failure::{Cause, Failure};
use crate::merging;
use crate::object;
use crate::options::Options;
use crate::registry::{Registry, Resource};
use crate::store::{Object, Txn};
use crate::versions;

/// The rules as they are at one moment: what is served, and the cluster's settings.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: Arc<Options>,
    /// Whose request is carried out.
    pub(crate) who: Arc<Identity>,
    /// Is it only tried? The transaction is then thrown away, and webhooks are told.
    pub(crate) dry_run: bool,
}

/// Who writes, and through which subresource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) manager: &'a str,
    pub(crate) subresource: &'a str,
}

/// How field ownership is kept up with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The author's plain write: what changed becomes the author's.
    Tracked,
    /// A server-side apply has worked it out already.
    Applied,
}

/// What a write led to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) object: Arc<Object>,
    pub(crate) warnings: Vec<String>,
    /// Was it made just now?
    pub(crate) created: bool,
    /// The version that the client named for an object that was made: a dry run shows it.
    pub(crate) version: String,
}

impl Rules {
    /// The rules for the cluster's own writes: its first objects, and what its controllers do.
    pub(crate) fn own(registry: Arc<Registry>, settings: Arc<Options>) -> Rules {
        let who = Arc::new(Identity::user("system:apiserver", ["system:masters"]));
        Rules { registry, settings, who, dry_run: false }
    }

    /// Stores a new object, given in the resource's version.
    pub(crate) fn create(
        &self,
        txn: &mut Txn<'_>,
        resource: &Resource,
        mut new: Value,
        author: Author<'_>,
        ownership: Ownership,
    ) -> Result<Outcome, Failure> {
        name_it(&mut new, resource);
        let version = object::text(&new, "/metadata/resourceVersion").to_owned();
        begin(&mut new, resource, txn);
        let asked = resource;
        let resource = self.stored(asked);
        custom::check_kind(asked, &new)?;
        new = versions::stored(asked, new);
        let bare = object::entries(&new, "/metadata/labels").next().is_none();
        defaults::apply(resource, &mut new);
        if ownership == Ownership::Tracked {
            allocate::take_texts(resource, &mut new);
            new = track(asked, None, new, author, txn.now())?;
        }
        decoding::settle(resource, &mut new);
        defaults::untracked(resource, &mut new, bare);
        if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            let status = custom::first_status(&new);
            object::set(&mut new, "/status", status);
        } else if let Some(status) = defaults::first_status(resource, &new) {
            object::set(&mut new, "/status", status);
        }
        let mut warnings = Vec::new();
        let write = Write { rules: self, resource, subresource: author.subresource, old: None, named: false };
        admission::change(txn, write, &mut new, &mut warnings).map_err(|failure| failure.after(&warnings))?;
        if resource.is("", "Pod") {
            // A pod is given no less than a second to end.
            if object::number(&new, "/spec/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
                object::set(&mut new, "/spec/terminationGracePeriodSeconds", json!(1));
            }
            let quality = quality::of(&new);
            object::set(&mut new, "/status/qosClass", json!(quality));
        }
        access::check_escalation(txn, &self.who, resource, None, &new)?;
        let name = object::name(&new).to_owned();
        let mut said = Vec::new();
        let causes = faults_of_new(txn, resource, &mut new, &mut said);
        if !causes.is_empty() {
            return Err(Failure::invalid(&resource.group, &resource.kind, &name, causes).after(&warnings));
        }
        warnings.extend(said);
        admission::approve(txn, write, &new, &mut warnings).map_err(|failure| failure.after(&warnings))?;
        let key = resource.key(object::namespace(&new), &name);
        if !self.dry_run && !matches!(version.as_str(), "" | "0") {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(Failure::unnamed(why.to_owned()).after(&warnings));
        }
        if let Some(there) = txn.get(&key) {
            let mut failure = Failure::already_exists(&resource.group, &resource.plural, &name);
            if !object::text(&new, "/metadata/generateName").is_empty() {
                failure = failure.of_a_made_up_name();
            }
            if object::is_deleting(&there.value) {
                failure.message = format!("object is being deleted: {}", failure.message);
            }
            return Err(failure.after(&warnings));
        }
        let object = txn.put(key, new);
        Ok(Outcome { object, warnings, created: true, version })
    }

    /// Replaces a stored object by `new`, as far as the author's subresource reaches. `new` is in the resource's version.
    pub(crate) fn update(
        &self,
        txn: &mut Txn<'_>,
        resource: &Resource,
        live: &Arc<Object>,
        mut new: Value,
        author: Author<'_>,
        ownership: Ownership,
    ) -> Result<Outcome, Failure> {
        let old = &live.value;
        let name = object::name(old);
        let asked = resource;
        let resource = self.stored(asked);
        check_identity(resource, old, &new)?;
        defaults::forget_templates(resource, &mut new);
        custom::check_kind(asked, &new)?;
        new = versions::stored(asked, new);
        keep_system_fields(resource, old, &mut new, author.subresource);
        defaults::apply(resource, &mut new);
        if ownership == Ownership::Tracked {
            allocate::take_texts(resource, &mut new);
            new = track(asked, Some(old), new, author, txn.now())?;
        }
        decoding::settle(resource, &mut new);
        let write = Write { rules: self, resource, subresource: author.subresource, old: Some(old), named: true };
        let mut warnings = Vec::new();
        if admission::change(txn, write, &mut new, &mut warnings).map_err(|failure| failure.after(&warnings))? {
            keep_times(old, &mut new);
        }
        allocate::on_update(txn, resource, old, &mut new);
        if resource.is("", "Namespace") && author.subresource.is_empty() {
            // Its finalizers are another endpoint's.
            object::replace(object::map_mut(&mut new, "spec"), "finalizers", old.pointer("/spec/finalizers").cloned());
        }
        defaults::count_templates(resource, old, &mut new);
        count_generation(resource, old, &mut new, author.subresource);
        access::check_escalation(txn, &self.who, resource, Some(old), &new)?;
        let early = if author.subresource.is_empty() { validate_service::early(resource, &new) } else { Vec::new() };
        if !early.is_empty() {
            return Err(Failure::invalid(&resource.group, &resource.kind, name, early).after(&warnings));
        }
        let mut causes = validate_metadata::of_anything_changed(resource, old, &new);
        let mut said = Vec::new();
        if author.subresource == "status" {
            validate_status::on_update(resource, old, &new, &mut causes);
        } else {
            validate_change::on_update(resource, old, &new, &mut said, &mut causes);
        }
        if !causes.is_empty() {
            return Err(Failure::invalid(&resource.group, &resource.kind, name, causes).after(&warnings));
        }
        warnings.extend(said);
        admission::approve(txn, write, &new, &mut warnings).map_err(|failure| failure.after(&warnings))?;
        object::metadata(&mut new)
            .insert("resourceVersion".to_owned(), json!(object::text(old, "/metadata/resourceVersion")));
        if new == *old {
            return Ok(Outcome { object: Arc::clone(live), warnings, created: false, version: String::new() });
        }
        let key = resource.key(object::namespace(old), name);
        if is_done_deleting(resource, &new) {
            txn.put(key.clone(), new.clone());
            txn.remove(&key);
            // The answer shows what the store never held: the object without what held it, at the version it had.
            let object = Arc::new(Object::new(new, live.revision));
            return Ok(Outcome { object, warnings, created: false, version: String::new() });
        }
        let object = txn.put(key, new);
        Ok(Outcome { object, warnings, created: false, version: String::new() })
    }

    /// The resource in the version that is stored, whose rules decide; the versions of a custom one have the same.
    fn stored<'a>(&'a self, resource: &'a Resource) -> &'a Resource {
        if resource.custom.is_some() || resource.versions.is_empty() {
            return resource;
        }
        self.registry.stored_at(&resource.storage).map_or(resource, AsRef::as_ref)
    }
}

/// A name for an object that has none, from `generateName`; a LimitRange needs none.
fn name_it(new: &mut Value, resource: &Resource) {
    let prefix = object::text(new, "/metadata/generateName").to_owned();
    if object::name(new).is_empty() && !prefix.is_empty() {
        object::metadata(new).insert("name".to_owned(), json!(naming::generated(&prefix)));
    }
    if object::name(new).is_empty() && resource.is("", "LimitRange") {
        object::metadata(new).insert("name".to_owned(), json!(uuid::Uuid::new_v4().to_string()));
    }
}

/// What is wrong with a new object, which is given what the server hands out. Once its kind's own checks have found
/// nothing, it is looked at as any object is.
fn faults_of_new(txn: &mut Txn<'_>, resource: &Resource, new: &mut Value, warnings: &mut Vec<String>) -> Vec<Cause> {
    let mut causes = validate_service::early(resource, new);
    if !causes.is_empty() {
        return causes;
    }
    allocate::on_create(txn, resource, new, &mut causes);
    if !causes.is_empty() {
        return causes;
    }
    // The checks of a PodDisruptionBudget leave its metadata out.
    if !resource.is("policy", "PodDisruptionBudget") {
        validate_metadata::on_create(resource, new, &mut causes);
    }
    warnings.extend(pod_warnings::of_name(resource, new));
    if resource.is("batch", "Job") {
        validate_workload::own_selector(new, &mut causes);
    }
    validate::content(resource, new, warnings, &mut causes);
    if resource.custom.is_some() {
        warnings.extend(custom::finalizer_warnings(None, new));
    }
    if resource.is("networking.k8s.io", "Ingress") {
        validate_network::class_of_new_ingress(new, warnings, &mut causes);
    }
    if causes.is_empty() {
        validate_metadata::of_anything_new(resource, new, &mut causes);
    }
    causes
}

/// Brings field ownership up to date, in the version that was asked for; the objects are in the stored one.
fn track(
    asked: &Resource,
    old: Option<&Value>,
    mut new: Value,
    author: Author<'_>,
    now: Timestamp,
) -> Result<Value, Failure> {
    let old_seen = old.and_then(|old| versions::seen(asked, old));
    let old = old_seen.as_ref().or(old);
    let Some(seen) = versions::seen(asked, &new) else { return merging::track(asked, old, &new, author, now) };
    let tracked = merging::track(asked, old, &seen, author, now)?;
    match tracked.pointer("/metadata/managedFields") {
        Some(managed) => object::metadata(&mut new).insert("managedFields".to_owned(), managed.clone()),
        None => object::metadata(&mut new).remove("managedFields"),
    };
    Ok(new)
}

/// Brings an object that a webhook has changed into the stored form, as a body that was sent.
pub(crate) fn settle(resource: &Resource, value: &mut Value) -> Result<(), Failure> {
    if let Some(wrong) = decoding::conform(resource, value).wrong {
        return Err(Failure::internal(wrong.decoded));
    }
    defaults::apply(resource, value);
    decoding::settle(resource, value);
    Ok(())
}

/// Puts the old times of ownership back where a webhook has undone all that was to change.
fn keep_times(old: &Value, new: &mut Value) {
    let timeless = |value: &Value| {
        let mut value = value.clone();
        let entries = value.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        entries.into_iter().flatten().for_each(|entry| {
            object::as_map(entry).remove("time");
        });
        object::metadata(&mut value).remove("resourceVersion");
        value
    };
    if timeless(old) == timeless(new)
        && let Some(managed) = old.pointer("/metadata/managedFields")
    {
        object::set(new, "/metadata/managedFields", managed.clone());
    }
}

/// The fields that the server alone sets, for a new object.
fn begin(new: &mut Value, resource: &Resource, txn: &Txn<'_>) {
    if resource.has("status")
        && let Some(map) = new.as_object_mut()
    {
        map.remove("status");
    }
    let uid = uuid::Uuid::new_v4().to_string();
    let metadata = object::metadata(new);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        metadata.remove(field);
    }
    metadata.insert("uid".to_owned(), json!(uid));
    metadata.insert("creationTimestamp".to_owned(), json!(object::rfc3339(txn.now())));
    if resource.counts_generations {
        metadata.insert("generation".to_owned(), json!(1));
    }
    if !resource.namespaced {
        metadata.remove("namespace");
    }
}

/// Is this the object the caller had in mind, in the version the caller had in mind?
fn check_identity(resource: &Resource, old: &Value, new: &Value) -> Result<(), Failure> {
    let name = object::name(old);
    let version = object::text(new, "/metadata/resourceVersion");
    if !version.is_empty() && version != "0" && version != object::text(old, "/metadata/resourceVersion") {
        return Err(Failure::modified(&resource.group, &resource.plural, name));
    }
    Ok(())
}

/// Puts back what this author may not change. With the status of a built-in kind all metadata can be written, as the
/// deployment controller does with its revision, but for what `kept_with_status` says.
fn keep_system_fields(resource: &Resource, old: &Value, new: &mut Value, subresource: &str) {
    match subresource {
        "status" => {
            let status = new.get("status").cloned();
            let given = object::metadata(new).clone();
            *new = old.clone();
            let metadata = object::metadata(new);
            match kept_with_status(resource) {
                None => object::replace(metadata, "managedFields", given.get("managedFields").cloned()),
                Some(kept) => {
                    let before = std::mem::replace(metadata, given);
                    for field in kept {
                        object::replace(metadata, field, before.get(*field).cloned());
                    }
                }
            }
            if let (Some(map), Some(status)) = (new.as_object_mut(), status) {
                map.insert("status".to_owned(), status);
            }
            if resource.is("", "Namespace") {
                object::default_to(object::map_mut(new, "status"), "phase", json!("Active"));
            }
            if resource.is("", "Pod")
                && let Some(quality) = old.pointer("/status/qosClass")
            {
                object::default_to(object::map_mut(new, "status"), "qosClass", quality.clone());
            }
        }
        _ if resource.has("status") => {
            if let Some(map) = new.as_object_mut() {
                object::replace(map, "status", old.get("status").cloned());
            }
        }
        _ => {}
    }
    let metadata = object::metadata(new);
    metadata.remove("selfLink");
    if !resource.namespaced {
        metadata.remove("namespace");
    }
    for field in ["creationTimestamp", "generation"] {
        object::replace(metadata, field, old.pointer(&format!("/metadata/{field}")).cloned());
    }
    // What a client leaves out of these stays; what it changes is refused.
    for field in ["namespace", "uid"] {
        if let Some(value) = old.pointer(&format!("/metadata/{field}")) {
            object::default_to(metadata, field, value.clone());
        }
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        if let Some(value) = old.pointer(&format!("/metadata/{field}")) {
            metadata.insert(field.to_owned(), value.clone());
        };
    }
}

/// The metadata that cannot be written with the status; none stands for all of it.
///
/// Source: `PrepareForUpdate` of the status strategies in `k8s.io/kubernetes/pkg/registry`.
pub(crate) fn kept_with_status(resource: &Resource) -> Option<&'static [&'static str]> {
    match resource.kind.as_str() {
        _ if resource.custom.is_some() => None,
        "Deployment" => Some(&["labels"]),
        "Pod" => Some(&["ownerReferences"]),
        "ValidatingAdmissionPolicy" | "VolumeAttachment" => {
            Some(&["labels", "annotations", "finalizers", "ownerReferences"])
        }
        _ => Some(&[]),
    }
}

/// Counts `metadata.generation` up when anything but metadata and status has changed; of a Deployment also when its
/// annotations have, which its ReplicaSets are to have too, and of an EndpointSlice when its labels have.
fn count_generation(resource: &Resource, old: &Value, new: &mut Value, subresource: &str) {
    // A PriorityClass begins with a generation, and keeps it.
    if !resource.counts_generations || resource.is("scheduling.k8s.io", "PriorityClass") {
        return;
    }
    let relevant = |value: &Value| -> Vec<(String, Value)> {
        let fields = value.as_object().into_iter().flatten();
        fields
            .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "apiVersion" | "kind"))
            .filter(|(key, _)| *key != "status" || !(resource.has("status") || resource.custom.is_none()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let changed = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    let annotated = match resource.kind.as_str() {
        "Deployment" => subresource.is_empty() && changed("/metadata/annotations"),
        "EndpointSlice" => changed("/metadata/labels"),
        _ => false,
    };
    if annotated || relevant(old) != relevant(new) {
        let next = object::number(old, "/metadata/generation").unwrap_or(0) + 1;
        object::metadata(new).insert("generation".to_owned(), json!(next));
    }
}

/// Has the last finalizer of a deleted object gone?
fn is_done_deleting(resource: &Resource, value: &Value) -> bool {
    if !object::is_deleting(value) || !object::finalizers(value).is_empty() {
        return false;
    }
    if resource.is("", "Namespace") {
        return object::items(value, "/spec/finalizers").is_empty();
    }
    object::number(value, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
}
