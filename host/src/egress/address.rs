//! Which addresses a guest may reach: public ones, and of the others those that a grant names in so many
//! words. Pure.

use ipnet::IpNet;
use morph_grant::special::{block, carried};
use std::net::IpAddr;

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    /// It lies in a block that isn't the public network.
    #[error("a {0} address, which no grant names")]
    Special(&'static str),
    /// It is the node's own.
    #[error("an address of the node itself, which no grant names")]
    Node,
}

/// Whether a guest with these granted networks, on a node with these addresses, may reach this address.
///
/// A public address that isn't the node's passes. Any other passes if a granted network contains it and lies
/// wholly within the block that makes the address special (a public address of the node: if it is granted
/// itself), so that `0.0.0.0/0` widens nothing. An address that carries another one passes if both do.
pub(crate) fn allowed(address: IpAddr, granted: &[IpNet], node: &[IpAddr]) -> Result<(), Why> {
    let address = address.to_canonical();
    alone(address, granted, node)?;
    carried(address).into_iter().flatten().try_for_each(|carried| alone(carried.into(), granted, node))
}

fn alone(address: IpAddr, granted: &[IpNet], node: &[IpAddr]) -> Result<(), Why> {
    let is_nodes = node.iter().any(|own| own.to_canonical() == address);
    let (within, why) = match (block(address), is_nodes) {
        (Some((block, _)), true) => (block, Why::Node),
        (Some((block, name)), false) => (block, Why::Special(name)),
        (None, true) => (IpNet::from(address), Why::Node),
        (None, false) => return Ok(()),
    };
    let names = |network: &&IpNet| network.contains(&address) && within.contains(*network);
    granted.iter().find(names).map(drop).ok_or(why)
}

/// The networks of a grant. One that can't be read grants nothing.
pub(crate) fn networks(granted: &[String]) -> Vec<IpNet> {
    granted.iter().filter_map(|text| text.parse::<IpNet>().ok()).map(|network| network.trunc()).collect()
}

#[cfg(test)]
mod tests;
