//! Runs a server: listens, accepts, hands requests to guests, and ends in order. Told to stop, it goes on
//! accepting for the lame-duck time (whoever sends lags behind the word), then takes no more connections,
//! lets what is under way end, and interrupts what has not ended shortly before the grace period is over.

mod guest;
mod listen;

use crate::stdio::Streams;
use crate::store::{State, Stores};
use crate::{Http, Outcome, Stop, code};
use guest::Guests;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use morph_component::Preview;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime::component::InstancePre;

/// Connections open at once; past it, new ones wait in the kernel's queue. Idle ones cost some 10 KiB.
const CONNECTIONS_MAX: usize = 1024;

/// How long a client may take to send a request's head, in seconds; an idle connection ends by it as well.
const HEAD_SECONDS_MAX: u64 = 60;

/// Bytes of a request's head. Browsers and proxies stay below 16 KiB.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What is kept of the grace period for interrupting guests and writing the last output, in milliseconds;
/// of a short period, a tenth at most.
const LAST_MILLIS: u64 = 1000;

/// How long to wait when no connection can be accepted (no descriptors are left), in milliseconds.
const ACCEPT_AGAIN_MILLIS: u64 = 100;

pub(super) async fn run(
    instance: &InstancePre<State>,
    preview: Preview,
    stores: Stores,
    streams: &Streams,
    (http, stop): (&Http, &Stop),
    listening: impl FnOnce(SocketAddr) + Send,
) -> Outcome {
    let guests = match Guests::new(instance, preview, stores, streams.stderr.clone()) {
        Ok(guests) => Arc::new(guests),
        Err(error) => return Outcome::because(code::BAD_COMPONENT, format!("{error:#}")),
    };
    let listener = match listen::bind(http.address, http.port).and_then(|l| Ok((l.local_addr()?, l))) {
        Ok((address, listener)) => {
            listening(address);
            listener
        }
        Err(error) => {
            let text = format!("http.port: port {} can't be listened on: {error}", http.port);
            return Outcome::because(code::GRANT_REFUSED, text);
        }
    };
    let server = Server { guests, connections: TaskTracker::new(), interrupt: CancellationToken::new() };
    server.serve(listener, http, stop, streams).await;
    Outcome::exited(0)
}

struct Server {
    guests: Arc<Guests>,
    connections: TaskTracker,
    interrupt: CancellationToken,
}

/// When what happens after stop.
struct Ending {
    lame_duck: Duration,
    interrupt: Duration,
    tell: Duration,
}

impl Ending {
    fn of(http: &Http) -> Self {
        let grace = Duration::from_secs(http.grace_period_seconds.into());
        let last = Duration::from_millis(LAST_MILLIS).min(grace / 10);
        let interrupt = grace.saturating_sub(last);
        let lame_duck = Duration::from_secs(http.lame_duck_seconds.into()).min(interrupt);
        Self { lame_duck, interrupt, tell: last / 2 }
    }
}

impl Server {
    async fn serve(&self, listener: TcpListener, http: &Http, stop: &Stop, streams: &Streams) {
        let ending = Ending::of(http);
        let graceful = GracefulShutdown::new();
        let stopped = async {
            stop.stopped().await;
            let stopped = Instant::now();
            sleep(ending.lame_duck).await;
            stopped
        };
        let stopped = tokio::select! {
            stopped = stopped => stopped,
            never = self.accept(&listener, &graceful) => match never {},
        };
        drop(listener);
        self.connections.close();
        self.guests.close();
        let ended = async {
            graceful.shutdown().await;
            self.connections.wait().await;
            self.guests.ended().await;
        };
        let interrupt = stopped + ending.interrupt;
        if timeout_at(interrupt, ended).await.is_err() {
            streams.stderr.say(&format!("stopping: {} requests are interrupted", self.guests.busy()));
            self.guests.interrupt();
            // Their clients are told so, if they read.
            let told = timeout_at(interrupt + ending.tell, self.connections.wait()).await;
            tracing::debug!(all_told = told.is_ok(), "interrupted");
            self.interrupt.cancel();
            self.connections.wait().await;
            self.guests.ended().await;
        }
    }

    async fn accept(&self, listener: &TcpListener, graceful: &GracefulShutdown) -> Infallible {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = places.clone().acquire_owned().await;
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = self.connection(stream, graceful);
                    let interrupt = self.interrupt.clone();
                    self.connections.spawn(async move {
                        tokio::select! {
                            ended = connection => if let Err(error) = ended {
                                tracing::debug!(%peer, %error, "connection ended");
                            },
                            () = interrupt.cancelled() => {}
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(Duration::from_millis(ACCEPT_AGAIN_MILLIS)).await;
                }
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + use<> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection without TCP_NODELAY");
        }
        let mut builder = Builder::new(Spawner(self.connections.clone(), self.interrupt.clone()));
        let head = Duration::from_secs(HEAD_SECONDS_MAX);
        builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(head)
            .max_header_list_size(HEAD_BYTES_MAX as u32);
        let guests = self.guests.clone();
        let service = service_fn(move |request| {
            let guests = guests.clone();
            async move { Ok::<_, Infallible>(guests.answer(request).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        graceful.watcher().watch(connection)
    }
}

/// Runs hyper's own tasks (streams of HTTP/2) as tasks of the connections.
#[derive(Clone)]
struct Spawner(TaskTracker, CancellationToken);

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, future: F) {
        let interrupt = self.1.clone();
        self.0.spawn(async move {
            tokio::select! {
                _ = future => {}
                () = interrupt.cancelled() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests;
