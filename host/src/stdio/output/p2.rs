//! One guest's handle of an output, as `wasi:io/streams` of 0.2 wants it: ask how much may be written, write
//! no more than that. A guest that writes more traps, as the interface says, so that the host's queue never
//! grows by it.

use super::{Output, PERMIT_BYTES_MAX, QUEUE_BYTES_BOUND};
use bytes::Bytes;
use std::io;
use std::task::{Context, Poll, Waker};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

pub(super) struct P2 {
    output: Output,
    flushing: bool,
    /// What was allowed and isn't written yet, in bytes: it stays allowed when other guests fill the queue.
    permit: usize,
}

impl P2 {
    pub(super) fn new(output: Output) -> Self {
        Self { output, flushing: false, permit: 0 }
    }
}

impl OutputStream for P2 {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let allowed = self.output.0.rate.room().unwrap_or(0);
        let mut queue = self.output.queue();
        if self.flushing && !queue.is_drained() {
            return Err(StreamError::trap("output was written before its flush had ended"));
        }
        let permit = self.permit.min(QUEUE_BYTES_BOUND.saturating_sub(queue.bytes));
        // One that never asked may write what would have been allowed.
        if bytes.len() > permit.max(queue.room().min(allowed)) && queue.error.is_none() {
            return Err(StreamError::trap("more output was written than allowed at once"));
        }
        self.flushing = false;
        self.permit = self.permit.saturating_sub(bytes.len());
        self.output.0.rate.take(bytes.len());
        self.output.push(&mut queue, bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.flushing = true;
        self.permit = 0;
        Ok(())
    }

    /// How much may be written: nothing while a flush is under way, the queue is full or the rate used up.
    fn check_write(&mut self) -> StreamResult<usize> {
        let noop = Context::from_waker(Waker::noop());
        self.permit = 0;
        if self.flushing {
            match self.output.poll_drained(&noop) {
                Poll::Ready(result) => result.map_err(stream_error)?,
                Poll::Pending => return Ok(0),
            }
            self.flushing = false;
        }
        let allowed = self.output.0.rate.room().unwrap_or(0);
        if let Poll::Ready(room) = self.output.poll_room(&noop) {
            self.permit = room.map_err(stream_error)?.min(allowed).min(PERMIT_BYTES_MAX);
        }
        Ok(self.permit)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for P2 {
    async fn ready(&mut self) {
        let (output, flushing) = (&self.output, self.flushing);
        while let (false, Err(wait)) = (flushing, output.0.rate.room()) {
            tokio::time::sleep(wait).await;
        }
        std::future::poll_fn(|cx| match flushing {
            true => output.poll_drained(cx).map(|_| ()),
            false => output.poll_room(cx).map(|_| ()),
        })
        .await;
    }
}

/// A closed pipe is a closed stream; anything else is an error that the guest can ask about.
fn stream_error(error: io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => StreamError::Closed,
        _ => StreamError::LastOperationFailed(error.into()),
    }
}
