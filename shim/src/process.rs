//! Processes of one server: its zygote, and the sandboxes and workers forked from it. Starts them, places
//! them, signals them and reaps them; what they do inside is `zygote`, `worker` and `seal`.

mod child;
mod end_on_panic;
mod keeper;
mod mounts;
mod patience;

pub use child::{Child, Exit};
pub(crate) use end_on_panic::EndOnPanic;
pub use keeper::ZYGOTE_ARGUMENT;
pub use mounts::{Granted, is_regular, open_beneath, open_directory};
pub use patience::{FILES_MILLIS_MAX, patiently};

pub use crate::spec::{UNPRIVILEGED_ID, unprivileged};
use crate::wire::{self, Entry, FromChild, Join, MountTarget, SandboxSetup, ToChild, WorkerSetup};
pub use crate::wire::{EngineKind, Rlimit, Task};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long a forked process may take to seal itself, in milliseconds. It takes one or two; a node that
/// needs more than this is out of memory or of processor time, and containerd's own patience is 10 s.
pub const SEAL_MILLIS_MAX: u64 = 8_000;

/// What went wrong with a process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The zygote didn't start, ended, or talks nonsense. The next fork starts another.
    #[error("zygote: {doing}")]
    Zygote {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The forked process refused to go on; the reason names the step.
    #[error("{0}")]
    Refused(String),
    /// A file of the spec can't be used.
    #[error("{path}: {doing}")]
    Path {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file system that doesn't answer.
    #[error("{what}: the file system has not answered for {FILES_MILLIS_MAX} ms")]
    Hangs {
        /// What was wanted of it.
        what: &'static str,
    },
    /// Anything else between server and process.
    #[error("process {pid}: {doing}")]
    Process {
        /// Its pid.
        pid: i32,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A namespace of a forked process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// The server's own, which is the node's.
    Host,
    /// A new one.
    New,
    /// The one that this path names (`/var/run/netns/…`, `/proc/<pid>/ns/ipc`).
    Join(PathBuf),
}

/// What a sandbox is to hold.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// Network; CRI has made it and names its path, unless the pod uses the host's.
    pub net: Namespace,
    /// IPC.
    pub ipc: Namespace,
    /// Host name.
    pub uts: Namespace,
    /// Whether it is pid 1 of a pid namespace of its own.
    pub own_pid_namespace: bool,
    /// Host name to set in a uts namespace of its own.
    pub hostname: Option<String>,
    /// Its cgroups: `cgroup.procs` of each hierarchy.
    pub cgroup_procs: Vec<PathBuf>,
    /// `oom_score_adj`; where this process may not lower it, it stays as inherited.
    pub oom_score_adj: Option<i32>,
}

/// What a worker is to run, and in which walls.
#[derive(Debug)]
pub struct WorkerSpec {
    /// Container id.
    pub id: String,
    /// Network: the pod's.
    pub net: Namespace,
    /// IPC: the pod's, or its own.
    pub ipc: Namespace,
    /// Host name: the pod's, or its own.
    pub uts: Namespace,
    /// Its cgroups: `cgroup.procs` of each hierarchy.
    pub cgroup_procs: Vec<PathBuf>,
    /// `oom_score_adj`; where this process may not lower it, it stays as inherited.
    pub oom_score_adj: Option<i32>,
    /// User; 0 becomes [`UNPRIVILEGED_ID`].
    pub uid: u32,
    /// Group; 0 becomes [`UNPRIVILEGED_ID`].
    pub gid: u32,
    /// Supplementary groups; 0 is left out.
    pub groups: Vec<u32>,
    /// Resource limits of the container. No core is ever dumped, whatever they say.
    pub rlimits: Vec<Rlimit>,
    /// Everything that is in the worker's root, but for the compiled code.
    pub mounts: Vec<Granted>,
    /// Standard input, output, error.
    pub stdio: [OwnedFd; 3],
    /// The compiled code, from the node's cache. Its mode must let others read (0444 in a directory of
    /// mode 0700): it is mapped after root is given up.
    pub code: File,
    /// Which engine it was compiled for.
    pub engine: EngineKind,
    /// What is run.
    pub task: Task,
}

/// A handle of the server's zygote; it can be cloned. When the last handle goes, the zygote ends and every
/// process forked from it is killed. A zygote that dies is replaced at the next fork; what it forked lives
/// on.
#[derive(Debug, Clone)]
pub struct Zygote {
    keeper: keeper::Keeper,
}

impl Zygote {
    /// Starts the zygote: `program zygote`, where `program` is `/proc/self/exe` (which stays right when the
    /// binary is replaced), and answers when it can fork.
    pub async fn start(program: &Path) -> Result<Self, Error> {
        let keeper = keeper::Keeper::start(program)?;
        keeper.pid().await?;
        Ok(Self { keeper })
    }

    /// The zygote's pid; starts another when there is none.
    pub async fn pid(&self) -> Result<i32, Error> {
        self.keeper.pid().await
    }

    /// Forks a sandbox: it holds its namespaces and ends at SIGTERM.
    pub async fn fork_sandbox(&self, spec: SandboxSpec) -> Result<Child, Error> {
        let mut joined = Vec::new();
        let entry =
            entry([(Join::Net, &spec.net), (Join::Ipc, &spec.ipc), (Join::Uts, &spec.uts)], &mut joined)?;
        let role = wire::Role::Sandbox { own_pid_namespace: spec.own_pid_namespace };
        let (child, mut control) =
            self.keeper.fork(role, Vec::new(), spec.cgroup_procs, spec.oom_score_adj).await?;
        // In the node's own namespace it would be the node that is named.
        let hostname = spec.hostname.filter(|_| spec.uts != Namespace::Host);
        let setup = ToChild::Sandbox(SandboxSetup { entry, hostname });
        match control.set_up(&setup, &joined, child.pid).await {
            Ok(()) => Ok(child),
            Err(error) => Err(child.give_up(error).await),
        }
    }

    /// Forks a worker and answers when it is sealed and has mapped its code; [`Control::start`] runs the
    /// guest.
    pub async fn fork_worker(&self, spec: WorkerSpec) -> Result<Worker, Error> {
        let mut descriptors = Vec::new();
        let entry = entry(
            [(Join::Net, &spec.net), (Join::Ipc, &spec.ipc), (Join::Uts, &spec.uts)],
            &mut descriptors,
        )?;
        let (mounts, code) = (spec.mounts, spec.code);
        let (detached, mount_targets) = patiently("mounts", move || detach(&mounts, &code)).await??;
        descriptors.extend(detached);
        let setup = ToChild::Worker(Box::new(WorkerSetup {
            id: spec.id,
            entry,
            mount_targets,
            uid: unprivileged(spec.uid),
            gid: unprivileged(spec.gid),
            groups: spec.groups.into_iter().filter(|group| *group != 0).collect(),
            rlimits: spec.rlimits,
            engine: spec.engine,
            task: spec.task,
        }));
        let stdio = Vec::from(spec.stdio);
        let (child, mut control) =
            self.keeper.fork(wire::Role::Worker, stdio, spec.cgroup_procs, spec.oom_score_adj).await?;
        match control.set_up(&setup, &descriptors, child.pid).await {
            Ok(()) => Ok(Worker { child, control }),
            Err(error) => Err(child.give_up(error).await),
        }
    }
}

/// The mounts of a worker, the compiled code's last. Asks file systems, and may hang with them.
pub(crate) fn detach(mounts: &[Granted], code: &File) -> Result<(Vec<OwnedFd>, Vec<MountTarget>), Error> {
    let (mut detached, mut targets) = (Vec::new(), Vec::new());
    for mount in mounts {
        detached.push(mount.detach()?);
        let directory = mount.is_directory()?;
        targets.push(MountTarget { path: mount.target.clone(), directory, read_only: mount.read_only });
    }
    detached.push(mounts::detach_code(code)?);
    Ok((detached, targets))
}

fn entry(wanted: [(Join, &Namespace); 3], descriptors: &mut Vec<OwnedFd>) -> Result<Entry, Error> {
    let mut entry = Entry::default();
    for (kind, namespace) in wanted {
        match namespace {
            Namespace::Host => {}
            Namespace::New => entry.new.push(kind),
            Namespace::Join(path) => {
                let file = File::open(path).map_err(|source| Error::Path {
                    path: path.clone(),
                    doing: "namespace can't be opened",
                    source,
                })?;
                entry.join.push(kind);
                descriptors.push(file.into());
            }
        }
    }
    Ok(entry)
}

/// A worker that is sealed.
#[derive(Debug)]
pub struct Worker {
    /// The process.
    pub child: Child,
    /// What is said to it and by it.
    pub control: Control,
}

/// The server's end of a forked process's socket.
#[derive(Debug)]
pub struct Control {
    socket: UnixStream,
}

impl Control {
    fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixStream::from_std(socket)? })
    }

    /// Lets the worker run its guest.
    pub async fn start(&mut self) -> io::Result<()> {
        self.send(&ToChild::Start, &[]).await
    }

    /// The next thing that the worker says; `None` when it is gone. Not to be cancelled half way: keep the
    /// future, as one task for each worker does.
    pub async fn next(&mut self) -> io::Result<Option<FromChild>> {
        let mut head = [0; 4];
        match self.socket.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut body = vec![0; wire::body_length(head)?];
        self.socket.read_exact(&mut body).await?;
        Ok(Some(serde_json::from_slice(&body)?))
    }

    async fn set_up(&mut self, setup: &ToChild, descriptors: &[OwnedFd], pid: i32) -> Result<(), Error> {
        let answer = async {
            let sent = self.send(setup, descriptors).await;
            match self.next().await? {
                Some(answer) => Ok(answer),
                None => Err(sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
            }
        };
        let failed = |source: io::Error| Error::Process { pid, doing: "sealing", source };
        match timeout(Duration::from_millis(SEAL_MILLIS_MAX), answer).await {
            Ok(Ok(FromChild::Ready)) => Ok(()),
            Ok(Ok(FromChild::Refused { reason })) => Err(Error::Refused(reason)),
            Ok(Ok(other)) => Err(failed(io::Error::other(format!("said {other:?} instead of Ready")))),
            Ok(Err(error)) => Err(failed(error)),
            Err(elapsed) => Err(failed(elapsed.into())),
        }
    }

    async fn send(&mut self, message: &ToChild, descriptors: &[OwnedFd]) -> io::Result<()> {
        use tokio::io::AsyncWriteExt;
        let frame = wire::frame(message)?;
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || wire::send_head(self.socket.as_fd(), &frame, &borrowed))
            .await?;
        self.socket.write_all(frame.get(sent..).unwrap_or_default()).await
    }
}

#[cfg(test)]
mod tests;
