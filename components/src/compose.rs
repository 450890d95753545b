//! Puts a stack and an environment together: every service resolved, every component built, in a stable order.
//!
//! Composing refuses what no object could express. Whether the result is sound (ports that clash, nodes that are too
//! small) is for the proofs to say, which read its claims.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource as KubernetesResource};
use serde::Serialize;

use crate::alerts::prometheus_rule;
use crate::autoscaling::autoscaler;
use crate::availability::disruption_budget;
use crate::blue_green::Colour;
use crate::claims::{AvailabilityClaim, BackupClaim, Claims, ComputeClaim, EdgeClaim, EgressClaim, PortClaim, PortUse};
use crate::configuration::{self, Configuration};
use crate::context::{Context, LONGEST_NAME, Owner};
use crate::dashboard::Dashboards;
use crate::desired::{Desired, Instance, Phase, Resource};
use crate::external::external_name;
use crate::gateway::{gateway_api, ingress};
use crate::isolation::{self, default_deny, dns, jobs_policy, service_policy};
use crate::jobs::{job, waited_for};
use crate::mcp_service::{service, service_account};
use crate::mesh;
use crate::model::{
    Component, Egress, Environment, InstanceSuffix, JobName, Port, Priority, Service, ServiceRef, Stack,
};
use crate::monitoring::{Watched, service_monitor};
use crate::moving::overlap;
use crate::namespace::namespace;
use crate::needs::needs;
use crate::neighbours::Neighbours;
use crate::outputs::{outputs, variables};
use crate::phases::{Schedule, schedule};
use crate::port_registry::{entries, port_registry};
use crate::priority_classes::priority_class;
pub use crate::problem::{ComposeError, Problem};
use crate::quota::gpu_quota;
use crate::rolling::roll_with_config;
use crate::spec::{Place, ServiceSpec};
use crate::targets::targets;
use crate::vertical_autoscaling::vertical_autoscaler;
use crate::workload::deployment;

/// Composes a stack with an environment, for the cluster that the environment calls `target`. `suffix` tells apart
/// several instances of one stack in one environment; namespaces and what belongs to the whole cluster carry it.
///
/// The same input gives the same bytes, in whatever order the files name things.
///
/// ```
/// use strata_components::compose::compose;
/// use strata_components::model::{Environment, Stack};
///
/// let stack: Stack = serde_json::from_value(serde_json::json!({
///     "stack": "shop", "namespace": "shop-servers", "health_port": "+100",
///     "tiers": {"all": {"ports": "9000-9009"}},
///     "services": {"cart": {"tier": "all", "port": 9000}},
/// }))?;
/// let environment: Environment = serde_json::from_value(serde_json::json!({
///     "environment": "staging", "port_offset": 200,
///     "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
///     "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
/// }))?;
/// let desired = compose(&stack, &environment, "local", Some("pr-7"))?;
/// assert_eq!(desired.namespaces, ["shop-servers-pr-7"]);
/// assert_eq!(desired.phases[1].services, ["cart"]);
/// assert_eq!(desired.claims.ports[0].port, 9200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Everything that keeps the stack from being composed, at once.
pub fn compose(
    stack: &Stack,
    environment: &Environment,
    target: &str,
    suffix: Option<&str>,
) -> Result<Desired, ComposeError> {
    compose_among(stack, environment, target, suffix, &[])
}

/// The same beside other stacks of the environment: services of `stack` may depend on services of `others`, and are
/// open to those of them that depend on them.
///
/// # Errors
/// Everything that keeps the stack from being composed, at once.
pub fn compose_among(
    stack: &Stack,
    environment: &Environment,
    target: &str,
    suffix: Option<&str>,
    others: &[&Stack],
) -> Result<Desired, ComposeError> {
    let mut problems = refusals(stack, environment);
    problems.extend(suffix.and_then(|suffix| InstanceSuffix::new(suffix).err()).map(Problem::Suffix));
    let instance = Instance {
        stack: stack.stack.to_string(),
        environment: environment.environment.to_string(),
        suffix: suffix.map(str::to_owned),
    };
    if instance.name().len() > LONGEST_NAME {
        problems.push(Problem::LongName { what: "instance".to_owned(), name: instance.name(), most: LONGEST_NAME });
    }
    let context = Context { stack, environment, instance: &instance, target, others };
    let composed = schedule(stack)
        .map_err(|errors| problems.extend(errors.into_iter().map(Problem::Phase)))
        .ok()
        .map(|schedule| build(&context, &schedule, &mut problems));
    match composed {
        Some(mut desired) if problems.is_empty() => {
            overlap(&mut desired, &context, |wide| {
                let mut unfit = Vec::new();
                let desired = build(wide, &schedule(wide.stack).ok()?, &mut unfit);
                unfit.is_empty().then_some(desired)
            });
            Ok(desired)
        }
        _ => {
            problems.sort();
            problems.dedup();
            let (stack, environment) = (stack.stack.clone(), environment.environment.clone());
            Err(ComposeError { stack, environment, problems })
        }
    }
}

/// Whether the stack and the environment are for each other.
fn refusals(stack: &Stack, environment: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = &environment.environment;
    if !stack.environments.is_empty() && !stack.environments.contains(name) {
        problems.push(Problem::EnvironmentRefused { environment: name.clone() });
    }
    if !environment.stacks.is_empty() && !environment.stacks.contains(&stack.stack) {
        problems.push(Problem::StackRefused { stack: stack.stack.clone() });
    }
    let in_environment = environment.port_offset;
    if let Some(in_stack) = stack.port_offsets.get(name).copied().filter(|offset| *offset != in_environment) {
        problems.push(Problem::OffsetsDiffer { environment: name.clone(), in_stack, in_environment });
    }
    problems
}

/// Builds everything. What is returned holds only if no problem was added.
fn build(context: &Context<'_>, schedule: &Schedule, problems: &mut Vec<Problem>) -> Desired {
    let stack = context.stack;
    let namespaces = namespaces(context, problems);
    let specs: Vec<_> = stack
        .services
        .iter()
        .filter_map(|(name, service)| {
            let tier = stack.tiers.get(&service.tier)?;
            let outputs = variables(context, (name, service), problems);
            let depends_on = schedule.dependencies_of(name.as_str())?;
            let place = Place {
                name,
                namespace: context.namespace((&service.tier, tier)),
                phase: schedule.phase_of(name.as_str())?,
                ways_out: ways_out(context, schedule.dependencies_of(name.as_str())?),
                depends_on: schedule.dependencies_of(name.as_str())?.clone(),
                outputs,
                configuration: Configuration::of(context, (name, service), depends_on, problems),
            };
            ServiceSpec::resolve(place, (stack, context.environment), (service, tier), problems)
        })
        .collect();

    let neighbours = Neighbours::new(context, &specs, problems);
    problems.extend(mesh::refusals(context, &specs));
    let outputs = outputs(context, problems);
    let mut building = Building { context, resources: Vec::new(), problems };
    building.foundation(&namespaces, &specs);
    for spec in &specs {
        building.service(spec, &specs, &neighbours);
    }
    building.monitoring(&specs);
    let mut resources = building.resources;
    resources.sort_by(|one, other| (one.phase, &one.address).cmp(&(other.phase, &other.address)));

    let mut notes: Vec<_> = specs.iter().flat_map(|spec| spec.notes.iter().cloned()).collect();
    notes.sort();
    let mut desired = Desired {
        instance: context.instance.clone(),
        namespaces: namespaces.into_iter().map(|(_, name)| name).collect::<BTreeSet<_>>().into_iter().collect(),
        phases: (0..=schedule.last()).map(|number| phase(schedule, number)).collect(),
        resources,
        claims: claims(context, &specs),
        ownership: stack.ownership.clone(),
        needs: needs(context, &specs, &neighbours),
        outputs,
        blue_green: specs.iter().filter_map(|spec| Some((spec.name.to_string(), spec.blue_green?))).collect(),
        notes,
    };
    roll_with_config(&mut desired);
    desired
}

/// The namespaces of the stack, and what they are called here; sorted.
fn namespaces(context: &Context<'_>, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let all = context.namespaces();
    for (index, (second, name)) in all.iter().enumerate() {
        if let Some((first, _)) = all.iter().take(index).find(|(_, earlier)| earlier == name) {
            let (first, second, name) = (first.clone(), second.clone(), name.clone());
            problems.push(Problem::SameNamespace { first, second, name });
        }
    }
    all
}

/// The ways out to those of `dependencies` that lie outside of the cluster.
fn ways_out(context: &Context<'_>, dependencies: &BTreeSet<ServiceRef>) -> BTreeSet<Egress> {
    dependencies.iter().filter_map(|dependency| context.service(dependency)).flat_map(Service::ways_there).collect()
}

/// The address of something that every namespace has one of: `namespace` in the stack's own namespace,
/// `namespace-other` in another.
fn address(component: &str, context: &Context<'_>, written: &str) -> String {
    if written == context.stack.namespace.as_str() { component.to_owned() } else { format!("{component}-{written}") }
}

/// Collects resources, and the reasons why others could not be made.
pub(crate) struct Building<'a, 'p> {
    pub(crate) context: &'a Context<'a>,
    resources: Vec<Resource>,
    problems: &'p mut Vec<Problem>,
}

impl Building<'_, '_> {
    pub(crate) fn add<K>(&mut self, owner: Owner<'_>, component: &str, object: K)
    where
        K: KubernetesResource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        match self.context.resource(owner, component, object) {
            Ok(resource) => self.resources.push(resource),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Adds what not every environment, or not every service, has.
    pub(crate) fn add_any<K>(&mut self, owner: Owner<'_>, component: &str, object: Option<K>)
    where
        K: KubernetesResource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        if let Some(object) = object {
            self.add(owner, component, object);
        }
    }

    /// Notes what keeps a component from being made.
    pub(crate) fn refuse(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// What everything else stands on.
    fn foundation(&mut self, namespaces: &[(String, String)], specs: &[ServiceSpec]) {
        let context = self.context;
        let said = |words| Owner::Stack(Some(words));
        for (written, name) in namespaces {
            let at = |component| address(component, context, written);
            let words = Owner::Stack(context.stack.description.as_deref());
            self.add(words, &at("namespace"), namespace(context, name));
            self.add(said("Closes what no other policy opens"), &at("default-deny"), default_deny(name));
            self.add(said("Lets pods ask the cluster's DNS"), &at("dns"), dns(context, name));
            self.add_any(said("Lets sidecars talk to the control plane"), &at("mesh"), isolation::mesh(context, name));
            let words = said("The configuration of each server");
            self.add_any(words, &at("config"), configuration::config_map(name, specs));
            self.add_any(said("Demands mutual TLS"), &at("mutual-tls"), mesh::strict(context, name));
            self.add_any(
                said("No more GPUs than services can grow to"),
                &at("gpu-quota"),
                gpu_quota(context, name, specs),
            );
        }
        self.device_plugin();
        for priority in Priority::ALL {
            let at = format!("priority-class-{priority}");
            self.add(Owner::Stack(None), &at, priority_class(context, priority));
        }
        match entries(context, specs) {
            Ok(entries) => {
                let owner = said("The ports of every environment, tier and service");
                for (written, name) in namespaces {
                    let at = address("port-registry", context, written);
                    self.add(owner, &at, port_registry(name, entries.clone()));
                }
            }
            Err(more) => self.problems.extend(more),
        }
    }

    /// The objects of one service.
    fn service(&mut self, spec: &ServiceSpec, specs: &[ServiceSpec], neighbours: &Neighbours<'_>) {
        let (context, owner) = (self.context, Owner::Service(spec));
        if let Some(Component::External(external)) = &spec.component {
            self.add(owner, "service", external_name(spec, external));
            return;
        }
        self.add(owner, "service-account", service_account(spec));
        self.add(owner, "network-policy", service_policy(context, spec, neighbours));
        self.add_any(owner, "jobs-network-policy", jobs_policy(context, spec, neighbours));
        self.add_any(owner, "mutual-tls", mesh::permissive(context, spec));
        self.add_any(owner, "authorization", mesh::authorization(context, spec, neighbours));
        self.add_any(owner, "jobs-authorization", mesh::jobs_authorization(context, spec));
        self.add_any(owner, "traffic", mesh::traffic(context, spec));
        self.add_any(owner, "rate-limit", mesh::rate_limit(context, spec));
        self.jobs(spec);
        match &spec.component {
            None => self.server(spec),
            Some(Component::Redis(redis)) => self.redis(spec, redis),
            Some(Component::Postgresql(postgresql)) => self.postgresql(spec, postgresql),
            Some(Component::Weaviate(weaviate)) => self.weaviate(spec, weaviate),
            Some(Component::Haproxy(haproxy)) => {
                self.haproxy(spec, haproxy, &targets(context, spec, specs, neighbours));
                self.add_any(owner, "autoscaler", autoscaler(spec));
            }
            Some(Component::Consul(consul)) => {
                self.consul(spec, consul, &targets(context, spec, specs, neighbours));
            }
            Some(Component::NetworkMonitor(monitor)) => {
                self.network_monitor(spec, monitor, &targets(context, spec, specs, neighbours));
                self.add_any(owner, "autoscaler", autoscaler(spec));
            }
            Some(Component::External(_)) => {}
        }
        self.add_any(owner, "disruption-budget", disruption_budget(context, spec));
        let vertical = context.environment.vertical_autoscaling;
        self.add_any(owner, "vertical-autoscaler", vertical_autoscaler(vertical, spec));
    }

    /// The objects of an MCP server, beside those that every service has.
    fn server(&mut self, spec: &ServiceSpec) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let settings = context.environment.gateway.as_ref();
        self.add(owner, "service", service(context, spec));
        self.add(owner, "deployment", deployment(context, spec));
        // The longest name that its Deployment can have.
        let longest = spec.blue_green.map(|_| Colour::Green.name_of(&spec.object_name()));
        if let Some(name) = longest.filter(|name| name.len() > LONGEST_NAME) {
            self.problems.push(Problem::LongName { what: "Deployment".to_owned(), name, most: LONGEST_NAME });
        }
        self.add_any(owner, "autoscaler", autoscaler(spec));
        self.add_any(owner, "ingress", ingress(spec, settings));
        let (gateway, route) = gateway_api(spec, settings).unzip();
        self.add_any(owner, "gateway", gateway);
        self.add_any(owner, "http-route", route);
    }

    /// What is run before the pods of a service.
    fn jobs(&mut self, spec: &ServiceSpec) {
        for (name, described) in &spec.jobs {
            let (service, label) = (spec.name.clone(), spec.job_label(name));
            // Its pods must not be taken for those of a service, nor for those of another job.
            let services = self.context.stack.services.iter();
            let labels = services.flat_map(|(other, service)| {
                let of_job = |job: &JobName| (other != &spec.name).then(|| format!("{}-{job}", other.kebab()));
                service.jobs.keys().filter_map(of_job).chain([service.object_name(other)]).collect::<Vec<_>>()
            });
            if labels.into_iter().any(|taken| taken == label) {
                self.problems.push(Problem::JobName { service, job: name.clone(), label });
                continue;
            }
            let component = format!("job-{name}");
            match self.context.resource(Owner::Service(spec), &component, job(self.context, spec, name, described)) {
                Ok(resource) => {
                    self.resources.push(Resource { ready_within: Some(waited_for(described)), ..resource });
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// How each tier is watched, where the environment says how.
    fn monitoring(&mut self, specs: &[ServiceSpec]) {
        let context = self.context;
        let Some(settings) = &context.environment.monitoring else { return };
        let dashboards = Dashboards::new().map_err(|problem| self.problems.push(problem)).ok();
        for tier in context.stack.tiers.keys() {
            let services: Vec<_> = specs.iter().filter(|spec| spec.gives_metrics() && spec.tier == *tier).collect();
            let Some(first) = services.first() else { continue };
            let watched = Watched { tier, namespace: &first.namespace, services: &services };
            let words = format!("How the tier {tier} is watched");
            let owner = Owner::Stack(Some(&words));
            self.add(owner, &format!("monitor-{tier}"), service_monitor(context, settings, watched));
            self.add(owner, &format!("alerts-{tier}"), prometheus_rule(context, settings, watched));
            let dashboard = dashboards.as_ref().map(|dashboards| dashboards.of(context, settings, watched)).transpose();
            match dashboard {
                Ok(dashboard) => self.add_any(owner, &format!("dashboard-{tier}"), dashboard),
                Err(problem) => self.problems.push(problem),
            }
        }
    }
}

fn phase(schedule: &Schedule, number: u32) -> Phase {
    Phase {
        number,
        name: schedule.name_of(number),
        services: schedule.services_in(number).into_iter().map(ToString::to_string).collect(),
    }
}

fn claims(context: &Context<'_>, specs: &[ServiceSpec]) -> Claims {
    // A proxy in a pod asks for its share of the node too.
    let proxy = mesh::sidecar(context).map(|mesh| mesh.proxy.requests);
    let (proxy_cpu, proxy_memory) = proxy.map_or((0, 0), |asked| (asked.cpu.millis(), asked.memory.bytes()));
    let mut claims = Claims::default();
    for spec in specs {
        let name = spec.name.to_string();
        let address_domain = format!("service/{}/{}", spec.namespace, spec.object_name());
        let port = |port: Port, purpose| PortClaim {
            port: port.get(),
            service: name.clone(),
            purpose,
            address_domain: address_domain.clone(),
        };
        claims.ports.push(port(spec.port, PortUse::Protocol));
        claims.ports.extend(spec.further_ports.iter().map(|(_, at)| port(*at, PortUse::Further)));
        if spec.health_port != spec.port {
            claims.ports.push(port(spec.health_port, PortUse::Health));
        }
        claims.ports.extend(spec.fronts.iter().map(|front| port(*front, PortUse::Further)));
        // What lies outside is reached by a way out, and is no pod that asks anything of a node.
        let inside = |to: &&ServiceRef| !context.service(to).is_some_and(Service::is_outside);
        claims.edges.extend(
            spec.depends_on.iter().filter(inside).map(|to| EdgeClaim { from: name.clone(), to: to.to_string() }),
        );
        let ways = spec.egress.iter();
        claims.egress.extend(ways.map(|to| EgressClaim { service: name.clone(), to: to.to_string() }));
        claims.backups.extend(spec.backup().map(|_| BackupClaim { service: name.clone() }));
        let target = spec.availability.iter();
        claims
            .availability
            .extend(target.map(|target| AvailabilityClaim { service: name.clone(), target: target.to_string() }));
        if spec.is_outside() {
            continue;
        }
        claims.compute.push(ComputeClaim {
            service: name.clone(),
            tier: spec.tier.to_string(),
            replicas: spec.floor,
            replicas_max: spec.ceiling,
            cpu_millis: spec.resources.requests.cpu.millis() + proxy_cpu,
            memory_bytes: spec.resources.requests.memory.bytes() + proxy_memory,
            gpus: spec.gpus,
            gpu_resource: spec.gpu_resource.clone().unwrap_or_default(),
        });
    }
    claims.ports.sort();
    claims.edges.sort();
    claims.egress.sort();
    claims.backups.sort();
    claims.availability.sort();
    claims.compute.sort();
    claims
}
