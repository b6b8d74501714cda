//! What a spec grants of TCP and UDP. The order of its lists means nothing.

use super::http::sorted;
use morph_crds::{Connect, Sockets};
use morph_grant::{ConnectRule, ListenRule, Peer, Protocol, SocketsGrant};

pub(super) fn grant(sockets: &Sockets) -> SocketsGrant {
    let mut connect: Vec<_> = sockets.connect.iter().filter_map(self::connect).collect();
    connect.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut listen: Vec<_> = sockets
        .listen
        .iter()
        .map(|listen| ListenRule { port: listen.port, protocol: protocol(listen.protocol) })
        .collect();
    listen.sort_by_key(|listen| (listen.port, listen.protocol));
    SocketsGrant { connect, listen, lookup: sorted(&sockets.lookup, ToString::to_string) }
}

fn key(rule: &ConnectRule) -> (bool, &str, Protocol, &[u16], &[String]) {
    let (is_network, text) = match &rule.peer {
        Peer::Host(host) => (false, host),
        Peer::Cidr(cidr) => (true, cidr),
    };
    (is_network, text, rule.protocol, &rule.ports, &rule.addresses)
}

/// One rule; none for one without a peer, which the schema refuses.
pub(crate) fn connect(rule: &Connect) -> Option<ConnectRule> {
    let host = rule.host.as_ref().map(|host| Peer::Host(host.to_string()));
    Some(ConnectRule {
        peer: host.or_else(|| rule.cidr.as_ref().map(|cidr| Peer::Cidr(cidr.to_string())))?,
        ports: sorted(&rule.ports, |port| *port),
        protocol: protocol(rule.protocol),
        addresses: sorted(&rule.addresses, ToString::to_string),
    })
}

fn protocol(protocol: morph_crds::Protocol) -> Protocol {
    match protocol {
        morph_crds::Protocol::Tcp => Protocol::Tcp,
        morph_crds::Protocol::Udp => Protocol::Udp,
    }
}
