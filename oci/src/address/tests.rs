//! Tests of `address`.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

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
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
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
        "64:ff9b::808:808",
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

/// Each network that isn't public: what lies before it, its first and last address, what lies behind it.
#[test]
fn the_edges_of_every_network_are_where_the_registry_has_them() {
    for (before, first, last, after) in [
        ("", "0.0.0.0", "0.255.255.255", "1.0.0.0"),
        ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
        ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
        ("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
        ("168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"),
        ("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
        ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
        ("191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
        ("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
        ("192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"),
        ("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
        ("198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
        ("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
        ("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
        ("223.255.255.255", "224.0.0.0", "255.255.255.255", ""),
        ("", "::", "1fff:ffff::", "2000::"),
        ("2000:ffff::", "2001::", "2001:1ff:ffff::", "2001:200::"),
        ("2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"),
        ("2001:ffff::", "2002::", "2002:ffff:ffff::", "2003::"),
        ("3ffe:ffff::", "3fff::", "3fff:fff:ffff::", "3fff:1000::"),
        ("3fff:ffff:ffff::", "4000::", "ffff:ffff:ffff::", ""),
    ] {
        assert!(!permits(&[], first) && !permits(&[], last), "{first} to {last}");
        for public in [before, after].into_iter().filter(|address| !address.is_empty()) {
            assert!(permits(&[], public), "{public}");
        }
    }
}

proptest! {
    #[test]
    fn a_mapped_address_is_answered_as_the_one_that_it_maps(bits in any::<u32>(), listed in any::<bool>()) {
        let address = Ipv4Addr::from_bits(bits);
        let policy = policy(if listed { &["10.0.0.0/8", "192.168.0.0/16"] } else { &[] });
        let mapped = IpAddr::V6(address.to_ipv6_mapped());
        prop_assert_eq!(policy.permits(mapped), policy.permits(IpAddr::V4(address)));
    }

    #[test]
    fn a_longer_list_never_permits_less(bits in any::<u128>(), bits4 in any::<u32>()) {
        for address in [IpAddr::V6(Ipv6Addr::from_bits(bits)), IpAddr::V4(Ipv4Addr::from_bits(bits4))] {
            let lists: [&[&str]; 4] = [&[], &["10.0.0.0/8"], &["0.0.0.0/0"], &["0.0.0.0/0", "::/0"]];
            let answers = lists.map(|allowed| policy(allowed).permits(address));
            prop_assert!(answers.is_sorted(), "{}: {:?}", address, answers);
            prop_assert!(answers[3]);
        }
    }

    #[test]
    fn a_pattern_without_a_star_means_its_own_host_alone(
        pattern in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}",
        host in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}",
    ) {
        let exact: HostPattern = pattern.parse().unwrap();
        prop_assert_eq!(exact.matches(&host, None), pattern == host);
        let below: HostPattern = format!("*.{pattern}").parse().unwrap();
        prop_assert_eq!(below.matches(&host, None), host.ends_with(&format!(".{pattern}")));
        prop_assert!(!exact.matches(&host, Some(444)) && !below.matches(&host, Some(444)));
    }

    #[test]
    fn no_text_is_too_strange_for_a_pattern(text in ".{0,40}", host in ".{0,40}") {
        if let Ok(pattern) = text.parse::<HostPattern>() {
            prop_assert_eq!(pattern.to_string(), text);
            let _matched = pattern.matches(&host, None);
        }
        let _loopback = is_loopback_name(&host);
    }
}
