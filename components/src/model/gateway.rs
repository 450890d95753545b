//! The one way in from outside: which service takes it (in the stack), and under which name (in the environment).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::network::Peer;
use super::text::{text_type, words};

text_type! {
    /// A host name of the domain name system, such as `mcp.example.com`.
    HostName, what: "host name",
    expected: "lower-case labels of letters, digits and `-`, joined by dots, at most 253 characters",
    pattern: r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", max: 253,
    valid: |text| text.split('.').all(|label| {
        super::text::enclosed(label, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-')
    })
}

text_type! {
    /// A path of a URL, such as `/health`.
    UrlPath, what: "URL path",
    expected: "`/`, then letters, digits, `-`, `_`, `.`, `~` and further slashes, at most 200 characters",
    pattern: "^/[A-Za-z0-9/._~-]*$", max: 200,
    valid: |text| {
        text.starts_with('/')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '~' | '-'))
    }
}

text_type! {
    /// The name of an IngressClass or a Secret that the environment refers to.
    ObjectName, what: "object name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

/// Marks the service that takes traffic from outside the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The path under which it answers; everything below it too.
    #[serde(default)]
    pub path: UrlPath,
}

impl Default for UrlPath {
    /// The root.
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl UrlPath {
    /// The usual path of health probes.
    pub(crate) fn health() -> Self {
        Self("/health".to_owned())
    }

    /// The usual path of metrics.
    pub(crate) fn metrics() -> Self {
        Self("/metrics".to_owned())
    }
}

/// How an environment lets traffic in to the gateway service. Without it nothing is reachable from outside.
///
/// In a file: `ingress_class: NAME`, or `gateway_class: NAME`, never both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SettingsFields", into = "SettingsFields")]
pub struct GatewaySettings {
    /// The host name that clients use.
    pub host: HostName,
    /// What serves it.
    pub way_in: WayIn,
    /// The Secret that holds the certificate for `host`.
    pub tls_secret: Option<ObjectName>,
    /// The pods that take the traffic in, and are let through to the gateway service.
    pub controller: Peer,
}

/// What takes traffic in from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayIn {
    /// An Ingress of this class.
    Ingress(ObjectName),
    /// A Gateway of this class, and an HTTPRoute.
    GatewayApi(ObjectName),
}

/// Settings that name neither class, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WayInError {
    /// Neither.
    #[error("the gateway has neither an `ingress_class` nor a `gateway_class`: name one of the two")]
    Neither,
    /// Both.
    #[error("the gateway has both an `ingress_class` and a `gateway_class`: name one of the two")]
    Both,
}

/// How an environment lets traffic in: with exactly one of `ingress_class` and `gateway_class`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "GatewaySettings")]
#[schemars(extend("oneOf" = [{"required": ["ingress_class"]}, {"required": ["gateway_class"]}]))]
struct SettingsFields {
    /// The host name that clients use.
    host: HostName,
    /// The IngressClass of an Ingress that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ingress_class: Option<ObjectName>,
    /// The GatewayClass of a Gateway that serves it, with an HTTPRoute, in clusters that have the Gateway API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gateway_class: Option<ObjectName>,
    /// The Secret that holds the certificate for `host`, in the gateway service's own namespace. Without it the
    /// gateway is served in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls_secret: Option<ObjectName>,
    /// The pods that take the traffic in, and are let through to the gateway service; unless named the Traefik that
    /// K3s brings, in `kube-system`.
    #[serde(default = "traefik")]
    controller: Peer,
}

/// The ingress controller that K3s brings.
fn traefik() -> Peer {
    Peer::known("kube-system", ("app.kubernetes.io/name", "traefik"))
}

impl TryFrom<SettingsFields> for GatewaySettings {
    type Error = WayInError;

    fn try_from(fields: SettingsFields) -> Result<Self, Self::Error> {
        let SettingsFields { host, ingress_class, gateway_class, tls_secret, controller } = fields;
        let way_in = match (ingress_class, gateway_class) {
            (Some(class), None) => WayIn::Ingress(class),
            (None, Some(class)) => WayIn::GatewayApi(class),
            (None, None) => return Err(WayInError::Neither),
            (Some(_), Some(_)) => return Err(WayInError::Both),
        };
        Ok(Self { host, way_in, tls_secret, controller })
    }
}

impl From<GatewaySettings> for SettingsFields {
    fn from(settings: GatewaySettings) -> Self {
        let GatewaySettings { host, way_in, tls_secret, controller } = settings;
        let (ingress_class, gateway_class) = match way_in {
            WayIn::Ingress(class) => (Some(class), None),
            WayIn::GatewayApi(class) => (None, Some(class)),
        };
        Self { host, ingress_class, gateway_class, tls_secret, controller }
    }
}

impl JsonSchema for GatewaySettings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GatewaySettings".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SettingsFields::json_schema(generator)
    }
}
