//! The other side as a guest spells it, and the patterns that grants have for it. One spelling is kept:
//! lower case, no trailing dot, addresses in their usual form. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name, in bytes, without the trailing dot (RFC 1035).
const NAME_BYTES_MAX: usize = 253;

/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// The other side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// A DNS name in lower case, without trailing dot.
    Name(String),
    /// An address; one of IPv4 that was spelled as IPv6 is one of IPv4.
    Address(IpAddr),
}

/// Why a spelling is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    /// Nothing, or nothing between two dots.
    #[error("empty, or with an empty label")]
    Empty,
    /// Too long.
    #[error("longer than a DNS name")]
    Long,
    /// What no DNS name has.
    #[error("with a character that no DNS name has; write international names as A-labels (xn--…)")]
    Character,
    /// A spelling of an address that other programs take for one.
    #[error("an address in an unusual spelling; write four decimal numbers")]
    Number,
    /// Brackets without an IPv6 address in them.
    #[error("brackets without an IPv6 address")]
    Bracket,
}

impl Host {
    /// Reads a host as it stands in a URI's authority (an IPv6 address in brackets).
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|it| Self::Address(IpAddr::V6(it).to_canonical())).ok_or(Bad::Bracket);
        }
        Self::name(text)
    }

    /// Reads what a guest looks up: as [`Host::parse`], and an IPv6 address without brackets.
    pub(crate) fn parse_lookup(text: &str) -> Result<Self, Bad> {
        match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Self::Address(IpAddr::V6(address).to_canonical())),
            Err(_) => Self::name(text),
        }
    }

    fn name(text: &str) -> Result<Self, Bad> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > NAME_BYTES_MAX {
            return Err(Bad::Long);
        }
        name.split('.').try_for_each(label)?;
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return match text.ends_with('.') {
                true => Err(Bad::Number),
                false => Ok(Self::Address(address.into())),
            };
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        match is_number(last) {
            true => Err(Bad::Number),
            false => Ok(Self::Name(name.to_ascii_lowercase())),
        }
    }
}

fn label(label: &str) -> Result<(), Bad> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match label {
        "" => Err(Bad::Empty),
        _ if label.len() > LABEL_BYTES_MAX => Err(Bad::Long),
        _ if label.starts_with('-') || label.ends_with('-') || !label.bytes().all(inner) => {
            Err(Bad::Character)
        }
        _ => Ok(()),
    }
}

/// Whether a program may take a name with this last label for an address: `127.1`, `0x7f.1`, `2130706433`.
/// No top-level domain is a number.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// In the spelling of a URI's authority.
impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Hosts that a grant names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// This one.
    Exact(Host),
    /// Every name below this one, at any depth; not the name itself, and no address.
    Below(String),
}

impl Pattern {
    /// Reads the host of a grant; `None` for one that stands for nothing: a suffix of one label or of an
    /// address, a host that can't be read.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(suffix) = text.strip_prefix("*.") else {
            return Host::parse(text).ok().map(Self::Exact);
        };
        match Host::parse(suffix) {
            Ok(Host::Name(suffix)) if suffix.contains('.') => Some(Self::Below(suffix)),
            Ok(_) | Err(_) => None,
        }
    }

    pub(crate) fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(granted), host) => granted == host,
            (Self::Below(suffix), Host::Name(name)) => name
                .strip_suffix(suffix)
                .and_then(|front| front.strip_suffix('.'))
                .is_some_and(|front| !front.is_empty()),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests;
