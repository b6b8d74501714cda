//! Which rules of sockets lead round which rules of HTTP.

use super::*;
use crate::{HttpScheme, Protocol};
use proptest::prelude::*;

fn connect(peer: &str, port: u16, protocol: Protocol) -> ConnectRule {
    let peer = if peer.contains('/') { Peer::Cidr(peer.into()) } else { Peer::Host(peer.into()) };
    ConnectRule { peer, ports: vec![9, port], protocol, addresses: Vec::new() }
}

fn http(host: &str) -> HttpRule {
    HttpRule {
        host: host.into(),
        ports: vec![443, 8443],
        methods: vec!["GET".into()],
        path_prefixes: vec!["/v1".into()],
        scheme: HttpScheme::Https,
        addresses: Vec::new(),
        credential: None,
    }
}

#[test]
fn a_name_that_both_stand_for_leads_round() {
    for (peer, host, round) in [
        ("api.weather.example", "api.weather.example", true),
        ("api.weather.example", "*.weather.example", true),
        ("*.weather.example", "api.weather.example", true),
        ("*.weather.example", "*.api.weather.example", true),
        ("*.api.weather.example", "*.weather.example", true),
        ("*.weather.example", "*.weather.example", true),
        ("db.weather.example", "api.weather.example", false),
        ("weather.example", "*.weather.example", false),
        ("*.weather.example", "weather.example", false),
        ("*.eather.example", "*.weather.example", false),
        ("notweather.example", "*.weather.example", false),
        ("*.other.example", "*.weather.example", false),
        ("db.weather.example", "10.0.0.1", false),
        ("api.demo.svc", "api.demo.svc.cluster.local", true),
        ("*.demo.svc.cluster.local", "api.demo.svc", true),
        ("db.demo.svc.cluster.local", "api.demo.svc", false),
    ] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let connect = connect(peer, 443, protocol);
            assert_eq!(walks_round(&connect, &http(host)), round, "{peer} {host} {protocol:?}");
        }
    }
}

#[test]
fn an_address_leads_round_every_rule_of_its_port() {
    for peer in ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "[2001:db8::1]"] {
        for host in ["api.weather.example", "*.weather.example", "203.0.113.7"] {
            assert!(walks_round(&connect(peer, 8443, Protocol::Tcp), &http(host)), "{peer} {host}");
        }
    }
}

#[test]
fn another_port_leads_nowhere() {
    for peer in ["api.weather.example", "*.weather.example", "0.0.0.0/0", "192.0.2.1"] {
        let connect = connect(peer, 5432, Protocol::Tcp);
        assert!(!walks_round(&connect, &http("api.weather.example")), "{peer}");
    }
}

#[test]
fn an_address_is_told_from_a_name() {
    for (host, address) in [
        ("1.2.3.4", true),
        ("[::1]", true),
        ("a.example", false),
        ("*.a.example", false),
        ("1.2.3.example", false),
        ("1.xn--p1ai", false),
    ] {
        assert_eq!(is_address(host), address, "{host}");
    }
}

fn pattern() -> impl Strategy<Value = String> {
    ("(\\*\\.)?", prop::collection::vec("[ab]", 2..4)).prop_map(|(star, labels)| star + &labels.join("."))
}

fn stands_for(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern == name,
        Some(suffix) => name.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
    }
}

proptest! {
    /// By trying every name of the alphabet: the rule is about names in common and about nothing else.
    #[test]
    fn hosts_overlap_exactly_when_a_name_is_in_both(one in pattern(), other in pattern()) {
        let mut names = vec![String::new()];
        for _ in 0..5 {
            let longer: Vec<String> = names.iter().flat_map(|name| {
                ["a", "b"].map(|label| if name.is_empty() { label.into() } else { format!("{label}.{name}") })
            }).collect();
            names.extend(longer);
            names.sort();
            names.dedup();
        }
        let common = names.iter().any(|name| stands_for(&one, name) && stands_for(&other, name));
        prop_assert_eq!(hosts_overlap(&one, &other), common);
        prop_assert_eq!(hosts_overlap(&other, &one), common);
    }
}
