//! The compile child: it gives up all that it can reach, then reads a component from standard input and
//! writes code to standard output. A component may be made to break a compiler; what it would win is this.
//! It is two processes: pid namespaces are for children alone, so the first one only stands for the second.

use super::parts::{FRAME_BYTES_MAX, Parts};
use super::{
    COMPILE_ADDRESS_BYTES_MAX, COMPILE_CPU_SECONDS_MAX, COMPILE_MEMORY_BYTES_MAX, ENGINES_ARGUMENT,
    IDLE_ARGUMENT,
};
use crate::seal::landlock::Rules;
use crate::seal::seccomp::Filter;
use crate::seal::seccomp::table::Role;
use crate::seal::{self, Step};
use crate::walls::Kernel;
use crate::wire::{EngineKind, Entry, Join, Rlimit};
use crate::zygote::reason;
use morph_component::COMPONENT_SIZE_BYTES_MAX;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

/// Exit code for a component that the compiler doesn't take; its reason is on standard error.
pub(super) const REFUSED: u8 = 3;

/// Nobody; not the user of any worker, so that no worker can signal or trace a compiler.
const USER_ID: u32 = 65534;

/// Descriptors that it may have: its three streams, and those that threads need.
const DESCRIPTORS_MAX: u64 = 64;

/// Threads and processes that its user may have, in all compilers of the node: one thread for each processor
/// in each, and room.
const THREADS_MAX: u64 = 4096;

/// The lowest priority there is: some seventieth of what an ordinary process gets.
const IDLE_NICE: i32 = 19;

/// The highest there is.
const OOM_SCORE_ADJ: &str = "1000";

/// The sub-command: `compile ENGINE`, and `idle` if nobody waits; or `compile engines`.
pub fn main() -> ExitCode {
    match seal::fork_into_pid_namespace() {
        Ok(None) => compile(),
        Ok(Some(compiler)) => match stand_for(compiler) {
            Ok(code) => code,
            Err(error) => give_up(&error, ExitCode::FAILURE),
        },
        Err(error) => give_up(&error, ExitCode::FAILURE),
    }
}

/// Waits for the compiler and ends as it has ended. The compiler dies with this process, and holds the other
/// ends of its own streams: this process neither reads nor writes.
fn stand_for(compiler: Pid) -> Result<ExitCode, seal::Error> {
    seal::set_process_name("morph-compile-0");
    seal::close_from(3)?;
    seal::limit_resources(&[])?;
    seal::give_up_root(USER_ID, USER_ID, &[])?;
    let waited = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(compiler), WaitOptions::empty()));
    let status = waited.step("waiting for the compiler")?.map(|(_, status)| status);
    if let Some(signal) =
        status.and_then(|status| status.terminating_signal()).and_then(Signal::from_named_raw)
    {
        rustix::process::kill_process(rustix::process::getpid(), signal)
            .step("ending as the compiler did")?;
    }
    let code = status.and_then(|status| status.exit_status()).and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn compile() -> ExitCode {
    let kind = std::env::args().nth(2);
    if kind.as_deref() == Some(ENGINES_ARGUMENT) {
        return match prepare(false).and_then(|()| tell_engines()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => give_up(&*error, ExitCode::FAILURE),
        };
    }
    let idle = std::env::args().nth(3).is_some_and(|word| word == IDLE_ARGUMENT);
    let component = match prepare(idle).and_then(|()| read_component()) {
        Ok(component) => component,
        Err(error) => return give_up(&*error, ExitCode::FAILURE),
    };
    let Some(kind) = EngineKind::ALL.into_iter().find(|known| Some(known.to_string()) == kind) else {
        return give_up(&io::Error::other(format!("no such engine: {kind:?}")), ExitCode::FAILURE);
    };
    let component = match whole(component) {
        Ok(component) => component,
        Err((error, code)) => return give_up(&*error, code),
    };
    match morph_host::compile(&component, kind) {
        Ok(code) => match write_code(&code) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => give_up(&error, ExitCode::FAILURE),
        },
        Err(error) => give_up(&error, ExitCode::from(REFUSED)),
    }
}

/// What is compiled: the component itself, or what its parts are composed to. Parts that don't check out are
/// nobody's fault but the server's; all else is said of the parts themselves.
fn whole(bytes: Vec<u8>) -> Result<Vec<u8>, (Box<dyn Error>, ExitCode)> {
    if !Parts::is_begun_by(&bytes) {
        return Ok(bytes);
    }
    let parts = Parts::read(&bytes).map_err(|error| (error.into(), ExitCode::FAILURE))?;
    parts.compose().map_err(|error| (error.into(), ExitCode::from(REFUSED)))
}

fn give_up(error: &dyn Error, code: ExitCode) -> ExitCode {
    // If nobody reads it, nobody wants to know.
    drop(writeln!(io::stderr(), "{}", reason(error)));
    code
}

fn prepare(idle: bool) -> Result<(), Box<dyn Error>> {
    if idle {
        rustix::process::setpriority_process(None, IDLE_NICE).step("becoming idle")?;
    }
    // The first to go when the node runs out of memory; raising it needs no right.
    std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ).step("setting oom_score_adj")?;
    seal::close_from(3)?;
    seal::set_process_name("morph-compile");
    let entry = Entry { join: Vec::new(), new: vec![Join::Net, Join::Ipc, Join::Uts] };
    seal::enter_namespaces(&entry, &mut std::iter::empty())?;
    seal::leave_node_files()?;
    let limit = |name: &str, value| Rlimit { name: name.into(), soft: value, hard: value };
    seal::limit_resources(&[
        limit("RLIMIT_AS", COMPILE_ADDRESS_BYTES_MAX),
        limit("RLIMIT_DATA", COMPILE_MEMORY_BYTES_MAX),
        limit("RLIMIT_CPU", COMPILE_CPU_SECONDS_MAX),
        limit("RLIMIT_FSIZE", 0),
        limit("RLIMIT_NOFILE", DESCRIPTORS_MAX),
        limit("RLIMIT_NPROC", THREADS_MAX),
    ])?;
    seal::give_up_root(USER_ID, USER_ID, &[])?;
    seal::die_with_fork_parent()?;
    let kernel = Kernel::detect();
    Rules::default().enforce(kernel)?;
    if kernel.seccomp {
        Filter::of(&[Role::Compile])?.install()?;
    }
    std::thread::Builder::new()
        .name("server-watch".into())
        .spawn(end_with_server)
        .step("starting its watch")?;
    Ok(())
}

/// Ends this process when nobody reads its output any more: whoever asked is gone.
fn end_with_server() {
    let stdout = io::stdout();
    let mut descriptors = [PollFd::new(&stdout, PollFlags::empty())];
    // Only the error that a pipe without reader has is waited for; an interruption is asked again.
    while rustix::event::poll(&mut descriptors, None).is_err() {}
    std::process::exit(1);
}

fn read_component() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut component = Vec::new();
    let mut max = COMPONENT_SIZE_BYTES_MAX;
    io::stdin().take(max + 1).read_to_end(&mut component).step("reading the component")?;
    if Parts::is_begun_by(&component) {
        // The parts together may be as large as one component.
        io::stdin().take(FRAME_BYTES_MAX).read_to_end(&mut component).step("reading the parts")?;
        max += FRAME_BYTES_MAX;
    }
    if component.len() as u64 > max {
        return Err(format!("component of more than {COMPONENT_SIZE_BYTES_MAX} bytes").into());
    }
    Ok(component)
}

fn tell_engines() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    for kind in EngineKind::ALL {
        text += &format!("{kind} {}\n", morph_host::engine_hash(kind)?);
    }
    Ok(write_code(text.as_bytes())?)
}

/// Past the buffer of lines that standard output has.
fn write_code(code: &[u8]) -> io::Result<()> {
    File::from(io::stdout().as_fd().try_clone_to_owned()?).write_all(code)
}
