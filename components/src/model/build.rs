//! Building a stack in Rust, from the same words and figures as in a file. What does not fit is collected, and
//! [`build`](StackBuilder::build) names all of it at once.
//!
//! Every field of [`Stack`] is public too: what the builder has no method for is set on what it returns.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use thiserror::Error;

use super::{
    Amounts, Autoscale, Availability, CallCount, CircuitBreaker, Cpu, DefinitionName, Duration, Egress, EnvName,
    EnvironmentName, Gateway, GpuCount, HealthPort, ImageReference, Memory, NamespaceName, NeededDefinition,
    NeededNodes, NeededService, Needs, NodeCount, NodeLabel, Output, OutputName, OutputRef, OutputValue, OutsideName,
    Percent, PhaseName, Port, PortOffset, PortRange, Priority, RangeName, RateLimit, Replicas, Resources, Rollout,
    Service, ServiceName, ServiceRef, ServiceValue, Stack, StackName, TextError, Tier, TierName, UrlPath, UserId,
};

/// A stack that could not be built: everything that does not fit, in the order in which it was given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("building stack {stack}: {}", .problems.join("; "))]
pub struct BuildError {
    /// What the stack was to be called.
    pub stack: String,
    /// What does not fit: a path in the model, a colon, and the reason.
    pub problems: Vec<String>,
}

/// CPU and memory in text: `("500m", "512Mi")`.
pub type AmountsText<'a> = (&'a str, &'a str);

/// The figures of a [`CircuitBreaker`].
#[derive(Debug, Clone, Copy)]
pub struct BreakerFigures<'a> {
    /// The most connections that the pods of one caller have open.
    pub connections: u32,
    /// The most requests that wait for a connection.
    pub pending: u32,
    /// After how many failures in a row a pod is left out.
    pub failures: u32,
    /// How long it is left out for the first time, such as `30s`.
    pub ejection: &'a str,
}

impl BreakerFigures<'_> {
    fn read(self) -> Result<CircuitBreaker, String> {
        let count = |count: u32| CallCount::new(count).map_err(|error| error.to_string());
        Ok(CircuitBreaker {
            connections: count(self.connections)?,
            pending: count(self.pending)?,
            failures: count(self.failures)?,
            ejection: self.ejection.parse::<Duration>().map_err(|error| error.to_string())?,
        })
    }
}

/// Takes values for fields, and notes those that do not fit.
#[derive(Debug, Clone)]
struct Building<T> {
    path: String,
    /// Nothing, where something without which it cannot be made did not fit.
    value: Option<T>,
    problems: Vec<String>,
}

impl<T> Building<T> {
    fn take<V, E: Display>(&mut self, field: &str, value: Result<V, E>, put: impl FnOnce(&mut T, V)) {
        match value {
            Ok(value) => {
                if let Some(target) = &mut self.value {
                    put(target, value);
                }
            }
            Err(error) => self.problem(field, &error),
        }
    }

    fn set(&mut self, put: impl FnOnce(&mut T)) {
        if let Some(target) = &mut self.value {
            put(target);
        }
    }

    fn problem(&mut self, field: &str, error: &dyn Display) {
        let dot = if self.path.is_empty() || field.is_empty() { "" } else { "." };
        self.problems.push(format!("{}{dot}{field}: {error}", self.path));
    }
}

/// All of `texts` as values, or the first that is none.
fn all<V: FromStr>(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<V>, V::Err> {
    texts.into_iter().map(|text| text.as_ref().parse()).collect()
}

/// A length of time, where one is given.
fn limit(text: Option<&str>) -> Result<Option<Duration>, TextError> {
    text.map(str::parse).transpose()
}

fn resources(requests: AmountsText<'_>, limits: AmountsText<'_>) -> Result<Resources, TextError> {
    let amounts =
        |(cpu, memory): AmountsText<'_>| Ok(Amounts { cpu: cpu.parse::<Cpu>()?, memory: memory.parse::<Memory>()? });
    Ok(Resources::new(amounts(requests)?, amounts(limits)?))
}

impl Stack {
    /// Begins a stack that is called `name` and lives in `namespace`.
    ///
    /// ```
    /// use strata_components::model::Stack;
    /// let error = Stack::builder("shop", "shop-servers").service("cart", "front", 0, |cart| cart).build().unwrap_err();
    /// assert_eq!(error.problems, ["services.cart.port: 0 is no port: expected a whole number from 1 to 65535"]);
    /// ```
    #[must_use]
    pub fn builder(name: &str, namespace: &str) -> StackBuilder {
        let mut building = Building { path: String::new(), value: None, problems: Vec::new() };
        let stack = StackName::new(name).map_err(|error| building.problem("stack", &error)).ok();
        let namespace = NamespaceName::new(namespace).map_err(|error| building.problem("namespace", &error)).ok();
        building.value = stack.zip(namespace).map(|(stack, namespace)| Self::new(stack, namespace));
        StackBuilder { name: name.to_owned(), building }
    }
}

/// Builds a [`Stack`].
#[derive(Debug, Clone)]
pub struct StackBuilder {
    name: String,
    building: Building<Stack>,
}

impl StackBuilder {
    /// What the stack is, in a sentence.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        self.building.set(|stack| stack.description = Some(text.to_owned()));
        self
    }

    /// Where services serve health and metrics: `+100` or `same`.
    #[must_use]
    pub fn health_port(mut self, rule: &str) -> Self {
        self.building.take("health_port", rule.parse::<HealthPort>(), |stack, rule| stack.health_port = rule);
        self
    }

    /// The path that probes ask for.
    #[must_use]
    pub fn health_path(mut self, path: &str) -> Self {
        self.building.take("health_path", UrlPath::new(path), |stack, path| stack.health_path = path);
        self
    }

    /// The offset of an environment's ports.
    #[must_use]
    pub fn port_offset(mut self, environment: &str, offset: impl Into<i64>) -> Self {
        let name = EnvironmentName::new(environment).map_err(|error| self.building.problem("port_offsets", &error));
        let field = format!("port_offsets.{environment}");
        self.building.take(&field, PortOffset::new(offset), |stack, offset| {
            stack.port_offsets.extend(name.map(|name| (name, offset)));
        });
        self
    }

    /// The environments that the stack may be deployed to.
    #[must_use]
    pub fn environments(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.building.take("environments", all(names), |stack, names| stack.environments = names);
        self
    }

    /// The names of the startup phases 1, 2 and so on.
    #[must_use]
    pub fn phases(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.building.take("phases", all::<PhaseName>(names), |stack, names| stack.phases = names);
        self
    }

    /// When callers stop calling a service until it has recovered.
    #[must_use]
    pub fn circuit_breaker(mut self, breaker: BreakerFigures<'_>) -> Self {
        self.building.take("circuit_breaker", breaker.read(), |stack, breaker| stack.circuit_breaker = Some(breaker));
        self
    }

    /// The numeric user that containers run as.
    #[must_use]
    pub fn run_as_user(mut self, user: impl Into<i64>) -> Self {
        self.building.take("run_as_user", UserId::new(user), |stack, user| stack.run_as_user = user);
        self
    }

    /// CPU and memory of services without a GPU whose tier names none: requests, then limits.
    #[must_use]
    pub fn resources(mut self, requests: AmountsText<'_>, limits: AmountsText<'_>) -> Self {
        self.building.take("resources", resources(requests, limits), |stack, figures| stack.resources = figures);
        self
    }

    /// CPU and memory of services with a GPU: requests, then limits.
    #[must_use]
    pub fn gpu_resources(mut self, requests: AmountsText<'_>, limits: AmountsText<'_>) -> Self {
        let figures = resources(requests, limits);
        self.building.take("gpu_resources", figures, |stack, figures| stack.gpu_resources = figures);
        self
    }

    /// An output that is a text. No secret: it is told to whoever asks.
    #[must_use]
    pub fn output(self, name: &str, text: &str) -> Self {
        self.output_value(name, Ok(OutputValue::Literal(text.to_owned())))
    }

    /// An output that is something of a service of the stack, such as its URL.
    #[must_use]
    pub fn output_of(self, name: &str, service: &str, value: ServiceValue) -> Self {
        self.output_value(name, ServiceName::new(service).map(|service| OutputValue::OfService { service, value }))
    }

    fn output_value(mut self, name: &str, value: Result<OutputValue, TextError>) -> Self {
        let entry = OutputName::new(name).and_then(|name| Ok((name, Output { description: None, value: value? })));
        let path = format!("outputs.{name}");
        self.building.take(&path, entry, |stack, entry| stack.outputs.extend([entry]));
        self
    }

    /// Adds a tier with a range of ports such as `9000-9019`.
    #[must_use]
    pub fn tier(mut self, name: &str, ports: &str, more: impl FnOnce(TierBuilder) -> TierBuilder) -> Self {
        let path = format!("tiers.{name}");
        let mut tier = Building { path: path.clone(), value: None, problems: Vec::new() };
        let ports = ports.parse::<PortRange>().map_err(|error| tier.problem("ports", &error));
        tier.value = ports.ok().map(Tier::new);
        let Building { value, problems, .. } = more(TierBuilder { building: tier }).building;
        self.building.problems.extend(problems);
        let twice = self.building.value.as_ref().is_some_and(|stack| stack.tiers.contains_key(name));
        if twice {
            self.building.problem(&path, &"the stack has two tiers of this name");
        }
        self.building.take(&path, TierName::new(name), |stack, name| {
            stack.tiers.extend(value.filter(|_| !twice).map(|tier| (name, tier)));
        });
        self
    }

    /// Adds a service of a tier on a port.
    #[must_use]
    pub fn service(
        mut self,
        name: &str,
        tier: &str,
        port: impl Into<i64>,
        more: impl FnOnce(ServiceBuilder) -> ServiceBuilder,
    ) -> Self {
        let path = format!("services.{name}");
        let mut service = Building { path: path.clone(), value: None, problems: Vec::new() };
        let tier = TierName::new(tier).map_err(|error| service.problem("tier", &error)).ok();
        let port = Port::new(port).map_err(|error| service.problem("port", &error)).ok();
        service.value = tier.zip(port).map(|(tier, port)| Service::new(tier, port));
        let Building { value, problems, .. } = more(ServiceBuilder { building: service }).building;
        self.building.problems.extend(problems);
        let twice = self.building.value.as_ref().is_some_and(|stack| stack.services.contains_key(name));
        if twice {
            self.building.problem(&path, &"the stack has two services of this name");
        }
        self.building.take(&path, ServiceName::new(name), |stack, name| {
            stack.services.extend(value.filter(|_| !twice).map(|service| (name, service)));
        });
        self
    }

    /// The stack.
    ///
    /// # Errors
    /// When anything that was given does not fit, with all of it.
    pub fn build(self) -> Result<Stack, BuildError> {
        match self.building {
            Building { value: Some(stack), problems, .. } if problems.is_empty() => Ok(stack),
            Building { problems, .. } => Err(BuildError { stack: self.name, problems }),
        }
    }
}

/// Builds a [`Tier`].
#[derive(Debug, Clone)]
pub struct TierBuilder {
    building: Building<Tier>,
}

impl TierBuilder {
    /// What the tier is, in a few words.
    #[must_use]
    pub fn title(mut self, text: &str) -> Self {
        self.building.set(|tier| tier.title = Some(text.to_owned()));
        self
    }

    /// What the tier's range is called in the port registry, before `_range`.
    #[must_use]
    pub fn range_name(mut self, name: &str) -> Self {
        self.building.take("range_name", RangeName::new(name), |tier, name| tier.range_name = Some(name));
        self
    }

    /// The namespace of the tier's services.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.building.take("namespace", NamespaceName::new(name), |tier, name| tier.namespace = Some(name));
        self
    }

    /// The priority of services that name none.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.building.set(|tier| tier.priority = priority);
        self
    }

    /// Marks the tier's services as critical.
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.building.set(|tier| tier.critical = true);
        self
    }

    /// The services that every service of the tier waits for.
    #[must_use]
    pub fn depends_on(mut self, services: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.building.take("depends_on", all::<ServiceRef>(services), |tier, services| tier.depends_on = services);
        self
    }

    /// The tiers whose services may depend on services of this one.
    #[must_use]
    pub fn accepts(mut self, tiers: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.building.take("accepts", all::<TierName>(tiers), |tier, tiers| tier.accepts = tiers);
        self
    }

    /// The phase that the tier's services start in.
    #[must_use]
    pub fn phase(mut self, name: &str) -> Self {
        self.building.take("phase", PhaseName::new(name), |tier, name| tier.phase = Some(name));
        self
    }

    /// CPU and memory of services that name none and use no GPU: requests, then limits.
    #[must_use]
    pub fn resources(mut self, requests: AmountsText<'_>, limits: AmountsText<'_>) -> Self {
        self.building.take("resources", resources(requests, limits), |tier, figures| tier.resources = Some(figures));
        self
    }
}

/// Builds a [`Service`].
#[derive(Debug, Clone)]
pub struct ServiceBuilder {
    building: Building<Service>,
}

impl ServiceBuilder {
    /// What it was called before, so that its objects move.
    #[must_use]
    pub fn was(mut self, name: &str) -> Self {
        self.building.take("was", ServiceName::new(name), |service, name| service.was = Some(name));
        self
    }

    /// What the service is for, in a few words.
    #[must_use]
    pub fn purpose(mut self, text: &str) -> Self {
        self.building.set(|service| service.purpose = Some(text.to_owned()));
        self
    }

    /// How many pods run.
    #[must_use]
    pub fn replicas(mut self, count: impl Into<i64>) -> Self {
        self.building.take("replicas", Replicas::new(count), |service, count| service.replicas = count);
        self
    }

    /// How many GPUs each pod needs.
    #[must_use]
    pub fn gpu(mut self, count: impl Into<i64>) -> Self {
        self.building.take("gpu", GpuCount::new(count), |service, count| service.gpu = count);
        self
    }

    /// Who goes first when nodes are short.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.building.set(|service| service.priority = Some(priority));
        self
    }

    /// Whether the service is critical, whatever its tier says.
    #[must_use]
    pub fn critical(mut self, critical: bool) -> Self {
        self.building.set(|service| service.critical = Some(critical));
        self
    }

    /// How its pods are exchanged for those of a new template.
    ///
    /// ```
    /// use strata_components::model::{BlueGreen, Rollout, Stack};
    ///
    /// let half_an_hour = BlueGreen { hold: "30m".parse()?, ..BlueGreen::default() };
    /// let stack = Stack::builder("shop", "shop")
    ///     .health_port("+100")
    ///     .tier("all", "9000-9009", |tier| tier)
    ///     .service("cart", "all", 9000, |cart| cart.replicas(3).rollout(Rollout::BlueGreen(half_an_hour)))
    ///     .build()?;
    /// # let environment = serde_json::from_value(serde_json::json!({"environment": "dev",
    /// #     "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
    /// #     "image": {"registry": "registry.example/shop", "tag": "1.0.0"}}))?;
    /// let desired = strata_components::compose::compose(&stack, &environment, "local", None)?;
    /// assert_eq!(desired.blue_green["cart"], half_an_hour);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rollout(mut self, rollout: Rollout) -> Self {
        self.building.set(|service| service.rollout = Some(rollout));
        self
    }

    /// The services that must be ready before this one starts.
    #[must_use]
    pub fn depends_on(mut self, services: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let services = all::<ServiceRef>(services);
        self.building.take("depends_on", services, |service, services| service.depends_on = services);
        self
    }

    /// Waits for a Service that the stack does not bring until one of its endpoints is ready, before anything of the
    /// service is applied; for `within`, such as `5m`, where that is given.
    #[must_use]
    pub fn needs_service(mut self, namespace: &str, name: &str, within: Option<&str>) -> Self {
        let needed = OutsideName::new(namespace).and_then(|namespace| {
            Ok(NeededService { namespace, name: OutsideName::new(name)?, within: limit(within)? })
        });
        self.need("needs.services", needed, |needs, needed| needs.services.push(needed));
        self
    }

    /// Waits for a CustomResourceDefinition such as `certificates.cert-manager.io` until it is established.
    #[must_use]
    pub fn needs_definition(mut self, name: &str, within: Option<&str>) -> Self {
        let needed = DefinitionName::new(name).and_then(|name| Ok(NeededDefinition { name, within: limit(within)? }));
        self.need("needs.definitions", needed, |needs, needed| needs.definitions.push(needed));
        self
    }

    /// Waits for this many nodes with a label (`key=value`, or `key` for any value) that are ready and take pods.
    #[must_use]
    pub fn needs_nodes(mut self, label: &str, count: impl Into<i64>, within: Option<&str>) -> Self {
        let count = NodeCount::new(count).map_err(|error| error.to_string());
        let label = NodeLabel::new(label).map_err(|error| error.to_string());
        let within = self::limit(within).map_err(|error| error.to_string());
        let needed = label.and_then(|label| Ok(NeededNodes { label, count: count?, within: within? }));
        self.need("needs.nodes", needed, |needs, needed| needs.nodes.push(needed));
        self
    }

    fn need<V, E: Display>(&mut self, field: &str, needed: Result<V, E>, put: impl FnOnce(&mut Needs, V)) {
        self.building.take(field, needed, |service, needed| put(service.needs.get_or_insert_default(), needed));
    }

    /// What it connects to outside the fleet: `internet:443`, `203.0.113.0/24:5432`, `kube-api`.
    #[must_use]
    pub fn egress(mut self, ways: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.building.take("egress", all::<Egress>(ways), |service, ways| service.egress = ways);
        self
    }

    /// The phase it starts in, where the dependencies alone would let it start earlier.
    #[must_use]
    pub fn phase(mut self, name: &str) -> Self {
        self.building.take("phase", PhaseName::new(name), |service, name| service.phase = Some(name));
        self
    }

    /// Where it serves health and metrics: `+100` or `same`.
    #[must_use]
    pub fn health_port(mut self, rule: &str) -> Self {
        self.building.take("health_port", rule.parse::<HealthPort>(), |service, rule| service.health_port = Some(rule));
        self
    }

    /// How long it may take to answer for the first time, such as `5m`.
    #[must_use]
    pub fn startup_limit(mut self, limit: &str) -> Self {
        let limit = limit.parse::<Duration>();
        self.building.take("startup_limit", limit, |service, limit| service.startup_limit = Some(limit));
        self
    }

    /// How long its pods are waited for until they are ready, such as `15m`.
    #[must_use]
    pub fn ready_within(mut self, limit: &str) -> Self {
        let limit = limit.parse::<Duration>();
        self.building.take("ready_within", limit, |service, limit| service.ready_within = Some(limit));
        self
    }

    /// Its image, where that is not the environment's.
    #[must_use]
    pub fn image(mut self, reference: &str) -> Self {
        let reference = ImageReference::new(reference);
        self.building.take("image", reference, |service, reference| service.image = Some(reference));
        self
    }

    /// Adds an environment variable of its container.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.building.take("env", EnvName::new(name), |service, name| {
            service.env.insert(name, value.to_owned());
        });
        self
    }

    /// An environment variable whose value is an output: `cache_url` of this stack, `platform.cache_url` of another.
    #[must_use]
    pub fn env_from(mut self, name: &str, output: &str) -> Self {
        let name = EnvName::new(name).map_err(|error| error.to_string());
        let entry = name.and_then(|name| Ok((name, OutputRef::new(output).map_err(|error| error.to_string())?)));
        self.building.take("env_from", entry, |service, entry| service.env_from.extend([entry]));
        self
    }

    /// CPU and memory of each pod: requests, then limits.
    #[must_use]
    pub fn resources(mut self, requests: AmountsText<'_>, limits: AmountsText<'_>) -> Self {
        let figures = resources(requests, limits);
        self.building.take("resources", figures, |service, figures| service.resources = Some(figures));
        self
    }

    /// How far it grows by itself, and the use of CPU and memory to steer towards, in percent of what it requests.
    #[must_use]
    pub fn autoscale(mut self, pods: RangeInclusive<i64>, cpu: Option<u32>, memory: Option<u32>) -> Self {
        let share = |share: Option<u32>| share.map(Percent::new).transpose();
        let autoscale = Replicas::new(*pods.start()).and_then(|min| {
            Ok(Autoscale { min, max: Replicas::new(*pods.end())?, cpu: share(cpu)?, memory: share(memory)? })
        });
        self.building.take("autoscale", autoscale, |service, autoscale| service.autoscale = Some(autoscale));
        self
    }

    /// The share of time in which it answers, such as `99.95%`, in environments that promise one.
    #[must_use]
    pub fn availability(mut self, share: &str) -> Self {
        self.building.take("availability", share.parse::<Availability>(), |service, share| {
            service.availability = Some(share);
        });
        self
    }

    /// Says that it keeps sessions, so that a client has to come back to the same pod.
    #[must_use]
    pub fn sessions(mut self) -> Self {
        self.building.set(|service| service.sessions = true);
        self
    }

    /// When callers stop calling it until it has recovered.
    #[must_use]
    pub fn circuit_breaker(mut self, breaker: BreakerFigures<'_>) -> Self {
        self.building.take("circuit_breaker", breaker.read(), |service, breaker| {
            service.circuit_breaker = Some(breaker);
        });
        self
    }

    /// How many requests each of its pods answers, and in which time, such as `1s`.
    #[must_use]
    pub fn rate_limit(mut self, requests: impl Into<i64>, per: &str) -> Self {
        let requests = CallCount::new(requests).map_err(|error| error.to_string());
        let per = per.parse::<Duration>().map_err(|error| error.to_string());
        let limit = requests.and_then(|requests| Ok(RateLimit { requests, per: per? }));
        self.building.take("rate_limit", limit, |service, limit| service.rate_limit = Some(limit));
        self
    }

    /// Makes it the service that takes traffic from outside, below a path such as `/`.
    #[must_use]
    pub fn gateway(mut self, path: &str) -> Self {
        self.building.take("gateway.path", UrlPath::new(path), |service, path| {
            service.gateway = Some(Gateway { path });
        });
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[test]
    fn everything_that_does_not_fit_is_named() {
        let error = Stack::builder("Shop", "shop")
            .health_port("+0")
            .tier("front", "9009-9000", |tier| tier.phase("A").depends_on(["cart"]))
            .service("cart", "front", 9000, |service| {
                service
                    .replicas(0)
                    .env("1", "x")
                    .autoscale(0..=3, Some(70), None)
                    .availability("98%")
                    .needs_service("data", "Postgres", None)
                    .needs_nodes("gpu=true", 0, None)
            })
            .build()
            .unwrap_err();
        assert_eq!(error.stack, "Shop");
        assert_eq!(
            error.problems,
            [
                "stack: `Shop` is no stack name: expected lower-case letters and digits, words joined by `-`, a letter \
                 first, at most 63 characters",
                "health_port: `+0` is no health port: expected `same`, a distance in quotes such as \"+100\", or a port \
                 from 1024 to 65535",
                "tiers.front.ports: `9009-9000` is no port range: expected two ports joined by `-`, the lower first, \
                 such as `9000-9019`",
                "tiers.front.phase: `A` is no phase name: expected lower-case letters and digits, words joined by `-`, \
                 a letter first, at most 63 characters",
                "services.cart.replicas: 0 is no replica count: expected a whole number from 1 to 1000",
                "services.cart.env: `1` is no environment variable name: expected letters, digits and `_`, no digit \
                 first, at most 128 characters",
                "services.cart.autoscale: 0 is no replica count: expected a whole number from 1 to 1000",
                "services.cart.availability: `98%` is no availability: expected a share of time from 99% to 99.999%, such \
                 as `99.9%`",
                "services.cart.needs.services: `Postgres` is no name of something outside the stack: expected lower-case \
                 letters, digits and `-`, a letter or digit first and last, at most 63 characters",
                "services.cart.needs.nodes: 0 is no node count: expected a whole number from 1 to 1000",
            ]
        );
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let error = Stack::builder("shop", "shop")
            .tier("front", "9000-9009", |tier| tier)
            .tier("front", "9010-9019", |tier| tier)
            .service("cart", "front", 9000, |service| service)
            .service("cart", "front", 9001, |service| service)
            .build()
            .unwrap_err();
        assert_eq!(
            error.problems,
            [
                "tiers.front: the stack has two tiers of this name",
                "services.cart: the stack has two services of this name"
            ]
        );
    }

    #[test]
    fn a_built_stack_is_the_stack_of_a_file() {
        let built = Stack::builder("shop", "shop-servers")
            .description("A shop")
            .health_port("+100")
            .port_offset("staging", 100)
            .phases(["first", "second"])
            .resources(("0.5", "1024Mi"), ("1000m", "2Gi"))
            .tier("front", "9000-9009", |tier| tier.title("Front").priority(Priority::High).critical())
            .service("cart", "front", 9000, |service| service.replicas(2).gpu(1).startup_limit("2m").gateway("/"))
            .service("web", "front", 9001, |service| {
                service.depends_on(["cart"]).phase("second").env("A", "b").autoscale(2..=4, Some(70), None)
            })
            .service("mail", "front", 9002, |service| {
                service
                    .needs_service("data", "postgres", Some("5m"))
                    .needs_definition("queues.example.com", None)
                    .needs_nodes("gpu=true", 2, None)
            })
            .build()
            .unwrap();
        let decoded: Stack = serde_json::from_value(serde_json::json!({
            "stack": "shop", "namespace": "shop-servers", "description": "A shop", "health_port": "+100",
            "port_offsets": {"staging": 100}, "phases": ["first", "second"],
            "resources": {"requests": {"cpu": 0.5, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "2Gi"}},
            "tiers": {"front": {"ports": "9000-9009", "title": "Front", "priority": "high", "critical": true}},
            "services": {
                "cart": {
                    "tier": "front", "port": 9000, "replicas": 2, "gpu": 1, "startup_limit": "120s",
                    "gateway": {"path": "/"},
                },
                "web": {
                    "tier": "front", "port": 9001, "depends_on": ["cart"], "phase": "second", "env": {"A": "b"},
                    "autoscale": {"min": 2, "max": 4, "cpu": 70},
                },
                "mail": {
                    "tier": "front", "port": 9002,
                    "needs": {
                        "services": [{"namespace": "data", "name": "postgres", "within": "300s"}],
                        "definitions": [{"name": "queues.example.com"}],
                        "nodes": [{"label": "gpu=true", "count": 2}],
                    },
                },
            },
        }))
        .unwrap();
        assert_eq!(built, decoded);
    }
}
