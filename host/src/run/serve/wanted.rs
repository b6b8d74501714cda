//! Whether somebody still waits for what a guest does, from its first instruction to the last byte of its
//! answer.

use super::connection::UnderWay;
use super::stall::Answering;
use crate::limits::AFTER_ANSWER_SECONDS_MAX;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, WasiBody};

/// Whether somebody still wants what the guest does.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    /// The client went before there was an answer.
    abandoned: CancellationToken,
    /// The answer's body has been sent, or its client went.
    done: CancellationToken,
    /// The guest ended before its time: what there is of its body is not the whole.
    cut: Arc<AtomicBool>,
}

impl Wanted {
    /// Ends when the guest is to be interrupted: whether it went on for too long after its answer.
    pub(super) async fn over(&self) -> bool {
        let after = async {
            self.done.cancelled().await;
            sleep(Duration::from_secs(AFTER_ANSWER_SECONDS_MAX)).await;
        };
        tokio::select! {
            () = self.abandoned.cancelled() => false,
            () = after => true,
        }
    }

    /// Ends when the answer's body has been sent, or its client went meanwhile.
    pub(super) async fn sent(&self) {
        self.done.cancelled().await;
    }

    /// Called before the guest's store is dropped: then its body ends as if it were whole.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    pub(super) async fn cut_after<T>(&self, ended: impl Future<Output = T>) -> T {
        let ended = ended.await;
        self.cut();
        ended
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// Held by whoever waits: first for the answer, then with its body.
pub(super) struct Waiting {
    pub(super) wanted: Wanted,
    pub(super) answered: bool,
    pub(super) _under_way: UnderWay,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        match self.answered {
            true => self.wanted.done.cancel(),
            false => self.wanted.abandoned.cancel(),
        }
    }
}

/// A body that tells how far it is read, and when it no longer is; one that its guest left unfinished ends
/// with an error, so that no client takes it for the whole.
pub(super) struct Watched {
    pub(super) body: WasiBody,
    pub(super) answering: Answering,
    pub(super) waiting: Waiting,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.answering.room();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.answering.given();
        }
        match polled {
            Poll::Ready(None) if self.waiting.wanted.is_cut() => {
                Poll::Ready(Some(Err(Error::HttpProtocolError)))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.waiting.wanted.is_cut()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
