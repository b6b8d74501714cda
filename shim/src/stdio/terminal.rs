//! A task's terminal: its guest has one end, the server the other, and copies between that and containerd's
//! fifos. It lives with the server, since there is no other process that could hold it.

use crate::seal;
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::task::JoinSet;

/// Bytes copied at once: what the kernel holds for a terminal.
const PIECE_BYTES: usize = 4096;

/// How long what a guest has written last may take to be copied, in milliseconds. A reader that is there
/// takes it in one; without any, the end of the task is not to wait.
const DRAIN_MILLIS_MAX: u64 = 500;

/// Somebody's end of a copy.
pub(super) type Source = Box<dyn AsyncRead + Send + Unpin>;
pub(super) type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// The server's end. Whoever drops it ends the copying.
#[derive(Debug)]
pub(super) struct Terminal {
    end: OwnedFd,
    output: JoinSet<()>,
    _input: JoinSet<()>,
}

impl Terminal {
    /// Makes one and begins to copy; answers the guest's end as well. Called within a runtime.
    pub(super) fn open(source: Option<Source>, sink: Sink) -> io::Result<(Self, OwnedFd)> {
        let (end, guest) = seal::open_terminal()?;
        // A pipe's halves in tokio's words: what they do is read and write, each without blocking.
        let written = Receiver::from_owned_fd_unchecked(end.try_clone()?)?;
        let typed = Sender::from_owned_fd_unchecked(end.try_clone()?)?;
        let (mut output, mut input) = (JoinSet::new(), JoinSet::new());
        output.spawn(copy(Box::new(written), sink));
        if let Some(source) = source {
            input.spawn(copy(source, Box::new(typed)));
        }
        Ok((Self { end, output, _input: input }, guest))
    }

    /// Says how large its window is.
    pub(super) fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.end, size)?)
    }

    /// Ends when all that the guest has written is copied, once nobody has its end any more; or in time.
    pub(super) async fn drained(&mut self) {
        let drained = tokio::time::timeout(Duration::from_millis(DRAIN_MILLIS_MAX), self.output.join_next());
        if drained.await.is_err() {
            tracing::warn!("a terminal's last output has no reader");
        }
    }
}

/// Copies until there is no more, or nobody takes it. A terminal says `EIO` when the other end is closed.
async fn copy(mut source: Source, mut sink: Sink) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match source.read(&mut piece).await {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) => return tracing::debug!(%error, "a terminal's end"),
        };
        let written = async {
            sink.write_all(&piece[..read]).await?;
            // A file's bytes are on their way when they are taken.
            sink.flush().await
        };
        if let Err(error) = written.await {
            return tracing::debug!(%error, "nobody takes what a terminal gives");
        }
    }
}
