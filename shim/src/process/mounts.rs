//! Turns what a worker is granted of the node's file system into detached mounts: opened beneath a directory
//! that is known, without following a link out of it, and stripped of what a guest never needs.

use super::Error;
use crate::seal::{self, MountAttributes};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::OpenTreeFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A volume (or a single file) that a worker sees.
#[derive(Debug)]
pub struct Granted {
    /// What is mounted, opened with [`open_beneath`].
    pub source: OwnedFd,
    /// Absolute path in the worker's root.
    pub target: String,
    /// Whether it is read-only for the worker.
    pub read_only: bool,
}

impl Granted {
    /// A mount of it that stands nowhere yet: no devices, no set-uid, no programs.
    pub(super) fn detach(&self) -> Result<OwnedFd, Error> {
        detach(self.source.as_fd(), MountAttributes { read_only: self.read_only, no_exec: true })
            .map_err(|source| self.failed("mount can't be made", source))
    }

    pub(super) fn is_directory(&self) -> Result<bool, Error> {
        let status = rustix::fs::fstat(&self.source).map_err(|error| self.failed("status", error.into()))?;
        Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Path { path: self.target.clone().into(), doing, source }
    }
}

/// Opens `relative` for mounting, below `base` and never out of it: no `..` beyond it, no symbolic link
/// anywhere on the way. `base` itself is the administrator's and may be or hold a link.
pub fn open_beneath(base: &Path, relative: &Path) -> Result<OwnedFd, Error> {
    let failed = |path: &Path, doing, errno: rustix::io::Errno| Error::Path {
        path: path.to_path_buf(),
        doing,
        source: errno.into(),
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, base, flags | OFlags::DIRECTORY, Mode::empty())
        .map_err(|errno| failed(base, "directory can't be opened", errno))?;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(&directory, relative, flags, Mode::empty(), within)
        .map_err(|errno| failed(&base.join(relative), "can't be opened without leaving its directory", errno))
}

/// A read-only mount of the compiled code's file. Not noexec: it is mapped and run.
pub(super) fn detach_code(code: &File) -> Result<OwnedFd, Error> {
    detach(code.as_fd(), MountAttributes { read_only: true, no_exec: false }).map_err(|source| Error::Path {
        path: "compiled code".into(),
        doing: "mount can't be made",
        source,
    })
}

fn detach(source: BorrowedFd<'_>, attributes: MountAttributes) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let mount = rustix::mount::open_tree(source, c"", flags)?;
    seal::set_mount_attributes(mount.as_fd(), attributes)?;
    Ok(mount)
}
