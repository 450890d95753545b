//! The way in from outside: for the service that is marked as the gateway, in environments that let traffic in. The
//! environment chooses between an Ingress and the Gateway API. Every other service is reachable inside the cluster
//! only.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use serde::Serialize;

use crate::context::named;
use crate::custom::{Custom, custom_kind};
use crate::mcp_service::PROTOCOL_PORT;
use crate::model::{Gateway, GatewaySettings, WayIn};
use crate::spec::ServiceSpec;

/// The Ingress of a service, where it is the gateway and the environment lets traffic in so.
pub(crate) fn ingress(spec: &ServiceSpec, settings: Option<&GatewaySettings>) -> Option<Ingress> {
    let (gateway, settings) = (spec.gateway.as_ref()?, settings?);
    let WayIn::Ingress(class) = &settings.way_in else { return None };
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
            ingress_class_name: Some(class.to_string()),
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

/// The listeners that a gateway controller opens.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewaySpec {
    gateway_class_name: String,
    listeners: [Listener; 1],
}

#[derive(Debug, Clone, Serialize)]
struct Listener {
    name: &'static str,
    hostname: String,
    port: u16,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<ListenerTls>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListenerTls {
    mode: &'static str,
    certificate_refs: [SecretRef; 1],
}

#[derive(Debug, Clone, Serialize)]
struct SecretRef {
    name: String,
}

/// What a listener's traffic is led to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpRouteSpec {
    parent_refs: [ParentRef; 1],
    hostnames: [String; 1],
    rules: [RouteRule; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ParentRef {
    name: String,
    section_name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteRule {
    matches: [RouteMatch; 1],
    backend_refs: [BackendRef; 1],
}

#[derive(Debug, Clone, Serialize)]
struct RouteMatch {
    path: PathMatch,
}

#[derive(Debug, Clone, Serialize)]
struct PathMatch {
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

#[derive(Debug, Clone, Serialize)]
struct BackendRef {
    name: String,
    port: u16,
}

custom_kind!(GatewaySpec, "gateway.networking.k8s.io", "v1", "Gateway", "gateways");
custom_kind!(HttpRouteSpec, "gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes");

/// The Gateway of a service and the route to it, where it is the gateway and the environment lets traffic in so.
pub(crate) fn gateway_api(
    spec: &ServiceSpec,
    settings: Option<&GatewaySettings>,
) -> Option<(Custom<GatewaySpec>, Custom<HttpRouteSpec>)> {
    let (Gateway { path }, settings) = (spec.gateway.as_ref()?, settings?);
    let WayIn::GatewayApi(class) = &settings.way_in else { return None };
    let hostname = settings.host.to_string();
    let listener = match &settings.tls_secret {
        None => Listener { name: "http", hostname: hostname.clone(), port: 80, protocol: "HTTP", tls: None },
        Some(secret) => Listener {
            name: "https",
            hostname: hostname.clone(),
            port: 443,
            protocol: "HTTPS",
            tls: Some(ListenerTls { mode: "Terminate", certificate_refs: [SecretRef { name: secret.to_string() }] }),
        },
    };
    let rule = RouteRule {
        matches: [RouteMatch { path: PathMatch { kind: "PathPrefix", value: path.to_string() } }],
        backend_refs: [BackendRef { name: spec.object_name(), port: spec.port.get() }],
    };
    let metadata = || named(spec.object_name(), Some(&spec.namespace));
    let route = HttpRouteSpec {
        parent_refs: [ParentRef { name: spec.object_name(), section_name: listener.name }],
        hostnames: [hostname],
        rules: [rule],
    };
    let gateway = GatewaySpec { gateway_class_name: class.to_string(), listeners: [listener] };
    Some((Custom { metadata: metadata(), spec: gateway }, Custom { metadata: metadata(), spec: route }))
}
