//! What the server hands out: a Service's addresses and node ports, and the write-only `stringData` of a Secret. Keeps
//! no list of its own: what is taken is what the stored Services say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::validate_service::needs_health_check;
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;
use crate::store::Txn;

/// Service addresses come from here, as kubeadm has it, starting after the first ten.
const RANGE: &str = "10.96.0.0/16";
const FIRST_ADDRESS: u32 = u32::from_be_bytes([10, 96, 0, 10]);
const LAST_ADDRESS: u32 = u32::from_be_bytes([10, 96, 255, 254]);
/// Node ports, as the server's default has them.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;
/// The port by which a node says whether it has pods of a Service.
const HEALTH_CHECK: &str = "/spec/healthCheckNodePort";

/// For a new object.
pub(super) fn on_create(txn: &Txn<'_>, resource: &Resource, new: &mut Value, causes: &mut Vec<Cause>) {
    if resource.is("", "Service") {
        service(txn, new, causes);
    } else if resource.is("", "Secret") {
        secret(new);
    }
}

/// For a changed object: what was handed out stays, as long as the type of a Service has it.
pub(super) fn on_update(txn: &Txn<'_>, resource: &Resource, old: &Value, new: &mut Value) {
    if resource.is("", "Secret") {
        secret(new);
    }
    if !resource.is("", "Service") {
        return;
    }
    give_back(old, new);
    if object::text(new, "/spec/type") == "ExternalName" {
        return;
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let pointer = format!("/spec/{field}");
        let unset = new.pointer(&pointer).is_none_or(|v| v.is_null() || *v == json!("") || *v == json!([]));
        if let (true, Some(kept)) = (unset, old.pointer(&pointer)) {
            object::set(new, &pointer, kept.clone());
        }
    }
    keep_ports(old, new);
    node_ports(txn, new);
}

/// Takes out what the new type of a Service does not have, where the client has left it as it was.
///
/// Source: `dropTypeDependentFields` of `k8s.io/kubernetes/pkg/registry/core/service`.
fn give_back(old: &Value, new: &mut Value) {
    let mut gone: Vec<&str> = Vec::new();
    if is_on_nodes(old) && !is_on_nodes(new) {
        gone.push("externalTrafficPolicy");
        let before: Vec<Option<i64>> =
            object::items(old, "/spec/ports").iter().map(|port| object::number(port, "/nodePort")).collect();
        let ports = new.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        for (port, before) in ports.into_iter().flatten().zip(before) {
            if object::number(port, "/nodePort") == before {
                object::remove(port, "/nodePort");
            }
        }
    }
    if object::text(old, "/spec/type") == "LoadBalancer" && object::text(new, "/spec/type") != "LoadBalancer" {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if object::text(old, "/spec/type") != "ExternalName" && object::text(new, "/spec/type") == "ExternalName" {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    if needs_health_check(old) && !needs_health_check(new) {
        gone.push("healthCheckNodePort");
    }
    for field in gone {
        let pointer = format!("/spec/{field}");
        if old.pointer(&pointer) == new.pointer(&pointer) {
            object::remove(new, &pointer);
        }
    }
}

/// What a Secret's client wrote as text is its data, before anyone owns it.
pub(super) fn take_texts(resource: &Resource, new: &mut Value) {
    if resource.is("", "Secret") {
        secret(new);
    }
}

/// `stringData` is written into `data`.
fn secret(new: &mut Value) {
    let Some(Value::Object(texts)) = new.as_object_mut().and_then(|map| map.remove("stringData")) else { return };
    let data = object::map_mut(new, "data");
    for (key, text) in texts {
        data.insert(key, json!(STANDARD.encode(text.as_str().unwrap_or_default())));
    }
}

fn service(txn: &Txn<'_>, new: &mut Value, causes: &mut Vec<Cause>) {
    if object::text(new, "/spec/type") == "ExternalName" {
        return;
    }
    let services = txn.list("services", "");
    let wanted = object::text(new, "/spec/clusterIP").to_owned();
    let wanted = match object::items(new, "/spec/clusterIPs").first().and_then(Value::as_str) {
        Some(first) if wanted.is_empty() => first.to_owned(),
        _ => wanted,
    };
    let address = if wanted.is_empty() {
        let taken: BTreeSet<&str> = services.iter().map(|s| object::text(&s.value, "/spec/clusterIP")).collect();
        let free =
            (FIRST_ADDRESS..=LAST_ADDRESS).map(|a| Ipv4Addr::from(a).to_string()).find(|a| !taken.contains(a.as_str()));
        match free {
            Some(free) => free,
            None => {
                causes.push(Cause::invalid("spec.clusterIPs", &json!([]), "failed to allocate IP: range is full"));
                return;
            }
        }
    } else {
        if wanted != "None" && services.iter().any(|s| object::text(&s.value, "/spec/clusterIP") == wanted) {
            let why = format!("failed to allocate IP {wanted}: provided IP is already allocated");
            causes.push(Cause::invalid("spec.clusterIPs", &json!([wanted]), &why));
        }
        if wanted.parse::<Ipv4Addr>().is_ok_and(|address| address.octets()[..2] != [10, 96]) {
            let why = format!(
                "failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {RANGE}"
            );
            causes.push(Cause::invalid("spec.clusterIPs", &json!([wanted]), &why));
        }
        wanted
    };
    let spec = object::map_mut(new, "spec");
    spec.insert("clusterIPs".to_owned(), json!([address]));
    spec.insert("clusterIP".to_owned(), json!(address));
    // Whoever writes the endpoints of such a Service may write any.
    let any =
        address == "None" && spec.get("selector").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    object::default_to(spec, "ipFamilyPolicy", json!(if any { "RequireDualStack" } else { "SingleStack" }));
    let single = spec.get("ipFamilyPolicy") == Some(&json!("SingleStack"));
    let families = if any && !single { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
    object::default_to(spec, "ipFamilies", families);
    node_ports(txn, new);
}

/// Ports of the nodes, for a Service that is reached through them, and one by which they say whether they have pods of it.
fn node_ports(txn: &Txn<'_>, new: &mut Value) {
    if !is_on_nodes(new) {
        return;
    }
    let services = txn.list("services", "");
    let mut taken: BTreeSet<i64> = services
        .iter()
        .flat_map(|service| {
            let ports = object::items(&service.value, "/spec/ports").iter();
            let own = ports.filter_map(|port| object::number(port, "/nodePort"));
            own.chain(object::number(&service.value, HEALTH_CHECK))
        })
        .collect();
    let mut give = |holder: &mut Value, pointer: &str| {
        if object::number(holder, pointer).unwrap_or(0) == 0
            && let Some(free) = NODE_PORTS.into_iter().find(|port| !taken.contains(port))
        {
            taken.insert(free);
            object::set(holder, pointer, json!(free));
        }
    };
    for port in new.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        give(port, "/nodePort");
    }
    if needs_health_check(new) {
        give(new, HEALTH_CHECK);
    }
}

fn is_on_nodes(service: &Value) -> bool {
    matches!(object::text(service, "/spec/type"), "NodePort" | "LoadBalancer")
}

/// Ports that a client has left out stay as they were handed out: those of the nodes by their port's name.
///
/// Source: `patchAllocatedValues` of `k8s.io/kubernetes/pkg/registry/core/service/storage`.
fn keep_ports(old: &Value, new: &mut Value) {
    if is_on_nodes(old) && is_on_nodes(new) {
        let given = |service: &Value| -> BTreeMap<String, i64> {
            let ports = object::items(service, "/spec/ports").iter();
            let given =
                ports.filter_map(|port| Some((object::name_of(port).to_owned(), object::number(port, "/nodePort")?)));
            given.filter(|(_, port)| *port != 0).collect()
        };
        let (known, used) = (given(old), given(new));
        for port in new.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let before = known.get(object::name_of(port)).filter(|port| !used.values().any(|used| used == *port));
            if let (0, Some(before)) = (object::number(port, "/nodePort").unwrap_or(0), before) {
                object::set(port, "/nodePort", json!(before));
            }
        }
    }
    if needs_health_check(old)
        && needs_health_check(new)
        && object::number(new, HEALTH_CHECK).unwrap_or(0) == 0
        && let Some(port) = old.pointer(HEALTH_CHECK)
    {
        object::set(new, HEALTH_CHECK, port.clone());
    }
}
