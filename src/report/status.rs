//! What runs, by phase and tier: one line a service.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;
use serde::Serialize;
use strata_components::desired::{Desired, Instance, Phase, ResourceId};

use super::phase_title;
use super::table::Table;
use crate::observe::{Health, Owner, Snapshot};

const BOLD: Style = Style::new().bold();

/// How one service stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The phase it starts in.
    pub phase: u32,
    /// That phase's name.
    pub phase_name: String,
    /// Its tier.
    pub tier: String,
    /// Its name.
    pub service: String,
    /// Ready and wanted pods, such as `2/2`; empty where it has no workload that says so.
    pub ready: String,
    /// `ready`, `progressing`, `failed`, `absent`, or `incomplete` where some of its objects are missing.
    pub state: &'static str,
    /// What is missing or wrong.
    pub detail: String,
}

/// What is wrong with the pods of workloads, by workload.
pub type Troubles = BTreeMap<ResourceId, String>;

/// Every service of the stack, in the order of phases.
#[must_use]
pub fn services(desired: &Desired, snapshot: &Snapshot, troubles: &Troubles) -> Vec<ServiceStatus> {
    let mut rows = Vec::new();
    for phase in &desired.phases {
        for service in &phase.services {
            rows.push(status((desired, snapshot, troubles), phase, service));
        }
    }
    rows
}

/// How the services of one of several instances stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Which instance.
    #[serde(flatten)]
    pub instance: Instance,
    /// Its services, in the order of phases.
    pub services: Vec<ServiceStatus>,
}

/// What is known of an instance: what is desired of it, what is live, and what is wrong with pods.
pub type Known = (Desired, Snapshot, Troubles);

/// Every service of several instances.
#[must_use]
pub fn instances(all: &[Known]) -> Vec<InstanceStatus> {
    let of = |(desired, snapshot, troubles): &Known| InstanceStatus {
        instance: desired.instance.clone(),
        services: services(desired, snapshot, troubles),
    };
    all.iter().map(of).collect()
}

/// The services of several instances: a table for each, and at the end how many of all are ready.
#[must_use]
pub fn terminal_of_all(all: &[Known]) -> String {
    let mut out = String::new();
    for (desired, snapshot, troubles) in all {
        let _ = writeln!(out, "{}", terminal(desired, snapshot, troubles));
    }
    let services: Vec<ServiceStatus> = instances(all).into_iter().flat_map(|one| one.services).collect();
    let ready = services.iter().filter(|row| row.state == "ready").count();
    let _ = writeln!(out, "{BOLD}All {} stacks: {ready} of {} services ready{BOLD:#}.", all.len(), services.len());
    out
}

fn status(
    (desired, snapshot, troubles): (&Desired, &Snapshot, &Troubles),
    phase: &Phase,
    service: &str,
) -> ServiceStatus {
    let mut status = ServiceStatus {
        phase: phase.number,
        phase_name: phase.name.clone(),
        tier: String::new(),
        service: service.to_owned(),
        ready: String::new(),
        state: "ready",
        detail: String::new(),
    };
    let mut missing = Vec::new();
    let mut live = 0;
    for resource in desired.resources.iter().filter(|resource| resource.service.as_deref() == Some(service)) {
        status.tier = resource.tier.clone().unwrap_or_default();
        match snapshot.object(&resource.id).filter(|object| object.owner == Owner::This) {
            None => missing.push(resource.id.kind.kind.as_str()),
            Some(object) => {
                live += 1;
                // What a pod says is nearer to the cause than what is made of it.
                let said = |detail: &String| troubles.get(&resource.id).unwrap_or(detail).clone();
                match &object.health {
                    Health::Ready(figure) if figure.is_empty() => {}
                    Health::Ready(figure) => status.ready.clone_from(figure),
                    Health::Progressing(detail) if status.state == "ready" => {
                        (status.state, status.detail) = ("progressing", said(detail));
                    }
                    Health::Progressing(_) => {}
                    Health::Failed(detail) => (status.state, status.detail) = ("failed", said(detail)),
                }
            }
        }
    }
    if live == 0 {
        (status.state, status.detail) = ("absent", String::new());
    } else if !missing.is_empty() && status.state == "ready" {
        (status.state, status.detail) = ("incomplete", format!("missing: {}", missing.join(", ")));
    }
    status
}

/// The services as a table with a closing line, coloured by ANSI sequences. Ends with a line feed.
#[must_use]
pub fn terminal(desired: &Desired, snapshot: &Snapshot, troubles: &Troubles) -> String {
    let rows = services(desired, snapshot, troubles);
    let mut table = Table::new(&["PHASE", "TIER", "SERVICE", "READY", "STATE", "DETAIL"]);
    for row in &rows {
        table.row([
            phase_title(row.phase, &row.phase_name),
            row.tier.clone(),
            row.service.clone(),
            if row.ready.is_empty() { "-".to_owned() } else { row.ready.clone() },
            row.state.to_owned(),
            row.detail.clone(),
        ]);
    }
    let ready = rows.iter().filter(|row| row.state == "ready").count();
    let mut out = table.to_string();
    let target = super::clean::clean(&snapshot.target.name);
    let _ = writeln!(
        out,
        "\n{BOLD}{ready} of {} services ready{BOLD:#} ({} on cluster {target}).",
        rows.len(),
        desired.instance.name()
    );
    out
}
