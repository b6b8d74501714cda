//! Whom a guest may connect to, send to, hear and look up, and on what it may listen: each asked of the
//! grant, of what was looked up before, and of who sent a datagram. Pure; the clock is the caller's.

use super::recent::Recent;
use crate::egress::address::{self, Why};
use crate::egress::name::{Host, Pattern};
use ipnet::IpNet;
use morph_grant::{ConnectRule, ListenRule, Peer, Protocol, SocketsGrant};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a guest may connect to an address after it looked the name up, in seconds. Who keeps an address
/// for longer looks it up again.
pub(super) const ANSWER_SECONDS_MAX: u64 = 600;

/// Addresses of names that are remembered; the oldest goes first. Sixteen names of as many addresses as one
/// may have.
pub(super) const ANSWERS_KEPT_MAX: usize = 1_024;

/// How long a listener may answer after it heard a datagram, in seconds.
pub(super) const HEARD_SECONDS_MAX: u64 = 60;

/// Senders of datagrams that are remembered; the oldest goes first.
pub(super) const HEARD_KEPT_MAX: usize = 1_024;

/// Why something is refused; words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// No rule names the peer and its port.
    #[error("no rule of connect names it")]
    Unnamed,
    /// A rule names it, and its address isn't one that the rule may reach.
    #[error("{0}")]
    Address(Why),
    /// No rule of `listen` has the port.
    #[error("no rule of listen has the port")]
    Port,
}

impl Refused {
    /// Which part of the grant refuses: a word that stays the same.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Unnamed => "connect",
            Self::Address(_) => "address",
            Self::Port => "listen",
        }
    }
}

/// The grant, read once.
pub(super) struct Rules {
    connect: Vec<Connect>,
    listen: Vec<ListenRule>,
    lookup: Vec<Pattern>,
    node: Vec<IpAddr>,
}

struct Connect {
    who: Who,
    ports: Vec<u16>,
    protocol: Protocol,
    addresses: Vec<IpNet>,
}

enum Who {
    Name(Pattern),
    Network(IpNet),
}

impl Connect {
    /// `None` for a rule that can't be read, which grants nothing.
    fn new(rule: &ConnectRule) -> Option<Self> {
        let who = match &rule.peer {
            Peer::Cidr(text) => Who::Network(text.parse::<IpNet>().ok()?.trunc()),
            Peer::Host(text) => match Pattern::parse(text)? {
                // An address is named in so many words, and never looked up.
                Pattern::Exact(Host::Address(address)) => Who::Network(address.into()),
                pattern => Who::Name(pattern),
            },
        };
        let addresses = address::networks(&rule.addresses);
        Some(Self { who, ports: rule.ports.clone(), protocol: rule.protocol, addresses })
    }

    fn names(&self, host: &Host) -> bool {
        matches!(&self.who, Who::Name(pattern) if pattern.matches(host))
    }

    /// What it says of a peer: nothing, or whether the address may be reached.
    fn says(
        &self,
        address: IpAddr,
        answers: &Recent<(IpAddr, Host)>,
        now: Instant,
        node: &[IpAddr],
    ) -> Option<Result<(), Why>> {
        match &self.who {
            Who::Network(network) => {
                network.contains(&address).then(|| address::allowed(address, &[*network], node))
            }
            Who::Name(_) => {
                let age = Duration::from_secs(ANSWER_SECONDS_MAX);
                let mut known = answers.younger_than(age, now);
                let is_named = known.any(|(found, host)| *found == address && self.names(host));
                is_named.then(|| address::allowed(address, &self.addresses, node))
            }
        }
    }
}

impl Rules {
    pub(super) fn new(grant: &SocketsGrant, node: &[IpAddr]) -> Self {
        Self {
            connect: grant.connect.iter().filter_map(Connect::new).collect(),
            listen: grant.listen.clone(),
            lookup: grant.lookup.iter().filter_map(|text| Pattern::parse(text)).collect(),
            node: node.to_vec(),
        }
    }

    /// Whether any rule has the protocol: without one, there is no such socket.
    pub(super) fn has(&self, protocol: Protocol) -> bool {
        self.connects(protocol) || self.listen.iter().any(|rule| rule.protocol == protocol)
    }

    fn connects(&self, protocol: Protocol) -> bool {
        self.connect.iter().any(|rule| rule.protocol == protocol)
    }

    /// Whether a name may be asked for.
    pub(super) fn may_look_up(&self, host: &Host) -> bool {
        self.lookup.iter().any(|pattern| pattern.matches(host))
            || self.connect.iter().any(|rule| rule.names(host))
    }

    /// Of a name's addresses those that a guest may see: what it could connect to, or all if only `lookup`
    /// names it. The first refusal, if none is left.
    pub(super) fn shown(&self, host: &Host, found: &[IpAddr]) -> Result<Vec<IpAddr>, Refused> {
        let rules: Vec<&Connect> = self.connect.iter().filter(|rule| rule.names(host)).collect();
        if rules.is_empty() {
            return Ok(found.to_vec());
        }
        let mut shown = Vec::new();
        let mut refused = Refused::Unnamed;
        for address in found {
            let answers = rules.iter().map(|rule| address::allowed(*address, &rule.addresses, &self.node));
            match best(answers) {
                Some(Ok(())) => shown.push(*address),
                Some(Err(why)) => refused = Refused::Address(why),
                None => {}
            }
        }
        if shown.is_empty() { Err(refused) } else { Ok(shown) }
    }

    /// Whether a guest may connect (TCP) or send (UDP) to a peer.
    pub(super) fn may_reach(
        &self,
        protocol: Protocol,
        peer: SocketAddr,
        answers: &Recent<(IpAddr, Host)>,
        now: Instant,
    ) -> Result<(), Refused> {
        let of_port = |rule: &&Connect| rule.protocol == protocol && rule.ports.contains(&peer.port());
        let address = peer.ip().to_canonical();
        let said = self
            .connect
            .iter()
            .filter(of_port)
            .filter_map(|rule| rule.says(address, answers, now, &self.node));
        best(said).map_or(Err(Refused::Unnamed), |said| said.map_err(Refused::Address))
    }

    /// Whether a socket may have this port of the pod. Port 0 is the system's choice: a client's.
    pub(super) fn may_bind(&self, protocol: Protocol, local: SocketAddr) -> Result<(), Refused> {
        match local.port() {
            0 if self.connects(protocol) => Ok(()),
            0 => Err(Refused::Unnamed),
            _ => self.may_listen(protocol, local),
        }
    }

    /// Whether a socket may wait for clients at this port.
    pub(super) fn may_listen(&self, protocol: Protocol, local: SocketAddr) -> Result<(), Refused> {
        let names = |rule: &ListenRule| rule.protocol == protocol && rule.port == local.port();
        if self.listen.iter().any(names) { Ok(()) } else { Err(Refused::Port) }
    }
}

/// What several rules come to: one that allows is enough.
fn best(said: impl Iterator<Item = Result<(), Why>>) -> Option<Result<(), Why>> {
    said.reduce(|one, other| if one.is_ok() { one } else { other })
}

#[cfg(test)]
mod tests;
