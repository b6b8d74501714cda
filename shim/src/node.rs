//! The node's own addresses, as the kernel lists them in this process's network: a guest's names must not
//! resolve into them.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Largest list read, in bytes. That of IPv4 has the node's routes too, some 100 bytes each.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// Most addresses of a node. A task lists them in a message of 4 MiB, each in some 40 bytes at most.
const ADDRESSES_MAX: usize = 20_000;

/// Why the addresses aren't known. Without them no network is granted.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A list of the kernel's can't be read.
    #[error("the node's addresses: {path}")]
    Read {
        /// Which.
        path: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// More than this code takes.
    #[error("the node has more than {ADDRESSES_MAX} addresses")]
    TooMany,
}

/// All addresses of the node's interfaces, sorted. Blocks for a moment.
///
/// # Errors
/// The kernel's lists can't be read; a missing one means that this node doesn't speak that version of IP.
pub fn addresses() -> Result<Vec<IpAddr>, NodeError> {
    let mut found: Vec<IpAddr> = local_v4(&read("/proc/self/net/fib_trie")?).map(IpAddr::V4).collect();
    found.extend(interface_v6(&read("/proc/self/net/if_inet6")?).map(IpAddr::V6));
    found.sort_unstable();
    found.dedup();
    if found.len() > ADDRESSES_MAX { Err(NodeError::TooMany) } else { Ok(found) }
}

fn read(path: &'static str) -> Result<String, NodeError> {
    let text = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(LIST_BYTES_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LIST_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(text)
    };
    match text() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|source| NodeError::Read { path, source }),
    }
}

/// Addresses that the routing tables call local: a line `|-- ADDRESS`, then a line for each route to it.
fn local_v4(fib_trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut at = None;
    fib_trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            at = address.parse().ok();
        }
        at.filter(|_| line.starts_with("/32 ") && line.ends_with(" LOCAL"))
    })
}

/// Addresses of interfaces: 32 hexadecimal digits at the beginning of each line.
fn interface_v6(if_inet6: &str) -> impl Iterator<Item = Ipv6Addr> {
    if_inet6.lines().filter_map(|line| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from_bits)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIB_TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.88.0.0/16 2 0 2
        |-- 10.88.0.0
           /16 link UNICAST
        |-- 10.88.0.1
           /32 host LOCAL
        |-- 10.88.255.255
           /32 link BROADCAST
Local:
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
";

    #[test]
    fn local_addresses_are_told_from_networks_and_routes() {
        let found: Vec<_> = local_v4(FIB_TRIE).map(|address| address.to_string()).collect();
        assert_eq!(found, ["10.88.0.1", "127.0.0.1"]);
    }

    #[test]
    fn addresses_of_interfaces_are_read_from_their_digits() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\n\
                    fe80000000000000e8b7a2fffe000001 02 40 20 80     eth0\nbroken\n";
        let found: Vec<_> = interface_v6(text).map(|address| address.to_string()).collect();
        assert_eq!(found, ["::1", "fe80::e8b7:a2ff:fe00:1"]);
    }

    #[test]
    fn this_machine_has_its_loopback_address_and_each_once() {
        let found = addresses().unwrap();
        assert!(found.contains(&Ipv4Addr::LOCALHOST.into()), "{found:?}");
        assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] != pair[1]), "{found:?}");
    }
}
