//! `wasi:sockets/ip-name-lookup`: a name is held against the grant before anybody is asked for it, and of its
//! addresses a guest sees those that it may reach. wasmtime-wasi's own look-up asks the C library, which
//! reads the hosts file and knows no grant.

use super::{LOOKUPS_PER_SECOND_MAX, Place, Sockets};
use crate::egress::name::Host;
use crate::egress::resolve;
use crate::store::State;
use futures::FutureExt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Resource, ResourceType};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network as p2;
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as p3;
use wasmtime_wasi::p3::bindings::sockets::types::IpAddress as P3Address;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

/// Why there is no answer, as both versions can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Denied,
    Invalid,
    NotFound,
    Temporary,
    Permanent,
}

impl From<&resolve::Error> for Failure {
    fn from(error: &resolve::Error) -> Self {
        use resolve::Error;
        match error {
            Error::NotFound => Self::NotFound,
            Error::Timeout | Error::Network(_) | Error::Refused(_) => Self::Temporary,
            Error::Conf(_) | Error::Missing(_) | Error::Nonsense(_) => Self::Permanent,
        }
    }
}

impl From<Failure> for p2::ErrorCode {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied => Self::AccessDenied,
            Failure::Invalid => Self::InvalidArgument,
            Failure::NotFound => Self::NameUnresolvable,
            Failure::Temporary => Self::TemporaryResolverFailure,
            Failure::Permanent => Self::PermanentResolverFailure,
        }
    }
}

impl From<Failure> for p3::ErrorCode {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied => Self::AccessDenied,
            Failure::Invalid => Self::InvalidArgument,
            Failure::NotFound => Self::NameUnresolvable,
            Failure::Temporary => Self::TemporaryResolverFailure,
            Failure::Permanent => Self::PermanentResolverFailure,
        }
    }
}

/// A question that may be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The answer is the question.
    Address(IpAddr),
    /// DNS has the answer.
    Name(String),
}

impl Sockets {
    /// Decides on a name, before it goes anywhere.
    pub(super) fn question(&self, name: &str, now: Instant) -> Result<Question, Failure> {
        let host = Host::parse_lookup(name).map_err(|_| Failure::Invalid)?;
        let name = match &host {
            Host::Address(address) => return Ok(Question::Address(*address)),
            Host::Name(name) => name.clone(),
        };
        if !self.rules.may_look_up(&host) {
            self.deny("lookup", &format!("{host}: neither lookup nor a host of connect names it"));
            return Err(Failure::Denied);
        }
        if !self.places.look_up(now) {
            self.deny("lookups", &format!("{host}: more than {LOOKUPS_PER_SECOND_MAX} look-ups in a second"));
            return Err(Failure::Temporary);
        }
        Ok(Question::Name(name))
    }

    /// Of an answer what the guest may see; only that is remembered.
    pub(super) fn answer(
        &self,
        name: String,
        found: &[IpAddr],
        now: Instant,
    ) -> Result<Vec<IpAddr>, Failure> {
        let host = Host::Name(name);
        let found: Vec<IpAddr> = found.iter().map(IpAddr::to_canonical).collect();
        let shown = self.rules.shown(&host, &found).map_err(|refused| {
            let first = found.first().map(IpAddr::to_string).unwrap_or_default();
            self.deny(refused.rule(), &format!("{host} is {first}: {refused}"));
            Failure::Denied
        })?;
        let mut answers = self.answers();
        for address in &shown {
            answers.note((*address, host.clone()), now);
        }
        Ok(shown)
    }
}

/// Starts a look-up; what can be said at once is said at once.
fn start(
    sockets: Option<Arc<Sockets>>,
    name: &str,
) -> Result<impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send + 'static, Failure> {
    let sockets = sockets.ok_or(Failure::Denied)?;
    let question = sockets.question(name, Instant::now())?;
    Ok(async move {
        let name = match question {
            Question::Address(address) => return Ok(vec![address]),
            Question::Name(name) => name,
        };
        let found = sockets.resolver.resolve(&name).await.map_err(|error| {
            tracing::debug!("looking up {name}: {error}");
            Failure::from(&error)
        })?;
        sockets.answer(name, &found, Instant::now())
    })
}

type Found = Result<std::vec::IntoIter<IpAddr>, Failure>;

/// `resolve-address-stream` of 0.2.
struct Answers {
    coming: AbortOnDropJoinHandle<Result<Vec<IpAddr>, Failure>>,
    found: Option<Found>,
}

#[async_trait]
impl Pollable for Answers {
    async fn ready(&mut self) {
        if self.found.is_none() {
            let found = (&mut self.coming).await;
            self.found = Some(found.map(Vec::into_iter));
        }
    }
}

impl Answers {
    fn next(&mut self) -> Result<Option<IpAddr>, p2::ErrorCode> {
        if self.ready().now_or_never().is_none() {
            return Err(p2::ErrorCode::WouldBlock);
        }
        match &mut self.found {
            Some(Ok(found)) => Ok(found.next()),
            Some(Err(failure)) => Err((*failure).into()),
            None => Err(p2::ErrorCode::WouldBlock),
        }
    }
}

type Answered<T> = wasmtime::Result<(Result<T, p2::ErrorCode>,)>;

pub(super) fn link_0_2(place: &mut Place<'_>) -> wasmtime::Result<()> {
    let part = place.part;
    let mut lookup = place.instance()?;
    lookup.resource("resolve-address-stream", ResourceType::host::<Answers>(), |mut store, rep| {
        store.data_mut().table().delete(Resource::<Answers>::new_own(rep))?;
        Ok(())
    })?;
    lookup.func_wrap("resolve-addresses", move |store, asked| resolve_addresses(part, store, asked))?;
    lookup.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store, (this,): (Resource<Answers>,)| -> Answered<Option<p2::IpAddress>> {
            let answers = store.data_mut().table().get_mut(&this)?;
            Ok((answers.next().map(|next| next.map(Into::into)),))
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store, (this,): (Resource<Answers>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(store.data_mut().table(), this)?,))
        },
    )
}

fn resolve_addresses(
    part: usize,
    mut store: StoreContextMut<'_, State>,
    (network, name): (Resource<Network>, String),
) -> Answered<Resource<Answers>> {
    let state: &mut State = store.data_mut();
    state.table().get(&network)?; // the right to use the network at all
    let coming = match start(state.sockets_of(part), &name) {
        Ok(coming) => spawn(coming),
        Err(failure) => return Ok((Err(failure.into()),)),
    };
    Ok((Ok(state.table().push(Answers { coming, found: None })?),))
}

pub(super) fn link_0_3(place: &mut Place<'_>) -> wasmtime::Result<()> {
    let part = place.part;
    let mut lookup = place.instance()?;
    lookup.func_wrap_concurrent("resolve-addresses", move |store: &Accessor<State>, (name,): (String,)| {
        let started = store.with(|mut store| start(store.data_mut().sockets_of(part), &name));
        Box::pin(async move {
            let found = match started {
                Ok(coming) => coming.await,
                Err(failure) => Err(failure),
            };
            let found = found.map(|found| found.into_iter().map(P3Address::from).collect::<Vec<_>>());
            Ok((found.map_err(p3::ErrorCode::from),))
        })
    })
}
