//! How pods are hardened: what the restricted Pod Security Standard asks, and what a fleet needs beyond it (fixed
//! images, requests and limits, probes, budgets, no secret in plain text). The rules hold for any pod, whoever
//! composed it, so they read manifests.

mod images;
pub(super) mod running;
mod secrets;
mod standard;

use strata_components::desired::Desired;

pub(super) use self::images::tag;

use super::place::at_service;
use super::rules;
use super::workloads::{Workload, workloads};
use crate::finding::{Finding, Rule};
use crate::load::Loaded;

pub(super) fn check_stack(loaded: &Loaded) -> Vec<Finding> {
    secrets::check(loaded)
}

pub(super) fn check_objects(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in workloads(desired) {
        for shortfall in standard::shortfalls(workload.pod) {
            let what = format!("{}: {}.{}", shortfall.control, workload.at, shortfall.field);
            let message = format!("{what} {}", shortfall.is);
            findings.push(finding(&rules::NOT_RESTRICTED, &workload, &message, &shortfall.help, loaded));
        }
        for container in standard::without_numeric_user(workload.pod) {
            let message = format!("container {container} runs as whatever user its image names");
            let help = "set `run_as_user` to a number other than 0";
            findings.push(finding(&rules::NO_NUMERIC_USER, &workload, &message, help, loaded));
        }
        for container in standard::writable_roots(workload.pod) {
            let message = format!("container {container} can write to its root file system");
            let help = "set `readOnlyRootFilesystem`, and mount a volume where it has to write";
            findings.push(finding(&rules::WRITABLE_ROOT, &workload, &message, help, loaded));
        }
        findings.extend(images::check(&workload, loaded));
        findings.extend(running::check(&workload, desired, loaded));
    }
    findings
}

#[cfg(test)]
mod tests;

/// A finding about a workload, at the service it belongs to.
fn finding(rule: &Rule, workload: &Workload<'_>, message: &str, help: &str, loaded: &Loaded) -> Finding {
    let found = Finding::new(rule, format!("{}: {message}", workload.resource.id)).help(help.to_owned());
    at_service(found, workload.resource.service.as_deref(), loaded)
}
