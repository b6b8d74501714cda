//! Making sockets, for 0.2 and 0.3: each takes one of the places that all guests of a run share, and keeps
//! what holds of it alone. wasmtime-wasi makes the socket and asks for as long as it is there.

use super::super::serve;
use super::recent::Recent;
use super::rules::{HEARD_KEPT_MAX, HEARD_SECONDS_MAX, Refused};
use super::{Place, Sockets};
use crate::limits::SOCKETS_MAX;
use crate::store::State;
use morph_grant::Protocol;
use std::error::Error;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::StoreContextMut;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets as p2;
use wasmtime_wasi::p2::bindings::sockets::network as p2_types;
use wasmtime_wasi::p3::bindings::sockets::types as p3;
use wasmtime_wasi::sockets::{SocketAddrUse, TcpSocket, UdpSocket, WasiSockets, WasiSocketsCtxView};
use wasmtime_wasi::{TrappableError, WasiCtx, WasiCtxBuilder};

/// 0.3 has no word of its own for it.
const NO_PLACE_0_3: &str = "new-socket-limit";

/// One socket: its place among all, and whom it heard.
pub(super) struct Socket {
    sockets: Arc<Sockets>,
    datagrams: Mutex<Datagrams>,
    _place: OwnedSemaphorePermit,
}

/// What decides on datagrams beside the grant.
struct Datagrams {
    /// Whether the socket has a port of `listen`; only then do strangers reach it.
    listens: bool,
    heard: Recent<SocketAddr>,
}

impl Socket {
    /// `None` where all places are taken.
    pub(super) fn new(sockets: &Arc<Sockets>) -> Option<Self> {
        let Ok(place) = sockets.places.sockets.clone().try_acquire_owned() else {
            sockets.deny("sockets", &format!("limit sockets: the guests have {SOCKETS_MAX} sockets already"));
            return None;
        };
        let datagrams = Datagrams { listens: false, heard: Recent::new(HEARD_KEPT_MAX) };
        Some(Self { sockets: sockets.clone(), datagrams: Mutex::new(datagrams), _place: place })
    }

    fn datagrams(&self) -> MutexGuard<'_, Datagrams> {
        self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an address may be used so. Who is refused hears `access-denied`.
    pub(super) fn may(&self, address: SocketAddr, how: SocketAddrUse, now: Instant) -> bool {
        use Protocol::Tcp;
        let (sockets, rules) = (&self.sockets, &self.sockets.rules);
        let (verb, may) = match how {
            SocketAddrUse::TcpBind => ("bind TCP", rules.may_bind(Tcp, address)),
            SocketAddrUse::TcpListen => ("listen TCP", rules.may_listen(Tcp, address)),
            SocketAddrUse::TcpAccept => return true, // it listens where it may
            SocketAddrUse::TcpConnect => ("TCP", sockets.reach(Tcp, address, now)),
            SocketAddrUse::UdpBind => ("bind UDP", self.bind(address)),
            SocketAddrUse::UdpSend => ("UDP", self.send(address, now)),
            SocketAddrUse::UdpReceive => return self.hear(address, now),
        };
        if let Err(refused) = &may {
            sockets.deny(refused.rule(), &format!("{verb} {address}: {refused}"));
        }
        may.is_ok()
    }

    /// A socket is bound once; the last that was asked for is what it got.
    fn bind(&self, local: SocketAddr) -> Result<(), Refused> {
        let rules = &self.sockets.rules;
        self.datagrams().listens = rules.may_listen(Protocol::Udp, local).is_ok();
        rules.may_bind(Protocol::Udp, local)
    }

    /// A datagram goes to whom `connect` names; a listener may also answer whom it heard.
    fn send(&self, peer: SocketAddr, now: Instant) -> Result<(), Refused> {
        self.sockets.reach(Protocol::Udp, peer, now).or_else(|refused| {
            let age = Duration::from_secs(HEARD_SECONDS_MAX);
            let heard = self.datagrams().heard.younger_than(age, now).any(|heard| *heard == peer);
            if heard { Ok(()) } else { Err(refused) }
        })
    }

    /// A datagram comes from whom one may be sent to, or to a listener. Others are dropped without a word:
    /// they are somebody else's, not the guest's.
    fn hear(&self, peer: SocketAddr, now: Instant) -> bool {
        let mut datagrams = self.datagrams();
        if datagrams.listens {
            datagrams.heard.note(peer, now);
            return true;
        }
        drop(datagrams);
        self.sockets.reach(Protocol::Udp, peer, now).is_ok()
    }
}

/// What one new socket is made with; none where all places are taken. Without a grant it may do nothing.
fn context(sockets: Option<&Arc<Sockets>>) -> Option<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    if let Some(sockets) = sockets {
        let socket = Socket::new(sockets)?;
        wasi.allow_tcp(sockets.rules.has(Protocol::Tcp)).allow_udp(sockets.rules.has(Protocol::Udp));
        wasi.socket_addr_check(move |address, how| Box::pin(ready(socket.may(address, how, Instant::now()))));
    }
    Some(wasi.build())
}

type Made<T, E> = wasmtime::Result<(Result<Resource<T>, E>,)>;

/// What the guest gets: the socket or the error, or the end for what is no error of the interface.
fn answer<T: 'static, E>(made: Result<Resource<T>, TrappableError<E>>) -> Made<T, E>
where
    E: Error + Send + Sync + 'static,
{
    match made {
        Ok(socket) => Ok((Ok(socket),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

pub(super) fn link_tcp_0_2(place: &mut Place<'_>) -> wasmtime::Result<()> {
    use p2::tcp_create_socket::Host;
    let part = place.part;
    place.instance()?.func_wrap(
        "create-tcp-socket",
        move |mut store: StoreContextMut<'_, State>, (family,): (p2_types::IpAddressFamily,)| {
            let state = store.data_mut();
            let Some(mut wasi) = context(state.sockets_of(part).as_ref()) else {
                return Ok((Err(p2_types::ErrorCode::NewSocketLimit),));
            };
            let mut view = WasiSocketsCtxView { ctx: wasi.sockets(), table: state.table() };
            answer(view.create_tcp_socket(family))
        },
    )
}

pub(super) fn link_udp_0_2(place: &mut Place<'_>) -> wasmtime::Result<()> {
    use p2::udp_create_socket::Host;
    let part = place.part;
    place.instance()?.func_wrap_async(
        "create-udp-socket",
        move |mut store: StoreContextMut<'_, State>, (family,): (p2_types::IpAddressFamily,)| {
            Box::new(async move {
                let state = store.data_mut();
                let Some(mut wasi) = context(state.sockets_of(part).as_ref()) else {
                    return Ok((Err(p2_types::ErrorCode::NewSocketLimit),));
                };
                let mut view = WasiSocketsCtxView { ctx: wasi.sockets(), table: state.table() };
                answer(view.create_udp_socket(family).await)
            })
        },
    )
}

/// The whole interface of wasmtime-wasi, with our own way to make sockets in place of its two.
pub(super) fn link_0_3(place: &mut Place<'_>) -> wasmtime::Result<()> {
    serve!(place, p3, WasiSockets, sockets)?;
    place.shadowing(create_0_3)
}

fn create_0_3(place: &mut Place<'_>) -> wasmtime::Result<()> {
    use p3::{HostTcpSocket, HostUdpSocket};
    let no_place = || p3::ErrorCode::Other(Some(NO_PLACE_0_3.to_owned()));
    let part = place.part;
    let mut types = place.instance()?;
    types.func_wrap(
        "[static]tcp-socket.create",
        move |mut store: StoreContextMut<'_, State>,
              (family,): (p3::IpAddressFamily,)|
              -> Made<TcpSocket, p3::ErrorCode> {
            let state = store.data_mut();
            let Some(mut wasi) = context(state.sockets_of(part).as_ref()) else {
                return Ok((Err(no_place()),));
            };
            let mut view = WasiSocketsCtxView { ctx: wasi.sockets(), table: state.table() };
            answer(HostTcpSocket::create(&mut view, family))
        },
    )?;
    types.func_wrap_async(
        "[static]udp-socket.create",
        move |mut store: StoreContextMut<'_, State>, (family,): (p3::IpAddressFamily,)| {
            Box::new(async move {
                let state = store.data_mut();
                let Some(mut wasi) = context(state.sockets_of(part).as_ref()) else {
                    return Ok((Err(no_place()),)) as Made<UdpSocket, p3::ErrorCode>;
                };
                let mut view = WasiSocketsCtxView { ctx: wasi.sockets(), table: state.table() };
                answer(HostUdpSocket::create(&mut view, family).await)
            })
        },
    )
}
