//! EndpointSlices and Endpoints: where a Service's pods can be reached.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/endpoint` and `endpointslice`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::writing::controller_reference;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::selector::LabelSelector;
use crate::store::{Key, Object};

/// At most so many pods are in one slice.
const IN_ONE_SLICE: usize = 100;
/// At most so many are in an Endpoints object.
const IN_ALL: usize = 1000;
const HEADLESS: &str = "service.kubernetes.io/headless";

/// Looks at one Service.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(service) = context.get("v1", "Service", namespace, name) else {
        return forget(context, namespace, name);
    };
    let service = &service.value;
    let selector = service.pointer("/spec/selector").map(LabelSelector::of_map).filter(|s| !s.is_empty());
    let Some(selector) = selector else { return Ok(None) };
    let external = object::text(service, "/spec/type") == "ExternalName";
    if external || object::is_deleting(service) || context.index.picture.is_going(namespace) {
        return Ok(None);
    }
    let names = context.index.pods.among(namespace, &selector);
    let chosen = names.iter().filter_map(|name| context.txn.get(&Key::new("pods", namespace, name)));
    let reachable = |pod: &Arc<Object>| {
        selector.matches(&pod.value)
            && !pods::has_ended(&pod.value)
            && !object::text(&pod.value, "/status/podIP").is_empty()
    };
    let chosen: Vec<Arc<Object>> = chosen.filter(reachable).collect();
    slices(context, service, &chosen)?;
    endpoints(context, service, &chosen)?;
    Ok(None)
}

/// A Service that is gone leaves no Endpoints; its slices go with their owner.
fn forget(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    if let Some(live) = context.get("v1", "Endpoints", namespace, name)
        && object::label(&live.value, "endpoints.kubernetes.io/managed-by").is_some()
    {
        context.delete(&live, &Default::default())?;
    }
    Ok(None)
}

fn labels(service: &Value, own: &[(&str, &str)]) -> Value {
    let mut labels = service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let map = object::as_map(&mut labels);
    for (key, value) in own {
        map.insert((*key).to_owned(), json!(value));
    }
    if object::text(service, "/spec/clusterIP") == "None" {
        map.insert(HEADLESS.to_owned(), json!(""));
    }
    labels
}

fn reference(pod: &Value) -> Value {
    json!({
        "kind": "Pod",
        "name": object::name(pod),
        "namespace": object::namespace(pod),
        "uid": object::uid(pod),
    })
}

/// The pod's host name, where it is known by it within the Service's domain.
fn host_name<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    let host = object::text(pod, "/spec/hostname");
    let within = object::text(pod, "/spec/subdomain") == object::name(service);
    (within && !host.is_empty()).then_some(host)
}

fn slices(context: &mut Context<'_, '_>, service: &Value, chosen: &[Arc<Object>]) -> Result<(), Failure> {
    let published = object::truth(service, "/spec/publishNotReadyAddresses");
    let endpoint = |pod: &Arc<Object>| {
        let pod = &pod.value;
        let (ready, deleting) = (pods::is_ready(pod), object::is_deleting(pod));
        let mut endpoint = json!({
            "addresses": [object::text(pod, "/status/podIP")],
            "conditions": {
                "ready": published || (ready && !deleting),
                "serving": ready,
                "terminating": deleting,
            },
            "nodeName": object::text(pod, "/spec/nodeName"),
            "targetRef": reference(pod),
        });
        if let Some(host) = host_name(service, pod) {
            object::set(&mut endpoint, "/hostname", json!(host));
        }
        let node = context.index.picture.machine(object::text(pod, "/spec/nodeName"));
        if let Some(zone) = node.and_then(|node| node.label("topology.kubernetes.io/zone")) {
            object::set(&mut endpoint, "/zone", json!(zone));
        }
        endpoint
    };
    let all: Vec<Value> = chosen.iter().map(endpoint).collect();
    let first = chosen.first().map(|pod| &pod.value);
    let ports: Vec<Value> = object::items(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = target_port(port, first)?;
            let mut shown = json!({
                "name": object::text(port, "/name"),
                "port": number,
                "protocol": object::text(port, "/protocol"),
            });
            if let Some(application) = port.get("appProtocol") {
                object::set(&mut shown, "/appProtocol", application.clone());
            }
            Some(shown)
        })
        .collect();
    let labels = labels(
        service,
        &[
            ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
            ("kubernetes.io/service-name", object::name(service)),
        ],
    );
    let owned = context.txn.owned_by(object::uid(service)).into_iter();
    let known: Vec<Arc<Object>> =
        owned.filter(|(key, _)| &*key.resource == "discovery.k8s.io/endpointslices").map(|(_, slice)| slice).collect();
    let mut parts: Vec<&[Value]> = all.chunks(IN_ONE_SLICE).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    for at in 0..parts.len().max(known.len()) {
        match (parts.get(at), known.get(at)) {
            (Some(part), Some(slice)) => {
                let mut new = slice.value.clone();
                object::set(&mut new, "/metadata/labels", labels.clone());
                object::set(&mut new, "/endpoints", json!(part));
                object::set(&mut new, "/ports", json!(ports));
                context.update(slice, new)?;
            }
            (Some(part), None) => {
                context.create(json!({
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "generateName": format!("{}-", object::name(service)),
                        "namespace": object::namespace(service),
                        "labels": labels,
                        "ownerReferences": [controller_reference(service)],
                    },
                    "addressType": "IPv4",
                    "endpoints": part,
                    "ports": ports,
                }))?;
            }
            (None, Some(slice)) => context.delete(slice, &Default::default())?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn endpoints(context: &mut Context<'_, '_>, service: &Value, chosen: &[Arc<Object>]) -> Result<(), Failure> {
    let published = object::truth(service, "/spec/publishNotReadyAddresses");
    let (mut ready, mut waiting) = (Vec::new(), Vec::new());
    for pod in chosen.iter().map(|pod| &pod.value).filter(|pod| !object::is_deleting(pod) || published).take(IN_ALL) {
        let mut address = json!({
            "ip": object::text(pod, "/status/podIP"),
            "nodeName": object::text(pod, "/spec/nodeName"),
            "targetRef": reference(pod),
        });
        if let Some(host) = host_name(service, pod) {
            object::set(&mut address, "/hostname", json!(host));
        }
        if pods::is_ready(pod) || published { ready.push(address) } else { waiting.push(address) }
    }
    let ports: Vec<Value> = object::items(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = target_port(port, chosen.first().map(|pod| &pod.value))?;
            let mut shown = json!({"port": number, "protocol": object::text(port, "/protocol")});
            if !object::text(port, "/name").is_empty() {
                object::set(&mut shown, "/name", json!(object::text(port, "/name")));
            }
            Some(shown)
        })
        .collect();
    let mut subset = json!({});
    for (field, list) in [("/addresses", ready), ("/notReadyAddresses", waiting), ("/ports", ports)] {
        if !list.is_empty() {
            object::set(&mut subset, field, json!(list));
        }
    }
    let labels = labels(service, &[("endpoints.kubernetes.io/managed-by", "endpoint-controller")]);
    let (namespace, name) = (object::namespace(service), object::name(service));
    let live = context.get("v1", "Endpoints", namespace, name);
    let mut new = match &live {
        Some(live) => live.value.clone(),
        None => json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name, "namespace": namespace}}),
    };
    object::set(&mut new, "/metadata/labels", labels);
    if chosen.is_empty() {
        object::remove(&mut new, "/subsets");
    } else {
        object::set(&mut new, "/subsets", json!([subset]));
    }
    match live {
        Some(live) => context.update(&live, new)?,
        None => context.create(new)?,
    };
    Ok(())
}

/// The number behind a Service's port; a name is looked up in the pod's containers.
fn target_port(port: &Value, pod: Option<&Value>) -> Option<i64> {
    match port.get("targetPort") {
        Some(Value::String(name)) => object::items(pod?, "/spec/containers")
            .iter()
            .flat_map(|container| object::items(container, "/ports"))
            .find(|candidate| object::text(candidate, "/name") == name)
            .and_then(|found| object::number(found, "/containerPort")),
        Some(number) => number.as_i64(),
        None => object::number(port, "/port"),
    }
}
