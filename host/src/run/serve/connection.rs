//! One connection: HTTP/1 or HTTP/2 over it, how long it may stay open without a request under way, and how
//! it is taken leave of. A connection that asks for nothing must not keep the place of one that would; one
//! that asks to the last loses nothing.

mod outward;

use super::guest::Guests;
use super::stall::{self, Crowded, limited};
use crate::limits::{CONNECTIONS_MAX, REQUEST_HEAD_BYTES_MAX};
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use outward::Outward;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::WasiBody;

/// How long a new connection may take to its first request, in seconds. Proxies that connect in advance send
/// one within a few.
const FIRST_REQUEST_SECONDS_MAX: u64 = 30;

/// How long a connection may go on without a request, in seconds. Longer than the proxies and clients in
/// front keep theirs (60 to 90 mostly): theirs should close first, or a request of theirs is lost.
const IDLE_SECONDS_MAX: u64 = 120;

/// The same, in seconds, while another connection waits for a place.
const CROWDED_SECONDS_MAX: u64 = 1;

/// How long ago a connection may have come, or been asked over, and still be waited for once no more are
/// accepted, in milliseconds: the first request, or the next, may be on its way. A segment that is lost comes
/// again after 200.
const LATELY_MILLIS: u64 = 500;

/// How long a client may take to notice that its connection closes, in seconds; a head that it was about to
/// send may still come.
const CLOSING_SECONDS_MAX: u64 = 5;

/// Time between pings on HTTP/2, in seconds: with a stream open, a client that is gone is found by them.
const PING_SECONDS: u64 = 60;

/// All connections of a server.
pub(super) struct Connections {
    guests: Arc<Guests>,
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    crowded: watch::Sender<bool>,
    leaving: CancellationToken,
    closing: CancellationToken,
    interrupt: CancellationToken,
    full: Crowded,
}

impl Connections {
    pub(super) fn new(guests: Arc<Guests>) -> Self {
        let crowded = watch::Sender::new(false);
        let (connections, requests) = (crowded.subscribe(), guests.clone());
        Self {
            guests,
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            full: Arc::new(move || requests.is_full() || *connections.borrow()),
            crowded,
            leaving: CancellationToken::new(),
            closing: CancellationToken::new(),
            interrupt: CancellationToken::new(),
        }
    }

    /// A place for a connection that has come; while it waits, idle ones have little time.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(place);
        }
        let _crowd = Crowd::new(&self.crowded);
        self.guests.told.crowded();
        self.places.clone().acquire_owned().await.ok()
    }

    /// Serves a connection in a task of its own.
    pub(super) fn serve(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let connection = Connection {
            guests: self.guests.clone(),
            tasks: self.tasks.clone(),
            crowded: self.crowded.subscribe(),
            leaving: self.leaving.clone(),
            closing: self.closing.clone(),
            interrupt: self.interrupt.clone(),
            full: self.full.clone(),
            used: watch::Sender::default(),
        };
        let (full, told) = (self.full.clone(), self.guests.told.clone());
        self.tasks.spawn(async move {
            match limited(&full, connection.run(stream)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    told.ended(error.as_ref());
                    tracing::debug!(%peer, %error, "connection ended");
                }
                None => tracing::debug!(%peer, "connection broken off: its client takes no part"),
            }
            drop(place);
        });
    }

    /// Tells each client with its next answer to ask elsewhere from now on; what it asks still is answered.
    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }

    /// Lets each connection end after what is under way on it, or about to be.
    pub(super) fn close(&self) {
        self.leave();
        self.tasks.close();
        self.closing.cancel();
    }

    /// Ends when no connection is left.
    pub(super) async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Breaks every connection off.
    pub(super) fn interrupt(&self) {
        self.interrupt.cancel();
    }
}

/// There is one while a connection waits for a place, however that ends.
struct Crowd<'a>(&'a watch::Sender<bool>);

impl<'a> Crowd<'a> {
    fn new(crowded: &'a watch::Sender<bool>) -> Self {
        crowded.send_replace(true);
        Self(crowded)
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

struct Connection {
    guests: Arc<Guests>,
    tasks: TaskTracker,
    crowded: watch::Receiver<bool>,
    leaving: CancellationToken,
    closing: CancellationToken,
    interrupt: CancellationToken,
    full: Crowded,
    used: watch::Sender<Used>,
}

type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Connection {
    async fn run(self, stream: TcpStream) -> Served {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection without TCP_NODELAY");
        }
        // From now on, however long it was until this task had its turn.
        self.used.send_replace(Used::default());
        let builder = self.builder();
        let service = service_fn(|request| {
            let answered = self.answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let mut connection =
            pin!(builder.serve_connection(TokioIo::new(Outward::new(stream, self.used.clone())), service));
        // What has come is looked at first: on a busy machine the patience may be over when it is seen.
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = self.quiet([FIRST_REQUEST_SECONDS_MAX, IDLE_SECONDS_MAX]) => {}
            () = self.farewell() => {}
            () = self.interrupt.cancelled() => return Ok(()),
        }
        self.used.send_modify(|used| used.closing());
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            () = self.quiet([CLOSING_SECONDS_MAX; 2]) => Ok(()),
            () = self.interrupt.cancelled() => Ok(()),
        }
    }

    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<WasiBody>> + use<> {
        let (guests, leaving) = (self.guests.clone(), self.leaving.clone());
        let (version, under_way) = (request.version(), UnderWay::new(&self.used, request.version()));
        async move {
            let mut response = guests.answer(request, under_way).await;
            // HTTP/2 has a word of its own for this, which is nobody's answer.
            if leaving.is_cancelled() && version < Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }

    /// Ends when leave can be taken and no request is lost by it. Over HTTP/2 that is whenever it is to be:
    /// what a client sends before it has heard of it is answered. HTTP/1 closes what is idle at once, and a
    /// connection that was never asked over isn't known to be either.
    async fn farewell(&self) {
        let mut used = self.used.subscribe();
        let multiplexed = async {
            self.leaving.cancelled().await;
            used.wait_for(|used| used.multiplexed).await.map(drop)
        };
        let quiet = async {
            self.closing.cancelled().await;
            quiet(self.used.subscribe(), self.crowded.clone(), [Duration::from_millis(LATELY_MILLIS); 2])
                .await;
        };
        tokio::select! {
            Ok(()) = multiplexed => {}
            () = quiet => {}
        }
    }

    fn builder(&self) -> Builder<Spawner> {
        let (tasks, interrupt) = (self.tasks.clone(), self.interrupt.clone());
        let mut builder = Builder::new(Spawner { tasks, interrupt, full: self.full.clone() });
        // No time limit of hyper's own for a head: it begins only when the client's first bytes have told
        // which HTTP it is, and it would count idle time as well. `quiet` bounds all of it.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(REQUEST_HEAD_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(PING_SECONDS))
            .max_header_list_size(REQUEST_HEAD_BYTES_MAX as u32);
        builder
    }

    /// Ends when there has been no request under way for too long: `seconds_max` before the first one and
    /// between others; and when nothing has gone to a client for too long that has the last of its answer
    /// before it.
    fn quiet(&self, seconds_max: [u64; 2]) -> impl Future<Output = ()> + use<> {
        quiet(self.used.subscribe(), self.crowded.clone(), seconds_max.map(Duration::from_secs))
    }
}

async fn quiet(mut used: watch::Receiver<Used>, mut crowded: watch::Receiver<bool>, idle: [Duration; 2]) {
    loop {
        let now = *used.borrow_and_update();
        let limit = now.patience(*crowded.borrow_and_update(), idle);
        tokio::select! {
            biased;
            changed = used.changed() => if changed.is_err() {
                return;
            },
            // Whoever says that it is crowded lives as long as its connections.
            Ok(()) = crowded.changed() => {}
            () = sleep_until(now.since + limit), if now.requests == 0 => return,
        }
    }
}

/// What a connection is used for.
#[derive(Clone, Copy)]
struct Used {
    /// Requests under way.
    requests: usize,
    /// Whether bytes wait until its client has taken others.
    unsent: bool,
    /// Whether the last of an answer may be among them. Others, such as answers to pings, gain a client
    /// nothing.
    last: bool,
    /// Since when all of it has been so.
    since: Instant,
    /// Whether there has been a request.
    asked: bool,
    /// Whether it is one of HTTP/2.
    multiplexed: bool,
}

impl Used {
    /// Whether its client has the last of an answer before it.
    fn is_answering(&self) -> bool {
        self.unsent && self.last
    }

    /// How long all may stay as it is; where nothing is before its client, before the first request and
    /// between others.
    fn patience(&self, is_crowded: bool, [first, later]: [Duration; 2]) -> Duration {
        let idle = if self.asked { later } else { first };
        match (is_crowded, self.is_answering()) {
            (_, true) => stall::patience(is_crowded),
            (true, false) => idle.min(Duration::from_secs(CROWDED_SECONDS_MAX)),
            (false, false) => idle,
        }
    }

    /// Its client is told that it closes, and has time from now on; not one that hasn't taken anything of its
    /// answer for as long as it may.
    fn closing(&mut self) {
        if !self.is_answering() {
            self.since = Instant::now();
        }
    }

    /// Bytes wait, or none do any more.
    fn waits(&mut self, unsent: bool) {
        self.unsent = unsent;
        if self.last {
            self.since = Instant::now();
        }
    }

    /// Nothing is left to be written; whether there was.
    fn flushed(&mut self) -> bool {
        std::mem::take(&mut self.last)
    }
}

impl Default for Used {
    /// That of a connection that has just come.
    fn default() -> Self {
        let since = Instant::now();
        Self { requests: 0, unsent: false, last: false, since, asked: false, multiplexed: false }
    }
}

/// A request under way on a connection, until hyper has the whole of its answer.
pub(super) struct UnderWay(watch::Sender<Used>);

impl UnderWay {
    fn new(used: &watch::Sender<Used>, version: Version) -> Self {
        used.send_modify(|used| {
            used.requests += 1;
            (used.since, used.asked) = (Instant::now(), true);
            used.multiplexed |= version == Version::HTTP_2;
        });
        Self(used.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|used| {
            used.requests -= 1;
            (used.since, used.last) = (Instant::now(), true);
        });
    }
}

/// Runs hyper's own tasks (streams of HTTP/2) as tasks of the connections.
#[derive(Clone)]
struct Spawner {
    tasks: TaskTracker,
    interrupt: CancellationToken,
    full: Crowded,
}

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, future: F) {
        let Self { tasks, interrupt, full } = self.clone();
        tasks.spawn(async move {
            tokio::select! {
                ended = limited(&full, future) => if ended.is_none() {
                    tracing::debug!("stream broken off: its client takes no part");
                },
                () = interrupt.cancelled() => {}
            }
        });
    }
}

#[cfg(test)]
pub(super) mod tests;
