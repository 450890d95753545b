//! The quota of a namespace: no more GPUs than its services can grow to. A pod that nobody declared cannot take one,
//! and neither can a rollout that starts pods in addition.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::context::{Context, named};
use crate::model::GpuSettings;
use crate::spec::ServiceSpec;

/// The quota of a namespace, where the environment asks for one. Extended resources are counted by their requests
/// alone (<https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-for-extended-resources>).
pub(crate) fn gpu_quota(context: &Context<'_>, namespace: &str, specs: &[ServiceSpec]) -> Option<ResourceQuota> {
    let settings = &context.environment.gpu;
    let granted = settings.resource_name();
    let here = specs.iter().filter(|spec| spec.namespace == namespace);
    // Of a service that goes from one colour to the other, the pods of both ask for them at once.
    let pods = |spec: &ServiceSpec| spec.ceiling * if spec.blue_green.is_some() { 2 } else { 1 };
    let gpus: u32 = here.map(|spec| spec.gpus * pods(spec)).sum();
    // Where no GPUs are granted, those that nodes usually give out are closed.
    let resource = granted.or(settings.resource.as_ref().map(|name| name.as_str())).unwrap_or(GpuSettings::USUAL);
    settings.quota.then(|| ResourceQuota {
        metadata: named("gpus", Some(namespace)),
        spec: Some(ResourceQuotaSpec {
            hard: Some(BTreeMap::from([(format!("requests.{resource}"), Quantity(gpus.to_string()))])),
            ..ResourceQuotaSpec::default()
        }),
        status: None,
    })
}
