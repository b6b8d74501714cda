//! The guest's standard streams over descriptors of this process. The descriptors stay blocking (they may be
//! shared with others): output is written at once where that can't block, else by a thread that lives as
//! long as something waits. What happens to the bytes after the descriptor is not our matter.

mod input;
mod output;
mod rate;

pub(crate) use input::Input;
pub(crate) use output::Output;

use crate::limits::OUTPUT_BYTES_PER_SECOND_DEFAULT;
use morph_grant::Limits;
pub(crate) use rate::Rate;
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

impl Streams {
    pub(crate) fn new(stdio: Stdio, limits: &Limits) -> Self {
        let rate = Rate::new(limits.output_bytes_per_second.unwrap_or(OUTPUT_BYTES_PER_SECOND_DEFAULT));
        let stderr = Output::new(stdio.stderr, rate.clone());
        rate.tells_on(&stderr);
        Self { stdin: Input::new(stdio.stdin), stdout: Output::new(stdio.stdout, rate), stderr }
    }

    /// Ends when all that guests wrote is written, or can't be.
    pub(crate) async fn drained(&self) {
        self.stderr.tell_dropped();
        self.stdout.drained().await;
        self.stderr.drained().await;
    }
}
