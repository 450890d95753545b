//! The objects a cluster has from the beginning: the system's namespaces, priority classes and the `kubernetes` Service,
//! and the nodes its options describe. Run at every opening; writes only what is missing or differs.

use serde_json::{Value, json};

use crate::access;
use crate::failure::Failure;
use crate::object;
use crate::options::NodeSpec;
use crate::registry::Resource;
use crate::rules::{Author, DeleteOptions, Ownership, Rules};
use crate::store::Txn;

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Marks a node that the options describe.
pub(crate) const DESCRIBED: &str = "kube-embedded/described";

/// Makes what is missing.
pub(crate) fn run(rules: &Rules, txn: &mut Txn<'_>) -> Result<(), Failure> {
    let server = Author { manager: "kube-apiserver", subresource: "" };
    for name in NAMESPACES {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ensure(rules, txn, server, namespace)?;
    }
    for (name, value, description) in [
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ] {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": description,
        });
        ensure(rules, txn, server, class)?;
    }
    for object in access::bootstrap::objects() {
        ensure(rules, txn, server, object.clone())?;
    }
    access::token::ensure_key(txn);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": "10.96.0.1",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    });
    ensure(rules, txn, server, service)?;
    nodes(rules, txn)
}

fn resource_of<'a>(rules: &'a Rules, value: &Value) -> Result<&'a Resource, Failure> {
    let (version, kind) = (object::text(value, "/apiVersion"), object::text(value, "/kind"));
    let found = rules.registry.of_kind(version, kind).map(AsRef::as_ref);
    found.ok_or_else(|| Failure::internal(format!("{version} {kind} is not served")))
}

fn ensure(rules: &Rules, txn: &mut Txn<'_>, author: Author<'_>, value: Value) -> Result<(), Failure> {
    let resource = resource_of(rules, &value)?;
    if txn.get(&resource.key(object::namespace(&value), object::name(&value))).is_none() {
        rules.create(txn, resource, value, author, Ownership::Tracked)?;
    }
    Ok(())
}

/// Makes the nodes agree with the options: missing ones are made, changed ones updated, those no longer described
/// deleted. Nodes that a client made are left alone.
fn nodes(rules: &Rules, txn: &mut Txn<'_>) -> Result<(), Failure> {
    let kubelet = Author { manager: "kubelet", subresource: "" };
    for node in txn.list("nodes", "") {
        let described = object::annotation(&node.value, DESCRIBED).is_some();
        let wanted = rules.settings.nodes.iter().any(|spec| spec.name == object::name(&node.value));
        if described && !wanted {
            let resource = resource_of(rules, &node.value)?;
            rules.delete(txn, resource, &node, &DeleteOptions::default())?;
        }
    }
    for (index, spec) in rules.settings.nodes.iter().enumerate() {
        let wanted = node(spec);
        let resource = resource_of(rules, &wanted)?;
        let key = resource.key("", &spec.name);
        let live = match txn.get(&key) {
            None => rules.create(txn, resource, wanted, kubelet, Ownership::Tracked)?.object,
            Some(live) => {
                let mut new = live.value.clone();
                for pointer in ["/metadata/labels", "/spec/taints"] {
                    match wanted.pointer(pointer) {
                        Some(value) => object::set(&mut new, pointer, value.clone()),
                        None => {
                            object::remove(&mut new, pointer);
                        }
                    }
                }
                rules.update(txn, resource, &live, new, kubelet, Ownership::Tracked)?.object
            }
        };
        let at = object::rfc3339(txn.now());
        let mut new = live.value.clone();
        let status = node_status(rules, spec, index, &at, &live.value)?;
        object::set(&mut new, "/status", status);
        let author = Author { manager: "kubelet", subresource: "status" };
        rules.update(txn, resource, &live, new, author, Ownership::Tracked)?;
    }
    Ok(())
}

fn node(spec: &NodeSpec) -> Value {
    let mut labels = json!({
        "beta.kubernetes.io/arch": spec.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": spec.architecture,
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
    });
    for (key, value) in &spec.labels {
        object::as_map(&mut labels).insert(key.clone(), json!(value));
    }
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": labels, "annotations": {DESCRIBED: "true"}},
        "spec": {},
    });
    if !spec.taints.is_empty() {
        let taints: Vec<Value> = spec
            .taints
            .iter()
            .map(|taint| {
                let mut entry = json!({"key": taint.key, "effect": taint.effect});
                if !taint.value.is_empty() {
                    object::set(&mut entry, "/value", json!(taint.value));
                }
                entry
            })
            .collect();
        object::set(&mut node, "/spec/taints", json!(taints));
    }
    node
}

fn node_status(rules: &Rules, spec: &NodeSpec, index: usize, at: &str, live: &Value) -> Result<Value, Failure> {
    let mut capacity = json!({"pods": spec.pods.to_string(), "ephemeral-storage": "1Ti", "hugepages-2Mi": "0"});
    for (name, amount) in [("cpu", &spec.cpu), ("memory", &spec.memory)] {
        let parsed = structured_merge::quantity::Quantity::parse(amount)
            .map_err(|error| Failure::bad_request(format!("node {}: {name} {amount:?}: {error}", spec.name)))?;
        object::as_map(&mut capacity).insert(name.to_owned(), json!(parsed.to_string()));
    }
    if spec.gpus > 0 {
        object::as_map(&mut capacity).insert(spec.gpu_resource.clone(), json!(spec.gpus.to_string()));
    }
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        let known = object::condition(live, kind);
        let since = known.map(|c| object::text(c, "/lastTransitionTime")).filter(|t| !t.is_empty()).unwrap_or(at);
        let heard = known.map(|c| object::text(c, "/lastHeartbeatTime")).filter(|t| !t.is_empty()).unwrap_or(at);
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": heard,
            "lastTransitionTime": since,
        })
    };
    let address = format!("10.148.{}.{}", index / 250, index % 250 + 1);
    Ok(json!({
        "addresses": [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": spec.name},
        ],
        "allocatable": capacity,
        "capacity": capacity,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "simulated node: no kubelet runs"),
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": spec.architecture,
            "bootID": spec.name,
            "containerRuntimeVersion": "simulated://1.0",
            "kernelVersion": "simulated",
            "kubeProxyVersion": "",
            "kubeletVersion": rules.settings.kubernetes_version,
            "machineID": spec.name,
            "operatingSystem": "linux",
            "osImage": "simulated",
            "systemUUID": spec.name,
        },
    }))
}
