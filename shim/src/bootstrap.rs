//! The action `start`: finds the server of a task's group, or makes it, and says where it listens. A group is
//! what may share a server: one containerd, one Kubernetes namespace, one build of this program, one node
//! configuration.

mod protocol;

pub use protocol::{Form, Request};

use crate::arguments::Arguments;
use crate::bundle::{Record, neighbour};
use crate::config::{ConfigError, NodeConfig};
use crate::failpoint::failpoint;
use crate::lock::Lock;
use crate::spec::{Role, Spec, SpecError};
use containerd_shim_protos::api::ConnectRequest;
use containerd_shim_protos::shim_sync::{Client, TaskClient};
use morph_grant::Digest;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The sub-command that is the server.
pub const SERVE_ARGUMENT: &str = "serve";

/// What a server says when it is ready; anything else is why it isn't.
pub const READY: &str = "ready";

/// Where containerd 1.7 finds a task's server again; its own shims write it, so each shim must.
const ADDRESS_FILE: &str = "address";

/// How long a server may take to begin, in milliseconds: building engines takes some ten.
const READY_MILLIS_MAX: u64 = 10_000;

/// How long a server may take to answer a ping, in milliseconds. One that takes longer and lives is asked
/// again.
const PING_MILLIS_MAX: u64 = 2_000;

/// How long a server that lives may take to answer at all, in milliseconds. Past that the task fails with
/// words that say so, and containerd's caller tries again; its pods are left alone.
const BUSY_MILLIS_MAX: u64 = 10_000;

/// Time between two questions to a server that doesn't answer, in milliseconds.
const AGAIN_MILLIS: u64 = 50;

/// How long another `start` may hold the group's lock, in milliseconds: it waits for an answer and then for
/// a new server.
pub const LOCK_MILLIS_MAX: u64 = 2 * (BUSY_MILLIS_MAX + READY_MILLIS_MAX);

/// Longest reason of a server that doesn't begin, in bytes.
const REASON_BYTES_MAX: u64 = 4096;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The node's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bundle's spec.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A request that can't be understood.
    #[error("bootstrap parameters: {0}")]
    Request(String),
    /// A file or socket.
    #[error("{path}: {doing}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A container of a sandbox that no server has.
    #[error("sandbox {sandbox} has no server any more")]
    NoSandbox {
        /// The sandbox.
        sandbox: String,
    },
    /// The server lives and says nothing.
    #[error("the server at {address} is busy: it lives and has not answered for {BUSY_MILLIS_MAX} ms")]
    Busy {
        /// Where it listens.
        address: String,
    },
    /// The server didn't begin.
    #[error("the server did not begin: {reason}; see {log}")]
    Server {
        /// What it said.
        reason: String,
        /// Where it said more.
        log: PathBuf,
    },
}

/// What a server needs to know, handed over as one argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerArguments {
    /// Its own address.
    pub address: String,
    /// Its group's lock, taken when it ends.
    pub lock: PathBuf,
    /// What it holds as long as it lives.
    pub life: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// containerd's gRPC socket.
    pub containerd: String,
    /// containerd's ttrpc socket.
    pub containerd_ttrpc: String,
    /// containerd's namespace.
    pub namespace: String,
    /// The Kubernetes namespace whose pods it has; for people who look at processes.
    pub pods: String,
    /// Say more in the log.
    pub debug: bool,
}

/// Finds or makes the server for the bundle that is the working directory; answers what to print.
///
/// # Errors
/// Any [`BootstrapError`].
pub fn start(arguments: &Arguments, input: &[u8]) -> Result<Vec<u8>, BootstrapError> {
    let request = Request::read(arguments, input).map_err(BootstrapError::Request)?;
    let bundle = std::env::current_dir().map_err(file_error(Path::new("."), "working directory"))?;
    let spec = Spec::read(&bundle, &request.id)?;
    if let Role::Container { sandbox, .. } = &spec.role {
        let address = address_of_sandbox(&bundle, sandbox, &request.id)?;
        return answered(&request, &bundle, &address);
    }
    let config = NodeConfig::load()?;
    let pods = spec.role.pod().map_or("", |pod| pod.namespace.as_str());
    let group = Group::new(&request, pods, &config)?;
    let patience = Duration::from_millis(LOCK_MILLIS_MAX);
    let lock = Lock::take(&group.lock, patience).map_err(file_error(&group.lock, "locking"))?;
    if !is_served(&group.address(), &group.life, &request.id)? {
        group.begin(&request, pods)?;
    }
    drop(lock);
    failpoint!("start.answer").map_err(file_error(&group.socket, "a failpoint"))?;
    answered(&request, &bundle, &group.address())
}

/// Prints the address, and leaves it where releases that ask by flags look for it when they come back: what
/// has none is dead to containerd 1.7, and is deleted.
fn answered(request: &Request, bundle: &Path, address: &str) -> Result<Vec<u8>, BootstrapError> {
    if request.form == Form::Address {
        let (place, new) = (bundle.join(ADDRESS_FILE), bundle.join(format!(".{ADDRESS_FILE}")));
        std::fs::write(&new, address)
            .and_then(|()| std::fs::rename(&new, &place))
            .map_err(file_error(&place, "writing the server's address"))?;
    }
    Ok(request.answer(address))
}

/// The server that has a pod's sandbox has its containers too, whatever program is installed now.
fn address_of_sandbox(bundle: &Path, sandbox: &str, id: &str) -> Result<String, BootstrapError> {
    let gone = || BootstrapError::NoSandbox { sandbox: sandbox.into() };
    let place = neighbour(bundle, sandbox).ok_or_else(gone)?;
    let record = Record::read(&place).map_err(file_error(&place, "reading the sandbox's record"))?;
    let address = record.ok_or_else(gone)?.address;
    let life = life_file(Path::new(address.strip_prefix("unix://").unwrap_or(&address)));
    if is_served(&address, &life, id)? { Ok(address) } else { Err(gone()) }
}

/// What the server of a socket holds as long as it lives.
pub(crate) fn life_file(socket: &Path) -> PathBuf {
    socket.with_extension("life")
}

/// Whether a server answers at an address. Silence alone proves nothing: only one that has let go of its
/// life is dead, one that still holds it is waited for.
fn is_served(address: &str, life: &Path, id: &str) -> Result<bool, BootstrapError> {
    let end = Instant::now() + Duration::from_millis(BUSY_MILLIS_MAX);
    loop {
        if ping(address, id) {
            return Ok(true);
        }
        if !Lock::is_held(life).map_err(file_error(life, "looking for its holder"))? {
            return Ok(false);
        }
        if Instant::now() >= end {
            return Err(BootstrapError::Busy { address: address.into() });
        }
        std::thread::sleep(Duration::from_millis(AGAIN_MILLIS));
    }
}

/// Whether a server answers. It then knows that a task is coming and doesn't end meanwhile.
fn ping(address: &str, id: &str) -> bool {
    let Ok(client) = Client::connect(address) else { return false };
    let request = ConnectRequest { id: id.into(), ..ConnectRequest::default() };
    let context = ttrpc::context::with_duration(Duration::from_millis(PING_MILLIS_MAX));
    // That it doesn't know the task is an answer too.
    match TaskClient::new(client).connect(context, &request) {
        Ok(_) => true,
        Err(ttrpc::Error::RpcStatus(status)) => status.code.enum_value() == Ok(ttrpc::Code::NOT_FOUND),
        Err(_) => false,
    }
}

/// The files of a group.
struct Group {
    socket: PathBuf,
    lock: PathBuf,
    life: PathBuf,
    log: PathBuf,
}

impl Group {
    fn new(request: &Request, pods: &str, config: &NodeConfig) -> Result<Self, BootstrapError> {
        let build = build_id().map_err(file_error(Path::new("/proc/self/exe"), "status"))?;
        let key =
            [request.containerd.as_str(), request.namespace.as_str(), pods, &build, &config.fingerprint()];
        // Half a digest: a socket's path has at most 107 bytes.
        let name = Digest::of(key.join("\0").as_bytes()).hex()[..32].to_owned();
        let directory = &config.run_dir;
        keep_private(directory).map_err(file_error(directory, "keeping it for root alone"))?;
        let file = |suffix: &str| directory.join(format!("{name}.{suffix}"));
        let socket = file("sock");
        Ok(Self { life: life_file(&socket), socket, lock: file("lock"), log: file("log") })
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Makes the server. Whoever calls holds the lock and has found no server.
    fn begin(&self, request: &Request, pods: &str) -> Result<(), BootstrapError> {
        match std::fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&self.socket, "removing a dead server's")(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&self.socket).map_err(file_error(&self.socket, "listening"))?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&self.socket, private)
            .map_err(file_error(&self.socket, "keeping it for root alone"))?;
        let arguments = ServerArguments {
            address: self.address(),
            lock: self.lock.clone(),
            life: self.life.clone(),
            log: self.log.clone(),
            containerd: request.containerd.clone(),
            containerd_ttrpc: request.containerd_ttrpc.clone(),
            namespace: request.namespace.clone(),
            pods: pods.into(),
            debug: request.debug,
        };
        failpoint!("start.spawn").map_err(file_error(&self.socket, "a failpoint"))?;
        let begun = self.spawn(&arguments, listener.into());
        if begun.is_err() {
            // Nobody listens there; the next start removes it as well.
            drop(std::fs::remove_file(&self.socket));
        }
        begun
    }

    fn spawn(&self, arguments: &ServerArguments, listener: OwnedFd) -> Result<(), BootstrapError> {
        let log = open_log(&self.log).map_err(file_error(&self.log, "opening the server's log"))?;
        let program = Path::new("/proc/self/exe");
        let failed = |doing| file_error(program, doing);
        let (ours, theirs) = UnixStream::pair().map_err(failed("socket pair"))?;
        let text = serde_json::to_string(arguments).map_err(|error| failed("arguments")(error.into()))?;
        let mut server = Command::new(program)
            .arg(SERVE_ARGUMENT)
            .arg(text)
            .current_dir("/")
            .stdin(Stdio::from(listener))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::from(log))
            .spawn()
            .map_err(failed("starting the server"))?;
        let reason = match first_words(ours) {
            Ok(words) if words == READY => return Ok(()),
            Ok(words) if words.is_empty() => "it ended".to_owned(),
            Ok(words) => words,
            Err(error) => error.to_string(),
        };
        // Both fail only if it has ended already.
        drop(server.kill());
        drop(server.wait());
        Err(BootstrapError::Server { reason, log: self.log.clone() })
    }
}

/// What a new server says until it closes its side.
fn first_words(socket: UnixStream) -> io::Result<String> {
    socket.set_read_timeout(Some(Duration::from_millis(READY_MILLIS_MAX)))?;
    let mut words = String::new();
    socket.take(REASON_BYTES_MAX).read_to_string(&mut words)?;
    Ok(words.trim().to_owned())
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// Makes the run directory, or takes one that nobody else could have put something into: who may write there
/// could pose as a server.
fn keep_private(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let status = std::fs::symlink_metadata(directory)?;
    let ours = status.is_dir() && status.uid() == rustix::process::geteuid().as_raw();
    if !ours || status.mode() & 0o022 != 0 {
        let text = "it must be a directory of the shim's own user into which nobody else may write";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    if status.mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
}

/// Tells one build of this program from another by its file: a replaced program is another file.
fn build_id() -> io::Result<String> {
    let status = std::fs::metadata("/proc/self/exe")?;
    let (seconds, nanos) = (status.mtime(), status.mtime_nsec());
    Ok(format!("{}:{}:{}:{seconds}.{nanos}", status.dev(), status.ino(), status.size()))
}

fn file_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> BootstrapError {
    let path = path.to_path_buf();
    move |source| BootstrapError::File { path, doing, source }
}

#[cfg(test)]
mod tests;
