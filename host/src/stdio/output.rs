//! Standard output and error: one queue for each descriptor, bounded, in order; of what guests write nothing
//! is lost. A reader that is slow or gone for a while stalls the guests that write, and nobody else; so does
//! the rate that both descriptors share.

mod p2;
mod p3;

use super::rate::{Bucket, Rate};
use crate::limits::CONCURRENT_REQUESTS_MAX;
use crate::words;
use bytes::Bytes;
use p2::P2;
use p3::P3;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::DynOutputStream;

/// Bytes that may wait in the queue before guests are told to wait.
const QUEUE_BYTES_MAX: usize = 256 << 10;

/// Bytes that one stream of 0.2 may be allowed before it writes them. Another guest may be allowed the same
/// bytes meanwhile.
const PERMIT_BYTES_MAX: usize = 16 << 10;

/// Bytes of guests in the queue at most: it was nearly full, and each request was allowed something before
/// any of them wrote. Whoever collects permits on many streams gets no further.
const QUEUE_BYTES_BOUND: usize = QUEUE_BYTES_MAX + CONCURRENT_REQUESTS_MAX * PERMIT_BYTES_MAX;

/// Bytes kept for the host's own lines beyond the guests' bound. A line that finds no place is counted.
const OWN_BYTES_MAX: usize = 64 << 10;

/// What the host's own lines may take in the long run, in bytes a second: a guest that traps with each
/// request must not fill the node's disk by it.
const OWN_BYTES_PER_SECOND: u64 = 256 << 10;

/// What they may take at once, in bytes: some 250 traps with their backtraces.
const OWN_BURST_BYTES: u64 = 1 << 20;

/// Bytes of one line of the host's own: a backtrace takes 4 KiB.
const OWN_LINE_BYTES_MAX: usize = 8 << 10;

/// Bytes of one write that must not block: a pipe that polls writable takes `PIPE_BUF` of them.
const PIECE_BYTES: usize = 4096;

/// Bytes of one write of the thread.
const THREAD_PIECE_BYTES: usize = 64 << 10;

/// One output descriptor, shared by all guests of a run.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

/// An output that somebody else keeps.
#[derive(Clone)]
pub(crate) struct WeakOutput(Weak<Shared>);

impl WeakOutput {
    pub(crate) fn upgrade(&self) -> Option<Output> {
        self.0.upgrade().map(Output)
    }
}

struct Shared {
    descriptor: OwnedFd,
    is_terminal: bool,
    rate: Rate,
    queue: Mutex<Queue>,
}

struct Queue {
    /// What the host's own lines may take.
    own: Bucket,
    waiting: VecDeque<Bytes>,
    /// Bytes in `waiting` and in the thread's hands.
    bytes: usize,
    thread: bool,
    /// The host's own lines that found no place, and that nobody has been told of.
    dropped: u64,
    error: Option<io::ErrorKind>,
    wakers: Vec<Waker>,
}

impl Queue {
    fn new() -> Self {
        Self {
            own: Bucket::new(OWN_BYTES_PER_SECOND, OWN_BURST_BYTES),
            waiting: VecDeque::new(),
            bytes: 0,
            thread: false,
            dropped: 0,
            error: None,
            wakers: Vec::new(),
        }
    }

    fn is_drained(&self) -> bool {
        self.bytes == 0 || self.error.is_some()
    }

    fn room(&self) -> usize {
        QUEUE_BYTES_MAX.saturating_sub(self.bytes)
    }

    fn add(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.waiting.push_back(bytes);
    }

    /// The line that tells of dropped ones, once.
    fn told(&mut self) -> Option<Bytes> {
        let dropped = std::mem::take(&mut self.dropped);
        let line = format!(
            "morph: {dropped} lines of the host were dropped: they came too fast, or nobody read them\n"
        );
        (dropped > 0).then(|| line.into())
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
    /// What guests write counts against `rate`; whoever writes more has to wait.
    pub(crate) fn new(descriptor: OwnedFd, rate: Rate) -> Self {
        let is_terminal = descriptor.is_terminal();
        Self(Arc::new(Shared { descriptor, is_terminal, rate, queue: Mutex::new(Queue::new()) }))
    }

    /// One that doesn't keep the descriptor open.
    pub(super) fn downgrade(&self) -> WeakOutput {
        WeakOutput(Arc::downgrade(&self.0))
    }

    /// Takes a line of the host's own, beyond what guests may fill. Where even that is full, or lines come
    /// too fast, the line is dropped, and how many were is said later.
    pub(crate) fn say(&self, line: &str) {
        let text = Bytes::from(format!("morph: {}\n", words::cut(line.trim_end(), OWN_LINE_BYTES_MAX)));
        let mut queue = self.queue();
        let fits = queue.bytes + text.len() <= QUEUE_BYTES_BOUND + OWN_BYTES_MAX;
        if !fits || queue.own.room(Instant::now()).is_err() {
            queue.dropped += 1;
            return;
        }
        queue.own.take(text.len());
        let told = queue.told().map_or(Ok(()), |told| self.push(&mut queue, told));
        if let Err(error) = told.and_then(|()| self.push(&mut queue, text)) {
            tracing::debug!(%error, "standard error is closed: nobody hears the host");
        }
    }

    /// Tells of dropped lines now: nobody will say any more.
    pub(crate) fn tell_dropped(&self) {
        let mut queue = self.queue();
        if let Some(Err(error)) = queue.told().map(|told| self.push(&mut queue, told)) {
            tracing::debug!(%error, "standard error is closed: nobody hears the host");
        }
    }

    /// Takes a whole line of a guest's once there is any room and the rate allows any byte: both are then
    /// exceeded by one line at most, and nothing comes in between.
    pub(crate) async fn line(&self, line: Bytes) -> io::Result<()> {
        while let Err(wait) = self.0.rate.room() {
            tokio::time::sleep(wait).await;
        }
        let take = |cx: &mut Context<'_>| {
            let mut queue = self.queue();
            std::task::ready!(poll_room(&mut queue, cx))?;
            self.0.rate.take(line.len());
            Poll::Ready(self.push(&mut queue, line.clone()))
        };
        std::future::poll_fn(take).await
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
        poll_room(&mut self.queue(), cx)
    }

    fn push(&self, queue: &mut Queue, mut bytes: Bytes) -> io::Result<()> {
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
        queue.add(bytes);
        if !queue.thread {
            let shared = self.0.clone();
            let thread = std::thread::Builder::new().name("stdio".into());
            let started = thread.stack_size(64 << 10).spawn(move || shared.write_all());
            // Without a thread nothing would ever empty the queue.
            started.inspect_err(|error| queue.fail(error.kind()))?;
            queue.thread = true;
        }
        Ok(())
    }
}

fn poll_room(queue: &mut Queue, cx: &Context<'_>) -> Poll<io::Result<usize>> {
    match (queue.error, queue.room()) {
        (Some(error), _) => Poll::Ready(Err(error.into())),
        (None, 0) => {
            queue.wait(cx);
            Poll::Pending
        }
        (None, room) => Poll::Ready(Ok(room)),
    }
}

impl Shared {
    /// Writes what can be written without blocking. Nothing to a terminal: it is called writable when it
    /// takes a single byte, and one whose reader is away would hold up the guest's thread, and every stop.
    fn write_at_once(&self, bytes: &mut Bytes) -> io::Result<()> {
        if self.is_terminal {
            return Ok(());
        }
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
                if queue.waiting.is_empty()
                    && let Some(told) = queue.told()
                {
                    queue.add(told);
                }
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
        Box::new(P3::new(self.clone()))
    }

    fn p2_stream(&self) -> DynOutputStream {
        Box::new(P2::new(self.clone()))
    }
}

#[cfg(test)]
mod tests;
