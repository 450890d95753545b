//! GPUs: how many a pod of a service needs, and how an environment grants them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device_plugin::GpuRuntimeClass;
use super::label::{LabelKey, LabelValue};
use super::number::number_type;

number_type! {
    /// How many GPUs one pod needs; 0 for none.
    #[derive(Default)]
    GpuCount: u32, what: "GPU count", min: 0, max: 16
}

/// How an environment grants GPUs to the services that ask for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GpuPolicy {
    /// Each pod gets whole GPUs, as many as its service asks for.
    #[default]
    Exclusive,
    /// Each pod gets one share of a GPU that is cut into time slices. A second share would bring no more
    /// computing time, so a service that asks for more than one GPU gets one share too.
    Shared,
    /// No pod gets a GPU, and the servers are told so.
    None,
}

/// The GPUs of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuSettings {
    /// How GPUs are granted: `exclusive`, `shared` or `none`.
    #[serde(default)]
    pub policy: GpuPolicy,
    /// The extended resource that pods ask for. Unless named: `nvidia.com/gpu`, and `nvidia.com/gpu.shared` under
    /// the policy `shared`, which is what the NVIDIA device plugin calls its time slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<LabelKey>,
    /// Labels of the nodes that pods with a GPU are placed on, such as `gpu: "true"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<LabelKey, LabelValue>,
    /// The RuntimeClass that pods with a GPU run under; the cluster's usual runtime, when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<GpuRuntimeClass>,
    /// Whether each namespace may have no more GPUs than its services can grow to, and none where the environment
    /// grants none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quota: bool,
}

impl GpuSettings {
    /// The extended resource that whole GPUs are given out as by the NVIDIA device plugin.
    pub const USUAL: &str = "nvidia.com/gpu";
    /// The one that it gives out shares of GPUs as.
    pub const SHARED: &str = "nvidia.com/gpu.shared";

    /// Whether an extended resource is one that gives out GPUs or shares of them. Kubernetes does not say; vendors call
    /// them so: NVIDIA's plugin, whose parts of a GPU begin with `mig-`
    /// (<https://docs.nvidia.com/datacenter/cloud-native/kubernetes/latest/index.html>), and those of others, whose domain
    /// or name has the word.
    ///
    /// ```
    /// use strata_components::model::GpuSettings;
    /// let gives = |name: &str| GpuSettings::gives(name);
    /// assert!(gives("nvidia.com/gpu.shared") && gives("nvidia.com/mig-1g.5gb") && gives("gpu.intel.com/i915"));
    /// assert!(!gives("nvidia.com/fabric") && !gives("memory"));
    /// ```
    #[must_use]
    pub fn gives(resource: &str) -> bool {
        let Some((domain, name)) = resource.split_once('/') else { return false };
        let word = |text: &str| text.split(['.', '-', '_']).any(|word| word == "gpu");
        word(domain) || word(name) || (domain == "nvidia.com" && name.starts_with("mig-"))
    }

    /// The extended resource that pods ask for, or nothing where the environment grants no GPUs.
    ///
    /// ```
    /// use strata_components::model::{GpuPolicy, GpuSettings};
    /// let shared = GpuSettings { policy: GpuPolicy::Shared, ..GpuSettings::default() };
    /// assert_eq!(shared.resource_name(), Some("nvidia.com/gpu.shared"));
    /// ```
    #[must_use]
    pub fn resource_name(&self) -> Option<&str> {
        let usual = match self.policy {
            GpuPolicy::Exclusive => Self::USUAL,
            GpuPolicy::Shared => Self::SHARED,
            GpuPolicy::None => return None,
        };
        Some(self.resource.as_ref().map_or(usual, LabelKey::as_str))
    }

    /// How many of that resource a pod asks for, when its service needs `count` GPUs.
    #[must_use]
    pub fn granted(&self, count: GpuCount) -> u32 {
        match self.policy {
            GpuPolicy::Exclusive => count.get(),
            GpuPolicy::Shared => count.get().min(1),
            GpuPolicy::None => 0,
        }
    }
}
