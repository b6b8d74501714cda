//! The termination message of a container, written where the kubelet reads it: into the file that it mounted,
//! below its own directory and nowhere else.

use crate::process::Exit;
use crate::spec::{Pod, Spec};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// What the kubelet reads of a message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// Why a process ended that gave no reason itself; `None` where nobody needs to be told. `killed` says that
/// somebody asked for its death, `out_of_memory` that its cgroup had one killed.
#[must_use]
pub fn reason(exit: Exit, killed: bool, out_of_memory: bool) -> Option<String> {
    match exit {
        Exit::Code(0) => None,
        Exit::Code(code) => Some(format!("the worker ended with code {code} and gave no reason")),
        Exit::Signal(libc::SIGKILL) if killed => None,
        Exit::Signal(libc::SIGKILL) if out_of_memory => {
            Some("killed: the container's memory limit is too small".into())
        }
        Exit::Signal(libc::SIGSYS) => Some(
            "killed by seccomp: the worker made a system call that nothing of ours makes; it was taken over, \
             and its component is hostile"
                .into(),
        ),
        Exit::Signal(signal) => Some(format!("killed by signal {signal}")),
    }
}

/// The file of a container's termination message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminationFile {
    /// The container's directory, the kubelet's own.
    directory: PathBuf,
    /// The file in it.
    name: PathBuf,
}

impl TerminationFile {
    /// The file for a container, if the kubelet has mounted one. It is known by where it lies, not by where
    /// the pod wants it (`terminationMessagePath`): the kubelet makes one file in
    /// `pods/<uid>/containers/<name>/`, and mounts nothing else from there.
    #[must_use]
    pub fn of(spec: &Spec, pod: &Pod, kubelet_dir: &Path) -> Option<Self> {
        let name = spec.role.container_name()?;
        if !is_plain(&pod.uid) || !is_plain(name) {
            return None;
        }
        let directory = kubelet_dir.join("pods").join(&pod.uid).join("containers").join(name);
        let file = spec.mounts.iter().find_map(|mount| {
            let file = mount.source.strip_prefix(&directory).ok()?;
            (mount.bind && is_plain(file)).then(|| file.to_path_buf())
        })?;
        Some(Self { directory, name: file })
    }

    /// Writes the message; what the kubelet wouldn't read is cut off.
    ///
    /// # Errors
    /// What the system says, also for a path that a link leads out of its directory.
    pub fn write(&self, message: &str) -> io::Result<()> {
        let mut end = message.len().min(MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let flags = OFlags::CLOEXEC | OFlags::DIRECTORY | OFlags::PATH;
        let directory = rustix::fs::openat(CWD, &self.directory, flags, Mode::empty())?;
        let flags = OFlags::CLOEXEC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = rustix::fs::openat2(directory, &self.name, flags, Mode::empty(), resolve)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::fs::ftruncate(&file, 0)?;
        std::fs::File::from(file).write_all(&message.as_bytes()[..end])
    }
}

fn is_plain(name: impl AsRef<Path>) -> bool {
    matches!(name.as_ref().components().collect::<Vec<_>>()[..], [Component::Normal(_)])
}

#[cfg(test)]
mod tests;
