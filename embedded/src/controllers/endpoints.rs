//! EndpointSlices and Endpoints: where a Service's pods can be reached. One slice a Service.

use serde_json::{Value, json};

use super::writing::controller_reference;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::selector::LabelSelector;

/// Looks at one Service.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(service) = context.get("v1", "Service", namespace, name) else { return Ok(None) };
    let service = &service.value;
    let Some(selector) = service.pointer("/spec/selector") else { return Ok(None) };
    if object::text(service, "/spec/type") == "ExternalName" || object::is_deleting(service) {
        return Ok(None);
    }
    let selector = LabelSelector::of_map(selector);
    let all = context.txn.list("pods", namespace);
    let chosen: Vec<&Value> = all
        .iter()
        .map(|pod| &pod.value)
        .filter(|pod| selector.matches(pod) && !pods::has_ended(pod))
        .filter(|pod| !object::text(pod, "/status/podIP").is_empty())
        .collect();
    let endpoints: Vec<Value> = chosen
        .iter()
        .map(|pod| {
            let ready = pods::is_ready(pod);
            let deleting = object::is_deleting(pod);
            json!({
                "addresses": [object::text(pod, "/status/podIP")],
                "conditions": {"ready": ready && !deleting, "serving": ready, "terminating": deleting},
                "nodeName": object::text(pod, "/spec/nodeName"),
                "targetRef": {
                    "kind": "Pod",
                    "name": object::name(pod),
                    "namespace": namespace,
                    "uid": object::uid(pod),
                },
            })
        })
        .collect();
    let ports: Vec<Value> = object::items(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = target_port(port, chosen.first().copied())?;
            Some(json!({"name": object::text(port, "/name"), "port": number, "protocol": object::text(port, "/protocol")}))
        })
        .collect();
    let mut labels = service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let map = object::as_map(&mut labels);
    map.insert("endpointslice.kubernetes.io/managed-by".to_owned(), json!("endpointslice-controller.k8s.io"));
    map.insert("kubernetes.io/service-name".to_owned(), json!(name));
    if object::text(service, "/spec/clusterIP") == "None" {
        map.insert("service.kubernetes.io/headless".to_owned(), json!(""));
    }
    let known = context
        .txn
        .owned_by(object::uid(service))
        .into_iter()
        .find(|(key, _)| &*key.resource == "discovery.k8s.io/endpointslices")
        .map(|(_, slice)| slice);
    match known {
        Some(slice) => {
            let mut new = slice.value.clone();
            object::set(&mut new, "/metadata/labels", labels);
            for (field, value) in [("/endpoints", endpoints), ("/ports", ports)] {
                object::set(&mut new, field, json!(value));
            }
            context.update(&slice, new)?;
        }
        None => {
            context.create(json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "generateName": format!("{name}-"),
                    "namespace": namespace,
                    "labels": labels,
                    "ownerReferences": [controller_reference(service)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            }))?;
        }
    }
    Ok(None)
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
