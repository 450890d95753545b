//! What the server refuses in a Service and in its status, in the order in which it looks, and what it warns of. Wording as
//! in `k8s.io/kubernetes/pkg/apis/core/validation` and `…/pkg/api/service`. Addresses and ports are handed out elsewhere.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::defaults::is_reached_from_outside;
use super::validate::{address, labels, port_or_name};
use super::{naming, validate_pod_parts};
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;

/// How long a client may be sent to the same pod, in seconds.
const LONGEST_AFFINITY: i64 = 86_400;
/// A number of a port.
const PORTS: std::ops::RangeInclusive<i64> = 1..=65_535;
const NO_PORT: &str = "must be between 1 and 65535, inclusive";

/// What is wrong with the addresses that a Service asks for. Nothing else is looked at then: there is nothing to hand out.
pub(super) fn early(resource: &Resource, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if resource.is("", "Service") && object::text(value, "/spec/type") != "ExternalName" {
        let spec = value.get("spec").unwrap_or(&Value::Null);
        addresses(spec, &mut causes);
    }
    causes
}

/// A Service, new or changed.
pub(super) fn service(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/spec/type");
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let headless = object::text(spec, "/clusterIP") == "None";
    let ports = object::items(spec, "/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            causes.push(Cause::invalid("spec.clusterIPs[0]", &json!("None"), &why));
        }
        "ExternalName" => external_name(spec, causes),
        _ => {}
    }
    let mut names = HashSet::new();
    for (at, entry) in ports.iter().enumerate() {
        port(entry, &format!("spec.ports[{at}]"), ports.len() > 1, &mut names, causes);
    }
    labels(value, "/spec/selector", "spec.selector", causes);
    affinity(spec, causes);
    if kind != "ExternalName" {
        addresses(spec, causes);
    }
    for (at, external) in object::items(spec, "/externalIPs").iter().filter_map(Value::as_str).enumerate() {
        address(external, &format!("spec.externalIPs[{at}]"), causes);
    }
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        causes.push(Cause::unsupported("spec.type", &json!(kind), &known));
    }
    same_ports(kind, ports, causes);
    balancer(spec, kind, causes);
    external_traffic(value, causes);
    let health = object::number(spec, "/healthCheckNodePort").unwrap_or(0);
    if health != 0 && !needs_health_check(value) {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        causes.push(Cause::invalid("spec.healthCheckNodePort", &json!(health), why));
    }
    validate_pod_parts::one_of(spec, "internalTrafficPolicy", "spec", &["Cluster", "Local"], causes);
    let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    validate_pod_parts::one_of(spec, "trafficDistribution", "spec", &known, causes);
}

/// A Service that stands for a name elsewhere.
fn external_name(spec: &Value, causes: &mut Vec<Cause>) {
    let there = |field: &str| spec.get(field).is_some_and(|value| !value.is_null() && *value != json!([]));
    let address = !object::text(spec, "/clusterIP").is_empty();
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if there(field) || (field == "clusterIPs" && address) {
            causes.push(Cause::forbidden(format!("spec.{field}"), "may not be set for ExternalName services"));
        }
    }
    let name = object::text(spec, "/externalName");
    // The dot at the end that makes a name whole is no part of it.
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        causes.push(Cause::required("spec.externalName", ""));
    } else {
        for fault in naming::subdomain(name) {
            causes.push(Cause::invalid("spec.externalName", &json!(name), &fault));
        }
    }
}

fn port<'a>(entry: &'a Value, place: &str, named: bool, names: &mut HashSet<&'a str>, causes: &mut Vec<Cause>) {
    let name = object::name_of(entry);
    if name.is_empty() {
        if named {
            causes.push(Cause::required(format!("{place}.name"), ""));
        }
    } else {
        for fault in naming::label(name) {
            causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
        }
        if !names.insert(name) {
            causes.push(Cause::duplicate(format!("{place}.name"), &json!(name)));
        }
    }
    let number = object::number(entry, "/port").unwrap_or(0);
    if !PORTS.contains(&number) {
        causes.push(Cause::invalid(format!("{place}.port"), &json!(number), NO_PORT));
    }
    match object::text(entry, "/protocol") {
        "" => causes.push(Cause::required(format!("{place}.protocol"), "")),
        "TCP" | "UDP" | "SCTP" => {}
        other => {
            causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(other), &["SCTP", "TCP", "UDP"]));
        }
    }
    if let Some(target) = entry.get("targetPort") {
        port_or_name(target, &format!("{place}.targetPort"), causes);
    }
    if let Some(protocol) = entry.get("appProtocol").and_then(Value::as_str) {
        for fault in naming::qualified_name(protocol) {
            causes.push(Cause::invalid(format!("{place}.appProtocol"), &json!(protocol), &fault));
        }
    }
}

/// How a client is kept with one pod.
fn affinity(spec: &Value, causes: &mut Vec<Cause>) {
    validate_pod_parts::one_of(spec, "sessionAffinity", "spec", &["ClientIP", "None"], causes);
    let place = "spec.sessionAffinityConfig";
    let config = spec.get("sessionAffinityConfig");
    match object::text(spec, "/sessionAffinity") {
        "None" if config.is_some() => {
            causes.push(Cause::forbidden(place, "must not be set when session affinity is None"));
        }
        "ClientIP" => {
            let seconds = object::number(spec, "/sessionAffinityConfig/clientIP/timeoutSeconds");
            if let Some(seconds) = seconds.filter(|seconds| !(1..=LONGEST_AFFINITY).contains(seconds)) {
                let why = format!("must be greater than 0 and less than {LONGEST_AFFINITY}");
                causes.push(Cause::invalid(format!("{place}.clientIP.timeoutSeconds"), &json!(seconds), &why));
            }
        }
        _ => {}
    }
}

/// The addresses, and the families that they are of.
fn addresses(spec: &Value, causes: &mut Vec<Cause>) {
    let families = object::items(spec, "/ipFamilies");
    for (at, family) in families.iter().enumerate() {
        let field = format!("spec.ipFamilies[{at}]");
        if !matches!(family.as_str(), Some("IPv4" | "IPv6")) {
            causes.push(Cause::unsupported(field.clone(), family, &["IPv4", "IPv6"]));
        }
        if families.iter().take(at).any(|other| other == family) {
            causes.push(Cause::duplicate(field, family));
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    validate_pod_parts::one_of(spec, "ipFamilyPolicy", "spec", &policies, causes);
    let wanted = object::items(spec, "/clusterIPs");
    let one = spec.get("clusterIP").into_iter().filter(|_| wanted.is_empty());
    for (at, given) in wanted.iter().chain(one).filter_map(Value::as_str).enumerate() {
        if !given.is_empty() && given != "None" {
            address(given, &format!("spec.clusterIPs[{at}]"), causes);
        }
    }
}

/// Ports of the nodes where there are none, and ports that are there twice.
fn same_ports(kind: &str, ports: &[Value], causes: &mut Vec<Cause>) {
    let node_port = |entry: &Value| object::number(entry, "/nodePort").unwrap_or(0);
    for (at, entry) in ports.iter().enumerate() {
        if kind == "ClusterIP" && node_port(entry) != 0 {
            let why = "may not be used when `type` is 'ClusterIP'";
            causes.push(Cause::forbidden(format!("spec.ports[{at}].nodePort"), why));
        }
    }
    let earlier = |at: usize, same: &dyn Fn(&Value) -> bool| ports.iter().take(at).any(same);
    for (at, entry) in ports.iter().enumerate() {
        let same =
            |other: &Value| node_port(other) == node_port(entry) && other.get("protocol") == entry.get("protocol");
        if node_port(entry) != 0 && earlier(at, &same) {
            causes.push(Cause::duplicate(format!("spec.ports[{at}].nodePort"), &json!(node_port(entry))));
        }
    }
    for (at, entry) in ports.iter().enumerate() {
        let same =
            |other: &Value| other.get("port") == entry.get("port") && other.get("protocol") == entry.get("protocol");
        if earlier(at, &same) {
            // The server prints its own form of the port, with nothing in it that does not tell ports apart.
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{:?},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                object::text(entry, "/protocol"),
                object::number(entry, "/port").unwrap_or(0)
            );
            causes.push(Cause::duplicate_of(format!("spec.ports[{at}]"), &shown));
        }
    }
}

/// What only a Service with a load balancer may have.
fn balancer(spec: &Value, kind: &str, causes: &mut Vec<Cause>) {
    let why = "may only be used when `type` is 'LoadBalancer'";
    if kind == "LoadBalancer" {
        if let Some(class) = spec.get("loadBalancerClass").and_then(Value::as_str) {
            for fault in naming::qualified_name(class) {
                causes.push(Cause::invalid("spec.loadBalancerClass", &json!(class), &fault));
            }
        }
        return;
    }
    if !object::items(spec, "/loadBalancerSourceRanges").is_empty() {
        causes.push(Cause::forbidden("spec.LoadBalancerSourceRanges", why));
    }
    for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if spec.get(field).is_some_and(|value| !value.is_null()) {
            causes.push(Cause::forbidden(format!("spec.{field}"), why));
        }
    }
}

/// How traffic from outside is spread.
fn external_traffic(value: &Value, causes: &mut Vec<Cause>) {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let policy = object::text(spec, "/externalTrafficPolicy");
    if is_reached_from_outside(value) {
        validate_pod_parts::one_of(spec, "externalTrafficPolicy", "spec", &["Cluster", "Local"], causes);
    } else if !policy.is_empty() {
        let why = "may only be set for externally-accessible services";
        causes.push(Cause::invalid("spec.externalTrafficPolicy", &json!(policy), why));
    }
}

/// What of a Service's addresses may not change.
pub(super) fn unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let kept = object::text(old, "/spec/clusterIP");
    let external = [old, new].iter().any(|value| object::text(value, "/spec/type") == "ExternalName");
    if !external && !kept.is_empty() && kept != object::text(new, "/spec/clusterIP") {
        let value = json!([new.pointer("/spec/clusterIP")]);
        causes.push(Cause::invalid("spec.clusterIPs[0]", &value, "may not change once set"));
    }
}

/// Does it need a port by which nodes say whether they have pods of it?
pub(super) fn needs_health_check(value: &Value) -> bool {
    object::text(value, "/spec/type") == "LoadBalancer" && object::text(value, "/spec/externalTrafficPolicy") == "Local"
}

/// What is warned of.
pub(super) fn warnings(value: &Value) -> Vec<String> {
    let mut warnings: Vec<&str> = Vec::new();
    let text = |field: &str| object::text(value, &format!("/spec/{field}"));
    let external = !object::items(value, "/spec/externalIPs").is_empty();
    let headless = text("clusterIP") == "None";
    let elsewhere = text("type") == "ExternalName";
    if object::annotation(value, "service.kubernetes.io/topology-aware-hints").is_some() {
        warnings.push(
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead",
        );
    }
    if headless {
        if !text("loadBalancerIP").is_empty() {
            warnings.push("spec.loadBalancerIP is ignored for headless services");
        }
        if external {
            warnings.push("spec.externalIPs is ignored for headless services");
        }
        if text("sessionAffinity") != "None" {
            warnings.push("spec.SessionAffinity is ignored for headless services");
        }
    }
    if external && !headless && !elsewhere {
        warnings.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
    }
    if external && elsewhere {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    }
    if !elsewhere && !text("externalName").is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"");
    }
    if text("trafficDistribution") == "PreferClose" {
        warnings.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
    }
    warnings.into_iter().map(str::to_owned).collect()
}

/// The status of a Service.
pub(super) fn status(value: &Value, causes: &mut Vec<Cause>) {
    let place = "status.loadBalancer.ingress";
    let ingress = object::items(value, "/status/loadBalancer/ingress");
    if object::text(value, "/spec/type") != "LoadBalancer" && !ingress.is_empty() {
        causes.push(Cause::forbidden(place, "may only be used when `spec.type` is 'LoadBalancer'"));
        return;
    }
    for (at, entry) in ingress.iter().enumerate() {
        let field = |name: &str| format!("{place}[{at}].{name}");
        let (ip, host) = (object::text(entry, "/ip"), object::text(entry, "/hostname"));
        if !ip.is_empty() {
            address(ip, &field("ip"), causes);
        }
        match entry.get("ipMode").and_then(Value::as_str) {
            None if !ip.is_empty() => {
                causes.push(Cause::required(field("ipMode"), "must be specified when `ip` is set"));
            }
            Some(_) if ip.is_empty() => {
                causes.push(Cause::forbidden(field("ipMode"), "may not be specified when `ip` is not set"));
            }
            Some(other) if !matches!(other, "VIP" | "Proxy") => {
                causes.push(Cause::unsupported(field("ipMode"), &json!(other), &["Proxy", "VIP"]));
            }
            _ => {}
        }
        for fault in if host.is_empty() { Vec::new() } else { naming::subdomain(host) } {
            causes.push(Cause::invalid(field("hostname"), &json!(host), &fault));
        }
        if host.parse::<IpAddr>().is_ok() {
            let why = "must be a DNS name, not an IP address";
            causes.push(Cause::invalid(field("hostname"), &json!(host), why));
        }
    }
}
