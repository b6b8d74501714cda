//! Looks host names up for the HTTP client and gives it checked addresses only: what was checked is what is
//! connected to, so that a name can't mean one address to the check and another to the connection.

use crate::address::AddressPolicy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};

/// A name stands for an address that may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a public address")]
pub(crate) struct Refused(pub(crate) IpAddr);

/// A name stands for nothing.
#[derive(Debug, thiserror::Error)]
#[error("the name can't be looked up")]
pub(crate) struct NoName(#[source] Option<std::io::Error>);

/// The system's own look-up, with each answer held against the policy.
pub(crate) struct Resolver {
    policy: AddressPolicy,
}

impl Resolver {
    pub(crate) fn new(policy: AddressPolicy) -> Self {
        Self { policy }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses = check(&policy, found.map_err(|error| NoName(Some(error)))?.collect())?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name, if every one of them may be reached: a name with one foot inside is refused,
/// since which of its addresses is tried first is chance.
fn check(
    policy: &AddressPolicy,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    if addresses.is_empty() {
        return Err(NoName(None).into());
    }
    match addresses.iter().find(|address| !policy.permits(address.ip())) {
        Some(refused) => Err(Refused(refused.ip().to_canonical()).into()),
        None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests;
