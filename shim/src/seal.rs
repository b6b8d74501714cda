//! The walls round a forked process, one function for each, and the system calls that have no safe form.
//! `zygote`, `sandbox` and `worker` say in which order; nothing here knows what runs inside.
#![allow(unsafe_code)] // each block says why

pub(crate) mod detect;
pub(crate) mod landlock;
mod memory;
mod pages;
mod root;
pub(crate) mod seccomp;
mod terminal;

pub(crate) use memory::{fill_heap, give_back_heap, give_back_stack};
pub(crate) use pages::OwnPages;
pub(crate) use root::{CODE_PATH, enter_root, leave_node_files};
pub(crate) use terminal::{open_terminal, take_terminal};

use crate::wire::{Entry, Join, Rlimit};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Resource, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, LinkNameSpaceType, Uid, UnshareFlags};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The last capability that a kernel could know; unknown ones answer `EINVAL`, and there it ends.
const CAPABILITY_MAX: u32 = 63;

/// A step that could not be done: the process must not go on.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {source}")]
pub(crate) struct Error {
    step: String,
    #[source]
    source: io::Error,
}

type Result<T> = std::result::Result<T, Error>;

/// Gives an error the name of its step.
pub(crate) trait Step<T> {
    /// `step` says what was tried, on what.
    fn step(self, step: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Step<T> for std::result::Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error { step: step.into(), source: source.into() })
    }
}

/// What is done to a mount before a guest sees it; no set-uid and no devices goes without saying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MountAttributes {
    /// Nothing below it can be written.
    pub(crate) read_only: bool,
    /// Nothing below it can be run, nor mapped as code.
    pub(crate) no_exec: bool,
}

/// Sets attributes on a whole detached mount, and keeps later mounts of the node out of it.
pub(crate) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: MountAttributes) -> io::Result<()> {
    let mut set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    if attributes.read_only {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    if attributes.no_exec {
        set |= libc::MOUNT_ATTR_NOEXEC;
    }
    let attributes =
        libc::mount_attr { attr_set: set, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a C string, and the structure is read for exactly the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What `clone3` takes, version 2 of its structure (`linux/sched.h`).
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks this process, which must have one thread, with its own parent as the child's parent. Answers the
/// child's pid and pidfd in the parent, `None` in the child.
pub(crate) fn clone_child(
    own_pid_namespace: bool,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Option<(i32, OwnedFd)>> {
    let mut pidfd: RawFd = -1;
    let mut arguments = CloneArguments {
        flags: (libc::CLONE_PARENT | libc::CLONE_PIDFD) as u64,
        pidfd: (&raw mut pidfd) as u64,
        ..CloneArguments::default()
    };
    if own_pid_namespace {
        arguments.flags |= libc::CLONE_NEWPID as u64;
    }
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    if let Some(address) = thread_id_address() {
        arguments.flags |= (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
        arguments.child_tid = address;
    }
    // SAFETY: the structure lives through the call and is read for its size. No memory is shared with the
    // child and this process has one thread, so the child finds every lock free, as after `fork`; the
    // C library's idea of its thread's id is set by the kernel where it keeps it.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<CloneArguments>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => {
            // SAFETY: the kernel has just put a new descriptor there, and nobody else knows it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).map_err(io::Error::other)?;
            Ok(Some((pid, pidfd)))
        }
    }
}

/// Forks this process, which must have one thread, into a pid namespace of its own, as its pid 1. Answers the
/// child in the parent, `None` in the child.
pub(crate) fn fork_into_pid_namespace() -> Result<Option<Pid>> {
    unshare(UnshareFlags::NEWPID).step("making a pid namespace")?;
    // SAFETY: there is one thread, so the child finds every lock free.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(io::Error::last_os_error()).step("forking") } else { Ok(Pid::from_raw(pid)) }
}

/// `CLONE_INTO_CGROUP` (`linux/sched.h`).
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Where the C library keeps its main thread's id: `fork` tells the kernel so, and a bare `clone3` must too,
/// or locks that know their owner would know the zygote as the owner. None where it is kept elsewhere.
fn thread_id_address() -> Option<u64> {
    let address = rustix::thread::get_clear_child_tid_address().ok()??.cast::<i32>();
    // SAFETY: the kernel itself would write an int there when this thread ends, so one can be read there.
    let kept = unsafe { address.as_ptr().read() };
    (kept == rustix::thread::gettid().as_raw_nonzero().get()).then_some(address.as_ptr() as u64)
}

/// Signals that ask a process to stop.
const STOP_SIGNALS: [i32; 2] = [libc::SIGTERM, libc::SIGINT];

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: an all-zero set is a valid place for `sigemptyset` to write to; both only write to it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

/// Keeps stop signals pending from here on, in all children too, until someone reads them: pid 1 of a
/// namespace would lose a signal that comes before its handler.
pub(crate) fn hold_stop_signals() -> Result<()> {
    let set = signal_set(&[libc::SIGTERM, libc::SIGINT, libc::SIGCHLD]);
    // SAFETY: the set is valid, and the old one isn't asked for.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)).step("holding signals") }
}

/// A descriptor that is readable when a held stop signal has come.
pub(crate) fn stop_signals() -> Result<OwnedFd> {
    let set = signal_set(&STOP_SIGNALS);
    // SAFETY: the set is valid; -1 asks for a new descriptor.
    let descriptor = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error()).step("making a signal descriptor");
    }
    // SAFETY: it is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Waits for a held signal: a stop signal or a child's end.
pub(crate) fn wait_signal() -> io::Result<i32> {
    let set = signal_set(&[libc::SIGTERM, libc::SIGINT, libc::SIGCHLD]);
    let mut signal = 0;
    // SAFETY: both point to valid memory for the call.
    let result = unsafe { libc::sigwait(&raw const set, &raw mut signal) };
    if result == 0 { Ok(signal) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// Watches a descriptor for becoming readable.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one and the same open descriptor as long as it lives, and the watch owns it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}

/// Closes every descriptor from `first` on. Only for a process that has just begun and owns none of them.
pub(crate) fn close_from(first: u32) -> Result<()> {
    // SAFETY: the caller owns nothing at or above `first`: no `OwnedFd` is closed behind its owner's back.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()).step("closing inherited descriptors") }
}

/// Goes into cgroups of version 1 by their `tasks` files. A process with one thread that moves itself so
/// takes no lock that all processes of the node share; being moved by another waits for all processors, some
/// six milliseconds.
pub(crate) fn enter_cgroups(tasks_files: Vec<OwnedFd>) -> Result<()> {
    for (index, file) in tasks_files.iter().enumerate() {
        let step =
            || format!("entering cgroup {} of {} (in mountinfo's order)", index + 1, tasks_files.len());
        rustix::io::write(file, b"0").map_err(io::Error::from).step(step())?;
    }
    Ok(())
}

/// Drops pages of a private mapping of a file, from beginning to end. They were never written to.
fn drop_pages((begin, end): (usize, usize)) -> io::Result<()> {
    // SAFETY: what is dropped of an unwritten private mapping comes again from its file as it was; the file
    // of a running program can't be written to.
    let result = unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves this process with new namespaces of these kinds.
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only `FILES` is unsafe, and no caller passes it.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Enters the namespaces that are joined, then makes the new ones. Takes their descriptors off the front.
pub(crate) fn enter_namespaces(entry: &Entry, descriptors: &mut impl Iterator<Item = OwnedFd>) -> Result<()> {
    for kind in &entry.join {
        let descriptor = descriptors.next().ok_or(Errno::BADF).step(format!("joining {kind:?} namespace"))?;
        let link = match kind {
            Join::Net => LinkNameSpaceType::Network,
            Join::Ipc => LinkNameSpaceType::InterProcessCommunication,
            Join::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        };
        rustix::thread::move_into_link_name_space(descriptor.as_fd(), Some(link))
            .step(format!("joining {kind:?} namespace"))?;
    }
    let new = entry.new.iter().fold(UnshareFlags::empty(), |flags, kind| {
        flags
            | match kind {
                Join::Net => UnshareFlags::NEWNET,
                Join::Ipc => UnshareFlags::NEWIPC,
                Join::Uts => UnshareFlags::NEWUTS,
            }
    });
    if new.is_empty() { Ok(()) } else { unshare(new).step(format!("making {:?} namespaces", entry.new)) }
}

/// Sets the host name of this process's uts namespace.
pub(crate) fn set_host_name(name: &str) -> Result<()> {
    rustix::system::sethostname(name.as_bytes()).step(format!("setting host name {name:?}"))
}

/// Sets the container's limits, and none for cores: memory may hold secrets.
pub(crate) fn limit_resources(rlimits: &[Rlimit]) -> Result<()> {
    let none = Rlimit { name: "RLIMIT_CORE".into(), soft: 0, hard: 0 };
    for rlimit in rlimits.iter().filter(|rlimit| rlimit.name != none.name).chain([&none]) {
        let step = || format!("setting {}", rlimit.name);
        let resource = resource(&rlimit.name).ok_or(Errno::INVAL).step(step())?;
        let bounded = |limit: u64| (limit != libc::RLIM_INFINITY).then_some(limit);
        let wanted = rustix::process::Rlimit { current: bounded(rlimit.soft), maximum: bounded(rlimit.hard) };
        rustix::process::setrlimit(resource, wanted).step(step())?;
    }
    if rlimits.iter().any(|rlimit| rlimit.name == "RLIMIT_NOFILE") {
        return Ok(());
    }
    // A server holds a descriptor for each connection: what it may have it gets without asking.
    let files = rustix::process::getrlimit(Resource::Nofile);
    let wanted = rustix::process::Rlimit { current: files.maximum, ..files };
    rustix::process::setrlimit(Resource::Nofile, wanted).step("raising RLIMIT_NOFILE")
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "RLIMIT_AS" => Resource::As,
        "RLIMIT_CORE" => Resource::Core,
        "RLIMIT_CPU" => Resource::Cpu,
        "RLIMIT_DATA" => Resource::Data,
        "RLIMIT_FSIZE" => Resource::Fsize,
        "RLIMIT_LOCKS" => Resource::Locks,
        "RLIMIT_MEMLOCK" => Resource::Memlock,
        "RLIMIT_MSGQUEUE" => Resource::Msgqueue,
        "RLIMIT_NICE" => Resource::Nice,
        "RLIMIT_NOFILE" => Resource::Nofile,
        "RLIMIT_NPROC" => Resource::Nproc,
        "RLIMIT_RSS" => Resource::Rss,
        "RLIMIT_RTPRIO" => Resource::Rtprio,
        "RLIMIT_RTTIME" => Resource::Rttime,
        "RLIMIT_SIGPENDING" => Resource::Sigpending,
        "RLIMIT_STACK" => Resource::Stack,
        _ => return None,
    })
}

/// `KEYCTL_JOIN_SESSION_KEYRING` (`linux/keyctl.h`).
const JOIN_SESSION_KEYRING: libc::c_long = 1;

/// Leaves the session keyring that this process inherited: whoever started the shim may hold keys in it, and
/// all containers would share it.
fn leave_keyring() -> Result<()> {
    // SAFETY: no pointer but the null that asks for a new keyring without a name.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    match io::Error::last_os_error() {
        // A kernel without keyrings has none to leave.
        error if result < 0 && error.raw_os_error() != Some(libc::ENOSYS) => {
            Err(error).step("leaving the inherited keyring")
        }
        _ => Ok(()),
    }
}

/// Becomes a user that isn't root, for good, without the keys of whoever was root: no capability is left in
/// any set, and no program could give one.
pub(crate) fn give_up_root(uid: u32, gid: u32, groups: &[u32]) -> Result<()> {
    if uid == 0 || gid == 0 || groups.contains(&0) {
        return Err(Errno::PERM).step("running as root is refused: set runAsUser and runAsGroup");
    }
    leave_keyring()?;
    for capability in (0..=CAPABILITY_MAX).filter_map(|number| CapabilitySet::from_bits(1 << number)) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error).step("dropping the bounding set"),
        }
    }
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    rustix::thread::set_thread_groups(&groups).step("setting groups")?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).step("setting the group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).step("setting the user")?;
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, none).step("dropping capabilities")?;
    rustix::thread::set_no_new_privs(true).step("refusing new privileges")
}

/// Dies with the server: the last step, since a change of user forgets it. `socket` is the server's: when its
/// other end is closed, the server went before this was set.
pub(crate) fn die_with_parent(socket: &UnixStream) -> Result<()> {
    die_with_fork_parent()?;
    let mut descriptors = [PollFd::new(socket, PollFlags::HUP)];
    rustix::event::poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
        .step("looking for the server")?;
    let gone = descriptors[0].revents().contains(PollFlags::HUP);
    if gone { Err(Errno::PIPE).step("looking for the server") } else { Ok(()) }
}

/// Dies with the process that has forked it, if that still lives; also to be done last.
pub(crate) fn die_with_fork_parent() -> Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).step("refusing to be traced")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("binding to the parent")
}

/// Names the process in lists of processes, in at most 15 bytes.
pub(crate) fn set_process_name(name: &str) {
    let short: Vec<u8> = name.bytes().filter(|byte| *byte != 0).take(15).collect();
    if let Ok(name) = CString::new(short) {
        // Cosmetic: nothing depends on it.
        let _ = rustix::thread::set_name(&name);
    }
}

#[cfg(test)]
mod tests;
