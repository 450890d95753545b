//! What a service is, where it is no MCP server: a store that runs in the cluster, or something outside of it.
//!
//! Each kind of component has a type with its own settings; how it becomes objects stands in the file of its name
//! beside [`compose`](crate::compose).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::backup::Backup;
use super::consul::Consul;
use super::egress::AddressRange;
use super::gateway::{HostName, ObjectName};
use super::haproxy::Haproxy;
use super::network_monitor::NetworkMonitor;
use super::number::number_type;
use super::port::Port;
use super::quantity::Memory;
use super::text::text_type;

text_type! {
    /// A key of a Secret, such as `password`.
    SecretKeyName, what: "key of a Secret",
    expected: "letters, digits, `-`, `_` and `.`, at most 253 characters",
    pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max: 253,
    valid: |text| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.chars().all(inner)
    }
}

text_type! {
    /// The name of a PostgreSQL database, or of a user of one, that needs no quotes in SQL.
    PostgresName, what: "PostgreSQL name",
    expected: "lower-case letters, digits and `_`, a letter or `_` first, at most 63 characters",
    pattern: "^[a-z_][a-z0-9_]*$", max: 63,
    valid: |text| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && text.chars().all(inner)
    }
}

impl Default for PostgresName {
    /// `postgres`, as the image itself has it.
    fn default() -> Self {
        Self("postgres".to_owned())
    }
}

number_type! {
    /// How many connections a PostgreSQL takes at once.
    ConnectionCount: u32, what: "number of connections", min: 1, max: 10000
}

impl Default for ConnectionCount {
    /// 100, as PostgreSQL itself has it.
    fn default() -> Self {
        Self(100)
    }
}

/// Where a secret value stands: a Secret in the service's namespace that somebody else keeps, and a key of it. The value
/// itself is never read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// The name of the Secret.
    pub secret: ObjectName,
    /// The key.
    pub key: SecretKeyName,
}

/// The volume that a store keeps its data on. It stays when the store goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// How much it holds.
    pub size: Memory,
    /// The StorageClass; the cluster's own unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ObjectName>,
}

/// What Redis gives up when its memory is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// Nothing: writes are refused.
    #[default]
    Noeviction,
    /// What was used the longest ago.
    AllkeysLru,
    /// What is used the least.
    AllkeysLfu,
    /// What was used the longest ago, of what has an end anyway.
    VolatileLru,
    /// What ends next.
    VolatileTtl,
}

impl Eviction {
    /// The word for it in a configuration of Redis (<https://redis.io/docs/latest/develop/reference/eviction/>).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Noeviction => "noeviction",
            Self::AllkeysLru => "allkeys-lru",
            Self::AllkeysLfu => "allkeys-lfu",
            Self::VolatileLru => "volatile-lru",
            Self::VolatileTtl => "volatile-ttl",
        }
    }
}

/// A Redis of one pod, which writes what it holds to a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// The volume for its data.
    pub storage: Storage,
    /// The password that clients give.
    pub password: SecretKey,
    /// How much of the pod's memory its data may take up; three quarters of the limit unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<Memory>,
    /// What it gives up when that is full.
    #[serde(default)]
    pub eviction: Eviction,
    /// Copies of what it holds; without it, none are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

/// A PostgreSQL of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgresql {
    /// The volume for its data.
    pub storage: Storage,
    /// The password of its user.
    pub password: SecretKey,
    /// The user that it is set up with, who may do everything.
    #[serde(default)]
    pub user: PostgresName,
    /// The database that it is set up with.
    #[serde(default)]
    pub database: PostgresName,
    /// How many connections it takes at once.
    #[serde(default)]
    pub max_connections: ConnectionCount,
    /// Copies of what it holds; without it, none are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

/// A Weaviate of one pod, for vectors that clients bring with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weaviate {
    /// The volume for its data.
    pub storage: Storage,
    /// The key that clients give; without it nobody gets in.
    pub api_key: SecretKey,
    /// The port for gRPC, beside that of the service, which speaks HTTP.
    #[serde(default = "Weaviate::usual_grpc_port")]
    pub grpc_port: Port,
    /// Copies of what it holds; without it, none are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

impl Weaviate {
    /// 50051, where clients look for it.
    const fn usual_grpc_port() -> Port {
        Port::known(50051)
    }
}

/// Something outside of the cluster, which others depend on as on a service: it gets a name in the cluster, and the ways
/// out to it are opened for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// Its name in the domain name system, such as `db.example.com`.
    pub host: HostName,
    /// The addresses that it has, where they are known: only those are opened. Otherwise the whole internet is, on the
    /// service's port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressRange>,
}

/// What a service is, where it is no MCP server.
///
/// In a file exactly one of its kinds: `component: {redis: {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ComponentFields", into = "ComponentFields")]
pub enum Component {
    /// A Redis.
    Redis(Redis),
    /// A PostgreSQL.
    Postgresql(Postgresql),
    /// A Weaviate.
    Weaviate(Weaviate),
    /// Something outside of the cluster.
    External(External),
    /// An HAProxy in front of the services that it depends on.
    Haproxy(Haproxy),
    /// A Consul that registers the services that it depends on.
    Consul(Consul),
    /// A monitor that watches the services that it depends on.
    NetworkMonitor(NetworkMonitor),
}

impl Component {
    /// The port where everybody looks for it, which it may have outside of the range of its tier
    /// (<https://www.iana.org/assignments/service-names-port-numbers>).
    #[must_use]
    pub const fn usual_port(&self) -> Option<u16> {
        match self {
            Self::Redis(_) => Some(6379),
            Self::Postgresql(_) => Some(5432),
            Self::Weaviate(_) => Some(8080),
            Self::External(_) | Self::Haproxy(_) | Self::Consul(_) | Self::NetworkMonitor(_) => None,
        }
    }

    /// Whether it keeps nothing of its own, so that any number of its pods can stand side by side.
    #[must_use]
    pub const fn has_many_pods(&self) -> bool {
        matches!(self, Self::Haproxy(_) | Self::NetworkMonitor(_))
    }

    /// The path on its port that tells whether it is well, where it speaks HTTP.
    #[must_use]
    pub const fn health_path(&self) -> Option<&'static str> {
        match self {
            Self::Redis(_) | Self::Postgresql(_) | Self::External(_) => None,
            Self::Weaviate(_) => Some("/v1/.well-known/ready"),
            Self::Haproxy(_) => Some(Haproxy::HEALTH),
            Self::Consul(_) => Some(Consul::HEALTH),
            Self::NetworkMonitor(_) => Some(NetworkMonitor::HEALTH),
        }
    }

    /// Whether it is a store of data that servers share, with one pod.
    #[must_use]
    pub const fn is_store(&self) -> bool {
        match self {
            Self::Redis(_) | Self::Postgresql(_) | Self::Weaviate(_) => true,
            Self::External(_) | Self::Haproxy(_) | Self::Consul(_) | Self::NetworkMonitor(_) => false,
        }
    }

    /// The copies that are made of what it holds, where it is a store that asks for them.
    #[must_use]
    pub const fn backup(&self) -> Option<&Backup> {
        match self {
            Self::Redis(redis) => redis.backup.as_ref(),
            Self::Postgresql(postgresql) => postgresql.backup.as_ref(),
            Self::Weaviate(weaviate) => weaviate.backup.as_ref(),
            Self::External(_) | Self::Haproxy(_) | Self::Consul(_) | Self::NetworkMonitor(_) => None,
        }
    }

    /// The ports that it answers on beside that of its service, by their names in Kubernetes.
    #[must_use]
    pub fn further_ports(&self) -> Vec<(&'static str, Port)> {
        match self {
            Self::Weaviate(weaviate) => vec![("grpc", weaviate.grpc_port)],
            _ => Vec::new(),
        }
    }

    /// The scheme of an address at which clients speak to it, where one is known.
    #[must_use]
    pub const fn scheme(&self) -> Option<&'static str> {
        match self {
            Self::Redis(_) => Some("redis"),
            Self::Postgresql(_) => Some("postgresql"),
            Self::Weaviate(_) | Self::Haproxy(_) | Self::Consul(_) | Self::NetworkMonitor(_) => Some("http"),
            Self::External(_) => None,
        }
    }

    /// The word for it in a file.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Postgresql(_) => "postgresql",
            Self::Weaviate(_) => "weaviate",
            Self::External(_) => "external",
            Self::Haproxy(_) => "haproxy",
            Self::Consul(_) => "consul",
            Self::NetworkMonitor(_) => "network_monitor",
        }
    }
}

/// What a service is: exactly one of these.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Component")]
#[schemars(extend("oneOf" = [
    {"required": ["redis"]}, {"required": ["postgresql"]}, {"required": ["weaviate"]}, {"required": ["external"]},
    {"required": ["haproxy"]}, {"required": ["consul"]}, {"required": ["network_monitor"]},
]))]
struct ComponentFields {
    /// A Redis of one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redis: Option<Redis>,
    /// A PostgreSQL of one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    postgresql: Option<Postgresql>,
    /// A Weaviate of one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weaviate: Option<Weaviate>,
    /// Something outside of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external: Option<External>,
    /// An HAProxy in front of the services that it depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    haproxy: Option<Haproxy>,
    /// A Consul that registers the services that it depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consul: Option<Consul>,
    /// A monitor that watches the services that it depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network_monitor: Option<NetworkMonitor>,
}

/// A component of no kind, or of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a component is exactly one of `redis`, `postgresql`, `weaviate`, `external`, `haproxy`, `consul` and \
         `network_monitor`: name one"
)]
pub struct ComponentError;

impl TryFrom<ComponentFields> for Component {
    type Error = ComponentError;

    fn try_from(fields: ComponentFields) -> Result<Self, Self::Error> {
        let ComponentFields { redis, postgresql, weaviate, external, haproxy, consul, network_monitor } = fields;
        let kinds = [
            redis.map(Self::Redis),
            postgresql.map(Self::Postgresql),
            weaviate.map(Self::Weaviate),
            external.map(Self::External),
            haproxy.map(Self::Haproxy),
            consul.map(Self::Consul),
            network_monitor.map(Self::NetworkMonitor),
        ];
        let mut kinds = kinds.into_iter().flatten();
        match (kinds.next(), kinds.next()) {
            (Some(kind), None) => Ok(kind),
            _ => Err(ComponentError),
        }
    }
}

impl From<Component> for ComponentFields {
    fn from(component: Component) -> Self {
        match component {
            Component::Redis(redis) => Self { redis: Some(redis), ..Self::default() },
            Component::Postgresql(postgresql) => Self { postgresql: Some(postgresql), ..Self::default() },
            Component::Weaviate(weaviate) => Self { weaviate: Some(weaviate), ..Self::default() },
            Component::External(external) => Self { external: Some(external), ..Self::default() },
            Component::Haproxy(haproxy) => Self { haproxy: Some(haproxy), ..Self::default() },
            Component::Consul(consul) => Self { consul: Some(consul), ..Self::default() },
            Component::NetworkMonitor(monitor) => Self { network_monitor: Some(monitor), ..Self::default() },
        }
    }
}

impl JsonSchema for Component {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Component".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ComponentFields::json_schema(generator)
    }
}
