//! A forked process, as the server that is its parent sees it: it is waited for, signalled and reaped.

use super::Error;
use crate::seal;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The code that containerd is told: 128 and the signal's number for a signal.
    pub fn code(self) -> u32 {
        match self {
            Exit::Code(code) => u32::from(code),
            Exit::Signal(signal) => 128 + signal.unsigned_abs(),
        }
    }
}

/// A forked process: this server is its parent and the one that reaps it. Dropped before its end, by a panic
/// say, it is killed and reaped: no list has it any more.
#[derive(Debug)]
pub struct Child {
    /// Its pid.
    pub pid: i32,
    pidfd: AsyncFd<OwnedFd>,
}

impl Child {
    pub(super) fn new(pid: i32, pidfd: OwnedFd) -> Result<Self, Error> {
        let pidfd = seal::watch(pidfd).map_err(|source| Error::Process {
            pid,
            doing: "watching its pidfd",
            source,
        })?;
        Ok(Self { pid, pidfd })
    }

    /// Waits for its end and reaps it: once; a second call is an error. May be cancelled.
    pub async fn wait(&self) -> Result<Exit, Error> {
        let failed =
            |source: io::Error| Error::Process { pid: self.pid, doing: "waiting for its end", source };
        loop {
            let mut ready = self.pidfd.readable().await.map_err(failed)?;
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Ok(Some(status)) => {
                    return Ok(match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Exit::Code((code & 0xff) as u8),
                        (None, signal) => Exit::Signal(signal.unwrap_or(Signal::KILL.as_raw())),
                    });
                }
                Ok(None) => ready.clear_ready(),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// Sends a signal; to a process that has ended it does nothing.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        match pidfd_send_signal(self.pidfd.as_fd(), signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(Error::Process { pid: self.pid, doing: "signalling it", source: error.into() }),
        }
    }

    /// Its pidfd, readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.get_ref().as_fd()
    }

    /// Kills and reaps what could not be set up; answers the error that says why.
    pub(super) async fn give_up(self, error: Error) -> Error {
        match self.signal(Signal::KILL) {
            Ok(()) => self.wait().await.err().unwrap_or(error),
            Err(also) => also,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has been waited for is not there to be signalled.
        discard(self.pidfd());
    }
}

/// Kills and reaps a child that nobody waits for.
pub(super) fn discard(pidfd: BorrowedFd<'_>) {
    if pidfd_send_signal(pidfd, Signal::KILL).is_ok() {
        let _ = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED);
    }
}
