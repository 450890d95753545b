//! Puts a stack and an environment together: every service resolved, every component built, in a stable order.
//!
//! Composing refuses what no object could express. Whether the result is sound (ports that clash, nodes that are too
//! small) is for the proofs to say, which read its claims.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::autoscaling::autoscaler;
use crate::availability::disruption_budget;
use crate::claims::{Claims, ComputeClaim, EdgeClaim, EgressClaim, PortClaim, PortUse};
use crate::context::{Context, LONGEST_NAME, Owner};
use crate::desired::{Desired, Instance, Phase, Resource};
use crate::gateway::{gateway_api, ingress};
use crate::isolation::{default_deny, dns, service_policy};
use crate::mcp_service::{service, service_account};
use crate::model::{
    EnvName, Environment, EnvironmentName, InstanceSuffix, NamespaceName, Port, PortOffset, PortRange, Priority,
    ServiceName, ServiceRef, Stack, StackName, TextError,
};
use crate::namespace::namespace;
use crate::neighbours::Neighbours;
use crate::phases::{PhaseError, Schedule, schedule};
use crate::port_registry::{entries, port_registry};
use crate::priority_classes::priority_class;
use crate::spec::{Place, ServiceSpec};
use crate::workload::deployment;

/// A stack that cannot be composed with an environment: every reason at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("composing stack {stack} for environment {environment}: {}", list(.problems))]
pub struct ComposeError {
    /// The stack.
    pub stack: StackName,
    /// The environment.
    pub environment: EnvironmentName,
    /// What is wrong, sorted; never empty.
    pub problems: Vec<Problem>,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One reason why a stack cannot be composed with an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Problem {
    /// The phases cannot be computed.
    #[error(transparent)]
    Phase(#[from] PhaseError),
    /// The stack may not be deployed there.
    #[error("the stack names the environments it may be deployed to, and {environment} is not among them")]
    EnvironmentRefused {
        /// The environment.
        environment: EnvironmentName,
    },
    /// The environment does not admit the stack.
    #[error("the environment names the stacks it admits, and {stack} is not among them")]
    StackRefused {
        /// The stack.
        stack: StackName,
    },
    /// An instance name that does not have the right form.
    #[error(transparent)]
    Suffix(#[from] TextError),
    /// The stack and the environment file disagree on the environment's port offset.
    #[error(
        "the stack gives the ports of {environment} an offset of {in_stack}, the environment's own file says \
         {in_environment}: make them agree"
    )]
    OffsetsDiffer {
        /// The environment.
        environment: EnvironmentName,
        /// What the stack says.
        in_stack: PortOffset,
        /// What the environment says.
        in_environment: PortOffset,
    },
    /// A port past the highest, after offsets.
    #[error(
        "service {service} has port {port}, which with the offset {offset} or the distance of its health port passes 65535"
    )]
    NoSuchPort {
        /// The service.
        service: ServiceName,
        /// The port as the stack has it.
        port: Port,
        /// The environment's offset.
        offset: PortOffset,
    },
    /// A range past the highest port, after an offset.
    #[error("{owner} has the ports {range}, which with the offset {offset} pass 65535")]
    NoSuchRange {
        /// Whose range it is: a tier or an environment.
        owner: String,
        /// The range as the stack has it.
        range: PortRange,
        /// The offset.
        offset: PortOffset,
    },
    /// Two ranges with one name in the port registry.
    #[error("{first} and {second} would both have the entry {entry} in the port registry: give a tier a `range_name`")]
    SameRegistryEntry {
        /// The entry.
        entry: String,
        /// Who has it.
        first: String,
        /// Who would have it too.
        second: String,
    },
    /// An autoscaler that could not even hold what it begins with.
    #[error("{service} would begin with {floor} pods, and its autoscaler allows at most {max}")]
    AutoscalerRange {
        /// The service.
        service: ServiceName,
        /// What it would begin with.
        floor: u32,
        /// What its autoscaler allows.
        max: u32,
    },
    /// An environment that changes an autoscaler which is not there.
    #[error("the environment changes the autoscaler of {service}, which has none in the stack")]
    NoAutoscaler {
        /// The service.
        service: ServiceName,
    },
    /// An environment variable that the platform sets.
    #[error("service {service} sets {variable}, which the platform sets itself")]
    PlatformVariable {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: EnvName,
    },
    /// A way out to the API server of a cluster whose address nobody has stated.
    #[error("{service} connects to kube-api, and the environment does not say where that is reached")]
    NoKubeApi {
        /// The service.
        service: ServiceName,
    },
    /// A dependency on a service of a stack that is not known here, so that no policy can name it.
    #[error("{service} depends on {dependency}, and that stack is not known here")]
    UnknownNeighbour {
        /// The service.
        service: ServiceName,
        /// What it depends on.
        dependency: ServiceRef,
    },
    /// A name that Kubernetes would refuse.
    #[error("{what} {name} has a name of {} characters, and at most {LONGEST_NAME} are allowed", .name.len())]
    LongName {
        /// What it is a name of.
        what: String,
        /// The name.
        name: String,
    },
    /// Two namespaces of the stack that the environment makes one.
    #[error("the namespaces {first} and {second} of the stack are both called {name} here")]
    SameNamespace {
        /// One.
        first: NamespaceName,
        /// The other.
        second: NamespaceName,
        /// What both are called.
        name: String,
    },
    /// An object that cannot be written as JSON.
    #[error("writing {object}: {reason}")]
    Unwritable {
        /// The object, by kind and name.
        object: String,
        /// Why.
        reason: String,
    },
}

impl Problem {
    /// The value in the stack's model that is at fault, such as `services.gong.port`; nothing where the environment,
    /// or no single value, is.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        match self {
            Self::Phase(error) => Some(error.path()),
            Self::EnvironmentRefused { .. } => Some("environments".to_owned()),
            Self::OffsetsDiffer { environment, .. } => Some(format!("port_offsets.{environment}")),
            Self::NoSuchPort { service, .. } => Some(format!("services.{service}.port")),
            Self::AutoscalerRange { service, .. } => Some(format!("services.{service}.autoscale.max")),
            Self::PlatformVariable { service, variable } => Some(format!("services.{service}.env.{variable}")),
            Self::NoKubeApi { service } => Some(format!("services.{service}.egress")),
            Self::UnknownNeighbour { service, .. } => Some(format!("services.{service}.depends_on")),
            Self::StackRefused { .. }
            | Self::Suffix(_)
            | Self::NoSuchRange { .. }
            | Self::SameRegistryEntry { .. }
            | Self::NoAutoscaler { .. }
            | Self::LongName { .. }
            | Self::SameNamespace { .. }
            | Self::Unwritable { .. } => None,
        }
    }
}

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
        problems.push(Problem::LongName { what: "instance".to_owned(), name: instance.name() });
    }
    let context = Context { stack, environment, instance: &instance, target, others };
    let composed = schedule(stack)
        .map_err(|errors| problems.extend(errors.into_iter().map(Problem::Phase)))
        .ok()
        .map(|schedule| build(&context, &schedule, &mut problems));
    match composed {
        Some(desired) if problems.is_empty() => Ok(desired),
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
            let place = Place {
                name,
                namespace: context.namespace(tier.namespace.as_ref().unwrap_or(&stack.namespace)),
                phase: schedule.phase_of(name.as_str())?,
                depends_on: schedule.dependencies_of(name.as_str())?.clone(),
            };
            ServiceSpec::resolve(place, (stack, context.environment), (service, tier), problems)
        })
        .collect();

    let neighbours = Neighbours::new(context, &specs, problems);
    let mut resources = Vec::new();
    let mut add = |built: Result<Resource, Problem>| match built {
        Ok(resource) => resources.push(resource),
        Err(problem) => problems.push(problem),
    };
    foundation(context, &namespaces, &mut add);
    for spec in &specs {
        of_service(context, spec, &neighbours, &mut add);
    }
    match entries(context, &specs) {
        Ok(entries) => {
            let owner = Owner::Stack(Some("The ports of every environment, tier and service"));
            for (written, name) in &namespaces {
                let registry = port_registry(name, entries.clone());
                let address = address("port-registry", context, written);
                match context.resource(owner, &address, registry) {
                    Ok(resource) => resources.push(resource),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Err(more) => problems.extend(more),
    }
    resources.sort_by(|one, other| (one.phase, &one.address).cmp(&(other.phase, &other.address)));

    let mut notes: Vec<_> = specs.iter().flat_map(|spec| spec.notes.iter().cloned()).collect();
    notes.sort();
    Desired {
        instance: context.instance.clone(),
        namespaces: namespaces.into_iter().map(|(_, name)| name).collect::<BTreeSet<_>>().into_iter().collect(),
        phases: (0..=schedule.last()).map(|number| phase(schedule, number)).collect(),
        resources,
        claims: claims(&specs),
        notes,
    }
}

/// The namespaces of the stack file, and what they are called here; sorted.
fn namespaces(context: &Context<'_>, problems: &mut Vec<Problem>) -> Vec<(NamespaceName, String)> {
    let stack = context.stack;
    let tiers = stack.tiers.values().filter_map(|tier| tier.namespace.as_ref());
    let written: BTreeSet<_> = tiers.chain([&stack.namespace]).cloned().collect();
    let all: Vec<_> = written.into_iter().map(|written| (written.clone(), context.namespace(&written))).collect();
    for (index, (second, name)) in all.iter().enumerate() {
        if let Some((first, _)) = all.iter().take(index).find(|(_, earlier)| earlier == name) {
            let (first, second, name) = (first.clone(), second.clone(), name.clone());
            problems.push(Problem::SameNamespace { first, second, name });
        }
    }
    all
}

/// The address of something that every namespace has one of: `namespace` in the stack's own namespace,
/// `namespace-other` in another.
fn address(component: &str, context: &Context<'_>, written: &NamespaceName) -> String {
    if *written == context.stack.namespace { component.to_owned() } else { format!("{component}-{written}") }
}

/// What everything else stands on.
fn foundation(
    context: &Context<'_>,
    namespaces: &[(NamespaceName, String)],
    add: &mut impl FnMut(Result<Resource, Problem>),
) {
    let words = context.stack.description.as_deref();
    for (written, name) in namespaces {
        let address = address("namespace", context, written);
        add(context.resource(Owner::Stack(words), &address, namespace(name)));
        let closed = Owner::Stack(Some("Closes what no other policy opens"));
        add(context.resource(closed, &self::address("default-deny", context, written), default_deny(name)));
        let names = Owner::Stack(Some("Lets pods ask the cluster's DNS"));
        add(context.resource(names, &self::address("dns", context, written), dns(context, name)));
    }
    for priority in Priority::ALL {
        let address = format!("priority-class-{priority}");
        add(context.resource(Owner::Stack(None), &address, priority_class(context, priority)));
    }
}

/// The objects of one service.
fn of_service(
    context: &Context<'_>,
    spec: &ServiceSpec,
    neighbours: &Neighbours<'_>,
    add: &mut impl FnMut(Result<Resource, Problem>),
) {
    let owner = Owner::Service(spec);
    add(context.resource(owner, "service-account", service_account(spec)));
    add(context.resource(owner, "service", service(context, spec)));
    add(context.resource(owner, "network-policy", service_policy(context, spec, neighbours)));
    add(context.resource(owner, "deployment", deployment(context, spec)));
    if let Some(budget) = disruption_budget(context, spec) {
        add(context.resource(owner, "disruption-budget", budget));
    }
    if let Some(autoscaler) = autoscaler(spec) {
        add(context.resource(owner, "autoscaler", autoscaler));
    }
    if let Some(ingress) = ingress(spec, context.environment.gateway.as_ref()) {
        add(context.resource(owner, "ingress", ingress));
    }
    if let Some((gateway, route)) = gateway_api(spec, context.environment.gateway.as_ref()) {
        add(context.resource(owner, "gateway", gateway));
        add(context.resource(owner, "http-route", route));
    }
}

fn phase(schedule: &Schedule, number: u32) -> Phase {
    Phase {
        number,
        name: schedule.name_of(number),
        services: schedule.services_in(number).into_iter().map(ToString::to_string).collect(),
    }
}

fn claims(specs: &[ServiceSpec]) -> Claims {
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
        if spec.health_port != spec.port {
            claims.ports.push(port(spec.health_port, PortUse::Health));
        }
        claims.edges.extend(spec.depends_on.iter().map(|to| EdgeClaim { from: name.clone(), to: to.to_string() }));
        let ways = spec.egress.iter();
        claims.egress.extend(ways.map(|to| EgressClaim { service: name.clone(), to: to.to_string() }));
        claims.compute.push(ComputeClaim {
            service: name.clone(),
            tier: spec.tier.to_string(),
            replicas: spec.floor,
            replicas_max: spec.ceiling,
            cpu_millis: spec.resources.requests.cpu.millis(),
            memory_bytes: spec.resources.requests.memory.bytes(),
            gpus: spec.gpus,
            gpu_resource: spec.gpu_resource.clone().unwrap_or_default(),
        });
    }
    claims.ports.sort();
    claims.edges.sort();
    claims.egress.sort();
    claims.compute.sort();
    claims
}
