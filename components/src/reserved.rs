//! Variables that a component is told its settings by: they follow from the fields of the component, and a stack or an
//! environment that sets one would have two values for one thing, or one that nobody follows.

use crate::model::{Component, EnvName};

/// Beginnings of names, each with why nobody else sets it, which is mostly the field that says it.
type Reserved = &'static [(&'static str, &'static str)];

/// Of the image of PostgreSQL, and of its own programs, which ask by the first of these whether it is ready.
const POSTGRESQL: Reserved = &[
    ("PGPORT", "`port` says it"),
    ("PG", "the fields of `component.postgresql` say it"),
    ("POSTGRES_DB", "`component.postgresql.database` says it"),
    ("POSTGRES_USER", "`component.postgresql.user` says it"),
    ("POSTGRES_PASSWORD", "`component.postgresql.password` says it"),
    ("POSTGRES_", "the fields of `component.postgresql` say it"),
];
const REDIS: Reserved = &[("REDISCLI_", "`component.redis.password` says it")];
const WEAVIATE: Reserved = &[
    ("AUTHENTICATION_", "`component.weaviate.api_key` says it"),
    ("BACKUP_FILESYSTEM_", "`component.weaviate.backup` says it"),
    ("CLUSTER_", "it is one server"),
    ("DEFAULT_VECTORIZER_MODULE", "clients bring their vectors"),
    ("DISABLE_TELEMETRY", "no policy lets it out"),
    ("ENABLE_MODULES", "`component.weaviate.backup` says it, and it has no other modules"),
    ("GOMEMLIMIT", "`resources.limits.memory` says it"),
    ("GRPC_PORT", "`component.weaviate.grpc_port` says it"),
    ("PERSISTENCE_DATA_PATH", "`component.weaviate.storage` says it"),
    ("RAFT_", "it is one server"),
];
/// What its image's entry point reads, which is not run.
const CONSUL: Reserved = &[("CONSUL_", "the fields of `component.consul` say it")];

/// Why a variable is not set, where a component is told something by it.
pub(crate) fn why_not(component: &Component, variable: &EnvName) -> Option<&'static str> {
    let reserved = match component {
        Component::Postgresql(_) => POSTGRESQL,
        Component::Redis(_) => REDIS,
        Component::Weaviate(_) => WEAVIATE,
        Component::Consul(_) => CONSUL,
        Component::Haproxy(_) | Component::NetworkMonitor(_) | Component::External(_) => &[],
    };
    reserved.iter().find(|(begins, _)| variable.as_str().starts_with(begins)).map(|(_, why)| *why)
}
