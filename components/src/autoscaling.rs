//! The autoscaler of a service, which owns the number of its pods: the Deployment then says nothing of replicas.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

use crate::context::named;
use crate::model::Percent;
use crate::spec::ServiceSpec;

impl ServiceSpec {
    /// The name of its autoscaler.
    pub(crate) fn autoscaler_name(&self) -> String {
        format!("{}-hpa", self.name.kebab())
    }
}

/// The autoscaler, where one works.
pub(crate) fn autoscaler(spec: &ServiceSpec) -> Option<HorizontalPodAutoscaler> {
    let autoscale = spec.autoscale?;
    let metrics = [("cpu", autoscale.cpu), ("memory", autoscale.memory)];
    Some(HorizontalPodAutoscaler {
        metadata: named(spec.autoscaler_name(), Some(&spec.namespace)),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: spec.object_name(),
            },
            min_replicas: Some(autoscale.min.get().cast_signed()),
            max_replicas: autoscale.max.get().cast_signed(),
            metrics: Some(metrics.into_iter().filter_map(|(name, share)| Some(metric(name, share?))).collect()),
            behavior: None,
        },
        status: None,
    })
}

/// Steers towards an average use of `share` percent of what pods request.
fn metric(name: &str, share: Percent) -> MetricSpec {
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: name.to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(share.get().cast_signed()),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}
