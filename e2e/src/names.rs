//! Names outside of the cluster: the local cluster's DNS takes them from a file.

use crate::Node;
use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::net::IpAddr;

/// Makes a name stand for an address, for as long as the cluster lives. Names hold the namespace of their
/// test, so that no test meets another's.
///
/// # Errors
/// When the file can't be written.
pub fn name_stands_for(name: &str, address: IpAddr) -> Result<()> {
    let path = Node::state()?.join("dns/hosts");
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    let mut file = file.with_context(|| path.display().to_string())?;
    // One write: whole lines, whoever else writes.
    file.write_all(format!("{address} {name}\n").as_bytes()).with_context(|| path.display().to_string())
}
