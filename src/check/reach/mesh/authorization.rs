//! AuthorizationPolicy: whom pods answer, by identity and port
//! (<https://istio.io/latest/docs/reference/config/security/authorization-policy/>).
//!
//! Rules about requests (methods, paths, conditions) are not evaluated: what depends on them is possible, and never
//! certain.

use serde::Deserialize;
use serde_json::Value;

use super::super::ports::{PortSet, Protocol};
use super::super::selector::Selector;
use super::pods_of;

/// The trust domain in principals, which Istio takes for the mesh's own, whatever that is called.
const TRUST_DOMAIN: &str = "cluster.local";

/// An AuthorizationPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Which, for people: `AuthorizationPolicy shop/cart-mcp`.
    pub name: String,
    pub(super) namespace: String,
    /// The pods it is for; nothing for all of its namespace.
    pub(super) pods: Option<Selector>,
    /// Whether it denies what it names, and does not allow it.
    pub(super) denies: bool,
    rules: Vec<Access>,
}

/// A rule of an AuthorizationPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    /// Who calls; nothing for anybody.
    sources: Option<Vec<Source>>,
    /// The ports that are called.
    ports: PortSet,
    /// Whether nothing beside them is asked of the call.
    plain: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    principals: Vec<String>,
    not_principals: Vec<String>,
    namespaces: Vec<String>,
    not_namespaces: Vec<String>,
    /// What is not evaluated.
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Operation {
    ports: Vec<String>,
    not_ports: Vec<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Whether something holds, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    No,
    Perhaps,
    Yes,
}

impl Holds {
    const fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Who calls, as the mesh knows callers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The namespace of the pods.
    pub namespace: String,
    /// Their ServiceAccount; nothing where that may be any of the namespace.
    pub account: Option<String>,
}

impl Identity {
    /// The identity that a principal of a policy names, where it names a single one.
    fn named(principal: &str) -> Option<Self> {
        let (namespace, account) = principal.strip_prefix(TRUST_DOMAIN)?.strip_prefix("/ns/")?.split_once("/sa/")?;
        let plain = |text: &str| !text.is_empty() && !text.contains(['/', '*']);
        (plain(namespace) && plain(account))
            .then(|| Self { namespace: namespace.to_owned(), account: Some(account.to_owned()) })
    }

    /// Whether a pattern of principals fits: a whole one, or the beginning or the end of one.
    fn is(&self, pattern: &str) -> Holds {
        let domain = format!("{TRUST_DOMAIN}/ns/{}/sa/", self.namespace);
        let Some(account) = &self.account else { return Self::some_of(&domain, pattern) };
        Holds::when(fits(pattern, &(domain + account)))
    }

    /// Whether a pattern fits the principals of all accounts, of some, or of none that begin so.
    fn some_of(domain: &str, pattern: &str) -> Holds {
        let some = |possible: bool| if possible { Holds::Perhaps } else { Holds::No };
        match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(""), _) => Holds::Yes,
            // No account has a `/` in its name.
            (Some(end), _) => some(match end.rsplit_once('/') {
                Some((before, account)) => !account.is_empty() && domain.ends_with(&format!("{before}/")),
                None => true,
            }),
            (_, Some(beginning)) if domain.starts_with(beginning) => Holds::Yes,
            (_, Some(beginning)) => some(beginning.starts_with(domain)),
            _ => some(pattern.strip_prefix(domain).is_some_and(|account| !account.is_empty())),
        }
    }
}

/// Whether a pattern of Istio fits a text.
fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => !text.is_empty(),
        (Some(end), _) => text.ends_with(end),
        (_, Some(beginning)) => text.starts_with(beginning),
        _ => pattern == text,
    }
}

impl Source {
    fn fits(&self, caller: Option<&Identity>) -> Holds {
        let principal = |patterns: &[String]| {
            let known = patterns.iter().filter_map(|pattern| Some(caller?.is(pattern)));
            known.max().unwrap_or(Holds::No)
        };
        let namespace = |patterns: &[String]| {
            let named = caller.is_some_and(|caller| patterns.iter().any(|pattern| fits(pattern, &caller.namespace)));
            Holds::when(named)
        };
        let wanted = |given: &[String], found: Holds| if given.is_empty() { Holds::Yes } else { found };
        let wanted = wanted(&self.principals, principal(&self.principals))
            .min(wanted(&self.namespaces, namespace(&self.namespaces)));
        let holds = match principal(&self.not_principals).max(namespace(&self.not_namespaces)) {
            Holds::Yes => Holds::No,
            Holds::Perhaps => wanted.min(Holds::Perhaps),
            Holds::No => wanted,
        };
        if self.rest.is_empty() { holds } else { holds.min(Holds::Perhaps) }
    }

    /// The principals that it names one by one; nothing where it fits others too.
    fn named(&self) -> Option<Vec<Identity>> {
        let names = !self.principals.is_empty();
        names.then(|| self.principals.iter().map(|principal| Identity::named(principal)).collect())?
    }
}

impl Access {
    /// One for each operation of a rule: any of them will do.
    fn read(rule: &Value) -> Vec<Self> {
        let list = |key: &str| rule.get(key).and_then(Value::as_array).filter(|list| !list.is_empty());
        let sources = list("from").map(|from| {
            let source = |one: &Value| one.get("source").and_then(|source| Source::deserialize(source).ok());
            from.iter().map(|one| source(one).unwrap_or_default()).collect::<Vec<_>>()
        });
        let conditional = list("when").is_some();
        let whole = || PortSet::whole(Protocol::Tcp);
        let Some(operations) = list("to") else {
            return vec![Self { sources, ports: whole(), plain: !conditional }];
        };
        let access = |one: &Value| {
            let operation = one.get("operation").and_then(|one| Operation::deserialize(one).ok()).unwrap_or_default();
            let set = |ports: &[String]| {
                let mut set = PortSet::default();
                ports
                    .iter()
                    .filter_map(|port| port.parse().ok())
                    .for_each(|port| set.insert(Protocol::Tcp, port, port));
                set
            };
            let named = if operation.ports.is_empty() { whole() } else { set(&operation.ports) };
            let ports = named.without(&set(&operation.not_ports));
            Self { sources: sources.clone(), ports, plain: !conditional && operation.rest.is_empty() }
        };
        operations.iter().map(access).collect()
    }

    fn fits(&self, caller: Option<&Identity>) -> Holds {
        let source = match &self.sources {
            None => Holds::Yes,
            Some(sources) => sources.iter().map(|source| source.fits(caller)).max().unwrap_or(Holds::No),
        };
        if self.plain { source } else { source.min(Holds::Perhaps) }
    }
}

impl Authorization {
    pub(in super::super) fn read(name: String, namespace: String, spec: &Value) -> Option<Self> {
        let denies = match spec.get("action").and_then(Value::as_str) {
            None | Some("ALLOW") => false,
            Some("DENY") => true,
            // An audit decides nothing, and what a custom provider says is not known: it can only refuse more.
            Some(_) => return None,
        };
        // What is bound to a gateway or a waypoint is not for the pods.
        if spec.get("targetRefs").or_else(|| spec.get("targetRef")).is_some() {
            return None;
        }
        let rules = spec.get("rules").and_then(Value::as_array).into_iter().flatten().flat_map(Access::read);
        Some(Self { name, namespace, pods: pods_of(spec), denies, rules: rules.collect() })
    }

    /// The ports that its rules name for a caller, at least so surely.
    pub(super) fn names(&self, caller: Option<&Identity>, least: Holds) -> PortSet {
        let mut ports = PortSet::default();
        let rules = self.rules.iter().filter(|rule| rule.fits(caller) >= least);
        rules.for_each(|rule| ports.extend(&rule.ports));
        ports
    }

    /// The identities that its rules name; nothing where a rule with sources fits others than those too.
    pub(super) fn callers(&self) -> Option<Vec<Identity>> {
        let sources = self.rules.iter().filter_map(|rule| rule.sources.as_ref()).flatten();
        let lists: Option<Vec<Vec<Identity>>> = sources.map(Source::named).collect();
        Some(lists?.concat())
    }
}
