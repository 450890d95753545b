//! The one way in from outside: which service takes it (in the stack), and under which name (in the environment).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

/// How an environment lets traffic in to the gateway service. Without it nothing is reachable from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// The host name that clients use.
    pub host: HostName,
    /// The IngressClass that serves it.
    pub ingress_class: ObjectName,
    /// The Secret that holds the certificate for `host`, in the gateway service's own namespace. Without it the
    /// gateway is served in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<ObjectName>,
}
