//! Programs of others that keep nothing: a Deployment of hardened pods that read their settings from files.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction, Probe, Service, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::context::{Context, named};
use crate::mcp_service::service_of;
use crate::model::Port;
use crate::spec::ServiceSpec;
use crate::stateful::{config_name, variable};
use crate::workload::{CONTAINER, deployment_of, resources, startup_tries};

/// The name of a component's own port, where it speaks HTTP there.
pub(crate) const COMPONENT_PORT: &str = "http";
/// The path there of its figures for Prometheus.
pub(crate) const COMPONENT_METRICS: &str = "/metrics";
/// The name of the volume with the configuration.
const CONFIG: &str = "config";

/// What makes one such program different from another.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The arguments of the image's own command.
    pub(crate) args: Vec<String>,
    /// The ports that it answers on.
    pub(crate) ports: Vec<ProgramPort>,
    /// Where the files of its configuration are.
    pub(crate) config_path: &'static str,
    /// Those files, by name.
    pub(crate) config: BTreeMap<String, String>,
    /// The path on its own port that tells whether it is well.
    pub(crate) health: &'static str,
}

/// A port that it answers on.
#[derive(Debug, Clone)]
pub(crate) struct ProgramPort {
    pub(crate) name: String,
    pub(crate) port: Port,
    /// What is spoken there, for proxies of a mesh: `http` or `tcp`.
    pub(crate) protocol: &'static str,
}

/// Its pods.
pub(crate) fn program(context: &Context<'_>, spec: &ServiceSpec, program: &Program) -> Deployment {
    let files = Volume {
        name: CONFIG.to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: config_name(spec), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    deployment_of(context, spec, container(spec, program), vec![files])
}

fn container(spec: &ServiceSpec, program: &Program) -> Container {
    let ports = program.ports.iter().map(|port| ContainerPort {
        name: Some(port.name.clone()),
        container_port: port.port.get().into(),
        ..ContainerPort::default()
    });
    let probe = Probe {
        http_get: Some(HTTPGetAction {
            path: Some(program.health.to_owned()),
            port: IntOrString::String(COMPONENT_PORT.to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    };
    let env: Vec<_> = spec.env.iter().map(|(name, value)| variable(name.as_str(), value)).collect();
    Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone()),
        args: Some(program.args.clone()).filter(|args| !args.is_empty()),
        ports: Some(ports.collect()),
        env: Some(env).filter(|env| !env.is_empty()),
        resources: Some(resources(spec)),
        startup_probe: Some(startup_tries(spec, probe.clone())),
        readiness_probe: Some(Probe { period_seconds: Some(5), timeout_seconds: Some(2), ..probe.clone() }),
        liveness_probe: Some(Probe { timeout_seconds: Some(5), ..probe }),
        volume_mounts: Some(vec![VolumeMount {
            name: CONFIG.to_owned(),
            mount_path: program.config_path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    }
}

/// Its Service, with all its ports.
pub(crate) fn program_service(context: &Context<'_>, spec: &ServiceSpec, program: &Program) -> Service {
    let ports = program.ports.iter().map(|port| (port.name.as_str(), port.port.get().into(), port.protocol));
    service_of(context, spec, ports)
}

/// The ConfigMap with the files of its configuration.
pub(crate) fn program_files(spec: &ServiceSpec, program: &Program) -> ConfigMap {
    ConfigMap {
        metadata: named(config_name(spec), Some(&spec.namespace)),
        data: Some(program.config.clone()),
        ..ConfigMap::default()
    }
}
