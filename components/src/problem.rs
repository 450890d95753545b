//! Why a stack cannot be composed with an environment.

use thiserror::Error;

use crate::model::{
    Duration, EnvName, EnvironmentName, JobName, MeshMode, OutputName, OutputRef, Port, PortOffset, PortRange,
    ServiceName, ServiceRef, StackName, TextError,
};
use crate::phases::PhaseError;

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
    /// A job whose pods would be taken for others.
    #[error("job {job} of {service}: its pods would be called {label}, as others are: give it another name")]
    JobName {
        /// The service.
        service: ServiceName,
        /// The job.
        job: JobName,
        /// What its pods would be called.
        label: String,
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
    /// A field of a service that its component has no use for.
    #[error("{service} has `{field}`, which has no meaning for the component {component}: take it out")]
    IdleField {
        /// The service.
        service: ServiceName,
        /// The field.
        field: &'static str,
        /// What the service is.
        component: &'static str,
        /// Whether it is the environment that names it.
        in_environment: bool,
    },
    /// A service that a component says something of, and does not depend on.
    #[error("{path}: {service} does not depend on {named}")]
    NotBehind {
        /// Where it is said.
        path: String,
        /// Who says it.
        service: ServiceName,
        /// Of whom.
        named: ServiceName,
    },
    /// A dependency that a component cannot stand in front of: it is of another stack, or lies outside of the cluster.
    #[error("{service} stands in front of what runs in its own stack, and depends on {named}")]
    NoFront {
        /// The component.
        service: ServiceName,
        /// The dependency.
        named: ServiceRef,
    },
    /// Weights without the balance that follows them, or that without weights.
    #[error("{path}: `balance: weighted` and `weights` go together")]
    Weights {
        /// Where the balance stands.
        path: String,
    },
    /// An environment variable that the platform sets.
    #[error("service {service} sets {variable}, which the platform sets itself")]
    PlatformVariable {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: EnvName,
    },
    /// An environment variable that a component is told something by.
    #[error("service {service} sets {variable}, which the component {component} sets itself")]
    ComponentVariable {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: EnvName,
        /// What the service is.
        component: &'static str,
        /// Why it is not set, which is mostly the field that says it.
        why: &'static str,
    },
    /// An environment variable that is written as a text and as an output.
    #[error("service {service} sets {variable} in `env` and in `env_from`")]
    VariableTwice {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: EnvName,
    },
    /// A variable that is an output which cannot be told: its stack is not known here, or has no such output.
    #[error("{variable} of {service} is the output {output}, which is not known here")]
    UnknownOutput {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: EnvName,
        /// The output.
        output: OutputRef,
    },
    /// A value of a server's configuration that comes to nothing.
    #[error("{path}: {reason}")]
    Configuration {
        /// The value.
        path: String,
        /// Why it comes to nothing.
        reason: String,
    },
    /// A value of a server's configuration that an environment makes one of another type.
    #[error("{path}: the environment says {here} where the stack says {in_stack}")]
    ConfigurationType {
        /// The value.
        path: String,
        /// What the stack's value is, in words for people.
        in_stack: String,
        /// What the environment's is.
        here: String,
    },
    /// An output of a service that the stack does not have.
    #[error("the output {output} is of a service {service}, which is not in the stack")]
    NoOutputService {
        /// The output.
        output: OutputName,
        /// The service.
        service: ServiceName,
    },
    /// An output of what its service does not have.
    #[error("the output {output} is the {value} of {service}, which has none")]
    NoOutputValue {
        /// The output.
        output: OutputName,
        /// The service.
        service: ServiceName,
        /// What of it.
        value: &'static str,
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
    #[error("{what} {name} has a name of {} characters, and at most {most} are allowed", .name.len())]
    LongName {
        /// What it is a name of.
        what: String,
        /// The name.
        name: String,
        /// The most characters that it may have.
        most: usize,
    },
    /// A circuit breaker, a rate limit or sessions, in a mesh whose mode cannot enforce them.
    #[error("{path}: a mesh in mode {} cannot enforce {what}", .mode.as_str())]
    Unenforceable {
        /// Where it is asked for.
        path: String,
        /// What is asked for.
        what: &'static str,
        /// The mode.
        mode: MeshMode,
    },
    /// A mesh of sidecars without istio-cni, whose init containers no restricted namespace admits.
    #[error("a mesh of sidecars needs istio-cni: without it each pod has an init container that is refused here")]
    SidecarNeedsCni,
    /// A time that is too short to be kept.
    #[error("{path}: {written} is too short, {least_milliseconds}ms are the least")]
    TooShort {
        /// Where it is written.
        path: String,
        /// What is written.
        written: Duration,
        /// The least.
        least_milliseconds: u128,
    },
    /// Two namespaces of the stack that the environment makes one.
    #[error("the namespaces {first} and {second} of the stack are both called {name} here")]
    SameNamespace {
        /// One, as the stack calls it, or a tier with a namespace of its own.
        first: String,
        /// The other.
        second: String,
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

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
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
            Self::PlatformVariable { service, variable } | Self::ComponentVariable { service, variable, .. } => {
                Some(format!("services.{service}.env.{variable}"))
            }
            Self::VariableTwice { service, variable } | Self::UnknownOutput { service, variable, .. } => {
                Some(format!("services.{service}.env_from.{variable}"))
            }
            Self::NoOutputService { output, .. } => Some(format!("outputs.{output}.service")),
            Self::NoOutputValue { output, .. } => Some(format!("outputs.{output}.value")),
            Self::IdleField { service, field, in_environment: false, .. } => {
                Some(format!("services.{service}.{field}"))
            }
            Self::JobName { service, job, .. } => Some(format!("services.{service}.jobs.{job}")),
            Self::Unenforceable { path, .. }
            | Self::Configuration { path, .. }
            | Self::ConfigurationType { path, .. }
            | Self::TooShort { path, .. }
            | Self::NotBehind { path, .. }
            | Self::Weights { path } => Some(path.clone()),
            Self::NoFront { service, .. } => Some(format!("services.{service}.depends_on")),
            Self::NoKubeApi { service } => Some(format!("services.{service}.egress")),
            Self::UnknownNeighbour { service, .. } => Some(format!("services.{service}.depends_on")),
            Self::StackRefused { .. }
            | Self::IdleField { in_environment: true, .. }
            | Self::Suffix(_)
            | Self::NoSuchRange { .. }
            | Self::SameRegistryEntry { .. }
            | Self::NoAutoscaler { .. }
            | Self::LongName { .. }
            | Self::SidecarNeedsCni
            | Self::SameNamespace { .. }
            | Self::Unwritable { .. } => None,
        }
    }
}
