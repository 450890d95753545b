//! A service as it will stand in one environment: every default, override and policy applied. Components build
//! objects from this, and decide nothing more.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::Problem;
use crate::configuration::{self, Configuration};
use crate::desired::Note;
use crate::model::{
    Autoscale, Availability, Backup, BlueGreen, CircuitBreaker, Component, Duration, Egress, EnvName, Environment,
    Gateway, GpuCount, Job, JobName, Needs, Port, Priority, RateLimit, Resources, Rollout, Service, ServiceName,
    ServiceOverride, ServiceRef, Stack, Tier, TierName, UrlPath, UserId,
};
use crate::sizing::size;
use crate::{consul, haproxy, postgresql, redis, reserved, weaviate};

/// The environment variables that the platform sets in every container.
pub(crate) const PLATFORM_VARIABLES: [&str; 6] =
    [configuration::VARIABLE, "MCP_GPU_ENABLED", "MCP_HEALTH_PORT", "MCP_PORT", "MCP_PRIORITY", "MCP_TIER"];

/// A service in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceSpec {
    pub(crate) name: ServiceName,
    pub(crate) purpose: Option<String>,
    pub(crate) tier: TierName,
    /// What it is, where it is no MCP server.
    pub(crate) component: Option<Component>,
    pub(crate) namespace: String,
    pub(crate) phase: u32,
    pub(crate) depends_on: BTreeSet<ServiceRef>,
    /// What it waits for that the stack does not bring.
    pub(crate) needs: Needs,
    /// What it connects to outside the fleet.
    pub(crate) egress: BTreeSet<Egress>,
    /// After the environment's offset.
    pub(crate) port: Port,
    /// The ports that it answers on for the services that it stands in front of, after the environment's offset.
    pub(crate) fronts: Vec<Port>,
    /// After the environment's offset; the same as `port` where health is served there.
    pub(crate) health_port: Port,
    /// The ports it answers on beside `port`, by name, after the environment's offset.
    pub(crate) further_ports: Vec<(&'static str, Port)>,
    pub(crate) health_path: UrlPath,
    pub(crate) startup_limit: Duration,
    /// How long its pods are waited for, where the stack says.
    pub(crate) ready_within: Option<Duration>,
    pub(crate) priority: Priority,
    pub(crate) image: String,
    pub(crate) user: UserId,
    pub(crate) env: BTreeMap<EnvName, String>,
    /// What its pods read as a file.
    pub(crate) configuration: Option<Configuration>,
    /// What is run to its end before its pods, with the image and the variables that each has.
    pub(crate) jobs: BTreeMap<JobName, Job>,
    pub(crate) resources: Resources,
    /// GPUs, or shares of them, that a pod asks for here.
    pub(crate) gpus: u32,
    /// The extended resource they are asked as; nothing where `gpus` is 0.
    pub(crate) gpu_resource: Option<String>,
    /// The fewest pods.
    pub(crate) floor: u32,
    /// The most pods.
    pub(crate) ceiling: u32,
    pub(crate) autoscale: Option<Autoscale>,
    /// The share of time in which it answers, where that is promised.
    pub(crate) availability: Option<Availability>,
    /// How it goes from one colour to the other, where it does.
    pub(crate) blue_green: Option<BlueGreen>,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) sessions: bool,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) rate_limit: Option<RateLimit>,
    /// What gave way to something else.
    pub(crate) notes: Vec<Note>,
}

/// Where a service stands: what is known of it apart from what is written of it.
pub(crate) struct Place<'a> {
    pub(crate) name: &'a ServiceName,
    pub(crate) namespace: String,
    pub(crate) phase: u32,
    pub(crate) depends_on: BTreeSet<ServiceRef>,
    /// The ways out to what it depends on outside of the cluster.
    pub(crate) ways_out: BTreeSet<Egress>,
    /// The variables that are outputs.
    pub(crate) outputs: BTreeMap<EnvName, String>,
    /// What its configuration comes to.
    pub(crate) configuration: Option<Configuration>,
}

impl ServiceSpec {
    /// Resolves a service of `tier` in an environment. Problems are added to `problems`; a service that has one is
    /// not returned.
    pub(crate) fn resolve(
        place: Place<'_>,
        (stack, environment): (&Stack, &Environment),
        (service, tier): (&Service, &Tier),
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let Place { name, namespace, phase, depends_on, ways_out, outputs, configuration } = place;
        let before = problems.len();
        let changed = environment.override_of(&stack.stack, name);

        let offset = service.offset(environment.port_offset);
        let port = service.port.plus(offset);
        let health_port = service.health_rule(stack.health_port).of(service.port, offset);
        let ports = port.zip(health_port);
        if ports.is_none() {
            problems.push(Problem::NoSuchPort { service: name.clone(), port: service.port, offset });
        }

        let further = service.component.iter().flat_map(Component::further_ports);
        let further_ports = further.filter_map(|(name_of_port, port)| match port.plus(offset) {
            Some(here) => Some((name_of_port, here)),
            None => {
                problems.push(Problem::NoSuchPort { service: name.clone(), port, offset });
                None
            }
        });
        let further_ports = further_ports.collect();

        if let Some(component) = &service.component {
            let in_stack = idle(service).into_iter().map(|field| (field, false));
            let here = changed.into_iter().flat_map(|changed| idle_here(service, changed)).map(|field| (field, true));
            problems.extend(in_stack.chain(here).map(|(field, in_environment)| Problem::IdleField {
                service: name.clone(),
                field,
                component: component.as_str(),
                in_environment,
            }));
        }

        let critical = service.critical.unwrap_or(tier.critical);
        // What keeps data has the one pod that it can have.
        let raised = critical && service.component.as_ref().is_none_or(Component::has_many_pods);
        let size = size(name, service, raised, changed, environment).map_err(|problem| problems.push(problem)).ok();

        let mut env = outputs;
        env.extend(service.env.clone());
        env.extend(changed.map(|changed| changed.env.clone()).unwrap_or_default());
        let named = env.keys().chain(service.env_from.keys().filter(|variable| !env.contains_key(*variable)));
        for (component, variable) in service.component.iter().flat_map(|of| named.clone().map(move |one| (of, one))) {
            problems.extend(reserved::why_not(component, variable).map(|why| Problem::ComponentVariable {
                service: name.clone(),
                variable: variable.clone(),
                component: component.as_str(),
                why,
            }));
        }
        let of_jobs = service.jobs.values().flat_map(|job| job.env.keys());
        for variable in named.chain(of_jobs).filter(|variable| PLATFORM_VARIABLES.contains(&variable.as_str())) {
            problems.push(Problem::PlatformVariable { service: name.clone(), variable: variable.clone() });
        }

        let egress = changed.and_then(|changed| changed.egress.as_ref()).unwrap_or(&service.egress);
        if egress.contains(&Egress::KubeApi) && environment.network.kube_api.is_empty() {
            problems.push(Problem::NoKubeApi { service: name.clone() });
        }

        let (port, health_port) = ports?;
        let size = size?;
        if problems.len() > before {
            return None;
        }
        let count = changed.and_then(|changed| changed.gpu).unwrap_or(service.gpu);
        let gpus = environment.gpu.granted(count);
        let mut notes = size.notes;
        notes.extend(fewer_gpus(name, count, gpus, environment));
        let usual_resources =
            if count.get() > 0 { stack.gpu_resources } else { tier.resources.unwrap_or(stack.resources) };
        let image = changed.and_then(|changed| changed.image.as_ref()).or(service.image.as_ref());
        let said = changed.and_then(|changed| changed.rollout).or(service.rollout);
        let rollout = said.or(environment.rollout.filter(|_| critical));
        Some(Self {
            name: name.clone(),
            purpose: service.purpose.clone(),
            tier: service.tier.clone(),
            component: service.component.clone(),
            namespace,
            phase,
            depends_on,
            needs: changed
                .and_then(|changed| changed.needs.clone())
                .or_else(|| service.needs.clone())
                .unwrap_or_default(),
            egress: egress.iter().copied().chain(ways_out).collect(),
            port,
            fronts: service.fronts(stack).filter_map(|(_, front)| front.port.plus(offset)).collect(),
            health_port,
            further_ports,
            health_path: service.health_path.clone().unwrap_or_else(|| stack.health_path.clone()),
            startup_limit: service.startup_limit_with(count),
            ready_within: service.ready_within,
            priority: service.priority.unwrap_or(tier.priority),
            image: image.map_or_else(|| usual_image(service, name, environment), ToString::to_string),
            user: service.run_as_user.or_else(|| nature(service).map(|of| of.user)).unwrap_or(stack.run_as_user),
            env,
            configuration,
            jobs: service.jobs.clone(),
            resources: changed.and_then(|changed| changed.resources).or(service.resources).unwrap_or(usual_resources),
            gpus,
            gpu_resource: environment.gpu.resource_name().filter(|_| gpus > 0).map(str::to_owned),
            floor: size.floor,
            ceiling: size.ceiling,
            autoscale: size.autoscale,
            availability: environment
                .availability
                .and_then(|usual| service.availability.or_else(|| critical.then_some(usual))),
            blue_green: rollout.filter(|_| service.component.is_none()).and_then(Rollout::blue_green),
            gateway: service.gateway.clone(),
            sessions: service.sessions,
            circuit_breaker: service.circuit_breaker.or(stack.circuit_breaker),
            rate_limit: service.rate_limit,
            notes,
        })
    }

    /// Every port that others call it on, its own first.
    pub(crate) fn called_on(&self) -> Vec<Port> {
        let further = self.further_ports.iter().map(|(_, port)| *port);
        [self.port].into_iter().chain(further).chain(self.fronts.iter().copied()).collect()
    }

    /// The name of what all its jobs have in common, where it has any: `ai-memory-jobs`.
    pub(crate) fn jobs_name(&self) -> Option<String> {
        (!self.jobs.is_empty()).then(|| format!("{}-jobs", self.name.kebab()))
    }

    /// What the pods of one of its jobs are called by: `ai-memory-migrate`.
    pub(crate) fn job_label(&self, job: &JobName) -> String {
        format!("{}-{job}", self.name.kebab())
    }

    /// The copies that are made of what it holds.
    pub(crate) fn backup(&self) -> Option<&Backup> {
        self.component.as_ref()?.backup()
    }

    /// Whether it is an MCP server, which speaks HTTP, serves its health and can have any number of pods.
    pub(crate) fn is_server(&self) -> bool {
        self.component.is_none()
    }

    /// Whether it has figures for Prometheus on the port that answers its probes.
    pub(crate) fn gives_metrics(&self) -> bool {
        self.is_server() || self.component.as_ref().is_some_and(Component::has_many_pods)
    }

    /// Whether its pods are those of a StatefulSet: they keep data.
    pub(crate) fn is_store(&self) -> bool {
        self.component.as_ref().is_some_and(|component| !component.has_many_pods()) && !self.is_outside()
    }

    /// Whether it lies outside of the cluster, so that it has no pods.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self.component, Some(Component::External(_)))
    }

    /// The name of its objects: `ai-memory-mcp`, or `redis-cache` of what is no server.
    pub(crate) fn object_name(&self) -> String {
        if self.component.is_none() { self.name.object_name() } else { self.name.kebab() }
    }
}

/// What a component is by itself, where nobody says otherwise.
struct Nature {
    image: &'static str,
    user: UserId,
}

/// The image of a service that names none.
fn usual_image(service: &Service, name: &ServiceName, environment: &Environment) -> String {
    nature(service).map_or_else(|| environment.image.image_of(name), |nature| nature.image.to_owned())
}

/// The fields that a service names and that its component cannot follow.
fn idle(service: &Service) -> Vec<&'static str> {
    let of_many = [("replicas", service.replicas.get() > 1), ("autoscale", service.autoscale.is_some())];
    let of_a_server = [
        ("gpu", service.gpu.get() > 0),
        ("gateway", service.gateway.is_some()),
        ("sessions", service.sessions),
        ("config", !service.config.is_empty()),
        ("rollout", service.rollout.is_some()),
        ("circuit_breaker", service.circuit_breaker.is_some()),
        ("rate_limit", service.rate_limit.is_some()),
        ("health_port", service.health_port.is_some()),
        ("health_path", service.health_path.is_some()),
    ];
    let of_pods = [
        ("image", service.image.is_some()),
        ("run_as_user", service.run_as_user.is_some()),
        ("architectures", !service.architectures.is_empty()),
        ("resources", service.resources.is_some()),
        ("env", !service.env.is_empty()),
        ("env_from", !service.env_from.is_empty()),
        ("jobs", !service.jobs.is_empty()),
        ("egress", !service.egress.is_empty()),
        ("startup_limit", service.startup_limit.is_some()),
        ("ready_within", service.ready_within.is_some()),
        ("availability", service.availability.is_some()),
    ];
    let many = of_many.into_iter().filter(|_| has_one_pod(service));
    let server = of_a_server.into_iter().filter(|_| service.component.is_some());
    let pods = of_pods.into_iter().filter(|_| service.is_outside());
    many.chain(server).chain(pods).filter(|(_, named)| *named).map(|(field, _)| field).collect()
}

/// Whether it is a component of which there is one pod at most.
fn has_one_pod(service: &Service) -> bool {
    service.component.as_ref().is_some_and(|component| !component.has_many_pods())
}

/// The same of what an environment changes about it.
fn idle_here(service: &Service, changed: &ServiceOverride) -> Vec<&'static str> {
    let of_many = [("replicas", changed.replicas.is_some_and(|replicas| replicas.get() > 1))];
    let of_a_server = [
        ("gpu", changed.gpu.is_some_and(|count| count.get() > 0)),
        ("rollout", changed.rollout.is_some()),
        ("config", !changed.config.is_empty()),
    ];
    let of_pods = [
        ("image", changed.image.is_some()),
        ("resources", changed.resources.is_some()),
        ("env", !changed.env.is_empty()),
        ("egress", changed.egress.is_some()),
    ];
    let pods = of_pods.into_iter().filter(|_| service.is_outside());
    let many = of_many.into_iter().filter(|_| has_one_pod(service));
    many.chain(of_a_server).chain(pods).filter(|(_, named)| *named).map(|(field, _)| field).collect()
}

fn nature(service: &Service) -> Option<Nature> {
    match service.component.as_ref()? {
        Component::Redis(_) => Some(Nature { image: redis::IMAGE, user: redis::USER }),
        Component::Postgresql(_) => Some(Nature { image: postgresql::IMAGE, user: postgresql::USER }),
        Component::Weaviate(_) => Some(Nature { image: weaviate::IMAGE, user: weaviate::USER }),
        Component::Haproxy(_) => Some(Nature { image: haproxy::IMAGE, user: haproxy::USER }),
        Component::Consul(_) => Some(Nature { image: consul::IMAGE, user: consul::USER }),
        // The project's own program comes from where the images of servers come from.
        Component::External(_) | Component::NetworkMonitor(_) => None,
    }
}

/// A note where shares are fewer than the GPUs that were asked for. That an environment grants none at all is its
/// plain policy, and needs no note.
fn fewer_gpus(name: &ServiceName, asked: GpuCount, granted: u32, environment: &Environment) -> Option<Note> {
    (granted > 0 && granted < asked.get()).then(|| Note {
        path: format!("services.{name}.gpu"),
        message: format!(
            "{name} asks for {asked} GPUs: {} shares GPUs, and gives each pod {granted} share",
            environment.environment
        ),
    })
}
