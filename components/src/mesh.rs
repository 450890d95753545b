//! Istio: mutual TLS between pods, who may call whom by identity, and limits on calls, where the environment runs a
//! mesh.
//!
//! Every namespace demands mutual TLS. What is called from outside the mesh (a scrape, an ingress controller) is open
//! in the clear on that one port, and network policies bound who gets that far. Circuit breakers, sessions and rate
//! limits are the work of proxies that look at requests; where the mode has none, composing refuses them instead of
//! writing objects that do nothing (<https://istio.io/latest/docs/ambient/usage/l7-features/>).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

use crate::compose::Problem;
use crate::context::{Context, backup_labels, job_labels, named};
use crate::custom::{Custom, custom_kind};
use crate::model::{CircuitBreaker, Mesh, MeshMode, RateLimit};
use crate::neighbours::Neighbours;
use crate::spec::ServiceSpec;

/// The header that carries the session of an MCP client (Model Context Protocol, Streamable HTTP transport).
const SESSION_HEADER: &str = "Mcp-Session-Id";
/// How often a breaker looks at the failures it has counted.
const BREAKER_INTERVAL: &str = "10s";
/// The trust domain in the principals of a policy; Istio takes it for the mesh's own, whatever that is called.
const TRUST_DOMAIN: &str = "cluster.local";
/// The shortest time in which Envoy fills a bucket of tokens, in milliseconds.
const SHORTEST_FILL: u128 = 50;

/// Pods that a policy is for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkloadSelector {
    match_labels: BTreeMap<String, String>,
}

/// How pods are to be called.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerAuthenticationSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<WorkloadSelector>,
    mtls: MutualTls,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    port_level_mtls: BTreeMap<String, MutualTls>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct MutualTls {
    mode: &'static str,
}

const STRICT: MutualTls = MutualTls { mode: "STRICT" };
const PERMISSIVE: MutualTls = MutualTls { mode: "PERMISSIVE" };

/// Who may call pods, by identity and port.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AuthorizationPolicySpec {
    selector: WorkloadSelector,
    action: &'static str,
    /// Nothing is allowed where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<AccessRule>,
}

#[derive(Debug, Clone, Serialize)]
struct AccessRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<[AccessFrom; 1]>,
    to: [AccessTo; 1],
}

#[derive(Debug, Clone, Serialize)]
struct AccessFrom {
    source: AccessSource,
}

#[derive(Debug, Clone, Serialize)]
struct AccessSource {
    principals: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct AccessTo {
    operation: AccessOperation,
}

#[derive(Debug, Clone, Serialize)]
struct AccessOperation {
    ports: Vec<String>,
}

/// How callers treat a service.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationRuleSpec {
    host: String,
    traffic_policy: TrafficPolicy,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TrafficPolicy {
    tls: MutualTls,
    load_balancer: LoadBalancer,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_pool: Option<ConnectionPool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outlier_detection: Option<OutlierDetection>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
enum LoadBalancer {
    Simple(&'static str),
    ConsistentHash(ConsistentHash),
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsistentHash {
    http_header_name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct ConnectionPool {
    tcp: TcpPool,
    http: HttpPool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TcpPool {
    max_connections: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpPool {
    http1_max_pending_requests: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutlierDetection {
    #[serde(rename = "consecutive5xxErrors")]
    consecutive_errors: u32,
    interval: &'static str,
    base_ejection_time: String,
    /// Half of the pods at most, so that a service that fails as a whole is still tried.
    max_ejection_percent: u32,
}

/// A change to the configuration of proxies.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvoyFilterSpec {
    workload_selector: FilterSelector,
    config_patches: [ConfigPatch; 1],
}

#[derive(Debug, Clone, Serialize)]
struct FilterSelector {
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigPatch {
    apply_to: &'static str,
    #[serde(rename = "match")]
    place: Value,
    patch: Value,
}

custom_kind!(PeerAuthenticationSpec, "security.istio.io", "v1", "PeerAuthentication", "peerauthentications");
custom_kind!(AuthorizationPolicySpec, "security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies");
custom_kind!(DestinationRuleSpec, "networking.istio.io", "v1", "DestinationRule", "destinationrules");
custom_kind!(EnvoyFilterSpec, "networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters");

/// The sidecar mode of an environment, with its settings.
pub(crate) fn sidecar<'a>(context: &Context<'a>) -> Option<&'a Mesh> {
    context.environment.mesh.as_ref().filter(|mesh| mesh.mode == MeshMode::Sidecar)
}

/// Whether the environment's mesh is ambient.
pub(crate) fn ambient(context: &Context<'_>) -> bool {
    context.environment.mesh.as_ref().is_some_and(|mesh| mesh.mode == MeshMode::Ambient)
}

/// The label of a namespace whose pods an ambient mesh takes in.
pub(crate) fn namespace_label(context: &Context<'_>) -> Option<(String, String)> {
    ambient(context).then(|| ("istio.io/dataplane-mode".to_owned(), "ambient".to_owned()))
}

/// What the template of a pod needs beside its labels, for a proxy to be put into it: a label and annotations. A change
/// of them restarts the pods, which is what brings the proxy in.
pub(crate) fn dress(context: &Context<'_>, template: &mut ObjectMeta) {
    let Some(mesh) = sidecar(context) else { return };
    let inject = ("sidecar.istio.io/inject".to_owned(), "true".to_owned());
    template.labels.get_or_insert_default().extend([inject]);
    let proxy = mesh.proxy;
    let figures = [
        ("proxy.istio.io/config", "holdApplicationUntilProxyStarts: true".to_owned()),
        ("sidecar.istio.io/proxyCPU", proxy.requests.cpu.to_string()),
        ("sidecar.istio.io/proxyCPULimit", proxy.limits.cpu.to_string()),
        ("sidecar.istio.io/proxyMemory", proxy.requests.memory.to_string()),
        ("sidecar.istio.io/proxyMemoryLimit", proxy.limits.memory.to_string()),
    ];
    let figures = figures.into_iter().map(|(key, value)| (key.to_owned(), value));
    template.annotations.get_or_insert_default().extend(figures);
}

/// What the environment's mesh cannot do of what is asked of it.
pub(crate) fn refusals(context: &Context<'_>, specs: &[ServiceSpec]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let stack = context.stack;
    let limits = stack.services.iter().filter_map(|(name, service)| {
        let limit = service.rate_limit?;
        Some((format!("services.{name}.rate_limit.per"), limit.per, SHORTEST_FILL))
    });
    let breaker = |breaker: Option<CircuitBreaker>, path: String| Some((path, breaker?.ejection, 1));
    let own = stack.services.iter();
    let breakers = own
        .filter_map(|(name, service)| {
            breaker(service.circuit_breaker, format!("services.{name}.circuit_breaker.ejection"))
        })
        .chain(breaker(stack.circuit_breaker, "circuit_breaker.ejection".to_owned()));
    for (path, written, least) in limits.chain(breakers) {
        if written.as_std().as_millis() < least {
            problems.push(Problem::TooShort { path, written, least_milliseconds: least });
        }
    }
    let Some(mesh) = context.environment.mesh.as_ref() else { return problems };
    if mesh.mode == MeshMode::Sidecar && !mesh.cni {
        problems.push(Problem::SidecarNeedsCni);
    }
    if mesh.mode == MeshMode::Ambient && mesh.limits {
        let mut refuse = |path: String, what| problems.push(Problem::Unenforceable { path, what, mode: mesh.mode });
        if stack.circuit_breaker.is_some() {
            refuse("circuit_breaker".to_owned(), "a circuit breaker");
        }
        for spec in specs {
            let path = |field: &str| format!("services.{}.{field}", spec.name);
            if stack.services.get(&spec.name).is_some_and(|service| service.circuit_breaker.is_some()) {
                refuse(path("circuit_breaker"), "a circuit breaker");
            }
            if spec.rate_limit.is_some() {
                refuse(path("rate_limit"), "a rate limit");
            }
            if spec.sessions {
                refuse(path("sessions"), "sessions");
            }
        }
    }
    problems
}

/// Demands mutual TLS of a whole namespace.
pub(crate) fn strict(context: &Context<'_>, namespace: &str) -> Option<Custom<PeerAuthenticationSpec>> {
    context.environment.mesh.as_ref()?;
    let spec = PeerAuthenticationSpec { selector: None, mtls: STRICT, port_level_mtls: BTreeMap::new() };
    Some(Custom { metadata: named("default", Some(namespace)), spec })
}

/// The ports of a service that are called from outside the mesh: for a scrape, and on the gateway.
fn open_ports(context: &Context<'_>, spec: &ServiceSpec) -> Vec<String> {
    let scraped = context.environment.monitoring.as_ref().map(|_| spec.health_port);
    let entered = context.environment.gateway.as_ref().filter(|_| spec.gateway.is_some()).map(|_| spec.port);
    let mut ports: Vec<_> = scraped.into_iter().chain(entered).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.into_iter().map(|port| port.to_string()).collect()
}

/// What a service admits in the clear, where something outside the mesh calls it.
pub(crate) fn permissive(context: &Context<'_>, spec: &ServiceSpec) -> Option<Custom<PeerAuthenticationSpec>> {
    context.environment.mesh.as_ref()?;
    let ports = open_ports(context, spec);
    let authentication = PeerAuthenticationSpec {
        selector: Some(WorkloadSelector { match_labels: context.selector_labels(spec) }),
        mtls: STRICT,
        port_level_mtls: ports.iter().map(|port| (port.clone(), PERMISSIVE)).collect(),
    };
    let metadata = named(spec.object_name(), Some(&spec.namespace));
    (!ports.is_empty()).then_some(Custom { metadata, spec: authentication })
}

/// Who may call a service: those that depend on it, by the identity of their ServiceAccount; and on the ports that are
/// open in the clear, whom network policies let through.
pub(crate) fn authorization(
    context: &Context<'_>,
    spec: &ServiceSpec,
    neighbours: &Neighbours<'_>,
) -> Option<Custom<AuthorizationPolicySpec>> {
    context.environment.mesh.as_ref()?;
    let to = |ports: Vec<String>| [AccessTo { operation: AccessOperation { ports } }];
    let callers = neighbours.callers(spec);
    let principal = |namespace: &str, account: &str| format!("{TRUST_DOMAIN}/ns/{namespace}/sa/{account}");
    let principals: Vec<_> = callers.map(|caller| principal(&caller.namespace, &caller.object_name)).collect();
    let copied = spec.backup().map(|_| AccessRule {
        from: Some([AccessFrom {
            source: AccessSource { principals: vec![principal(&spec.namespace, &spec.backup_name())] },
        }]),
        to: to(vec![spec.port.to_string()]),
    });
    let called = (!principals.is_empty()).then(|| AccessRule {
        from: Some([AccessFrom { source: AccessSource { principals } }]),
        to: to(spec.called_on().iter().map(ToString::to_string).collect()),
    });
    let open = open_ports(context, spec).into_iter().map(|port| AccessRule { from: None, to: to(vec![port]) });
    Some(Custom {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: AuthorizationPolicySpec {
            selector: WorkloadSelector { match_labels: context.selector_labels(spec) },
            action: "ALLOW",
            rules: called.into_iter().chain(copied).chain(open).collect(),
        },
    })
}

/// Who may call the pods of a service's jobs: nobody.
pub(crate) fn jobs_authorization(context: &Context<'_>, spec: &ServiceSpec) -> Option<Custom<AuthorizationPolicySpec>> {
    nobody(context, spec, spec.jobs_name()?, job_labels(&spec.object_name(), context.instance))
}

/// Who may call the pods of a store's backup: nobody.
pub(crate) fn backup_authorization(
    context: &Context<'_>,
    spec: &ServiceSpec,
) -> Option<Custom<AuthorizationPolicySpec>> {
    nobody(context, spec, spec.backup_name(), backup_labels(&spec.object_name(), context.instance))
}

/// A policy by which nobody may call the pods with these labels.
fn nobody(
    context: &Context<'_>,
    spec: &ServiceSpec,
    name: String,
    match_labels: BTreeMap<String, String>,
) -> Option<Custom<AuthorizationPolicySpec>> {
    context.environment.mesh.as_ref()?;
    let selector = WorkloadSelector { match_labels };
    Some(Custom {
        metadata: named(name, Some(&spec.namespace)),
        spec: AuthorizationPolicySpec { selector, action: "ALLOW", rules: Vec::new() },
    })
}

/// How callers treat a service, where they have proxies that can: mutual TLS, even load or sessions that stay with a
/// pod, and its circuit breaker.
pub(crate) fn traffic(context: &Context<'_>, spec: &ServiceSpec) -> Option<Custom<DestinationRuleSpec>> {
    let mesh = sidecar(context)?;
    let load_balancer = if spec.sessions && mesh.limits {
        LoadBalancer::ConsistentHash(ConsistentHash { http_header_name: SESSION_HEADER })
    } else {
        LoadBalancer::Simple("LEAST_REQUEST")
    };
    let breaker = spec.circuit_breaker.filter(|_| mesh.limits);
    let policy = TrafficPolicy {
        tls: MutualTls { mode: "ISTIO_MUTUAL" },
        load_balancer,
        connection_pool: breaker.map(|breaker| ConnectionPool {
            tcp: TcpPool { max_connections: breaker.connections.get() },
            http: HttpPool { http1_max_pending_requests: breaker.pending.get() },
        }),
        outlier_detection: breaker.map(|breaker| OutlierDetection {
            consecutive_errors: breaker.failures.get(),
            interval: BREAKER_INTERVAL,
            base_ejection_time: breaker.ejection.to_string(),
            max_ejection_percent: 50,
        }),
    };
    Some(Custom {
        metadata: named(spec.object_name(), Some(&spec.namespace)),
        spec: DestinationRuleSpec {
            host: format!("{}.{}.svc.cluster.local", spec.object_name(), spec.namespace),
            traffic_policy: policy,
        },
    })
}

/// Refuses what goes beyond a service's rate limit, in the proxy of each of its pods
/// (<https://istio.io/latest/docs/tasks/policy-enforcement/rate-limit/#local-rate-limit>).
pub(crate) fn rate_limit(context: &Context<'_>, spec: &ServiceSpec) -> Option<Custom<EnvoyFilterSpec>> {
    sidecar(context).filter(|mesh| mesh.limits)?;
    let RateLimit { requests, per } = spec.rate_limit?;
    let whole = json!({"numerator": 100, "denominator": "HUNDRED"});
    let filter = json!({
        "stat_prefix": "http_local_rate_limiter",
        "token_bucket": {
            "max_tokens": requests,
            "tokens_per_fill": requests,
            "fill_interval": format!("{}s", per.as_std().as_secs_f64()),
        },
        "filter_enabled": {"runtime_key": "local_rate_limit_enabled", "default_value": whole},
        "filter_enforced": {"runtime_key": "local_rate_limit_enforced", "default_value": whole},
    });
    let patch = ConfigPatch {
        apply_to: "HTTP_FILTER",
        place: json!({
            "context": "SIDECAR_INBOUND",
            "listener": {
                "portNumber": spec.port,
                "filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}},
            },
        }),
        patch: json!({
            "operation": "INSERT_BEFORE",
            "value": {
                "name": "envoy.filters.http.local_ratelimit",
                "typed_config": {
                    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                    "type_url": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                    "value": filter,
                },
            },
        }),
    };
    Some(Custom {
        metadata: named(format!("{}-rate-limit", spec.name.kebab()), Some(&spec.namespace)),
        spec: EnvoyFilterSpec {
            workload_selector: FilterSelector { labels: context.selector_labels(spec) },
            config_patches: [patch],
        },
    })
}
