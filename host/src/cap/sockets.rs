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
use std::time::{Duration, Instant};
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

/// The sockets of a run, or of one part of its composition: its rules, and what all its instances looked up.
pub(crate) struct Sockets {
    rules: Rules,
    places: Places,
    resolver: Resolver,
    denials: Denials,
    /// What decides beside the grant.
    answers: Mutex<Recent<(IpAddr, Host)>>,
}

/// What all guests of a pod have of sockets together, the parts of a composition as well.
#[derive(Clone)]
pub(crate) struct Places {
    sockets: Arc<Semaphore>,
    lookups: Arc<Mutex<Lookups>>,
}

struct Lookups {
    recent: Recent<u64>,
    count: u64,
}

impl Default for Places {
    fn default() -> Self {
        let lookups = Lookups { recent: Recent::new(LOOKUPS_PER_SECOND_MAX), count: 0 };
        Self { sockets: Arc::new(Semaphore::new(SOCKETS_MAX)), lookups: Arc::new(Mutex::new(lookups)) }
    }
}

impl Places {
    /// Whether one more look-up is to be, which then counts.
    fn look_up(&self, now: Instant) -> bool {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        if lookups.recent.younger_than(Duration::from_secs(1), now).count() >= LOOKUPS_PER_SECOND_MAX {
            return false;
        }
        lookups.count += 1;
        let number = lookups.count;
        lookups.recent.note(number, now);
        true
    }
}

impl Sockets {
    /// `None` without a grant.
    pub(crate) fn new(
        task: &Task,
        resolver: Resolver,
        denials: Denials,
        places: &Places,
    ) -> Option<Arc<Self>> {
        let rules = Rules::new(task.grants.sockets.as_ref()?, &task.node_addresses);
        let answers = Mutex::new(Recent::new(ANSWERS_KEPT_MAX));
        Some(Arc::new(Self { rules, places: places.clone(), resolver, denials, answers }))
    }

    fn answers(&self) -> MutexGuard<'_, Recent<(IpAddr, Host)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reach(&self, protocol: Protocol, peer: SocketAddr, now: Instant) -> Result<(), Refused> {
        self.rules.may_reach(protocol, peer, &self.answers(), now)
    }

    fn deny(&self, rule: &'static str, detail: &str) {
        self.denials.note(&Denial::new(Capability::Sockets, rule, detail));
    }
}

#[cfg(test)]
mod tests;
