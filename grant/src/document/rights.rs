//! Whether what a component is granted can be meant: each word in its shape, each file with a mount to come
//! from. What the schema of Morphs refuses as well is refused again here, since a shim reads no schema.

use super::{Component, Document, DocumentError, MountUse, VolumeKind, check_unique};
use crate::{ConfigEntry, ConnectRule, Credential, Grants, HttpGrant, HttpRule, HttpScheme, Peer};
use core::net::{Ipv4Addr, Ipv6Addr};
use ipnet::IpNet;

/// Longest name of a file in the mount of [`MountUse::Files`], in characters.
const FILE_NAME_CHARS_MAX: usize = 63;

/// Longest DNS name, in characters (RFC 1035), and longest label of one.
const NAME_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 63;

/// Methods that a rule may name. CONNECT and TRACE are never sent.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Ends of the names of hosts of the cluster.
const CLUSTER_SUFFIXES: [&str; 2] = [".svc", ".svc.cluster.local"];

type Checked = Result<(), DocumentError>;

/// Checks the mount that files come from: one, and no guest's.
pub(super) fn check_files(document: &Document) -> Checked {
    let mut mounts = document.mounts.iter().filter(|mount| mount.used_for == MountUse::Files);
    let Some(mount) = mounts.next() else { return Ok(()) };
    let refused = |problem| word("mounts", &mount.volume, problem);
    if mounts.next().is_some() {
        return refused("is not the only mount of files");
    }
    if !mount.read_only {
        return refused("has files that the host alone reads, and must be read-only");
    }
    if !matches!(mount.kind, VolumeKind::Projected | VolumeKind::Secret | VolumeKind::ConfigMap) {
        return refused("has files that the host alone reads, and must be of Secrets and ConfigMaps");
    }
    Ok(())
}

/// Checks the rights of a component.
pub(super) fn check(document: &Document, component: &Component) -> Checked {
    let Grants { filesystem, http, sockets, config, keyvalue, determinism, .. } = &component.grants;
    for grant in filesystem {
        let of_files = |mount: &&super::Mount| mount.used_for == MountUse::Files;
        if document.mounts.iter().filter(of_files).any(|mount| mount.volume == grant.volume) {
            return word("grants.filesystem", &grant.volume, "is a volume that no guest sees");
        }
        let path = grant.sub_path.as_deref().unwrap_or("plain");
        if !path.split('/').all(super::is_plain) {
            return word("grants.filesystem: subPath", path, "is not a relative path without \"..\"");
        }
    }
    if let Some(http) = http {
        check_http(document, http)?;
    }
    if let Some(sockets) = sockets {
        sockets.connect.iter().enumerate().try_for_each(|(index, rule)| check_connect(index, rule))?;
        for rule in &sockets.listen {
            check_ports("grants.sockets.listen", &[rule.port])?;
        }
        sockets.lookup.iter().try_for_each(|host| check_host("grants.sockets.lookup", host))?;
    }
    check_unique("grants.config", config.iter().map(|entry| entry.key.as_str()))?;
    config.iter().try_for_each(|entry| check_config(document, entry))?;
    check_unique("grants.keyvalue", keyvalue.iter().map(|grant| grant.bucket.as_str()))?;
    match determinism {
        Some(fixed) if fixed.clock_step_millis.is_some() && fixed.clock_unix_millis.is_none() => {
            word("grants.determinism", "clockStepMillis", "needs clockUnixMillis")
        }
        _ => Ok(()),
    }
}

fn check_http(document: &Document, http: &HttpGrant) -> Checked {
    if http.allow.is_empty() {
        return word("grants.http", "allow", "is empty, so nothing is granted; leave http out");
    }
    if let Some(file) = &http.ca_bundle {
        check_file(document, "grants.http.caBundle", file)?;
    }
    for (index, rule) in http.allow.iter().enumerate() {
        let field = format!("grants.http.allow[{index}]");
        check_rule(&field, rule)?;
        if let Some(credential) = &rule.credential {
            check_file(document, &format!("{field}.credential"), &credential.file)?;
            check_credential(&field, rule, credential)?;
        }
    }
    Ok(())
}

fn check_rule(field: &str, rule: &HttpRule) -> Checked {
    check_host(&format!("{field}.host"), &rule.host)?;
    check_ports(field, &rule.ports)?;
    if rule.methods.is_empty() || rule.path_prefixes.is_empty() {
        return word(field, "", "needs methods and pathPrefixes");
    }
    if let Some(other) = rule.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return word(format!("{field}.methods"), other, "is not a method that is sent");
    }
    let is_path = |path: &&String| path.starts_with('/') && !path.contains(char::is_control);
    if let Some(other) = rule.path_prefixes.iter().find(|path| !is_path(path)) {
        return word(format!("{field}.pathPrefixes"), other, "does not begin with \"/\"");
    }
    check_networks(field, &rule.addresses)
}

/// Over TLS alone, but to a host of the cluster whose rule says so.
fn check_credential(field: &str, rule: &HttpRule, credential: &Credential) -> Checked {
    let in_cluster = CLUSTER_SUFFIXES.iter().any(|suffix| rule.host.ends_with(suffix));
    if rule.scheme == HttpScheme::Http && !(credential.plain_http && in_cluster) {
        return word(format!("{field}.credential"), &rule.host, "is spoken to without TLS");
    }
    // A token of RFC 9110.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if credential.header.is_empty() || !credential.header.bytes().all(is_token) {
        return word(format!("{field}.credential.header"), &credential.header, "is not a header's name");
    }
    if credential.prefix.contains(char::is_control) {
        return word(format!("{field}.credential.prefix"), &credential.prefix, "can't stand in a header");
    }
    Ok(())
}

fn check_connect(index: usize, rule: &ConnectRule) -> Checked {
    let field = format!("grants.sockets.connect[{index}]");
    check_ports(&field, &rule.ports)?;
    match &rule.peer {
        Peer::Host(host) => check_host(&field, host)?,
        Peer::Cidr(network) => check_networks(&field, std::slice::from_ref(network))?,
    }
    check_networks(&field, &rule.addresses)
}

fn check_config(document: &Document, entry: &ConfigEntry) -> Checked {
    let field = format!("grants.config: {}", entry.key);
    match (&entry.value, &entry.file) {
        (Some(_), None) => Ok(()),
        (None, Some(file)) => check_file(document, &field, file),
        _ => word(field, "", "needs exactly one of value and file"),
    }
}

fn check_file(document: &Document, field: &str, name: &str) -> Checked {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > FILE_NAME_CHARS_MAX || !name.bytes().all(is_word) {
        return word(format!("{field}: file"), name, "is not 1 to 63 lower-case letters, digits and -");
    }
    if !document.mounts.iter().any(|mount| mount.used_for == MountUse::Files) {
        return word(format!("{field}: file"), name, "has no mount of files to come from");
    }
    Ok(())
}

fn check_ports(field: &str, ports: &[u16]) -> Checked {
    if ports.is_empty() || ports.contains(&0) {
        return word(format!("{field}: ports"), "", "needs ports from 1 to 65535");
    }
    Ok(())
}

fn check_networks(field: &str, networks: &[String]) -> Checked {
    match networks.iter().find(|text| text.parse::<IpNet>().is_err()) {
        Some(text) => word(field, text, "is not a network as CIDR"),
        None => Ok(()),
    }
}

fn check_host(field: &str, host: &str) -> Checked {
    if is_host(host) { Ok(()) } else { word(field, host, "is not a host, *. and a suffix, or an address") }
}

/// A name of two labels or more, perhaps below `*.`, or an address. A last label that starts with a digit
/// would make some other spelling of an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=LABEL_CHARS_MAX).contains(&label.len())
            && label.bytes().all(is_word)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_CHARS_MAX
        && name.contains('.')
        && name.split('.').all(is_label)
        && last.starts_with(|first: char| first.is_ascii_lowercase())
}

fn word(field: impl Into<String>, value: &str, problem: &'static str) -> Checked {
    Err(DocumentError::Word { field: field.into(), value: value.to_owned(), problem })
}

#[cfg(test)]
mod tests;
