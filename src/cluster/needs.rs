//! Waiting for what a stack does not bring: a Service with a ready endpoint, a definition that is established, nodes of
//! a label, a RuntimeClass. One watch for each; nothing is written.
//!
//! Unlike an object of the instance, such a thing may be absent for as long as the wait lasts: somebody else brings it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use kube::runtime::watcher;
use serde_json::Value;
use strata_components::desired::{Kind, ResourceId};
use strata_components::needs::Needed;
use tokio::time::{Instant, sleep_until, timeout};

use super::Cluster;
use super::request::Call;
use super::wait::Change;
use crate::plan::PlannedNeed;
use crate::provider::{WaitError, WaitNotice};

/// The label by which an EndpointSlice says which Service it is of.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// How long it may take to find out whether a Service without endpoints is there.
const LOOK: Duration = Duration::from_secs(5);
/// Nodes that are named because they do not count.
const NAMED: usize = 5;

impl Cluster {
    /// Waits until a need is met.
    pub(super) async fn meet_need(
        &self,
        planned: &PlannedNeed,
        limit: Duration,
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> Result<(), WaitError> {
        let known = self.sealing.secrets.known();
        let told = |text: String| known.told(&text).into_owned();
        let (deadline, needed) = (Instant::now() + limit, &planned.need.needed);
        let (kind, namespace, config) = watched(needed);
        let served = self.served_with(&kind).await?;
        let Some(place) = served.get(&kind) else {
            return Err(WaitError::Lost(format!("the cluster does not serve {}", kind.kind)));
        };
        let mut news = self.watch(&kind, place, namespace, config);
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        let (mut whole, mut missing) = (false, "nothing is known of it yet".to_owned());
        loop {
            let change = tokio::select! {
                biased;
                change = news.next() => change,
                () = sleep_until(deadline) => {
                    // What a watch does not show may have come to be since.
                    let missing = if whole { self.lacking(planned, &seen).await.unwrap_or(missing) } else { missing };
                    return Err(WaitError::TimedOut { limit, missing: told(missing), details: Vec::new() });
                }
            };
            let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let lacks = match change {
                None => return Err(WaitError::Lost("the watch ended".to_owned())),
                Some(Change::Refused(error)) => return Err(WaitError::Lost(told(error))),
                Some(Change::Broken(error)) => format!("the watch broke and is tried again: {error}"),
                Some(Change::Again) => {
                    whole = false;
                    seen.clear();
                    continue;
                }
                Some(change) => {
                    match change {
                        Change::Is(object) => drop(seen.insert(name(&object), object)),
                        Change::Gone(object) => drop(seen.remove(&name(&object))),
                        _ => whole = true,
                    }
                    if !whole {
                        continue;
                    }
                    match self.lacking(planned, &seen).await {
                        Some(lacks) => lacks,
                        None => {
                            heard(WaitNotice { id: planned.id.clone(), missing: None });
                            return Ok(());
                        }
                    }
                }
            };
            if lacks != missing {
                missing = lacks;
                heard(WaitNotice { id: planned.id.clone(), missing: Some(told(missing.clone())) });
            }
        }
    }

    /// What a need lacks, given all that is there of what tells it.
    async fn lacking(&self, planned: &PlannedNeed, seen: &BTreeMap<String, Value>) -> Option<String> {
        let objects: Vec<&Value> = seen.values().collect();
        match &planned.need.needed {
            Needed::Definition { .. } => definition(objects.first().copied()),
            Needed::Nodes { label, count } => nodes(label, *count, &objects),
            Needed::RuntimeClass { .. } => runtime_class(objects.first().copied()),
            Needed::Service { .. } => {
                let lacks = endpoints(&objects)?;
                let absent = objects.is_empty() && self.is_absent(&planned.id).await;
                Some(if absent { "there is no such Service".to_owned() } else { lacks })
            }
        }
    }

    /// Whether an object is surely not there.
    async fn is_absent(&self, id: &ResourceId) -> bool {
        let Ok(served) = self.served().await else { return false };
        let Some(path) = served.path(id) else { return false };
        let call = Call::get(path, format!("reading {id}"));
        matches!(timeout(LOOK, self.requests.find_object(&call, id)).await, Ok(Ok(None)))
    }
}

/// The objects that tell whether a need is met: their kind, their namespace, and which of them.
fn watched(needed: &Needed) -> (Kind, Option<&str>, watcher::Config) {
    let kind =
        |group: &str, kind: &str| Kind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() };
    let config = watcher::Config::default();
    match needed {
        Needed::Service { namespace, name } => {
            let of = config.labels(&format!("{SERVICE_LABEL}={name}"));
            (kind("discovery.k8s.io", "EndpointSlice"), Some(namespace.as_str()), of)
        }
        Needed::Definition { name } => {
            let of = config.fields(&format!("metadata.name={name}"));
            (kind("apiextensions.k8s.io", "CustomResourceDefinition"), None, of)
        }
        Needed::Nodes { label, .. } => (kind("", "Node"), None, config.labels(label)),
        Needed::RuntimeClass { name } => {
            (kind("node.k8s.io", "RuntimeClass"), None, config.fields(&format!("metadata.name={name}")))
        }
    }
}

/// What the endpoints of a Service lack. One that says nothing of being ready is: so the API has it.
fn endpoints(slices: &[&Value]) -> Option<String> {
    let all = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
    let (mut ready, mut count) = (false, 0);
    for endpoint in all {
        count += 1;
        ready |= endpoint["conditions"]["ready"] != false;
    }
    match (ready, count) {
        (true, _) => None,
        (false, 0) => Some("it has no endpoint".to_owned()),
        (false, 1) => Some("its one endpoint is not ready".to_owned()),
        (false, count) => Some(format!("none of its {count} endpoints is ready")),
    }
}

/// What a definition lacks.
fn definition(live: Option<&Value>) -> Option<String> {
    let Some(live) = live else { return Some("there is no such CustomResourceDefinition".to_owned()) };
    if is_going(live) {
        return Some("it is being deleted".to_owned());
    }
    match condition(live, "Established") {
        Some(established) if established["status"] == "True" => None,
        // Names that others have taken are what keeps most from it.
        established => {
            let why = condition(live, "NamesAccepted").filter(|accepted| accepted["status"] == "False").or(established);
            Some(format!("it is not established{}", why.map(because).unwrap_or_default()))
        }
    }
}

/// What a RuntimeClass lacks. It has no status: whether nodes know its handler shows where a pod starts.
fn runtime_class(live: Option<&Value>) -> Option<String> {
    match live {
        None => Some("there is no such RuntimeClass".to_owned()),
        Some(live) => is_going(live).then(|| "it is being deleted".to_owned()),
    }
}

/// What the nodes of a label lack.
fn nodes(label: &str, count: u32, nodes: &[&Value]) -> Option<String> {
    let mut others: Vec<String> = Vec::new();
    for node in nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        match condition(node, "Ready") {
            _ if is_going(node) => others.push(format!("{name} is being deleted")),
            Some(ready) if ready["status"] == "True" => {
                if node["spec"]["unschedulable"] == true {
                    others.push(format!("{name} is cordoned"));
                }
            }
            ready => others.push(format!("{name} is not ready{}", ready.map(because).unwrap_or_default())),
        }
    }
    let good = nodes.len() - others.len();
    if u32::try_from(good).is_ok_and(|good| good < count) {
        let more = others.len().saturating_sub(NAMED);
        others.truncate(NAMED);
        others.extend((more > 0).then(|| format!("and {more} more")));
        let why = match (nodes.is_empty(), others.is_empty()) {
            (true, _) => format!(": no node carries {label}"),
            (false, true) => String::new(),
            (false, false) => format!(": {}", others.join(", ")),
        };
        return Some(format!("{good} of {count} nodes are ready{why}"));
    }
    None
}

fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object.pointer("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// What a condition says of itself, to stand behind a statement.
fn because(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().filter(|text| !text.is_empty());
    match (text("reason"), text("message")) {
        (Some(reason), Some(message)) => format!(" ({reason}: {message})"),
        (Some(one), None) | (None, Some(one)) => format!(" ({one})"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_endpoints(slices: &[Value], expect: Option<&str>) {
        assert_eq!(endpoints(&slices.iter().collect::<Vec<_>>()).as_deref(), expect);
    }

    #[test]
    fn a_service_needs_one_endpoint_that_is_ready() {
        let slice = |ready: &[Value]| {
            let endpoints =
                ready.iter().map(|ready| json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}));
            json!({"endpoints": endpoints.collect::<Vec<_>>()})
        };
        check_endpoints(&[], Some("it has no endpoint"));
        check_endpoints(&[json!({"endpoints": null})], Some("it has no endpoint"));
        check_endpoints(&[slice(&[json!(false)])], Some("its one endpoint is not ready"));
        check_endpoints(&[slice(&[json!(false)]), slice(&[json!(false)])], Some("none of its 2 endpoints is ready"));
        check_endpoints(&[slice(&[json!(false)]), slice(&[json!(true)])], None);
        check_endpoints(&[json!({"endpoints": [{"addresses": ["10.0.0.1"]}]})], None);
    }

    #[track_caller]
    fn check_definition(live: Option<Value>, expect: Option<&str>) {
        assert_eq!(definition(live.as_ref()).as_deref(), expect);
    }

    #[test]
    fn a_definition_has_to_be_established() {
        let of = |conditions: Value| Some(json!({"metadata": {"name": "a.b"}, "status": {"conditions": conditions}}));
        let is = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "m"});
        check_definition(None, Some("there is no such CustomResourceDefinition"));
        check_definition(Some(json!({"metadata": {}})), Some("it is not established"));
        check_definition(of(json!([is("Established", "False")])), Some("it is not established (R: m)"));
        let taken = json!({"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict"});
        check_definition(
            of(json!([is("Established", "False"), taken])),
            Some("it is not established (ListKindConflict)"),
        );
        check_definition(of(json!([is("Established", "True")])), None);
        let going =
            json!({"metadata": {"deletionTimestamp": "now"}, "status": {"conditions": [is("Established", "True")]}});
        check_definition(Some(going), Some("it is being deleted"));
    }

    #[test]
    fn a_runtime_class_has_to_be_there_and_to_stay() {
        let check = |live: Option<Value>, expect| assert_eq!(runtime_class(live.as_ref()).as_deref(), expect);
        check(None, Some("there is no such RuntimeClass"));
        check(Some(json!({"handler": "nvidia"})), None);
        check(Some(json!({"metadata": {"deletionTimestamp": "now"}})), Some("it is being deleted"));
    }

    #[track_caller]
    fn check_nodes(count: u32, seen: &[Value], expect: Option<&str>) {
        assert_eq!(nodes("gpu=true", count, &seen.iter().collect::<Vec<_>>()).as_deref(), expect);
    }

    #[test]
    fn nodes_count_that_are_ready_and_take_pods() {
        let node = |name: &str, ready: &str| {
            let condition =
                json!({"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "no network"});
            json!({"metadata": {"name": name}, "status": {"conditions": [condition]}})
        };
        let cordoned = |name: &str| {
            let mut node = node(name, "True");
            node["spec"] = json!({"unschedulable": true});
            node
        };
        check_nodes(1, &[], Some("0 of 1 nodes are ready: no node carries gpu=true"));
        check_nodes(1, &[node("a", "True")], None);
        check_nodes(2, &[node("a", "True")], Some("1 of 2 nodes are ready"));
        check_nodes(
            2,
            &[node("a", "True"), node("b", "False"), cordoned("c"), json!({"metadata": {"name": "d"}})],
            Some("1 of 2 nodes are ready: b is not ready (KubeletNotReady: no network), c is cordoned, d is not ready"),
        );
        let many: Vec<Value> = (0..7).map(|n| cordoned(&format!("n{n}"))).collect();
        let all = "n0 is cordoned, n1 is cordoned, n2 is cordoned, n3 is cordoned, n4 is cordoned, and 2 more";
        check_nodes(1, &many, Some(&format!("0 of 1 nodes are ready: {all}")));
        check_nodes(2, &[node("a", "True"), cordoned("b"), node("c", "True")], None);
    }
}
