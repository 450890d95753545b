//! PeerAuthentication: where mutual TLS is demanded of callers, and where there is none
//! (<https://istio.io/latest/docs/reference/config/security/peer_authentication/>).

use serde_json::Value;

use super::super::ports::{PortSet, Protocol};
use super::super::selector::Selector;
use super::pods_of;

/// A PeerAuthentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// Which, for people: `PeerAuthentication shop/default`.
    pub name: String,
    pub(super) namespace: String,
    /// The pods it is for; nothing for all of its namespace.
    pub(super) pods: Option<Selector>,
    /// What holds on every port; nothing where that is left to a wider one.
    mode: Option<Mode>,
    /// The same for single ports.
    ports: Vec<(u16, Mode)>,
}

/// How pods are to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// With mutual TLS.
    Strict,
    /// With it or in the clear.
    Permissive,
    /// In the clear.
    Disable,
}

impl Mode {
    fn read(tls: Option<&Value>) -> Option<Self> {
        match tls?.get("mode")?.as_str()? {
            "STRICT" => Some(Self::Strict),
            "PERMISSIVE" => Some(Self::Permissive),
            "DISABLE" => Some(Self::Disable),
            _ => None,
        }
    }
}

/// The PeerAuthentications that have a say for some pods, the first of each width.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Chosen<'a> {
    /// The one that selects them.
    pub(super) own: Option<&'a Authentication>,
    /// The one of their whole namespace.
    pub(super) namespace: Option<&'a Authentication>,
    /// The one of the whole mesh.
    pub(super) mesh: Option<&'a Authentication>,
}

/// How pods are called, port by port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Transport {
    /// The ports on which mutual TLS is demanded.
    pub(super) strict: PortSet,
    /// The ports that are called in the clear even by pods of the mesh, which then show no identity.
    pub(super) plain: PortSet,
}

impl Authentication {
    pub(in super::super) fn read(name: String, namespace: String, spec: &Value) -> Self {
        let ports = spec.get("portLevelMtls").and_then(Value::as_object).into_iter().flatten();
        let port = |(port, tls): (&String, &Value)| Some((port.parse().ok()?, Mode::read(Some(tls))?));
        Self {
            name,
            namespace,
            pods: pods_of(spec),
            mode: Mode::read(spec.get("mtls")),
            ports: ports.filter_map(port).collect(),
        }
    }
}

impl Chosen<'_> {
    /// What they are called, the narrowest first.
    pub(super) fn names(&self) -> Vec<String> {
        [self.own, self.namespace, self.mesh].into_iter().flatten().map(|one| one.name.clone()).collect()
    }

    /// The narrowest object that says something holds; single ports are only heard of from one that selects pods.
    pub(super) fn transport(&self) -> Transport {
        let wider = [self.own, self.namespace, self.mesh];
        let whole = wider.into_iter().flatten().find_map(|one| one.mode).unwrap_or(Mode::Permissive);
        let mut transport = Transport::default();
        transport.set(&PortSet::whole(Protocol::Tcp), whole);
        for (port, mode) in self.own.into_iter().flat_map(|one| &one.ports) {
            transport.set(&PortSet::of(Protocol::Tcp, *port, *port), *mode);
        }
        transport
    }
}

impl Transport {
    fn set(&mut self, ports: &PortSet, mode: Mode) {
        for (set, of) in [(&mut self.strict, Mode::Strict), (&mut self.plain, Mode::Disable)] {
            if mode == of { set.extend(ports) } else { *set = set.without(ports) }
        }
    }
}
