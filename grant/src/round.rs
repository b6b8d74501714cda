//! Whether a rule of sockets leads round a rule of HTTP: to a host whose paths, methods and credentials are
//! ruled, a component must not have a plain connection as well. Text against text; nothing is resolved.

use crate::{ConnectRule, HttpRule, Peer};

/// Whether what `connect` grants could reach what `rule` guards: by a name that both stand for, or by an
/// address, into which any name may resolve. UDP counts as well: QUIC carries HTTP over it.
#[must_use]
pub fn walks_round(connect: &ConnectRule, rule: &HttpRule) -> bool {
    let shared = connect.ports.iter().any(|port| rule.ports.contains(port));
    shared
        && match &connect.peer {
            Peer::Cidr(_) => true,
            Peer::Host(host) => is_address(host) || hosts_overlap(host, &rule.host),
        }
}

/// Whether a host of a rule is an address and no name: the last label of a name begins with a letter.
#[must_use]
pub fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    host.starts_with('[') || !last.starts_with(|first: char| first.is_ascii_lowercase())
}

/// Whether two hosts of rules, each a name or `*.` and a suffix, stand for a name in common.
#[must_use]
pub fn hosts_overlap(one: &str, other: &str) -> bool {
    let (one, other) = (in_cluster(one), in_cluster(other));
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        (None, None) => one == other,
        (Some(suffix), None) => is_below(other, suffix),
        (None, Some(suffix)) => is_below(one, suffix),
        (Some(one), Some(other)) => one.ends_with(other) || other.ends_with(one),
    }
}

/// A Service has its name with and without the cluster's domain.
fn in_cluster(host: &str) -> &str {
    host.find(".svc.").map_or(host, |at| &host[..at + ".svc".len()])
}

/// Whether a name lies below a suffix that begins with its dot.
fn is_below(name: &str, suffix: &str) -> bool {
    name.len() > suffix.len() && name.ends_with(suffix)
}

#[cfg(test)]
mod tests;
