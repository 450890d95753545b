//! The outputs of stacks in an environment: what each comes to there, from the files alone. A value is the same whether
//! or not its stack has been brought up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compose::Problem;
use crate::context::Context;
use crate::model::{
    Component, EnvName, Output, OutputName, OutputRef, OutputValue, Service, ServiceName, ServiceValue, Stack,
};

/// An output of a stack, as it is in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputHere {
    /// Its value.
    pub value: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The outputs of the stack that is composed. What has no value is a problem.
pub(crate) fn outputs(context: &Context<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, OutputHere> {
    let mut outputs = BTreeMap::new();
    for (name, output) in &context.stack.outputs {
        let description = output.description.clone();
        match value(context, context.stack, output) {
            Ok(value) => drop(outputs.insert(name.to_string(), OutputHere { value, description })),
            Err(lack) => problems.push(lack.problem(name)),
        }
    }
    outputs
}

/// The variables of a service that are outputs, of this stack or of another. What cannot be told is a problem.
pub(crate) fn variables(
    context: &Context<'_>,
    (name, service): (&ServiceName, &Service),
    problems: &mut Vec<Problem>,
) -> BTreeMap<EnvName, String> {
    let mut variables = BTreeMap::new();
    for (variable, reference) in &service.env_from {
        if service.env.contains_key(variable) {
            problems.push(Problem::VariableTwice { service: name.clone(), variable: variable.clone() });
        }
        match told(context, reference) {
            Some(value) => drop(variables.insert(variable.clone(), value)),
            None => problems.push(Problem::UnknownOutput {
                service: name.clone(),
                variable: variable.clone(),
                output: reference.clone(),
            }),
        }
    }
    variables
}

/// What a reference comes to, where its stack is known here and has such an output.
pub(crate) fn told(context: &Context<'_>, reference: &OutputRef) -> Option<String> {
    let stack = match reference.stack().filter(|named| *named != context.stack.stack.as_str()) {
        None => context.stack,
        Some(named) => context.others.iter().copied().find(|other| other.stack.as_str() == named)?,
    };
    value(context, stack, stack.outputs.get(reference.output())?).ok()
}

/// What an output lacks to have a value.
enum Lack {
    Service(ServiceName),
    Url(ServiceName),
    Port(ServiceName),
}

impl Lack {
    fn problem(self, output: &OutputName) -> Problem {
        let (service, value) = match self {
            Self::Service(service) => return Problem::NoOutputService { output: output.clone(), service },
            Self::Url(service) => (service, ServiceValue::Url),
            Self::Port(service) => (service, ServiceValue::Port),
        };
        Problem::NoOutputValue { output: output.clone(), service, value: value.as_str() }
    }
}

/// Something of a service of the stack: a number where it is a port, a text otherwise; nothing where it has no such value.
pub(crate) fn of_service(context: &Context<'_>, service: &ServiceName, of: ServiceValue) -> Option<Value> {
    let output = Output { description: None, value: OutputValue::OfService { service: service.clone(), value: of } };
    let text = value(context, context.stack, &output).ok()?;
    match of {
        ServiceValue::Port => text.parse::<u16>().ok().map(Value::from),
        _ => Some(text.into()),
    }
}

/// The value of an output of a stack, which may be another than the one that is composed, in the instance of the same name.
fn value(context: &Context<'_>, stack: &Stack, output: &Output) -> Result<String, Lack> {
    let (service, value) = match &output.value {
        OutputValue::Literal(text) => return Ok(text.clone()),
        OutputValue::OfService { service, value } => (service, *value),
    };
    let missing = || Lack::Service(service.clone());
    let (name, of) = stack.services.get_key_value(service).ok_or_else(missing)?;
    let tier = stack.tiers.get_key_value(&of.tier).ok_or_else(missing)?;
    let environment = context.environment;
    let namespace = context.of_instance(environment.namespace_of(stack, tier).here);
    let host = match &of.component {
        Some(Component::External(external)) => external.host.to_string(),
        _ => format!("{}.{namespace}.svc", of.object_name(name)),
    };
    let port = of.port.plus(of.offset(environment.port_offset)).ok_or_else(|| Lack::Port(service.clone()));
    Ok(match value {
        ServiceValue::Url => {
            let scheme = of.scheme().ok_or_else(|| Lack::Url(service.clone()))?;
            format!("{scheme}://{host}:{}", port?)
        }
        ServiceValue::Address => format!("{host}:{}", port?),
        ServiceValue::Host => host,
        ServiceValue::Port => port?.to_string(),
        ServiceValue::Name => of.object_name(name),
        ServiceValue::Namespace => namespace,
    })
}
