//! The action `delete`: takes down what a task has left, with or without a server, once or twice. It comes
//! after every ordinary Delete too, beside the living server, and finds nothing to do then.

use crate::bundle::{Process, Record, neighbour};
use crate::cgroup::CgroupError;
use crate::failpoint::failpoint;
use crate::remains;
use containerd_shim_protos::api::DeleteResponse;
use containerd_shim_protos::protobuf::{Message, MessageField};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Exit code of a task that had to be taken down: 128 and SIGKILL.
const KILLED: u32 = 137;

/// How long a killed process may take to be gone, in seconds. containerd gives five in all.
const GONE_SECONDS_MAX: i64 = 2;

/// What can't be taken down.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// A record.
    #[error("{path}: record")]
    Record {
        /// The bundle.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A process.
    #[error("process {pid}")]
    Process {
        /// Its pid.
        pid: i32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A cgroup.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// What a dead server left.
    #[error("{path}: left by a server that is dead")]
    Server {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Takes down the task of a bundle; for a sandbox, its whole pod: some releases of containerd clean up nobody
/// else when a server has died. Answers what to print.
///
/// # Errors
/// The first thing that can't be taken down; everything else is.
pub fn delete(bundle: &Path, id: &str) -> Result<Vec<u8>, CleanupError> {
    let record = read(bundle)?;
    let pid = record.as_ref().and_then(|record| record.process).map_or(0, |process| process.pid);
    let mut result = Ok(());
    if let Some(record) = &record {
        if record.sandbox.as_deref() == Some(id) {
            result = delete_pod(bundle, id);
        }
        result = result.and(take_down(bundle, record));
        let cleared = remains::clear(&record.address);
        result = result.and(cleared.map_err(|(path, source)| CleanupError::Server { path, source }));
    }
    result?;
    let response = DeleteResponse {
        pid: pid.unsigned_abs(),
        exit_status: KILLED,
        exited_at: MessageField::some(crate::events::timestamp(SystemTime::now())),
        ..DeleteResponse::default()
    };
    // A message without required fields always encodes.
    Ok(response.write_to_bytes().unwrap_or_default())
}

/// Takes down the containers of a sandbox. Bundles lie side by side.
fn delete_pod(bundle: &Path, sandbox: &str) -> Result<(), CleanupError> {
    let Some(directory) = bundle.parent() else { return Ok(()) };
    let entries = std::fs::read_dir(directory)
        .map_err(|source| CleanupError::Record { path: directory.into(), source })?;
    let mut result = Ok(());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(place) = name.to_str().filter(|id| *id != sandbox).and_then(|id| neighbour(bundle, id))
        else {
            continue;
        };
        // A bundle without a readable record isn't of this pod as far as anybody can tell.
        let Ok(Some(record)) = Record::read(&place) else { continue };
        if record.sandbox.as_deref() == Some(sandbox) {
            result = result.and(take_down(&place, &record));
        }
    }
    result
}

fn read(bundle: &Path) -> Result<Option<Record>, CleanupError> {
    Record::read(bundle).map_err(|source| CleanupError::Record { path: bundle.into(), source })
}

fn take_down(bundle: &Path, record: &Record) -> Result<(), CleanupError> {
    let of_record = |source| CleanupError::Record { path: bundle.into(), source };
    failpoint!("cleanup.process").map_err(of_record)?;
    if let Some(process) = record.process {
        end(process).map_err(|source| CleanupError::Process { pid: process.pid, source })?;
    }
    failpoint!("cleanup.cgroup").map_err(of_record)?;
    record.cgroup.kill()?;
    record.cgroup.remove()?;
    failpoint!("cleanup.record").map_err(of_record)?;
    Record::remove(bundle).map_err(of_record)
}

/// Kills a process and waits until it is gone, whoever is its parent now.
fn end(recorded: Process) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(recorded.pid) else { return Ok(()) };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    // Only now: what is compared is what the descriptor holds, and no other can get its pid meanwhile.
    if !recorded.is_there() {
        return Ok(());
    }
    match pidfd_send_signal(&process, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    }
    let mut watched = [PollFd::new(&process, PollFlags::IN)];
    let patience = Timespec { tv_sec: GONE_SECONDS_MAX, tv_nsec: 0 };
    match rustix::event::poll(&mut watched, Some(&patience))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
