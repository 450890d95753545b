//! The pods of a service: a Deployment with one hardened container, probed on its health port.
//!
//! Nothing of a phase, a dependency or the number of pods stands in the pod template, so that none of them restarts
//! a server when it changes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, Lifecycle, LifecycleHandler, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SleepAction, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::availability::{spread, strategy};
use crate::configuration::Configuration;
use crate::context::{Context, Owner, named};
use crate::hardening::{container_security, pod_security};
use crate::mesh::dress;
use crate::model::{Amounts, Duration};
use crate::spec::ServiceSpec;

/// The container's name.
pub(crate) const CONTAINER: &str = "server";
/// The one directory that a server can write to.
const WRITABLE: &str = "/tmp";
/// How long a pod goes on answering after it was told to stop, in seconds: until then, others may not have heard of
/// it.
const LINGER_SECONDS: i64 = 5;
/// How long a pod has to stop, in seconds: Kubernetes' usual 30, and the time it lingers.
const GRACE_SECONDS: i64 = 30 + LINGER_SECONDS;
/// How often a starting server is asked, in seconds.
const STARTUP_PERIOD_SECONDS: u64 = 2;
/// How long a rollout may go without progress before it counts as failed, in seconds: Kubernetes' own default, which
/// is written only where a slow start needs more.
const USUAL_PROGRESS_SECONDS: u64 = 600;

/// The pods of an MCP server.
pub(crate) fn deployment(context: &Context<'_>, spec: &ServiceSpec) -> Deployment {
    deployment_of(context, spec, container(spec), spec.configuration.iter().map(Configuration::volume).collect())
}

/// Pods with one container, and volumes beside the one that it can write to.
pub(crate) fn deployment_of(
    context: &Context<'_>,
    spec: &ServiceSpec,
    container: Container,
    volumes: Vec<Volume>,
) -> Deployment {
    // Starting, and as long again for pulling the image and being placed.
    let starting = spec.startup_limit.seconds_rounded_up() * 2;
    let progress = starting.max(spec.ready_within.map_or(0, Duration::seconds_rounded_up));
    let mut template = ObjectMeta { labels: Some(context.labels(Owner::Service(spec))), ..ObjectMeta::default() };
    dress(context, &mut template);
    Deployment {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(DeploymentSpec {
            // Where an autoscaler owns the number, the Deployment does not speak of it.
            replicas: spec.autoscale.is_none().then_some(spec.floor.cast_signed()),
            selector: context.selector(spec),
            strategy: Some(strategy(spec)),
            progress_deadline_seconds: (progress > USUAL_PROGRESS_SECONDS)
                .then(|| i32::try_from(progress).unwrap_or(i32::MAX)),
            template: PodTemplateSpec { metadata: Some(template), spec: Some(pod(context, spec, container, volumes)) },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A pod of a service with one container, which is hardened here, and volumes beside the one that it can write to.
pub(crate) fn pod(context: &Context<'_>, spec: &ServiceSpec, container: Container, volumes: Vec<Volume>) -> PodSpec {
    let runtime = context.environment.gpu.runtime_class.as_ref().filter(|_| spec.gpus > 0);
    let gpu_nodes = context.environment.gpu.node_selector.iter().filter(|_| spec.gpus > 0);
    let node_selector: BTreeMap<_, _> = gpu_nodes.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    PodSpec {
        service_account_name: Some(spec.object_name()),
        automount_service_account_token: Some(false),
        // The old variables for every Service of the namespace: superseded by names, and slow to start with.
        enable_service_links: Some(false),
        priority_class_name: Some(context.priority_class(spec.priority)),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(pod_security(spec.user)),
        node_selector: Some(node_selector).filter(|labels| !labels.is_empty()),
        runtime_class_name: runtime.map(|class| class.name.to_string()),
        tolerations: spec.gpu_resource.as_deref().map(|resource| vec![gpu_toleration(resource)]),
        topology_spread_constraints: Some(spread(context, spec)),
        volumes: Some([writable()].into_iter().chain(volumes).collect()),
        containers: vec![confined(container)],
        ..PodSpec::default()
    }
}

/// The volume behind the one directory that can be written to.
pub(crate) fn writable() -> Volume {
    Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(Quantity("256Mi".to_owned())), medium: None }),
        ..Volume::default()
    }
}

/// Where a container has it.
pub(crate) fn mounted() -> VolumeMount {
    VolumeMount { name: "tmp".to_owned(), mount_path: WRITABLE.to_owned(), ..VolumeMount::default() }
}

/// Nodes with GPUs are often tainted with the name of the resource, so that only pods that ask for it go there.
/// Shares of a GPU stand on the same nodes.
fn gpu_toleration(resource: &str) -> Toleration {
    Toleration {
        key: Some(resource.strip_suffix(".shared").unwrap_or(resource).to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    }
}

/// A container that may do nothing it need not, with the one directory that it can write to.
fn confined(container: Container) -> Container {
    let mounts = container.volume_mounts.into_iter().flatten();
    Container {
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: LINGER_SECONDS }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        security_context: Some(container_security()),
        volume_mounts: Some([mounted()].into_iter().chain(mounts).collect()),
        ..container
    }
}

fn container(spec: &ServiceSpec) -> Container {
    let ports = spec.named_ports().into_iter().map(|(name, port)| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        ..ContainerPort::default()
    });
    Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone()),
        ports: Some(ports.collect()),
        env: Some(environment(spec)),
        resources: Some(resources(spec)),
        volume_mounts: spec.configuration.as_ref().map(|configuration| vec![configuration.mount()]),
        startup_probe: Some(startup_tries(spec, probe(spec))),
        readiness_probe: Some(Probe { period_seconds: Some(5), timeout_seconds: Some(2), ..probe(spec) }),
        liveness_probe: Some(Probe { timeout_seconds: Some(5), ..probe(spec) }),
        ..Container::default()
    }
}

/// What the platform tells every server of itself, then what the files add.
pub(crate) fn environment(spec: &ServiceSpec) -> Vec<EnvVar> {
    let platform = [
        ("MCP_PORT", spec.port.to_string()),
        ("MCP_HEALTH_PORT", spec.health_port.to_string()),
        ("MCP_TIER", spec.tier.to_string()),
        ("MCP_GPU_ENABLED", (spec.gpus > 0).to_string()),
        ("MCP_PRIORITY", spec.priority.to_string()),
    ];
    let own = spec.env.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let variable =
        |(name, value): (&str, String)| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let configured = spec.configuration.iter().map(Configuration::variable);
    let (platform, own) = (platform.into_iter().map(variable), own.map(variable));
    platform.chain(configured).chain(own).collect()
}

/// What a pod asks for, and may use at most.
pub(crate) fn resources(spec: &ServiceSpec) -> ResourceRequirements {
    let with_gpus = |amounts: Amounts| {
        let plain = [("cpu", amounts.cpu.to_string()), ("memory", amounts.memory.to_string())];
        let gpus = spec.gpu_resource.as_deref().map(|resource| (resource, spec.gpus.to_string()));
        plain.into_iter().chain(gpus).map(|(name, amount)| (name.to_owned(), Quantity(amount))).collect()
    };
    ResourceRequirements {
        requests: Some(with_gpus(spec.resources.requests)),
        limits: Some(with_gpus(spec.resources.limits)),
        claims: None,
    }
}

fn probe(spec: &ServiceSpec) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(spec.health_path.to_string()),
            port: IntOrString::String(spec.probe_port().to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    }
}

/// Asks often, and as long as the server may take to answer for the first time; the other probes wait for it.
pub(crate) fn startup_tries(spec: &ServiceSpec, probe: Probe) -> Probe {
    let tries = spec.startup_limit.seconds_rounded_up().div_ceil(STARTUP_PERIOD_SECONDS).max(1);
    Probe {
        period_seconds: i32::try_from(STARTUP_PERIOD_SECONDS).ok(),
        timeout_seconds: Some(2),
        failure_threshold: i32::try_from(tries).ok(),
        ..probe
    }
}
