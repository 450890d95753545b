//! How much one object counts against a quota, and which quotas it counts against by scope.
//!
//! Source: `k8s.io/kubernetes/pkg/quota/v1/evaluator/core`, `k8s.io/apiserver/pkg/quota/v1/generic`.

use serde_json::Value;
use structured_merge::quantity::Quantity;

use super::amounts::{self, Amounts};
use super::containers;
use crate::object;
use crate::registry::Resource;
use crate::rules::quality;
use crate::rules::resource_names::{OF_A_CONTAINER, OF_A_POD, PLURALS, is_extended, is_huge_page};

/// What every container must ask for where a quota limits it.
const REQUIRED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const OF_A_CLASS: &str = ".storageclass.storage.k8s.io/";

/// The name under which objects of a resource are counted.
fn counted(resource: &Resource) -> String {
    format!("count/{}", crate::failure::qualified(&resource.group, &resource.plural))
}

/// Is this something that objects of the resource can count as?
pub(super) fn counts_as(resource: &Resource, name: &str) -> bool {
    if name == counted(resource) {
        return true;
    }
    if !resource.group.is_empty() {
        return false;
    }
    match resource.plural.as_str() {
        "pods" => {
            let asked = name.strip_prefix("requests.");
            let huge = is_huge_page(name) || asked.is_some_and(is_huge_page);
            OF_A_POD.contains(&name) || asked.is_some_and(is_extended) || huge
        }
        "services" => matches!(name, "services" | "services.loadbalancers" | "services.nodeports"),
        "persistentvolumeclaims" => {
            let plain = name.split_once(OF_A_CLASS).map_or(name, |(_, plain)| plain);
            matches!(plain, "persistentvolumeclaims" | "requests.storage")
        }
        plural => plural == name && PLURALS.contains(&name),
    }
}

/// Is the object counted anew when it is changed? Others count only when they are made.
pub(super) fn can_change(resource: &Resource, old: &Value, new: &Value) -> bool {
    match resource.plural.as_str() {
        "services" | "persistentvolumeclaims" => resource.group.is_empty(),
        "pods" => resource.group.is_empty() && is_terminating(old) != is_terminating(new),
        _ => false,
    }
}

/// What the object counts as. `now` decides whether a pod that should be gone still counts.
pub(super) fn of(resource: &Resource, value: &Value, now: jiff::Timestamp) -> Amounts {
    let one = Quantity::count(1);
    let mut usage = Amounts::from([(counted(resource), one)]);
    if !resource.group.is_empty() {
        return usage;
    }
    match resource.plural.as_str() {
        "pods" if still_counts(value, now) => {
            usage.insert("pods".to_owned(), one);
            let (requests, limits) =
                (amounts::of_pod_and_overhead(value, "requests"), amounts::of_pod_and_overhead(value, "limits"));
            usage.extend(named(&requests, &limits));
        }
        "services" => {
            let ports = object::items(value, "/spec/ports");
            let fixed = ports.iter().filter(|port| object::number(port, "/nodePort").unwrap_or(0) != 0).count();
            let allocates = value.pointer("/spec/allocateLoadBalancerNodePorts").and_then(Value::as_bool);
            let (balancers, node_ports) = match object::text(value, "/spec/type") {
                "NodePort" => (0, ports.len()),
                "LoadBalancer" if allocates == Some(false) => (1, fixed),
                "LoadBalancer" => (1, ports.len()),
                _ => (0, 0),
            };
            usage.insert("services".to_owned(), one);
            usage.insert("services.loadbalancers".to_owned(), Quantity::count(balancers));
            usage.insert("services.nodeports".to_owned(), Quantity::count(node_ports as i128));
        }
        "persistentvolumeclaims" => {
            let class = object::text(value, "/spec/storageClassName");
            let storage = amounts::read(value, "/spec/resources/requests").get("storage").copied();
            for (name, amount) in [("persistentvolumeclaims", Some(one)), ("requests.storage", storage)] {
                if let Some(amount) = amount {
                    usage.insert(name.to_owned(), amount);
                    if !class.is_empty() {
                        usage.insert(format!("{class}{OF_A_CLASS}{name}"), amount);
                    }
                }
            }
        }
        plural if PLURALS.contains(&plural) => {
            usage.insert(plural.to_owned(), one);
        }
        _ => {}
    }
    usage
}

/// Requests and limits under the names that quotas have for them.
fn named(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut named = Amounts::new();
    for (name, amount) in requests {
        let standard = OF_A_CONTAINER.contains(&name.as_str()) || is_huge_page(name);
        if standard {
            named.insert(name.clone(), *amount);
        }
        if standard || is_extended(name) {
            named.insert(format!("requests.{name}"), *amount);
        }
    }
    for name in OF_A_CONTAINER {
        if let Some(amount) = limits.get(name) {
            named.insert(format!("limits.{name}"), *amount);
        }
    }
    named
}

/// What containers of a pod do not say although the quota limits it, as the message tells it. Only pods are asked.
pub(super) fn missing(resource: &Resource, pod: &Value, limited: &[String]) -> Option<String> {
    if !resource.is("", "Pod") || pod.pointer("/spec/resources").is_some() {
        return None;
    }
    let mut faults = Vec::new();
    for name in limited.iter().filter(|name| REQUIRED.contains(&name.as_str())) {
        let mut lacking: Vec<&str> = containers(pod)
            .filter(|container| {
                let read = |list| amounts::read(container, list);
                !named(&read("/resources/requests"), &read("/resources/limits")).contains_key(name)
            })
            .map(object::name_of)
            .collect();
        lacking.sort_unstable();
        if !lacking.is_empty() {
            faults.push(format!("{name} for: {}", lacking.join(",")));
        }
    }
    (!faults.is_empty()).then(|| format!("must specify {}", faults.join("; ")))
}

/// Does a pod still take anything? Not when it has ended, or should have been gone for as long as it was given.
fn still_counts(pod: &Value, now: jiff::Timestamp) -> bool {
    let ended = matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed");
    let gone = object::time(pod, "/metadata/deletionTimestamp")
        .zip(object::number(pod, "/metadata/deletionGracePeriodSeconds"))
        .is_some_and(|(at, grace)| now > at + jiff::SignedDuration::from_secs(grace));
    !ended && !gone
}

fn is_terminating(pod: &Value) -> bool {
    object::number(pod, "/spec/activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0)
}

/// Does the object fall under every scope of a quota?
pub(super) fn in_scope(resource: &Resource, value: &Value, quota: &Value) -> bool {
    let plain = object::items(quota, "/spec/scopes").iter().filter_map(Value::as_str);
    let mut plain = plain.map(|name| (name, "Exists", [].as_slice()));
    let mut selected = object::items(quota, "/spec/scopeSelector/matchExpressions").iter().map(|term| {
        (object::text(term, "/scopeName"), object::text(term, "/operator"), object::items(term, "/values"))
    });
    let pod = resource.is("", "Pod");
    let matches = |(name, operator, values): (&str, &str, &[Value])| pod && pod_in_scope(value, name, operator, values);
    plain.all(matches) && selected.all(matches)
}

fn pod_in_scope(pod: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    let best_effort = || quality::of(pod) == "BestEffort";
    match scope {
        "Terminating" => is_terminating(pod),
        "NotTerminating" => !is_terminating(pod),
        "BestEffort" => best_effort(),
        "NotBestEffort" => !best_effort(),
        "PriorityClass" => {
            let class = object::text(pod, "/spec/priorityClassName");
            let listed = values.iter().any(|value| value.as_str() == Some(class));
            match operator {
                "In" => !class.is_empty() && listed,
                "NotIn" => class.is_empty() || !listed,
                "DoesNotExist" => class.is_empty(),
                _ => !class.is_empty(),
            }
        }
        "CrossNamespacePodAffinity" => reaches_out(pod),
        _ => false,
    }
}

/// Does the pod's affinity look into other namespaces?
fn reaches_out(pod: &Value) -> bool {
    let reaches = |term: &Value| {
        !object::items(term, "/namespaces").is_empty() || term.get("namespaceSelector").is_some_and(|s| !s.is_null())
    };
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let list = |when: &str| {
            object::items(pod, &format!("/spec/affinity/{kind}/{when}DuringSchedulingIgnoredDuringExecution"))
        };
        list("required").iter().any(reaches)
            || list("preferred").iter().filter_map(|term| term.get("podAffinityTerm")).any(reaches)
    })
}
