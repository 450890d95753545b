//! What a component works on: the services that it depends on, each as it is called from inside the cluster.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::model::{Component, Port, ServiceRef};
use crate::neighbours::Neighbours;
use crate::spec::ServiceSpec;

/// The domain of the names that a cluster gives to Services, unless it is set up otherwise
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>).
const CLUSTER_DOMAIN: &str = "svc.cluster.local";

/// The whole name of a Service in the domain name system, which means the same wherever it is asked for.
pub(crate) fn host(object_name: &str, namespace: &str) -> String {
    format!("{object_name}.{namespace}.{CLUSTER_DOMAIN}")
}

/// A service that a component depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// How it is named.
    pub(crate) reference: &'a ServiceRef,
    /// Its name, with that of its stack where it is another one.
    pub(crate) name: &'a str,
    pub(crate) host: String,
    pub(crate) port: Port,
    /// The path on that port where it tells whether it is well. Without one, that it can be connected to is all that can
    /// be asked: it speaks something else than HTTP, or serves its health elsewhere.
    pub(crate) health: Option<&'a str>,
    /// The service, where it is one of this stack.
    pub(crate) spec: Option<&'a ServiceSpec>,
}

/// What `spec` names in its own `depends_on`, sorted. What its tier waits for is not its business.
pub(crate) fn targets<'a>(
    context: &Context<'a>,
    spec: &ServiceSpec,
    specs: &'a [ServiceSpec],
    neighbours: &Neighbours<'_>,
) -> Vec<Target<'a>> {
    let written = context.stack.services.get(&spec.name);
    let named: BTreeSet<&ServiceRef> = written.into_iter().flat_map(|service| &service.depends_on).collect();
    let target = |reference: &'a ServiceRef| match reference.within(&context.stack.stack) {
        Some(own) => specs.iter().find(|spec| spec.name.as_str() == own).map(|spec| Target::here(reference, spec)),
        None => neighbours.find(reference).and_then(|neighbour| {
            Some(Target {
                reference,
                name: reference.as_str(),
                host: host(&neighbour.object_name, &neighbour.namespace),
                port: *neighbour.ports.first()?,
                health: None,
                spec: None,
            })
        }),
    };
    named.into_iter().filter_map(target).collect()
}

impl<'a> Target<'a> {
    fn here(reference: &'a ServiceRef, spec: &'a ServiceSpec) -> Self {
        Self {
            reference,
            name: spec.name.as_str(),
            host: host(&spec.object_name(), &spec.namespace),
            port: spec.port,
            health: match &spec.component {
                None => (spec.health_port == spec.port).then_some(spec.health_path.as_str()),
                Some(component) => Component::health_path(component),
            },
            spec: Some(spec),
        }
    }
}
