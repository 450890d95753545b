//! Classes: the default one of storage and of ingress for an object that names none, what a runtime class asks of its
//! pods, and which claims can grow. And the marks that keep a volume or a claim while it is in use.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/admission/` `storage/storageclass/setdefault`,
//! `storage/storageobjectinuseprotection`, `storage/persistentvolume/resize`, `network/defaultingressclass` and
//! `runtimeclass`.

use serde_json::{Value, json};

use super::amounts;
use super::{Write, push};
use crate::failure::Failure;
use crate::object;
use crate::store::{Key, Txn};

/// Keeps a claim that a pod uses.
const CLAIM_IN_USE: &str = "kubernetes.io/pvc-protection";
/// Keeps a volume that a claim is bound to.
const VOLUME_IN_USE: &str = "kubernetes.io/pv-protection";

/// A new object.
pub(super) fn set_defaults(txn: &Txn<'_>, write: Write<'_>, new: &mut Value) -> Result<(), Failure> {
    if write.makes("", "PersistentVolumeClaim") {
        let beta = "volume.beta.kubernetes.io/storage-class";
        let classed = new.pointer("/spec/storageClassName").is_some() || object::annotation(new, beta).is_some();
        let marks = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
        if !classed && let Some(class) = default(txn, "storage.k8s.io/storageclasses", &marks) {
            object::set(new, "/spec/storageClassName", json!(class));
        }
        keep(new, CLAIM_IN_USE);
    } else if write.makes("", "PersistentVolume") {
        keep(new, VOLUME_IN_USE);
    } else if write.makes("networking.k8s.io", "Ingress") {
        let classed = new.pointer("/spec/ingressClassName").is_some()
            || object::annotation(new, "kubernetes.io/ingress.class").is_some();
        let mark = ["ingressclass.kubernetes.io/is-default-class"];
        if !classed && let Some(class) = default(txn, "networking.k8s.io/ingressclasses", &mark) {
            object::set(new, "/spec/ingressClassName", json!(class));
        }
    } else if write.makes("", "Pod") {
        runtime(txn, write, new)?;
    }
    Ok(())
}

fn keep(new: &mut Value, finalizer: &str) {
    if !object::finalizers(new).contains(&finalizer)
        && let Some(metadata) = new.get_mut("metadata")
    {
        push(metadata, "finalizers", json!(finalizer));
    }
}

/// The class that an annotation marks as the default: the newest, then the first by name.
fn default(txn: &Txn<'_>, classes: &str, marks: &[&str]) -> Option<String> {
    let classes = txn.list(classes, "").into_iter();
    let marked = |class: &Value| marks.iter().any(|mark| object::annotation(class, mark) == Some("true"));
    let made = |class: &Value| object::text(class, "/metadata/creationTimestamp").to_owned();
    let mut marked: Vec<_> = classes.filter(|class| marked(&class.value)).collect();
    marked.sort_by_key(|class| (std::cmp::Reverse(made(&class.value)), object::name(&class.value).to_owned()));
    marked.first().map(|class| object::name(&class.value).to_owned())
}

/// What a pod's runtime class adds to it.
fn runtime(txn: &Txn<'_>, write: Write<'_>, pod: &mut Value) -> Result<(), Failure> {
    let Some(name) = pod.pointer("/spec/runtimeClassName").and_then(Value::as_str).map(str::to_owned) else {
        return Ok(());
    };
    let Some(class) = txn.get(&Key::new("node.k8s.io/runtimeclasses", "", &name)) else {
        return Err(write.forbidden(pod, &format!("pod rejected: RuntimeClass {name:?} not found")));
    };
    if let Some(overhead) = class.value.pointer("/overhead/podFixed") {
        let given = amounts::read(pod, "/spec/overhead");
        if !given.is_empty() && given != amounts::read(&class.value, "/overhead/podFixed") {
            let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
            return Err(write.forbidden(pod, why));
        }
        object::set(pod, "/spec/overhead", overhead.clone());
    }
    for (key, value) in object::entries(&class.value, "/scheduling/nodeSelector") {
        let given = pod.pointer("/spec/nodeSelector").and_then(|selector| selector.get(key));
        if given.is_some_and(|given| given != value) {
            let (given, value) =
                (given.and_then(Value::as_str).unwrap_or_default(), value.as_str().unwrap_or_default());
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {given}"
            );
            return Err(write.forbidden(pod, &why));
        }
        if let Some(spec) = pod.get_mut("spec") {
            object::map_mut(spec, "nodeSelector").insert(key.clone(), value.clone());
        }
    }
    for toleration in object::items(&class.value, "/scheduling/tolerations") {
        if !object::items(pod, "/spec/tolerations").contains(toleration)
            && let Some(spec) = pod.get_mut("spec")
        {
            push(spec, "tolerations", toleration.clone());
        }
    }
    Ok(())
}

/// A claim grows only where its class lets it.
pub(super) fn check(txn: &Txn<'_>, write: Write<'_>, new: &Value) -> Result<(), Failure> {
    let (true, Some(old)) = (write.touches("", "PersistentVolumeClaim"), write.old) else { return Ok(()) };
    let size = |claim: &Value| amounts::read(claim, "/spec/resources/requests").get("storage").map_or(0, |q| q.nano());
    if size(new) <= size(old) {
        return Ok(());
    }
    if object::text(old, "/status/phase") != "Bound" {
        return Err(write.forbidden(new, "Only bound persistent volume claims can be expanded"));
    }
    let class = |claim: &Value| object::text(claim, "/spec/storageClassName").to_owned();
    let known = txn.get(&Key::new("storage.k8s.io/storageclasses", "", &class(new)));
    let grows = known.is_some_and(|class| object::truth(&class.value, "/allowVolumeExpansion"));
    if !grows || class(new) != class(old) {
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
        return Err(write.forbidden(new, why));
    }
    Ok(())
}
