//! Something outside of the cluster: a Service that leads to its name. It has no pods, and so neither policies nor
//! probes of its own; the ways out to it belong to those that depend on it.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec as ServiceFields};

use crate::context::named;
use crate::model::External;
use crate::spec::ServiceSpec;

/// The Service that gives it a name in the cluster. A client that checks a certificate has to ask for the name outside.
pub(crate) fn external_name(spec: &ServiceSpec, external: &External) -> Service {
    Service {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(ServiceFields {
            type_: Some("ExternalName".to_owned()),
            external_name: Some(external.host.to_string()),
            ports: Some(vec![ServicePort { port: spec.port.get().into(), ..ServicePort::default() }]),
            ..ServiceFields::default()
        }),
        ..Service::default()
    }
}
