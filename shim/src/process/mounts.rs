//! Turns what a worker is granted of the node's file system into detached mounts: opened beneath a directory
//! that is known, without following a link out of it, and stripped of what a guest never needs.

use super::Error;
use crate::seal::{self, MountAttributes};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use rustix::process::{Gid, Uid};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

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

/// Opens a directory of an opened volume for mounting: beneath it, through no link. Missing ones are made, if
/// that is wanted, for this user and group.
pub fn open_directory(volume: &OwnedFd, path: &Path, make_for: Option<(u32, u32)>) -> Result<OwnedFd, Error> {
    let mut at: Option<OwnedFd> = None;
    let mut walked = PathBuf::new();
    for part in path.components() {
        walked.push(part);
        let failed = |doing, errno: rustix::io::Errno| Error::Path {
            path: walked.clone(),
            doing,
            source: errno.into(),
        };
        let parent = at.as_ref().unwrap_or(volume);
        let part = part.as_os_str();
        let next = match (open_part(parent, part), make_for) {
            (Err(Errno::NOENT), Some(owner)) => {
                make_part(parent, part, owner).map_err(|errno| failed("directory can't be made", errno))?
            }
            (next, _) => next.map_err(|errno| failed("is no directory of the volume", errno))?,
        };
        at = Some(next);
    }
    at.ok_or_else(|| Error::Path {
        path: path.into(),
        doing: "is no directory of the volume",
        source: Errno::NOENT.into(),
    })
}

fn open_part(parent: &OwnedFd, part: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(parent, part, flags, Mode::empty(), within)
}

/// Makes a directory and gives it to its owner. Others may write to the volume meanwhile: what they put in
/// its place isn't given away, unless it is a directory of this process's own user as well.
fn make_part(parent: &OwnedFd, part: &OsStr, (user, group): (u32, u32)) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(parent, part, Mode::from(0o770)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return open_part(parent, part),
        Err(errno) => return Err(errno),
    }
    let made = open_part(parent, part)?;
    if rustix::fs::fstat(&made)?.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(made);
    }
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    rustix::fs::chownat(&made, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
    Ok(made)
}

/// Whether an opened file is a regular one.
pub fn is_regular(file: &OwnedFd) -> Result<bool, Error> {
    let status = rustix::fs::fstat(file).map_err(|errno| Error::Path {
        path: PathBuf::new(),
        doing: "status",
        source: errno.into(),
    })?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
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
