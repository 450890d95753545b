//! How a server is found and who it is: its Service, reachable inside the cluster only, and its ServiceAccount,
//! which has no token mounted, because an MCP server has no business with the Kubernetes API unless it says so.

use k8s_openapi::api::core::v1::{Service, ServiceAccount, ServicePort, ServiceSpec as ServiceFields};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::configured::COMPONENT_PORT;
use crate::context::{Context, named};
use crate::mesh::ambient;
use crate::spec::ServiceSpec;

/// The name of the port a server answers on; at most 15 characters, as port names are.
pub(crate) const PROTOCOL_PORT: &str = "mcp-protocol";
/// The name of the port its health and metrics are on.
pub(crate) const HEALTH_PORT: &str = "health-metrics";

impl ServiceSpec {
    /// The ports of a server with their names: two, or one where health is served on the server's own port.
    pub(crate) fn named_ports(&self) -> Vec<(&'static str, i32)> {
        let health = (self.health_port != self.port).then(|| (HEALTH_PORT, self.health_port.get().into()));
        [(PROTOCOL_PORT, self.port.get().into())].into_iter().chain(health).collect()
    }

    /// The name of the port that answers probes, and has its figures.
    pub(crate) fn probe_port(&self) -> &'static str {
        match &self.component {
            Some(_) => COMPONENT_PORT,
            None if self.health_port == self.port => PROTOCOL_PORT,
            None => HEALTH_PORT,
        }
    }
}

/// The Service of a server.
pub(crate) fn service(context: &Context<'_>, spec: &ServiceSpec) -> Service {
    service_of(context, spec, spec.named_ports().into_iter().map(|(name, port)| (name, port, "http")))
}

/// The Service of what runs in the cluster: its ports by name, each with its number and what is spoken there.
pub(crate) fn service_of<'a>(
    context: &Context<'_>,
    spec: &ServiceSpec,
    ports: impl IntoIterator<Item = (&'a str, i32, &'a str)>,
) -> Service {
    let ports = ports.into_iter().map(|(name, port, protocol)| ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(name.to_owned())),
        // A proxy that knows what it carries can count requests; otherwise it has to guess.
        app_protocol: context.environment.mesh.as_ref().map(|_| protocol.to_owned()),
        ..ServicePort::default()
    });
    Service {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(ServiceFields {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(context.selector_labels(spec)),
            ports: Some(ports.collect()),
            // An ambient mesh passes a Service's own affinity by.
            session_affinity: (spec.sessions && !ambient(context)).then(|| "ClientIP".to_owned()),
            ..ServiceFields::default()
        }),
        ..Service::default()
    }
}

pub(crate) fn service_account(spec: &ServiceSpec) -> ServiceAccount {
    ServiceAccount {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
