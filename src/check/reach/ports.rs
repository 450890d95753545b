//! Ports by protocol.

use std::fmt;

use serde::{Serialize, Serializer};

use super::intervals::Intervals;

/// A protocol that a NetworkPolicy can name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Protocol {
    /// TCP, which is meant where none is named.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP.
    #[serde(rename = "SCTP")]
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The protocol of this name; [TCP](Self::Tcp) where none is given, nothing where the name is unknown.
    #[must_use]
    pub fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// A set of ports of every protocol.
///
/// ```
/// use strata::check::reach::{PortSet, Protocol};
/// let mut ports = PortSet::of(Protocol::Tcp, 9000, 9001);
/// ports.insert(Protocol::Udp, 53, 53);
/// assert_eq!(ports.to_string(), "TCP 9000-9001, UDP 53");
/// assert_eq!(PortSet::all().to_string(), "every port");
/// assert_eq!(PortSet::default().to_string(), "no port");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortSet {
    tcp: Intervals<u16>,
    udp: Intervals<u16>,
    sctp: Intervals<u16>,
}

impl PortSet {
    /// Every port of every protocol.
    #[must_use]
    pub fn all() -> Self {
        Self { tcp: Intervals::all(), udp: Intervals::all(), sctp: Intervals::all() }
    }

    /// The ports from `first` to `last` of a protocol.
    #[must_use]
    pub fn of(protocol: Protocol, first: u16, last: u16) -> Self {
        let mut set = Self::default();
        set.insert(protocol, first, last);
        set
    }

    /// Every port of a protocol.
    #[must_use]
    pub fn whole(protocol: Protocol) -> Self {
        Self::of(protocol, 1, u16::MAX)
    }

    /// The ports of one protocol.
    #[must_use]
    pub fn get(&self, protocol: Protocol) -> &Intervals<u16> {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
            Protocol::Sctp => &self.sctp,
        }
    }

    fn get_mut(&mut self, protocol: Protocol) -> &mut Intervals<u16> {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
            Protocol::Sctp => &mut self.sctp,
        }
    }

    /// Adds the ports from `first` to `last` of a protocol.
    pub fn insert(&mut self, protocol: Protocol, first: u16, last: u16) {
        self.get_mut(protocol).insert(first, last);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        for protocol in Protocol::ALL {
            self.get_mut(protocol).extend(other.get(protocol));
        }
    }

    /// What both hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { tcp: self.tcp.and(&other.tcp), udp: self.udp.and(&other.udp), sctp: self.sctp.and(&other.sctp) }
    }

    /// What it holds and the other does not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.without(&other.tcp),
            udp: self.udp.without(&other.udp),
            sctp: self.sctp.without(&other.sctp),
        }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Protocol::ALL.iter().all(|protocol| self.get(*protocol).is_empty())
    }

    /// Whether it holds every port of every protocol.
    #[must_use]
    pub fn is_all(&self) -> bool {
        Protocol::ALL.iter().all(|protocol| self.get(*protocol).is_all())
    }

    /// Whether it holds a port.
    #[must_use]
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.get(protocol).contains(port)
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("every port");
        }
        let mut parts = Vec::new();
        for protocol in Protocol::ALL {
            let ports = self.get(protocol);
            if ports.is_all() {
                parts.push(format!("every {protocol} port"));
                continue;
            }
            parts.extend(ports.iter().map(|(first, last)| {
                if first == last { format!("{protocol} {first}") } else { format!("{protocol} {first}-{last}") }
            }));
        }
        if parts.is_empty() { f.write_str("no port") } else { f.write_str(&parts.join(", ")) }
    }
}

impl Serialize for PortSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
