//! Which addresses and hosts the registry client may go to. The client must not become a proxy into a
//! cluster, so that what isn't public must be listed. Decisions only; who looks names up asks here.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Networks that may be reached though they aren't public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 networks that are not the public internet (IANA's special-purpose registry), and the address at
/// which one cloud answers its machines with their metadata outside all of them.
const NOT_PUBLIC_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The only IPv6 network from which public addresses are given out …
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// … and what in it is not public: protocol assignments (Teredo among them), documentation, 6to4.
const NOT_PUBLIC_V6: [Ipv6Net; 4] =
    [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// The public internet: networks, and what in each of them is not public.
#[must_use]
pub fn public_networks() -> [(IpNet, Vec<IpNet>); 2] {
    [
        (IpNet::V4(v4(0, 0, 0, 0, 0)), NOT_PUBLIC_V4.map(IpNet::V4).to_vec()),
        (IpNet::V6(GLOBAL_V6), NOT_PUBLIC_V6.map(IpNet::V6).to_vec()),
    ]
}

impl AddressPolicy {
    /// Public addresses, and those in `allowed`.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether a connection may be made to `address`. An IPv4 address in IPv6's mapped form is taken for
    /// what it is.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// Whether a host is this machine by its very name or address.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A host that a registry may send the client on to: `host`, `host:port`, `*.suffix` or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(String);

/// Why a text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" names no host; write host, host:port, *.suffix, or * for every host")]
pub struct HostPatternError(String);

impl HostPattern {
    /// Whether `host` (at `port`, if it isn't the scheme's own) is meant.
    #[must_use]
    pub fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let authority = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        match self.0.strip_prefix('*') {
            Some("") => true,
            Some(suffix) => authority.len() > suffix.len() && authority.ends_with(suffix),
            None => self.0 == authority,
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let rest = match text.strip_prefix('*') {
            Some("") => return Ok(Self(text.to_owned())),
            Some(suffix) => suffix.strip_prefix('.').unwrap_or_default(),
            None => text,
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
        if rest.is_empty() || rest.starts_with('.') || !rest.chars().all(plain) {
            return Err(HostPatternError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
