//! Addresses of both families as sets: the blocks of policies with their exceptions, and the ranges that have a
//! meaning of their own.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

use super::intervals::Intervals;

/// A set of IPv4 and IPv6 addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addresses {
    v4: Intervals<u32>,
    v6: Intervals<u128>,
}

/// Ranges that are not for the public: private networks (RFC 1918), carriers' own (RFC 6598), this host and the
/// link (RFC 1122, RFC 3927; the metadata services of clouds are there), unique local and link-local IPv6
/// (RFC 4193, RFC 4291). The pods, Services and nodes of a cluster have addresses of these.
pub const INSIDE: [&str; 9] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

impl Addresses {
    /// Every address.
    #[must_use]
    pub fn all() -> Self {
        Self { v4: Intervals::all(), v6: Intervals::all() }
    }

    /// The addresses of [`INSIDE`].
    #[must_use]
    pub fn inside() -> Self {
        let mut set = Self::default();
        for block in INSIDE.iter().filter_map(|block| Self::block(block)) {
            set.extend(&block);
        }
        set
    }

    /// The addresses of a block, such as `10.0.0.0/8` or `fd00::/8`; nothing where that is no block.
    ///
    /// ```
    /// use strata::check::reach::Addresses;
    /// let block = Addresses::block("10.1.2.3/8").unwrap();
    /// assert!(block.contains("10.255.0.1".parse()?) && !block.contains("11.0.0.1".parse()?));
    /// assert!(Addresses::block("10.0.0.0/33").is_none());
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn block(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let length: u32 = length.parse().ok()?;
        match address.parse().ok()? {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(length).unwrap_or(0);
                let first = u32::from(address) & !host;
                (length <= 32).then(|| Self { v4: Intervals::of(first, first | host), v6: Intervals::default() })
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(length).unwrap_or(0);
                let first = u128::from(address) & !host;
                (length <= 128).then(|| Self { v4: Intervals::default(), v6: Intervals::of(first, first | host) })
            }
        }
    }

    /// Whether it holds an address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(address.into()),
            IpAddr::V6(address) => self.v6.contains(address.into()),
        }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The lowest address.
    #[must_use]
    pub fn first(&self) -> Option<IpAddr> {
        let v4 = self.v4.iter().next().map(|(first, _)| Ipv4Addr::from(first).into());
        v4.or_else(|| self.v6.iter().next().map(|(first, _)| Ipv6Addr::from(first).into()))
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        self.v4.extend(&other.v4);
        self.v6.extend(&other.v6);
    }

    /// What both hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { v4: self.v4.and(&other.v4), v6: self.v6.and(&other.v6) }
    }

    /// Its ranges, IPv4 first, each family in order: `192.0.2.0-192.0.2.255`, or a single address.
    #[must_use]
    pub fn ranges(&self) -> Vec<String> {
        let range = |first: String, last: String| if first == last { first } else { format!("{first}-{last}") };
        let v4 = self.v4.iter().map(|(a, b)| range(Ipv4Addr::from(a).to_string(), Ipv4Addr::from(b).to_string()));
        let v6 = self.v6.iter().map(|(a, b)| range(Ipv6Addr::from(a).to_string(), Ipv6Addr::from(b).to_string()));
        v4.chain(v6).collect()
    }

    /// What it holds and the other does not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { v4: self.v4.without(&other.v4), v6: self.v6.without(&other.v6) }
    }
}

impl fmt::Display for Addresses {
    /// The ranges in order; after three of them, how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v4.is_all() && self.v6.is_all() {
            return f.write_str("every address");
        }
        let ranges = self.ranges();
        match ranges.as_slice() {
            [] => f.write_str("no address"),
            [a, b, c, rest @ ..] if !rest.is_empty() => write!(f, "{a}, {b}, {c} and {} ranges more", rest.len()),
            few => f.write_str(&few.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(block: &str, expect: &str) {
        let found = Addresses::block(block).map_or_else(|| "none".to_owned(), |set| set.to_string());
        assert_eq!(found, expect, "{block}");
    }

    #[test]
    fn blocks() {
        check("0.0.0.0/0", "0.0.0.0-255.255.255.255");
        check("203.0.113.7/32", "203.0.113.7");
        check("203.0.113.7/24", "203.0.113.0-203.0.113.255");
        check("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        check("fd00::1/128", "fd00::1");
        for wrong in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "ten/8", "10.0.0/8", "10.0.0.0/-1"] {
            check(wrong, "none");
        }
    }

    #[test]
    fn a_block_without_its_exceptions() {
        let all = Addresses::block("0.0.0.0/0").unwrap_or_default();
        let public = all.without(&Addresses::inside());
        let holds = |text: &str| text.parse().is_ok_and(|address| public.contains(address));
        assert!(holds("8.8.8.8") && holds("172.15.255.255") && holds("172.32.0.0"));
        assert!(!holds("10.0.0.1") && !holds("169.254.169.254") && !holds("172.31.255.255"));
        assert!(public.and(&Addresses::inside()).is_empty());
        assert_eq!(Addresses::all().to_string(), "every address");
        assert_eq!(Addresses::default().to_string(), "no address");
        assert_eq!(
            public.to_string(),
            "0.0.0.0-9.255.255.255, 11.0.0.0-100.63.255.255, 100.128.0.0-126.255.255.255 and 4 ranges more"
        );
    }
}
