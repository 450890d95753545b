//! StatefulSets: pods with numbers, made and replaced in order, each with its own claims.

use serde_json::{Value, json};

use super::writing::without_zeros;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::template_hash;

const HASH: &str = "controller-revision-hash";

/// Looks at one StatefulSet.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("apps/v1", "StatefulSet", namespace, name) else { return Ok(None) };
    let set = &live.value;
    let wanted = object::number(set, "/spec/replicas").unwrap_or(1);
    let hash = format!("{name}-{}", template_hash(set.pointer("/spec/template").unwrap_or(&Value::Null)));
    let in_order = object::text(set, "/spec/podManagementPolicy") != "Parallel";
    if !object::is_deleting(set) {
        let mut held_up = false;
        for ordinal in 0..wanted {
            let pod_name = format!("{name}-{ordinal}");
            match context.get("v1", "Pod", namespace, &pod_name) {
                Some(pod) => held_up |= !pods::is_ready(&pod.value) || object::is_deleting(&pod.value),
                None if in_order && held_up => break,
                None => {
                    claims(context, set, ordinal)?;
                    pods::make(context, set, Some(pod_name.clone()), |pod| {
                        number(pod, set, &pod_name, ordinal, &hash)
                    })?;
                    held_up = true;
                }
            }
        }
        let all = pods::owned(context, object::uid(set));
        let surplus = all.iter().filter(|pod| ordinal(&pod.value) >= wanted && !object::is_deleting(&pod.value));
        if let Some(last) = surplus.max_by_key(|pod| ordinal(&pod.value)) {
            pods::remove(context, set, last)?;
        } else if !held_up {
            let partition = object::number(set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
            let rolls = object::text(set, "/spec/updateStrategy/type") == "RollingUpdate";
            let stale = all.iter().filter(|pod| {
                rolls && ordinal(&pod.value) >= partition && object::label(&pod.value, HASH) != Some(hash.as_str())
            });
            if let Some(last) = stale.max_by_key(|pod| ordinal(&pod.value)) {
                pods::remove(context, set, last)?;
            }
        }
    }
    let all = pods::owned(context, object::uid(set));
    let min_ready = object::number(set, "/spec/minReadySeconds").unwrap_or(0);
    let count = pods::count(all.iter().map(|pod| &pod.value), min_ready, context.now());
    let updated = all.iter().filter(|pod| object::label(&pod.value, HASH) == Some(hash.as_str())).count();
    let updated = i64::try_from(updated).unwrap_or(0);
    let known = object::text(set, "/status/currentRevision");
    let current = if known.is_empty() || (updated == wanted && count.ready == wanted) { hash.as_str() } else { known };
    let status = without_zeros(
        json!({
            "replicas": count.active,
            "readyReplicas": count.ready,
            "availableReplicas": count.available,
            "currentReplicas": if current == hash { updated } else { count.active - updated },
            "updatedReplicas": updated,
            "currentRevision": current,
            "updateRevision": hash,
            "collisionCount": 0,
            "observedGeneration": object::number(set, "/metadata/generation").unwrap_or(1),
        }),
        &["readyReplicas", "currentReplicas", "updatedReplicas"],
    );
    context.set_status(&live, status)?;
    Ok(count.next)
}

fn ordinal(pod: &Value) -> i64 {
    object::name(pod).rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(i64::MAX)
}

fn number(pod: &mut Value, set: &Value, name: &str, ordinal: i64, hash: &str) {
    for (label, value) in [
        ("statefulset.kubernetes.io~1pod-name", name.to_owned()),
        ("apps.kubernetes.io~1pod-index", ordinal.to_string()),
        (HASH, hash.to_owned()),
    ] {
        object::set(pod, &format!("/metadata/labels/{label}"), json!(value));
    }
    object::set(pod, "/spec/hostname", json!(name));
    let service = object::text(set, "/spec/serviceName");
    if !service.is_empty() {
        object::set(pod, "/spec/subdomain", json!(service));
    }
    let mut volumes = object::items(pod, "/spec/volumes").to_vec();
    for template in object::items(set, "/spec/volumeClaimTemplates") {
        let volume = object::name(template);
        volumes.retain(|known| object::text(known, "/name") != volume);
        volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": format!("{volume}-{name}")}}));
    }
    if !volumes.is_empty() {
        object::set(pod, "/spec/volumes", json!(volumes));
    }
}

fn claims(context: &mut Context<'_, '_>, set: &Value, ordinal: i64) -> Result<(), Failure> {
    for template in object::items(set, "/spec/volumeClaimTemplates") {
        let name = format!("{}-{}-{ordinal}", object::name(template), object::name(set));
        if context.get("v1", "PersistentVolumeClaim", object::namespace(set), &name).is_some() {
            continue;
        }
        let mut claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": object::namespace(set)},
            "spec": template.get("spec").cloned().unwrap_or_default(),
        });
        if let Some(labels) = set.pointer("/spec/selector/matchLabels") {
            object::set(&mut claim, "/metadata/labels", labels.clone());
        }
        context.create(claim)?;
    }
    Ok(())
}
