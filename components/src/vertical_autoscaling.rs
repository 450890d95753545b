//! The VerticalPodAutoscaler of a service: it learns from use what a pod should ask for, and says so or sees to it.
//!
//! It never acts on what the service's HorizontalPodAutoscaler steers by, because each would undo what the other does.
//! Where it acts, it stays below what the stack asks for: what was proven to fit the nodes still fits. It does so when a
//! pod starts, and evicts none.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::context::named;
use crate::custom::{Custom, custom_kind};
use crate::model::{Amounts, VerticalAutoscaling};
use crate::spec::ServiceSpec;
use crate::workload::CONTAINER;

/// What a VerticalPodAutoscaler looks at, and what it may do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerticalPodAutoscalerSpec {
    target_ref: Target,
    update_policy: UpdatePolicy,
    resource_policy: ResourcePolicy,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    api_version: &'static str,
    kind: &'static str,
    name: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdatePolicy {
    update_mode: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourcePolicy {
    container_policies: [ContainerPolicy; 2],
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerPolicy {
    container_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    controlled_resources: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controlled_values: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    max_allowed: BTreeMap<&'static str, String>,
}

custom_kind!(VerticalPodAutoscalerSpec, "autoscaling.k8s.io", "v1", "VerticalPodAutoscaler", "verticalpodautoscalers");

const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// The vertical autoscaler, where the environment has them.
pub(crate) fn vertical_autoscaler(
    mode: Option<VerticalAutoscaling>,
    spec: &ServiceSpec,
) -> Option<Custom<VerticalPodAutoscalerSpec>> {
    let steered = |resource: &&str| {
        spec.autoscale.is_some_and(|autoscale| match *resource {
            "cpu" => autoscale.cpu.is_some(),
            _ => autoscale.memory.is_some(),
        })
    };
    let free: Vec<&'static str> = RESOURCES.into_iter().filter(|resource| !steered(resource)).collect();
    let acts = mode? == VerticalAutoscaling::Initial && !free.is_empty();
    let controlled = if acts { free } else { RESOURCES.to_vec() };
    let own = ContainerPolicy {
        container_name: CONTAINER,
        max_allowed: if acts { at_most(&controlled, spec.resources.requests) } else { BTreeMap::new() },
        controlled_resources: controlled,
        controlled_values: Some("RequestsOnly"),
        ..ContainerPolicy::default()
    };
    // A proxy that a mesh puts into the pod has figures of its own.
    let others = ContainerPolicy { container_name: "*", mode: Some("Off"), ..ContainerPolicy::default() };
    Some(Custom {
        metadata: named(format!("{}-vpa", spec.name.kebab()), Some(&spec.namespace)),
        spec: VerticalPodAutoscalerSpec {
            target_ref: Target {
                api_version: "apps/v1",
                kind: if spec.is_store() { "StatefulSet" } else { "Deployment" },
                name: spec.object_name(),
            },
            update_policy: UpdatePolicy { update_mode: if acts { "Initial" } else { "Off" } },
            resource_policy: ResourcePolicy { container_policies: [own, others] },
        },
    })
}

fn at_most(resources: &[&'static str], requests: Amounts) -> BTreeMap<&'static str, String> {
    let amount = |resource: &str| match resource {
        "cpu" => requests.cpu.to_string(),
        _ => requests.memory.to_string(),
    };
    resources.iter().map(|resource| (*resource, amount(resource))).collect()
}
