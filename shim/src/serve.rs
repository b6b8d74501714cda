//! The server's process: listens where `bootstrap` bound, serves the task calls, and ends some time after its
//! last task. No guest runs in it.

use crate::bootstrap::{LOCK_MILLIS_MAX, READY, ServerArguments};
use crate::cache::{self, Cache};
use crate::compile::Compiler;
use crate::config::NodeConfig;
use crate::content::Containerd;
use crate::events::{Forwarding, Publisher};
use crate::failpoint::failpoint;
use crate::grant::chain;
use crate::lock::Lock;
use crate::log;
use crate::process::Zygote;
use crate::seal::OwnPages;
use crate::task::{LINGER_MILLIS, Parts, Server, Service};
use crate::walls::{self, Kernel};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use ttrpc::r#async::transport::Listener;

/// How long the last events may take, in milliseconds.
const LAST_EVENTS_MILLIS_MAX: u64 = 5_000;

/// How long another may hold what a server holds for life, in milliseconds: a `start` that looks does so for
/// an instant.
const LIFE_MILLIS_MAX: u64 = 2_000;

/// This program, whatever file is installed by now.
const PROGRAM: &str = "/proc/self/exe";

/// Threads that serve calls: they wait, mostly.
const THREADS: usize = 2;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The process; `text` is [`ServerArguments`] as JSON, standard input the listening socket.
#[must_use]
pub fn main(text: &str) -> ExitCode {
    match begin(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = chain(error.as_ref());
            // Who started this reads it there; if it has become ready before, there is only the log.
            drop(writeln!(std::io::stdout(), "{reason}"));
            tracing::error!(reason, "server ends");
            ExitCode::FAILURE
        }
    }
}

fn begin(text: &str) -> Result<(), Error> {
    let arguments: ServerArguments = serde_json::from_str(text)?;
    log::begin(arguments.debug)?;
    // Not with containerd's session, if that is a terminal's. It fails for who leads one already.
    let _ = rustix::process::setsid();
    raise_descriptors()?;
    // Held until this process is gone: that, and no silence, is how others know that it is.
    let _life = Lock::take(&arguments.life, Duration::from_millis(LIFE_MILLIS_MAX))?;
    let socket = Socket::of(&arguments.address)?;
    let listener = take_listener()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(serve(arguments, listener, socket))
}

/// A server of many pods has many streams: as many as this process may have, whatever containerd was started
/// with.
fn raise_descriptors() -> std::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// The file of a listening socket, told from one that another puts in its place.
struct Socket {
    path: PathBuf,
    identity: (u64, u64),
}

impl Socket {
    fn of(address: &str) -> std::io::Result<Self> {
        let path = PathBuf::from(address.strip_prefix("unix://").unwrap_or(address));
        let status = std::fs::symlink_metadata(&path)?;
        Ok(Self { path, identity: (status.dev(), status.ino()) })
    }

    /// Removes the file if it is still this one.
    fn remove(&self) -> std::io::Result<()> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(status) if (status.dev(), status.ino()) == self.identity => std::fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Standard input is the listener: nobody else is to find it there.
fn take_listener() -> std::io::Result<UnixListener> {
    let listener: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let listener = UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Says that calls are served, and closes the side to who started this.
fn say_ready() -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{READY}")?;
    std::io::stdout().flush()?;
    Ok(rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

async fn serve(arguments: ServerArguments, listener: UnixListener, socket: Socket) -> Result<(), Error> {
    failpoint!("serve.begin")?;
    // Before anybody is told that it is there: until then the signal just ends the process.
    let mut terminate = signal(SignalKind::terminate())?;
    let (server, forwarding) = make(&arguments).await?;
    let listener = Listener::try_from(listener)?;
    let mut ttrpc = ttrpc::r#async::Server::new().add_listener(listener);
    ttrpc = ttrpc.register_service(Service::methods(&server));
    ttrpc.start().await?;
    say_ready()?;
    if let Err(error) = OwnPages::look().and_then(|pages| pages.give_back()) {
        tracing::debug!(%error, "pages of the beginning stay in memory");
    }
    tracing::info!(address = arguments.address, pods = arguments.pods, "serving");
    let lock = until_unused(&server, &mut terminate, &arguments.lock).await?;
    end(&arguments, &socket, lock)?;
    ttrpc.shutdown().await?;
    drop((ttrpc, server));
    if timeout(Duration::from_millis(LAST_EVENTS_MILLIS_MAX), forwarding).await.is_err() {
        tracing::warn!("containerd has not taken the last events");
    }
    Ok(())
}

async fn make(arguments: &ServerArguments) -> Result<(Arc<Server>, Forwarding), Error> {
    let config = NodeConfig::load()?;
    check_walls(&config)?;
    let program = Path::new(PROGRAM);
    let (zygote, cache) = tokio::join!(Zygote::start(program), open_cache(&config, program));
    let (publisher, forwarding) = Publisher::start(&arguments.containerd_ttrpc, &arguments.namespace);
    let server = Server::new(Parts {
        config,
        address: arguments.address.clone(),
        zygote: zygote?,
        cache: cache?,
        store: Containerd::new(&arguments.containerd, &arguments.namespace)?,
        publisher,
    });
    Ok((server, forwarding))
}

/// What this kernel can't do is in the log; what it must do and can't ends the server before there is a pod.
fn check_walls(config: &NodeConfig) -> Result<(), Error> {
    let kernel = Kernel::detect();
    let Kernel { seccomp, landlock_abi } = kernel;
    match kernel.lacks() {
        lacks if lacks.is_empty() => tracing::info!(seccomp, landlock_abi, "this kernel has every wall"),
        lacks => {
            let lacks = walls::line(&lacks);
            tracing::warn!(seccomp, landlock_abi, lacks, "this kernel lacks walls round guests");
        }
    }
    Ok(kernel.check(&config.required_walls)?)
}

async fn open_cache(config: &NodeConfig, program: &Path) -> Result<Cache, Error> {
    let options = cache::Options {
        directory: config.cache_dir.clone(),
        bytes_max: config.cache_bytes_max,
        baseline_first: config.baseline_first,
        engines: Compiler::new(program).engines().await?,
    };
    Ok(Cache::open(options, program).await?)
}

/// Waits until there has been no task and no call for a while, or, if asked to end, until there is no task
/// and none is promised this server. Holds the group's lock then: no `start` is looking.
async fn until_unused(server: &Server, terminate: &mut Signal, lock: &Path) -> Result<Lock, Error> {
    let mut calls = server.calls();
    loop {
        calls.borrow_and_update();
        let is_asked = tokio::select! {
            _ = calls.changed() => continue,
            _ = terminate.recv() => true,
            () = sleep(Duration::from_millis(LINGER_MILLIS)), if server.is_idle() => false,
        };
        if !server.is_idle() {
            continue;
        }
        let path = lock.to_path_buf();
        let patience = Duration::from_millis(LOCK_MILLIS_MAX);
        let lock = match spawn_blocking(move || Lock::take(&path, patience)).await? {
            // Somebody is looking, and slowly: then it is to be found.
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => continue,
            taken => taken?,
        };
        // Looked at with the lock: whoever was looking has been answered by now.
        if is_asked && server.is_expecting() {
            tracing::info!("asked to end, and a task is expected");
        } else if server.is_idle() && !calls.has_changed()? {
            tracing::info!(is_asked, "without a task");
            return Ok(lock);
        }
    }
}

/// Removes what the group has in the run directory; the log of a server that ends well says nothing more.
fn end(arguments: &ServerArguments, socket: &Socket, lock: Lock) -> Result<(), Error> {
    socket.remove()?;
    std::fs::remove_file(&arguments.log)?;
    // Only its name: what is held is held to the end, and the next server has a file of its own.
    std::fs::remove_file(&arguments.life)?;
    Ok(lock.remove()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_removes_its_own_socket_and_never_anothers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sock");
        let address = format!("unix://{}", path.display());
        let _listener = UnixListener::bind(&path).unwrap();
        let own = Socket::of(&address).unwrap();
        // Kept under another name, so that its number isn't given to the next.
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        own.remove().unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        own.remove().unwrap();
        assert!(path.exists());
        Socket::of(&address).unwrap().remove().unwrap();
        assert!(!path.exists());
    }
}
