//! Stores: a StatefulSet of one pod that keeps its data on a volume, hardened and placed as the pods of a server are.
//!
//! There is one pod, because a second one would be another store and not a copy of the first. Its volume is claimed by
//! the StatefulSet, and stays when that goes. A rollout takes the pod away before it starts the next, because both would
//! write to one volume.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    SecretKeySelector, Service, ServicePort, ServiceSpec as ServiceFields, Volume, VolumeMount,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::{Context, Owner, named};
use crate::mesh::dress;
use crate::model::{SecretKey, Storage};
use crate::spec::ServiceSpec;
use crate::workload::{CONTAINER, pod, resources, startup_tries};

/// The name of the volume with the data.
const DATA: &str = "data";
/// The name of the volume with the configuration.
const CONFIG: &str = "config";

/// What makes one store different from another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// What is run in place of the image's own command, where it is not that.
    pub(crate) command: Option<Vec<String>>,
    /// The arguments of what is run.
    pub(crate) args: Vec<String>,
    /// The variables that it is told its settings by.
    pub(crate) env: Vec<EnvVar>,
    /// Where the volume with the data is.
    pub(crate) data_path: &'static str,
    /// Where the files of its configuration are.
    pub(crate) config_path: &'static str,
    /// Those files, by name.
    pub(crate) config: BTreeMap<String, String>,
    /// What tells that it answers.
    pub(crate) probe: Probe,
}

/// The StatefulSet of a store.
pub(crate) fn stateful_set(
    context: &Context<'_>,
    spec: &ServiceSpec,
    storage: &Storage,
    port_name: &str,
    store: &Store,
) -> StatefulSet {
    let mut template = ObjectMeta { labels: Some(context.labels(Owner::Service(spec))), ..ObjectMeta::default() };
    dress(context, &mut template);
    let configured = (!store.config.is_empty()).then(|| Volume {
        name: CONFIG.to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: config_name(spec), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    });
    let pod = pod(context, spec, container(spec, port_name, store), configured.into_iter().collect());
    StatefulSet {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(StatefulSetSpec {
            replicas: Some(spec.floor.cast_signed()),
            selector: context.selector(spec),
            service_name: Some(spec.object_name()),
            template: PodTemplateSpec { metadata: Some(template), spec: Some(keeping(pod, spec)) },
            volume_claim_templates: Some(vec![claim(storage)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// A pod whose volume belongs to the user it runs as. One pod needs no spreading.
fn keeping(pod: PodSpec, spec: &ServiceSpec) -> PodSpec {
    let security = pod.security_context.unwrap_or_default();
    PodSpec {
        security_context: Some(PodSecurityContext {
            fs_group: Some(spec.user.get().into()),
            // Nothing is gained by walking over a large volume each time a pod starts.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            ..security
        }),
        topology_spread_constraints: None,
        ..pod
    }
}

fn container(spec: &ServiceSpec, port_name: &str, store: &Store) -> Container {
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: (name == CONFIG).then_some(true),
        ..VolumeMount::default()
    };
    let configured = (!store.config.is_empty()).then(|| mount(CONFIG, store.config_path));
    let own = spec.env.iter().map(|(name, value)| variable(name.as_str(), value));
    let env: Vec<EnvVar> = store.env.iter().cloned().chain(own).collect();
    Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone()),
        command: store.command.clone(),
        args: Some(store.args.clone()).filter(|args| !args.is_empty()),
        ports: Some(vec![ContainerPort {
            name: Some(port_name.to_owned()),
            container_port: spec.port.get().into(),
            ..ContainerPort::default()
        }]),
        env: Some(env).filter(|env| !env.is_empty()),
        resources: Some(resources(spec)),
        startup_probe: Some(startup_tries(spec, store.probe.clone())),
        readiness_probe: Some(Probe { period_seconds: Some(5), timeout_seconds: Some(2), ..store.probe.clone() }),
        liveness_probe: Some(Probe { timeout_seconds: Some(5), ..store.probe.clone() }),
        volume_mounts: Some([mount(DATA, store.data_path)].into_iter().chain(configured).collect()),
        ..Container::default()
    }
}

fn claim(storage: &Storage) -> PersistentVolumeClaim {
    let size = [("storage".to_owned(), Quantity(storage.size.to_string()))];
    PersistentVolumeClaim {
        metadata: named(DATA, None),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage.class.as_ref().map(ToString::to_string),
            resources: Some(VolumeResourceRequirements { requests: Some(size.into()), limits: None }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// The Service of a store, which answers on one port.
pub(crate) fn service(context: &Context<'_>, spec: &ServiceSpec, port_name: &str) -> Service {
    Service {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(ServiceFields {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(context.selector_labels(spec)),
            ports: Some(vec![ServicePort {
                name: Some(port_name.to_owned()),
                port: spec.port.get().into(),
                target_port: Some(IntOrString::String(port_name.to_owned())),
                // A proxy that knows that it is not HTTP does not wait for the client to speak first.
                app_protocol: context.environment.mesh.as_ref().map(|_| "tcp".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceFields::default()
        }),
        ..Service::default()
    }
}

/// The ConfigMap with the files of its configuration, where it has any.
pub(crate) fn config_map(spec: &ServiceSpec, store: &Store) -> Option<ConfigMap> {
    (!store.config.is_empty()).then(|| ConfigMap {
        metadata: named(config_name(spec), Some(&spec.namespace)),
        data: Some(store.config.clone()),
        ..ConfigMap::default()
    })
}

fn config_name(spec: &ServiceSpec) -> String {
    format!("{}-config", spec.object_name())
}

/// A variable with a value.
pub(crate) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

/// A variable that is read from a Secret.
pub(crate) fn secret_variable(name: &str, from: &SecretKey) -> EnvVar {
    let from = SecretKeySelector { name: from.secret.to_string(), key: from.key.to_string(), optional: None };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { secret_key_ref: Some(from), ..EnvVarSource::default() }),
    }
}

/// A probe that runs a program in the container.
pub(crate) fn runs<const N: usize>(command: [&str; N]) -> Probe {
    Probe { exec: Some(ExecAction { command: Some(command.map(str::to_owned).to_vec()) }), ..Probe::default() }
}
