//! Tests of `walks_round`.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{ConnectRule, HttpLimits, HttpScheme};

fn http(host: &str, ports: &[u16]) -> HttpGrant {
    let rule = HttpRule {
        host: host.into(),
        ports: ports.to_vec(),
        methods: vec!["GET".into()],
        path_prefixes: vec!["/v1".into()],
        scheme: HttpScheme::Https,
        addresses: Vec::new(),
        credential: None,
    };
    let limits = HttpLimits { concurrency: 1, timeout_millis: 1, request_bytes: 1, response_bytes: 1 };
    HttpGrant { allow: vec![rule], ca_bundle: None, limits }
}

fn sockets(peer: Peer, ports: &[u16], protocol: Protocol) -> SocketsGrant {
    let rule = ConnectRule { peer, ports: ports.to_vec(), protocol, addresses: Vec::new() };
    SocketsGrant { connect: vec![rule], ..SocketsGrant::default() }
}

fn host(name: &str) -> Peer {
    Peer::Host(name.into())
}

fn check(rule: &str, peer: Peer, want: bool) {
    let why = walks_round(&http(rule, &[443, 8443]), &sockets(peer.clone(), &[5432, 443], Protocol::Tcp));
    assert_eq!(why.is_some(), want, "{rule} {peer:?}: {why:?}");
}

#[test]
fn the_same_host_at_the_same_port_walks_round_the_rule() {
    check("api.example", host("api.example"), true);
    check("api.example", host("API.example."), true);
    check("api.example", host("db.example"), false);
    check("api.example", host("xapi.example"), false);
}

#[test]
fn patterns_that_share_a_name_walk_round_the_rule() {
    for (rule, connect, want) in [
        ("api.acme.example", "*.acme.example", true),
        ("*.acme.example", "api.acme.example", true),
        ("*.acme.example", "*.acme.example", true),
        ("*.acme.example", "*.eu.acme.example", true),
        ("*.eu.acme.example", "*.acme.example", true),
        ("acme.example", "*.acme.example", false),
        ("*.acme.example", "acme.example", false),
        ("*.acme.example", "*.xacme.example", false),
        ("*.acme.example", "*.other.example", false),
    ] {
        check(rule, host(connect), want);
    }
}

#[test]
fn a_network_or_an_address_at_a_port_of_an_http_rule_walks_round_it() {
    for peer in [
        Peer::Cidr("0.0.0.0/0".into()),
        Peer::Cidr("10.0.0.0/8".into()),
        host("192.0.2.1"),
        host("[2001:db8::1]"),
    ] {
        check("api.example", peer, true);
    }
}

#[test]
fn another_port_another_protocol_or_no_rule_walks_round_nothing() {
    let network = || Peer::Cidr("0.0.0.0/0".into());
    let other_port = sockets(network(), &[5432, 80], Protocol::Tcp);
    assert_eq!(walks_round(&http("api.example", &[443]), &other_port), None);
    let datagrams = sockets(network(), &[443], Protocol::Udp);
    assert_eq!(walks_round(&http("api.example", &[443]), &datagrams), None);
    assert_eq!(walks_round(&http("api.example", &[443]), &SocketsGrant::default()), None);
    let mut nothing = http("api.example", &[443]);
    nothing.allow.clear();
    assert_eq!(walks_round(&nothing, &sockets(network(), &[443], Protocol::Tcp)), None);
}

#[test]
fn the_words_name_the_rule_the_peer_and_the_port() {
    let why = walks_round(
        &http("api.example", &[443, 8443]),
        &sockets(Peer::Cidr("10.0.0.0/8".into()), &[8443], Protocol::Tcp),
    );
    let want = "connect to 10.0.0.0/8 at port 8443 walks round the http rule for api.example";
    assert_eq!(why.unwrap(), want);
}
