//! Runs a server: listens, accepts, hands requests to guests, and ends in order. Told to stop, it goes on
//! accepting for the lame-duck time (whoever sends lags behind the word) and tells its clients with each
//! answer to ask elsewhere, then takes no more connections but those that have come, lets what is under way
//! end, and interrupts what has not ended shortly before the grace period is over.

mod body;
mod connection;
mod guest;
mod instances;
mod listen;
mod stall;
mod told;
mod wanted;

use crate::stdio::Streams;
use crate::store::{State, Stores};
use crate::{Http, Outcome, Stop, code};
use connection::Connections;
use guest::Guests;
use listen::Accepted;
use morph_component::Preview;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};
use wasmtime::component::InstancePre;

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
    let guests = match Guests::new(instance, preview, stores, streams.stderr.clone(), http.requests) {
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
    let server = Server { connections: Connections::new(guests.clone()), guests };
    server.serve(listener, http, stop, streams).await;
    Outcome::exited(0)
}

struct Server {
    guests: Arc<Guests>,
    connections: Connections,
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
        let lame = async {
            stop.stopped().await;
            let stopped = Instant::now();
            self.connections.leave();
            sleep(ending.lame_duck).await;
            stopped
        };
        let (stopped, waiting) = self.accept(&listener, lame).await;
        let rest = waiting.into_iter().chain(listen::close(listener));
        self.connections.close();
        self.guests.close();
        let ended = async {
            for (stream, peer) in rest {
                if let Some(place) = self.connections.place().await {
                    self.connections.serve(stream, peer, place);
                }
            }
            self.connections.ended().await;
            self.guests.ended().await;
        };
        let interrupt = stopped + ending.interrupt;
        if timeout_at(interrupt, ended).await.is_err() {
            streams.stderr.say(&format!("stopping: {} requests are interrupted", self.guests.busy()));
            self.guests.interrupt();
            // Their clients are told so, if they read.
            let told = timeout_at(interrupt + ending.tell, self.connections.ended()).await;
            tracing::debug!(all_told = told.is_ok(), "interrupted");
            self.connections.interrupt();
            self.connections.ended().await;
            self.guests.ended().await;
        }
    }

    /// Accepts until then; answers what came then, and the connection that had no place yet, if there is one.
    async fn accept<T>(&self, listener: &TcpListener, end: impl Future<Output = T>) -> (T, Option<Accepted>) {
        let mut end = pin!(end);
        loop {
            let accepted = tokio::select! {
                end = end.as_mut() => return (end, None),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => tokio::select! {
                    end = end.as_mut() => return (end, Some((stream, peer))),
                    Some(place) = self.connections.place() => self.connections.serve(stream, peer, place),
                },
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::select! {
                        end = end.as_mut() => return (end, None),
                        () = sleep(Duration::from_millis(ACCEPT_AGAIN_MILLIS)) => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
