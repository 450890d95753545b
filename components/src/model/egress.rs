//! What a service may connect to outside the fleet: the internet, a range of addresses, or the Kubernetes API. What
//! is not declared stays closed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::port::Port;
use super::text::TextError;

/// A range of addresses and a TCP port there, written `203.0.113.0/24:5432` or `[2001:db8::/32]:443`.
///
/// Loopback and link-local addresses, where clouds serve the credentials of a machine, are never part of one.
///
/// ```
/// use strata_components::model::AddressRange;
/// let range: AddressRange = "203.0.113.0/24:5432".parse()?;
/// assert_eq!((range.cidr().as_str(), range.port().get()), ("203.0.113.0/24", 5432));
/// assert!("169.254.169.254/32:80".parse::<AddressRange>().is_err());
/// # Ok::<(), strata_components::model::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
    port: Port,
}

impl AddressRange {
    /// The regular expression of a range, as its JSON Schema has it. It does not say that the numbers of an address
    /// are in bounds, nor that the address is the first of the range.
    pub const PATTERN: &'static str =
        r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}|\[[0-9a-f:]{2,39}/[0-9]{1,3}\]):[1-9][0-9]{0,4}$";

    /// The addresses in the notation of CIDR, such as `203.0.113.0/24`.
    #[must_use]
    pub fn cidr(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> Port {
        self.port
    }

    /// Whether an address lies in this range.
    fn holds(&self, address: IpAddr) -> bool {
        first(address, self.prefix) == Some(self.address)
    }
}

/// The first address of the range of `prefix` bits that an address lies in; nothing where it has fewer bits.
fn first(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(Ipv4Addr::from(u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(Ipv6Addr::from(u128::from(address) & mask).into())
        }
    }
}

/// Whether an address leads no further than the machine or its link.
fn near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}

fn range(text: &str) -> Option<AddressRange> {
    let (cidr, port) = text.rsplit_once(':')?;
    let bracketed = cidr.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let (address, prefix) = bracketed.unwrap_or(cidr).split_once('/')?;
    let address: IpAddr = address.parse().ok().filter(|address: &IpAddr| address.is_ipv6() == bracketed.is_some())?;
    let prefix = number(prefix)?;
    let whole = first(address, prefix)? == address;
    (whole && !near(address)).then_some(AddressRange { address, prefix, port: port_of(port)? })
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain && (text == "0" || !text.starts_with('0')))
}

fn port_of(text: &str) -> Option<Port> {
    number::<i64>(text).and_then(|port| Port::new(port).ok())
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(_) => write!(f, "{}:{}", self.cidr(), self.port),
            IpAddr::V6(_) => write!(f, "[{}]:{}", self.cidr(), self.port),
        }
    }
}

/// A way out of the fleet that a service declares: `internet:443`, a range of addresses such as
/// `203.0.113.0/24:5432`, or `kube-api`.
///
/// ```
/// use strata_components::model::Egress;
/// assert!(matches!("internet:443".parse()?, Egress::Internet(port) if port.get() == 443));
/// assert_eq!("kube-api".parse::<Egress>()?, Egress::KubeApi);
/// # Ok::<(), strata_components::model::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Egress {
    /// Every public address, on this port.
    Internet(Port),
    /// These addresses, private ones too if they are named.
    Range(AddressRange),
    /// The Kubernetes API server, at the addresses that the environment states.
    KubeApi,
}

impl Egress {
    /// The regular expression of a way out, as its JSON Schema has it.
    pub const PATTERN: &'static str = r"^(kube-api|internet:[1-9][0-9]{0,4}|([0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}|\[[0-9a-f:]{2,39}/[0-9]{1,3}\]):[1-9][0-9]{0,4})$";
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(port) => write!(f, "internet:{port}"),
            Self::Range(range) => range.fmt(f),
            Self::KubeApi => f.write_str("kube-api"),
        }
    }
}

impl FromStr for AddressRange {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        range(text).ok_or_else(|| TextError {
            found: text.to_owned(),
            what: "address range",
            expected: "the first address of a range, its prefix and a port, such as `203.0.113.0/24:443` or \
                       `[2001:db8::/32]:443`, and no loopback or link-local address",
        })
    }
}

impl FromStr for Egress {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = match text.split_once(':') {
            None if text == "kube-api" => Some(Self::KubeApi),
            Some(("internet", port)) => port_of(port).map(Self::Internet),
            _ => range(text).map(Self::Range),
        };
        found.ok_or_else(|| TextError {
            found: text.to_owned(),
            what: "way out",
            expected: "`internet:PORT`, `kube-api`, or the first address of a range, its prefix and a port, such as \
                       `203.0.113.0/24:443` or `[2001:db8::/32]:443`, and no loopback or link-local address",
        })
    }
}

/// What the two texts share beside their form.
macro_rules! text_forms {
    ($($name:ident: $title:literal, $description:literal;)*) => {$(
        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "pattern": Self::PATTERN, "title": $title, "description": $description,
                })
            }
        }
    )*};
}

text_forms! {
    AddressRange: "address range", "A range of addresses and a port there, such as `203.0.113.0/24:443`.";
    Egress: "way out", "A way out: `internet:443`, a range of addresses such as `203.0.113.0/24:443`, or `kube-api`.";
}

/// Ranges of IPv4 that are no part of the internet, each with the reason (RFC 6890).
const NOT_PUBLIC: [(Ipv4Addr, u8); 11] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),      // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),     // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),  // shared by providers; some clouds serve metadata there
    (Ipv4Addr::new(127, 0, 0, 0), 8),    // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, with the metadata service of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),  // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),   // protocol assignments; some clouds serve metadata there
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),  // benchmarks
    (Ipv4Addr::new(224, 0, 0, 0), 4),    // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),    // reserved, and broadcast
];
/// The same for IPv6, as far as they lie outside the global unicast block.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::LOCALHOST, 128),                       // loopback
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),  // unique local, with the metadata service of some clouds
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), // link-local
];

/// The ranges of public addresses: for IPv4 all with what is left out of them, for IPv6 the global unicast block
/// (RFC 4291, 2.4), which holds no private, link-local or metadata address.
pub(crate) fn public() -> [(String, Vec<String>); 2] {
    let except = NOT_PUBLIC.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
    [("0.0.0.0/0".to_owned(), except), ("2000::/3".to_owned(), Vec::new())]
}

/// What is left out of a declared range: the private, shared, loopback and link-local blocks inside it. A range that
/// is itself private was meant so.
pub(crate) fn left_out(declared: &AddressRange) -> Vec<String> {
    let old = NOT_PUBLIC.iter().map(|(address, prefix)| (IpAddr::from(*address), *prefix));
    let new = NOT_PUBLIC_V6.iter().map(|(address, prefix)| (IpAddr::from(*address), *prefix));
    old.chain(new)
        .filter(|(address, prefix)| declared.prefix < *prefix && declared.holds(*address))
        .map(|(address, prefix)| format!("{address}/{prefix}"))
        .collect()
}
