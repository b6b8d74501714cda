//! The guest's standard streams over descriptors of this process. The descriptors stay blocking (they may be
//! shared with others): output is written at once where that can't block, else by a thread that lives as
//! long as something waits. What happens to the bytes after the descriptor is not our matter.

mod input;
mod output;

pub(crate) use input::Input;
pub(crate) use output::Output;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The guest's standard streams.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input; read only when the guest reads.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error; the host's last words go there as well.
    pub stderr: OwnedFd,
}

impl Stdio {
    /// This process's own streams, duplicated.
    ///
    /// # Errors
    /// The system's, when no descriptor is left.
    pub fn inherit() -> io::Result<Self> {
        Ok(Self {
            stdin: io::stdin().as_fd().try_clone_to_owned()?,
            stdout: io::stdout().as_fd().try_clone_to_owned()?,
            stderr: io::stderr().as_fd().try_clone_to_owned()?,
        })
    }
}

/// The streams as guests use them; all guests of a run share one set.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) stdin: Input,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl From<Stdio> for Streams {
    fn from(stdio: Stdio) -> Self {
        Self {
            stdin: Input::new(stdio.stdin),
            stdout: Output::new(stdio.stdout),
            stderr: Output::new(stdio.stderr),
        }
    }
}

impl Streams {
    /// Ends when all that guests wrote is written, or can't be.
    pub(crate) async fn drained(&self) {
        self.stdout.drained().await;
        self.stderr.drained().await;
    }
}
