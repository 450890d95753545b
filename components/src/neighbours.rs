//! Who calls whom, with what a policy needs to know of the other side: its pods' labels, namespace and port. Services
//! of other stacks are named as `stack/service`; they are looked for where that stack stands in the same environment.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::Problem;
use crate::context::{Context, job_labels, selector_labels};
use crate::desired::Instance;
use crate::model::{Component, Port, Service, ServiceName, ServiceRef, Stack};
use crate::spec::ServiceSpec;

/// A service as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// The labels that its pods are selected by.
    pub(crate) labels: BTreeMap<String, String>,
    /// The labels that the pods of its jobs are selected by, where it has any.
    pub(crate) jobs: Option<BTreeMap<String, String>>,
    pub(crate) namespace: String,
    /// The ports its pods answer on, the service's own first.
    pub(crate) ports: Vec<Port>,
    /// The name of its objects, its ServiceAccount among them.
    pub(crate) object_name: String,
}

/// Every service that is called or calls, by its full name `stack/service`.
#[derive(Debug)]
pub(crate) struct Neighbours<'a> {
    stack: &'a str,
    known: BTreeMap<String, Neighbour>,
    /// Who calls a service of this stack, by its name.
    callers: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Neighbours<'a> {
    /// Looks at the services of this stack, and at those of `context.others` that they call or are called by.
    pub(crate) fn new(context: &Context<'a>, specs: &[ServiceSpec], problems: &mut Vec<Problem>) -> Self {
        let stack = context.stack.stack.as_str();
        let mut found = Self { stack, known: BTreeMap::new(), callers: BTreeMap::new() };
        for spec in specs.iter().filter(|spec| !spec.is_outside()) {
            let neighbour = Neighbour {
                labels: context.selector_labels(spec),
                jobs: (!spec.jobs.is_empty()).then(|| job_labels(&spec.object_name(), context.instance)),
                namespace: spec.namespace.clone(),
                ports: spec.called_on(),
                object_name: spec.object_name(),
            };
            let name = found.full_name(spec.name.as_str());
            for own in spec.depends_on.iter().filter_map(|dependency| dependency.within(&context.stack.stack)) {
                found.callers.entry(own.to_owned()).or_default().insert(name.clone());
            }
            found.known.insert(name, neighbour);
        }
        for other in context.others {
            found.calls_from(context, other);
        }
        for spec in specs {
            for dependency in &spec.depends_on {
                // One of this stack that is not there has a problem of its own; what lies outside is no pod.
                let outside = context.service(dependency).is_some_and(Service::is_outside);
                if found.find(dependency).is_some() || dependency.within(&context.stack.stack).is_some() || outside {
                    continue;
                }
                match elsewhere(context, dependency) {
                    Some(neighbour) => drop(found.known.insert(dependency.to_string(), neighbour)),
                    None => problems
                        .push(Problem::UnknownNeighbour { service: spec.name.clone(), dependency: dependency.clone() }),
                }
            }
        }
        found
    }

    /// Notes the services of another stack that call services of this one.
    fn calls_from(&mut self, context: &Context<'_>, other: &Stack) {
        for (name, service) in &other.services {
            let tier = other.tiers.get(&service.tier);
            let waits_for = service.depends_on.iter().chain(tier.into_iter().flat_map(|tier| &tier.depends_on));
            for called in waits_for.filter(|called| called.stack() == Some(self.stack)) {
                let Some(neighbour) = of_other(context, other, name, service) else { continue };
                let caller = format!("{}/{name}", other.stack);
                self.callers.entry(called.service().to_owned()).or_default().insert(caller.clone());
                self.known.insert(caller, neighbour);
            }
        }
    }

    fn full_name(&self, service: &str) -> String {
        format!("{}/{service}", self.stack)
    }

    /// The service that a reference names, where it is called or calls.
    pub(crate) fn find(&self, reference: &ServiceRef) -> Option<&Neighbour> {
        match reference.stack() {
            Some(_) => self.known.get(reference.as_str()),
            None => self.known.get(&self.full_name(reference.service())),
        }
    }

    /// Those that call a service of this stack, by name.
    pub(crate) fn callers(&self, spec: &ServiceSpec) -> impl Iterator<Item = &Neighbour> {
        let callers = self.callers.get(spec.name.as_str()).into_iter().flatten();
        callers.filter_map(|caller| self.known.get(caller))
    }

    /// Those that a service of this stack calls, by name.
    pub(crate) fn called(&self, spec: &ServiceSpec) -> impl Iterator<Item = &Neighbour> {
        spec.depends_on.iter().filter_map(|reference| self.find(reference))
    }

    /// Those of other stacks that a service of this stack calls, each with its stack, by name.
    pub(crate) fn called_elsewhere<'n>(
        &'n self,
        spec: &'n ServiceSpec,
    ) -> impl Iterator<Item = (&'n str, &'n Neighbour)> {
        let elsewhere = spec.depends_on.iter().filter_map(|reference| Some((reference.stack()?, reference)));
        let elsewhere = elsewhere.filter(|(stack, _)| *stack != self.stack);
        elsewhere.filter_map(|(stack, reference)| Some((stack, self.find(reference)?)))
    }
}

/// A service of another stack, where that stack is known.
fn elsewhere(context: &Context<'_>, reference: &ServiceRef) -> Option<Neighbour> {
    let other = context.others.iter().find(|other| reference.stack() == Some(other.stack.as_str()))?;
    let (name, service) = other.services.get_key_value(reference.service())?;
    of_other(context, other, name, service)
}

/// A service of another stack in this environment, in the instance of the same name: instances stand side by side and
/// share nothing, so that `run-7` of one stack belongs to `run-7` of the other.
fn of_other(context: &Context<'_>, other: &Stack, name: &ServiceName, service: &Service) -> Option<Neighbour> {
    let environment = context.environment;
    let instance = Instance { stack: other.stack.to_string(), ..context.instance.clone() };
    let namespace = environment.namespace_of(other, other.tiers.get_key_value(&service.tier)?).here;
    let (object_name, offset) = (service.object_name(name), service.offset(environment.port_offset));
    let further = service.component.iter().flat_map(Component::further_ports).map(|(_, port)| port);
    let fronts = service.fronts(other).map(|(_, front)| front.port);
    let ports =
        [service.port].into_iter().chain(further).chain(fronts).map(|port| port.plus(offset)).collect::<Option<_>>()?;
    Some(Neighbour {
        labels: selector_labels(&object_name, &instance),
        jobs: (!service.jobs.is_empty()).then(|| job_labels(&object_name, &instance)),
        namespace: context.of_instance(namespace),
        ports,
        object_name,
    })
}
