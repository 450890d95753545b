//! What the server refuses in an Ingress, an IngressClass and a NetworkPolicy. Wording as in
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
    for (at, tls) in object::items(value, "/spec/tls").iter().enumerate() {
        let place = format!("spec.tls[{at}]");
        for (number, name) in object::items(tls, "/hosts").iter().filter_map(Value::as_str).enumerate() {
            host_name(name, &format!("{place}.hosts[{number}]"), causes);
        }
        let secret = object::text(tls, "/secretName");
        for fault in if secret.is_empty() { Vec::new() } else { naming::subdomain(secret) } {
            causes.push(Cause::invalid(format!("{place}.secretName"), &json!(secret), &fault));
        }
    }
    if let Some(class) = value.pointer("/spec/ingressClassName").and_then(Value::as_str) {
        for fault in naming::subdomain(class) {
            causes.push(Cause::invalid("spec.ingressClassName", &json!(class), &fault));
        }
    }
}

/// A new Ingress does not name two classes, and better not by the old annotation.
pub(super) fn class_of_new_ingress(value: &Value, warnings: &mut Vec<String>, causes: &mut Vec<Cause>) {
    const ANNOTATION: &str = "kubernetes.io/ingress.class";
    let class = value.pointer("/spec/ingressClassName").and_then(Value::as_str);
    match (object::annotation(value, ANNOTATION), class) {
        (Some(old), Some(class)) if old != class => {
            let why = "must match `ingressClassName` when both are specified";
            causes.push(Cause::invalid(format!("annotations.{ANNOTATION}"), &json!(old), why));
        }
        (Some(_), None) => warnings
            .push(format!("annotation \"{ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead")),
        _ => {}
    }
}

/// The longest name of a controller of Ingresses, in bytes.
const LONGEST_CONTROLLER: usize = 250;

/// An IngressClass.
pub(super) fn ingress_class(value: &Value, causes: &mut Vec<Cause>) {
    let controller = object::text(value, "/spec/controller");
    if controller.len() > LONGEST_CONTROLLER {
        causes.push(Cause::too_long("spec.controller", LONGEST_CONTROLLER));
    }
    match controller.split_once('/') {
        None if controller.is_empty() => causes.push(Cause::required("spec.controller", "")),
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            for fault in naming::subdomain(domain) {
                causes.push(Cause::invalid("spec.controller", &json!(domain), &fault));
            }
        }
        _ => {
            let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            causes.push(Cause::invalid("spec.controller", &json!(controller), why));
        }
    }
    let Some(parameters) = value.pointer("/spec/parameters") else { return };
    let place = "spec.parameters";
    reference(parameters, place, causes);
    let namespace = parameters.get("namespace").and_then(Value::as_str);
    match (object::text(parameters, "/scope"), namespace) {
        ("Namespace", None) => {
            causes.push(Cause::required(format!("{place}.namespace"), "`parameters.scope` is set to 'Namespace'"));
        }
        ("Namespace", Some(namespace)) => {
            for fault in naming::label(namespace) {
                causes.push(Cause::invalid(format!("{place}.namespace"), &json!(namespace), &fault));
            }
        }
        ("Cluster", Some(_)) => {
            causes.push(Cause::forbidden(format!("{place}.namespace"), "`parameters.scope` is set to 'Cluster'"));
        }
        ("Cluster", None) => {}
        (other, _) => {
            causes.push(Cause::unsupported(format!("{place}.scope"), &json!(other), &["Cluster", "Namespace"]));
        }
    }
}

/// A reference to an object of any kind, by group, kind and name.
fn reference(reference: &Value, place: &str, causes: &mut Vec<Cause>) {
    if let Some(group) = reference.get("apiGroup").and_then(Value::as_str) {
        for fault in naming::subdomain(group) {
            causes.push(Cause::invalid(format!("{place}.apiGroup"), &json!(group), &fault));
        }
    }
    for field in ["kind", "name"] {
        let text = object::text(reference, &format!("/{field}"));
        if text.is_empty() {
            causes.push(Cause::required(format!("{place}.{field}"), ""));
        }
        for fault in naming::path_segment(text) {
            causes.push(Cause::invalid(format!("{place}.{field}"), &json!(text), &fault));
        }
    }
}

fn host(host: &str, field: &str, causes: &mut Vec<Cause>) {
    if host.parse::<IpAddr>().is_ok() {
        causes.push(Cause::invalid(field, &json!(host), "must be a DNS name, not an IP address"));
    }
    host_name(host, field, causes);
}

/// A name, whose first part can stand for any.
fn host_name(host: &str, field: &str, causes: &mut Vec<Cause>) {
    if host.contains('*') {
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
        "" => {
            causes.push(Cause::required(format!("{place}.pathType"), "pathType must be specified"));
            return;
        }
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                causes.push(Cause::invalid(field.clone(), &json!(text), "must be an absolute path"));
            }
            for wrong in ["//", "/./", "/../", "%2f", "%2F"] {
                if text.contains(wrong) {
                    causes.push(Cause::invalid(field.clone(), &json!(text), &format!("must not contain '{wrong}'")));
                }
            }
            for wrong in ["/..", "/."] {
                if text.ends_with(wrong) {
                    causes.push(Cause::invalid(field.clone(), &json!(text), &format!("cannot end with '{wrong}'")));
                }
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                causes.push(Cause::invalid(field, &json!(text), "must be an absolute path"));
            }
        }
        other => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            causes.push(Cause::unsupported(format!("{place}.pathType"), &json!(other), &known));
        }
    }
    self::backend(path.get("backend").unwrap_or(&Value::Null), &format!("{place}.backend"), causes);
}

fn backend(backend: &Value, place: &str, causes: &mut Vec<Cause>) {
    let service = match (backend.get("service"), backend.get("resource")) {
        (Some(service), None) => service,
        (None, Some(resource)) => return reference(resource, &format!("{place}.resource"), causes),
        (found, _) => {
            let why = match found {
                Some(_) => "cannot set both resource and service backends",
                None => "resource or service backend is required",
            };
            causes.push(Cause::invalid(place, &json!(""), why));
            return;
        }
    };
    let name = object::name_of(service);
    if name.is_empty() {
        causes.push(Cause::required(format!("{place}.service.name"), ""));
    } else {
        for fault in naming::label(name) {
            causes.push(Cause::invalid(format!("{place}.service.name"), &json!(name), &fault));
        }
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
