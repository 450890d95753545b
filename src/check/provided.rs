//! Kinds that others install, held against what the environment says of its embedded cluster. What a cluster of a
//! kubeconfig serves is known there alone: a plan asks it.

use std::collections::BTreeMap;

use strata_components::desired::Desired;
use strata_components::model::{Cluster, Provided};
use strata_components::provided::brought_by;

use super::{in_words, rules};
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

/// One warning for each thing that the cluster `target` should have beside Kubernetes and is not said to have.
pub(super) fn check(desired: &Desired, loaded: &Loaded, target: &str) -> Vec<Finding> {
    let Some(Cluster::Embedded(cluster)) = loaded.environment.clusters.get(target) else { return Vec::new() };
    let mut lacking: BTreeMap<Provided, Vec<&str>> = BTreeMap::new();
    for resource in &desired.resources {
        if let Some(by) = brought_by(&resource.id.kind).filter(|by| !cluster.provides.contains(by)) {
            lacking.entry(by).or_default().push(&resource.id.kind.kind);
        }
    }
    let path = field(&field(&field("clusters", target), "embedded"), "provides");
    let places = loaded.places.environment.as_ref();
    let finding = |(by, kinds): (Provided, Vec<&str>)| {
        let objects = if kinds.len() == 1 { "one object" } else { &format!("{} objects", kinds.len()) };
        let mut names = kinds;
        names.sort_unstable();
        names.dedup();
        let message = format!("{path}: without {} {objects} cannot be applied ({})", by.in_words(), in_words(&names));
        let asks = asked_by(by);
        Finding::new(&rules::NOT_PROVIDED, message)
            .at(places.and_then(|places| places.near(&path)))
            .related(places.and_then(|places| places.key(asks)), format!("asks for {}", by.in_words()))
            .path(path.clone())
            .help(format!("list `{}` under `provides`, or do without `{asks}` in this environment", by.as_str()))
    };
    lacking.into_iter().map(finding).collect()
}

/// What in an environment asks for objects of these kinds.
fn asked_by(by: Provided) -> &'static str {
    match by {
        Provided::GatewayApi => "gateway",
        Provided::Istio => "mesh",
        Provided::PrometheusOperator => "monitoring",
        Provided::VerticalPodAutoscaler => "vertical_autoscaling",
    }
}

#[cfg(test)]
mod tests {
    use snapbox::str;

    use super::super::tests::check_provided;

    #[test]
    fn what_an_embedded_cluster_lacks_is_named_with_what_asks_for_it() {
        let asks = "monitoring: {}\nvertical_autoscaling: recommend";
        check_provided(
            "{}",
            asks,
            str![[r#"
warning S-provided-001 production:2:20 clusters.local.embedded.provides: without the Prometheus operator 4 objects cannot be applied (PrometheusRule and ServiceMonitor) <production:6:1 asks for the Prometheus operator> [list `prometheus-operator` under `provides`, or do without `monitoring` in this environment]
warning S-provided-001 production:2:20 clusters.local.embedded.provides: without the VerticalPodAutoscaler 3 objects cannot be applied (VerticalPodAutoscaler) <production:7:1 asks for the VerticalPodAutoscaler> [list `vertical-pod-autoscaler` under `provides`, or do without `vertical_autoscaling` in this environment]

"#]],
        );
        check_provided(
            "{provides: [prometheus-operator]}",
            asks,
            str![[r#"
warning S-provided-001 production:2:41 clusters.local.embedded.provides: without the VerticalPodAutoscaler 3 objects cannot be applied (VerticalPodAutoscaler) <production:7:1 asks for the VerticalPodAutoscaler> [list `vertical-pod-autoscaler` under `provides`, or do without `vertical_autoscaling` in this environment]

"#]],
        );
        check_provided("{provides: [vertical-pod-autoscaler, prometheus-operator]}", asks, str![[r#""#]]);
    }
}
