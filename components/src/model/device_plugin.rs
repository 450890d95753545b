//! The device plugin: what makes the GPUs of nodes known to a cluster, whole or in shares.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gateway::ObjectName;
use super::gpu::GpuSettings;
use super::image::ImageReference;
use super::label::{LabelKey, LabelValue};
use super::name::ClusterName;
use super::number::number_type;

number_type! {
    /// Into how many shares each GPU is cut; 1 for whole GPUs.
    SlicesPerGpu: u32, what: "number of slices", min: 1, max: 64
}

impl Default for SlicesPerGpu {
    /// Whole GPUs.
    fn default() -> Self {
        Self(1)
    }
}

/// NVIDIA's device plugin on the nodes with GPUs.
///
/// A node says by the label `nvidia.com/device-plugin.config` which group it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePlugin {
    /// The image; a release of NVIDIA's unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// Labels of the nodes that have GPUs, such as `gpu: "true"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<LabelKey, LabelValue>,
    /// The groups of nodes, each by the value of the label that its nodes have.
    #[schemars(length(min = 1))]
    pub groups: BTreeMap<ClusterName, DeviceGroup>,
    /// The group of nodes without that label; such nodes get no plugin where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_group: Option<ClusterName>,
}

impl DevicePlugin {
    /// The label by which a node says of which group it is
    /// (<https://github.com/NVIDIA/k8s-device-plugin#updating-per-node-configuration-with-a-node-label>).
    pub const LABEL: &str = "nvidia.com/device-plugin.config";

    /// The group of a node with these labels; nothing where the plugin does not run there.
    #[must_use]
    pub fn group_of(&self, labels: &BTreeMap<String, String>) -> Option<(&ClusterName, DeviceGroup)> {
        let placed =
            |(key, value): (&LabelKey, &LabelValue)| labels.get(key.as_str()).is_some_and(|own| own == value.as_str());
        let name = match labels.get(Self::LABEL) {
            Some(label) => self.groups.keys().find(|name| name.as_str() == label),
            None => self.default_group.as_ref(),
        };
        name.filter(|_| self.node_selector.iter().all(placed)).and_then(|name| Some((name, *self.groups.get(name)?)))
    }
}

/// How the GPUs of a group's nodes are given out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceGroup {
    /// Into how many time slices each GPU is cut. A pod can ask for one of them, under the name `nvidia.com/gpu.shared`;
    /// its memory is shared without a limit.
    #[serde(default)]
    pub slices: SlicesPerGpu,
}

impl DeviceGroup {
    /// The extended resource that its nodes give out.
    ///
    /// ```
    /// use strata_components::model::DeviceGroup;
    /// assert_eq!(DeviceGroup::default().resource(), "nvidia.com/gpu");
    /// ```
    #[must_use]
    pub const fn resource(self) -> &'static str {
        if self.slices.get() > 1 { GpuSettings::SHARED } else { GpuSettings::USUAL }
    }
}

/// The RuntimeClass that pods with a GPU run under, where containers do not reach GPUs without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuRuntimeClass {
    /// Its name, which is also that of the handler; `nvidia` as K3s makes it where it finds NVIDIA's runtime
    /// (<https://docs.k3s.io/advanced#alternative-container-runtime-support>).
    pub name: ObjectName,
    /// Whether the stack with the device plugin makes it, because the cluster does not bring it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
}
