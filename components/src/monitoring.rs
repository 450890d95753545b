//! How a tier is watched: which services it has, and a ServiceMonitor that has them scraped, for the Prometheus
//! operator.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::configured::{COMPONENT_METRICS, COMPONENT_PORT};
use crate::context::{Context, NAME_LABEL, TIER_LABEL, named};
use crate::custom::{Custom, custom_kind};
use crate::desired::INSTANCE_LABEL;
use crate::model::{Monitoring, TierName};
use crate::spec::ServiceSpec;

/// The services of a tier, which all live in one namespace.
#[derive(Clone, Copy)]
pub(crate) struct Watched<'a> {
    pub(crate) tier: &'a TierName,
    pub(crate) namespace: &'a str,
    /// Never empty.
    pub(crate) services: &'a [&'a ServiceSpec],
}

impl Watched<'_> {
    /// The name of the tier's objects.
    pub(crate) fn object_name(self, context: &Context<'_>) -> String {
        format!("{}-{}", context.stack.stack, self.tier)
    }
}

/// The names of services' Services as a regular expression. They hold no character that means anything
/// in one.
pub(crate) fn names(services: &[&ServiceSpec]) -> String {
    services.iter().map(|spec| spec.object_name()).collect::<Vec<_>>().join("|")
}

/// What the name of a Deployment may end in where its service is rolled out blue-green.
pub(crate) const ENDINGS: &str = "(-blue|-green)?";

/// The names of services' Deployments as a regular expression: those of a service that is rolled out blue-green may end in
/// a colour.
pub(crate) fn deployments(services: &[&ServiceSpec]) -> String {
    let name = |spec: &&ServiceSpec| match spec.blue_green {
        Some(_) => format!("{}{ENDINGS}", spec.object_name()),
        None => spec.object_name(),
    };
    services.iter().map(name).collect::<Vec<_>>().join("|")
}

/// Which Services are scraped, and where.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceMonitorSpec {
    /// The label of a Service that becomes the name of the job.
    job_label: &'static str,
    /// The labels of a Service that every one of its figures gets.
    target_labels: [&'static str; 1],
    selector: ServiceSelector,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSelector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    port: &'static str,
    path: String,
    interval: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relabelings: Vec<Relabeling>,
}

/// Keeps the targets of some Services.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relabeling {
    action: &'static str,
    source_labels: [&'static str; 1],
    regex: String,
}

custom_kind!(ServiceMonitorSpec, "monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors");

/// The metadata of a tier's objects for the operator.
pub(crate) fn metadata(context: &Context<'_>, settings: &Monitoring, watched: Watched<'_>) -> ObjectMeta {
    let mut metadata = named(watched.object_name(context), Some(watched.namespace));
    let found_by = settings.labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    metadata.labels = Some(found_by.collect());
    metadata
}

/// Has the servers of a tier scraped on their health ports.
pub(crate) fn service_monitor(
    context: &Context<'_>,
    settings: &Monitoring,
    watched: Watched<'_>,
) -> Custom<ServiceMonitorSpec> {
    let ports: BTreeSet<&'static str> = watched.services.iter().map(|spec| spec.probe_port()).collect();
    let endpoint = |port: &'static str| {
        // Every Service has the port that it answers on; where another has a port for health beside it, its own port
        // is not scraped.
        let on_it: Vec<_> = watched.services.iter().copied().filter(|spec| spec.probe_port() == port).collect();
        let regex = names(&on_it);
        let keep = Relabeling { action: "keep", source_labels: ["__meta_kubernetes_service_name"], regex };
        Endpoint {
            port,
            path: match port {
                COMPONENT_PORT => COMPONENT_METRICS.to_owned(),
                _ => context.stack.metrics_path.to_string(),
            },
            interval: settings.interval.to_string(),
            relabelings: (ports.len() > 1).then_some(keep).into_iter().collect(),
        }
    };
    let labels = [(INSTANCE_LABEL, context.instance.name()), (TIER_LABEL, watched.tier.to_string())];
    Custom {
        metadata: metadata(context, settings, watched),
        spec: ServiceMonitorSpec {
            job_label: NAME_LABEL,
            target_labels: [TIER_LABEL],
            selector: ServiceSelector {
                match_labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            },
            endpoints: ports.iter().copied().map(endpoint).collect(),
        },
    }
}
