//! The alerts for a tier, in a PrometheusRule that the Prometheus operator reads: for servers that fail, for promises
//! about availability, for autoscalers, and for GPUs that stand idle or are overworked.
//!
//! Figures on pods and Deployments come from kube-state-metrics; those on GPUs from NVIDIA's DCGM exporter, scraped as a
//! target of its own, so that the pod which has the GPU stands in `exported_pod`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::context::Context;
use crate::custom::{Custom, custom_kind};
use crate::model::{Availability, Monitoring, Priority};
use crate::monitoring::{Watched, deployments, metadata, names};
use crate::spec::ServiceSpec;
use crate::workload::CONTAINER;

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

custom_kind!(PrometheusRuleSpec, "monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules");

/// How fast what is allowed to be missing may be used up: at this rate a month's worth is gone in two days
/// (<https://sre.google/workbook/alerting-on-slos/>). In tenths.
const BURN_TENTHS: u64 = 144;

/// A tier, and what all its alerts have in common.
struct Tier<'a> {
    context: &'a Context<'a>,
    watched: Watched<'a>,
    /// The priority of alerts that concern several services.
    priority: Option<Priority>,
}

/// All alerts for a tier.
pub(crate) fn prometheus_rule(
    context: &Context<'_>,
    settings: &Monitoring,
    watched: Watched<'_>,
) -> Custom<PrometheusRuleSpec> {
    let urgent = watched.services.iter().any(|spec| spec.priority == Priority::High);
    let tier = Tier { context, watched, priority: urgent.then_some(Priority::High) };
    let mut rules = tier.servers();
    rules.extend(tier.absent());
    rules.extend(tier.availability());
    rules.extend(tier.autoscalers());
    rules.extend(tier.gpus());
    let group = RuleGroup { name: format!("{}.{}", context.instance.name(), watched.tier), rules };
    Custom { metadata: metadata(context, settings, watched), spec: PrometheusRuleSpec { groups: [group] } }
}

impl Tier<'_> {
    fn alert(
        &self,
        alert: &'static str,
        expr: String,
        lasting: &'static str,
        priority: Option<Priority>,
        (summary, description): (&str, &str),
    ) -> Alert {
        Alert {
            alert,
            expr,
            lasting,
            labels: BTreeMap::from([
                ("severity", severity(priority).to_owned()),
                ("stack", self.context.stack.stack.to_string()),
                ("tier", self.watched.tier.to_string()),
            ]),
            annotations: BTreeMap::from([("summary", summary.to_owned()), ("description", description.to_owned())]),
        }
    }

    fn services(&self, which: impl Fn(&ServiceSpec) -> bool) -> Vec<&ServiceSpec> {
        self.watched.services.iter().copied().filter(|spec| which(spec)).collect()
    }

    /// Servers that do not answer, that start again and again, and that are fewer than asked for.
    fn servers(&self) -> Vec<Alert> {
        let (namespace, names) = (self.watched.namespace, names(self.watched.services));
        let deployments = deployments(self.watched.services);
        vec![
            self.alert(
                "McpServerDown",
                format!("up{{namespace=\"{namespace}\", service=~\"{names}\"}} == 0"),
                "2m",
                self.priority,
                (
                    "{{ $labels.pod }} does not answer",
                    "The health port of {{ $labels.pod }} ({{ $labels.service }}) has not answered a scrape for two minutes.",
                ),
            ),
            self.alert(
                "McpServerRestarting",
                format!(
                    "increase(kube_pod_container_status_restarts_total{{namespace=\"{namespace}\", \
                     container=\"{CONTAINER}\", pod=~\"({names})-.+\"}}[15m]) > 3"
                ),
                "0m",
                self.priority,
                (
                    "{{ $labels.pod }} starts again and again",
                    "The server in {{ $labels.pod }} has been restarted more than three times in a quarter of an hour.",
                ),
            ),
            self.alert(
                "McpReplicasMissing",
                format!(
                    "kube_deployment_status_replicas_available{{namespace=\"{namespace}\", deployment=~\"{deployments}\"}} < \
                     kube_deployment_spec_replicas{{namespace=\"{namespace}\", deployment=~\"{deployments}\"}}"
                ),
                "10m",
                None,
                (
                    "{{ $labels.deployment }} has fewer pods than it should",
                    "{{ $labels.deployment }} has had fewer available pods than it asks for during ten minutes.",
                ),
            ),
        ]
    }

    /// Servers that nobody finds.
    fn absent(&self) -> Vec<Alert> {
        let namespace = self.watched.namespace;
        let absent = |spec: &&ServiceSpec| {
            let name = spec.object_name();
            let text = format!("No pod of {name} has been scraped for five minutes.");
            let mut rule = self.alert(
                "McpServerAbsent",
                format!("absent(up{{namespace=\"{namespace}\", service=\"{name}\"}})"),
                "5m",
                Some(spec.priority),
                (&format!("{name} is not there"), &text),
            );
            // Two alerts of one name must differ in a label.
            rule.labels.insert("service", name);
            rule
        };
        self.watched.services.iter().map(absent).collect()
    }

    /// Services that are away for so much of an hour that what is promised of a month would soon be broken; the last
    /// five minutes count too, so that the alert ends when the service is back.
    fn availability(&self) -> Vec<Alert> {
        let namespace = self.watched.namespace;
        let targets: BTreeSet<Availability> =
            self.watched.services.iter().filter_map(|spec| spec.availability).collect();
        let alert = |target: Availability| {
            let names = names(&self.services(|spec| spec.availability == Some(target)));
            let most = allowed(target);
            let away = |time: &str| {
                let up = format!("max by (service) (up{{namespace=\"{namespace}\", service=~\"{names}\"}})");
                format!("1 - avg_over_time(({up})[{time}:1m]) > {most}")
            };
            let text = format!(
                "No pod of {{{{ $labels.service }}}} answered for so much of the last hour that at this rate what \
                 {target} of a month allows is used up within two days."
            );
            let mut rule = self.alert(
                "McpAvailabilityAtRisk",
                format!("({}) and ({})", away("1h"), away("5m")),
                "2m",
                Some(Priority::High),
                ("{{ $labels.service }} is away too much", &text),
            );
            rule.labels.insert("target", target.to_string());
            rule
        };
        targets.into_iter().map(alert).collect()
    }

    /// Autoscalers that can do no more.
    fn autoscalers(&self) -> Option<Alert> {
        let namespace = self.watched.namespace;
        let scaled = self.services(|spec| spec.autoscale.is_some());
        let names = scaled.iter().map(|spec| spec.autoscaler_name()).collect::<Vec<_>>().join("|");
        (!scaled.is_empty()).then(|| {
            self.alert(
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
            )
        })
    }

    /// GPUs that stand idle, that are at work without a pause, and whose memory is full.
    fn gpus(&self) -> Vec<Alert> {
        let services = self.services(|spec| spec.gpus > 0);
        if services.is_empty() {
            return Vec::new();
        }
        let (namespace, names) = (self.watched.namespace, names(&services));
        let of =
            |metric: &str| format!("{metric}{{exported_namespace=\"{namespace}\", exported_pod=~\"({names})-.+\"}}");
        let (used, free) = (of("DCGM_FI_DEV_FB_USED"), of("DCGM_FI_DEV_FB_FREE"));
        let average =
            |time: &str| format!("avg by (exported_pod) (avg_over_time({}[{time}]))", of("DCGM_FI_DEV_GPU_UTIL"));
        vec![
            self.alert(
                "McpGpuIdle",
                format!("{} < 5", average("6h")),
                "1h",
                None,
                (
                    "The GPU of {{ $labels.exported_pod }} stands idle",
                    "{{ $labels.exported_pod }} has used less than 5 % of its GPU during six hours.",
                ),
            ),
            self.alert(
                "McpGpuSaturated",
                format!("{} > 95", average("30m")),
                "30m",
                None,
                (
                    "The GPU of {{ $labels.exported_pod }} is at work without a pause",
                    "{{ $labels.exported_pod }} has used more than 95 % of its GPU during half an hour: requests wait.",
                ),
            ),
            self.alert(
                "McpGpuMemoryFull",
                format!("max by (exported_pod) ({used} / ({used} + {free})) > 0.95"),
                "10m",
                self.priority,
                (
                    "The memory of the GPU of {{ $labels.exported_pod }} is full",
                    "More than 95 % of the GPU memory of {{ $labels.exported_pod }} has been taken for ten minutes.",
                ),
            ),
        ]
    }
}

/// The share of time that may be missing before the alert, as a decimal number.
fn allowed(target: Availability) -> String {
    let ten_millionths = u64::from(target.missing_millionths()) * BURN_TENTHS;
    let digits = format!("{:07}", ten_millionths % 10_000_000);
    format!("{}.{}", ten_millionths / 10_000_000, digits.trim_end_matches('0'))
}

const fn severity(priority: Option<Priority>) -> &'static str {
    match priority {
        Some(Priority::High) => "critical",
        _ => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_gone_in_two_days() {
        for (target, expect) in [("99%", "0.144"), ("99.9%", "0.0144"), ("99.95%", "0.0072"), ("99.999%", "0.000144")] {
            assert_eq!(target.parse().map(allowed).as_deref(), Ok(expect), "{target}");
        }
    }
}
