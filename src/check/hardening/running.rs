//! What keeps a service running beside others: requests and limits, probes, and budgets that a drain can keep.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use strata_components::desired::{Desired, Resource};

use super::super::reach::Selector;
use super::super::workloads::share;
use super::{Workload, finding, rules};
use crate::finding::Finding;
use crate::load::Loaded;

pub(super) fn check(workload: &Workload<'_>, desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = |rule, message: String, help: &str| finding(rule, workload, &message, help, loaded);
    let kind = workload.resource.id.kind.kind.as_str();
    let serves = matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet");
    for container in workload.pod["containers"].as_array().into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default();
        let lacking: Vec<String> =
            [("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")]
                .into_iter()
                .filter(|(part, amount)| container["resources"][part][amount].is_null())
                .map(|(part, amount)| format!("{part}.{amount}"))
                .collect();
        if !lacking.is_empty() {
            let message = format!("container {name} has no {}", lacking.join(", "));
            findings.push(found(&rules::NO_LIMITS, message, "give it `resources` with requests and limits"));
        }
        let probes = ["readinessProbe", "livenessProbe"];
        let lacking: Vec<&str> = probes.into_iter().filter(|probe| container[probe].is_null()).collect();
        if serves && !lacking.is_empty() {
            let message = format!("container {name} has no {}", lacking.join(" and no "));
            findings.push(found(&rules::NO_PROBE, message, "probe the health port"));
        }
    }
    if matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet") {
        findings.extend(budgets(workload, desired, loaded));
    }
    findings
}

/// Budgets against the fewest pods there are: what the autoscaler may go down to, or the replicas.
fn budgets(workload: &Workload<'_>, desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let found = |rule, message: String, help: &str| finding(rule, workload, &message, help, loaded);
    let own: Vec<&Resource> = desired.resources.iter().filter(|resource| protects(resource, workload)).collect();
    let floor = workload.floor;
    if let [first, second, ..] = own.as_slice() {
        let message = format!("{} and {} both select its pods, so that none can be evicted", first.id, second.id);
        return vec![found(&rules::STUCK_BUDGET, message, "keep one budget for each pod")];
    }
    let Some(budget) = own.first() else {
        let message = format!("it has {floor} pods and no disruption budget, so that a drain may take all at once");
        let missing = (floor >= 2).then(|| found(&rules::NO_BUDGET, message, "add a PodDisruptionBudget"));
        return missing.into_iter().collect();
    };
    if kept(budget, floor).is_some_and(|kept| kept >= floor && floor > 0) {
        let message = format!(
            "{} keeps all of the {floor} pods that it may go down to, so that no node can be drained",
            budget.id
        );
        return vec![found(&rules::STUCK_BUDGET, message, "let `maxUnavailable` be at least 1, or run more pods")];
    }
    Vec::new()
}

/// How many of `pods` a budget keeps; nothing where that cannot be read.
pub(in crate::check) fn kept(budget: &Resource, pods: u32) -> Option<u32> {
    let spec = &budget.manifest["spec"];
    match (spec.get("minAvailable"), spec.get("maxUnavailable")) {
        (Some(least), _) => share(least, pods, true),
        (None, Some(most)) => share(most, pods, true).map(|most| pods.saturating_sub(most)),
        // One pod must stay, where it is not said how many.
        (None, None) => Some(1),
    }
}

/// Whether a resource is a budget for the pods of a workload.
pub(in crate::check) fn protects(resource: &Resource, workload: &Workload<'_>) -> bool {
    if resource.id.kind.kind != "PodDisruptionBudget" || resource.id.namespace != workload.resource.id.namespace {
        return false;
    }
    let selector = resource.manifest.pointer("/spec/selector");
    selector
        .and_then(|selector| LabelSelector::deserialize(selector).ok())
        .is_some_and(|selector| Selector::from(selector).matches(&workload.labels))
}
