//! PodDisruptionBudgets: how many pods may be evicted now, and the eviction itself.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/disruption` and `pkg/registry/core/pod/storage/eviction.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::set_condition;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::rules::{Author, Ownership, Rules};
use crate::selector::LabelSelector;
use crate::store::{Key, Object, Txn};

/// How long an evicted pod that does not go counts as going.
const DISRUPTED: Duration = Duration::from_secs(120);
const BUDGETS: &str = "policy/poddisruptionbudgets";
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Looks at one budget.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("policy/v1", "PodDisruptionBudget", namespace, name) else { return Ok(None) };
    let now = context.now();
    let selector = LabelSelector::of(live.value.pointer("/spec/selector"));
    let matching: Vec<Arc<Object>> = match &selector {
        None => Vec::new(),
        Some(selector) => {
            let names = context.index.pods.among(namespace, selector);
            let pods = names.iter().filter_map(|name| context.txn.get(&Key::new("pods", namespace, name)));
            pods.filter(|pod| selector.matches(&pod.value)).collect()
        }
    };
    if matching.is_empty() {
        let told = Event {
            kind: "Normal",
            reason: "NoPods",
            message: "No matching pods found",
            component: "controllermanager",
        };
        event::tell(context, &live.value, &told);
    }
    let (expected, desired) = wanted(context, &live.value, &matching);
    let mut again: Again = None;
    let mut disrupted = json!({});
    for (pod, since) in object::entries(&live.value, "/status/disruptedPods") {
        let going =
            matching.iter().find(|known| object::name(&known.value) == pod && !object::is_deleting(&known.value));
        let until = since.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(|at| at + DISRUPTED);
        if let (Some(_), Some(until)) = (going, until.filter(|until| *until > now)) {
            object::as_map(&mut disrupted).insert(pod.clone(), since.clone());
            again = Some(again.map_or(until, |known: jiff::Timestamp| until.min(known)));
        }
    }
    let healthy = matching.iter().filter(|pod| {
        let stays = !object::is_deleting(&pod.value) && disrupted.get(object::name(&pod.value)).is_none();
        stays && pods::is_ready(&pod.value)
    });
    let healthy = i64::try_from(healthy.count()).unwrap_or(0);
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let generation = object::number(&live.value, "/metadata/generation").unwrap_or(1);
    let mut conditions: Vec<Value> = object::items(&live.value, "/status/conditions").to_vec();
    set_condition(&mut conditions, allowance(allowed, generation), &object::rfc3339(now), false);
    let mut status = json!({
        "conditions": conditions,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
    });
    if disrupted.as_object().is_some_and(|pods| !pods.is_empty()) {
        object::set(&mut status, "/disruptedPods", disrupted);
    }
    context.set_status(&live, status)?;
    Ok(again)
}

fn allowance(allowed: i64, generation: i64) -> Value {
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    json!({
        "type": "DisruptionAllowed",
        "status": status,
        "reason": reason,
        "message": "",
        "observedGeneration": generation,
    })
}

/// How many pods there should be, and how many of them healthy. A plain number of pods that must stay is held against
/// the pods there are; a share, against what their workloads ask for.
fn wanted(context: &Context<'_, '_>, budget: &Value, matching: &[Arc<Object>]) -> (i64, i64) {
    let count = i64::try_from(matching.len()).unwrap_or(0);
    if let Some(most) = budget.pointer("/spec/maxUnavailable") {
        let expected = asked_for(context, matching);
        return (expected, (expected - pods::scaled(Some(most), expected, true)).max(0));
    }
    match budget.pointer("/spec/minAvailable") {
        Some(share @ Value::String(_)) => {
            let expected = asked_for(context, matching);
            (expected, pods::scaled(Some(share), expected, true))
        }
        least => (count, pods::scaled(least, count, true)),
    }
}

/// How many pods the workloads of these pods ask for together.
fn asked_for(context: &Context<'_, '_>, matching: &[Arc<Object>]) -> i64 {
    let mut workloads: BTreeMap<String, i64> = BTreeMap::new();
    let mut alone = 0;
    for pod in matching {
        let namespace = object::namespace(&pod.value);
        let owner = |value: &Value| {
            let owner = object::controller(value)?;
            let (version, kind) = (object::text(owner, "/apiVersion"), object::text(owner, "/kind"));
            let found = context.get(version, kind, namespace, object::text(owner, "/name"))?;
            (object::uid(&found.value) == object::text(owner, "/uid")).then_some(found)
        };
        let Some(mut workload) = owner(&pod.value) else {
            alone += 1;
            continue;
        };
        if let Some(above) = owner(&workload.value) {
            workload = above;
        }
        match object::number(&workload.value, "/spec/replicas") {
            Some(replicas) => {
                workloads.insert(object::uid(&workload.value).to_owned(), replicas);
            }
            None => alone += 1,
        }
    }
    workloads.values().sum::<i64>() + alone
}

/// Takes a pod's eviction off its budget and marks the pod; refuses with 429 what the budget does not allow. The pod
/// itself is deleted by the caller.
pub(crate) fn evict(rules: &Rules, txn: &mut Txn<'_>, pod: &Arc<Object>) -> Result<Arc<Object>, Failure> {
    let phase = object::text(&pod.value, "/status/phase");
    if pods::has_ended(&pod.value) || phase == "Pending" || object::is_deleting(&pod.value) {
        return Ok(Arc::clone(pod));
    }
    let namespace = object::namespace(&pod.value);
    let selects = |budget: &Arc<Object>| {
        LabelSelector::of(budget.value.pointer("/spec/selector")).is_some_and(|s| s.matches(&pod.value))
    };
    let budgets: Vec<Arc<Object>> = txn.list(BUDGETS, namespace).into_iter().filter(selects).collect();
    match budgets.as_slice() {
        [] => {}
        [budget] => {
            if !is_free(&budget.value, &pod.value) {
                spend(rules, txn, budget, object::name(&pod.value))?;
            }
        }
        _ => {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Failure::unnamed(why.to_owned()));
        }
    }
    mark(rules, txn, pod)
}

/// A pod that is not healthy costs nothing, where the budget's policy says so.
fn is_free(budget: &Value, pod: &Value) -> bool {
    if pods::is_ready(pod) {
        return false;
    }
    let number = |field: &str| object::number(budget, &format!("/status/{field}")).unwrap_or(0);
    match object::text(budget, "/spec/unhealthyPodEvictionPolicy") {
        "AlwaysAllow" => true,
        _ => number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0,
    }
}

fn spend(rules: &Rules, txn: &mut Txn<'_>, budget: &Arc<Object>, pod: &str) -> Result<(), Failure> {
    let value = &budget.value;
    let name = object::name(value);
    let number = |pointer: &str| object::number(value, pointer).unwrap_or(0);
    let refuse = |why: String| Err(Failure::too_many_requests(REFUSED).because("DisruptionBudget", &why));
    let generation = number("/metadata/generation");
    if number("/status/observedGeneration") < generation {
        return refuse(format!("The disruption budget {name} is still being processed by the server."));
    }
    let allowed = number("/status/disruptionsAllowed");
    if allowed < 1 {
        let (needs, has) = (number("/status/desiredHealthy"), number("/status/currentHealthy"));
        return refuse(format!("The disruption budget {name} needs {needs} healthy pods and has {has} currently"));
    }
    let now = object::rfc3339(txn.now());
    let mut new = value.clone();
    object::set(&mut new, "/status/disruptionsAllowed", json!(allowed - 1));
    object::set(&mut new, &format!("/status/disruptedPods/{}", pod.replace('/', "~1")), json!(now));
    if allowed == 1 {
        let mut conditions: Vec<Value> = object::items(&new, "/status/conditions").to_vec();
        set_condition(&mut conditions, allowance(0, generation), &now, false);
        object::set(&mut new, "/status/conditions", json!(conditions));
    }
    write(rules, txn, budget, new)?;
    Ok(())
}

fn mark(rules: &Rules, txn: &mut Txn<'_>, pod: &Arc<Object>) -> Result<Arc<Object>, Failure> {
    let now = object::rfc3339(txn.now());
    let mut conditions: Vec<Value> = object::items(&pod.value, "/status/conditions").to_vec();
    let condition = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": null,
        "observedGeneration": object::number(&pod.value, "/metadata/generation").unwrap_or(1),
    });
    set_condition(&mut conditions, condition, &now, false);
    let mut new = pod.value.clone();
    object::set(&mut new, "/status/conditions", json!(conditions));
    write(rules, txn, pod, new)
}

/// Writes a status as the server itself does.
fn write(rules: &Rules, txn: &mut Txn<'_>, live: &Arc<Object>, new: Value) -> Result<Arc<Object>, Failure> {
    let (version, kind) = (object::text(&live.value, "/apiVersion"), object::text(&live.value, "/kind"));
    let resource = rules.registry.of_kind(version, kind).cloned();
    let resource = resource.ok_or_else(|| Failure::internal(format!("{version} {kind} is not served")))?;
    let author = Author { manager: "kube-apiserver", subresource: "status" };
    Ok(rules.update(txn, &resource, live, new, author, Ownership::Tracked)?.object)
}
