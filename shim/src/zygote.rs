//! The zygote: one thread, its engines built, nothing of any tenant. It forks on request and gives each
//! child its socket; what a child then does is `sandbox_process` and `worker`. It never compiles and never
//! runs a guest.

use crate::failpoint::failpoint;
use crate::seal::seccomp::Filter;
use crate::seal::seccomp::table::Role as Caller;
use crate::seal::{self, Step};
use crate::walls::Kernel;
use crate::wire::{self, EngineKind, FromChild, FromZygote, Role, ToZygote};
use crate::{sandbox_process, worker};
use morph_host::Engine;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Name in lists of processes.
const NAME: &str = "morph-zygote";

/// What children find ready: the engines, and the walls that are the same for all of them.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Both engines.
    pub(crate) engines: Engines,
    /// What the kernel can do.
    pub(crate) kernel: Kernel,
    /// The filters; none where the kernel has no seccomp.
    pub(crate) filters: Option<Filters>,
}

/// A filter of system calls for each kind of child.
#[derive(Debug)]
pub(crate) struct Filters {
    /// A worker without network.
    pub(crate) worker: Filter,
    /// A worker with it.
    pub(crate) network: Filter,
    /// A sandbox.
    pub(crate) sandbox: Filter,
}

impl Filters {
    fn make() -> Result<Self, seal::Error> {
        Ok(Self {
            worker: Filter::of(&[Caller::Worker])?,
            network: Filter::of(&[Caller::Worker, Caller::Network])?,
            sandbox: Filter::of(&[Caller::Sandbox])?,
        })
    }
}

/// Those whose code is optimized: what nearly every worker runs.
#[derive(Debug)]
pub struct Engines {
    p2: Engine,
    p3: Engine,
}

impl Engines {
    fn build() -> Result<Self, morph_host::EngineError> {
        let engine = morph_host::running_engine;
        Ok(Self { p2: engine(EngineKind::P2)?, p3: engine(EngineKind::P3)? })
    }

    /// The one of this kind. Those for code of the baseline compiler run a component's first start on a
    /// node alone: they are made in the worker that needs one, and cost no other process anything.
    pub fn of(&self, kind: EngineKind) -> Result<Engine, morph_host::EngineError> {
        match kind {
            EngineKind::P2 => Ok(self.p2.clone()),
            EngineKind::P3 => Ok(self.p3.clone()),
            EngineKind::P2Baseline | EngineKind::P3Baseline => morph_host::running_engine(kind),
        }
    }
}

/// The sub-command: standard input is the server's socket. Ends when the server closes it. In each child it
/// returns that child's exit code.
pub fn main() -> ExitCode {
    let served = take_socket().and_then(|socket| match prepare() {
        Ok((ready, threads)) => {
            wire::send(&socket, &FromZygote::Up { threads }, &[])?;
            if threads == 1 { serve(socket, ready) } else { Ok(ExitCode::FAILURE) }
        }
        Err(error) => {
            wire::send(&socket, &FromZygote::Refused { reason: reason(&*error) }, &[])?;
            Ok(ExitCode::FAILURE)
        }
    });
    // Its socket is its only way to speak: a broken one ends it, and the server starts another.
    served.unwrap_or(ExitCode::FAILURE)
}

/// An error and its causes in one line.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors already end with their cause.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

/// Takes the socket off standard input and leaves the null device there: a child without streams of its own
/// must not reach the server through it.
fn take_socket() -> io::Result<UnixStream> {
    seal::close_from(3).map_err(io::Error::other)?;
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket.into())
}

/// Everything that children share, and how many threads there are.
pub(crate) fn prepare() -> Result<(Ready, usize), Box<dyn std::error::Error>> {
    seal::set_process_name(NAME);
    crate::failpoint::prepare();
    failpoint!("zygote.begin")?;
    seal::hold_stop_signals()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let threads =
        rustix::fs::open("/proc/self/task", flags, Mode::empty()).step("opening /proc/self/task")?;
    // Workers have no files of the node: what TLS trusts is in memory before they are born.
    morph_host::load_system_roots();
    let pages = seal::OwnPages::look()?;
    seal::leave_node_files()?;
    // After that, never before: with /proc at hand wasmtime would keep this process's page map open and,
    // in a forked child, reset the child's memory by what the *zygote* has written.
    let engines = Engines::build()?;
    let kernel = Kernel::detect();
    let filters = if kernel.seccomp { Some(Filters::make()?) } else { None };
    // What it took to get here is not needed again.
    pages.give_back()?;
    seal::fill_heap();
    let entries = rustix::fs::Dir::new(threads).step("counting threads")?;
    let mut count = 0;
    for entry in entries {
        let entry = entry.step("counting threads")?;
        count += usize::from(entry.file_name().to_bytes().iter().all(u8::is_ascii_digit));
    }
    Ok((Ready { engines, kernel, filters }, count))
}

/// What a child is born with.
struct Birth {
    role: Role,
    control: UnixStream,
    /// Standard streams of a worker; empty for a sandbox.
    stdio: Vec<OwnedFd>,
    /// `tasks` files of cgroups of version 1.
    tasks_files: Vec<OwnedFd>,
}

fn serve(socket: UnixStream, ready: Ready) -> io::Result<ExitCode> {
    while let Some((request, descriptors)) = wire::receive::<ToZygote>(&socket)? {
        let (birth, cgroup) = match birth(request, descriptors) {
            Ok(parts) => parts,
            Err(error) => {
                refuse(&socket, &error)?;
                continue;
            }
        };
        let own_pid_namespace = match birth.role {
            Role::Sandbox { own_pid_namespace } => own_pid_namespace,
            Role::Worker => true,
        };
        if let Err(error) = failpoint!("zygote.fork") {
            refuse(&socket, &error)?;
            continue;
        }
        match seal::clone_child(own_pid_namespace, cgroup.as_ref().map(AsFd::as_fd)) {
            Ok(None) => {
                drop((socket, cgroup));
                return Ok(live(birth, &ready));
            }
            Ok(Some((pid, pidfd))) => {
                failpoint!("zygote.forked")?;
                wire::send(&socket, &FromZygote::Forked { pid }, &[pidfd.as_fd()])?;
            }
            Err(error) => refuse(&socket, &error)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse(socket: &UnixStream, error: &io::Error) -> io::Result<()> {
    wire::send(socket, &FromZygote::Refused { reason: format!("fork: {error}") }, &[])
}

/// Sorts the descriptors of a request: control, streams, `tasks` files, cgroup.
fn birth(request: ToZygote, descriptors: Vec<OwnedFd>) -> io::Result<(Birth, Option<OwnedFd>)> {
    let ToZygote::Fork { role, tasks_files, into_cgroup } = request;
    let streams = if role == Role::Worker { 3 } else { 0 };
    let wanted = (1 + streams + usize::from(into_cgroup)).saturating_add(tasks_files);
    if descriptors.len() != wanted {
        let text = format!("{} descriptors came instead of {wanted}", descriptors.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut descriptors = descriptors.into_iter();
    let control = descriptors.next().ok_or(io::ErrorKind::InvalidData)?;
    let stdio = descriptors.by_ref().take(streams).collect();
    let tasks_files = descriptors.by_ref().take(tasks_files).collect();
    Ok((Birth { role, control: control.into(), stdio, tasks_files }, descriptors.next()))
}

fn live(birth: Birth, ready: &Ready) -> ExitCode {
    let Birth { role, control, stdio, tasks_files } = birth;
    // Before it hears of anything that is a tenant's.
    if let Err(error) = seal::enter_cgroups(tasks_files) {
        let refused = FromChild::Refused { reason: reason(&error) };
        // If the server can't be told, it is gone.
        drop(wire::send(&control, &refused, &[]));
        return ExitCode::FAILURE;
    }
    match role {
        Role::Sandbox { .. } => sandbox_process::live(&control, ready),
        Role::Worker => worker::live(&control, stdio, ready),
    }
}

#[cfg(test)]
mod tests;
