//! Tests of `egress::address`.
#![allow(clippy::unwrap_used)]
use super::*;

fn judged(address: &str, granted: &[&str], node: &[&str]) -> Result<(), Why> {
    let granted: Vec<String> = granted.iter().map(|text| (*text).to_owned()).collect();
    let node: Vec<IpAddr> = node.iter().map(|text| text.parse().unwrap()).collect();
    allowed(address.parse().unwrap(), &networks(&granted), &node)
}

#[test]
fn public_addresses_pass_without_a_grant_up_to_the_edges_of_blocks() {
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:200::1",
        "2003::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ] {
        assert_eq!(judged(address, &[], &[]), Ok(()), "{address}");
    }
}

#[test]
fn special_addresses_are_refused_by_the_name_of_their_block() {
    for (address, block) in [
        ("0.0.0.0", "this-network"),
        ("0.1.2.3", "this-network"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "shared"),
        ("100.127.255.255", "shared"),
        ("100.100.100.200", "metadata"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("169.254.0.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("169.254.170.2", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "metadata"),
        ("192.0.0.1", "protocol"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("192.88.99.1", "relay"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "v4-compatible"),
        ("::808:808", "v4-compatible"),
        ("fd00:ec2::254", "metadata"),
        ("fd20:ce::254", "metadata"),
        ("fc00::1", "unique-local"),
        ("fdff::1", "unique-local"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("2001::1", "Teredo"),
        ("2001:10::1", "protocol"),
        ("2002:808:808::1", "6to4"),
        ("64:ff9b:1::1", "local translation"),
        ("100::1", "discard"),
        ("4000::1", "reserved"),
        ("::1:0:0:0", "reserved"),
    ] {
        assert_eq!(judged(address, &[], &[]), Err(Why::Special(block)), "{address}");
    }
}

#[test]
fn an_address_that_carries_another_is_judged_by_both() {
    for (address, block) in [
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:a00:1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::169.254.169.254", "metadata"),
        ("64:ff9b::10.0.0.1", "private"),
    ] {
        assert_eq!(judged(address, &[], &[]), Err(Why::Special(block)), "{address}");
    }
    // Granted outside, not inside.
    assert_eq!(judged("2002:7f00:1::1", &["2002::/16"], &[]), Err(Why::Special("loopback")));
    assert_eq!(judged("2002:808:808::1", &["2002::/16"], &[]), Ok(()));
    assert_eq!(judged("2001:0:7f00:1::", &["2001::/32"], &[]), Err(Why::Special("loopback")));
    let client = "2001:0:808:808::80ff:fffe"; // 127.0.0.1 with its bits turned
    assert_eq!(judged(client, &["2001::/32"], &[]), Err(Why::Special("loopback")));
    assert_eq!(judged(client, &["2001::/32", "127.0.0.0/8"], &[]), Ok(()));
    assert_eq!(judged("::7f00:1", &["::/96"], &[]), Err(Why::Special("loopback")));
}

#[test]
fn a_granted_network_within_one_block_lets_its_addresses_through() {
    for (address, network) in [
        ("10.1.2.3", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3", "10.1.2.200/24"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
        ("169.254.169.254", "169.254.169.254/32"),
        ("fd12::1", "fd12::/48"),
        ("::1", "::1/128"),
        ("4000::1", "4000::1/128"),
        ("64:ff9b::10.0.0.1", "10.0.0.0/8"),
    ] {
        assert_eq!(judged(address, &[network], &[]), Ok(()), "{address} by {network}");
        assert!(judged(address, &[], &[]).is_err());
    }
}

#[test]
fn a_network_wider_than_a_block_or_beside_it_grants_nothing() {
    for (address, network) in [
        ("10.1.2.3", "0.0.0.0/0"),
        ("10.1.2.3", "8.0.0.0/5"),
        ("10.1.2.3", "10.1.3.0/24"),
        ("127.0.0.1", "126.0.0.0/7"),
        ("192.168.0.1", "192.0.0.0/8"),
        ("172.16.0.1", "172.0.0.0/8"),
        ("::1", "::/0"),
        ("fd00::1", "::/0"),
        ("fd00::1", "fc00::/6"),
        ("169.254.169.254", "169.254.0.0/16"),
        ("fd00:ec2::254", "fd00::/8"),
        ("10.1.2.3", "::ffff:0:0/96"),
        ("10.1.2.3", "::/0"),
        ("4000::1", "::/0"),
        ("4000::1", "4000::/64"),
        ("10.1.2.3", "10.0.0.0"),
        ("10.1.2.3", "everything"),
    ] {
        assert!(judged(address, &[network], &[]).is_err(), "{address} by {network}");
    }
}

#[test]
fn the_nodes_own_address_takes_a_grant_of_its_own() {
    let node = ["198.41.0.4", "10.0.0.7", "2a00::7"];
    for (address, granted, want) in [
        ("198.41.0.4", "0.0.0.0/0", Err(Why::Node)),
        ("198.41.0.4", "198.41.0.0/24", Err(Why::Node)),
        ("198.41.0.4", "198.41.0.4/32", Ok(())),
        ("::ffff:198.41.0.4", "10.0.0.0/8", Err(Why::Node)),
        ("64:ff9b::198.41.0.4", "10.0.0.0/8", Err(Why::Node)),
        ("2a00::7", "2a00::/64", Err(Why::Node)),
        ("2a00::7", "2a00::7/128", Ok(())),
        ("10.0.0.7", "10.0.1.0/24", Err(Why::Node)),
        ("10.0.0.7", "10.0.0.0/24", Ok(())),
        ("10.0.0.8", "10.0.1.0/24", Err(Why::Special("private"))),
        ("198.41.0.5", "10.0.0.0/8", Ok(())),
    ] {
        assert_eq!(judged(address, &[granted], &node), want, "{address} by {granted}");
    }
}
