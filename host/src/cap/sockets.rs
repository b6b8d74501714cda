//! `wasi:sockets`: connections, datagrams, listeners and look-ups, each held against the grant. wasmtime-wasi
//! owns the sockets and asks before each use; names are looked up here, by DNS alone and after they matched.

mod create;
mod lookup;
mod recent;
mod rules;

use super::{Linked, Place, Track, V0_2, V0_3, known, serve};
use crate::Task;
use crate::denial::{Denial, Denials};
use crate::egress::name::Host;
use crate::egress::resolve::Resolver;
use crate::limits::SOCKETS_MAX;
use crate::store::State;
use morph_grant::Protocol;
use morph_grant::interfaces::Capability;
use recent::Recent;
use rules::{ANSWERS_KEPT_MAX, Refused, Rules};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use wasmtime_wasi::p2::bindings::sockets as p2;
use wasmtime_wasi::sockets::WasiSockets;

/// Look-ups of a pod in one second. A client looks up a name for each connection at most; more is a way to
/// carry words out in names, or a flood for the cluster's DNS.
pub(crate) const LOOKUPS_PER_SECOND_MAX: usize = 50;

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("sockets/instance-network", V0_2) => {
            serve!(l, p2::instance_network, WasiSockets, sockets)
        }
        ("sockets/ip-name-lookup", V0_2) => lookup::link_0_2(l),
        ("sockets/ip-name-lookup", V0_3) => lookup::link_0_3(l),
        ("sockets/network", V0_2) => {
            serve!(l, p2::network, WasiSockets, sockets, Default::default())
        }
        ("sockets/tcp", V0_2) => serve!(l, p2::tcp, WasiSockets, sockets),
        ("sockets/tcp-create-socket", V0_2) => create::link_tcp_0_2(l),
        ("sockets/types", V0_3) => create::link_0_3(l),
        ("sockets/udp", V0_2) => serve!(l, p2::udp, WasiSockets, sockets),
        ("sockets/udp-create-socket", V0_2) => create::link_udp_0_2(l),
        _ => return known(None),
    }))
}

/// The sockets of a run: its rules, the places for them, and what all its instances looked up.
pub(crate) struct Sockets {
    rules: Rules,
    places: Arc<Semaphore>,
    resolver: Resolver,
    denials: Denials,
    seen: Mutex<Seen>,
}

/// What decides beside the grant.
struct Seen {
    answers: Recent<(IpAddr, Host)>,
    looked_up: Recent<u64>,
    lookups: u64,
}

impl Sockets {
    /// `None` without a grant.
    pub(crate) fn new(task: &Task, resolver: Resolver, denials: Denials) -> Option<Arc<Self>> {
        let rules = Rules::new(task.grants.sockets.as_ref()?, &task.node_addresses);
        let seen = Seen {
            answers: Recent::new(ANSWERS_KEPT_MAX),
            looked_up: Recent::new(LOOKUPS_PER_SECOND_MAX),
            lookups: 0,
        };
        let places = Arc::new(Semaphore::new(SOCKETS_MAX));
        Some(Arc::new(Self { rules, places, resolver, denials, seen: Mutex::new(seen) }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reach(&self, protocol: Protocol, peer: SocketAddr, now: Instant) -> Result<(), Refused> {
        self.rules.may_reach(protocol, peer, &self.seen().answers, now)
    }

    fn deny(&self, rule: &'static str, detail: &str) {
        self.denials.note(&Denial::new(Capability::Sockets, rule, detail));
    }
}

#[cfg(test)]
mod tests;
