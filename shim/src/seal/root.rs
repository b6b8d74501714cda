//! The root of a forked process: empty but for what is granted, and read-only. What may be mounted there is
//! decided elsewhere; here it only gets its place.

use super::{Result, Step, unshare};
use crate::wire::MountTarget;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Where the next root is mounted before it becomes the root: a directory of the zygote's own root.
const STAGE: &str = "/stage";

/// Where the compiled code stands in a worker's root. No guest has a handle on the root.
pub(crate) const CODE_PATH: &str = "/code";

/// Size of a worker's root in bytes: it holds mount points alone, and is read-only once they stand.
const ROOT_BYTES: &str = "64k";

/// Inodes of a worker's root: a path of 16 parts for each of 32 volumes, and the code.
const ROOT_INODES: &str = "1024";

/// Gives the zygote a mount namespace of its own whose root is empty: what it forks starts from there, and
/// copying that namespace costs nothing, however many mounts the node has.
pub(crate) fn leave_node_files() -> Result<()> {
    unshare(UnshareFlags::NEWNS).step("making a mount namespace")?;
    rustix::mount::mount_change(
        "/",
        rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
    )
    .step("making mounts private")?;
    // Any directory that every node has will do; nothing below it is needed any more.
    let root = staged_root("/proc")?;
    rustix::fs::mkdirat(&root, &STAGE[1..], Mode::from(0o700)).step("making the stage")?;
    become_root(&root)
}

/// Gives a worker a root that holds these mounts and nothing else.
pub(crate) fn enter_root(targets: &[MountTarget], mounts: &mut impl Iterator<Item = OwnedFd>) -> Result<()> {
    unshare(UnshareFlags::NEWNS).step("making a mount namespace")?;
    let root = staged_root(STAGE)?;
    let code = MountTarget { path: CODE_PATH.into(), directory: false, read_only: true };
    for target in targets.iter().chain([&code]) {
        let step = || format!("mounting {}", target.path);
        let mount = mounts.next().ok_or(Errno::BADF).step(step())?;
        let place = make_mount_point(root.as_fd(), target).step(step())?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(mount, c"", place, c"", flags).step(step())?;
    }
    become_root(&root)
}

/// An empty root, mounted where it can become the root: kernels before 6.15 take no mount below one that
/// stands nowhere.
fn staged_root(stage: &str) -> Result<OwnedFd> {
    let make = || -> io::Result<OwnedFd> {
        let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in [("size", ROOT_BYTES), ("nr_inodes", ROOT_INODES), ("mode", "0755")] {
            rustix::mount::fsconfig_set_string(context.as_fd(), key, value)?;
        }
        rustix::mount::fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        Ok(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
    };
    let root = make().step("making an empty root")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&root, c"", CWD, stage, flags).step("staging the root")?;
    Ok(root)
}

/// Makes the directories down to a mount point, and the point itself.
fn make_mount_point(root: BorrowedFd<'_>, target: &MountTarget) -> io::Result<OwnedFd> {
    let path = Path::new(&target.path).strip_prefix("/").map_err(io::Error::other)?;
    let mut parts = path.components().peekable();
    if parts.peek().is_none() {
        // It would hide the root, and what is mounted later would land in it.
        return Err(Errno::INVAL.into());
    }
    let mut at = rustix::fs::openat(root, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    while let Some(part) = parts.next() {
        let std::path::Component::Normal(name) = part else { return Err(Errno::INVAL.into()) };
        let file = parts.peek().is_none() && !target.directory;
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        at = if file {
            rustix::fs::openat(&at, name, flags | OFlags::CREATE | OFlags::RDONLY, Mode::from(0o444))?
        } else {
            match rustix::fs::mkdirat(&at, name, Mode::from(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            rustix::fs::openat(&at, name, flags | OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?
        };
    }
    Ok(at)
}

/// Makes a staged mount this process's root, read-only, and lets go of the old one.
fn become_root(root: &OwnedFd) -> Result<()> {
    rustix::process::fchdir(root).step("entering the root")?;
    rustix::process::pivot_root(".", ".").step("changing the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step("leaving the old root")?;
    rustix::process::chdir("/").step("entering the root")?;
    let read_only = rustix::mount::MountFlags::BIND
        | rustix::mount::MountFlags::RDONLY
        | rustix::mount::MountFlags::NOSUID
        | rustix::mount::MountFlags::NODEV
        | rustix::mount::MountFlags::NOEXEC;
    rustix::mount::mount_remount("/", read_only, c"").step("making the root read-only")
}
