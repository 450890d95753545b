//! `ServiceAccount`: every new pod has an account that is there, its token in a volume unless pod or account say
//! otherwise, and the account's secrets for pulling images. No kubelet fills that volume here; the server adds it all
//! the same.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/admission/serviceaccount`.

use serde_json::{Value, json};

use super::{Write, containers, push};
use crate::failure::Failure;
use crate::object;
use crate::rules::letters;
use crate::store::{Key, Txn};

/// Where a container finds its token.
const WHERE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// On an account: its pods may mount only the secrets that it lists.
const ENFORCED: &str = "kubernetes.io/enforce-mountable-secrets";
/// On a pod that a kubelet made from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A new pod.
pub(super) fn admit(txn: &Txn<'_>, write: Write<'_>, pod: &mut Value) -> Result<(), Failure> {
    if object::annotation(pod, MIRROR).is_some() {
        return mirror(write, pod);
    }
    if object::text(pod, "/spec/serviceAccountName").is_empty() {
        object::set(pod, "/spec/serviceAccountName", json!("default"));
        object::set(pod, "/spec/serviceAccount", json!("default"));
    }
    let name = object::text(pod, "/spec/serviceAccountName").to_owned();
    let namespace = object::namespace(pod);
    let Some(account) = txn.get(&Key::new("serviceaccounts", namespace, &name)) else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return Err(write.forbidden(pod, &why));
    };
    let account = &account.value;
    let field = "/automountServiceAccountToken";
    let mounts = pod.pointer(&format!("/spec{field}")).or_else(|| account.pointer(field));
    if mounts.and_then(Value::as_bool).unwrap_or(true) {
        mount_token(pod);
    }
    let pull = object::items(account, "/imagePullSecrets");
    if object::items(pod, "/spec/imagePullSecrets").is_empty() && !pull.is_empty() {
        let named = pull.iter().map(|secret| json!({"name": object::name_of(secret)})).collect();
        object::set(pod, "/spec/imagePullSecrets", Value::Array(named));
    }
    if object::annotation(account, ENFORCED).is_some_and(|value| matches!(value, "true" | "True" | "TRUE" | "t" | "1"))
    {
        may_mount(account, pod).map_err(|why| write.forbidden(pod, &why))?;
    }
    Ok(())
}

fn mirror(write: Write<'_>, pod: &Value) -> Result<(), Failure> {
    let sources = object::items(pod, "/spec/volumes").iter().flat_map(|v| object::items(v, "/projected/sources"));
    if !object::text(pod, "/spec/serviceAccountName").is_empty() {
        return Err(write.forbidden(pod, "a mirror pod may not reference service accounts"));
    }
    if secrets(pod).next().is_some() {
        return Err(write.forbidden(pod, "a mirror pod may not reference secrets"));
    }
    if sources.into_iter().any(|source| source.get("serviceAccountToken").is_some()) {
        return Err(write.forbidden(pod, "a mirror pod may not use ServiceAccountToken volume projections"));
    }
    Ok(())
}

/// The secrets that a pod names, each with where it does.
fn secrets(pod: &Value) -> impl Iterator<Item = (String, &str)> {
    let volumes = object::items(pod, "/spec/volumes").iter().filter_map(|volume| {
        let name = volume.pointer("/secret/secretName")?.as_str()?;
        Some((format!("volume with secret.secretName={name:?}"), name))
    });
    let used = [("init container", "/spec/initContainers"), ("container", "/spec/containers")]
        .into_iter()
        .flat_map(|(word, list)| object::items(pod, list).iter().map(move |container| (word, container)))
        .flat_map(|(word, container)| {
            let who = format!("{word} {}", object::name_of(container));
            let whole = who.clone();
            let env = object::items(container, "/env").iter().filter_map(move |env| {
                let name = env.pointer("/valueFrom/secretKeyRef/name")?.as_str()?;
                let variable = object::name_of(env);
                Some((format!("{who} with envVar {variable} referencing secret.secretName={name:?}"), name))
            });
            let from = object::items(container, "/envFrom").iter().filter_map(move |from| {
                let name = from.pointer("/secretRef/name")?.as_str()?;
                Some((format!("{whole} with envFrom referencing secret.secretName={name:?}"), name))
            });
            env.chain(from)
        });
    volumes.chain(used)
}

/// Does the account list every secret that the pod names?
fn may_mount(account: &Value, pod: &Value) -> Result<(), String> {
    let name = object::name(account);
    let listed = |list: &str, wanted: &str| object::items(account, list).iter().any(|s| object::name_of(s) == wanted);
    if let Some((place, _)) = secrets(pod).find(|(_, secret)| !listed("/secrets", secret)) {
        return Err(format!("{place} is not allowed because service account {name} does not reference that secret"));
    }
    for (at, secret) in object::items(pod, "/spec/imagePullSecrets").iter().enumerate() {
        let secret = object::name_of(secret);
        if !listed("/imagePullSecrets", secret) {
            return Err(format!(
                "imagePullSecrets[{at}].name={secret:?} is not allowed because service account {name} does not reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

fn mount_token(pod: &mut Value) {
    let mounted = |container: &Value| {
        object::items(container, "/volumeMounts").iter().any(|mount| object::text(mount, "/mountPath") == WHERE)
    };
    if containers(pod).all(mounted) {
        return;
    }
    let name = format!("kube-api-access-{}", letters(5));
    for list in ["containers", "initContainers"] {
        let containers = pod.get_mut("spec").and_then(|s| s.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter(|container| !mounted(container)) {
            push(container, "volumeMounts", json!({"name": name, "readOnly": true, "mountPath": WHERE}));
        }
    }
    if let Some(spec) = pod.get_mut("spec") {
        let field = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
        let volume = json!({
            "name": name,
            "projected": {
                "defaultMode": 420,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
                ],
            },
        });
        push(spec, "volumes", volume);
    }
}
