//! One connection: HTTP/1 or HTTP/2 over it, and how long it may stay open without a request under way. A
//! connection that asks for nothing must not keep the place of one that would.

use super::guest::Guests;
use super::stall::{Crowded, limited};
use crate::limits::{CONNECTIONS_MAX, REQUEST_HEAD_BYTES_MAX};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
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

/// How long a new connection may take to its first request, in seconds. Proxies that connect in advance send
/// one within a few.
const FIRST_REQUEST_SECONDS_MAX: u64 = 30;

/// How long a connection may go on without a request, in seconds. Longer than the proxies and clients in
/// front keep theirs (60 to 90 mostly): theirs should close first, or a request of theirs is lost.
const IDLE_SECONDS_MAX: u64 = 120;

/// The same, in seconds, while another connection waits for a place.
const CROWDED_SECONDS_MAX: u64 = 1;

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
            closing: CancellationToken::new(),
            interrupt: CancellationToken::new(),
        }
    }

    /// A place for a connection that has come; while it waits, idle ones have little time.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(place);
        }
        self.crowded.send_replace(true);
        self.guests.told.crowded();
        let place = self.places.clone().acquire_owned().await;
        self.crowded.send_replace(false);
        place.ok()
    }

    /// Serves a connection in a task of its own.
    pub(super) fn serve(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let connection = Connection {
            guests: self.guests.clone(),
            tasks: self.tasks.clone(),
            crowded: self.crowded.subscribe(),
            closing: self.closing.clone(),
            interrupt: self.interrupt.clone(),
            full: self.full.clone(),
            requests: watch::Sender::new(0),
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

    /// Lets each connection end after what is under way on it.
    pub(super) fn close(&self) {
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

struct Connection {
    guests: Arc<Guests>,
    tasks: TaskTracker,
    crowded: watch::Receiver<bool>,
    closing: CancellationToken,
    interrupt: CancellationToken,
    full: Crowded,
    requests: watch::Sender<usize>,
}

type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Connection {
    async fn run(self, stream: TcpStream) -> Served {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection without TCP_NODELAY");
        }
        let builder = self.builder();
        let service = service_fn(|request| {
            let (guests, under_way) = (self.guests.clone(), UnderWay::new(&self.requests));
            async move { Ok::<_, Infallible>(guests.answer(request, under_way).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.quiet([FIRST_REQUEST_SECONDS_MAX, IDLE_SECONDS_MAX]) => {}
            () = self.closing.cancelled() => {}
            () = self.interrupt.cancelled() => return Ok(()),
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            () = self.quiet([CLOSING_SECONDS_MAX; 2]) => Ok(()),
            () = self.interrupt.cancelled() => Ok(()),
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
    /// between others.
    fn quiet(&self, seconds_max: [u64; 2]) -> impl Future<Output = ()> + use<> {
        quiet(self.requests.subscribe(), self.crowded.clone(), seconds_max.map(Duration::from_secs))
    }
}

async fn quiet(
    mut requests: watch::Receiver<usize>,
    mut crowded: watch::Receiver<bool>,
    [first, later]: [Duration; 2],
) {
    let (mut patience, mut since) = (first, Instant::now());
    loop {
        let asked = *requests.borrow_and_update() > 0;
        let crowded_now = *crowded.borrow_and_update();
        let limit =
            if crowded_now { patience.min(Duration::from_secs(CROWDED_SECONDS_MAX)) } else { patience };
        tokio::select! {
            changed = requests.changed() => {
                if changed.is_err() {
                    return;
                }
                (patience, since) = (later, Instant::now());
            }
            // Whoever says that it is crowded lives as long as its connections.
            Ok(()) = crowded.changed() => {}
            () = sleep_until(since + limit), if !asked => return,
        }
    }
}

/// A request under way on a connection, until its answer has been sent.
pub(super) struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    fn new(requests: &watch::Sender<usize>) -> Self {
        requests.send_modify(|count| *count += 1);
        Self(requests.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
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
mod tests;
