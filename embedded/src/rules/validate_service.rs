//! What the server refuses in a Service and in its status, and what it warns of. Wording as in
//! `k8s.io/kubernetes/pkg/apis/core/validation` and `…/pkg/api/service`. Addresses and ports are handed out elsewhere.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::defaults::is_reached_from_outside;
use super::validate::{self, labels, port_or_name};
use super::{naming, validate_pod_parts};
use crate::failure::Cause;
use crate::object;

/// A Service.
pub(super) fn service(value: &Value, causes: &mut Vec<Cause>) {
    let kind = object::text(value, "/spec/type");
    let headless = object::text(value, "/spec/clusterIP") == "None";
    let ports = object::items(value, "/spec/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    if kind == "ExternalName" {
        let external = object::text(value, "/spec/externalName");
        if external.is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        } else {
            for fault in naming::subdomain(external.trim_end_matches('.')) {
                causes.push(Cause::invalid("spec.externalName", &json!(external), &fault));
            }
        }
    }
    let spec = value.get("spec").unwrap_or(&Value::Null);
    validate_pod_parts::one_of(spec, "sessionAffinity", "spec", &["ClientIP", "None"], causes);
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    validate_pod_parts::one_of(spec, "ipFamilyPolicy", "spec", &policies, causes);
    for (at, address) in object::items(value, "/spec/clusterIPs").iter().filter_map(Value::as_str).enumerate() {
        if !address.is_empty() && address != "None" {
            validate::address(address, &format!("spec.clusterIPs[{at}]"), causes);
        }
    }
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        causes.push(Cause::unsupported("spec.type", &json!(kind), &known));
    }
    let mut names = Vec::new();
    let mut numbers = Vec::new();
    for (at, entry) in ports.iter().enumerate() {
        let place = format!("spec.ports[{at}]");
        let name = object::text(entry, "/name");
        if name.is_empty() {
            if ports.len() > 1 {
                causes.push(Cause::required(format!("{place}.name"), ""));
            }
        } else {
            for fault in naming::label(name) {
                causes.push(Cause::invalid(format!("{place}.name"), &json!(name), &fault));
            }
            if names.contains(&name) {
                causes.push(Cause::duplicate(format!("{place}.name"), &json!(name)));
            }
            names.push(name);
        }
        match object::number(entry, "/port") {
            Some(1..=65_535) => {}
            other => causes.push(Cause::invalid(
                format!("{place}.port"),
                &json!(other.unwrap_or(0)),
                "must be between 1 and 65535, inclusive",
            )),
        }
        if let Some(target) = entry.get("targetPort") {
            port_or_name(target, &format!("{place}.targetPort"), causes);
        }
        let protocol = object::text(entry, "/protocol");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(protocol), &["SCTP", "TCP", "UDP"]));
        }
        let number = (entry.get("port"), entry.get("protocol"));
        if numbers.contains(&number) {
            // The server prints its own form of the port, with nothing in it that does not tell ports apart.
            let number = object::number(entry, "/port").unwrap_or(0);
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":\"{protocol}\",\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}"
            );
            causes.push(Cause::duplicate_of(place, &shown));
        }
        numbers.push(number);
    }
    labels(value, "/spec/selector", "spec.selector", causes);
    if kind == "ClusterIP" {
        for (at, entry) in ports.iter().enumerate() {
            if object::number(entry, "/nodePort").unwrap_or(0) != 0 {
                let why = "may not be used when `type` is 'ClusterIP'";
                causes.push(Cause::forbidden(format!("spec.ports[{at}].nodePort"), why));
            }
        }
    }
    if kind != "LoadBalancer" && !object::items(value, "/spec/loadBalancerSourceRanges").is_empty() {
        let why = "may only be used when `type` is 'LoadBalancer'";
        causes.push(Cause::forbidden("spec.LoadBalancerSourceRanges", why));
    }
    let external = object::text(value, "/spec/externalTrafficPolicy");
    if !external.is_empty() && !is_reached_from_outside(value) {
        let why = "may only be set for externally-accessible services";
        causes.push(Cause::invalid("spec.externalTrafficPolicy", &json!(external), why));
    }
    validate_pod_parts::one_of(spec, "internalTrafficPolicy", "spec", &["Cluster", "Local"], causes);
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
        let (address, host) = (object::text(entry, "/ip"), object::text(entry, "/hostname"));
        if !address.is_empty() {
            validate::address(address, &field("ip"), causes);
        }
        match entry.get("ipMode").and_then(Value::as_str) {
            None if !address.is_empty() => {
                causes.push(Cause::required(field("ipMode"), "must be specified when `ip` is set"));
            }
            Some(_) if address.is_empty() => {
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
