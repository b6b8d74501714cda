//! The process of one container: seals itself, maps its code, says so, and at the word runs the guest to its
//! end. What a guest may do is the task's and `morph_host`'s; what the process may do is `seal`'s.

use crate::failpoint::failpoint;
use crate::seal::landlock::{Rules, needs_network};
use crate::seal::{self, Step};
use crate::voice::Voice;
use crate::wire::{self, FromChild, ToChild, WorkerSetup};
use crate::zygote::{Ready, reason};
use morph_host::{Denial, Outcome, Program, Run, Stdio, Task};
use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Threads that a server runs guests on, at most: past that a pod gains nothing that a further replica would
/// not give, and each thread costs a stack.
const SERVER_THREADS_MAX: usize = 4;

/// Lives as a worker; answers the exit code.
pub(crate) fn live(control: &UnixStream, stdio: Vec<OwnedFd>, ready: &Ready) -> ExitCode {
    let (setup, descriptors) = match wire::receive::<ToChild>(control) {
        Ok(Some((ToChild::Worker(setup), descriptors))) => (setup, descriptors),
        // The server is gone, or talks nonsense; it reads the end of this process as a refusal.
        Ok(_) | Err(_) => return ExitCode::FAILURE,
    };
    let answer = match prepare(&setup, descriptors, stdio, ready, control) {
        Ok(program) => wire::send(control, &FromChild::Ready, &[]).map(|()| program),
        Err(error) => {
            let refused = FromChild::Refused { reason: reason(&*error) };
            wire::send(control, &refused, &[]).and(Err(io::ErrorKind::Other.into()))
        }
    };
    let Ok(program) = answer else { return ExitCode::FAILURE };
    match wire::receive::<ToChild>(control) {
        Ok(Some((ToChild::Start, _))) => run(program, setup.task, control),
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

/// The seal, in its order. Code is mapped before the last wall: after that nothing new can be run.
fn prepare(
    setup: &WorkerSetup,
    descriptors: Vec<OwnedFd>,
    stdio: Vec<OwnedFd>,
    ready: &Ready,
    control: &UnixStream,
) -> Result<Program, Box<dyn Error>> {
    failpoint!("worker.seal")?;
    seal::set_process_name(&format!("morph-{}", setup.id));
    take_streams(stdio)?;
    let mut descriptors = descriptors.into_iter();
    seal::enter_namespaces(&setup.entry, &mut descriptors)?;
    seal::enter_root(&setup.mount_targets, &mut descriptors)?;
    seal::limit_resources(&setup.rlimits)?;
    seal::give_up_root(setup.uid, setup.gid, &setup.groups)?;
    seal::die_with_parent(control)?;
    failpoint!("worker.load")?;
    Rules::of(setup).enforce(ready.kernel)?;
    let program = Program::load(&ready.engines.of(setup.engine)?, Path::new(seal::CODE_PATH))?;
    if let Some(filters) = &ready.filters {
        let filter = if needs_network(setup) { &filters.network } else { &filters.worker };
        filter.install()?;
    }
    Ok(program)
}

fn take_streams(stdio: Vec<OwnedFd>) -> Result<(), seal::Error> {
    let [stdin, stdout, stderr] = stdio.as_slice() else {
        return Err(io::Error::from(io::ErrorKind::InvalidData)).step("taking standard streams");
    };
    rustix::stdio::dup2_stdin(stdin).step("taking standard input")?;
    rustix::stdio::dup2_stdout(stdout).step("taking standard output")?;
    rustix::stdio::dup2_stderr(stderr).step("taking standard error")?;
    seal::take_terminal(rustix::stdio::stdin())
}

fn run(program: Program, task: Task, control: &UnixStream) -> ExitCode {
    let Ok(voice) = Voice::new(control) else { return ExitCode::FAILURE };
    let voice = Arc::new(voice);
    let outcome = match failpoint!("worker.run").and_then(|()| runtime(&task)) {
        Ok(runtime) => {
            let mut guest = pin!(guest(program, task, &voice));
            let outcome = runtime.block_on(poll_fn(|context| {
                let polled = guest.as_mut().poll(context);
                rest();
                polled
            }));
            // A guest that left a read of its standard input behind must not keep the process.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error),
    };
    let outcome = outcome.unwrap_or_else(|error| {
        Outcome::because(morph_host::code::TRAP, format!("the worker can't run its guest: {error}"))
    });
    let code = ExitCode::from(outcome.code);
    let last = FromChild::Outcome { code: outcome.code, message: outcome.message };
    // If the server can't be told, it is gone, and so is this process in a moment.
    drop(voice.say(&last));
    code
}

/// Made here and never earlier: threads don't survive a fork.
fn runtime(task: &Task) -> io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism()?.get();
    let threads = match task.run {
        Run::Command => 1,
        Run::Server(_) => processors.min(SERVER_THREADS_MAX),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).on_thread_park(rest).enable_all().build()
}

/// How often a thread that has nothing to do gives back what its calls have used of its stack: at most so
/// many times in so many milliseconds, so that one that is busy again and again has few page faults for many
/// requests. A request makes it wait once or a few times: after the last of a few it keeps next to nothing,
/// and after the last of many what the turns since the eighth have used.
const RESTS_MAX: u32 = 8;
const RESTS_MILLIS: u64 = 16;

/// How often a thread has given its stack back lately.
#[derive(Clone, Copy)]
struct Rests {
    since: Instant,
    count: u32,
}

impl Rests {
    /// With one more, unless there have been enough.
    fn and_now(before: Option<Self>, now: Instant) -> Option<Self> {
        let is_lately = |rests: &Self| now.duration_since(rests.since) < Duration::from_millis(RESTS_MILLIS);
        let lately = before.filter(is_lately).unwrap_or(Self { since: now, count: 0 });
        (lately.count < RESTS_MAX).then_some(Self { count: lately.count + 1, ..lately })
    }
}

/// A thread waits for work; what it has done has left its stack.
fn rest() {
    thread_local!(static LATELY: Cell<Option<Rests>> = const { Cell::new(None) });
    if let Some(rests) = Rests::and_now(LATELY.get(), Instant::now()) {
        LATELY.set(Some(rests));
        seal::give_back_stack();
    }
}

async fn guest(program: Program, task: Task, voice: &Arc<Voice>) -> io::Result<Outcome> {
    let signals = seal::watch(seal::stop_signals().map_err(io::Error::other)?)?;
    let (stopper, stop) = morph_host::stop();
    // A task of its own: a busy guest must not keep the signal waiting. Dropping the set ends it.
    let mut waiter = tokio::task::JoinSet::new();
    waiter.spawn(async move {
        if signals.readable().await.is_ok() {
            stopper.stop();
        }
    });
    let (server, witness) = (Arc::clone(voice), Arc::clone(voice));
    let listening = move |address: SocketAddr| {
        // As above: a server that can't be told is gone.
        drop(server.say(&FromChild::Listening { address }));
        // What it took to get here is not needed again.
        seal::give_back_heap();
    };
    let denied = Arc::new(move |denial: &Denial| witness.denied(denial));
    Ok(morph_host::run(program, task, Stdio::inherit()?, stop, listening, Some(denied)).await)
}

#[cfg(test)]
mod tests;
