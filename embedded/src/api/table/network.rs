//! The cells of Services, Ingresses, endpoints and their like.
//!
//! Source: `k8s.io/kubernetes/pkg/printers/internalversion/printers.go`.

use serde_json::{Value, json};

use super::cells::{labels, marked_default, or, plain};
use crate::object;

/// How many items of a list are shown.
const SHOWN: usize = 3;

fn shortened(mut list: Vec<String>, nothing: &str) -> String {
    let more = list.len().saturating_sub(SHOWN);
    list.truncate(SHOWN);
    match (list.is_empty(), more) {
        (true, _) => nothing.to_owned(),
        (false, 0) => list.join(","),
        (false, more) => format!("{} + {more} more...", list.join(",")),
    }
}

pub(super) fn service(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let ports: Vec<String> = object::items(value, "/spec/ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (object::number(port, "/port").unwrap_or(0), object::text(port, "/protocol"));
            match object::number(port, "/nodePort").filter(|node| *node > 0) {
                Some(node) => format!("{number}:{node}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    let inside = object::items(value, "/spec/clusterIPs").first().and_then(Value::as_str);
    vec![
        name,
        json!(object::text(value, "/spec/type")),
        json!(inside.unwrap_or("<none>")),
        json!(outside(value)),
        json!(or(&ports.join(","), "<none>")),
        age,
        json!(labels(value.pointer("/spec/selector"))),
    ]
}

/// Under which addresses a Service is reached from outside.
fn outside(value: &Value) -> String {
    let own: Vec<&str> = object::items(value, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    match object::text(value, "/spec/type") {
        "ClusterIP" | "NodePort" => or(&own.join(","), "<none>").to_owned(),
        "LoadBalancer" => {
            let given = balancer(value);
            let all: Vec<&str> = given.split(',').filter(|a| !a.is_empty()).chain(own).collect();
            or(&all.join(","), "<pending>").to_owned()
        }
        "ExternalName" => object::text(value, "/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// The addresses of a load balancer, in order.
fn balancer(value: &Value) -> String {
    let mut all: Vec<&str> = object::items(value, "/status/loadBalancer/ingress")
        .iter()
        .map(|entry| or(object::text(entry, "/ip"), object::text(entry, "/hostname")))
        .filter(|address| !address.is_empty())
        .collect();
    all.sort_unstable();
    all.dedup();
    all.join(",")
}

pub(super) fn ingress(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let rules = object::items(value, "/spec/rules");
    let mut hosts: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= hosts.len() == SHOWN;
        let host = object::text(rule, "/host");
        if !more && !host.is_empty() {
            hosts.push(host);
        }
    }
    let hosts = match (hosts.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, false) => hosts.join(","),
        (false, true) => format!("{} + {} more...", hosts.join(","), rules.len().saturating_sub(SHOWN)),
    };
    let secure = !object::items(value, "/spec/tls").is_empty();
    vec![
        name,
        json!(value.pointer("/spec/ingressClassName").map_or_else(|| "<none>".to_owned(), plain)),
        json!(hosts),
        json!(balancer(value)),
        json!(if secure { "80, 443" } else { "80" }),
        age,
    ]
}

pub(super) fn ingress_class(value: &Value, age: Value) -> Vec<Value> {
    let parameters = value.pointer("/spec/parameters").map_or_else(
        || "<none>".to_owned(),
        |parameters| {
            let group = parameters.get("apiGroup").and_then(Value::as_str).map(|group| format!(".{group}"));
            let (kind, name) = (object::text(parameters, "/kind"), object::text(parameters, "/name"));
            format!("{kind}{}/{name}", group.unwrap_or_default())
        },
    );
    let name = marked_default(value, &["ingressclass.kubernetes.io/is-default-class"]);
    vec![json!(name), json!(object::text(value, "/spec/controller")), json!(parameters), age]
}

/// The addresses of an Endpoints object, each with its ports.
pub(super) fn endpoints(value: &Value) -> String {
    let mut all = Vec::new();
    for subset in object::items(value, "/subsets") {
        let addresses = || object::items(subset, "/addresses").iter().map(|address| object::text(address, "/ip"));
        let ports = object::items(subset, "/ports");
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            let port = object::number(port, "/port").unwrap_or(0);
            all.extend(addresses().map(|address| match address.contains(':') {
                true => format!("[{address}]:{port}"),
                false => format!("{address}:{port}"),
            }));
        }
    }
    let nothing = if object::items(value, "/subsets").is_empty() { "<none>" } else { "" };
    shortened(all, nothing)
}

pub(super) fn endpoint_slice(value: &Value, name: Value, age: Value) -> Vec<Value> {
    let ports = object::items(value, "/ports").iter().map(|port| {
        let found = port.get("port").or_else(|| port.get("name")).filter(|port| !port.is_null());
        found.map_or_else(|| "*".to_owned(), plain)
    });
    let addresses = object::items(value, "/endpoints").iter().flat_map(|e| object::items(e, "/addresses")).map(plain);
    vec![
        name,
        json!(object::text(value, "/addressType")),
        json!(shortened(ports.collect(), "<unset>")),
        json!(shortened(addresses.collect(), "<unset>")),
        age,
    ]
}
