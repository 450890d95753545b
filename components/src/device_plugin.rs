//! NVIDIA's device plugin: a DaemonSet for each group of nodes, with a configuration of its own, and the RuntimeClass
//! where the cluster brings none.
//!
//! There is one DaemonSet a group, chosen by the label that nodes have, so that no pod has to read its node and nothing
//! needs a right at the API server. The plugin runs as root and writes a socket into a directory of the node's kubelet,
//! which the restricted Pod Security Standard forbids: its namespace is an exception, and says so.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::{
    Affinity, ConfigMap, ConfigMapVolumeSource, Container, EnvVar, HostPathVolumeSource, NodeAffinity, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements,
    SeccompProfile, Toleration, Volume, VolumeMount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use crate::compose::Building;
use crate::context::{COMPONENT_LABEL, Context, Owner, named, selector_labels};
use crate::desired::INSTANCE_LABEL;
use crate::hardening::container_security;
use crate::isolation::policy;
use crate::model::{ClusterName, DeviceGroup, DevicePlugin, GpuSettings};

/// The image, where the stack names none: a release of <https://github.com/NVIDIA/k8s-device-plugin>, for amd64 and
/// arm64.
const IMAGE: &str = "nvcr.io/nvidia/k8s-device-plugin:v0.17.4";
/// What its objects are called.
const NAME: &str = "nvidia-device-plugin";
/// Where the kubelet looks for the sockets of device plugins
/// (<https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#device-plugin-registration>).
const SOCKETS: &str = "/var/lib/kubelet/device-plugins";
/// Where its configuration is mounted.
const CONFIG_PATH: &str = "/config";
/// The class of what a node cannot do without, which every cluster has.
const NODE_CRITICAL: &str = "system-node-critical";

impl Building<'_, '_> {
    /// The objects of the stack's device plugin, if it has one.
    pub(crate) fn device_plugin(&mut self) {
        let context = self.context;
        let Some(plugin) = &context.stack.device_plugin else { return };
        let namespace = context.own_namespace();
        let runtime = context.environment.gpu.runtime_class.as_ref().filter(|class| class.create);
        let words = Owner::Stack(Some("Containers that reach GPUs"));
        self.add_any(
            words,
            "runtime-class",
            runtime.map(|class| RuntimeClass {
                metadata: named(class.name.to_string(), None),
                handler: class.name.to_string(),
                ..RuntimeClass::default()
            }),
        );
        self.add(
            Owner::Stack(Some("How GPUs are given out")),
            "device-plugin-config",
            configuration(plugin, &namespace),
        );
        self.add(
            Owner::Stack(Some("Closes the pods of the device plugin")),
            "device-plugin-policy",
            closed(context, &namespace),
        );
        for name in plugin.groups.keys() {
            let component = format!("device-plugin-{name}");
            let words = Owner::Stack(Some("Makes the GPUs of nodes known"));
            self.add(words, &component, daemon_set(context, plugin, name, &namespace));
        }
    }
}

/// Whether a namespace is that of the stack's device plugin, where nothing else lives.
pub(crate) fn is_of_device_plugin(context: &Context<'_>, namespace: &str) -> bool {
    context.stack.device_plugin.is_some() && context.own_namespace() == namespace
}

/// Its pods talk to nobody.
fn closed(context: &Context<'_>, namespace: &str) -> NetworkPolicy {
    let selector = LabelSelector { match_labels: Some(pod_labels(context)), match_expressions: None };
    policy(NAME, namespace, selector, (Vec::new(), Vec::new()), &["Ingress", "Egress"])
}

/// The labels that all of its pods have, and no others.
fn pod_labels(context: &Context<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (COMPONENT_LABEL.to_owned(), NAME.to_owned()),
        (INSTANCE_LABEL.to_owned(), context.instance.name()),
    ])
}

/// A file for each group.
fn configuration(plugin: &DevicePlugin, namespace: &str) -> ConfigMap {
    let files = plugin.groups.iter().map(|(name, group)| (format!("{name}.json"), file(*group)));
    ConfigMap { metadata: named(NAME.to_owned(), Some(namespace)), data: Some(files.collect()), ..ConfigMap::default() }
}

/// The configuration of a group, in the form of the plugin
/// (<https://github.com/NVIDIA/k8s-device-plugin#shared-access-to-gpus>). Shares have a name of their own, so that nobody
/// takes one for a whole GPU, and nobody gets two of them, which would bring no more than one.
fn file(group: DeviceGroup) -> String {
    let slices = group.slices.get();
    let sharing = json!({"timeSlicing": {
        "renameByDefault": true, "failRequestsGreaterThanOne": true,
        "resources": [{"name": GpuSettings::USUAL, "replicas": slices}],
    }});
    let mut whole = json!({"version": "v1"});
    if slices > 1 {
        whole["sharing"] = sharing;
    }
    format!("{whole:#}\n")
}

fn daemon_set(context: &Context<'_>, plugin: &DevicePlugin, group: &ClusterName, namespace: &str) -> DaemonSet {
    let name = format!("{NAME}-{group}");
    let selector = selector_labels(&name, context.instance);
    let mut labels = context.labels(Owner::Stack(None));
    labels.extend(selector.clone());
    labels.extend(pod_labels(context));
    DaemonSet {
        metadata: named(name, Some(namespace)),
        spec: Some(DaemonSetSpec {
            selector: LabelSelector { match_labels: Some(selector), match_expressions: None },
            // Two plugins on one node would take each other's place at the kubelet.
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDaemonSet {
                    max_unavailable: Some(IntOrString::Int(1)),
                    max_surge: Some(IntOrString::Int(0)),
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(pod(context, plugin, group)),
            },
            ..DaemonSetSpec::default()
        }),
        status: None,
    }
}

fn pod(context: &Context<'_>, plugin: &DevicePlugin, group: &ClusterName) -> PodSpec {
    let runtime = context.environment.gpu.runtime_class.as_ref();
    let selector: BTreeMap<_, _> =
        plugin.node_selector.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        priority_class_name: Some(NODE_CRITICAL.to_owned()),
        runtime_class_name: runtime.map(|class| class.name.to_string()),
        node_selector: Some(selector).filter(|labels| !labels.is_empty()),
        affinity: Some(of_group(plugin, group)),
        // Nodes with GPUs are often tainted with the name of the resource.
        tolerations: Some(vec![Toleration {
            key: Some(GpuSettings::USUAL.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoSchedule".to_owned()),
            ..Toleration::default()
        }]),
        security_context: Some(PodSecurityContext {
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        volumes: Some(vec![
            Volume {
                name: "sockets".to_owned(),
                host_path: Some(HostPathVolumeSource { path: SOCKETS.to_owned(), type_: Some("Directory".to_owned()) }),
                ..Volume::default()
            },
            Volume {
                name: "config".to_owned(),
                config_map: Some(ConfigMapVolumeSource { name: NAME.to_owned(), ..ConfigMapVolumeSource::default() }),
                ..Volume::default()
            },
        ]),
        containers: vec![container(plugin, group)],
        ..PodSpec::default()
    }
}

/// The nodes of a group: those whose label names it, and, where it is the default, those without the label.
fn of_group(plugin: &DevicePlugin, group: &ClusterName) -> Affinity {
    let term = |operator: &str, values: Option<Vec<String>>| NodeSelectorTerm {
        match_expressions: Some(vec![NodeSelectorRequirement {
            key: DevicePlugin::LABEL.to_owned(),
            operator: operator.to_owned(),
            values,
        }]),
        ..NodeSelectorTerm::default()
    };
    let mut terms = vec![term("In", Some(vec![group.to_string()]))];
    if plugin.default_group.as_ref() == Some(group) {
        terms.push(term("DoesNotExist", None));
    }
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector { node_selector_terms: terms }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn container(plugin: &DevicePlugin, group: &ClusterName) -> Container {
    let variable =
        |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), ..EnvVar::default() };
    let amounts = |cpu: &str, memory: &str| {
        let of = |amount: &str| Quantity(amount.to_owned());
        Some(BTreeMap::from([("cpu".to_owned(), of(cpu)), ("memory".to_owned(), of(memory))]))
    };
    Container {
        name: "device-plugin".to_owned(),
        image: Some(plugin.image.as_ref().map_or_else(|| IMAGE.to_owned(), ToString::to_string)),
        env: Some(vec![
            variable("CONFIG_FILE", format!("{CONFIG_PATH}/{group}.json")),
            // A node without a GPU that works is a fault to be seen, and not a pod that waits in silence.
            variable("FAIL_ON_INIT_ERROR", "true".to_owned()),
        ]),
        resources: Some(ResourceRequirements {
            requests: amounts("50m", "64Mi"),
            limits: amounts("200m", "256Mi"),
            ..ResourceRequirements::default()
        }),
        volume_mounts: Some(vec![
            VolumeMount { name: "sockets".to_owned(), mount_path: SOCKETS.to_owned(), ..VolumeMount::default() },
            VolumeMount {
                name: "config".to_owned(),
                mount_path: CONFIG_PATH.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            },
        ]),
        // The kubelet's directory belongs to root; nothing else of root's rights is kept.
        security_context: Some(container_security()),
        ..Container::default()
    }
}
