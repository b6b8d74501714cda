//! Standard input: nothing is read before the guest asks, so that a guest that never does costs no thread.

use std::io::IsTerminal as _;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use tokio::io::AsyncRead;
use wasmtime_wasi::cli::{AsyncStdinStream, IsTerminal, StdinStream};
use wasmtime_wasi::p2::DynInputStream;

/// Standard input, shared by all guests of a run.
#[derive(Clone)]
pub(crate) struct Input(Arc<Shared>);

struct Shared {
    descriptor: Arc<OwnedFd>,
    is_terminal: bool,
    stream: OnceLock<AsyncStdinStream>,
}

impl Input {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        let is_terminal = descriptor.is_terminal();
        Self(Arc::new(Shared { descriptor: Arc::new(descriptor), is_terminal, stream: OnceLock::new() }))
    }

    /// The one stream. It reads through tokio's blocking threads, a piece ahead of the guest.
    fn stream(&self) -> &AsyncStdinStream {
        self.0.stream.get_or_init(|| match self.0.descriptor.try_clone() {
            Ok(descriptor) => AsyncStdinStream::new(tokio::fs::File::from_std(descriptor.into())),
            Err(error) => {
                tracing::error!(%error, "no descriptor is left to read standard input");
                AsyncStdinStream::new(tokio::io::empty())
            }
        })
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.stream().async_stream()
    }

    fn p2_stream(&self) -> DynInputStream {
        self.stream().p2_stream()
    }
}
