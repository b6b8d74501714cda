//! One guest's handle of an output in 0.3: tokio's writer, that waits for the rate and for room in the queue.

use super::{Output, poll_room};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};

pub(super) struct P3 {
    output: Output,
    /// Until the rate allows more.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl P3 {
    pub(super) fn new(output: Output) -> Self {
        Self { output, waiting: None }
    }

    /// How much the rate allows.
    fn poll_rate(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
            }
            self.waiting = None;
            match self.output.0.rate.room() {
                Ok(bytes) => return Poll::Ready(bytes),
                Err(wait) => self.waiting = Some(Box::pin(sleep(wait))),
            }
        }
    }
}

impl AsyncWrite for P3 {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = ready!(self.poll_rate(cx));
        // Under one lock: another guest may not take the same room.
        let mut queue = self.output.queue();
        let room = ready!(poll_room(&mut queue, cx))?;
        let taken = bytes.get(..room.min(allowed)).unwrap_or(bytes);
        self.output.0.rate.take(taken.len());
        Poll::Ready(self.output.push(&mut queue, Bytes::copy_from_slice(taken)).map(|()| taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_drained(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_drained(cx)
    }
}
