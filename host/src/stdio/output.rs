//! Standard output and error: one queue for each descriptor, bounded, in order, nothing lost. A reader that
//! is slow or gone for a while stalls the guests that write, and nobody else.

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that may wait in the queue before guests are told to wait.
const QUEUE_BYTES_MAX: usize = 256 << 10;

/// Bytes of one write that must not block: a pipe that polls writable takes `PIPE_BUF` of them.
const PIECE_BYTES: usize = 4096;

/// Bytes of one write of the thread.
const THREAD_PIECE_BYTES: usize = 64 << 10;

/// One output descriptor, shared by all guests of a run.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

struct Shared {
    descriptor: OwnedFd,
    is_terminal: bool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Bytes>,
    /// Bytes in `waiting` and in the thread's hands.
    bytes: usize,
    thread: bool,
    error: Option<io::ErrorKind>,
    wakers: Vec<Waker>,
}

impl Queue {
    fn is_drained(&self) -> bool {
        self.bytes == 0 || self.error.is_some()
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.wakers.push(cx.waker().clone());
        }
    }

    fn fail(&mut self, error: io::ErrorKind) {
        self.error = Some(error);
        self.waiting.clear();
        self.bytes = 0;
    }
}

impl Output {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        let is_terminal = descriptor.is_terminal();
        Self(Arc::new(Shared { descriptor, is_terminal, queue: Mutex::default() }))
    }

    /// Takes a line of the host's own, however full the queue is.
    pub(crate) fn say(&self, line: &str) {
        let text = Bytes::from(format!("morph: {}\n", line.trim_end()));
        if let Err(error) = self.push(text) {
            tracing::debug!(%error, "standard error is closed: nobody hears {line}");
        }
    }

    /// Ends when the queue is empty, or can't be emptied.
    pub(crate) async fn drained(&self) {
        std::future::poll_fn(|cx| self.poll_drained(cx).map(|_| ())).await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_drained(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.queue();
        match queue.error {
            Some(error) => Poll::Ready(Err(error.into())),
            None if queue.is_drained() => Poll::Ready(Ok(())),
            None => {
                queue.wait(cx);
                Poll::Pending
            }
        }
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        let mut queue = self.queue();
        match queue.error {
            Some(error) => Poll::Ready(Err(error.into())),
            None if queue.bytes < QUEUE_BYTES_MAX => Poll::Ready(Ok(QUEUE_BYTES_MAX - queue.bytes)),
            None => {
                queue.wait(cx);
                Poll::Pending
            }
        }
    }

    fn push(&self, mut bytes: Bytes) -> io::Result<()> {
        let mut queue = self.queue();
        if let Some(error) = queue.error {
            return Err(error.into());
        }
        if queue.bytes == 0
            && let Err(error) = self.0.write_at_once(&mut bytes)
        {
            queue.fail(error.kind());
            return Err(error);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        queue.bytes += bytes.len();
        queue.waiting.push_back(bytes);
        if !queue.thread {
            let shared = self.0.clone();
            let thread = std::thread::Builder::new().name("stdio".into());
            thread.stack_size(64 << 10).spawn(move || shared.write_all())?;
            queue.thread = true;
        }
        Ok(())
    }
}

impl Shared {
    /// Writes what can be written without blocking.
    fn write_at_once(&self, bytes: &mut Bytes) -> io::Result<()> {
        while !bytes.is_empty() && self.is_writable()? {
            let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
            match rustix::io::write(&self.descriptor, piece) {
                Ok(written) => drop(bytes.split_to(written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn is_writable(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.descriptor, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ready = rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, Some(&now)))?;
        Ok(ready > 0)
    }

    /// The thread: writes the queue until it is empty.
    fn write_all(&self) {
        loop {
            let mut piece = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(front) = queue.waiting.front_mut() else {
                    queue.thread = false;
                    return;
                };
                let piece = front.split_to(front.len().min(THREAD_PIECE_BYTES));
                if front.is_empty() {
                    queue.waiting.pop_front();
                }
                piece
            };
            let length = piece.len();
            let result = self.write_piece(&mut piece);
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(()) => queue.bytes -= length,
                Err(error) => queue.fail(error.kind()),
            }
            for waker in queue.wakers.drain(..) {
                waker.wake();
            }
        }
    }

    fn write_piece(&self, piece: &mut Bytes) -> io::Result<()> {
        while !piece.is_empty() {
            match rustix::io::write(&self.descriptor, piece) {
                Ok(written) => drop(piece.split_to(written)),
                Err(Errno::INTR) => {}
                // Whoever gave the descriptor made it non-blocking.
                Err(Errno::AGAIN) => {
                    let mut polled = [PollFd::new(&self.descriptor, PollFlags::OUT)];
                    rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, None))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> DynOutputStream {
        Box::new(P2 { output: self.clone(), flushing: false })
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = std::task::ready!(self.poll_room(cx))?;
        let taken = bytes.get(..room).unwrap_or(bytes);
        Poll::Ready(self.push(Bytes::copy_from_slice(taken)).map(|()| taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drained(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drained(cx)
    }
}

/// One guest's handle, as `wasi:io/streams` of 0.2 wants it.
struct P2 {
    output: Output,
    flushing: bool,
}

impl OutputStream for P2 {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.push(bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.flushing = true;
        Ok(())
    }

    /// How much may be written: nothing while a flush is under way or the queue is full.
    fn check_write(&mut self) -> StreamResult<usize> {
        let noop = Context::from_waker(Waker::noop());
        if self.flushing {
            match self.output.poll_drained(&noop) {
                Poll::Ready(result) => result.map_err(stream_error)?,
                Poll::Pending => return Ok(0),
            }
            self.flushing = false;
        }
        match self.output.poll_room(&noop) {
            Poll::Ready(room) => room.map_err(stream_error),
            Poll::Pending => Ok(0),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for P2 {
    async fn ready(&mut self) {
        let (output, flushing) = (&self.output, self.flushing);
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

#[cfg(test)]
mod tests;
