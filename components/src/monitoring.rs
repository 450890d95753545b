//! How a tier is watched: a ServiceMonitor that has its servers scraped, and a PrometheusRule with the alerts for their
//! failures. Both are read by the Prometheus operator; the figures on pods and Deployments come from kube-state-metrics.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::context::{Context, NAME_LABEL, TIER_LABEL, named};
use crate::custom::{Custom, custom_kind};
use crate::desired::INSTANCE_LABEL;
use crate::model::{Monitoring, Priority, TierName};
use crate::spec::ServiceSpec;
use crate::workload::CONTAINER;

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

    /// A regular expression of the names of all its Deployments. Names hold no character that means anything in one.
    pub(crate) fn names(self) -> String {
        self.services.iter().map(|spec| spec.object_name()).collect::<Vec<_>>().join("|")
    }
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

/// Alerts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PrometheusRuleSpec {
    groups: [RuleGroup; 1],
}

#[derive(Debug, Clone, Serialize)]
struct RuleGroup {
    name: String,
    rules: Vec<Alert>,
}

#[derive(Debug, Clone, Serialize)]
struct Alert {
    alert: &'static str,
    expr: String,
    #[serde(rename = "for")]
    lasting: &'static str,
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
}

custom_kind!(ServiceMonitorSpec, "monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors");
custom_kind!(PrometheusRuleSpec, "monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules");

fn metadata(context: &Context<'_>, settings: &Monitoring, watched: Watched<'_>) -> ObjectMeta {
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
        let on_it = watched.services.iter().filter(|spec| spec.probe_port() == port);
        let regex = on_it.map(|spec| spec.object_name()).collect::<Vec<_>>().join("|");
        let keep = Relabeling { action: "keep", source_labels: ["__meta_kubernetes_service_name"], regex };
        Endpoint {
            port,
            path: context.stack.metrics_path.to_string(),
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

/// The alerts for a tier: servers that do not answer, that nobody finds, that start again and again, that are fewer
/// than asked for, and autoscalers that can do no more.
pub(crate) fn prometheus_rule(
    context: &Context<'_>,
    settings: &Monitoring,
    watched: Watched<'_>,
) -> Custom<PrometheusRuleSpec> {
    let (namespace, names) = (watched.namespace, watched.names());
    let urgent = watched.services.iter().any(|spec| spec.priority == Priority::High);
    let alert = |alert, expr, lasting, priority: Option<Priority>, (summary, description): (&str, &str)| Alert {
        alert,
        expr,
        lasting,
        labels: BTreeMap::from([
            ("severity", severity(priority).to_owned()),
            ("stack", context.stack.stack.to_string()),
            ("tier", watched.tier.to_string()),
        ]),
        annotations: BTreeMap::from([("summary", summary.to_owned()), ("description", description.to_owned())]),
    };
    let tier_priority = urgent.then_some(Priority::High);
    let mut rules = vec![
        alert(
            "McpServerDown",
            format!("up{{namespace=\"{namespace}\", service=~\"{names}\"}} == 0"),
            "2m",
            tier_priority,
            (
                "{{ $labels.pod }} does not answer",
                "The health port of {{ $labels.pod }} ({{ $labels.service }}) has not answered a scrape for two minutes.",
            ),
        ),
        alert(
            "McpServerRestarting",
            format!(
                "increase(kube_pod_container_status_restarts_total{{namespace=\"{namespace}\", \
                 container=\"{CONTAINER}\", pod=~\"({names})-.+\"}}[15m]) > 3"
            ),
            "0m",
            tier_priority,
            (
                "{{ $labels.pod }} starts again and again",
                "The server in {{ $labels.pod }} has been restarted more than three times in a quarter of an hour.",
            ),
        ),
        alert(
            "McpReplicasMissing",
            format!(
                "kube_deployment_status_replicas_available{{namespace=\"{namespace}\", deployment=~\"{names}\"}} < \
                 kube_deployment_spec_replicas{{namespace=\"{namespace}\", deployment=~\"{names}\"}}"
            ),
            "10m",
            None,
            (
                "{{ $labels.deployment }} has fewer pods than it should",
                "{{ $labels.deployment }} has had fewer available pods than it asks for during ten minutes.",
            ),
        ),
    ];
    let absent = watched.services.iter().map(|spec| {
        let name = spec.object_name();
        let text = format!("No pod of {name} has been scraped for five minutes.");
        let mut rule = alert(
            "McpServerAbsent",
            format!("absent(up{{namespace=\"{namespace}\", service=\"{name}\"}})"),
            "5m",
            Some(spec.priority),
            (&format!("{name} is not there"), &text),
        );
        // Two alerts of one name must differ in a label.
        rule.labels.insert("service", name);
        rule
    });
    rules.extend(absent);
    let scaled: Vec<_> = watched.services.iter().filter(|spec| spec.autoscale.is_some()).collect();
    if !scaled.is_empty() {
        let names = scaled.iter().map(|spec| spec.autoscaler_name()).collect::<Vec<_>>().join("|");
        rules.push(alert(
            "McpAutoscalerAtMaximum",
            format!(
                "kube_horizontalpodautoscaler_status_current_replicas{{namespace=\"{namespace}\", \
                 horizontalpodautoscaler=~\"{names}\"}} >= \
                 kube_horizontalpodautoscaler_spec_max_replicas{{namespace=\"{namespace}\", \
                 horizontalpodautoscaler=~\"{names}\"}}"
            ),
            "30m",
            None,
            (
                "{{ $labels.horizontalpodautoscaler }} can do no more",
                "{{ $labels.horizontalpodautoscaler }} has been at its maximum for half an hour.",
            ),
        ));
    }
    let group = RuleGroup { name: format!("{}.{}", context.instance.name(), watched.tier), rules };
    Custom { metadata: metadata(context, settings, watched), spec: PrometheusRuleSpec { groups: [group] } }
}

const fn severity(priority: Option<Priority>) -> &'static str {
    match priority {
        Some(Priority::High) => "critical",
        _ => "warning",
    }
}
