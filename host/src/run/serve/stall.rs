//! Whether a client still takes part in a request whose answer has begun: it reads what is given to it, and
//! sends what is asked of it. One that does neither for too long is treated as one that has gone, so that it
//! can't keep a request's place for ever. What a guest takes its time for is not counted.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// How long nothing may move either way while the client is waited for, in seconds. As long as proxies in
/// front allow a stream.
const STALL_SECONDS_MAX: u64 = 300;

/// The same, in seconds, while others get no place.
const STALL_CROWDED_SECONDS_MAX: u64 = 30;

/// Time between looks at a request under way, in seconds; so much later may it end.
const LOOK_SECONDS: u64 = 5;

/// Answers whether others get no place.
pub(super) type Crowded = Arc<dyn Fn() -> bool + Send + Sync>;

tokio::task_local! {
    // hyper makes a future of its own for each stream of HTTP/2 and tells nobody which request it is for.
    static TRANSFER: Arc<Transfer>;
}

/// How long nothing may move while a client is waited for.
pub(super) fn patience(is_crowded: bool) -> Duration {
    Duration::from_secs(if is_crowded { STALL_CROWDED_SECONDS_MAX } else { STALL_SECONDS_MAX })
}

/// Runs what serves a connection or a stream; `None` where its client has stalled.
pub(super) async fn limited<F: Future>(crowded: &Crowded, served: F) -> Option<F::Output> {
    let transfer = Arc::new(Transfer::new());
    tokio::select! {
        ended = TRANSFER.scope(transfer.clone(), served) => Some(ended),
        () = transfer.stalled(crowded) => None,
    }
}

/// How the bytes of one request move; requests of one connection of HTTP/1 have it one after the other.
pub(super) struct Transfer {
    turn: Mutex<Turn>,
    begun: Notify,
}

struct Turn {
    /// Whether an answer is under way.
    answering: bool,
    /// Whether a piece of the answer was given and there is no room for the next.
    given: bool,
    /// Whether the client's body is waited for.
    asked: bool,
    /// Since when nothing has moved.
    since: Instant,
}

impl Transfer {
    fn new() -> Self {
        let turn = Turn { answering: false, given: false, asked: false, since: Instant::now() };
        Self { turn: Mutex::new(turn), begun: Notify::new() }
    }

    /// That of the request that this runs for.
    pub(super) fn current() -> Arc<Self> {
        TRANSFER.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Self::new()))
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer begins.
    pub(super) fn answering(self: Arc<Self>) -> Answering {
        {
            let mut turn = self.turn();
            (turn.answering, turn.given, turn.since) = (true, false, Instant::now());
        }
        self.begun.notify_one();
        Answering(self)
    }

    fn asked(&self, asked: bool) {
        let mut turn = self.turn();
        if turn.asked != asked {
            (turn.asked, turn.since) = (asked, Instant::now());
        }
    }

    /// How long the client of an answer under way has been waited for.
    fn waited(&self) -> Option<Duration> {
        let turn = self.turn();
        let waits = turn.given || turn.asked;
        turn.answering.then(|| if waits { turn.since.elapsed() } else { Duration::ZERO })
    }

    async fn stalled(&self, crowded: &Crowded) {
        loop {
            self.begun.notified().await;
            while let Some(waited) = self.waited() {
                if waited >= patience(crowded()) {
                    return;
                }
                sleep(Duration::from_secs(LOOK_SECONDS)).await;
            }
        }
    }
}

/// An answer under way.
pub(super) struct Answering(Arc<Transfer>);

impl Answering {
    /// There is room for a piece: the client reads.
    pub(super) fn room(&self) {
        let mut turn = self.0.turn();
        if turn.given {
            (turn.given, turn.since) = (false, Instant::now());
        }
    }

    /// A piece is given.
    pub(super) fn given(&self) {
        let mut turn = self.0.turn();
        (turn.given, turn.since) = (true, Instant::now());
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut turn = self.0.turn();
        (turn.answering, turn.given, turn.asked) = (false, false, false);
    }
}

/// A request's body that tells when its client is waited for.
pub(super) struct Asked {
    body: Incoming,
    transfer: Arc<Transfer>,
}

impl Asked {
    pub(super) fn new(body: Incoming, transfer: Arc<Transfer>) -> Self {
        Self { body, transfer }
    }
}

impl Body for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.transfer.asked(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.transfer.asked(false);
    }
}

#[cfg(test)]
mod tests;
