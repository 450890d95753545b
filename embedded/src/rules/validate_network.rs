//! What the server refuses in an Ingress and in a NetworkPolicy. Wording as in
//! `k8s.io/kubernetes/pkg/apis/networking/validation`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::naming;
use super::validate::{port_or_name, selector};
use crate::failure::Cause;
use crate::object;

const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// An Ingress.
pub(super) fn ingress(value: &Value, causes: &mut Vec<Cause>) {
    let rules = object::items(value, "/spec/rules");
    let fallback = value.pointer("/spec/defaultBackend");
    if rules.is_empty() && fallback.is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid("spec", &Value::Null, why));
    }
    if let Some(backend) = fallback {
        self::backend(backend, "spec.defaultBackend", causes);
    }
    for (at, rule) in rules.iter().enumerate() {
        let place = format!("spec.rules[{at}]");
        let host = object::text(rule, "/host");
        if !host.is_empty() {
            self::host(host, &format!("{place}.host"), causes);
        }
        if rule.get("http").is_some() && object::items(rule, "/http/paths").is_empty() {
            causes.push(Cause::required(format!("{place}.http.paths"), ""));
        }
        for (number, path) in object::items(rule, "/http/paths").iter().enumerate() {
            self::path(path, &format!("{place}.http.paths[{number}]"), causes);
        }
    }
    let class = object::text(value, "/spec/ingressClassName");
    for fault in if class.is_empty() { Vec::new() } else { naming::subdomain(class) } {
        causes.push(Cause::invalid("spec.ingressClassName", &json!(class), &fault));
    }
}

fn host(host: &str, field: &str, causes: &mut Vec<Cause>) {
    if host.parse::<IpAddr>().is_ok() {
        causes.push(Cause::invalid(field, &json!(host), "must be a DNS name, not an IP address"));
    } else if host.contains('*') {
        let fits = host.strip_prefix("*.").is_some_and(|rest| naming::subdomain(rest).is_empty());
        if !fits {
            causes.push(Cause::invalid(field, &json!(host), WILDCARD));
        }
    } else {
        for fault in naming::subdomain(host) {
            causes.push(Cause::invalid(field, &json!(host), &fault));
        }
    }
}

fn path(path: &Value, place: &str, causes: &mut Vec<Cause>) {
    let kind = object::text(path, "/pathType");
    let text = object::text(path, "/path");
    let field = format!("{place}.path");
    match kind {
        "" => causes.push(Cause::required(format!("{place}.pathType"), "pathType must be specified")),
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                causes.push(Cause::invalid(field.clone(), &json!(text), "must be an absolute path"));
            }
            for wrong in ["//", "/./", "/../", "%2f", "%2F"] {
                if text.contains(wrong) {
                    causes.push(Cause::invalid(field.clone(), &json!(text), &format!("must not contain '{wrong}'")));
                }
            }
        }
        "ImplementationSpecific" => {}
        other => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            causes.push(Cause::unsupported(format!("{place}.pathType"), &json!(other), &known));
        }
    }
    self::backend(path.get("backend").unwrap_or(&Value::Null), &format!("{place}.backend"), causes);
}

fn backend(backend: &Value, place: &str, causes: &mut Vec<Cause>) {
    let Some(service) = backend.get("service") else {
        if backend.get("resource").is_none() {
            causes.push(Cause::invalid(place, &json!(""), "resource or service backend is required"));
        }
        return;
    };
    if object::text(service, "/name").is_empty() {
        causes.push(Cause::required(format!("{place}.service.name"), ""));
    }
    let name = object::text(service, "/port/name");
    let number = object::number(service, "/port/number").unwrap_or(0);
    match (name.is_empty(), number) {
        (true, 0) => causes.push(Cause::required(place, "port name or number is required")),
        (false, 0) => port_or_name(&json!(name), &format!("{place}.service.port.name"), causes),
        (true, 1..=65_535) => {}
        (true, _) => {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("{place}.service.port.number"), &json!(number), why));
        }
        (false, _) => causes.push(Cause::invalid(place, &json!(""), "cannot set both port name & port number")),
    }
}

/// A NetworkPolicy.
pub(super) fn network_policy(value: &Value, causes: &mut Vec<Cause>) {
    selector(value, "/spec/podSelector", causes);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (at, rule) in object::items(value, &format!("/spec/{direction}")).iter().enumerate() {
            for (number, entry) in object::items(rule, "/ports").iter().enumerate() {
                ports(entry, &format!("spec.{direction}[{at}].ports[{number}]"), causes);
            }
            for (number, found) in object::items(rule, &format!("/{peers}")).iter().enumerate() {
                peer(found, &format!("spec.{direction}[{at}].{peers}[{number}]"), causes);
            }
        }
    }
    let types = object::items(value, "/spec/policyTypes");
    if types.len() > 2 {
        let why = "may not specify more than two policyTypes";
        causes.push(Cause::invalid("spec.policyTypes", &json!(types), why));
        return;
    }
    for (at, kind) in types.iter().enumerate() {
        if !matches!(kind.as_str(), Some("Ingress" | "Egress")) {
            causes.push(Cause::unsupported(format!("spec.policyTypes[{at}]"), kind, &["Ingress", "Egress"]));
        }
    }
}

fn ports(entry: &Value, place: &str, causes: &mut Vec<Cause>) {
    let protocol = object::text(entry, "/protocol");
    if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
        let known = ["TCP", "UDP", "SCTP"];
        causes.push(Cause::unsupported(format!("{place}.protocol"), &json!(protocol), &known));
    }
    if let Some(port) = entry.get("port") {
        port_or_name(port, &format!("{place}.port"), causes);
    }
    let Some(end) = object::number(entry, "/endPort") else { return };
    let (shown, why) = match entry.get("port") {
        None => (end, "may not be specified when `port` is not specified"),
        Some(port) => match port.as_i64() {
            None => (end, "may not be specified when `port` is non-numeric"),
            // The server shows the port here.
            Some(port) if end < port => (port, "must be greater than or equal to `port`"),
            Some(_) => return,
        },
    };
    causes.push(Cause::invalid(format!("{place}.endPort"), &json!(shown), why));
}

fn peer(peer: &Value, place: &str, causes: &mut Vec<Cause>) {
    let others = ["podSelector", "namespaceSelector"].into_iter().filter(|kind| peer.get(kind).is_some()).count();
    for kind in ["podSelector", "namespaceSelector"] {
        if let Some(found) = peer.get(kind) {
            let mut inner = Vec::new();
            selector(found, "", &mut inner);
            causes.extend(
                inner.into_iter().map(|cause| Cause { field: format!("{place}.{kind}{}", cause.field), ..cause }),
            );
        }
    }
    if let Some(block) = peer.get("ipBlock") {
        let cidr = object::text(block, "/cidr");
        let whole = network(cidr);
        let field = format!("{place}.ipBlock.cidr");
        if cidr.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if whole.is_none() {
            let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            causes.push(Cause::invalid(field, &json!(cidr), why));
        }
        for (at, except) in object::items(block, "/except").iter().filter_map(Value::as_str).enumerate() {
            let inside =
                network(except).zip(whole).is_some_and(|(part, whole)| part.1 > whole.1 && within(part.0, whole));
            if !inside {
                let field = format!("{place}.ipBlock.except[{at}]");
                causes.push(Cause::invalid(field, &json!(except), "must be a strict subset of `cidr`"));
            }
        }
    }
    if peer.get("ipBlock").is_some() && others > 0 {
        causes.push(Cause::forbidden(place, "may not specify both ipBlock and another peer"));
    } else if peer.get("ipBlock").is_none() && others == 0 {
        causes.push(Cause::required(place, "must specify a peer"));
    }
}

/// An address and the length of its prefix.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (length <= most).then_some((address, length))
}

fn within(address: IpAddr, (whole, length): (IpAddr, u8)) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)) << 96, true),
        IpAddr::V6(six) => (u128::from(six), false),
    };
    let ((a, a_four), (b, b_four)) = (bits(address), bits(whole));
    a_four == b_four && (length == 0 || (a ^ b) >> (128 - u32::from(length)) == 0)
}
