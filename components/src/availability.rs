//! What keeps a service up while pods come and go: how it is rolled out, spread over nodes, and drained.
//!
//! A service with GPUs gives up a pod before it starts the next: on nodes whose GPUs are all taken, a pod started in
//! addition could never be placed, and the rollout would stand still. Any other service starts pods in addition, and
//! is never short of one.

use k8s_openapi::api::apps::v1::{DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::{Context, named};
use crate::model::Component;
use crate::spec::ServiceSpec;

pub(crate) fn strategy(spec: &ServiceSpec) -> DeploymentStrategy {
    let (surge, unavailable) = if spec.gpus > 0 {
        (IntOrString::Int(0), IntOrString::Int(1))
    } else {
        (IntOrString::String("25%".to_owned()), IntOrString::Int(0))
    };
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment { max_surge: Some(surge), max_unavailable: Some(unavailable) }),
    }
}

/// Spreads a service's pods over nodes where that is possible. It does not insist: a fleet that fits on one node
/// still runs there. Where the service has to answer most of the time it does insist: among the nodes that take pods, and
/// of each revision by itself, so that a rollout starts from even.
pub(crate) fn spread(context: &Context<'_>, spec: &ServiceSpec) -> Vec<TopologySpreadConstraint> {
    let soft = TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(context.selector(spec)),
        ..TopologySpreadConstraint::default()
    };
    let insists = |soft| TopologySpreadConstraint {
        when_unsatisfiable: "DoNotSchedule".to_owned(),
        node_taints_policy: Some("Honor".to_owned()),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..soft
    };
    vec![if spec.availability.is_some() { insists(soft) } else { soft }]
}

/// Lets a drain take one pod at a time. A service that may have a single pod has none: it would keep a node from
/// ever being drained, or protect nothing. Pods that are not ready protect nothing, and may always be taken.
///
/// A store's single pod may be taken when it is ready, and not while it is starting or recovering: nodes that are drained
/// one after the other wait for it, and do not chase it from one to the next. One that never comes up has to be deleted
/// by hand (<https://kubernetes.io/docs/tasks/run-application/configure-pdb/#unhealthy-pod-eviction-policy>).
pub(crate) fn disruption_budget(context: &Context<'_>, spec: &ServiceSpec) -> Option<PodDisruptionBudget> {
    let store = spec.component.as_ref().is_some_and(Component::is_store);
    let unready = if store { "IfHealthyBudget" } else { "AlwaysAllow" };
    (spec.floor >= 2 || store).then(|| PodDisruptionBudget {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(context.selector(spec)),
            unhealthy_pod_eviction_policy: Some(unready.to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
