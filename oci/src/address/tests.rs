//! Tests of `address`.
#![allow(clippy::unwrap_used)]
use super::*;

fn policy(allowed: &[&str]) -> AddressPolicy {
    AddressPolicy::new(allowed.iter().map(|network| network.parse().unwrap()).collect())
}

fn permits(allowed: &[&str], address: &str) -> bool {
    policy(allowed).permits(address.parse().unwrap())
}

#[test]
fn public_addresses_are_permitted() {
    for address in ["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "2606:4700::1"] {
        assert!(permits(&[], address), "{address}");
    }
}

#[test]
fn what_is_not_public_is_refused_unless_listed() {
    for address in [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "64:ff9b::a00:1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
    ] {
        assert!(!permits(&[], address), "{address}");
        assert!(permits(&["0.0.0.0/0", "::/0"], address), "{address} listed");
    }
}

#[test]
fn a_listed_network_permits_no_other() {
    let allowed = ["10.1.0.0/16", "fd00::/64"];
    for (address, want) in [
        ("10.1.2.3", true),
        ("10.2.0.1", false),
        ("fd00::5", true),
        ("fd00:0:0:1::5", false),
        ("127.0.0.1", false),
    ] {
        assert_eq!(permits(&allowed, address), want, "{address}");
    }
}

#[test]
fn a_mapped_address_is_what_it_maps() {
    assert!(!permits(&[], "::ffff:10.0.0.1"));
    assert!(!permits(&[], "::ffff:127.0.0.1"));
    assert!(permits(&[], "::ffff:1.1.1.1"));
    assert!(permits(&["10.0.0.0/8"], "::ffff:10.0.0.1"));
}

#[test]
fn loopback_is_known_by_name_and_by_number() {
    for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
        assert!(is_loopback_name(host), "{host}");
    }
    for host in ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "[::2]", "registry"] {
        assert!(!is_loopback_name(host), "{host}");
    }
}

#[test]
fn host_patterns_match_whole_labels_and_ports() {
    for (pattern, host, port, want) in [
        ("a.test", "a.test", None, true),
        ("a.test", "a.test", Some(444), false),
        ("a.test:444", "a.test", Some(444), true),
        ("a.test:444", "a.test", None, false),
        ("a.test", "b.a.test", None, false),
        ("*.a.test", "b.a.test", None, true),
        ("*.a.test", "c.b.a.test", None, true),
        ("*.a.test", "a.test", None, false),
        ("*.a.test", "ba.test", None, false),
        ("*.a.test", "b.a.test.evil.test", None, false),
        ("*.a.test:444", "b.a.test", Some(444), true),
        ("[::1]:5000", "[::1]", Some(5000), true),
        ("*", "whatever", Some(1), true),
    ] {
        let parsed: HostPattern = pattern.parse().unwrap();
        assert_eq!(parsed.matches(host, port), want, "{pattern} {host} {port:?}");
        assert_eq!(parsed.to_string(), pattern);
    }
}

#[test]
fn a_text_that_names_no_host_is_no_pattern() {
    for text in
        ["", "*.", "**", "*a.test", "*..a", ".a.test", "https://a.test", "a.test/path", "A.test", "a b"]
    {
        let error = text.parse::<HostPattern>().unwrap_err().to_string();
        assert!(error.contains("names no host"), "{error}");
    }
}
