//! Stores: a StatefulSet of one pod that keeps its data on a volume, hardened and placed as the pods of a server are.
//!
//! There is one pod, because a second one would be another store and not a copy of the first. Its volume is claimed by
//! the StatefulSet, and stays when that goes. A rollout takes the pod away before it starts the next, because both would
//! write to one volume.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, ExecAction,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, Service,
    Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backup::{COPIES, copies};
use crate::context::{Context, Owner, named};
use crate::mcp_service::service_of;
use crate::mesh::dress;
use crate::model::{Port, Storage};
use crate::secret_file::SecretFile;
use crate::spec::ServiceSpec;
use crate::workload::{CONTAINER, pod, resources, startup_tries};

/// The name of the volume with the data.
const DATA: &str = "data";
/// The name of the volume with the configuration.
const CONFIG: &str = "config";

/// A directory that a store writes to, and that keeps nothing.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    /// The name of its volume.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) path: &'static str,
    /// How much of the pod's memory it may take up, where it lies there.
    pub(crate) in_memory: Option<String>,
}

/// What makes one store different from another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// The name of its port.
    pub(crate) port: &'static str,
    /// What is run in place of the image's own command, where it is not that.
    pub(crate) command: Option<Vec<String>>,
    /// The arguments of what is run.
    pub(crate) args: Vec<String>,
    /// The variables that it is told its settings by.
    pub(crate) env: Vec<EnvVar>,
    /// What lets clients in, where it asks for that.
    pub(crate) secret: Option<SecretFile>,
    /// Where the volume with the data is.
    pub(crate) data_path: &'static str,
    /// Where the files of its configuration are.
    pub(crate) config_path: &'static str,
    /// Those files, by name.
    pub(crate) config: BTreeMap<String, String>,
    /// The directories that it writes to beside the volume and the one that every pod has.
    pub(crate) scratch: Vec<Scratch>,
    /// Where it writes its own copies, where it does.
    pub(crate) copies_path: Option<&'static str>,
    /// What tells that it answers.
    pub(crate) probe: Probe,
    /// What tells that it lives, where it may do so for long before it answers: as long as it reads what it has kept.
    pub(crate) alive: Option<Probe>,
}

/// The StatefulSet of a store.
pub(crate) fn stateful_set(context: &Context<'_>, spec: &ServiceSpec, storage: &Storage, store: &Store) -> StatefulSet {
    let mut template = ObjectMeta { labels: Some(context.labels(Owner::Service(spec))), ..ObjectMeta::default() };
    dress(context, &mut template);
    let configured = (!store.config.is_empty()).then(|| Volume {
        name: CONFIG.to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: config_name(spec), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    });
    let scratch = store.scratch.iter().map(|scratch| Volume {
        name: scratch.name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: scratch.in_memory.as_ref().map(|_| "Memory".to_owned()),
            size_limit: scratch.in_memory.clone().map(Quantity),
        }),
        ..Volume::default()
    });
    let copied = store.copies_path.map(|_| copies(spec));
    let secret = store.secret.as_ref().map(SecretFile::volume);
    let volumes = configured.into_iter().chain(secret).chain(scratch).chain(copied).collect();
    let pod = pod(context, spec, container(spec, store), volumes);
    StatefulSet {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(StatefulSetSpec {
            replicas: Some(spec.floor.cast_signed()),
            selector: context.selector(spec),
            service_name: Some(spec.object_name()),
            template: PodTemplateSpec { metadata: Some(template), spec: Some(keeping(pod, spec)) },
            volume_claim_templates: Some(vec![claim(DATA, storage)]),
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

fn container(spec: &ServiceSpec, store: &Store) -> Container {
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: (name == CONFIG).then_some(true),
        ..VolumeMount::default()
    };
    let configured = (!store.config.is_empty()).then(|| mount(CONFIG, store.config_path));
    let own = spec.env.iter().map(|(name, value)| variable(name.as_str(), value));
    let scratch = store.scratch.iter().map(|scratch| mount(scratch.name, scratch.path));
    let copied = store.copies_path.map(|path| mount(COPIES, path));
    let alive = store.alive.as_ref().unwrap_or(&store.probe);
    let ports = named_ports(spec, store).into_iter().map(|(name, port)| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.get().into(),
        ..ContainerPort::default()
    });
    let env: Vec<EnvVar> = store.env.iter().cloned().chain(own).collect();
    Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone()),
        command: store.command.clone(),
        args: Some(store.args.clone()).filter(|args| !args.is_empty()),
        ports: Some(ports.collect()),
        env: Some(env).filter(|env| !env.is_empty()),
        resources: Some(resources(spec)),
        startup_probe: Some(startup_tries(spec, alive.clone())),
        readiness_probe: Some(Probe { period_seconds: Some(5), timeout_seconds: Some(2), ..store.probe.clone() }),
        liveness_probe: Some(Probe { timeout_seconds: Some(5), ..alive.clone() }),
        volume_mounts: Some(
            [mount(DATA, store.data_path)]
                .into_iter()
                .chain(configured)
                .chain(store.secret.as_ref().map(SecretFile::mount))
                .chain(scratch)
                .chain(copied)
                .collect(),
        ),
        ..Container::default()
    }
}

/// A claim of a volume by this name.
pub(crate) fn claim(name: &str, storage: &Storage) -> PersistentVolumeClaim {
    let size = [("storage".to_owned(), Quantity(storage.size.to_string()))];
    PersistentVolumeClaim {
        metadata: named(name, None),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage.class.as_ref().map(ToString::to_string),
            resources: Some(VolumeResourceRequirements { requests: Some(size.into()), limits: None }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// Its ports with their names, the one of the service first.
fn named_ports(spec: &ServiceSpec, store: &Store) -> Vec<(&'static str, Port)> {
    [(store.port, spec.port)].into_iter().chain(spec.further_ports.iter().copied()).collect()
}

/// What a proxy is told of a port: one that knows that it is not HTTP does not wait for the client to speak first.
fn spoken(name: &str) -> &str {
    if matches!(name, "http" | "grpc") { name } else { "tcp" }
}

/// The Service of a store.
pub(crate) fn service(context: &Context<'_>, spec: &ServiceSpec, store: &Store) -> Service {
    let ports = named_ports(spec, store).into_iter().map(|(name, port)| (name, port.get().into(), spoken(name)));
    service_of(context, spec, ports)
}

/// The ConfigMap with the files of its configuration, where it has any.
pub(crate) fn config_map(spec: &ServiceSpec, store: &Store) -> Option<ConfigMap> {
    (!store.config.is_empty()).then(|| ConfigMap {
        metadata: named(config_name(spec), Some(&spec.namespace)),
        data: Some(store.config.clone()),
        ..ConfigMap::default()
    })
}

/// What the ConfigMap with the configuration of a service is called.
pub(crate) fn config_name(spec: &ServiceSpec) -> String {
    format!("{}-config", spec.object_name())
}

/// A variable with a value.
pub(crate) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

/// A probe that runs a program in the container.
pub(crate) fn runs<const N: usize>(command: [&str; N]) -> Probe {
    Probe { exec: Some(ExecAction { command: Some(command.map(str::to_owned).to_vec()) }), ..Probe::default() }
}
