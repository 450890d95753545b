//! Whether what is deployed can bear the availability that is promised: no single node, drain or rollout takes every pod
//! of such a service away, and what does not answer is found out.
//!
//! Claims say which services are promised; whether they bear it is read from manifests, and from the nodes where those
//! are known.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use serde::Deserialize;
use strata_components::desired::{Desired, Resource};

use super::capacity::nodes::Node;
use super::capacity::placement::{admits, apart};
use super::hardening::running::{kept, protects};
use super::place::at_service;
use super::rules;
use super::workloads::{Workload, workloads};
use crate::finding::{Finding, Rule};
use crate::load::Loaded;

/// A promise, and the pods that have to keep it.
struct Promise<'a> {
    service: &'a str,
    target: &'a str,
    workload: Workload<'a>,
    loaded: &'a Loaded,
}

/// Every promise that is not borne. Nodes are looked at where they are known.
pub(super) fn check(desired: &Desired, loaded: &Loaded, nodes: Option<&[Node]>) -> Vec<Finding> {
    let targets: BTreeMap<&str, &str> =
        desired.claims.availability.iter().map(|claim| (claim.service.as_str(), claim.target.as_str())).collect();
    if targets.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for workload in workloads(desired) {
        let serves = matches!(workload.resource.id.kind.kind.as_str(), "Deployment" | "StatefulSet");
        let promised = workload.resource.service.as_deref().and_then(|service| targets.get_key_value(service));
        let Some((service, target)) = promised.filter(|_| serves) else { continue };
        let promise = Promise { service, target, workload, loaded };
        findings.extend(promise.pods(desired));
        findings.extend(promise.hosts(nodes));
        findings.extend(promise.probes());
    }
    findings
}

impl Promise<'_> {
    fn broken(&self, rule: &Rule, why: &str, help: &str) -> Finding {
        let Self { service, target, workload, loaded } = self;
        let message = format!("{service} has to answer {target} of the time: {} {why}", workload.resource.id);
        let found = Finding::new(rule, message)
            .related(loaded.places.environment_value("availability"), "what the environment promises")
            .help(help.to_owned());
        at_service(found, Some(service), loaded)
    }

    /// How many there are, and how many a drain and a rollout leave.
    fn pods(&self, desired: &Desired) -> Vec<Finding> {
        let Workload { floor, rollout, .. } = self.workload;
        if floor < 2 {
            let help = "run two pods or more: raise `replicas`, or `replicas.critical_min` of the environment";
            return vec![self.broken(&rules::ONE_POD, "may be down to one pod", help)];
        }
        let mut findings = Vec::new();
        let budgets: Vec<&Resource> =
            desired.resources.iter().filter(|resource| protects(resource, &self.workload)).collect();
        if !budgets.iter().any(|budget| kept(budget, floor).is_some_and(|kept| kept > 0)) {
            let why = match budgets.first() {
                None => "has no disruption budget".to_owned(),
                Some(budget) => format!("has a budget that keeps none of its {floor} pods: {}", budget.id),
            };
            findings.push(self.broken(&rules::NONE_KEPT, &why, "add a budget with `maxUnavailable: 1`"));
        }
        if rollout.unavailable >= floor {
            let why = format!("may stop all of its {floor} pods in a rollout");
            findings.push(self.broken(
                &rules::ROLLOUT_TAKES_ALL,
                &why,
                "let `maxUnavailable` of the rollout be 0 or 1",
            ));
        }
        findings
    }

    /// Whether a node can hold all of its pods.
    fn hosts(&self, nodes: Option<&[Node]>) -> Option<Finding> {
        let floor = self.workload.floor;
        let pod = PodSpec::deserialize(self.workload.pod).ok()?;
        let able = nodes.map(|nodes| nodes.iter().filter(|node| admits(node, &pod).is_ok()).count());
        // Beside another node, unless there is none.
        if floor >= 2 && apart(&pod, &self.workload.labels).most(floor, able.unwrap_or(2).max(2)) >= floor {
            let help = "insist on a spread over `kubernetes.io/hostname`: `whenUnsatisfiable: DoNotSchedule`";
            return Some(self.broken(&rules::ONE_HOST, "does not insist that its pods are on several nodes", help));
        }
        let why = match able? {
            0 => "may go to none of the nodes",
            1 => "may go to one of the nodes alone",
            _ => return None,
        };
        Some(self.broken(&rules::ONE_HOST, why, "describe, or add, a second node that takes its pods"))
    }

    fn probes(&self) -> Vec<Finding> {
        let containers = self.workload.pod["containers"].as_array().into_iter().flatten();
        let lacking = containers.filter_map(|container| {
            let probes = ["readinessProbe", "livenessProbe"].into_iter().filter(|probe| container[probe].is_null());
            let lacking = probes.collect::<Vec<_>>().join(" and no ");
            let why = format!("has a container {} with no {lacking}", container["name"].as_str().unwrap_or_default());
            (!lacking.is_empty()).then(|| self.broken(&rules::UNPROBED, &why, "probe the health port"))
        });
        lacking.collect()
    }
}

#[cfg(test)]
mod tests;
