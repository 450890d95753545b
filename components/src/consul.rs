//! Consul: one server on a volume, which registers the services that it depends on and asks each for its health.
//!
//! One server has nobody to talk to: what servers say to each other (port 8300) and gossip (8301) stays on the loopback
//! address of its pod, which is also the address that its data has for it, wherever it is started anew. All other ports
//! but that for HTTP are closed (<https://developer.hashicorp.com/consul/docs/reference/architecture/ports>).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Map, Value, json};

use crate::compose::Building;
use crate::context::Owner;
use crate::model::{Consul, Registration, ServiceName, UserId};
use crate::problem::Problem;
use crate::spec::ServiceSpec;
use crate::stateful::{Store, config_map, service, stateful_set};
use crate::targets::Target;

/// The image, where the stack names none: the official one (<https://hub.docker.com/r/hashicorp/consul>), of the newest line
/// of releases (<https://developer.hashicorp.com/consul/docs/upgrade/instructions>).
///
/// Its entry point gives the directories to the user `consul` and becomes that user, which takes root and a file system
/// that can be written to (<https://github.com/hashicorp/consul/blob/main/.release/docker/docker-entrypoint.sh>). The
/// program is run without it.
pub(crate) const IMAGE: &str = "docker.io/hashicorp/consul:2.0.4";
/// The user `consul` of that image: its Dockerfile has Alpine choose the number, and HashiCorp's own chart names what
/// comes of that, user 100 and group 1000
/// (`server.securityContext` in <https://github.com/hashicorp/consul-k8s/blob/main/charts/consul/values.yaml>). The program
/// needs no particular group: what it writes to belongs to the group of the pod.
pub(crate) const USER: UserId = UserId::known(100);
/// The name of its port.
const PORT: &str = "http";
/// Where its data is.
const DATA_PATH: &str = "/consul/data";
/// Where its configuration is mounted.
const CONFIG_PATH: &str = "/consul/config";
/// The name of the file there.
const CONFIG_FILE: &str = "server.json";
/// How long a service may take to answer a check.
const CHECK_TIMEOUT: &str = "2s";
/// The least time between two checks, in milliseconds; Consul asks no more often.
const LEAST_INTERVAL: u128 = 1000;
/// How long figures for Prometheus are kept.
const METRICS_KEPT: &str = "60s";

impl Building<'_, '_> {
    /// The objects of a Consul that registers `targets`, beside those that every service has.
    pub(crate) fn consul(&mut self, spec: &ServiceSpec, consul: &Consul, targets: &[Target<'_>]) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let refused = refusals(spec, consul, targets);
        if !refused.is_empty() {
            self.refuse(refused);
            return;
        }
        let store = store(&configuration(spec, consul, targets));
        self.add(owner, "service", service(context, spec, &store));
        self.add_any(owner, "config", config_map(spec, &store));
        self.add(owner, "stateful-set", stateful_set(context, spec, &consul.storage, &store));
    }
}

/// What is said of services that it does not register, and a time that is too short.
fn refusals(spec: &ServiceSpec, consul: &Consul, targets: &[Target<'_>]) -> Vec<Problem> {
    let path = |rest: &str| format!("services.{}.component.consul.{rest}", spec.name);
    let unknown = consul.services.keys().filter(|name| !targets.iter().any(|target| target.name == name.as_str()));
    let unknown = unknown.map(|name| Problem::NotBehind {
        path: path(&format!("services.{name}")),
        service: spec.name.clone(),
        named: name.clone(),
    });
    let short = (consul.interval.as_std().as_millis() < LEAST_INTERVAL).then(|| Problem::TooShort {
        path: path("interval"),
        written: consul.interval,
        least_milliseconds: LEAST_INTERVAL,
    });
    unknown.chain(short).collect()
}

fn store(configuration: &Value) -> Store {
    let asks = |path: &str| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(PORT.to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    };
    Store {
        port: PORT,
        command: Some(vec!["consul".to_owned()]),
        args: vec!["agent".to_owned(), format!("-config-file={CONFIG_PATH}/{CONFIG_FILE}")],
        data_path: DATA_PATH,
        config_path: CONFIG_PATH,
        config: BTreeMap::from([(CONFIG_FILE.to_owned(), format!("{configuration:#}\n"))]),
        probe: asks(Consul::HEALTH),
        // It answers this as soon as it listens, before it leads itself.
        alive: Some(asks("/v1/agent/self")),
        ..Store::default()
    }
}

/// The configuration file (<https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file>).
fn configuration(spec: &ServiceSpec, consul: &Consul, targets: &[Target<'_>]) -> Value {
    let services: Vec<Value> = targets.iter().map(|target| registration(consul, target)).collect();
    json!({
        "server": true,
        "bootstrap_expect": 1,
        "datacenter": consul.datacenter.as_str(),
        "node_name": spec.object_name(),
        "data_dir": DATA_PATH,
        "bind_addr": "127.0.0.1",
        "client_addr": "0.0.0.0",
        "ports": {
            "http": spec.port.get(),
            "https": -1,
            "dns": -1,
            "grpc": -1,
            "grpc_tls": -1,
            "serf_wan": -1,
        },
        "ui_config": {"enabled": true},
        "disable_update_check": true,
        "log_json": true,
        "telemetry": {"prometheus_retention_time": METRICS_KEPT, "disable_hostname": true},
        "services": services,
    })
}

/// A service as it is registered (<https://developer.hashicorp.com/consul/docs/reference/service>).
fn registration(consul: &Consul, target: &Target<'_>) -> Value {
    let none = Registration::default();
    let said = ServiceName::new(target.name).ok().and_then(|name| consul.services.get(&name)).unwrap_or(&none);
    let tier = target.spec.map(|spec| spec.tier.to_string());
    let tags: BTreeSet<&str> = tier.as_deref().into_iter().chain(said.tags.iter().map(|tag| tag.as_str())).collect();
    let known = target.spec.into_iter().flat_map(|spec| {
        let version = version(&spec.image).map(str::to_owned);
        let protocol =
            if spec.is_server() { "mcp" } else { spec.component.as_ref().map_or("", |component| component.as_str()) };
        let known =
            [("tier", Some(spec.tier.to_string())), ("protocol", Some(protocol.to_owned())), ("version", version)];
        known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?)))).collect::<Vec<_>>()
    });
    let own = said.metadata.iter().map(|(key, value)| (key.to_string(), Value::from(value.as_str())));
    let metadata: Map<String, Value> = known.chain(own).collect();
    // A name of its DNS has neither `_` nor `/`.
    let name = target.name.replace(['_', '/'], "-");
    let address = format!("{}:{}", target.host, target.port);
    let asked = match target.health {
        Some(path) => ("http", format!("http://{address}{path}")),
        None => ("tcp", address),
    };
    let mut check = json!({
        "id": format!("{name}-health"),
        "name": format!("health of {name}"),
        "interval": format!("{}ms", consul.interval.as_std().as_millis()),
        "timeout": CHECK_TIMEOUT,
    });
    check[asked.0] = Value::from(asked.1);
    json!({
        "id": name,
        "name": name,
        "address": target.host,
        "port": target.port.get(),
        "tags": tags,
        "meta": metadata,
        "checks": [check],
    })
}

/// The tag of an image, where it has one.
fn version(image: &str) -> Option<&str> {
    let (name, _) = image.split_once('@').unwrap_or((image, ""));
    name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_of_an_image_is_its_tag() {
        for (image, expect) in [
            ("registry.example/shop/cart:1.0.0", Some("1.0.0")),
            ("registry.example:5000/cart", None),
            ("registry.example:5000/cart:2@sha256:0123", Some("2")),
            ("cart@sha256:0123", None),
        ] {
            assert_eq!(version(image), expect, "{image}");
        }
    }
}
