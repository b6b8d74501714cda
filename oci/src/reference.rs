//! References to artifacts, `registry/path:tag` and `registry/path@digest`, checked once.
//! No shorthand: a name without registry or without tag means different things to different programs.

use morph_grant::Digest;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest tag, in bytes (OCI distribution specification).
const TAG_BYTES_MAX: usize = 128;

/// Longest registry and path together, in bytes: what common registries take.
const NAME_BYTES_MAX: usize = 255;

/// A registry and a path in it; both checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

/// An artifact named by tag, by digest, or by both (the digest decides then).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// An artifact named by the digest of its manifest: it can't move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedImage {
    /// Where it is.
    pub repository: Repository,
    /// Digest of its manifest (never of an index).
    pub digest: Digest,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\": {problem}")]
pub struct ReferenceError {
    text: String,
    problem: &'static str,
}

impl Repository {
    /// The registry as it was written: a host, with a port where it isn't the usual one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path of the repository in the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Reference {
    /// Where the artifact is.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Its tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Its digest, of a manifest or of an index.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// This artifact, pinned.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> PinnedImage {
        PinnedImage { repository: self.repository.clone(), digest }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text)
            .map_err(|problem| ReferenceError { text: text.chars().take(NAME_BYTES_MAX).collect(), problem })
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if text.contains("://") {
        return Err("a reference has no scheme; leave it out");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            let digest = digest.parse().map_err(
                |_| "the digest after @ must be sha256: followed by 64 lower-case hexadecimal digits",
            )?;
            (rest, Some(digest))
        }
        None => (text, None),
    };
    let (registry, rest) = rest.split_once('/').filter(|(host, _)| is_registry_like(host)).ok_or(
        "the registry is missing; write registry/path:tag, where the registry is a host name with a dot, \
             one with a port, or localhost",
    )?;
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    check_registry(registry)?;
    check_path(path)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    if registry.len() + path.len() > NAME_BYTES_MAX {
        return Err("registry and path together have more than 255 characters");
    }
    if tag.is_none() && digest.is_none() {
        return Err("there is neither a tag nor a digest; append :tag or @sha256:…");
    }
    let repository = Repository { registry: registry.to_owned(), path: path.to_owned() };
    Ok(Reference { repository, tag: tag.map(str::to_owned), digest })
}

fn is_registry_like(host: &str) -> bool {
    host == "localhost" || host.contains(['.', ':', '['])
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, port) =
                rest.split_once(']').ok_or("the registry's IPv6 address has no closing ]")?;
            let address: Ipv6Addr =
                address.parse().map_err(|_| "the registry between [ and ] is not an IPv6 address")?;
            if rest != format!("{address}]{port}") {
                return Err("the registry's IPv6 address is not in its shortest form");
            }
            return match port.strip_prefix(':') {
                Some(port) => check_port(port),
                None if port.is_empty() => Ok(()),
                None => Err("after the registry's IPv6 address comes a port or nothing"),
            };
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (registry, None),
        },
    };
    check_host(host)?;
    port.map_or(Ok(()), check_port)
}

fn check_port(port: &str) -> Result<(), &'static str> {
    let fits = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    if fits { Ok(()) } else { Err("the registry's port must be a number from 1 to 65535") }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !host.split('.').all(label_fits) {
        return Err(
            "the registry's host name must be labels of lower-case letters, digits and -, joined by dots",
        );
    }
    // Other spellings of addresses (0x7f000001, 127.1) are read differently by different programs.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("the registry looks like an address, but is not an IPv4 address of four decimal numbers");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let part_fits = |part: &str| {
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        part.as_bytes().first().is_some_and(alphanumeric)
            && part.as_bytes().last().is_some_and(alphanumeric)
            && separators
                .filter(|s| !s.is_empty())
                .all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
    };
    if path.split('/').all(part_fits) {
        Ok(())
    } else {
        Err("the path must be parts of lower-case letters and digits, joined by /, with . _ or - inside")
    }
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let fits = tag.len() <= TAG_BYTES_MAX
        && tag.as_bytes().first().is_some_and(word)
        && tag.bytes().all(|b| word(&b) || b == b'.' || b == b'-');
    if fits {
        Ok(())
    } else {
        Err("the tag must be at most 128 letters, digits, _ . or -, and start with a letter, a digit or _")
    }
}

impl FromStr for PinnedImage {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let reference: Reference = text.parse()?;
        let problem = "there is no digest; append @sha256:…";
        let digest = reference.digest.ok_or_else(|| ReferenceError { text: text.to_owned(), problem })?;
        Ok(Self { repository: reference.repository, digest })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl fmt::Display for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests;
