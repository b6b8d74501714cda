//! Whether a sockets grant walks round an http rule: who may open a connection to a host and port by himself
//! needs no rule about methods, paths and credentials of the same host and port. Pure.

use crate::{HttpGrant, HttpRule, Peer, Protocol, SocketsGrant};

/// The first connect rule that reaches what an http rule governs, in words; `None` if none does. A network
/// may hold any host's address, so it counts by its port alone.
#[must_use]
pub fn walks_round(http: &HttpGrant, sockets: &SocketsGrant) -> Option<String> {
    let of_tcp = sockets.connect.iter().filter(|rule| rule.protocol == Protocol::Tcp);
    of_tcp.flat_map(|rule| http.allow.iter().map(move |allow| (rule, allow))).find_map(|(rule, allow)| {
        let port = rule.ports.iter().find(|port| allow.ports.contains(port))?;
        let (peer, reaches) = match &rule.peer {
            Peer::Cidr(network) => (network, true),
            Peer::Host(host) => (host, is_address(host) || overlaps(host, allow)),
        };
        let host = &allow.host;
        reaches.then(|| format!("connect to {peer} at port {port} walks round the http rule for {host}"))
    })
}

fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    inner.parse::<std::net::IpAddr>().is_ok()
}

/// Whether some name fits both.
fn overlaps(host: &str, rule: &HttpRule) -> bool {
    let plain = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let (one, other) = (plain(host), plain(&rule.host));
    let below = |name: &str, suffix: &str| {
        name.strip_suffix(suffix).is_some_and(|front| front.ends_with('.') && front.len() > 1)
    };
    match (one.strip_prefix("*."), other.strip_prefix("*.")) {
        (None, None) => one == other,
        (Some(suffix), None) => below(&other, suffix),
        (None, Some(suffix)) => below(&one, suffix),
        (Some(one), Some(other)) => one == other || below(one, other) || below(other, one),
    }
}

#[cfg(test)]
mod tests;
