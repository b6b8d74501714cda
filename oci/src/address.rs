//! Which addresses and hosts the registry client may go to. The client must not become a proxy into a
//! cluster, so that what isn't public must be listed. Decisions only; who looks names up asks here.

use ipnet::IpNet;
use morph_grant::special::is_public;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Networks that may be reached though they aren't public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
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
