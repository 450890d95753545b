//! HAProxy: a front for each service of its stack that it depends on, on that service's port, and its statistics on its
//! own. Each pod of such a service is a server by itself: it is asked for its health, gets its share, and is left alone
//! while it fails. A headless Service beside each gives their addresses away.

mod configuration;
mod words;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec as ServiceFields};

use self::configuration::{Configuration, FrontView, Pods, Server};
use crate::compose::Building;
use crate::configured::{
    COMPONENT_METRICS, COMPONENT_PORT, Program, ProgramPort, program, program_files, program_service,
};
use crate::context::{Context, Owner, named};
use crate::model::{Balance, Front, Haproxy, Port, ServiceName, UserId};
use crate::problem::Problem;
use crate::spec::ServiceSpec;
use crate::targets::{Target, host};

/// The image, where the stack names none: from the official ones, with the exporter for Prometheus built in
/// (<https://github.com/docker-library/haproxy/blob/master/3.2/Dockerfile>).
pub(crate) const IMAGE: &str = "docker.io/library/haproxy:3.2.21";
/// The user `haproxy` of that image, and its group (`useradd` in the same file).
pub(crate) const USER: UserId = UserId::known(99);
/// Where its configuration is mounted: where the image looks for it.
const CONFIG_PATH: &str = "/usr/local/etc/haproxy";
/// The name of the file there.
const CONFIG_FILE: &str = "haproxy.cfg";
/// The least that a connection may be silent, in milliseconds: 0 would mean for ever.
const LEAST_IDLE: u128 = 1000;
/// The longest description on the page with its statistics, in characters.
const LONGEST_DESCRIPTION: usize = 200;

impl Building<'_, '_> {
    /// The objects of an HAProxy in front of `targets`, beside those that every service has.
    pub(crate) fn haproxy(&mut self, spec: &ServiceSpec, haproxy: &Haproxy, targets: &[Target<'_>]) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let fronted: Vec<(&ServiceSpec, &Target<'_>)> = targets
            .iter()
            .filter_map(|target| Some((target.spec.filter(|spec| !spec.is_outside())?, target)))
            .collect();
        let behind = |target: &&Target<'_>| fronted.iter().any(|(_, front)| front == target);
        let elsewhere = targets.iter().filter(|target| !behind(target));
        let mut refused = refusals(spec, haproxy, &fronted);
        refused.extend(
            elsewhere.map(|target| Problem::NoFront { service: spec.name.clone(), named: target.reference.clone() }),
        );
        if !refused.is_empty() {
            self.refuse(refused);
            return;
        }
        let configuration = configuration(context, spec, haproxy, &fronted);
        let text = match configuration.write() {
            Ok(text) => text,
            Err(error) => {
                let reason = crate::problem::with_causes(&error);
                self.refuse(vec![Problem::Unwritable {
                    object: format!("the configuration of {}", spec.name),
                    reason,
                }]);
                return;
            }
        };
        let own = Program {
            args: Vec::new(),
            ports: ports(spec, &fronted),
            config_path: CONFIG_PATH,
            config: BTreeMap::from([(CONFIG_FILE.to_owned(), text)]),
            health: Haproxy::HEALTH,
        };
        self.add(owner, "service", program_service(context, spec, &own));
        self.add(owner, "config", program_files(spec, &own));
        self.add(owner, "deployment", program(context, spec, &own));
        for (front, _) in fronted.iter().filter(|(front, _)| one_by_one(haproxy, front)) {
            let words = format!("The addresses of the pods of {}, for {}", front.name, spec.name);
            let component = format!("pods-{}", front.name);
            self.add(Owner::Stack(Some(&words)), &component, headless(context, front));
        }
    }
}

/// What is said of it that it cannot do.
fn refusals(spec: &ServiceSpec, haproxy: &Haproxy, fronted: &[(&ServiceSpec, &Target<'_>)]) -> Vec<Problem> {
    let stands_before = |name: &ServiceName| fronted.iter().any(|(front, _)| front.name == *name);
    let path = |rest: &str| format!("services.{}.component.haproxy.{rest}", spec.name);
    let mut problems = Vec::new();
    for (name, front) in &haproxy.services {
        for unknown in [name].into_iter().chain(front.named()).filter(|name| !stands_before(name)) {
            let (service, named) = (spec.name.clone(), unknown.clone());
            problems.push(Problem::NotBehind { path: path(&format!("services.{name}")), service, named });
        }
        if (front.balance == Balance::Weighted) == front.weights.is_empty() {
            problems.push(Problem::Weights { path: path(&format!("services.{name}.balance")) });
        }
    }
    if haproxy.idle.as_std().as_millis() < LEAST_IDLE {
        let (written, least_milliseconds) = (haproxy.idle, LEAST_IDLE);
        problems.push(Problem::TooShort { path: path("idle"), written, least_milliseconds });
    }
    problems
}

/// Its own port, then those of the services that it stands in front of.
fn ports(spec: &ServiceSpec, fronted: &[(&ServiceSpec, &Target<'_>)]) -> Vec<ProgramPort> {
    let own = ProgramPort { name: COMPONENT_PORT.to_owned(), port: spec.port, protocol: "http" };
    let fronts = fronted.iter().map(|(front, _)| ProgramPort {
        name: format!("front-{}", front.port),
        port: front.port,
        protocol: if speaks_http(front) { "http" } else { "tcp" },
    });
    [own].into_iter().chain(fronts).collect()
}

/// Whether it speaks HTTP, as MCP servers do, and other components that serve their health by it.
fn speaks_http(front: &ServiceSpec) -> bool {
    front.component.as_ref().is_none_or(|component| component.health_path().is_some())
}

/// Whether the pods of a service are servers one by one.
fn one_by_one(haproxy: &Haproxy, front: &ServiceSpec) -> bool {
    let weighted = haproxy.services.get(&front.name).is_some_and(|of| of.balance == Balance::Weighted);
    front.is_server() && !weighted
}

fn configuration(
    context: &Context<'_>,
    spec: &ServiceSpec,
    haproxy: &Haproxy,
    fronted: &[(&ServiceSpec, &Target<'_>)],
) -> Configuration {
    let usual = Front::default();
    let view = |(front, target): &(&ServiceSpec, &Target<'_>)| {
        let how = haproxy.services.get(&front.name).unwrap_or(&usual);
        let http = speaks_http(front);
        let health = target.health.filter(|_| http).map(str::to_owned);
        let address = |target: &Target<'_>| format!("{}:{}", target.host, target.port);
        let server = |name: &ServiceName, as_name: String, weight: Option<u16>, backup: bool| {
            let (_, target) = fronted.iter().find(|(front, _)| front.name == *name)?;
            Some(Server { name: as_name, address: address(target), weight, backup })
        };
        let single = one_by_one(haproxy, front);
        let pods = single.then(|| Pods {
            slots: format!("1-{}", most(front)),
            address: format!("{}:{}", host(&headless_name(front), &front.namespace), front.port),
        });
        let weighted =
            how.weights.iter().filter_map(|(name, weight)| server(name, name.to_string(), Some(weight.get()), false));
        // What the cluster itself takes for ready, when no pod can be found or passes; or all there is.
        let whole = how.weights.is_empty().then(|| server(&front.name, "cluster".to_owned(), None, single)).flatten();
        let backup = how.backup.as_ref().and_then(|name| server(name, format!("backup-{name}"), None, true));
        FrontView {
            name: front.name.to_string(),
            description: front.purpose.as_deref().and_then(one_line),
            bind: bind(front.port),
            mode: if http { "http" } else { "tcp" },
            http,
            host: target.host.clone(),
            balance: how.balance.as_str(),
            health,
            sessions: front.sessions,
            pods: pods.into_iter().collect(),
            servers: weighted.chain(whole).chain(backup).collect(),
        }
    };
    Configuration {
        title: context.instance.name(),
        idle: format!("{}ms", haproxy.idle.as_std().as_millis()),
        bind: bind(spec.port),
        health: Haproxy::HEALTH.to_owned(),
        metrics: COMPONENT_METRICS.to_owned(),
        fronts: fronted.iter().map(view).collect(),
    }
}

/// Any address of the pod.
fn bind(port: Port) -> String {
    format!(":{port}")
}

/// How many pods of a service there may be at once, with those that a rollout starts in addition.
fn most(front: &ServiceSpec) -> u32 {
    front.ceiling + front.ceiling.div_ceil(4)
}

/// Text as one line of bounded length; nothing where it says nothing.
fn one_line(text: &str) -> Option<String> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(LONGEST_DESCRIPTION).collect();
    (!line.is_empty()).then_some(line)
}

/// `ai-memory-all`.
fn headless_name(front: &ServiceSpec) -> String {
    format!("{}-all", front.name.kebab())
}

/// A Service whose name leads to every pod of a service that is ready, and to no address of its own.
fn headless(context: &Context<'_>, front: &ServiceSpec) -> Service {
    Service {
        metadata: named(headless_name(front), Some(&front.namespace)),
        spec: Some(ServiceFields {
            cluster_ip: Some("None".to_owned()),
            selector: Some(context.selector_labels(front)),
            ports: Some(vec![ServicePort {
                name: Some("pods".to_owned()),
                port: front.port.get().into(),
                app_protocol: context.environment.mesh.as_ref().map(|_| "http".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceFields::default()
        }),
        ..Service::default()
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(one_line(text).as_deref(), expect);
    }

    #[test]
    fn a_description_is_one_line_of_bounded_length() {
        check("Pages on the web", Some("Pages on the web"));
        check("  one\n\ttwo\u{0}three ", Some("one two three"));
        check(" \n ", None);
        check(&"é".repeat(300), Some(&"é".repeat(200)));
    }
}
