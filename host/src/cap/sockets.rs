//! `wasi:sockets`: connections, datagrams, listeners and look-ups, each held against the grant. wasmtime-wasi
//! owns the sockets and asks before each use; names are looked up here, by DNS alone and after they matched.

mod lookup;
mod recent;
mod rules;

use super::{Linked, Track, V0_2, V0_3, known};
use crate::Task;
use crate::denial::{Denial, Denials};
use crate::egress::name::Host;
use crate::egress::resolve::Resolver;
use crate::store::State;
use morph_grant::Protocol;
use morph_grant::interfaces::Capability;
use recent::Recent;
use rules::{ANSWERS_KEPT_MAX, HEARD_KEPT_MAX, HEARD_SECONDS_MAX, Refused, Rules};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets as p2;
use wasmtime_wasi::p3::bindings::sockets as p3;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSockets, WasiSocketsView};

/// Look-ups of a pod in one second. A client looks up a name for each connection at most; more is a way to
/// carry words out in names, or a flood for the cluster's DNS.
pub(crate) const LOOKUPS_PER_SECOND_MAX: usize = 50;

pub(crate) fn link(l: &mut Linker<State>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("sockets/instance-network", V0_2) => {
            p2::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets)
        }
        ("sockets/ip-name-lookup", V0_2) => lookup::link_0_2(l),
        ("sockets/ip-name-lookup", V0_3) => lookup::link_0_3(l),
        ("sockets/network", V0_2) => {
            p2::network::add_to_linker::<_, WasiSockets>(l, &Default::default(), State::sockets)
        }
        ("sockets/tcp", V0_2) => p2::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets),
        ("sockets/tcp-create-socket", V0_2) => {
            p2::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)
        }
        ("sockets/types", V0_3) => p3::types::add_to_linker::<_, WasiSockets>(l, State::sockets),
        ("sockets/udp", V0_2) => p2::udp::add_to_linker::<_, WasiSockets>(l, State::sockets),
        ("sockets/udp-create-socket", V0_2) => {
            p2::udp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)
        }
        _ => return known(None),
    }))
}

/// Lets a store use what is granted; without a grant nothing is.
pub(crate) fn give(wasi: &mut WasiCtxBuilder, sockets: Option<&Arc<Sockets>>) {
    let Some(sockets) = sockets else { return };
    wasi.allow_tcp(sockets.rules.has(Protocol::Tcp));
    wasi.allow_udp(sockets.rules.has(Protocol::Udp));
    let sockets = sockets.clone();
    wasi.socket_addr_check(move |address, how| {
        Box::pin(std::future::ready(sockets.may(address, how, Instant::now())))
    });
}

/// The sockets of a run: its rules, and what all its instances looked up and heard.
pub(crate) struct Sockets {
    rules: Rules,
    resolver: Resolver,
    denials: Denials,
    seen: Mutex<Seen>,
}

/// What decides beside the grant.
struct Seen {
    answers: Recent<(IpAddr, Host)>,
    heard: Recent<SocketAddr>,
    looked_up: Recent<u64>,
    lookups: u64,
}

impl Sockets {
    /// `None` without a grant.
    pub(crate) fn new(task: &Task, resolver: Resolver, denials: Denials) -> Option<Arc<Self>> {
        let rules = Rules::new(task.grants.sockets.as_ref()?, &task.node_addresses);
        let seen = Seen {
            answers: Recent::new(ANSWERS_KEPT_MAX),
            heard: Recent::new(HEARD_KEPT_MAX),
            looked_up: Recent::new(LOOKUPS_PER_SECOND_MAX),
            lookups: 0,
        };
        Some(Arc::new(Self { rules, resolver, denials, seen: Mutex::new(seen) }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an address may be used so. Who is refused hears `access-denied`.
    fn may(&self, address: SocketAddr, how: SocketAddrUse, now: Instant) -> bool {
        use Protocol::{Tcp, Udp};
        let (verb, may) = match how {
            SocketAddrUse::TcpBind => ("bind TCP", self.rules.may_bind(Tcp, address)),
            SocketAddrUse::TcpListen => ("listen TCP", self.rules.may_listen(Tcp, address)),
            SocketAddrUse::TcpAccept => return true, // it listens where it may
            SocketAddrUse::TcpConnect => ("TCP", self.reach(Tcp, address, now)),
            SocketAddrUse::UdpBind => ("bind UDP", self.rules.may_bind(Udp, address)),
            SocketAddrUse::UdpSend => ("UDP", self.send(address, now)),
            SocketAddrUse::UdpReceive => return self.hear(address, now),
        };
        if let Err(refused) = &may {
            self.deny(refused.rule(), &format!("{verb} {address}: {refused}"));
        }
        may.is_ok()
    }

    fn reach(&self, protocol: Protocol, peer: SocketAddr, now: Instant) -> Result<(), Refused> {
        self.rules.may_reach(protocol, peer, &self.seen().answers, now)
    }

    /// A datagram goes to whom `connect` names; a listener may also answer whom it heard.
    fn send(&self, peer: SocketAddr, now: Instant) -> Result<(), Refused> {
        self.reach(Protocol::Udp, peer, now).or_else(|refused| {
            let age = Duration::from_secs(HEARD_SECONDS_MAX);
            let heard = self.seen().heard.younger_than(age, now).any(|heard| *heard == peer);
            if heard { Ok(()) } else { Err(refused) }
        })
    }

    /// A datagram comes from whom one may be sent to, or to a listener. Others are dropped without a word:
    /// they are somebody else's, not the guest's.
    fn hear(&self, peer: SocketAddr, now: Instant) -> bool {
        if self.rules.hears_all() {
            self.seen().heard.note(peer, now);
            return true;
        }
        self.reach(Protocol::Udp, peer, now).is_ok()
    }

    fn deny(&self, rule: &'static str, detail: &str) {
        self.denials.note(&Denial::new(Capability::Sockets, rule, detail));
    }
}

#[cfg(test)]
mod tests;
