//! A connection's stream, as one that tells when bytes for its client wait. hyper is done with an answer when
//! it has the last of it in a buffer of its own; its client may have most of that still before it.

use super::Used;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A stream that says in what its connection is used for whether bytes wait.
pub(super) struct Outward {
    stream: TcpStream,
    used: watch::Sender<Used>,
    unsent: bool,
    /// Whether something was written since the last flush.
    written: bool,
}

impl Outward {
    pub(super) fn new(stream: TcpStream, used: watch::Sender<Used>) -> Self {
        Self { stream, used, unsent: false, written: false }
    }

    /// Whoever writes writes on until nothing is left or there is no room.
    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.written = true;
        if self.unsent != polled.is_pending() {
            self.unsent = polled.is_pending();
            self.used.send_modify(|used| used.waits(self.unsent));
        }
        polled
    }
}

impl AsyncRead for Outward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Outward {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Frames of HTTP/2 are flushed one by one: only where there was nothing to write is none left.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::take(&mut self.written) {
            self.used.send_if_modified(Used::flushed);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
