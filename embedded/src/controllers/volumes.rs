//! Claims and volumes: a claim is bound to a volume that suits it, or to one that is made for it, at once or when its
//! first pod is placed; a volume follows the end of its claim. What is bound lies nowhere.

use std::sync::Arc;

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::event::{self, Event};
use super::writing::MANAGER;
use super::{Again, Context, index};
use crate::failure::Failure;
use crate::object;
use crate::selector::LabelSelector;
use crate::store::Object;

const COMPONENT: &str = "persistentvolume-controller";
const CLAIM_IN_USE: &str = "kubernetes.io/pvc-protection";
const VOLUME_IN_USE: &str = "kubernetes.io/pv-protection";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The provisioner of claims whose class is not there.
const SIMULATED: &str = "kube-embedded/simulated";

/// What a pod's claims mean for where it can go.
pub(super) struct Wanted {
    /// Claims that are bound when the pod has its node.
    pub(super) waiting: Vec<String>,
    /// The nodes that bound volumes can be reached from, as node selectors.
    pub(super) suits: Vec<Value>,
}

/// Looks at a pod's claims; says what keeps it from being placed at all, in the scheduler's words.
pub(super) fn wanted(context: &Context<'_, '_>, pod: &Value) -> Result<Wanted, String> {
    let mut wanted = Wanted { waiting: Vec::new(), suits: Vec::new() };
    let mut unbound = false;
    for name in index::claims_of(pod) {
        let Some(claim) = context.get("v1", "PersistentVolumeClaim", object::namespace(pod), &name) else {
            return Err(format!("persistentvolumeclaim \"{name}\" not found"));
        };
        if object::is_deleting(&claim.value) {
            return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
        }
        if is_bound(&claim.value) {
            let volume = context.get("v1", "PersistentVolume", "", object::text(&claim.value, "/spec/volumeName"));
            wanted.suits.extend(volume.and_then(|v| v.value.pointer("/spec/nodeAffinity/required").cloned()));
        } else if waits_for_pod(context, &claim.value) {
            wanted.waiting.push(name);
        } else {
            unbound = true;
        }
    }
    if unbound { Err("pod has unbound immediate PersistentVolumeClaims".to_owned()) } else { Ok(wanted) }
}

/// Binds claims that waited for their first pod, which goes to `node`.
pub(super) fn provide(
    context: &mut Context<'_, '_>,
    pod: &Value,
    claims: &[String],
    node: &str,
) -> Result<(), Failure> {
    for name in claims {
        let Some(claim) = context.get("v1", "PersistentVolumeClaim", object::namespace(pod), name) else { continue };
        let mut new = claim.value.clone();
        let annotations = object::metadata(&mut new).entry("annotations").or_insert_with(|| json!({}));
        object::as_map(annotations).insert(SELECTED_NODE.to_owned(), json!(node));
        let claim = context.update_as(&claim, new, "kube-scheduler", "")?;
        bind_somehow(context, &claim)?;
    }
    Ok(())
}

fn is_bound(claim: &Value) -> bool {
    object::text(claim, "/status/phase") == "Bound"
}

/// The claim's storage class, where it names one that is there.
fn class(context: &Context<'_, '_>, claim: &Value) -> Option<Arc<Object>> {
    context.get("storage.k8s.io/v1", "StorageClass", "", object::text(claim, "/spec/storageClassName"))
}

fn waits_for_pod(context: &Context<'_, '_>, claim: &Value) -> bool {
    class(context, claim)
        .is_some_and(|class| object::text(&class.value, "/volumeBindingMode") == "WaitForFirstConsumer")
}

/// Looks at one claim.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(claim) = context.get("v1", "PersistentVolumeClaim", namespace, name) else { return Ok(None) };
    if object::is_deleting(&claim.value) {
        let used =
            context.index.mounting.get(&(namespace.to_owned(), name.to_owned())).into_iter().flatten().any(|pod| {
                let pod = context.get("v1", "Pod", namespace, pod);
                pod.is_some_and(|pod| !super::pods::has_ended(&pod.value))
            });
        if !used {
            let new = object::without_finalizer(&claim.value, CLAIM_IN_USE);
            context.update(&claim, new)?;
        }
        return Ok(None);
    }
    let claim = protect(context, &claim, CLAIM_IN_USE)?;
    if is_bound(&claim.value) {
        return Ok(None);
    }
    let chosen = object::annotation(&claim.value, SELECTED_NODE).is_some();
    if waits_for_pod(context, &claim.value) && !chosen && object::text(&claim.value, "/spec/volumeName").is_empty() {
        tell(context, &claim.value, "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
        return Ok(None);
    }
    bind_somehow(context, &claim)?;
    Ok(None)
}

/// Sees to the finalizer that keeps what is in use.
fn protect(context: &mut Context<'_, '_>, live: &Arc<Object>, finalizer: &str) -> Result<Arc<Object>, Failure> {
    let mut finalizers: Vec<&str> = object::finalizers(&live.value);
    if finalizers.contains(&finalizer) {
        return Ok(Arc::clone(live));
    }
    finalizers.push(finalizer);
    let mut new = live.value.clone();
    object::set(&mut new, "/metadata/finalizers", json!(finalizers));
    context.update(live, new)
}

fn tell(context: &mut Context<'_, '_>, about: &Value, reason: &str, message: &str) {
    event::tell(context, about, &Event { kind: "Normal", reason, message, component: COMPONENT });
}

/// Binds a claim to the smallest volume that suits it, or to a new one.
fn bind_somehow(context: &mut Context<'_, '_>, claim: &Arc<Object>) -> Result<(), Failure> {
    let volumes = context.txn.list("persistentvolumes", "");
    let named = object::text(&claim.value, "/spec/volumeName").to_owned();
    let fitting = volumes.iter().filter(|volume| match named.as_str() {
        "" => suits(&claim.value, &volume.value),
        named => object::name(&volume.value) == named && is_free_for(&claim.value, &volume.value),
    });
    if let Some(volume) = fitting.min_by_key(|volume| size(volume.value.pointer("/spec/capacity/storage"))).cloned() {
        return bind(context, claim, &volume);
    }
    let class = class(context, &claim.value);
    let provisioner = class.as_ref().map_or(SIMULATED, |class| object::text(&class.value, "/provisioner"));
    let refuses = claim.value.pointer("/spec/storageClassName").and_then(Value::as_str) == Some("");
    if !named.is_empty() || refuses || provisioner == "kubernetes.io/no-provisioner" {
        if refuses {
            let message = "no persistent volumes available for this claim and no storage class is set";
            tell(context, &claim.value, "FailedBinding", message);
        }
        return Ok(());
    }
    let policy = class.as_ref().map(|class| object::text(&class.value, "/reclaimPolicy")).filter(|p| !p.is_empty());
    let volume = provision(context, &claim.value, provisioner, policy.unwrap_or("Delete"))?;
    let message = format!("Successfully provisioned volume {}", object::name(&volume.value));
    tell(context, &claim.value, "ProvisioningSucceeded", &message);
    bind(context, claim, &volume)
}

fn provision(
    context: &mut Context<'_, '_>,
    claim: &Value,
    provisioner: &str,
    policy: &str,
) -> Result<Arc<Object>, Failure> {
    let name = format!("pvc-{}", object::uid(claim));
    if let Some(known) = context.get("v1", "PersistentVolume", "", &name) {
        return Ok(known);
    }
    let mut spec = json!({
        "capacity": {"storage": claim.pointer("/spec/resources/requests/storage")},
        "accessModes": claim.pointer("/spec/accessModes"),
        "persistentVolumeReclaimPolicy": policy,
        "hostPath": {"path": format!("/simulated/{name}"), "type": ""},
    });
    for field in ["storageClassName", "volumeMode"] {
        if let Some(value) = claim.pointer(&format!("/spec/{field}")) {
            object::set(&mut spec, &format!("/{field}"), value.clone());
        }
    }
    context.create(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": provisioner},
            "finalizers": [VOLUME_IN_USE],
        },
        "spec": spec,
    }))
}

fn bind(context: &mut Context<'_, '_>, claim: &Arc<Object>, volume: &Arc<Object>) -> Result<(), Failure> {
    let mut new = volume.value.clone();
    let reference = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": object::namespace(&claim.value),
        "name": object::name(&claim.value),
        "uid": object::uid(&claim.value),
        "resourceVersion": object::text(&claim.value, "/metadata/resourceVersion"),
    });
    if object::text(&new, "/spec/claimRef/uid") != object::uid(&claim.value) {
        object::set(&mut new, "/spec/claimRef", reference);
        annotate(&mut new, &["pv.kubernetes.io/bound-by-controller"]);
    }
    let volume = context.update(volume, new)?;
    let volume = enter(context, &volume, "Bound")?;
    let mut new = claim.value.clone();
    annotate(&mut new, &["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"]);
    object::set(&mut new, "/spec/volumeName", json!(object::name(&volume.value)));
    let claim = context.update(claim, new)?;
    let status = json!({
        "phase": "Bound",
        "accessModes": volume.value.pointer("/spec/accessModes"),
        "capacity": volume.value.pointer("/spec/capacity"),
    });
    context.set_status(&claim, status)?;
    Ok(())
}

fn annotate(value: &mut Value, keys: &[&str]) {
    let annotations = object::metadata(value).entry("annotations").or_insert_with(|| json!({}));
    for key in keys {
        object::as_map(annotations).insert((*key).to_owned(), json!("yes"));
    }
}

fn enter(context: &mut Context<'_, '_>, volume: &Arc<Object>, phase: &str) -> Result<Arc<Object>, Failure> {
    if object::text(&volume.value, "/status/phase") == phase {
        return Ok(Arc::clone(volume));
    }
    let now = object::rfc3339(context.now());
    context.set_status(volume, json!({"phase": phase, "lastPhaseTransitionTime": now}))
}

fn size(quantity: Option<&Value>) -> i128 {
    quantity.and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok()).map_or(0, Quantity::nano)
}

fn is_free_for(claim: &Value, volume: &Value) -> bool {
    let owner = |field: &str| object::text(volume, &format!("/spec/claimRef/{field}"));
    let reserved = owner("name") == object::name(claim) && owner("namespace") == object::namespace(claim);
    let uid = owner("uid");
    let free = volume.pointer("/spec/claimRef").is_none();
    !object::is_deleting(volume) && (free || (reserved && (uid.is_empty() || uid == object::uid(claim))))
}

fn suits(claim: &Value, volume: &Value) -> bool {
    let text = |value: &Value, field: &str| object::text(value, &format!("/spec/{field}")).to_owned();
    let offered = object::items(volume, "/spec/accessModes");
    let selected = match claim.pointer("/spec/selector") {
        None => true,
        Some(selector) => LabelSelector::of(Some(selector)).is_some_and(|selector| selector.matches(volume)),
    };
    is_free_for(claim, volume)
        && selected
        && text(claim, "storageClassName") == text(volume, "storageClassName")
        && text(claim, "volumeMode") == text(volume, "volumeMode")
        && object::items(claim, "/spec/accessModes").iter().all(|mode| offered.contains(mode))
        && size(claim.pointer("/spec/resources/requests/storage")) <= size(volume.pointer("/spec/capacity/storage"))
}

/// Looks at one volume: free, bound, or left by its claim.
pub(super) fn volume(context: &mut Context<'_, '_>, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("v1", "PersistentVolume", "", name) else { return Ok(None) };
    let owner = |field: &str| object::text(&live.value, &format!("/spec/claimRef/{field}"));
    let claim = context.get("v1", "PersistentVolumeClaim", owner("namespace"), owner("name"));
    let held = claim.is_some_and(|claim| object::uid(&claim.value) == owner("uid"));
    if object::is_deleting(&live.value) {
        if !held {
            let new = object::without_finalizer(&live.value, VOLUME_IN_USE);
            context.update_as(&live, new, MANAGER, "")?;
        }
        return Ok(None);
    }
    let live = protect(context, &live, VOLUME_IN_USE)?;
    let owned = !object::text(&live.value, "/spec/claimRef/uid").is_empty();
    if held {
        return Ok(None);
    }
    if !owned {
        enter(context, &live, "Available")?;
    } else if object::text(&live.value, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
        let live = enter(context, &live, "Released")?;
        context.delete(&live, &Default::default())?;
    } else {
        enter(context, &live, "Released")?;
    }
    Ok(None)
}
