//! Addresses that aren't the public internet, by name: the one list of which egress, the registry client and
//! the NetworkPolicy are made.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A block that isn't the public network.
type Block<Net> = (Net, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

const fn v6_host(address: [u16; 8]) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = address;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), 128)
}

/// Addresses by which clouds hand a machine its identity; each a block of its own, so that a grant of the
/// network round it doesn't hand that over.
const METADATA: &str = "metadata";

/// Blocks of IPv4, the narrowest first. Source: IANA's registry of special-purpose addresses (RFC 6890), and
/// the documents of the clouds for their metadata addresses.
const BLOCKS_V4: &[Block<Ipv4Net>] = &[
    (v4(169, 254, 169, 254, 32), METADATA),
    (v4(169, 254, 170, 2, 32), METADATA),
    (v4(169, 254, 170, 23, 32), METADATA),
    (v4(100, 100, 100, 200, 32), METADATA),
    (v4(168, 63, 129, 16, 32), METADATA),
    (v4(192, 0, 0, 192, 32), METADATA),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    (v4(192, 0, 0, 0, 24), "protocol"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 31, 196, 0, 24), "protocol"),
    (v4(192, 52, 193, 0, 24), "protocol"),
    (v4(192, 88, 99, 0, 24), "relay"),
    (v4(192, 175, 48, 0, 24), "protocol"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "benchmarking"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(100, 64, 0, 0, 10), "shared"),
    (v4(0, 0, 0, 0, 8), "this-network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
];

/// The same of IPv6. What isn't below `2000::/3` and in no block is reserved.
const BLOCKS_V6: &[Block<Ipv6Net>] = &[
    (v6_host([0; 8]), "unspecified"),
    (v6_host([0, 0, 0, 0, 0, 0, 0, 1]), "loopback"),
    (v6_host([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254]), METADATA),
    (v6_host([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23]), METADATA),
    (v6_host([0xfd20, 0x0ce, 0, 0, 0, 0, 0, 0x254]), METADATA),
    (v6([0, 0, 0, 0], 96), "v4-compatible"),
    (v6([0x64, 0xff9b, 1, 0], 48), "local translation"),
    (v6([0x100, 0, 0, 0], 64), "discard"),
    (v6([0x2001, 0xdb8, 0, 0], 32), "documentation"),
    (v6([0x2001, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 0, 0, 0], 23), "protocol"),
    (v6([0x3fff, 0, 0, 0], 20), "documentation"),
    (v6([0x2002, 0, 0, 0], 16), "6to4"),
    (v6([0x5f00, 0, 0, 0], 16), "segment-routing"),
    (v6([0xfe80, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0], 8), "multicast"),
    (v6([0xfc00, 0, 0, 0], 7), "unique-local"),
];

/// IPv4 through a translator at its well-known prefix: as public as what stands in it.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

/// The public network of IPv6.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// The narrowest block that makes an address special.
#[must_use]
pub fn block(address: IpAddr) -> Option<(IpNet, &'static str)> {
    match address {
        IpAddr::V4(address) => {
            let found = BLOCKS_V4.iter().find(|(block, _)| block.contains(&address));
            found.map(|(block, name)| ((*block).into(), *name))
        }
        IpAddr::V6(address) => {
            let found = BLOCKS_V6.iter().find(|(block, _)| block.contains(&address));
            let is_public = GLOBAL_V6.contains(&address) || NAT64.contains(&address);
            // No block: only the address itself can be granted.
            let rest = (!is_public).then_some((IpNet::from(IpAddr::V6(address)), "reserved"));
            found.map(|(block, name)| ((*block).into(), *name)).or(rest)
        }
    }
}

/// Whether an address is of the public internet, and carries no other one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let is_plain = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => GLOBAL_V6.contains(&address),
    };
    is_plain && block(address).is_none()
}

/// The public internet: networks, and what in each of them is not public, as [`is_public`] answers.
#[must_use]
pub fn public_networks() -> [(IpNet, Vec<IpNet>); 2] {
    let all_v4 = IpNet::V4(v4(0, 0, 0, 0, 0));
    let within = |network: IpNet, blocks: Vec<IpNet>| {
        let inside = blocks.into_iter().filter(|block| network.contains(block)).collect();
        (network, IpNet::aggregate(&inside))
    };
    [
        within(all_v4, BLOCKS_V4.iter().map(|(block, _)| IpNet::V4(*block)).collect()),
        within(IpNet::V6(GLOBAL_V6), BLOCKS_V6.iter().map(|(block, _)| IpNet::V6(*block)).collect()),
    ]
}

/// The IPv4 addresses that stand in one of IPv6: where a packet may end in truth.
#[must_use]
pub fn carried(address: IpAddr) -> [Option<Ipv4Addr>; 2] {
    let IpAddr::V6(address) = address else { return [None, None] };
    let at = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        [0, 0, 0, 0, 0, 0, high, low] => [at(high, low), None],
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => [at(high, low), None],
        [0x2002, high, low, ..] => [at(high, low), None],
        // RFC 4380: the server, and the client with all bits turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [at(high, low), at(!client_high, !client_low)]
        }
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests;
