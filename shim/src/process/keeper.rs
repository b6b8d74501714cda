//! The thread that is the parent of the zygote and so of everything forked from it. It lives as long as the
//! server: the kernel kills children whose parent *thread* ends.

use super::child::discard;
use super::{Child, Control, EndOnPanic, Error};
use crate::failpoint::failpoint;
use crate::wire::{self, FromZygote, Role, ToZygote};
use rustix::event::{PollFd, PollFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Forks that may wait for the thread at once. More callers wait for a place in the queue.
const QUEUE_LENGTH: usize = 64;

/// How long the zygote may take for its answer, in milliseconds: a fork takes a tenth of one, building the
/// engines some ten.
const ANSWER_MILLIS_MAX: u64 = 8_000;

/// `statfs` type of a cgroup file system of version 2 (`linux/magic.h`).
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

/// Name under which the zygote is started: the program's sub-command.
pub const ZYGOTE_ARGUMENT: &str = "zygote";

enum Request {
    Pid { reply: oneshot::Sender<Result<i32, Error>> },
    Fork { fork: Box<Fork>, reply: oneshot::Sender<Result<(i32, OwnedFd), Error>> },
}

struct Fork {
    role: Role,
    /// Control first, then stdio.
    descriptors: Vec<OwnedFd>,
    cgroup_procs: Vec<PathBuf>,
    oom_score_adj: Option<i32>,
}

/// Handle of the thread.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    requests: mpsc::Sender<Request>,
}

impl Keeper {
    /// Starts the thread; it ends when the last handle is dropped.
    pub(super) fn start(program: &Path) -> Result<Self, Error> {
        let (requests, receiver) = mpsc::channel(QUEUE_LENGTH);
        let state = State { program: program.to_path_buf(), zygote: None };
        std::thread::Builder::new()
            .name("zygote-keeper".into())
            .spawn(move || {
                // All that was forked dies with the thread, and a server that can't fork would refuse every
                // task for ever.
                let _end = EndOnPanic("the thread that forks");
                serve(state, receiver);
            })
            .map_err(|source| failed("starting its thread", source))?;
        Ok(Self { requests })
    }

    /// The zygote's pid; starts it when there is none.
    pub(super) async fn pid(&self) -> Result<i32, Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Pid { reply }, answer).await
    }

    /// Forks, places the child in its cgroups, and gives back the server's ends. A zygote that is found dead
    /// costs a second try with another one.
    pub(super) async fn fork(
        &self,
        role: Role,
        stdio: Vec<OwnedFd>,
        cgroup_procs: Vec<PathBuf>,
        oom_score_adj: Option<i32>,
    ) -> Result<(Child, Control), Error> {
        let fork = Fork { role, descriptors: stdio, cgroup_procs, oom_score_adj };
        match self.fork_once(&fork).await {
            Err(Error::Zygote { .. }) => self.fork_once(&fork).await,
            done => done,
        }
    }

    /// With a control socket of its own for each try: a child that a dying zygote still made finds the
    /// other end closed, and ends.
    async fn fork_once(&self, fork: &Fork) -> Result<(Child, Control), Error> {
        let (ours, theirs) = UnixStream::pair().map_err(|source| failed("making a socket pair", source))?;
        let mut descriptors = vec![OwnedFd::from(theirs)];
        for stream in &fork.descriptors {
            descriptors.push(stream.try_clone().map_err(|source| failed("copying a stream", source))?);
        }
        let cgroup_procs = fork.cgroup_procs.clone();
        let fork = Box::new(Fork { descriptors, cgroup_procs, ..*fork });
        let (reply, answer) = oneshot::channel();
        let (pid, pidfd) = self.ask(Request::Fork { fork, reply }, answer).await?;
        let child = Child::new(pid, pidfd)?;
        let control = Control::new(ours).map_err(|source| failed("registering a socket", source))?;
        Ok((child, control))
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, Error>>,
    ) -> Result<T, Error> {
        let gone = || failed("asking its thread", io::ErrorKind::BrokenPipe.into());
        self.requests.send(request).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// What the thread owns.
struct State {
    program: PathBuf,
    zygote: Option<Running>,
}

struct Running {
    process: std::process::Child,
    socket: UnixStream,
}

fn serve(mut state: State, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.blocking_recv() {
        // A caller that no longer waits has dropped its receiver; a child it asked for is then reaped here.
        match request {
            Request::Pid { reply } => {
                let answer = state.running().map(|zygote| zygote.process.id().cast_signed());
                drop(reply.send(answer));
            }
            Request::Fork { fork, reply } => {
                if let Err(Ok((_, pidfd))) = reply.send(state.fork(*fork)) {
                    discard(pidfd.as_fd());
                }
            }
        }
    }
    state.end();
}

impl State {
    /// The zygote, started anew when there is none or when it has ended.
    fn running(&mut self) -> Result<&mut Running, Error> {
        if self.zygote.as_ref().is_some_and(|zygote| has_ended(&zygote.socket)) {
            self.end();
        }
        match &mut self.zygote {
            Some(zygote) => Ok(zygote),
            none => Ok(none.insert(Running::start(&self.program)?)),
        }
    }

    fn fork(&mut self, fork: Fork) -> Result<(i32, OwnedFd), Error> {
        failpoint!("keeper.fork").map_err(|source| failed("a failpoint", source))?;
        let zygote = self.running()?;
        let (pid, pidfd) = match zygote.fork(&fork) {
            // It answered: it is well, and what was asked can't be done.
            Err(refused @ Error::Refused(_)) => return Err(refused),
            Err(error) => {
                self.end();
                return Err(error);
            }
            Ok(forked) => forked,
        };
        let placed = failpoint!("keeper.place").map_err(|source| failed("a failpoint", source));
        match placed.and_then(|()| place(pid, &fork)) {
            Ok(()) => Ok((pid, pidfd)),
            Err(error) => {
                discard(pidfd.as_fd());
                Err(error)
            }
        }
    }

    fn end(&mut self) {
        if let Some(mut zygote) = self.zygote.take() {
            // Both fail only for a process that has been reaped, and it is reaped here alone.
            drop(zygote.process.kill());
            drop(zygote.process.wait());
            zygote.discard_late();
        }
    }
}

impl Running {
    fn start(program: &Path) -> Result<Self, Error> {
        let (socket, theirs) =
            UnixStream::pair().map_err(|source| failed("making its socket pair", source))?;
        let patience = Some(Duration::from_millis(ANSWER_MILLIS_MAX));
        socket.set_read_timeout(patience).map_err(|source| failed("setting its patience", source))?;
        socket.set_write_timeout(patience).map_err(|source| failed("setting its patience", source))?;
        let process = Command::new(program)
            .arg(ZYGOTE_ARGUMENT)
            .env_clear()
            .envs(crate::failpoint::variable())
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| failed("starting its program", source))?;
        let mut running = Self { process, socket };
        match running.answer() {
            Ok((FromZygote::Up { threads: 1 }, _)) => Ok(running),
            Ok((FromZygote::Refused { reason }, _)) => Err(running.spoilt(io::Error::other(reason))),
            Ok((other, _)) => Err(running.spoilt(io::Error::other(format!("said {other:?} first")))),
            Err(error) => Err(running.spoilt(error)),
        }
    }

    fn spoilt(&mut self, source: io::Error) -> Error {
        drop(self.process.kill());
        drop(self.process.wait());
        failed("building its engines", source)
    }

    fn fork(&mut self, fork: &Fork) -> Result<(i32, OwnedFd), Error> {
        let cgroups = Cgroups::open(&fork.cgroup_procs)?;
        let mut descriptors: Vec<BorrowedFd<'_>> = fork.descriptors.iter().map(AsFd::as_fd).collect();
        descriptors.extend(cgroups.tasks_files.iter().map(AsFd::as_fd));
        descriptors.extend(cgroups.unified.as_ref().map(AsFd::as_fd));
        let request = ToZygote::Fork {
            role: fork.role,
            tasks_files: cgroups.tasks_files.len(),
            into_cgroup: cgroups.unified.is_some(),
        };
        wire::send(&self.socket, &request, &descriptors)
            .map_err(|source| failed("asking for a fork", source))?;
        match self.answer().map_err(|source| failed("waiting for a fork", source))? {
            (FromZygote::Forked { pid }, mut descriptors) => match descriptors.pop() {
                Some(pidfd) => Ok((pid, pidfd)),
                None => Err(failed("reading a fork's pidfd", io::ErrorKind::InvalidData.into())),
            },
            (FromZygote::Refused { reason }, _) => Err(Error::Refused(reason)),
            (FromZygote::Up { .. }, _) => Err(failed("reading a fork", io::ErrorKind::InvalidData.into())),
        }
    }

    /// Ends the children that a zygote which is gone has still made, and for which nobody waits any more.
    fn discard_late(&self) {
        while let Ok((answer, descriptors)) = self.answer() {
            if matches!(answer, FromZygote::Forked { .. }) {
                for pidfd in descriptors {
                    discard(pidfd.as_fd());
                }
            }
        }
    }

    fn answer(&self) -> io::Result<(FromZygote, Vec<OwnedFd>)> {
        wire::receive(&self.socket)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Where a child goes, opened.
#[derive(Default)]
struct Cgroups {
    /// The directory of version 2: to be born there costs nothing, to be moved there waits for every
    /// processor.
    unified: Option<OwnedFd>,
    /// The `tasks` files of version 1, for the same reason: a process goes there by itself.
    tasks_files: Vec<OwnedFd>,
}

impl Cgroups {
    fn open(cgroup_procs: &[PathBuf]) -> Result<Self, Error> {
        let mut cgroups = Self::default();
        for directory in cgroup_procs.iter().filter_map(|file| file.parent()) {
            if is_unified(directory) {
                cgroups.unified = Some(open(directory, std::fs::File::options().read(true))?);
            } else {
                let tasks = directory.join("tasks");
                cgroups.tasks_files.push(open(&tasks, std::fs::File::options().write(true))?);
            }
        }
        Ok(cgroups)
    }
}

fn open(path: &Path, how: &std::fs::OpenOptions) -> Result<OwnedFd, Error> {
    let opened = how.open(path).map_err(|source| Error::Path {
        path: path.to_path_buf(),
        doing: "cgroup can't be opened",
        source,
    })?;
    Ok(opened.into())
}

fn is_unified(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|status| status.f_type == CGROUP2_SUPER_MAGIC)
}

/// Gives a child that waits for its first message its score.
fn place(pid: i32, fork: &Fork) -> Result<(), Error> {
    let Some(score) = fork.oom_score_adj else { return Ok(()) };
    let path = PathBuf::from(format!("/proc/{pid}/oom_score_adj"));
    match std::fs::write(&path, score.to_string()) {
        // Only CAP_SYS_RESOURCE may lower it; containerd has an option for nodes without, and so have we.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(source) => Err(Error::Path { path, doing: "score can't be set", source }),
        Ok(()) => Ok(()),
    }
}

fn has_ended(socket: &UnixStream) -> bool {
    let mut descriptors = [PollFd::new(socket, PollFlags::IN)];
    let polled =
        rustix::event::poll(&mut descriptors, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
    // The zygote says nothing unasked: whatever can be read here is its end.
    polled.is_ok_and(|ready| ready > 0)
}

fn failed(doing: &str, source: io::Error) -> Error {
    Error::Zygote { doing: doing.into(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    #[test]
    fn a_child_that_a_zygote_made_too_late_is_ended_and_reaped() {
        let (socket, theirs) = UnixStream::pair().expect("pair");
        let sleep = || Command::new("sleep").arg("1000").spawn().expect("sleep");
        let mut late = sleep();
        let pid = Pid::from_child(&late);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("pidfd");
        let answer = FromZygote::Forked { pid: pid.as_raw_nonzero().get() };
        wire::send(&theirs, &answer, &[pidfd.as_fd()]).expect("send");
        drop(theirs);
        let zygote = Some(Running { process: sleep(), socket });
        State { program: PathBuf::new(), zygote }.end();
        assert!(late.wait().is_err(), "it was still there to be waited for");
    }
}
