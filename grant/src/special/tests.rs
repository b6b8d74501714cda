//! Tests of the list of special addresses.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_narrowest_block_stands_first() {
    let prefixes_v4 = BLOCKS_V4.iter().map(|(block, _)| block.prefix_len());
    assert!(prefixes_v4.rev().is_sorted());
    let overlap = |(at, (block, _)): (usize, &Block<Ipv6Net>)| {
        BLOCKS_V6[..at].iter().any(|(before, _)| before.contains(block))
    };
    assert!(!BLOCKS_V6.iter().enumerate().any(overlap));
}

#[test]
fn public_is_what_lies_in_no_block_to_its_edges() {
    for public in ["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.0.1", "223.255.255.255", "2606:4700::1"] {
        assert!(is_public(at(public)), "{public}");
    }
    for (special, name) in [
        ("10.0.0.0", "private"),
        ("168.63.129.16", "metadata"),
        ("192.31.196.1", "protocol"),
        ("192.52.193.1", "protocol"),
        ("192.175.48.1", "protocol"),
        ("255.255.255.255", "broadcast"),
        ("::1", "loopback"),
        ("2001:10::1", "protocol"),
        ("2002:a00:1::", "6to4"),
        ("4000::1", "reserved"),
    ] {
        assert_eq!(block(at(special)).map(|(_, name)| name), Some(name), "{special}");
        assert!(!is_public(at(special)), "{special}");
    }
}

#[test]
fn what_goes_through_a_translator_is_in_no_block_and_not_public() {
    let translated = at("64:ff9b::808:808");
    assert_eq!((block(translated), is_public(translated)), (None, false));
    assert_eq!(carried(translated)[0], Some(Ipv4Addr::new(8, 8, 8, 8)));
}

#[test]
fn what_is_cut_out_of_the_internet_is_sorted_and_said_once() {
    for (network, special) in public_networks() {
        assert!(special.is_sorted() && !special.is_empty());
        for (index, one) in special.iter().enumerate() {
            assert!(network.contains(one));
            assert!(!special[..index].iter().any(|other| other.contains(one) || one.contains(other)));
        }
    }
}

proptest! {
    /// Who builds a rule for a firewall from the networks gets what `is_public` answers.
    #[test]
    fn the_networks_are_what_is_public(v4: u32, v6: u128, low in 0..8_u128) {
        // Half of them where IPv6 gives addresses out.
        let global = (0x2000_u128 << 112) | (v6 >> 3) & !(low << 96);
        let addresses: [IpAddr; 3] =
            [Ipv4Addr::from(v4).into(), Ipv6Addr::from(v6).into(), Ipv6Addr::from(global).into()];
        for address in addresses {
            let within = public_networks().into_iter().any(|(network, except)| {
                network.contains(&address) && !except.iter().any(|one| one.contains(&address))
            });
            prop_assert_eq!(within, is_public(address), "{}", address);
        }
    }
}
