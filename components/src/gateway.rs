//! The way in from outside: an Ingress for the service that is marked as the gateway, in environments that let
//! traffic in. Every other service is reachable inside the cluster only.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};

use crate::context::named;
use crate::mcp_service::PROTOCOL_PORT;
use crate::model::GatewaySettings;
use crate::spec::ServiceSpec;

/// The Ingress of a service, where it is the gateway and the environment lets traffic in.
pub(crate) fn ingress(spec: &ServiceSpec, settings: Option<&GatewaySettings>) -> Option<Ingress> {
    let (gateway, settings) = (spec.gateway.as_ref()?, settings?);
    let host = settings.host.to_string();
    let path = HTTPIngressPath {
        path: Some(gateway.path.to_string()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: spec.object_name(),
                port: Some(ServiceBackendPort { name: Some(PROTOCOL_PORT.to_owned()), number: None }),
            }),
            resource: None,
        },
    };
    Some(Ingress {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: Some(IngressSpec {
            ingress_class_name: Some(settings.ingress_class.to_string()),
            rules: Some(vec![IngressRule {
                host: Some(host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: settings
                .tls_secret
                .as_ref()
                .map(|secret| vec![IngressTLS { hosts: Some(vec![host]), secret_name: Some(secret.to_string()) }]),
            default_backend: None,
        }),
        status: None,
    })
}
